//! When a tenant may create nothing for a while, because too much of what it made lately was
//! moderated.
//!
//! A provider suspends the whole account over too much moderated work, whoever asked for it, and
//! charges for it as for any other. So the share of moderated endings is watched for each tenant,
//! and one whose share is too high waits, while the others go on.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::id::TenantId;
use super::task::{FailureReason, State, Task};
use super::time::Timestamp;

/// How much moderated work is too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModerationLimits {
    /// How far back endings count.
    pub window: Duration,
    /// So many moderated endings at least, however high their share.
    pub least: u32,
    /// The share of moderated endings, in percent, from which on it is too much.
    pub percent: u32,
    /// How long the tenant then waits; after that it is judged by what ended since.
    pub cooldown: Duration,
}

/// How a task ended, as far as moderation is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Whose.
    pub tenant: TenantId,
    /// When.
    pub at: Timestamp,
    /// Whether its input or output was moderated; otherwise it completed.
    pub moderated: bool,
}

/// The endings of every tenant, and who waits.
#[derive(Debug, Default)]
pub struct Moderation {
    tenants: BTreeMap<TenantId, Record>,
}

#[derive(Debug, Default)]
struct Record {
    /// Oldest first.
    endings: VecDeque<(Timestamp, bool)>,
    moderated: u32,
    blocked_until: Option<Timestamp>,
}

impl Task {
    /// How a task ended by the write that made this version. `None`: it has not ended or had ended
    /// before, or its end says nothing of what was asked: it was cancelled, or failed otherwise.
    pub fn ending(&self) -> Option<Ending> {
        // Until the end every write adds one to both.
        if self.version != self.revision {
            return None;
        }
        let moderated = match &self.state {
            State::Completed => false,
            State::Failed(failure) if failure.reason.is_moderated() => true,
            _ => return None,
        };
        Some(Ending {
            tenant: self.tenant.clone(),
            at: self.times.completed.unwrap_or(self.times.updated),
            moderated,
        })
    }
}

impl FailureReason {
    /// Whether the provider refused the content of the input or of the output.
    pub const fn is_moderated(self) -> bool {
        matches!(self, Self::ModeratedInput | Self::ModeratedOutput)
    }
}

impl Moderation {
    /// Takes an ending into account. Endings come about in the order of their times.
    pub fn ended(&mut self, ending: Ending, limits: &ModerationLimits) {
        let record = self.tenants.entry(ending.tenant).or_default();
        record.take(ending.at, ending.moderated, limits);
    }

    /// Until when a tenant may create nothing; `None`: it may.
    pub fn blocked_until(&self, tenant: &TenantId, now: Timestamp) -> Option<Timestamp> {
        let record = self.tenants.get(tenant)?;
        record.blocked_until.filter(|until| now < *until)
    }
}

impl Record {
    fn take(&mut self, at: Timestamp, moderated: bool, limits: &ModerationLimits) {
        self.push(at, moderated);
        let oldest = |endings: &VecDeque<(Timestamp, bool)>| endings.front().copied();
        while let Some((then, was_moderated)) = oldest(&self.endings) {
            if self.endings.len() <= MOST && at.since(then) < limits.window {
                break;
            }
            self.endings.pop_front();
            self.moderated -= u32::from(was_moderated);
        }
        if self.is_too_much(limits) {
            self.blocked_until = self.blocked_until.max(Some(at.after(limits.cooldown)));
            self.endings.clear();
            self.moderated = 0;
        }
    }

    fn push(&mut self, at: Timestamp, moderated: bool) {
        self.endings.push_back((at, moderated));
        self.moderated += u32::from(moderated);
    }

    fn is_too_much(&self, limits: &ModerationLimits) -> bool {
        let all = u64::try_from(self.endings.len()).unwrap_or(u64::MAX);
        let share = u64::from(self.moderated).saturating_mul(100);
        self.moderated >= limits.least.max(1)
            && share >= all.saturating_mul(u64::from(limits.percent))
    }
}

