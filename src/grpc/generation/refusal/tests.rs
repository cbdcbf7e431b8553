//! Every failure of the service, as a client sees it.

use tonic::Code;
use tonic_types::StatusExt as _;

use super::*;
use crate::domain::generation::{InvalidField, InvalidReason};
use crate::domain::task::Status as TaskStatus;

fn id() -> TaskId {
    TaskId::new(1, [1; 10])
}

/// Reason, and the metadata's keys in order; nothing internal may be in the status.
fn seen(status: &Status) -> String {
    assert!(!format!("{status:?}").contains("canary"), "{status:?}");
    assert_ne!(status.code(), Code::Unknown);
    let details = status.get_error_details();
    let info = details.error_info().unwrap();
    let mut keys: Vec<&str> = info.metadata.keys().map(String::as_str).collect();
    keys.sort_unstable();
    [&[info.reason.as_str()], &keys[..]].concat().join(" ")
}

fn unavailable() -> StoreError {
    StoreError::Unavailable("canary".to_owned())
}

fn corrupt() -> StoreError {
    StoreError::Corrupt {
        table: "canary",
        row: "canary".to_owned(),
        column: "canary",
    }
}

fn archive(error: ArchiveError) -> Status {
    download_end(id(), 7, DownloadEnd::Archive(error))
}

fn asked(kind: ProviderErrorKind) -> Status {
    let error = ProviderError {
        kind,
        retry_after: Some(Duration::from_secs(99)),
        message: "canary".to_owned(),
    };
    let status = resolve(id(), ResolveError::Provider(error));
    let wait = status.get_details_retry_info().unwrap().retry_delay;
    assert_eq!(wait, Some(Duration::from_secs(99)));
    status
}

#[test]
fn a_create_is_refused_in_the_contracts_words() {
    let invalid = InvalidField {
        field: "model".to_owned(),
        reason: InvalidReason::ModelUnknown,
        problem: "is no model".to_owned(),
    };
    let down = ArchiveError::Unavailable("canary".to_owned());
    for (error, expected) in [
        (CreateError::Invalid(vec![invalid]), "MODEL_UNKNOWN"),
        (
            CreateError::RequestIdReused(id()),
            "REQUEST_ID_REUSED taskId",
        ),
        (CreateError::StorageFull, "STORAGE_FULL"),
        (CreateError::NoUpstreamAccount, "NO_UPSTREAM_ACCOUNT"),
        (
            CreateError::Draining {
                is_mistakable: false,
            },
            "SERVER_DRAINING",
        ),
        (
            CreateError::Store(StoreError::Conflict),
            "STORAGE_UNAVAILABLE",
        ),
        (CreateError::Store(StoreError::Full), "STORAGE_FULL"),
        (CreateError::Store(unavailable()), "STORAGE_UNAVAILABLE"),
        (CreateError::Store(corrupt()), "INTERNAL_BUG incidentId"),
        (CreateError::Archive(down), "ARCHIVE_UNAVAILABLE"),
    ] {
        assert_eq!(seen(&create(error)), expected);
    }
}

#[test]
fn a_task_that_cannot_be_had_is_told_by_its_id() {
    let table = [
        (lookup(id(), LookupError::NotFound), "TASK_NOT_FOUND taskId"),
        (lookup(id(), LookupError::Deleted), "TASK_DELETED taskId"),
        (
            lookup(id(), LookupError::Store(unavailable())),
            "STORAGE_UNAVAILABLE",
        ),
        (
            watch(id(), LookupError::NotFound.into()),
            "TASK_NOT_FOUND taskId",
        ),
        (
            download(id(), LookupError::NotFound.into()),
            "TASK_NOT_FOUND taskId",
        ),
        (
            cancel(id(), LookupError::NotFound.into()),
            "TASK_NOT_FOUND taskId",
        ),
        (
            delete(id(), LookupError::Deleted.into()),
            "TASK_DELETED taskId",
        ),
        (
            resolve(id(), LookupError::NotFound.into()),
            "TASK_NOT_FOUND taskId",
        ),
        (cancel(id(), corrupt().into()), "INTERNAL_BUG incidentId"),
        (delete(id(), unavailable().into()), "STORAGE_UNAVAILABLE"),
        (
            delete(id(), DeleteError::NotTerminal),
            "TASK_NOT_TERMINAL taskId",
        ),
        (list(ListError::PageToken), "PAGE_TOKEN_INVALID"),
        (list(corrupt().into()), "INTERNAL_BUG incidentId"),
    ];
    for (status, expected) in table {
        assert_eq!(seen(&status), expected);
    }
}

