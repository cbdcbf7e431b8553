//! What to do after asking a provider about a task: the poller's decision, pure.
//!
//! A [`Follow`] is what the poller keeps in memory of one task at a provider. It learns from each
//! [`Answer`] and says what follows.

use std::time::Duration;

use super::schedule::{Learned, PollPace, PollState, next_poll};
use super::task::{AttemptOutcome, Event, Observation, Progress, State, Task, UpstreamStatus};
use super::time::Timestamp;

/// A task at a provider, as the poller follows it.
#[derive(Clone, Debug)]
pub struct Follow {
    /// Which attempt is followed.
    pub attempt: u32,
    /// The account that has it.
    pub account: String,
    /// The provider's task id.
    pub upstream_id: String,
    /// The provider's model id, under which run times are learned.
    pub model: String,
    /// What the schedule needs.
    pub poll: PollState,
    /// The caller asked to cancel.
    pub cancel_requested: bool,
    /// The task has ended here; only its bill is open, until then.
    pub book_until: Option<Timestamp>,
    /// What the store says of running and being throttled.
    stored: (Option<Timestamp>, bool),
    cancel_sent: bool,
    timeout: Duration,
    misses: u32,
    first_miss: Option<Timestamp>,
}

/// What the provider said.
#[derive(Clone, Debug)]
pub enum Answer {
    /// It knows the task.
    Seen(Observation),
    /// It does not.
    NotFound,
    /// It could not be asked, or made no sense.
    Trouble {
        /// How long it asked to wait.
        retry_after: Option<Duration>,
    },
}

/// What follows an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Reaction {
    /// Ask again later.
    Keep,
    /// Tell watchers, and ask again later.
    Tick(Progress),
    /// Record it.
    Record(Event),
    /// Send the cancel: the task was just seen unfinished.
    Cancel,
}

impl Follow {
    /// What there is to follow of a task; `None` when no provider is to be asked about it.
    pub fn of(task: &Task) -> Option<Self> {
        let live = matches!(
            task.state,
            State::Submitted | State::Throttled | State::Running
        );
        let attempt = if live {
            task.attempts
                .iter()
                .find(|a| a.outcome == AttemptOutcome::Accepted)
        } else {
            task.unbooked()
        }?;
        Some(Self {
            attempt: attempt.number,
            account: attempt.account.clone(),
            upstream_id: attempt.upstream_id.clone()?,
            model: attempt.model_or(&task.order.generation.model).to_owned(),
            poll: PollState {
                submitted: task.submitted_by(attempt),
                running_since: attempt.running,
                throttled: task.state == State::Throttled,
                progress: Progress::default(),
                failures: 0,
                retry_after: None,
            },
            cancel_requested: task.cancel_requested,
            book_until: if live { None } else { attempt.book_until },
            stored: (attempt.running, task.state == State::Throttled),
            cancel_sent: false,
            timeout: task.order.timeout.saturating_sub(task.ran()),
            misses: 0,
            first_miss: None,
        })
    }

    /// The same, without what was learned of the provider's answers since it was read from the
    /// store: those could not be recorded. That a cancel was sent stays known.
    #[must_use]
    pub fn afresh(&self) -> Self {
        let mut follow = self.clone();
        (follow.poll.running_since, follow.poll.throttled) = self.stored;
        follow
    }

    /// When to ask next. A cancel is not kept waiting, and a bill alone is in no hurry; the floor
    /// since `asked`, the last question, holds for all.
    pub fn next_question(
        &self,
        asked: Timestamp,
        now: Timestamp,
        pace: &PollPace,
        learned: &Learned,
        random: f64,
    ) -> Timestamp {
        let floor = asked.after(pace.floor);
        match self.book_until {
            Some(_) => asked.after((pace.floor * 12).min(LONGEST_BILL)),
            None if self.cancel_requested && self.poll.failures == 0 => floor,
            None => next_poll(now, &self.poll, pace, learned, random).max(floor),
        }
    }

