//! The closed list of reasons that an error may carry: the contract's error table as code.
//!
//! A reason decides its code and what the caller should do, so a face can neither invent a reason
//! nor pair it with another code. The test holds a copy of the table as the contract prints it.

use tonic::Code;

/// What a caller should do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advice {
    /// S: the same request is safe now, with backoff.
    Repeat,
    /// L: the same request may succeed later.
    Later,
    /// F: the request, the key or the configuration has to change first.
    Fix,
    /// N: it will never succeed.
    Never,
    /// R: the stream can be resumed where it broke off.
    Resume,
}

/// Declares the reasons, one line each: variant, name on the wire, code, advice.
macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident $name:literal $code:ident $advice:ident;)*) => {
        /// Why a call ended with an error: the `reason` of its `ErrorInfo`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason {
            $($(#[$doc])* $variant,)*
        }

        impl Reason {
            /// Every reason, in the order of the contract's table.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The name on the wire.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// The only code that goes with this reason.
            pub const fn code(self) -> Code {
                match self {
                    $(Self::$variant => Code::$code,)*
                }
            }

            /// What the caller should do.
            pub const fn advice(self) -> Advice {
                match self {
                    $(Self::$variant => Advice::$advice,)*
                }
            }
        }
    };
}

reasons! {
    /// No key came with the call.
    ApiKeyMissing "API_KEY_MISSING" Unauthenticated Fix;
    /// The key is malformed or unknown.
    ApiKeyInvalid "API_KEY_INVALID" Unauthenticated Fix;
    /// The key's time is over.
    ApiKeyExpired "API_KEY_EXPIRED" Unauthenticated Fix;
    /// The key was revoked, possibly while a stream ran.
    ApiKeyRevoked "API_KEY_REVOKED" Unauthenticated Fix;
    /// The key may not make this call.
    ScopeMissing "SCOPE_MISSING" PermissionDenied Fix;
    /// The key may not use this model.
    ModelForbidden "MODEL_FORBIDDEN" PermissionDenied Fix;
    /// The tenant is suspended.
    TenantSuspended "TENANT_SUSPENDED" PermissionDenied Fix;
    /// Fields are bad; each is named in a violation.
    FieldInvalid "FIELD_INVALID" InvalidArgument Fix;
    /// No model of that name is configured or catalogued.
    ModelUnknown "MODEL_UNKNOWN" InvalidArgument Fix;
    /// The model does not take an option that was given.
    OptionUnsupported "OPTION_UNSUPPORTED" InvalidArgument Fix;
    /// An input's URL is not https, not public or malformed.
    InputUrlForbidden "INPUT_URL_FORBIDDEN" InvalidArgument Fix;
    /// An input exceeds its limit.
    InputTooLarge "INPUT_TOO_LARGE" InvalidArgument Fix;
    /// An input is not of a kind that the model takes.
    InputTypeUnsupported "INPUT_TYPE_UNSUPPORTED" InvalidArgument Fix;
    /// The text is not the shape of a task id.
    TaskIdInvalid "TASK_ID_INVALID" InvalidArgument Fix;
    /// The page token is forged, foreign or from other filters.
    PageTokenInvalid "PAGE_TOKEN_INVALID" InvalidArgument Fix;
    /// The request id belongs to another request of this tenant.
    RequestIdReused "REQUEST_ID_REUSED" AlreadyExists Never;
    /// The price is not known and the key has a budget.
    PriceUnknown "PRICE_UNKNOWN" FailedPrecondition Fix;
    /// No healthy account serves the model.
    NoUpstreamAccount "NO_UPSTREAM_ACCOUNT" FailedPrecondition Fix;
    /// The task would exceed the budget.
    BudgetExceeded "BUDGET_EXCEEDED" ResourceExhausted Later;
    /// Calls come faster than the key may make them.
    RateLimited "RATE_LIMITED" ResourceExhausted Later;
    /// Too many tasks are queued or in flight.
    TaskLimitReached "TASK_LIMIT_REACHED" ResourceExhausted Later;
    /// Too many of the tenant's requests were moderated lately.
    ModerationLimitReached "MODERATION_LIMIT_REACHED" ResourceExhausted Later;
    /// The archive or the disk is nearly full.
    StorageFull "STORAGE_FULL" ResourceExhausted Later;
    /// The server sheds load.
    ServerOverloaded "SERVER_OVERLOADED" ResourceExhausted Later;
    /// The key has as many streams open as it may.
    StreamLimitReached "STREAM_LIMIT_REACHED" ResourceExhausted Later;
    /// The message exceeds the limit.
    MessageTooLarge "MESSAGE_TOO_LARGE" ResourceExhausted Fix;
    /// The server is shutting down.
    ServerDraining "SERVER_DRAINING" Unavailable Repeat;
    /// The server has not finished starting.
    ServerStarting "SERVER_STARTING" Unavailable Repeat;
    /// The store cannot be reached.
    StorageUnavailable "STORAGE_UNAVAILABLE" Unavailable Repeat;
    /// The server's limit or the client's deadline ran out.
    DeadlineExceededServer "DEADLINE_EXCEEDED_SERVER" DeadlineExceeded Repeat;
    /// The task is unknown, or another tenant's.
    TaskNotFound "TASK_NOT_FOUND" NotFound Never;
    /// The task was deleted or is past its retention.
    TaskDeleted "TASK_DELETED" NotFound Never;
    /// Only a terminal task can be deleted.
    TaskNotTerminal "TASK_NOT_TERMINAL" FailedPrecondition Later;
    /// The task's submission is not unknown.
    TaskNotUnknown "TASK_NOT_UNKNOWN" FailedPrecondition Fix;
    /// The lost answer may still arrive.
    QuarantineActive "QUARANTINE_ACTIVE" FailedPrecondition Later;
    /// The provider's task belongs to another task already.
    UpstreamIdInUse "UPSTREAM_ID_IN_USE" FailedPrecondition Fix;
    /// The task has not come to the revision that the watcher claims to have seen.
    WatchRevisionInFuture "WATCH_REVISION_IN_FUTURE" InvalidArgument Fix;
    /// The stream has reached its greatest age.
    StreamMaxAge "STREAM_MAX_AGE" Unavailable Resume;
    /// The watcher did not read for too long.
    WatchTooSlow "WATCH_TOO_SLOW" Unavailable Resume;
    /// The task has not completed yet.
    OutputNotReady "OUTPUT_NOT_READY" FailedPrecondition Later;
    /// The task ended without outputs.
    NoOutput "NO_OUTPUT" FailedPrecondition Never;
    /// The output is not the one expected.
    OutputChanged "OUTPUT_CHANGED" FailedPrecondition Fix;
    /// The task has fewer outputs.
    OutputIndexOutOfRange "OUTPUT_INDEX_OUT_OF_RANGE" OutOfRange Fix;
    /// The offset lies beyond the output's end.
    OffsetOutOfRange "OFFSET_OUT_OF_RANGE" OutOfRange Fix;
    /// The stored bytes are damaged.
    OutputCorrupt "OUTPUT_CORRUPT" DataLoss Never;
    /// The stored bytes are gone.
    OutputMissing "OUTPUT_MISSING" DataLoss Never;
    /// The archive cannot be reached.
    ArchiveUnavailable "ARCHIVE_UNAVAILABLE" Unavailable Resume;
    /// The reader did not read for too long.
    ReaderStalled "READER_STALLED" Unavailable Resume;
    /// A bug; only an incident id leaves the server.
    InternalBug "INTERNAL_BUG" Internal Never;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The error table of the contract: code, advice, reasons.
    const TABLE: &str = "
        UNAUTHENTICATED F API_KEY_MISSING API_KEY_INVALID API_KEY_EXPIRED API_KEY_REVOKED
        PERMISSION_DENIED F SCOPE_MISSING MODEL_FORBIDDEN TENANT_SUSPENDED
        INVALID_ARGUMENT F FIELD_INVALID MODEL_UNKNOWN OPTION_UNSUPPORTED INPUT_URL_FORBIDDEN \
            INPUT_TOO_LARGE INPUT_TYPE_UNSUPPORTED TASK_ID_INVALID PAGE_TOKEN_INVALID
        ALREADY_EXISTS N REQUEST_ID_REUSED
        FAILED_PRECONDITION F PRICE_UNKNOWN NO_UPSTREAM_ACCOUNT
        RESOURCE_EXHAUSTED L BUDGET_EXCEEDED RATE_LIMITED TASK_LIMIT_REACHED \
            MODERATION_LIMIT_REACHED STORAGE_FULL SERVER_OVERLOADED STREAM_LIMIT_REACHED
        RESOURCE_EXHAUSTED F MESSAGE_TOO_LARGE
        UNAVAILABLE S SERVER_DRAINING SERVER_STARTING STORAGE_UNAVAILABLE
        DEADLINE_EXCEEDED S DEADLINE_EXCEEDED_SERVER
        NOT_FOUND N TASK_NOT_FOUND TASK_DELETED
        FAILED_PRECONDITION L TASK_NOT_TERMINAL
        FAILED_PRECONDITION F TASK_NOT_UNKNOWN
        FAILED_PRECONDITION L QUARANTINE_ACTIVE
        FAILED_PRECONDITION F UPSTREAM_ID_IN_USE
        INVALID_ARGUMENT F WATCH_REVISION_IN_FUTURE
        UNAVAILABLE R STREAM_MAX_AGE WATCH_TOO_SLOW
        FAILED_PRECONDITION L OUTPUT_NOT_READY
        FAILED_PRECONDITION N NO_OUTPUT
        FAILED_PRECONDITION F OUTPUT_CHANGED
        OUT_OF_RANGE F OUTPUT_INDEX_OUT_OF_RANGE OFFSET_OUT_OF_RANGE
        DATA_LOSS N OUTPUT_CORRUPT OUTPUT_MISSING
        UNAVAILABLE R ARCHIVE_UNAVAILABLE READER_STALLED
        INTERNAL N INTERNAL_BUG";

    fn code_name(code: Code) -> String {
        let mut name = String::new();
        for letter in format!("{code:?}").chars() {
            if letter.is_uppercase() && !name.is_empty() {
                name.push('_');
            }
            name.push(letter.to_ascii_uppercase());
        }
        name
    }

    fn letter(advice: Advice) -> &'static str {
        match advice {
            Advice::Repeat => "S",
            Advice::Later => "L",
            Advice::Fix => "F",
            Advice::Never => "N",
            Advice::Resume => "R",
        }
    }

    #[test]
    fn the_reasons_are_exactly_the_contracts_table() {
        let mut expected = Vec::new();
        for line in TABLE.trim().lines() {
            let mut words = line.split_whitespace();
            let (code, advice) = (words.next().unwrap(), words.next().unwrap());
            expected.extend(words.map(|name| format!("{code} {advice} {name}")));
        }
        let row = |reason: &Reason| {
            let (code, advice) = (code_name(reason.code()), letter(reason.advice()));
            format!("{code} {advice} {}", reason.name())
        };
        let declared: Vec<_> = Reason::ALL.iter().map(row).collect();
        assert_eq!(declared, expected);
    }
}
