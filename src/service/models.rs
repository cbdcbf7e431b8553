//! What models there are, under which names, and who serves them.

use std::collections::{BTreeMap, BTreeSet};

use super::Service;
use super::limits::Names;
use crate::domain::caller::Caller;
use crate::domain::generation::Draft;
use crate::domain::id::TenantId;
use crate::domain::model::Offer;
use crate::domain::routing::Deployment;
use crate::provider::Roster;
use crate::store::StoreError;

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
    /// Tells of every model and group by every name, in the order of the names; qualified names are
    /// not repeated. A key is told of the models that it may ask for.
    pub fn with_models<T>(&self, caller: &Caller, tell: impl FnOnce(&[ListedModel<'_>]) -> T) -> T {
        let roster = self.roster();
        let catalog = &roster.catalog;
        let ids = catalog.ids().map(|id| (id, id));
        let mut models: Vec<ListedModel<'_>> = ids
            .chain(catalog.names())
            .chain(groups(&roster))
            .filter(|(name, _)| Names(&roster).allow(&caller.models, name))
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

    /// The options that the model of a draft is known to take; `None`: not known, or it is not known
    /// which model is meant.
    pub async fn options_of(
        &self,
        tenant: &TenantId,
        draft: &Draft,
    ) -> Result<Option<BTreeSet<String>>, StoreError> {
        let plain = Draft {
            options: BTreeMap::new(),
            size: String::new(),
            ..draft.clone()
        };
        let plain = self.completed(tenant, plain).await?;
        let Ok(generation) = self.generation(&plain) else {
            return Ok(None);
        };
        let catalog = &self.roster().catalog;
        let (model, operation) = (&generation.model, generation.operation);
        let spec = catalog.spec(model, operation);
        let spec = spec.filter(|_| catalog.is_known(model, operation));
        Ok(spec.map(|spec| spec.options.keys().cloned().collect()))
    }

    /// The model of a call for images that names none.
    pub fn default_model_of_images(&self) -> String {
        self.roster().catalog.default_model_of_images.clone()
    }

    /// The largest input that can be given, in bytes: inline or as an upload.
    pub fn max_input_bytes(&self) -> u64 {
        let limits = &self.parts().settings.limits;
        limits.upload_bytes.max(limits.inline_bytes)
    }
}

/// The configured groups by names that are not the catalogue's, each with its first model.
fn groups(roster: &Roster) -> impl Iterator<Item = (&str, &str)> {
    let Roster {
        catalog, routes, ..
    } = roster;
    let names = routes.groups.keys().chain(routes.aliases.keys());
    let own = names.filter(|name| {
        catalog.offer(name).is_none() && catalog.names().all(|(known, _)| known != *name)
    });
    own.filter_map(|name| {
        if let Some(group) = routes.configured(name) {
            let first = group.deployments.first()?;
            return Some((name.as_str(), first.model.as_str()));
        }
        let meant = catalog.resolve(routes.aliases.get(name)?).ok()?.id;
        let id = catalog.ids().find(|id| *id == meant)?;
        Some((name.as_str(), id))
    })
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
