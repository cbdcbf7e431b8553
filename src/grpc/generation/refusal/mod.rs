//! What the service could not do, in the contract's reasons: a total match for each operation.
//!
//! What an error says of our insides is logged here, once, and never sent.

mod limits;

use std::time::Duration;

use tonic::Status;

pub(super) use limits::model_forbidden;

use crate::domain::id::TaskId;
use crate::grpc::convert::Violations;
use crate::grpc::limits::incident;
use crate::grpc::status::{Reason, Refusal};
use crate::service::{
    ArchiveError, CancelError, CostError, CreateError, DeleteError, DownloadEnd, DownloadError,
    ListError, LookupError, ProviderError, ProviderErrorKind, ResolveError, StoreError,
    UploadError, WatchEnd, WatchError,
};

pub(super) fn create(error: CreateError) -> Status {
    let refusal = match error {
        CreateError::Invalid(fields) => return Violations::from(fields).into_status(),
        CreateError::RequestIdReused(id) => {
            let message = "the request_id belongs to a task of another request";
            about(id, Reason::RequestIdReused, message)
        }
        CreateError::StorageFull => storage_full(),
        CreateError::NoUpstreamAccount => {
            let message = "no account of the provider can take tasks now; tell the operator";
            Refusal::new(Reason::NoUpstreamAccount, message)
        }
        CreateError::ModelForbidden(model) => model_forbidden(&model),
        CreateError::PriceUnknown { deployments } => limits::price_unknown(&deployments),
        CreateError::Moderated { retry_after } => limits::moderated(retry_after),
        CreateError::Denied(limited) => limits::limited(&limited),
        CreateError::Draining { .. } => draining(),
        CreateError::Store(error) => return store("Create", &error),
        CreateError::Archive(error) => {
            tracing::warn!(%error, "the inputs of a create could not be kept");
            archive_unavailable()
        }
    };
    refusal.into_status()
}

pub(super) fn lookup(id: TaskId, error: LookupError) -> Status {
    let refusal = match error {
        LookupError::NotFound => about(id, Reason::TaskNotFound, "there is no such task"),
        LookupError::Deleted => about(id, Reason::TaskDeleted, "the task was deleted"),
        LookupError::Store(error) => return store("Status", &error),
    };
    refusal.into_status()
}

pub(super) fn watch(id: TaskId, error: WatchError) -> Status {
    match error {
        WatchError::Lookup(error) => lookup(id, error),
        WatchError::TooMany { limit } => too_many("watches", limit),
        WatchError::RevisionInFuture { current } => {
            let problem = format!("the task is at revision {current}");
            about(id, Reason::WatchRevisionInFuture, &problem)
                .field("after_revision", &problem)
                .metadata("currentRevision", current.to_string())
                .into_status()
        }
    }
}

fn too_many(what: &str, limit: usize) -> Status {
    let problem = format!("{limit} {what} are open, as many as may be");
    Refusal::new(Reason::StreamLimitReached, &problem)
        .quota(what, &problem)
        .into_status()
}

pub(super) fn watch_end(last_revision: u64, end: WatchEnd) -> Status {
    let refusal = match end {
        WatchEnd::Draining => draining(),
        WatchEnd::MaxAge => {
            let message = "the stream reached its greatest age; resume after the last revision";
            Refusal::new(Reason::StreamMaxAge, message)
        }
        WatchEnd::TooSlow => {
            let message = "the stream was not read in time; resume after the last revision";
            Refusal::new(Reason::WatchTooSlow, message)
        }
    };
    refusal
        .metadata("lastRevision", last_revision.to_string())
        .into_status()
}

pub(super) fn download(id: TaskId, error: DownloadError) -> Status {
    let refusal = match error {
        DownloadError::Lookup(error) => return lookup(id, error),
        DownloadError::NotReady(status) => {
            let message = format!(
                "the task is {}: wait until it is COMPLETED",
                status.as_str()
            );
            about(id, Reason::OutputNotReady, &message)
        }
        DownloadError::TooMany { limit } => return too_many("downloads", limit),
        DownloadError::NoOutput => about(id, Reason::NoOutput, "the task has no output"),
        DownloadError::Index { count } => {
            let problem = format!("the task has {count} output(s), counted from 0");
            about(id, Reason::OutputIndexOutOfRange, &problem).field("output_index", &problem)
        }
        DownloadError::Offset { size } => {
            let problem = format!("the output has {size} bytes");
            about(id, Reason::OffsetOutOfRange, &problem).field("offset", &problem)
        }
        DownloadError::Changed => {
            let message = "the output has another SHA-256: begin again at 0";
            about(id, Reason::OutputChanged, message)
        }
    };
    refusal.into_status()
}

pub(super) fn download_end(id: TaskId, next_offset: u64, end: DownloadEnd) -> Status {
    let refusal = match end {
        DownloadEnd::Archive(error) => {
            tracing::error!(task = %id, next_offset, %error, "a download broke off");
            match error {
                ArchiveError::Missing => about(id, Reason::OutputMissing, "the output is gone"),
                ArchiveError::Damaged(_) => {
                    about(id, Reason::OutputCorrupt, "the stored output is damaged")
                }
                ArchiveError::Unavailable(_) => archive_unavailable(),
            }
        }
        DownloadEnd::ReaderStalled { .. } => {
            let message = "the stream was not read in time; resume at nextOffset";
            Refusal::new(Reason::ReaderStalled, message)
        }
        DownloadEnd::Draining { .. } => draining(),
    };
    refusal
        .metadata("nextOffset", next_offset.to_string())
        .into_status()
}

