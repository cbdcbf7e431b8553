//! What a request costs at a deployment, and the most that a budget must hold back for it.

use std::borrow::Cow;

use super::{Deployment, Group};
use crate::domain::generation::Generation;
use crate::domain::model::Catalog;
use crate::domain::money::Millicredits;
use crate::domain::pricing;

/// What a budget must hold back for a task, over every deployment that routing may choose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reserve {
    /// The most that one attempt may cost; `None`: not known, or nobody takes the request.
    pub most: Option<Millicredits>,
    /// The deployments where neither a price nor `max_cost` says what it may cost, by id, in the
    /// order in which they would be tried. While there is any, `most` is `None`.
    pub unknown: Vec<String>,
}

impl Deployment {
    /// The most that a request, already fit for the model, may cost here by the price rules: by the
    /// deployment's own price, else by the catalogue's. `None`: not known.
    pub fn estimate(&self, generation: &Generation, catalog: &Catalog) -> Option<Millicredits> {
        let spec = catalog.spec(&self.model, generation.operation)?;
        match &self.price {
            Some(tariff) => pricing::estimate_by(tariff, generation, spec),
            None => pricing::estimate(generation, spec),
        }
    }

    /// The same; where it is not known, what the configuration says that it costs at most.
    pub fn most(&self, generation: &Generation, catalog: &Catalog) -> Option<Millicredits> {
        self.estimate(generation, catalog).or(self.max_cost)
    }
}

/// Reckons the reserve over a chain of groups. Deployments that do not take the request, also when
/// it is adapted, are never tried and count for nothing.
pub fn reserve(chain: &[Cow<'_, Group>], generation: &Generation, catalog: &Catalog) -> Reserve {
    let mut reserve = Reserve::default();
    for deployment in chain.iter().flat_map(|group| &group.deployments) {
        let Ok(adapted) = generation.for_model(&deployment.model, catalog) else {
            continue;
        };
        match deployment.most(&adapted.generation, catalog) {
            Some(cost) => reserve.most = reserve.most.max(Some(cost)),
            None => reserve.unknown.push(deployment.id.clone()),
        }
    }
    if !reserve.unknown.is_empty() {
        reserve.most = None;
    }
    reserve
}
