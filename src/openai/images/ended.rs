//! How a call for images ends when there is no image: the wait was over first, or the tasks failed.
//!
//! The tasks may be paid for, or may still be made and paid for. So each problem here says which they
//! are and how to get them, and none is repeated by a client on its own, unless the repeat is sure to
//! find them again.

use std::time::Duration;

use http::StatusCode;

use crate::domain::generation::Media;
use crate::domain::id::TaskId;
use crate::domain::task::{Failure, FailureReason, State, Task};
use crate::openai::object::{Name, said};
use crate::openai::{Kind, Problem, refusal};
use crate::service::{LookupError, WaitEnd, WatchError};

/// The tasks of one call, in order.
#[derive(Clone, Debug)]
pub(super) struct Made {
    pub ids: Vec<TaskId>,
    /// Whether the caller can ask for them again by its own key.
    pub has_key: bool,
}

impl Made {
    /// A problem about these tasks.
    pub fn about(&self, problem: Problem) -> Problem {
        match self.ids.first() {
            Some(first) => problem.task(*first),
            None => problem,
        }
    }

    /// Their names, for a sentence.
    fn names(&self) -> String {
        named(&self.ids)
    }

    /// How to get what will be there.
    fn how(&self) -> String {
        let first = self.ids.first().copied().map(name).unwrap_or_default();
        let path = format!("GET /v1/videos/{first} says when, /v1/videos/{first}/content has it");
        let again = "the same call with its Idempotency-Key goes on waiting";
        if self.has_key {
            format!("{path}, and {again}")
        } else {
            path
        }
    }

    /// Why nobody waits any longer.
    pub fn unwaited(&self, end: WaitEnd, waited: Duration) -> Problem {
        let problem = match end {
            WaitEnd::TimedOut => {
                let message = format!(
                    "not finished after {} s; still being made: {}; {}",
                    waited.as_secs_f64(),
                    self.names(),
                    self.how()
                );
                let status = StatusCode::GATEWAY_TIMEOUT;
                Problem::new(status, Kind::Server, message).code("wait_timeout")
            }
            WaitEnd::Draining => {
                let message = format!(
                    "the server is shutting down; what was begun goes on when it is back: {}; {}",
                    self.names(),
                    self.how()
                );
                let status = StatusCode::SERVICE_UNAVAILABLE;
                let problem = Problem::new(status, Kind::Server, message);
                let problem = problem.code("server_draining").retry_after(COMES_BACK);
                if self.has_key {
                    problem
                } else {
                    problem.once()
                }
            }
            WaitEnd::Lookup(error @ LookupError::Store(_)) => {
                let first = self.ids.first().copied();
                return first.map_or_else(refusal::no_task, |id| refusal::lookup(id, error).once());
            }
            WaitEnd::Lookup(LookupError::NotFound) => refusal::no_task(),
            WaitEnd::Lookup(LookupError::Deleted) => {
                refusal::missing("the task was deleted", "deleted")
            }
        };
        self.about(problem)
    }
}

/// Why a call that wants several tasks got fewer.
pub(super) fn not_all(refused: Problem, made: Vec<TaskId>) -> Problem {
    if made.is_empty() {
        return refused;
    }
    let note = format!(
        "made before it, and ended at no cost where no provider had it yet: {}",
        named(&made)
    );
    // The same call would find those that were ended.
    let problem = refused.noting(&note).once();
    Made {
        ids: made,
        has_key: false,
    }
    .about(problem)
}

/// Why no place is free to wait in.
pub(super) fn crowded(error: &WatchError) -> Problem {
    match error {
        WatchError::TooMany { limit } => refusal::too_many("waits and watches", *limit),
        WatchError::Lookup(_) | WatchError::RevisionInFuture { .. } => {
            refusal::incident("ImagesGenerate", &error.to_string())
        }
    }
}

/// Why a task that has ended made nothing; `None`: it made something.
pub(super) fn unmade(task: &Task) -> Option<Problem> {
    let problem = match &task.state {
        State::Failed(failure) => failed(failure),
        State::Cancelled { .. } => {
            let status = StatusCode::CONFLICT;
            let message = "the task was cancelled by another call";
            Problem::new(status, Kind::InvalidRequest, message).code("cancelled")
        }
        State::Completed if task.outputs.is_empty() => {
            refusal::missing("the images are no longer kept", "expired")
        }
        State::Queued { .. }
        | State::Submitting { .. }
        | State::SubmissionUnknown { .. }
        | State::Submitted
        | State::Throttled
        | State::Running
        | State::Archiving
        | State::Completed => return None,
    };
    Some(problem.once().noting(&name(task.id)).task(task.id))
}

fn failed(failure: &Failure) -> Problem {
    let (status, kind, code) = meaning(failure.reason);
    let code = code.map_or_else(
        || failure.reason.as_str().to_ascii_lowercase(),
        str::to_owned,
    );
    Problem::new(status, kind, said(failure)).code(code)
}

/// What is the caller's to mend is 400, as from OpenAI; all else is 500 or its like.
const fn meaning(reason: FailureReason) -> (StatusCode, Kind, Option<&'static str>) {
    const BAD: (StatusCode, Kind) = (StatusCode::BAD_REQUEST, Kind::InvalidRequest);
    const BROKEN: (StatusCode, Kind) = (StatusCode::INTERNAL_SERVER_ERROR, Kind::Server);
    const AWAY: (StatusCode, Kind) = (StatusCode::SERVICE_UNAVAILABLE, Kind::Server);
    const LATE: (StatusCode, Kind) = (StatusCode::GATEWAY_TIMEOUT, Kind::Server);
    let ((status, kind), code) = match reason {
        FailureReason::ModeratedInput | FailureReason::ModeratedOutput => {
            (BAD, Some("moderation_blocked"))
        }
        FailureReason::InvalidInput => (BAD, None),
        FailureReason::ProviderRejected
        | FailureReason::GenerationFailed
        | FailureReason::ProviderTaskGone
        | FailureReason::BadOutput
        | FailureReason::OutputLost
        | FailureReason::OutputTooLarge
        | FailureReason::SubmissionOutcomeUnknown => (BROKEN, None),
        FailureReason::NoDeploymentAvailable => (AWAY, None),
        FailureReason::TimedOut => (LATE, None),
    };
    (status, kind, code)
}

/// The name of a task of a call for images.
pub(super) fn name(id: TaskId) -> String {
    let media = Media::Image;
    Name { media, id }.to_string()
}

fn named(ids: &[TaskId]) -> String {
    let names: Vec<String> = ids.iter().copied().map(name).collect();
    names.join(", ")
}

/// A wait after which this server is likely to be back, or another in its place.
const COMES_BACK: Duration = Duration::from_secs(5);
