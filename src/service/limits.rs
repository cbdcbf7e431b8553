//! What stands against a create although the request is right: the models of its key, limits of
//! tasks and of money, and too much moderated work. What others may race past is only put together
//! here and checked by the store.

use std::borrow::Cow;
use std::time::Duration;

use super::Service;
use super::create::CreateError;
use crate::domain::caller::{AllowedModels, Caller};
use crate::domain::generation::Generation;
use crate::domain::money::Millicredits;
use crate::domain::routing::{Group, reserve};
use crate::domain::time::{Timestamp, millis};
use crate::provider::Roster;
use crate::store::{Admission, Denied, QueueOf, StoreError};

/// A limit that a create would pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limited {
    /// Which.
    pub denied: Denied,
    /// Whose it is, as in `key:k1`.
    pub subject: String,
    /// When the create may be worth repeating.
    pub retry_after: Duration,
}

/// Who may ask for which models: a key's list, by every name that a model has.
pub(super) struct Names<'a>(pub(super) &'a Roster);

impl Names<'_> {
    /// Whether the list holds a name that means the same as the one asked for.
    pub(super) fn allow(&self, models: &AllowedModels, asked: &str) -> bool {
        let AllowedModels::Only(listed) = models else {
            return true;
        };
        let aliases = &self.0.routes.aliases;
        // To list another name of something is to list it.
        let mut listed = listed
            .iter()
            .flat_map(|name| [Some(name), aliases.get(name)])
            .flatten();
        let meant = self.meant(asked);
        listed.any(|name| meant.contains(name))
    }

    /// The name itself, the one that it stands for, and their spellings.
    fn meant(&self, asked: &str) -> Vec<String> {
        let Roster {
            catalog, routes, ..
        } = self.0;
        let own = routes.aliases.get(asked).map_or(asked, String::as_str);
        let mut names = vec![asked.to_owned(), own.to_owned()];
        names.extend(catalog.spellings(asked));
        names.extend(catalog.spellings(own));
        // A configured group is not the model of the catalogue that has its name.
        if !routes.groups.contains_key(own)
            && let Ok(resolved) = catalog.resolve(own)
        {
            names.extend(catalog.spellings(&resolved.id));
        }
        names
    }

    /// Every other name under which tasks for the same group may wait.
    fn others(&self, asked: &str, group: &Group) -> Vec<String> {
        let Roster {
            catalog, routes, ..
        } = self.0;
        let aliases = routes.aliases.iter();
        let aliases = aliases.filter(|(_, of)| **of == group.name);
        let mut names: Vec<String> = aliases.map(|(name, _)| name.clone()).collect();
        names.push(group.name.clone());
        if !routes.groups.contains_key(&group.name) {
            names.extend(catalog.spellings(&group.name));
            let own = catalog.names().filter(|(_, id)| *id == group.name);
            names.extend(own.map(|(name, _)| name.to_owned()));
        }
        names.retain(|name| name != asked);
        names.sort();
        names.dedup();
        names
    }
}

impl Service {
    /// Learns how tasks ended lately, as far as the store knows. Once, at the start.
    ///
    /// # Errors
    /// The store's.
    pub async fn recall_moderation(&self) -> Result<(), StoreError> {
        let Some(limits) = self.roster().callers.moderation else {
            return Ok(());
        };
        let back = millis(limits.window).saturating_add(millis(limits.cooldown));
        let since = Timestamp(self.now().0.saturating_sub(back));
        let endings = self.parts().store.endings(since, MOST_RECALLED).await?;
        let mut moderation = self.inner.moderation.lock();
        for ending in endings {
            moderation.ended(ending, &limits);
        }
        Ok(())
    }

    /// Refuses a tenant too much of whose work was moderated lately.
    pub(super) fn check_moderation(&self, caller: &Caller) -> Result<(), CreateError> {
        let endings = self.parts().store.changes().take_endings();
        let Some(limits) = self.roster().callers.moderation else {
            return Ok(());
        };
        let now = self.now();
        let mut moderation = self.inner.moderation.lock();
        for ending in endings {
            moderation.ended(ending, &limits);
        }
        match moderation.blocked_until(&caller.tenant, now) {
            Some(until) => Err(CreateError::Moderated {
                retry_after: until.since(now),
            }),
            None => Ok(()),
        }
    }

    /// Refuses a model that the caller's key may not ask for.
    pub(super) fn check_model(caller: &Caller, roster: &Roster, asked: &str) -> Option<String> {
        let forbidden = !asked.is_empty() && !Names(roster).allow(&caller.models, asked);
        forbidden.then(|| asked.to_owned())
    }

    /// What must hold for a task of the caller to be committed.
    pub(super) fn admission(caller: &Caller, roster: &Roster, asked: &str) -> Admission {
        let callers = &roster.callers;
        let group = roster.routes.group(asked, &roster.catalog);
        let most = group.as_ref().and_then(|group| group.policy.max_queued);
        let bounded = group.filter(|_| most.is_some());
        Admission {
            queued: callers.max_queued,
            queued_of_tenant: callers.tenant(&caller.tenant).max_queued,
            queued_of_model: most,
            model_names: bounded.map_or_else(Vec::new, |group| Names(roster).others(asked, &group)),
            tasks_of_key: caller.limits.tasks_in_flight,
            budget: caller.limits.budget,
            more: 0,
        }
    }

    /// What a budget holds back for one attempt: the most over every deployment that routing may
    /// choose. Without a budget the model's own price will do.
    pub(super) fn reserve(
        &self,
        caller: &Caller,
        roster: &Roster,
        asked: &str,
        generation: &Generation,
    ) -> Result<Option<Millicredits>, CreateError> {
        let own = self.price(generation);
        if !caller.limits.budget.is_bounded() {
            return Ok(own);
        }
        let (catalog, model) = (&roster.catalog, &generation.model);
        let chain: Vec<Cow<'_, Group>> = roster.routes.chain_of(asked, model, catalog);
        let found = reserve(&chain, generation, catalog);
        if !found.unknown.is_empty() {
            let deployments = found.unknown;
            return Err(CreateError::PriceUnknown { deployments });
        }
        let most = found.most.or(own);
        most.map(Some).ok_or_else(|| CreateError::PriceUnknown {
            deployments: Vec::new(),
        })
    }

    /// A denial with whose limit it was, and when to come back.
    pub(super) fn limited(&self, denied: Denied, caller: &Caller, asked: &str) -> Limited {
        let key = caller.key.as_ref().map_or("", |key| key.as_str());
        let (subject, retry_after) = match &denied {
            Denied::QueueFull { of, .. } => {
                let subject = match of {
                    QueueOf::Server => "server".to_owned(),
                    QueueOf::Tenant => format!("tenant:{}", caller.tenant.as_str()),
                    QueueOf::Model => format!("model:{asked}"),
                };
                (subject, QUEUE_MOVES)
            }
            Denied::KeyTasks { .. } => (format!("key:{key}"), QUEUE_MOVES),
            Denied::Budget(exceeded) => {
                let wait = exceeded.renewed.since(self.now());
                let wait = wait.clamp(Duration::from_secs(1), LONGEST_WAIT);
                (format!("key:{key}"), wait)
            }
        };
        Limited {
            denied,
            subject,
            retry_after,
        }
    }
}

/// When a full queue is worth another try.
const QUEUE_MOVES: Duration = Duration::from_secs(10);
/// The longest wait that a caller is told; a budget may be raised meanwhile.
const LONGEST_WAIT: Duration = Duration::from_hours(24);
/// Endings that a start looks back on.
const MOST_RECALLED: usize = 16_384;
