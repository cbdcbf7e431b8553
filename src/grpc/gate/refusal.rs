//! Why a call was refused at the gate, in the contract's reasons.

use std::time::Duration;

use tonic::Status;

use crate::auth::Refused;
use crate::grpc::status::{Reason, Refusal};

pub(super) fn status(refused: Refused) -> Status {
    let message = refused.to_string();
    let refusal = match refused {
        Refused::Missing => Refusal::new(Reason::ApiKeyMissing, format!("{message}: {HOW}")),
        Refused::Invalid(_) => Refusal::new(Reason::ApiKeyInvalid, message),
        Refused::Expired => Refusal::new(Reason::ApiKeyExpired, message),
        Refused::Revoked => Refusal::new(Reason::ApiKeyRevoked, message),
        Refused::Suspended => Refusal::new(Reason::TenantSuspended, message),
        Refused::Scope(scope) => {
            Refusal::new(Reason::ScopeMissing, message).metadata("scope", scope.as_str())
        }
        Refused::TooFast { key, wait, .. } => Refusal::new(Reason::RateLimited, &message)
            .quota(&format!("key:{key}"), &message)
            .retry_after(wait.max(LEAST_WAIT)),
        Refused::TooManyStreams { key, .. } => Refusal::new(Reason::StreamLimitReached, &message)
            .quota(&format!("key:{key}"), &message),
    };
    refusal.into_status()
}

const HOW: &str = "send it as `authorization: Bearer`, `x-api-key` or `x-litellm-api-key`";
/// A wait that a client's timer can hold.
const LEAST_WAIT: Duration = Duration::from_millis(1);