/// The stream's own break is the face's to say, and was said when the part was read.
pub(super) fn upload(error: UploadError<Status>) -> Status {
    let refusal = match error {
        UploadError::Stream(status) => return status,
        UploadError::Invalid(fields) => return Violations::from(fields).into_status(),
        UploadError::TooMany { limit } => return too_many("uploads", limit),
        UploadError::TooSlow(limit) => {
            let message = format!(
                "the upload did not come within {} s: begin again",
                limit.as_secs()
            );
            Refusal::new(Reason::DeadlineExceededServer, message)
        }
        UploadError::StorageFull => storage_full(),
        UploadError::Draining => draining(),
        UploadError::Store(error) => return store("UploadInput", &error),
        UploadError::Archive(error) => {
            tracing::warn!(%error, "an upload could not be kept");
            archive_unavailable()
        }
    };
    refusal.into_status()
}

pub(super) fn cancel(id: TaskId, error: CancelError) -> Status {
    match error {
        CancelError::Lookup(error) => lookup(id, error),
        CancelError::Store(error) => store("Cancel", &error),
    }
}

pub(super) fn list(error: ListError) -> Status {
    match error {
        ListError::PageToken => page_token("list"),
        ListError::Store(error) => store("List", &error),
    }
}

pub(super) fn cost_report(error: CostError) -> Status {
    match error {
        CostError::PageToken => page_token("report"),
        CostError::Store(error) => store("CostReport", &error),
    }
}

fn page_token(of: &str) -> Status {
    let problem = format!("is not a token of this {of}: begin again without one");
    Refusal::new(Reason::PageTokenInvalid, format!("page_token {problem}"))
        .field("page_token", &problem)
        .into_status()
}

pub(super) fn delete(id: TaskId, error: DeleteError) -> Status {
    match error {
        DeleteError::Lookup(error) => lookup(id, error),
        DeleteError::NotTerminal => {
            let message = "the task has not ended: cancel it or wait";
            about(id, Reason::TaskNotTerminal, message).into_status()
        }
        DeleteError::Store(error) => store("Delete", &error),
    }
}

pub(super) fn resolve(id: TaskId, error: ResolveError) -> Status {
    let refusal = match error {
        ResolveError::Lookup(error) => return lookup(id, error),
        ResolveError::NotUnknown => {
            let message = "the task's submission is not unknown: read the task again";
            about(id, Reason::TaskNotUnknown, message)
        }
        ResolveError::Quarantine(left) => {
            let message = "the lost create may still arrive: repeat when it no longer can";
            about(id, Reason::QuarantineActive, message).retry_after(left)
        }
        ResolveError::UpstreamIdInUse => {
            let message = "that task of the provider belongs to another attempt";
            about(id, Reason::UpstreamIdInUse, message)
        }
        ResolveError::UpstreamIdUnknown => {
            let problem = "the provider does not know that task";
            about(id, Reason::FieldInvalid, problem).field("provider_task_id", problem)
        }
        ResolveError::Provider(error) => unasked(id, &error),
        ResolveError::Store(error) => return store("ResolveUnknown", &error),
    };
    refusal.into_status()
}

/// The provider could not be asked about its task: its words stay here.
fn unasked(id: TaskId, error: &ProviderError) -> Refusal {
    tracing::warn!(task = %id, %error, kind = ?error.kind, "the provider could not be asked");
    let message = match error.kind {
        ProviderErrorKind::Unauthorized => "the provider does not accept the account's key",
        ProviderErrorKind::NotFound
        | ProviderErrorKind::RateLimited
        | ProviderErrorKind::Unavailable
        | ProviderErrorKind::Unintelligible => "the provider could not be asked now: repeat later",
    };
    about(id, Reason::NoUpstreamAccount, message)
        .retry_after(error.retry_after.unwrap_or(ASK_AGAIN))
}

pub(super) fn store(call: &str, error: &StoreError) -> Status {
    match error {
        StoreError::Full => storage_full().into_status(),
        StoreError::Conflict | StoreError::Unavailable(_) => {
            tracing::warn!(call, %error, "the store could not do it");
            let message = "the store is not available; whether anything was written is not known";
            Refusal::new(Reason::StorageUnavailable, message).into_status()
        }
        StoreError::Corrupt { .. } => incident(call, &error.to_string()),
    }
}

fn about(id: TaskId, reason: Reason, message: &str) -> Refusal {
    Refusal::new(reason, message).metadata("taskId", id.to_string())
}

fn draining() -> Refusal {
    let message = "the server is shutting down: repeat elsewhere or shortly";
    Refusal::new(Reason::ServerDraining, message)
}

fn storage_full() -> Refusal {
    Refusal::new(Reason::StorageFull, "the server's storage is nearly full")
}

fn archive_unavailable() -> Refusal {
    Refusal::new(Reason::ArchiveUnavailable, "the archive is not available")
}

/// Wait before the provider is worth asking again, when it named none.
const ASK_AGAIN: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