    /// Learns from an answer and says what follows. `patience` is how long a task must stay unknown
    /// to the provider before it is called gone.
    pub fn react(&mut self, answer: &Answer, now: Timestamp, patience: Duration) -> Reaction {
        match answer {
            Answer::Seen(seen) => {
                self.poll.failures = 0;
                self.poll.retry_after = None;
                self.misses = 0;
                self.first_miss = None;
                if self.book_until.is_some() {
                    self.book(seen, now)
                } else {
                    self.seen(seen, now)
                }
            }
            Answer::NotFound => self.missed(now, patience),
            Answer::Trouble { retry_after } => {
                self.poll.failures = self.poll.failures.saturating_add(1);
                self.poll.retry_after = *retry_after;
                if self.book_until.is_some_and(|until| now >= until) {
                    return self.give_up_booking();
                }
                self.overdue(now).unwrap_or(Reaction::Keep)
            }
        }
    }

    /// A cancel was sent: from now on "no such task" means that it worked.
    pub const fn cancel_sent(&mut self) {
        self.cancel_sent = true;
    }

    fn seen(&mut self, seen: &Observation, now: Timestamp) -> Reaction {
        let record = || {
            Reaction::Record(Event::Observed {
                attempt: self.attempt,
                seen: seen.clone(),
            })
        };
        match &seen.status {
            UpstreamStatus::Succeeded | UpstreamStatus::Failed(_) | UpstreamStatus::Cancelled => {
                return record();
            }
            // A word we do not know may mean "finished": a cancel could then delete the output.
            UpstreamStatus::Unrecognised(_) => return self.overdue(now).unwrap_or(Reaction::Keep),
            _ if self.cancel_requested => return Reaction::Cancel,
            UpstreamStatus::Throttled
                if !self.poll.throttled && self.poll.running_since.is_none() =>
            {
                self.poll.throttled = true;
                return record();
            }
            UpstreamStatus::Running if self.poll.running_since.is_none() => {
                self.poll.running_since = Some(now);
                self.poll.throttled = false;
                self.poll.progress = seen.progress.unwrap_or_default();
                return record();
            }
            UpstreamStatus::Running => {}
            UpstreamStatus::Pending | UpstreamStatus::Throttled => {
                return self.overdue(now).unwrap_or(Reaction::Keep);
            }
        }
        if let Some(overdue) = self.overdue(now) {
            return overdue;
        }
        match seen.progress {
            Some(progress) if progress > self.poll.progress => {
                self.poll.progress = progress;
                Reaction::Tick(progress)
            }
            _ => Reaction::Keep,
        }
    }

    /// The limit counts time in generation only: a task that never ran has none.
    fn overdue(&self, now: Timestamp) -> Option<Reaction> {
        let since = self
            .poll
            .running_since
            .filter(|_| self.book_until.is_none())?;
        let late = now.since(since) >= self.timeout;
        late.then(|| {
            Reaction::Record(Event::TimedOut {
                attempt: self.attempt,
                book_until: now.after(BOOKING),
            })
        })
    }

    fn missed(&mut self, now: Timestamp, patience: Duration) -> Reaction {
        if self.cancel_sent && self.book_until.is_none() {
            let attempt = self.attempt;
            return Reaction::Record(Event::CancelConfirmed { attempt });
        }
        self.misses = self.misses.saturating_add(1);
        let first = *self.first_miss.get_or_insert(now);
        if self.misses < MISSES || now.since(first) < patience {
            return Reaction::Keep;
        }
        if self.book_until.is_some() {
            self.give_up_booking()
        } else {
            Reaction::Record(Event::Gone {
                attempt: self.attempt,
            })
        }
    }

    fn book(&self, seen: &Observation, now: Timestamp) -> Reaction {
        let ended = matches!(
            seen.status,
            UpstreamStatus::Succeeded | UpstreamStatus::Failed(_) | UpstreamStatus::Cancelled
        );
        if ended {
            return Reaction::Record(Event::Booked {
                attempt: self.attempt,
                actual: seen.cost,
            });
        }
        if self.book_until.is_some_and(|until| now >= until) {
            return self.give_up_booking();
        }
        Reaction::Keep
    }

    const fn give_up_booking(&self) -> Reaction {
        Reaction::Record(Event::Booked {
            attempt: self.attempt,
            actual: None,
        })
    }
}

