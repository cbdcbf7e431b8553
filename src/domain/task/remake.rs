//! What follows when a provider's task has failed: another attempt, or the end.

use super::{Failure, Task};
use crate::domain::time::Timestamp;

/// Whether a task whose attempt failed at the provider may be made again.
///
/// Only what is proved to be over and to be the provider's fault; `retries` times at most; never
/// after a cancel, and never when the provider has worked on it as long as its timeout allows.
/// Whether a budget holds with another attempt is for the store to say.
pub fn remake(task: &Task, failure: &Failure, retries: u32, now: Timestamp) -> bool {
    let running = task.current_attempt().and_then(|attempt| attempt.running);
    let ran = task.ran() + running.map_or_else(Default::default, |since| now.since(since));
    failure.is_providers_fault()
        && !task.cancel_requested
        && task.remakes() < retries
        && ran < task.order.timeout
}

#[cfg(test)]
mod tests {
    use super::super::samples::{accepted, claimed, failure, remade, seen, task, walk};
    use super::*;
    use crate::domain::task::{Event, FailureReason, UpstreamStatus};

    const NOW: Timestamp = Timestamp(1_790_000_500_000);

    fn running() -> Task {
        let way = [claimed(), accepted(1), seen(UpstreamStatus::Running)];
        walk(task(1), &way)
    }

    fn failed(reason: FailureReason, code: &str) -> Failure {
        Failure {
            reason,
            provider_code: code.to_owned(),
            ..failure()
        }
    }

    #[test]
    fn only_the_providers_fault_lets_a_task_be_made_again() {
        use FailureReason::{
            GenerationFailed, InvalidInput, ModeratedInput, ModeratedOutput, ProviderTaskGone,
            SubmissionOutcomeUnknown, TimedOut,
        };
        for (reason, code, again) in [
            (GenerationFailed, "INTERNAL", true),
            (GenerationFailed, "INTERNAL.BAD_OUTPUT.CODE01", true),
            (GenerationFailed, "THIRD_PARTY.UNAVAILABLE", true),
            (GenerationFailed, "internal_error", true),
            (GenerationFailed, "server_error", true),
            (GenerationFailed, "THIRD_PARTY.REFUSED", false),
            (GenerationFailed, "INTERNALLY", false),
            (GenerationFailed, "INPUT_PREPROCESSING.INTERNAL", false),
            (GenerationFailed, "", false),
            (ProviderTaskGone, "", true),
            (InvalidInput, "ASSET.INVALID", false),
            (ModeratedInput, "SAFETY.INPUT.TEXT", false),
            (ModeratedOutput, "INTERNAL", false),
            (SubmissionOutcomeUnknown, "INTERNAL", false),
            (TimedOut, "INTERNAL", false),
        ] {
            let may = remake(&running(), &failed(reason, code), 1, NOW);
            assert_eq!(may, again, "{reason:?} {code}");
        }
    }

    #[test]
    fn a_task_is_made_again_as_often_as_its_group_allows() {
        assert!(!remake(&running(), &failure(), 0, NOW));
        let again = [remade(1), claimed(), accepted(2)];
        let again = walk(running(), &again);
        assert!(!remake(&again, &failure(), 1, NOW));
        assert!(remake(&again, &failure(), 2, NOW));
    }

    #[test]
    fn a_cancelled_task_is_not_made_again() {
        let cancelled = walk(running(), &[Event::CancelRequested]);
        assert!(!remake(&cancelled, &failure(), 9, NOW));
    }

    #[test]
    fn the_timeout_counts_the_time_in_generation_over_all_attempts() {
        let mut task = running();
        let since = task.attempts[0].running.expect("it runs");
        let last = since.after(task.order.timeout);
        assert!(remake(&task, &failure(), 9, Timestamp(last.0 - 1)));
        assert!(!remake(&task, &failure(), 9, last));
        task = walk(task, &[remade(1), claimed(), accepted(2)]);
        task.attempts[0].ended = Some(Timestamp(last.0 - 1_000));
        let second = seen(UpstreamStatus::Running);
        let Event::Observed { seen, .. } = second else {
            unreachable!("it is one")
        };
        let second = Event::Observed { attempt: 2, seen };
        let begun = Timestamp(last.0 + 5_000_000);
        let task = task.apply(&second, begun).expect("it runs again");
        assert!(remake(&task, &failure(), 9, Timestamp(begun.0 + 999)));
        assert!(!remake(&task, &failure(), 9, Timestamp(begun.0 + 1_000)));
    }
}