/// Endings remembered of one tenant: of more within a window the last ones are judged.
const MOST: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::task::samples::{
        accepted, archived, booked, claimed, seen, situations, succeeded, task, walk,
    };
    use crate::domain::task::{Event, Failure, UpstreamStatus};

    const LIMITS: ModerationLimits = ModerationLimits {
        window: Duration::from_hours(1),
        least: 5,
        percent: 25,
        cooldown: Duration::from_mins(10),
    };
    const SECOND: i64 = 1_000;

    fn tenant(name: &str) -> TenantId {
        TenantId::named(name)
    }

    /// Endings a second apart; of every ten the last so many are moderated.
    fn fill(moderation: &mut Moderation, name: &str, range: std::ops::Range<i64>, in_ten: i64) {
        for n in range {
            let ending = Ending {
                tenant: tenant(name),
                at: Timestamp(n * SECOND),
                moderated: n % 10 >= 10 - in_ten,
            };
            moderation.ended(ending, &LIMITS);
        }
    }

    fn blocked(moderation: &Moderation, name: &str, at: i64) -> bool {
        let at = Timestamp(at * SECOND);
        moderation.blocked_until(&tenant(name), at).is_some()
    }

    #[test]
    fn a_third_moderated_is_too_much_for_its_tenant_alone() {
        let mut moderation = Moderation::default();
        fill(&mut moderation, "bad", 0..60, 3);
        fill(&mut moderation, "good", 0..1_000, 2);
        assert!(blocked(&moderation, "bad", 60));
        assert!(!blocked(&moderation, "good", 60));
        assert!(!blocked(&moderation, "new", 60));
    }

    #[test]
    fn a_few_are_not_too_much_however_high_their_share() {
        let mut moderation = Moderation::default();
        fill(&mut moderation, "t", 0..4, 10);
        assert!(!blocked(&moderation, "t", 5));
        fill(&mut moderation, "t", 4..5, 10);
        assert!(blocked(&moderation, "t", 5));
    }

    #[test]
    fn what_ended_long_ago_does_not_count() {
        let mut moderation = Moderation::default();
        fill(&mut moderation, "t", 0..4, 10);
        fill(&mut moderation, "t", 3_700..3_704, 10);
        assert!(!blocked(&moderation, "t", 3_704));
    }

    #[test]
    fn after_the_wait_only_what_ended_since_counts() {
        let mut moderation = Moderation::default();
        fill(&mut moderation, "t", 0..5, 10);
        let until = 4 + 600;
        assert!(blocked(&moderation, "t", until - 1));
        assert!(!blocked(&moderation, "t", until));
        fill(&mut moderation, "t", until..until + 4, 10);
        assert!(!blocked(&moderation, "t", until + 4));
        fill(&mut moderation, "t", until + 4..until + 5, 10);
        assert!(blocked(&moderation, "t", until + 5));
    }

    #[test]
    fn memory_is_bounded_and_the_last_endings_decide() {
        let mut moderation = Moderation::default();
        for n in 0..10_000_i64 {
            let ending = Ending {
                tenant: tenant("t"),
                at: Timestamp(n),
                moderated: false,
            };
            moderation.ended(ending, &LIMITS);
        }
        assert_eq!(moderation.tenants[&tenant("t")].endings.len(), MOST);
        fill(&mut moderation, "t", 11..11 + 249, 10);
        assert!(!blocked(&moderation, "t", 300), "a quarter is not reached");
        fill(&mut moderation, "t", 300..301, 10);
        assert!(blocked(&moderation, "t", 301));
    }

    #[test]
    fn a_task_tells_its_end_once_and_only_if_it_says_something() {
        let failed = |reason| {
            let failure = Failure::ours(reason, "no");
            walk(
                task(1),
                &[
                    claimed(),
                    accepted(1),
                    seen(UpstreamStatus::Failed(failure)),
                ],
            )
        };
        for (reason, told) in [
            (FailureReason::ModeratedInput, Some(true)),
            (FailureReason::ModeratedOutput, Some(true)),
            (FailureReason::GenerationFailed, None),
        ] {
            let ending = failed(reason).ending();
            assert_eq!(ending.map(|ending| ending.moderated), told, "{reason:?}");
        }
        for (name, events) in situations() {
            let told = walk(task(1), &events).ending().map(|e| e.moderated);
            assert_eq!(told, (name == "completed").then_some(false), "{name}");
        }
        let done = [claimed(), accepted(1), succeeded(), archived()];
        for later in [Event::Deleted, Event::ContentExpired] {
            let after = walk(walk(task(1), &done), &[later]);
            assert_eq!(after.ending(), None);
        }
        let moderated = failed(FailureReason::ModeratedInput);
        if let Ok(settled) = moderated.apply(&booked(Some(1)), Timestamp(0)) {
            assert_eq!(settled.ending(), None);
        }
    }
}
