//! What is on its way to receivers now: bounded in all and for each, so that a slow one holds up
//! nobody else. Those that did not answer last time get one call at a time with a rest between two, and
//! all of them together no more than half of what there is: many dead ones hold up nobody either, and
//! a dead one with a long list costs no more than one with a short list. Of whom nothing is known yet
//! gets one call at first, so that many of them do not take all there is before it is known.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use lru::LruCache;
use parking_lot::Mutex;

use crate::domain::id::TaskId;
use crate::domain::time::Timestamp;
use crate::domain::webhook::Delivery;

/// What is on its way.
#[derive(Debug)]
pub(super) struct Busy {
    most: usize,
    most_of_one: usize,
    now: Mutex<Now>,
}

#[derive(Debug)]
struct Now {
    tasks: HashSet<TaskId>,
    receivers: HashMap<String, usize>,
    /// Whether receivers answered last time, as far as is remembered.
    known: LruCache<String, Standing>,
}

#[derive(Clone, Copy, Debug)]
enum Standing {
    Answers,
    Silent(Silence),
}

/// Of a receiver that did not answer.
#[derive(Clone, Copy, Debug)]
struct Silence {
    /// Calls since its last answer.
    calls: u32,
    /// When it may be called again.
    until: Timestamp,
}

/// One delivery on its way; dropping it makes room for another.
#[derive(Debug)]
pub(super) struct OnItsWay {
    busy: Arc<Busy>,
    task: TaskId,
    receiver: String,
}

impl Busy {
    pub(super) fn new(most: usize, most_of_one: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            most_of_one: most_of_one.min(most),
            now: Mutex::new(Now {
                tasks: HashSet::new(),
                receivers: HashMap::new(),
                known: LruCache::new(KNOWN),
            }),
        })
    }

    /// Whether a receiver answered a call that ended `now`, whatever it said.
    pub(super) fn heard(&self, receiver: &str, is_answer: bool, now: Timestamp) {
        let known = &mut self.now.lock().known;
        if is_answer {
            known.put(receiver.to_owned(), Standing::Answers);
            return;
        }
        let before = known.get(receiver).and_then(|known| known.silence());
        let before = before.map_or(0, |silence| silence.calls);
        let rest = FIRST_REST.saturating_mul(1 << before.min(MOST_DOUBLINGS));
        let silence = Silence {
            calls: before.saturating_add(1),
            until: now.after(rest.min(LONGEST_REST)),
        };
        known.put(receiver.to_owned(), Standing::Silent(silence));
    }

    /// Until when a receiver that did not answer is left alone; `None`: it need not be.
    pub(super) fn rests_until(&self, receiver: &str) -> Option<Timestamp> {
        let now = self.now.lock();
        let silence = now.known.peek(receiver)?.silence()?;
        Some(silence.until)
    }

    /// Whether nothing more may leave.
    pub(super) fn is_full(&self) -> bool {
        self.now.lock().tasks.len() >= self.most
    }

    /// How many are on their way to a receiver, and how many more may be.
    pub(super) fn room(&self, receiver: &str) -> (usize, usize) {
        let now = self.now.lock();
        let own = now.receivers.get(receiver).copied().unwrap_or(0);
        let left = self.most.saturating_sub(now.tasks.len());
        match now.known.peek(receiver) {
            None => return (own, 1_usize.saturating_sub(own).min(left)),
            Some(Standing::Answers) => {
                return (own, self.most_of_one.saturating_sub(own).min(left));
            }
            Some(Standing::Silent(_)) => {}
        }
        let silent = now.receivers.iter().filter(|(name, _)| {
            let known = now.known.peek(*name);
            known.is_some_and(|known| known.silence().is_some())
        });
        let lost: usize = silent.map(|(_, count)| count).sum();
        let half = (self.most / 2).max(1);
        let left = left.min(half.saturating_sub(lost));
        (own, 1_usize.saturating_sub(own).min(left))
    }

    /// Takes the place of a delivery; `None` when it is on its way already, or there is no room.
    pub(super) fn begin(self: &Arc<Self>, delivery: &Delivery) -> Option<OnItsWay> {
        let (_, room) = self.room(&delivery.receiver);
        let mut now = self.now.lock();
        if room == 0 || !now.tasks.insert(delivery.task) {
            return None;
        }
        *now.receivers.entry(delivery.receiver.clone()).or_default() += 1;
        Some(OnItsWay {
            busy: Arc::clone(self),
            task: delivery.task,
            receiver: delivery.receiver.clone(),
        })
    }
}

