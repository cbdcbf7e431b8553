//! What a request would cost: a question that leaves nothing behind.
//!
//! It depends on the request, the uploads it names, the catalogue and the configuration alone. Whether the archive has
//! room or an account is fit just now is not asked: that may differ when the task is made.

use super::Service;
use super::create::NewRequest;
pub use super::create::Unfit as EstimateError;
use super::models::each_once;
use crate::domain::caller::Caller;
use crate::domain::generation::{Generation, Operation};
use crate::domain::money::Millicredits;
use crate::domain::routing::Deployment;

/// The price of a request, and what it would become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// The most that it may cost; `None`: not known.
    pub estimated: Option<Millicredits>,
    /// The deployments that would be tried, in order.
    pub deployments: Vec<String>,
    /// What would be made from what.
    pub operation: Operation,
    /// The model as asked, or the default that stood in.
    pub model: String,
    /// The length that would be asked for.
    pub seconds: Option<u32>,
    /// The size that would be asked for, in the model's spelling.
    pub size: Option<String>,
    /// Sentences for the caller: what the task would be told, and what the price assumes.
    pub notes: Vec<String>,
}

impl Service {
    /// The price of a request that Create would take. Its `request_id` is checked and not looked up.
    pub async fn estimate(
        &self,
        caller: &Caller,
        request: NewRequest,
    ) -> Result<Estimate, EstimateError> {
        let (draft, generation) = self.checked(caller, &request).await?;
        let roster = self.roster();
        let chain = roster
            .routes
            .chain_of(&draft.model, &generation.model, &roster.catalog);
        let tried = chain.iter().flat_map(|group| &group.deployments);
        let fitted = |deployment: &Deployment| {
            let adapted = generation.for_model(&deployment.model, &roster.catalog);
            adapted.ok().map(|adapted| adapted.generation)
        };
        let takers: Vec<&Deployment> = tried.filter(|d| fitted(d).is_some()).collect();
        let first = takers
            .first()
            .and_then(|first| Some((first, fitted(first)?)));
        let price =
            |(first, fitted): (&&Deployment, Generation)| first.estimate(&fitted, &roster.catalog);
        Ok(Estimate {
            estimated: first.map_or_else(|| self.price(&generation), price),
            deployments: each_once(takers.into_iter()),
            operation: generation.operation,
            model: draft.model,
            seconds: generation.seconds,
            notes: [&generation.notes[..], &self.assumptions(&generation)].concat(),
            size: generation.size,
        })
    }
}
