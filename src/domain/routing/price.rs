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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::catalog;
    use crate::domain::generation::{Draft, Limits};
    use crate::domain::routing::Policy;

    fn chain(models: &[&str]) -> Vec<Group> {
        let group = |model: &&str| Group {
            name: (*model).to_owned(),
            deployments: vec![Deployment::of_model("a", model)],
            policy: Policy::default(),
        };
        models.iter().map(group).collect()
    }

    /// The reserve of five seconds of gen4.5 over these groups.
    fn reserved(chain: &[Group]) -> Reserve {
        let catalog = catalog::parse(catalog::EMBEDDED).expect("it is embedded");
        let draft = Draft {
            model: "gen4.5".to_owned(),
            prompt: "a lake".to_owned(),
            ..Draft::default()
        };
        let generation = Generation::new(&draft, &catalog, &Limits::default());
        let chain: Vec<_> = chain.iter().map(Cow::Borrowed).collect();
        reserve(&chain, &generation.expect("it is valid"), &catalog)
    }

    #[test]
    fn the_dearest_that_may_be_reached_counts_and_what_is_never_reached_does_not() {
        let first = reserved(&chain(&["gen4.5"]));
        let both = reserved(&chain(&["gen4.5", "veo3.1"]));
        assert!(first.most.is_some() && first.most < both.most);
        assert_eq!(reserved(&chain(&["gen4.5", "gen4_image"])), first);
        assert_eq!(reserved(&[]), Reserve::default());
        let mut cheaper = chain(&["gen4.5", "veo3.1"]);
        let own = catalog::parse(catalog::EMBEDDED).expect("it is embedded");
        let operation = crate::domain::generation::Operation::TextToVideo;
        let price = own
            .spec("gen4.5", operation)
            .and_then(|spec| spec.price.clone());
        cheaper[1].deployments[0].price = price;
        assert!(
            reserved(&cheaper).most < both.most,
            "its own price goes before"
        );
    }

    #[test]
    fn a_price_that_is_not_known_needs_a_bound() {
        let mut groups = chain(&["gen4.5", "to_come"]);
        let unknown = reserved(&groups);
        assert_eq!(
            (unknown.most, &unknown.unknown[..]),
            (None, &["a/to_come".to_owned()][..])
        );
        groups[1].deployments[0].max_cost = Some(Millicredits::from_credits(9_999));
        let bounded = reserved(&groups);
        assert_eq!(bounded.most, Some(Millicredits::from_credits(9_999)));
        assert!(bounded.unknown.is_empty());
    }
}