impl Standing {
    const fn silence(self) -> Option<Silence> {
        match self {
            Self::Answers => None,
            Self::Silent(silence) => Some(silence),
        }
    }
}

impl Drop for OnItsWay {
    fn drop(&mut self) {
        let mut now = self.busy.now.lock();
        now.tasks.remove(&self.task);
        if let Some(count) = now.receivers.get_mut(&self.receiver) {
            *count -= 1;
            if *count == 0 {
                now.receivers.remove(&self.receiver);
            }
        }
    }
}

/// The rest of a receiver that did not answer one call; each further call doubles it.
const FIRST_REST: Duration = Duration::from_millis(100);
/// Its longest rest: so long after it came back what is due leaves, all of it at once.
const LONGEST_REST: Duration = Duration::from_secs(5);
/// As often as a rest is doubled at most.
const MOST_DOUBLINGS: u32 = 8;
/// Receivers that are remembered.
const KNOWN: NonZeroUsize = NonZeroUsize::new(4096).expect("4096 is not zero");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::task::Status;
    use crate::domain::task::samples::{NOW, task};
    use crate::domain::webhook::{DeliveryState, EventId};

    fn delivery(n: u32, receiver: &str) -> Delivery {
        let id = task(n).id;
        Delivery {
            event: EventId::of(id, Status::Completed),
            task: id,
            ending: Status::Completed,
            url: String::new(),
            receiver: receiver.to_owned(),
            state: DeliveryState::Pending { due: NOW },
            tries: 0,
            last: None,
            created: NOW,
        }
    }

    #[test]
    fn one_receiver_takes_its_share_and_no_more_and_each_delivery_leaves_once() {
        let busy = Busy::new(3, 2);
        for name in ["a", "b", "c"] {
            busy.heard(name, true, NOW);
        }
        let first = busy.begin(&delivery(1, "a")).expect("room");
        assert!(busy.begin(&delivery(1, "a")).is_none(), "it is on its way");
        let second = busy.begin(&delivery(2, "a")).expect("room");
        assert!(busy.begin(&delivery(3, "a")).is_none(), "its share is full");
        assert_eq!((busy.room("a"), busy.room("b")), ((2, 0), (0, 1)));
        let third = busy.begin(&delivery(4, "b")).expect("room");
        assert!(busy.is_full());
        assert!(busy.begin(&delivery(5, "c")).is_none(), "all is full");
        drop((first, second, third));
        assert_eq!((busy.is_full(), busy.room("a")), (false, (0, 2)));
        assert!(busy.now.lock().receivers.is_empty());
    }

    #[test]
    fn the_silent_get_one_call_each_and_half_of_all_at_most() {
        let busy = Busy::new(4, 2);
        for name in ["a", "b", "c"] {
            busy.heard(name, false, NOW);
        }
        busy.heard("d", true, NOW);
        let one = busy.begin(&delivery(1, "a")).expect("room");
        assert!(busy.begin(&delivery(2, "a")).is_none(), "one at a time");
        let other = busy.begin(&delivery(3, "b")).expect("room");
        assert!(busy.begin(&delivery(4, "c")).is_none(), "half is taken");
        let good = [5, 6].map(|n| busy.begin(&delivery(n, "d")).expect("room"));
        drop((one, other, good));
        busy.heard("a", true, NOW);
        assert_eq!((busy.room("a"), busy.room("c")), ((0, 2), (0, 1)));
    }
    #[test]
    fn who_is_not_known_gets_one_call_at_first() {
        let busy = Busy::new(4, 2);
        let first = busy.begin(&delivery(1, "a")).expect("room");
        assert_eq!((busy.room("a"), busy.room("b")), ((1, 0), (0, 1)));
        busy.heard("a", true, NOW);
        assert_eq!(busy.room("a"), (1, 1));
        drop(first);
        assert_eq!(busy.room("a"), (0, 2));
    }

    #[test]
    fn the_silent_rest_longer_each_time_until_they_answer() {
        let busy = Busy::new(4, 2);
        assert_eq!(busy.rests_until("a"), None);
        let mut rests = Vec::new();
        for _ in 0..8 {
            busy.heard("a", false, NOW);
            let until = busy.rests_until("a").expect("it rests");
            rests.push(until.since(NOW).as_millis());
        }
        assert_eq!(rests, [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
        assert_eq!(busy.rests_until("b"), None);
        busy.heard("a", true, NOW);
        assert_eq!(busy.rests_until("a"), None);
    }
}
