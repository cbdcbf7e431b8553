//! The world around a task: what is in memory, in the network, and at the provider.

use super::Violation;
use crate::domain::money::Charge;
use crate::domain::task::samples::{NOW, task};
use crate::domain::task::{AttemptOutcome, Event, State, Task, UnknownPolicy};

/// One moment of everything.
#[derive(Clone)]
pub(super) struct World {
    /// As committed.
    pub task: Task,
    /// Which start of the process runs now.
    pub incarnation: u8,
    /// What each sender is about; those of earlier incarnations are frozen ones that woke up.
    pub senders: Vec<Sender>,
    /// Creates in the network.
    pub posts: Vec<Post>,
    /// Answers on their way to a sender.
    pub answers: Vec<(Post, Answer)>,
    /// What the provider took, by attempt: the money is gone.
    pub charged: Vec<u32>,
    /// Those of them whose task at the provider has failed for good.
    pub over: Vec<u32>,
    /// Attempts whose id reached a sender.
    pub received: Vec<u32>,
}

/// Who tries to get a create through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Sender {
    pub incarnation: u8,
    pub attempt: u32,
    pub phase: Phase,
}

/// How far a sender is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Phase {
    /// Has read the task as queued.
    Picked,
    /// The intent is committed.
    Claimed,
    /// The create has left.
    Waiting,
}

/// A create call: who sent it, for which attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Post {
    pub incarnation: u8,
    pub attempt: u32,
}

/// What a sender sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Answer {
    /// Accepted, with the id.
    Id,
    /// A definite no.
    Rejection,
    /// A gateway's error, which proves nothing.
    Gateway,
    /// A lost connection or a timeout.
    Silence,
}

/// All that tells two worlds apart.
pub(super) type Key = Vec<u8>;

impl World {
    pub(super) fn new() -> Self {
        Self {
            task: task(1),
            incarnation: 0,
            senders: Vec::new(),
            posts: Vec::new(),
            answers: Vec::new(),
            charged: Vec::new(),
            over: Vec::new(),
            received: Vec::new(),
        }
    }

    /// The world after an event on the task; `None` when the transition function refuses it.
    pub(super) fn applied(&self, event: &Event) -> Option<Self> {
        let mut next = self.clone();
        next.task = self.task.apply(event, NOW).ok()?;
        // What only counts is no part of a moment: else no two ways would ever meet.
        (next.task.version, next.task.revision) = (1, 1);
        next.task.history.clear();
        Some(next)
    }

    /// The world without a sender and whatever would have answered it.
    pub(super) fn without(mut self, index: usize) -> Self {
        let gone = self.senders.remove(index);
        self.answers.retain(|(post, _)| *post != gone.post());
        self
    }

    /// What is wrong with this moment.
    pub(super) fn violation(&self, policies: &[UnknownPolicy]) -> Option<Violation> {
        let opted_in = policies.contains(&UnknownPolicy::Resubmit);
        let live = |a: &&crate::domain::task::Attempt| a.outcome.is_live();
        if self.task.attempts.iter().filter(live).count() > 1 {
            return Some(Violation::TwoLiveAttempts);
        }
        // What failed for good may be paid for again, as a new attempt; nothing else may.
        let alive = self.charged.iter().filter(|n| !self.over.contains(n));
        let alive = alive.count();
        if alive > 1 && !opted_in {
            return Some(Violation::ChargedTwice);
        }
        if self.over.iter().any(|n| !self.is_on_the_bill(*n)) {
            return Some(Violation::ChargedButSaysFree);
        }
        if self.charged.iter().any(|n| self.says_free(*n)) {
            return Some(Violation::ChargedButSaysFree);
        }
        let queued = matches!(self.task.state, State::Queued { .. });
        if queued && alive > 0 && !opted_in {
            return Some(Violation::ChargedButWillRetry);
        }
        let lost = |n: &u32| !self.holds_id(*n);
        self.received
            .iter()
            .any(lost)
            .then_some(Violation::ReceivedIdLost)
    }

    fn says_free(&self, attempt: u32) -> bool {
        let before_submit = true;
        let stored = self.task.attempts.iter().find(|a| a.number == attempt);
        let denied = stored.is_some_and(|a| {
            let over = a.outcome != AttemptOutcome::Rejected || self.task.state.is_terminal();
            over && a.cost.charge == Charge::None
        });
        denied || self.task.state == State::Cancelled { before_submit }
    }

    fn is_on_the_bill(&self, attempt: u32) -> bool {
        let mut attempts = self.task.attempts.iter();
        attempts.any(|a| a.number == attempt && a.cost.charge == Charge::Charged)
    }

    fn holds_id(&self, attempt: u32) -> bool {
        let mut attempts = self.task.attempts.iter();
        attempts.any(|a| a.number == attempt && a.upstream_id.is_some())
    }

    pub(super) fn key(&self) -> Key {
        let mut key = Vec::with_capacity(48);
        self.task_key(&mut key);
        key.extend([self.incarnation, 0xf0]);
        let mut senders: Vec<_> = self.senders.iter().collect();
        senders.sort_unstable();
        for sender in senders {
            key.extend([
                sender.incarnation,
                small(sender.attempt),
                sender.phase as u8,
            ]);
        }
        key.push(0xf1);
        let mut posts = self.posts.clone();
        posts.sort_unstable();
        for post in posts {
            key.extend([post.incarnation, small(post.attempt)]);
        }
        key.push(0xf2);
        let mut answers = self.answers.clone();
        answers.sort_unstable();
        for (post, answer) in answers {
            key.extend([post.incarnation, small(post.attempt), answer as u8]);
        }
        for attempts in [&self.charged, &self.over, &self.received] {
            key.push(0xf3);
            let mut sorted = attempts.clone();
            sorted.sort_unstable();
            key.extend(sorted.into_iter().map(small));
        }
        key
    }

    fn task_key(&self, key: &mut Key) {
        let task = &self.task;
        key.extend(task.state.name().as_bytes());
        match &task.state {
            State::Submitting { attempt } => key.push(small(*attempt)),
            State::SubmissionUnknown { attempt, deadline } => {
                key.extend([small(*attempt), u8::from(deadline.is_some())]);
            }
            State::Failed(failure) => key.push(failure.reason as u8),
            State::Cancelled { before_submit } => key.push(u8::from(*before_submit)),
            _ => {}
        }
        key.push(u8::from(task.cancel_requested));
        for attempt in &task.attempts {
            key.extend([
                attempt.outcome as u8,
                u8::from(attempt.upstream_id.is_some()),
                attempt.cost.charge as u8,
                u8::from(attempt.cost.actual.is_some()),
                u8::from(attempt.book_until.is_some()),
                u8::from(attempt.ended.is_some()),
            ]);
        }
    }
}

impl Sender {
    pub(super) const fn post(self) -> Post {
        Post {
            incarnation: self.incarnation,
            attempt: self.attempt,
        }
    }
}

fn small(number: u32) -> u8 {
    u8::try_from(number).expect("a model makes few attempts")
}