/// How long the real cost of an abandoned attempt is asked for.
pub const BOOKING: Duration = Duration::from_hours(24);
/// The longest time between two questions about a bill.
const LONGEST_BILL: Duration = Duration::from_mins(5);
/// Answers of "no such task" in a row before it is believed.
const MISSES: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::task::samples;

    const FLOOR: Duration = Duration::from_secs(5);
    const PACE: PollPace = PollPace {
        floor: FLOOR,
        max_backoff: Duration::from_mins(1),
    };

    fn submitted() -> Follow {
        let start = [samples::claimed(), samples::accepted(1)];
        Follow::of(&samples::walk(samples::task(1), &start)).expect("a provider has it")
    }

    fn seen(status: UpstreamStatus) -> Answer {
        Answer::Seen(Observation {
            status,
            progress: None,
            cost: None,
            outputs: Vec::new(),
        })
    }

    #[test]
    fn a_cancel_waits_for_the_floor_alone_and_a_bill_for_much_longer() {
        let next = |follow: &Follow| {
            let learned = Learned::default();
            follow.next_question(Timestamp(1_000), Timestamp(1_000), &PACE, &learned, 0.9)
        };
        let mut follow = submitted();
        assert!(next(&follow) >= Timestamp(6_000));
        follow.cancel_requested = true;
        assert_eq!(next(&follow), Timestamp(6_000));
        follow.book_until = Some(Timestamp::NEVER);
        assert_eq!(next(&follow), Timestamp(61_000));
    }

    #[test]
    fn what_is_made_again_is_at_its_provider_since_its_own_attempt() {
        let start = [samples::claimed(), samples::accepted(1), samples::remade(1)];
        let mut task = samples::walk(samples::task(1), &start);
        let later = task.times.updated.after(Duration::from_mins(9));
        for event in [samples::claimed(), samples::accepted(2)] {
            task = task.apply(&event, later).expect("it follows");
        }
        let attempts = task.attempts.iter();
        let since: Vec<_> = attempts.map(|attempt| task.submitted_by(attempt)).collect();
        assert_eq!(since[1], later);
        assert!(since[0] < later && task.times.submitted == Some(since[0]));
    }

    #[test]
    fn one_stray_miss_is_forgotten_when_the_task_is_seen_again() {
        let mut follow = submitted();
        let patience = Duration::from_mins(1);
        let mut at = |ms, answer: &Answer| follow.react(answer, Timestamp(ms), patience);
        assert_eq!(at(0, &Answer::NotFound), Reaction::Keep);
        assert_eq!(at(5_000, &seen(UpstreamStatus::Pending)), Reaction::Keep);
        for ms in [3_600_000, 3_605_000, 3_610_000] {
            assert_eq!(at(ms, &Answer::NotFound), Reaction::Keep);
        }
        assert_eq!(
            at(3_660_000, &Answer::NotFound),
            Reaction::Record(Event::Gone { attempt: 1 })
        );
    }

    #[test]
    fn a_missing_task_is_cancelled_only_after_a_cancel_was_sent() {
        let mut follow = submitted();
        follow.cancel_requested = true;
        let patience = Duration::from_mins(1);
        let missing = &Answer::NotFound;
        assert_eq!(
            follow.react(missing, Timestamp(0), patience),
            Reaction::Keep
        );
        follow.cancel_sent();
        let confirmed = Reaction::Record(Event::CancelConfirmed { attempt: 1 });
        assert_eq!(follow.react(missing, Timestamp(0), patience), confirmed);
    }

    #[test]
    fn a_word_that_nobody_knows_never_brings_a_cancel() {
        let mut follow = submitted();
        follow.cancel_requested = true;
        let odd = seen(UpstreamStatus::Unrecognised("DONE_V2".to_owned()));
        assert_eq!(follow.react(&odd, Timestamp(0), FLOOR), Reaction::Keep);
        let running = seen(UpstreamStatus::Running);
        assert_eq!(
            follow.react(&running, Timestamp(0), FLOOR),
            Reaction::Cancel
        );
    }
}
