//! `accounts`, `model_list`, `groups` and `routing`: who is called, and which deployments serve which
//! name.
//!
//! Our own spelling comes first. LiteLLM's, as its users have it in their files, is accepted beside
//! it: what a key of theirs means is said where ours is read, and what we do not honour is in
//! [`litellm`].

mod accounts;
mod checks;
mod entry;
#[cfg(all(test, unix))]
mod hostile;
mod litellm;
mod litellm_keys;
mod model_list;
mod parts;
mod price;
mod settings;
mod shown;
mod target;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;

use super::access::{Access, is_loopback};
use super::callers::Key;
use super::env::Environment;
use super::problem::Problem;
use super::runway::{Own, Runway};
use super::section::Section;
use crate::domain::model::{Catalog, ProviderKind};
use crate::domain::routing::{Group, Routes};

use accounts::Book;
pub(super) use shown::HIDDEN;

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

/// What the sections about routing say.
pub(super) struct Read {
    /// Who is called, and which deployments serve which name.
    pub routing: Routing,
    /// The key that `general_settings.master_key` is.
    pub master: Option<Key>,
    /// Whether every account of RunwayML is on this machine, where its rules do not hold.
    pub is_local: bool,
}

impl Routing {
    pub(super) fn read(
        root: &Section<'_>,
        (runway, own): (&Runway, &Own),
        env: &Environment,
        catalog: &Catalog,
    ) -> Read {
        let master = litellm::read_general(root);
        litellm::shrug_at_sections(root);
        let settings = settings::Settings::read(root);
        let mut book = Book::new(own, env, runway.is_sandbox());
        book.read_named(root, settings.serve_catalog);
        let list = model_list::read(root, &mut book, catalog, runway.usd_per_credit);
        let alone = book.is_empty() && !list.is_wrong;
        book.add_own(root, alone, settings.serve_catalog);
        let mut routes = Routes {
            groups: groups(list.deployments, &settings),
            open: book.open(),
            policy: settings.policy.clone(),
            breaker: settings.breaker,
            ..Routes::default()
        };
        let is_wrong = list.is_wrong;
        let check_accounts = settings.check_accounts;
        checks::apply(root, &mut routes, settings, &list.left_out, catalog);
        let accounts = book.accounts();
        Read {
            is_local: is_local(&accounts, own, is_wrong),
            routing: Self {
                accounts,
                routes,
                check_accounts,
            },
            master,
        }
    }

    /// The catalogue with the names of groups, so that a name means a model wherever only the
    /// catalogue is asked; of a group of several models, its first.
    pub(super) fn name_groups(&self, mut catalog: Arc<Catalog>) -> Arc<Catalog> {
        // A name that is qualified may be any model's; to look for another's neighbours is dear.
        let taken: BTreeSet<String> = (catalog.ids())
            .chain(catalog.names().map(|(name, _)| name))
            .map(str::to_owned)
            .collect();
        let is_free = |name: &str| !taken.contains(name) && !name.contains('/');
        let groups = self.routes.groups.iter();
        let aliases = self.routes.aliases.iter();
        let aliases = aliases.filter_map(|(name, of)| Some((name, self.routes.groups.get(of)?)));
        for (name, group) in groups.chain(aliases) {
            let model = group.deployments.first().map(|one| &one.model);
            if let Some(model) = model.filter(|model| catalog.offer(model).is_some())
                && is_free(name)
            {
                Arc::make_mut(&mut catalog).name(name, model);
            }
        }
        catalog
    }
}

/// Without any account, whose problems were reported, the section `runway` decides.
fn is_local(accounts: &[Account], own: &Own, is_list_wrong: bool) -> bool {
    if accounts.is_empty() && !is_list_wrong {
        return own.base_url.as_ref().is_none_or(is_loopback);
    }
    let mut runway = accounts
        .iter()
        .filter(|account| account.kind == ProviderKind::Runway);
    runway.all(|account| account.access.is_local())
}

fn groups(
    deployments: BTreeMap<String, Vec<crate::domain::routing::Deployment>>,
    settings: &settings::Settings,
) -> BTreeMap<String, Group> {
    let group = |(name, deployments): (String, Vec<_>)| {
        let group = Group {
            name: name.clone(),
            deployments,
            policy: settings.policy.clone(),
        };
        (name, group)
    };
    deployments.into_iter().map(group).collect()
}

/// A problem that no file has a line for.
fn nowhere(key: &str, text: &str) -> Problem {
    Problem {
        place: String::new(),
        key: key.to_owned(),
        text: text.to_owned(),
    }
}
