//! What follows a proved rejection of a create: another try, or the end.

use std::time::Duration;

use super::{Attempt, AttemptOutcome, Failure, FailureReason, Rejection, RejectionKind, Verdict};
use crate::domain::schedule::{quota_cooldown, retry_backoff};
use crate::domain::time::Timestamp;

/// What was tried before.
#[derive(Clone, Copy, Debug)]
pub struct Trials<'a> {
    /// All of the task's attempts, the one just rejected included (its fault need not be written
    /// yet).
    pub attempts: &'a [Attempt],
    /// Creates at most, until the task is accepted; one that failed after that is counted anew.
    pub most: u32,
    /// Whether the rejected create named an input by an address made for an earlier create.
    pub reused_addresses: bool,
    /// Whether another deployment may be tried before a round of all of them is over.
    pub others: bool,
}

/// Decides; `random` is in 0..1.
///
/// The caller's fault ends the task; but a create that named reused addresses is sent once more, with
/// fresh ones, because the provider may have forgotten them. After any other fault the next
/// deployment of the round is tried at once. When the round is over the task waits: soon after an
/// account's fault, which ends it the third time on one account, unless others only could not be
/// reached; after the rest until as many attempts are used as are allowed.
pub fn verdict(rejection: &Rejection, trials: Trials<'_>, now: Timestamp, random: f64) -> Verdict {
    let Trials {
        attempts,
        most,
        reused_addresses,
        others,
    } = trials;
    let sent = sent(attempts);
    let before = |kinds: &[RejectionKind]| earlier(&sent, kinds).count();
    let used_up = count(sent.len()) >= most;
    let wait = match rejection.kind {
        RejectionKind::Caller => {
            let once_more = reused_addresses && before(&[RejectionKind::Caller]) == 0;
            if !once_more || used_up {
                return fail(rejection, FailureReason::InvalidInput, REFUSED);
            }
            Duration::ZERO
        }
        RejectionKind::Moderated => {
            return fail(rejection, FailureReason::ModeratedInput, MODERATED);
        }
        _ if used_up => {
            return fail(rejection, FailureReason::NoDeploymentAvailable, EXHAUSTED);
        }
        _ if others => Duration::ZERO,
        RejectionKind::Account => {
            let account = sent.last().map(|attempt| &attempt.account);
            let faults = earlier(&sent, &[RejectionKind::Account]);
            let faults = faults.filter(|attempt| Some(&attempt.account) == account);
            let faults = faults.count();
            // What kept the others from taking it passes by itself, unlike this account's fault.
            let others_may_come_back =
                earlier(&sent, &PASSING).any(|attempt| Some(&attempt.account) != account);
            match ACCOUNT_WAITS.get(faults) {
                Some(wait) => *wait,
                None if others_may_come_back => retry_backoff(count(faults), random),
                None => return fail(rejection, FailureReason::NoDeploymentAvailable, ACCOUNTS),
            }
        }
        RejectionKind::Quota => {
            let strikes = before(&[RejectionKind::Quota]).saturating_add(1);
            quota_cooldown(count(strikes), rejection.retry_after)
        }
        RejectionKind::Unavailable | RejectionKind::NotSent => {
            let failures = before(&[RejectionKind::Unavailable, RejectionKind::NotSent]);
            let asked = rejection.retry_after.unwrap_or_default().min(LONGEST_WISH);
            retry_backoff(count(failures), random).max(asked)
        }
    };
    Verdict::Retry(now.after(wait))
}

/// What was sent since a provider last had the task.
fn sent(attempts: &[Attempt]) -> Vec<&Attempt> {
    let ended = |attempt: &Attempt| attempt.outcome == AttemptOutcome::Ended;
    let begun = attempts.iter().rposition(ended).map_or(0, |last| last + 1);
    let since = attempts.get(begun..).unwrap_or_default().iter();
    since
        .filter(|attempt| attempt.outcome != AttemptOutcome::Skipped)
        .collect()
}

