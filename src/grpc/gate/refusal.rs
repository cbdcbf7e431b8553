//! Why a call was refused at the gate, in the contract's reasons.

use std::time::Duration;

use tonic::Status;

use crate::auth::Refused;
use crate::grpc::status::{Reason, Refusal};
use crate::telemetry::metrics;

pub(super) fn status(refused: Refused) -> Status {
    let message = refused.to_string();
    let reason = reason(&refused);
    metrics::refused(reason.name());
    let refusal = Refusal::new(reason, &message);
    let refusal = match refused {
        Refused::Missing => Refusal::new(reason, format!("{message}: {HOW}")),
        Refused::Invalid(_) | Refused::Expired | Refused::Revoked | Refused::Suspended => refusal,
        Refused::Scope(scope) => refusal.metadata("scope", scope.as_str()),
        Refused::TooFast { key, wait, .. } => refusal
            .quota(&format!("key:{key}"), &message)
            .retry_after(wait.max(LEAST_WAIT)),
        Refused::TooManyStreams { key, .. } => refusal.quota(&format!("key:{key}"), &message),
    };
    refusal.into_status()
}

const fn reason(refused: &Refused) -> Reason {
    match refused {
        Refused::Missing => Reason::ApiKeyMissing,
        Refused::Invalid(_) => Reason::ApiKeyInvalid,
        Refused::Expired => Reason::ApiKeyExpired,
        Refused::Revoked => Reason::ApiKeyRevoked,
        Refused::Suspended => Reason::TenantSuspended,
        Refused::Scope(_) => Reason::ScopeMissing,
        Refused::TooFast { .. } => Reason::RateLimited,
        Refused::TooManyStreams { .. } => Reason::StreamLimitReached,
    }
}

const HOW: &str = "send it as `authorization: Bearer`, `x-api-key` or `x-litellm-api-key`";
/// A wait that a client's timer can hold.
const LEAST_WAIT: Duration = Duration::from_millis(1);
