//! Who calls: a tenant, and what its key lets it do.
//!
//! A caller is made by `auth` from a key, or stands for everybody on a server without keys. What it
//! owns is its tenant's; what it may spend is its key's.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use super::id::TenantId;
use super::moderation::ModerationLimits;
use super::money::Millicredits;
use super::webhook::Webhooks;

/// The visible name of an API key. Not a secret, and never the key itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(Arc<str>);

/// One authenticated caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Whose tasks it sees.
    pub tenant: TenantId,
    /// The key it showed; `None` on a server without keys.
    pub key: Option<KeyId>,
    /// The models it may ask for.
    pub models: AllowedModels,
    /// The calls it may make.
    pub scopes: BTreeSet<Scope>,
    /// How much of everything.
    pub limits: KeyLimits,
}

/// Which models a key may ask for, as configured names, bare or qualified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AllowedModels {
    /// Any.
    #[default]
    All,
    /// These alone.
    Only(BTreeSet<String>),
}

/// A kind of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// What makes, ends or removes tasks and uploads: Create, Cancel, Delete, `UploadInput`.
    Create,
    /// What only looks: Status, `WatchTask`, `DownloadContent`, List, `EstimateCost`, `CostReport`,
    /// `ListModels`, reflection.
    Read,
    /// What an operator does: `ResolveUnknown`.
    Operate,
}

/// How much a key may do; `None`: as much as it likes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyLimits {
    /// Calls within a minute.
    pub requests_per_minute: Option<u32>,
    /// Tasks that have not ended, at once.
    pub tasks_in_flight: Option<u32>,
    /// Streams open at once: watches, downloads, uploads.
    pub streams: Option<u32>,
    /// What it may spend.
    pub budget: Budget,
}

/// What a key may spend; a task counts on the day (UTC) it was created.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    /// Within a day of UTC.
    pub day: Option<Millicredits>,
    /// Within a calendar month of UTC.
    pub month: Option<Millicredits>,
}

/// How much a tenant may do, over all its keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TenantLimits {
    /// Tasks at providers at once; more wait in the queue.
    pub max_in_flight: Option<u32>,
    /// Tasks waiting in the queue; a create beyond is refused.
    pub max_queued: Option<u32>,
    /// Nothing may be done: every call is refused.
    pub suspended: bool,
}

/// What is configured of callers, for who must know it without knowing keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Callers {
    /// Tenants that have limits of their own.
    pub tenants: BTreeMap<TenantId, TenantLimits>,
    /// The limits of any other.
    pub any_tenant: TenantLimits,
    /// What each key may spend.
    pub budgets: BTreeMap<KeyId, Budget>,
    /// Tasks waiting in the queue, of everybody.
    pub max_queued: Option<u32>,
    /// How much moderated work of a tenant is too much; `None`: any is let pass.
    pub moderation: Option<ModerationLimits>,
    /// Who is told when a task ends.
    pub webhooks: Webhooks,
}

impl KeyId {
    /// A key's name.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 3] = [Self::Create, Self::Read, Self::Operate];

    /// The name in configurations.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Read => "read",
            Self::Operate => "operate",
        }
    }
}

impl Caller {
    /// Everybody, on a server without keys.
    pub fn local() -> Self {
        Self {
            tenant: TenantId::local(),
            key: None,
            models: AllowedModels::All,
            scopes: Scope::ALL.into(),
            limits: KeyLimits::default(),
        }
    }
}

impl Budget {
    /// Whether anything is bounded.
    pub const fn is_bounded(&self) -> bool {
        self.day.is_some() || self.month.is_some()
    }
}

impl Callers {
    /// The limits of a tenant.
    pub fn tenant(&self, tenant: &TenantId) -> &TenantLimits {
        self.tenants.get(tenant).unwrap_or(&self.any_tenant)
    }

    /// What a key may spend.
    pub fn budget(&self, key: Option<&KeyId>) -> Budget {
        key.and_then(|key| self.budgets.get(key).copied())
            .unwrap_or_default()
    }
}
