//! How a command ends when it does not end well: a message, and an exit code that means something.

use std::fmt::{self, Write as _};

use serde_json::{Value as Json, json};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::config::Problems;

/// What an exit code means. The numbers are part of the public contract; `--help` lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Anything that has no code of its own.
    Other = 1,
    /// The command line is wrong.
    Usage = 2,
    /// The server refused the request; a changed one may pass.
    Refused = 3,
    /// The task failed.
    TaskFailed = 4,
    /// The task was cancelled.
    Cancelled = 5,
    /// No such task.
    NotFound = 6,
    /// The server cannot be reached or is too busy; the same may pass later.
    Unavailable = 7,
    /// The wait ended before the task did; the task goes on.
    WaitTimedOut = 8,
    /// The configuration is wrong.
    Configuration = 78,
    /// Interrupted from the keyboard.
    Interrupted = 130,
    /// Nobody reads standard output any more; as a program ends that SIGPIPE stops.
    ReaderGone = 141,
    /// Told to stop by a second SIGTERM.
    Terminated = 143,
}

/// Why a command did not end well.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// For a person; several lines when there is more to say.
    pub message: String,
    /// For a script: code, reason and field violations when a server said them.
    pub detail: Json,
}

impl Failure {
    /// A failure of our own making.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
            detail: Json::Null,
        }
    }

    /// What a script reads with `--json`.
    pub fn to_json(&self) -> Json {
        let summary = self.message.lines().next().unwrap_or_default();
        json!({ "error": { "message": summary, "exit_code": self.exit as u8, "detail": self.detail } })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::new(Exit::Other, format!("{error:#}"))
    }
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        Self::new(Exit::Configuration, problems.to_string())
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        let details = status.get_error_details();
        let reason = details
            .error_info()
            .map(|info| info.reason.clone())
            .unwrap_or_default();
        let violations = details
            .bad_request()
            .map(|bad| bad.field_violations.clone())
            .unwrap_or_default();
        let retry = details.retry_info().and_then(|info| info.retry_delay);
        let mut message = match (reason.as_str(), status.code()) {
            ("", code) => format!("{}: {}", code_name(code), status.message()),
            (reason, code) => format!("{} / {reason}: {}", code_name(code), status.message()),
        };
        for violation in &violations {
            let _ = write!(
                message,
                "
  {}: {}",
                violation.field, violation.description
            );
        }
        if let Some(delay) = retry {
            let _ = write!(message, "\n  try again in {delay:.0?}");
        }
        let violations: Vec<_> = violations
            .iter()
            .map(|one| json!({ "field": one.field, "description": one.description }))
            .collect();
        let metadata = details.error_info().map(|info| json!(info.metadata));
        let detail = json!({
            "code": code_name(status.code()),
            "reason": reason,
            "metadata": metadata,
            "field_violations": violations,
            "retry_after_seconds": retry.map(|delay| delay.as_secs_f64()),
        });
        Self {
            exit: exit_of(status.code()),
            message,
            detail,
        }
    }
}

/// The exit code of a gRPC code.
pub fn exit_of(code: Code) -> Exit {
    match code {
        Code::InvalidArgument
        | Code::AlreadyExists
        | Code::FailedPrecondition
        | Code::OutOfRange
        | Code::Unauthenticated
        | Code::PermissionDenied => Exit::Refused,
        Code::NotFound => Exit::NotFound,
        Code::Unavailable | Code::ResourceExhausted | Code::DeadlineExceeded => Exit::Unavailable,
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::Aborted
        | Code::Unimplemented
        | Code::Internal
        | Code::DataLoss => Exit::Other,
    }
}

/// Whether the same call may be made again: the connection or the server went away, not the call.
///
/// A broken connection reaches a stream as one of several codes without an `ErrorInfo`.
pub fn is_passing(status: &Status) -> bool {
    match status.code() {
        Code::Unavailable => true,
        Code::Unknown | Code::Internal | Code::Cancelled => {
            status.get_details_error_info().is_none() && std::error::Error::source(status).is_some()
        }
        _ => false,
    }
}

/// A code as the gRPC documents write it.
pub fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests {
    use tonic_types::ErrorDetails;

    use super::*;

    #[test]
    fn a_refusal_names_its_reason_and_every_bad_field() {
        let mut details = ErrorDetails::new();
        details.set_error_info(
            "FIELD_INVALID",
            "mediagen",
            [("a".to_owned(), "b".to_owned())],
        );
        details.add_bad_request_violation("prompt", "must not be empty");
        details.add_bad_request_violation("size", "allowed: 1280x720");
        let status =
            Status::with_error_details(Code::InvalidArgument, "two fields are wrong", details);
        let failure = Failure::from(status);
        assert_eq!(failure.exit, Exit::Refused);
        assert_eq!(
            failure.message,
            "INVALID_ARGUMENT / FIELD_INVALID: two fields are wrong\n  prompt: must not be empty\n  size: allowed: 1280x720"
        );
        let json = failure.to_json();
        assert_eq!(json["error"]["exit_code"], 3);
        assert_eq!(
            json["error"]["detail"]["field_violations"][1]["field"],
            "size"
        );
        assert_eq!(json["error"]["detail"]["metadata"]["a"], "b");
    }

    #[test]
    fn exit_codes_are_those_of_the_help() {
        let table = [
            (Code::InvalidArgument, 3),
            (Code::FailedPrecondition, 3),
            (Code::NotFound, 6),
            (Code::Unavailable, 7),
            (Code::ResourceExhausted, 7),
            (Code::DataLoss, 1),
        ];
        for (code, exit) in table {
            assert_eq!(exit_of(code) as u8, exit, "{code:?}");
        }
    }

    #[test]
    fn only_what_passes_is_tried_again() {
        assert!(is_passing(&Status::unavailable("")));
        assert!(!is_passing(&Status::internal("a bug the server tells of")));
        assert!(!is_passing(&Status::not_found("")));
        let broken = Status::from_error(Box::new(std::io::Error::other("connection reset")));
        assert!(is_passing(&broken), "{broken:?}");
    }
}