/// Rejections for these faults before the last one.
fn earlier<'a>(sent: &[&'a Attempt], kinds: &[RejectionKind]) -> impl Iterator<Item = &'a Attempt> {
    let past = sent.split_last().map_or(&[][..], |(_, past)| past);
    let faulty = |attempt: &&Attempt| attempt.fault.is_some_and(|fault| kinds.contains(&fault));
    past.iter()
        .copied()
        .filter(faulty)
        .collect::<Vec<_>>()
        .into_iter()
}

fn fail(rejection: &Rejection, reason: FailureReason, message: &str) -> Verdict {
    Verdict::Fail(Failure {
        reason,
        message: message.to_owned(),
        provider_code: rejection.code.clone(),
        provider_message: rejection.message.clone(),
    })
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// Faults that pass by themselves.
const PASSING: [RejectionKind; 3] = [
    RejectionKind::Quota,
    RejectionKind::Unavailable,
    RejectionKind::NotSent,
];
/// The waits after an account's faults; no third one.
const ACCOUNT_WAITS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(4)];
/// What a provider may ask for in a `Retry-After`.
const LONGEST_WISH: Duration = Duration::from_hours(1);
const REFUSED: &str = "the provider refused the request";
const MODERATED: &str = "the provider's moderation refused the request; nothing was generated";
const ACCOUNTS: &str = "no provider account could take the task";
const EXHAUSTED: &str = "no provider took the task in as many attempts as are allowed";

#[cfg(test)]
mod tests {
    use super::*;
    use RejectionKind::{Account, Caller, NotSent, Quota, Unavailable};

    const NOW: Timestamp = Timestamp(1_000_000);

    fn rejection(kind: RejectionKind) -> Rejection {
        Rejection {
            kind,
            message: "their words".to_owned(),
            code: "429".to_owned(),
            retry_after: None,
        }
    }

    /// Attempts rejected for `past`, and one more that was just answered.
    fn attempts(past: &[RejectionKind]) -> Vec<Attempt> {
        let mut all: Vec<_> = (1..)
            .take(past.len() + 1)
            .map(|number| Attempt::intended(number, "d", "a", None, NOW))
            .collect();
        for (attempt, kind) in all.iter_mut().zip(past) {
            attempt.reject(&rejection(*kind), NOW);
        }
        all
    }

