//! `accounts`, `model_list` and `routing`: who is called, and which deployments serve which name.

use std::time::Duration;

use http::HeaderMap;

use super::runway::{Access, Runway};
use super::section::Section;
use super::{DAY, SECOND};
use crate::domain::model::ProviderKind;
use crate::domain::routing::Routes;

/// Who is called, and which deployments serve which name.
#[derive(Clone, Debug)]
pub struct Routing {
    /// Every account that a deployment or the catalogue's own names lead to; each provider, base
    /// and key once, each name once.
    pub accounts: Vec<Account>,
    /// Which deployments serve which name. Names only accounts that are above.
    pub routes: Routes,
    /// How often each account is asked what it may do and has left; sooner while it is out.
    pub check_accounts: Duration,
}

/// One account at a provider: what limits, caps and breakers belong to.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its name; what attempts on record refer to, so that it should outlive its key.
    pub name: String,
    /// Whose API it speaks.
    pub kind: ProviderKind,
    /// Where, and with which key.
    pub access: Access,
    /// Further headers for every call; their values are marked sensitive.
    pub headers: HeaderMap,
}

impl Routing {
    /// The one account of the section `runway`, which serves the whole catalogue.
    pub(super) fn of_one(section: &Section<'_>, runway: &Runway) -> Self {
        let name = if runway.is_sandbox() {
            "sandbox"
        } else {
            "runwayml"
        };
        Self {
            accounts: vec![Account {
                name: name.to_owned(),
                kind: ProviderKind::Runway,
                access: runway.access.clone(),
                headers: runway.headers.clone(),
            }],
            routes: Routes::open([(ProviderKind::Runway, name.to_owned())]),
            check_accounts: section.duration("check_accounts", 10 * SECOND..=DAY),
        }
    }
}