#[test]
fn a_stream_that_broke_off_says_where_to_go_on() {
    let future = WatchError::RevisionInFuture { current: 3 };
    let damaged = ArchiveError::Damaged("canary");
    let down = ArchiveError::Unavailable("canary".to_owned());
    let stalled = DownloadEnd::ReaderStalled { next_offset: 7 };
    let draining = DownloadEnd::Draining { next_offset: 7 };
    let table = [
        (
            watch(id(), future),
            "WATCH_REVISION_IN_FUTURE currentRevision taskId",
        ),
        (
            watch_end(2, WatchEnd::Draining),
            "SERVER_DRAINING lastRevision",
        ),
        (
            watch_end(2, WatchEnd::MaxAge),
            "STREAM_MAX_AGE lastRevision",
        ),
        (
            watch_end(2, WatchEnd::TooSlow),
            "WATCH_TOO_SLOW lastRevision",
        ),
        (
            archive(ArchiveError::Missing),
            "OUTPUT_MISSING nextOffset taskId",
        ),
        (archive(damaged), "OUTPUT_CORRUPT nextOffset taskId"),
        (archive(down), "ARCHIVE_UNAVAILABLE nextOffset"),
        (download_end(id(), 7, stalled), "READER_STALLED nextOffset"),
        (
            download_end(id(), 7, draining),
            "SERVER_DRAINING nextOffset",
        ),
    ];
    for (status, expected) in table {
        assert_eq!(seen(&status), expected);
    }
}

#[test]
fn a_download_is_refused_in_the_contracts_words() {
    for (error, expected) in [
        (
            DownloadError::NotReady(TaskStatus::Queued),
            "OUTPUT_NOT_READY taskId",
        ),
        (DownloadError::NoOutput, "NO_OUTPUT taskId"),
        (DownloadError::TooMany { limit: 2 }, "STREAM_LIMIT_REACHED"),
        (
            DownloadError::Index { count: 1 },
            "OUTPUT_INDEX_OUT_OF_RANGE taskId",
        ),
        (
            DownloadError::Offset { size: 1 },
            "OFFSET_OUT_OF_RANGE taskId",
        ),
        (DownloadError::Changed, "OUTPUT_CHANGED taskId"),
    ] {
        assert_eq!(seen(&download(id(), error)), expected);
    }
}

#[test]
fn a_resolution_is_refused_in_the_contracts_words() {
    let waiting = resolve(id(), ResolveError::Quarantine(Duration::from_secs(5)));
    let wait = waiting.get_details_retry_info().unwrap().retry_delay;
    assert_eq!(wait, Some(Duration::from_secs(5)));
    let table = [
        (waiting, "QUARANTINE_ACTIVE taskId"),
        (
            resolve(id(), ResolveError::NotUnknown),
            "TASK_NOT_UNKNOWN taskId",
        ),
        (
            resolve(id(), ResolveError::UpstreamIdInUse),
            "UPSTREAM_ID_IN_USE taskId",
        ),
        (
            resolve(id(), ResolveError::UpstreamIdUnknown),
            "FIELD_INVALID taskId",
        ),
        (resolve(id(), unavailable().into()), "STORAGE_UNAVAILABLE"),
        (
            asked(ProviderErrorKind::RateLimited),
            "NO_UPSTREAM_ACCOUNT taskId",
        ),
        (
            asked(ProviderErrorKind::Unauthorized),
            "NO_UPSTREAM_ACCOUNT taskId",
        ),
        (
            asked(ProviderErrorKind::Unavailable),
            "NO_UPSTREAM_ACCOUNT taskId",
        ),
        (
            asked(ProviderErrorKind::Unintelligible),
            "NO_UPSTREAM_ACCOUNT taskId",
        ),
    ];
    for (status, expected) in table {
        assert_eq!(seen(&status), expected);
    }
}