    fn tried(attempts: &[Attempt], reused_addresses: bool) -> Trials<'_> {
        Trials {
            attempts,
            most: 5,
            reused_addresses,
            others: false,
        }
    }

    fn wait_ms(kind: RejectionKind, past: &[RejectionKind]) -> Option<i64> {
        match verdict(&rejection(kind), tried(&attempts(past), false), NOW, 0.0) {
            Verdict::Retry(at) => Some(at.0 - NOW.0),
            Verdict::Fail(_) => None,
        }
    }

    fn failure(kind: RejectionKind, past: &[RejectionKind]) -> Option<Failure> {
        match verdict(&rejection(kind), tried(&attempts(past), false), NOW, 0.0) {
            Verdict::Retry(_) => None,
            Verdict::Fail(failure) => Some(failure),
        }
    }

    #[test]
    fn the_callers_fault_ends_the_task_with_the_providers_words() {
        let failure = failure(Caller, &[]).expect("no retry");
        assert_eq!(failure.reason, FailureReason::InvalidInput);
        assert_eq!(failure.provider_message, "their words");
        assert_eq!(failure.provider_code, "429");
    }

    #[test]
    fn a_create_with_reused_addresses_is_sent_once_more_and_no_more() {
        let fault = rejection(Caller);
        let again = |past: &[RejectionKind], reused| {
            let attempts = attempts(past);
            verdict(&fault, tried(&attempts, reused), NOW, 0.0) == Verdict::Retry(NOW)
        };
        assert!(again(&[], true) && again(&[Unavailable, Account], true));
        assert!(!again(&[], false));
        assert!(!again(&[Caller], true) && !again(&[Caller, Unavailable], true));
        assert!(!again(&[Unavailable; 4], true), "attempts are used up");
        let failed = failure(Caller, &[Caller]).expect("no retry");
        assert_eq!(failed.reason, FailureReason::InvalidInput);
    }

    #[test]
    fn an_accounts_fault_is_tried_twice_more() {
        assert_eq!(wait_ms(Account, &[]), Some(1_000));
        assert_eq!(wait_ms(Account, &[Account]), Some(4_000));
        let third = failure(Account, &[Account, Account]).expect("no retry");
        assert_eq!(third.reason, FailureReason::NoDeploymentAvailable);
        assert_eq!(third.provider_message, "their words");
    }

    #[test]
    fn while_others_may_be_tried_nothing_waits() {
        for kind in [Account, Quota, Unavailable, NotSent] {
            let past = attempts(&[Account, Unavailable]);
            let mut trials = tried(&past, false);
            trials.others = true;
            let next = verdict(&rejection(kind), trials, NOW, 0.0);
            assert_eq!(next, Verdict::Retry(NOW), "{kind:?}");
            trials.most = 3;
            let next = verdict(&rejection(kind), trials, NOW, 0.0);
            assert!(matches!(next, Verdict::Fail(_)), "{kind:?}");
        }
        let past = attempts(&[]);
        let mut trials = tried(&past, false);
        trials.others = true;
        let next = verdict(&rejection(Caller), trials, NOW, 0.0);
        assert!(
            matches!(next, Verdict::Fail(_)),
            "the caller's fault is so everywhere"
        );
    }

    #[test]
    fn each_account_has_tries_of_its_own() {
        let mut past = attempts(&[Account, Account]);
        past[0].account = "another".to_owned();
        let next = verdict(&rejection(Account), tried(&past, false), NOW, 0.0);
        assert_eq!(next, Verdict::Retry(NOW.after(ACCOUNT_WAITS[1])));
    }

    #[test]
    fn an_accounts_fault_does_not_end_what_waits_for_others_to_be_reached() {
        let end = |others: RejectionKind| {
            let mut past = attempts(&[others, Account, Account]);
            past[0].account = "another".to_owned();
            verdict(&rejection(Account), tried(&past, false), NOW, 0.0)
        };
        for passing in PASSING {
            assert!(
                matches!(end(passing), Verdict::Retry(at) if at > NOW),
                "{passing:?}"
            );
        }
        assert!(matches!(end(Account), Verdict::Fail(_)));
    }

    #[test]
    fn what_was_skipped_or_made_before_uses_nothing_up() {
        let mut past = attempts(&[Unavailable; 5]);
        past[1].outcome = AttemptOutcome::Ended;
        past[3].outcome = AttemptOutcome::Skipped;
        let fault = rejection(Unavailable);
        let next = verdict(&fault, tried(&past, false), NOW, 0.0);
        assert_eq!(next, Verdict::Retry(NOW.after(Duration::from_secs(4))));
        let mut trials = tried(&past, false);
        trials.most = 3;
        let next = verdict(&fault, trials, NOW, 0.0);
        assert!(matches!(next, Verdict::Fail(_)));
    }

    #[test]
    fn other_faults_do_not_count_against_the_accounts() {
        assert_eq!(
            wait_ms(Account, &[Unavailable, NotSent, Quota]),
            Some(1_000)
        );
    }

    #[test]
    fn the_rest_waits_by_its_kind_until_the_attempts_are_used() {
        assert_eq!(wait_ms(Quota, &[]), Some(60_000));
        assert_eq!(wait_ms(Quota, &[Quota]), Some(120_000));
        assert_eq!(wait_ms(Unavailable, &[]), Some(1_000));
        assert_eq!(wait_ms(NotSent, &[Unavailable, NotSent]), Some(4_000));
        for kind in [Account, Quota, Unavailable, NotSent] {
            let last = failure(kind, &[Unavailable; 4]).expect("no retry");
            assert_eq!(
                last.reason,
                FailureReason::NoDeploymentAvailable,
                "{kind:?}"
            );
        }
    }

    #[test]
    fn a_wish_of_the_provider_is_honoured_within_reason() {
        let mut wish = rejection(Unavailable);
        for (asked, waited) in [(0, 1), (30, 30), (1_000_000, 3_600)] {
            wish.retry_after = Some(Duration::from_secs(asked));
            let next = verdict(&wish, tried(&attempts(&[]), false), NOW, 0.0);
            assert_eq!(next, Verdict::Retry(NOW.after(Duration::from_secs(waited))));
        }
    }
}
