//! What models there are, under which names, and who serves them.

use super::Service;
use crate::domain::model::Offer;
use crate::domain::routing::Deployment;
use crate::provider::Roster;

/// A model as callers may ask for it.
#[derive(Clone, Debug)]
pub struct ListedModel<'a> {
    /// The name to ask by.
    pub name: &'a str,
    /// The provider's id; the same as the name unless the configuration gave one.
    pub id: &'a str,
    /// What it does.
    pub offer: &'a Offer,
    /// The deployments that would be tried, in order: those that serve it, then the fallbacks.
    pub deployments: Vec<String>,
}

impl Service {
    /// Tells of every model by every name, in the order of the names; qualified names are not
    /// repeated.
    pub fn with_models<T>(&self, tell: impl FnOnce(&[ListedModel<'_>]) -> T) -> T {
        let roster = self.roster();
        let catalog = &roster.catalog;
        let ids = catalog.ids().map(|id| (id, id));
        let mut models: Vec<ListedModel<'_>> = ids
            .chain(catalog.names())
            .map(|(name, id)| ListedModel {
                name,
                id,
                offer: catalog.offer_or_pass_through(id),
                deployments: deployments(&roster, name),
            })
            .collect();
        models.sort_by_key(|model| model.name);
        tell(&models)
    }

    /// The largest input that can be given, in bytes: inline or as an upload.
    pub fn max_input_bytes(&self) -> u64 {
        let limits = &self.parts().settings.limits;
        limits.upload_bytes.max(limits.inline_bytes)
    }
}

fn deployments(roster: &Roster, name: &str) -> Vec<String> {
    let chain = roster.routes.chain(name, &roster.catalog);
    each_once(chain.iter().flat_map(|group| &group.deployments))
}

/// The ids of deployments in the order in which they are tried, each once.
pub(super) fn each_once<'a>(deployments: impl Iterator<Item = &'a Deployment>) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    for deployment in deployments {
        if !ids.contains(&deployment.id) {
            ids.push(deployment.id.clone());
        }
    }
    ids
}
