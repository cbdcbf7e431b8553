//! A provider whose calls are timed and counted, and is otherwise the one inside.

use std::time::Instant;

use async_trait::async_trait;

use super::{
    CancelAnswer, Media, Opened, Placed, Prepared, Provider, ProviderError, ProviderErrorKind,
};
use crate::domain::generation::Generation;
use crate::domain::routing::AccountLimits;
use crate::domain::task::{Observation, Rejection, SubmitOutcome, UpstreamStatus};
use crate::egress::{EgressError, Origin, Resume};
use crate::telemetry::metrics;

/// A provider whose calls are timed and counted.
#[derive(Debug)]
pub struct Measured<P>(pub P);

impl<P: Provider> Measured<P> {
    fn answered<T>(&self, call: &'static str, begun: Instant, answer: &Result<T, ProviderError>) {
        let outcome = answer.as_ref().map_or_else(|e| error(e.kind), |_| "ok");
        metrics::called(self.account(), call, outcome, begun.elapsed());
    }
}

#[async_trait]
impl<P: Provider> Provider for Measured<P> {
    fn account(&self) -> &str {
        self.0.account()
    }

    fn embeds(&self, content_type: &str, size_bytes: u64) -> bool {
        self.0.embeds(content_type, size_bytes)
    }

    async fn place(&self, media: &Media) -> Result<Placed, Rejection> {
        let begun = Instant::now();
        let placed = self.0.place(media).await;
        let outcome = placed.as_ref().map_or_else(|e| e.kind.as_str(), |_| "ok");
        metrics::called(self.account(), "place", outcome, begun.elapsed());
        placed
    }

    fn prepare(&self, generation: &Generation, uris: &[String]) -> Prepared {
        self.0.prepare(generation, uris)
    }

    async fn submit(&self, prepared: Prepared) -> SubmitOutcome {
        let begun = Instant::now();
        let outcome = self.0.submit(prepared).await;
        let name = match &outcome {
            SubmitOutcome::Accepted {
                upstream_id,
                finished: None,
                ..
            } => {
                metrics::submitted(self.account(), upstream_id, begun);
                "ok"
            }
            // Nobody asks about what is made already.
            SubmitOutcome::Accepted { .. } => "ok",
            SubmitOutcome::Rejected(rejection) => rejection.kind.as_str(),
            SubmitOutcome::Unknown { .. } => "unknown",
        };
        metrics::called(self.account(), "submit", name, begun.elapsed());
        outcome
    }

    async fn observe(&self, upstream_id: &str) -> Result<Observation, ProviderError> {
        let begun = Instant::now();
        let answer = self.0.observe(upstream_id).await;
        match answer.as_ref().map(|seen| &seen.status) {
            Ok(
                UpstreamStatus::Succeeded | UpstreamStatus::Failed(_) | UpstreamStatus::Cancelled,
            ) => metrics::ended(self.account(), upstream_id),
            Ok(_) => metrics::asked(self.account(), upstream_id, begun),
            Err(_) => {}
        }
        self.answered("poll", begun, &answer);
        answer
    }

    async fn cancel(&self, upstream_id: &str) -> Result<CancelAnswer, ProviderError> {
        let begun = Instant::now();
        let answer = self.0.cancel(upstream_id).await;
        self.answered("cancel", begun, &answer);
        answer
    }

    fn came_with_acceptance(&self, output: &str) -> bool {
        self.0.came_with_acceptance(output)
    }

    async fn open_output(
        &self,
        output: &str,
        resume: Option<Resume<'_>>,
    ) -> Result<Opened, EgressError> {
        self.0.open_output(output, resume).await
    }

    async fn limits(&self) -> Result<Option<AccountLimits>, ProviderError> {
        let begun = Instant::now();
        let answer = self.0.limits().await;
        self.answered("limits", begun, &answer);
        answer
    }

    fn output_origin(&self) -> Option<Origin> {
        self.0.output_origin()
    }
}

const fn error(kind: ProviderErrorKind) -> &'static str {
    match kind {
        ProviderErrorKind::NotFound => "not_found",
        ProviderErrorKind::RateLimited => "rate_limited",
        ProviderErrorKind::Unauthorized => "unauthorized",
        ProviderErrorKind::Unavailable => "unavailable",
        ProviderErrorKind::Unintelligible => "unintelligible",
    }
}
