//! Which deployments serve which name: what the configuration says, as one value.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use super::{Deployment, Group, Policy};
use crate::domain::model::{Catalog, ProviderKind};

/// Every name that callers may ask for beside the catalogue's own, and who serves what.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Routes {
    /// The configured groups, by name.
    pub groups: BTreeMap<String, Group>,
    /// Other names of groups.
    pub aliases: BTreeMap<String, String>,
    /// The accounts that serve every model of their provider by the model's own name.
    pub open: BTreeMap<ProviderKind, Vec<String>>,
    /// What goes for the groups that the catalogue's own names mean.
    pub policy: Policy,
    /// When a deployment is left alone for a while.
    pub breaker: BreakerSettings,
}

/// When a deployment is left alone for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerSettings {
    /// Faults of the provider in a row before it.
    pub allowed_fails: u32,
    /// The first while; it doubles with each that follows.
    pub cooldown: Duration,
}

impl Default for BreakerSettings {
    /// Three faults, five seconds.
    fn default() -> Self {
        Self {
            allowed_fails: 3,
            cooldown: Duration::from_secs(5),
        }
    }
}

impl Routes {
    /// Routes where accounts serve the catalogue by its own names, and nothing else.
    pub fn open(accounts: impl IntoIterator<Item = (ProviderKind, String)>) -> Self {
        let mut routes = Self::default();
        for (kind, account) in accounts {
            routes.open.entry(kind).or_default().push(account);
        }
        routes
    }

    /// The configured group of a name: its own, or another that it has.
    pub fn configured(&self, name: &str) -> Option<&Group> {
        let own = self.aliases.get(name).map_or(name, String::as_str);
        self.groups.get(own)
    }

    /// What a caller's name may mean, as names of the catalogue, in the order in which they are tried:
    /// the models of its configured group, each once; else what it stands for. Never empty.
    pub fn meanings(&self, name: &str, catalog: &Catalog) -> Vec<String> {
        let mut meant: Vec<String> = Vec::new();
        let group = self.configured(name);
        for deployment in group.map_or(&[][..], |group| &group.deployments) {
            // By its qualified name, which no other name hides.
            let [_, model] = catalog.spellings(&deployment.model);
            if !meant.contains(&model) {
                meant.push(model);
            }
        }
        if meant.is_empty() {
            let own = self.aliases.get(name).map_or(name, String::as_str);
            meant.push(own.to_owned());
        }
        meant
    }

    /// The group that a caller's name means: a configured one, by its name or another; else the
    /// one that the catalogue's name means. `None`: nobody serves it.
    pub fn group(&self, name: &str, catalog: &Catalog) -> Option<Cow<'_, Group>> {
        let own = self.aliases.get(name).map_or(name, String::as_str);
        if let Some(group) = self.groups.get(own) {
            return Some(Cow::Borrowed(group));
        }
        let id = catalog.resolve(own).ok()?.id;
        self.of_model(&id).map(Cow::Owned)
    }

    /// The group that a model's own id means: the deployments configured for it, else every open
    /// account of its provider. `None`: nobody serves it.
    pub fn of_model(&self, id: &str) -> Option<Group> {
        let configured = self.groups.values().flat_map(|group| &group.deployments);
        let mut deployments: Vec<Deployment> = configured
            .filter(|deployment| deployment.model == id)
            .cloned()
            .collect();
        deployments.sort_by(|a, b| a.id.cmp(&b.id));
        deployments.dedup_by(|a, b| a.account == b.account);
        let open = self.open.get(&ProviderKind::of(id)).into_iter().flatten();
        for account in open {
            if deployments.iter().all(|known| known.account != *account) {
                deployments.push(Deployment::of_model(account, id));
            }
        }
        (!deployments.is_empty()).then(|| Group {
            name: id.to_owned(),
            deployments,
            policy: self.policy.clone(),
        })
    }

    /// The chain of a task: that of the model as it was asked for; of the provider's model that was
    /// meant, where the name is no longer known.
    pub fn chain_of(&self, asked: &str, model: &str, catalog: &Catalog) -> Vec<Cow<'_, Group>> {
        let chain = self.chain(asked, catalog);
        if chain.is_empty() {
            self.of_model(model).map(Cow::Owned).into_iter().collect()
        } else {
            chain
        }
    }

    /// The group of a name and, after it, those that may serve in its place: each once, in order.
    pub fn chain(&self, name: &str, catalog: &Catalog) -> Vec<Cow<'_, Group>> {
        let mut chain: Vec<Cow<'_, Group>> = self.group(name, catalog).into_iter().collect();
        let mut next = 0;
        while let Some(group) = chain.get(next) {
            let found: Vec<_> = group
                .policy
                .fallbacks
                .iter()
                .filter_map(|name| self.group(name, catalog))
                .collect();
            for group in found {
                if chain.iter().all(|known| known.name != group.name) {
                    chain.push(group);
                }
            }
            next += 1;
        }
        chain
    }
}
