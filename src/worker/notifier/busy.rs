//! What is on its way to receivers now: bounded in all and for each host, so that a slow one holds up
//! nobody else.
//!
//! A receiver is a path of a tenant's at a host ([`levels`]). Those that did not answer last time get one
//! call at a time with a rest between two, and all of them together no more than half of what there is:
//! many dead ones hold up nobody, and a dead one with a long list costs no more than one with a short
//! list. Of whom nothing is known yet gets one call at first, so that many of them do not take all there
//! is before it is known. Of the room of a host, those that have not answered get no more than a share:
//! those of one folder a quarter, those of one tenant half, all of them three quarters. So a path that is
//! dead, or many, leave room to those beside them. What room there is goes to whoever has the fewest calls
//! on their way, then to who was called longest ago: first of the host's tenants, then of the tenant's
//! folders, then of the paths.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use lru::LruCache;
use parking_lot::Mutex;

use crate::domain::id::TaskId;
use crate::domain::time::Timestamp;
use crate::domain::webhook::{Delivery, levels};

/// What is on its way.
#[derive(Debug)]
pub(super) struct Busy {
    most: usize,
    most_of_host: usize,
    now: Mutex<Now>,
}

#[derive(Debug)]
struct Now {
    /// Whom each call is to.
    calls: HashMap<TaskId, String>,
    /// Whether receivers answered last time, as far as is remembered; and of the folders of paths those
    /// where the last call was answered.
    known: LruCache<String, Standing>,
    /// The number of the last call to each receiver, and to whatever it is part of.
    called: LruCache<String, u64>,
    begun: u64,
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

/// Whose turn it is: who has the least goes first. For the tenant, the folder and the path: the calls on
/// their way, and the number of the last one.
pub(super) type Turn = Vec<(usize, u64)>;

/// One delivery on its way; dropping it makes room for another.
#[derive(Debug)]
pub(super) struct OnItsWay {
    busy: Arc<Busy>,
    task: TaskId,
}

impl Busy {
    pub(super) fn new(most: usize, most_of_host: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            most_of_host: most_of_host.min(most),
            now: Mutex::new(Now {
                calls: HashMap::new(),
                known: LruCache::new(KNOWN),
                called: LruCache::new(KNOWN),
                begun: 0,
            }),
        })
    }

    /// Whether a receiver answered a call that ended `now`, whatever it said.
    pub(super) fn heard(&self, receiver: &str, is_answer: bool, now: Timestamp) {
        let known = &mut self.now.lock().known;
        if is_answer {
            known.put(receiver.to_owned(), Standing::Answers);
            if let Some(folder) = folder(receiver) {
                known.put(folder.to_owned(), Standing::Answers);
            }
            return;
        }
        if let Some(folder) = folder(receiver) {
            known.pop(folder);
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
        self.now.lock().calls.len() >= self.most
    }

    /// Whether nothing more may leave to a host.
    pub(super) fn is_full_at(&self, host: &str) -> bool {
        self.now.lock().calls_within(host) >= self.most_of_host
    }

    /// How many are on their way to a receiver.
    pub(super) fn calls(&self, receiver: &str) -> usize {
        self.now.lock().calls_to(receiver)
    }

    /// Where a receiver stands in the turn of its host; `None`: there is no room for one more call to it.
    pub(super) fn turn(&self, receiver: &str) -> Option<Turn> {
        let now = self.now.lock();
        let turn = |level| {
            let last = now.called.peek(level).copied();
            (now.calls_within(level), last.unwrap_or_default())
        };
        let has_room = self.has_room(&now, receiver);
        has_room.then(|| levels(receiver).skip(1).map(turn).collect())
    }

    fn has_room(&self, now: &Now, receiver: &str) -> bool {
        let host = levels(receiver).next().unwrap_or_default();
        if now.calls.len() >= self.most || now.calls_within(host) >= self.most_of_host {
            return false;
        }
        let known = now.known.peek(receiver);
        let shares = match known {
            Some(Standing::Answers) => return true,
            // Who has an address for each task would be unknown for ever.
            None if now.answers_beside(receiver) => &SHARES[..1],
            // The same where nobody answers.
            Some(Standing::Silent(_)) | None if now.unproved() >= (self.most / 2).max(1) => {
                return false;
            }
            Some(Standing::Silent(_)) | None => &SHARES[..],
        };
        let mut shares = levels(receiver).zip(shares);
        let leaves_room = shares.all(|(level, quarters)| {
            let share = (self.most_of_host * quarters / 4).max(1);
            now.unproved_within(level) < share
        });
        leaves_room && now.calls_to(receiver) == 0
    }

    /// Takes the place of a delivery; `None` when it is on its way already, or there is no room.
    pub(super) fn begin(self: &Arc<Self>, delivery: &Delivery) -> Option<OnItsWay> {
        let mut now = self.now.lock();
        if now.calls.contains_key(&delivery.task) || !self.has_room(&now, &delivery.receiver) {
            return None;
        }
        now.calls.insert(delivery.task, delivery.receiver.clone());
        now.begun += 1;
        let begun = now.begun;
        for level in levels(&delivery.receiver).skip(1) {
            now.called.put(level.to_owned(), begun);
        }
        Some(OnItsWay {
            busy: Arc::clone(self),
            task: delivery.task,
        })
    }
}

impl Now {
    fn calls_to(&self, receiver: &str) -> usize {
        let calls = self.calls.values();
        calls.filter(|known| *known == receiver).count()
    }

    /// Calls to a receiver, or to any that is part of this level.
    fn calls_within(&self, level: &str) -> usize {
        let calls = self.calls.values();
        calls.filter(|receiver| is_within(receiver, level)).count()
    }

    /// The same of calls to those that have not answered.
    fn unproved_within(&self, level: &str) -> usize {
        let calls = self.calls.values().filter(|receiver| {
            let known = self.known.peek(receiver.as_str());
            is_within(receiver, level) && !matches!(known, Some(Standing::Answers))
        });
        calls.count()
    }

    /// Calls to those that have not answered, nor anybody beside them.
    fn unproved(&self) -> usize {
        let calls =
            self.calls
                .values()
                .filter(|receiver| match self.known.peek(receiver.as_str()) {
                    Some(Standing::Answers) => false,
                    Some(Standing::Silent(_)) => true,
                    None => !self.answers_beside(receiver),
                });
        calls.count()
    }

    /// Whether the last call to a path of the same folder was answered.
    fn answers_beside(&self, receiver: &str) -> bool {
        folder(receiver).is_some_and(|folder| self.known.contains(folder))
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
        self.busy.now.lock().calls.remove(&self.task);
    }
}

/// The folder that a receiver's path is in; `None`: its name has no path.
fn folder(receiver: &str) -> Option<&str> {
    levels(receiver).rev().nth(1)
}

fn is_within(receiver: &str, level: &str) -> bool {
    let below = receiver.strip_prefix(level);
    below.is_some_and(|below| below.is_empty() || below.starts_with('/'))
}

/// What those that have not answered may take of a host's room: of all its tenants, of one, and of one
/// folder of its paths; in quarters, and one call at least.
const SHARES: [usize; 3] = [3, 2, 1];
/// The rest of a receiver that did not answer one call; each further call doubles it.
const FIRST_REST: Duration = Duration::from_millis(100);
/// Its longest rest: so long after it came back what is due leaves, all of it at once.
const LONGEST_REST: Duration = Duration::from_secs(5);
/// As often as a rest is doubled at most.
const MOST_DOUBLINGS: u32 = 8;
/// Receivers, and what they are part of, that are remembered.
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

    const A: &str = "a:443/t/f/p";
    const B: &str = "b:443/t/f/p";
    const C: &str = "c:443/t/f/p";
    const D: &str = "d:443/t/f/p";

    fn has_room(busy: &Busy, receiver: &str) -> bool {
        busy.turn(receiver).is_some()
    }

    #[test]
    fn one_host_takes_its_room_and_no_more_and_each_delivery_leaves_once() {
        let busy = Busy::new(3, 2);
        let beside = "a:443/u/f/p";
        for name in [A, beside, B, C] {
            busy.heard(name, true, NOW);
        }
        let first = busy.begin(&delivery(1, A)).expect("room");
        assert!(busy.begin(&delivery(1, A)).is_none(), "it is on its way");
        let second = busy.begin(&delivery(2, beside)).expect("room");
        assert!(busy.begin(&delivery(3, A)).is_none(), "the host is full");
        assert!(busy.is_full_at("a:443") && !has_room(&busy, A) && has_room(&busy, B));
        let third = busy.begin(&delivery(4, B)).expect("room");
        assert!(busy.is_full());
        assert!(busy.begin(&delivery(5, C)).is_none(), "all is full");
        drop((first, second, third));
        assert!(!busy.is_full() && has_room(&busy, A));
        assert!(busy.now.lock().calls.is_empty());
    }

    #[test]
    fn the_silent_get_one_call_each_and_half_of_all_at_most() {
        let busy = Busy::new(4, 2);
        for name in [A, B, C] {
            busy.heard(name, false, NOW);
        }
        busy.heard(D, true, NOW);
        let one = busy.begin(&delivery(1, A)).expect("room");
        assert!(busy.begin(&delivery(2, A)).is_none(), "one at a time");
        let other = busy.begin(&delivery(3, B)).expect("room");
        assert!(busy.begin(&delivery(4, C)).is_none(), "half is taken");
        let good = [5, 6].map(|n| busy.begin(&delivery(n, D)).expect("room"));
        drop((one, other, good));
        busy.heard(A, true, NOW);
        let again = [7, 8].map(|n| busy.begin(&delivery(n, A)).expect("room"));
        assert!(has_room(&busy, C));
        drop(again);
    }

    #[test]
    fn who_is_not_known_gets_one_call_at_first() {
        let busy = Busy::new(4, 2);
        let first = busy.begin(&delivery(1, A)).expect("room");
        assert!(!has_room(&busy, A) && has_room(&busy, B));
        busy.heard(A, true, NOW);
        assert!(has_room(&busy, A));
        drop(first);
    }

    #[test]
    fn of_a_host_those_that_have_not_answered_leave_room_beside_them_at_each_level() {
        let busy = Busy::new(16, 4);
        let good = "a:443/u/g/p";
        busy.heard(good, true, NOW);
        let mut calls = vec![busy.begin(&delivery(1, A)).expect("room")];
        assert!(!has_room(&busy, "a:443/t/f/q"), "a quarter for a folder");
        calls.extend(busy.begin(&delivery(2, "a:443/t/g/p")));
        assert!(!has_room(&busy, "a:443/t/h/p"), "half for a tenant");
        calls.extend(busy.begin(&delivery(3, "a:443/u/f/p")));
        assert!(!has_room(&busy, "a:443/v/f/p"), "three quarters for all");
        assert!(has_room(&busy, good));
        calls.extend(busy.begin(&delivery(4, good)));
        assert_eq!((calls.len(), has_room(&busy, good)), (4, false));
    }

    #[test]
    fn where_a_folder_answers_those_that_are_new_in_it_are_believed_until_one_is_silent() {
        let busy = Busy::new(16, 4);
        busy.heard("a:443/t/f/0", true, NOW);
        let new = ["a:443/t/f/1", "a:443/t/f/2", "a:443/t/f/3", "a:443/t/f/4"];
        let calls = (1..).zip(new);
        let calls = calls.filter_map(|(n, name)| busy.begin(&delivery(n, name)));
        let calls: Vec<_> = calls.collect();
        assert_eq!(calls.len(), 3, "one is left to who has answered");
        drop(calls);
        busy.heard(new[0], false, NOW);
        let _one = busy.begin(&delivery(5, new[1])).expect("room");
        assert!(!has_room(&busy, new[2]));
    }

    #[test]
    fn tenants_take_turns_and_within_them_folders_and_paths() {
        let busy = Busy::new(16, 4);
        let all = ["a:443/t/f/1", "a:443/t/f/2", "a:443/t/g/1", "a:443/u/f/1"];
        let first = |among: &[&'static str]| {
            let turns = among
                .iter()
                .filter_map(|name| Some((busy.turn(name)?, *name)));
            turns.min().map(|(_, name)| name)
        };
        let mut turns = Vec::new();
        for n in 1..=6 {
            let name = first(&all).expect("room");
            drop(busy.begin(&delivery(n, name)));
            busy.heard(name, false, NOW);
            turns.push(name);
        }
        let (f1, f2, g, u) = (all[0], all[1], all[2], all[3]);
        assert_eq!(turns, [f1, u, g, u, f2, u]);
        let _on_its_way = busy.begin(&delivery(7, u));
        assert_eq!(first(&[f1, "a:443/u/g/1"]), Some(f1), "fewest calls first");
    }

    #[test]
    fn a_receiver_of_a_former_version_is_called_like_any() {
        let busy = Busy::new(16, 4);
        let old = "a:443";
        let _other = busy.begin(&delivery(1, A));
        let _one = busy.begin(&delivery(2, old)).expect("room");
        assert!(busy.begin(&delivery(3, old)).is_none(), "one at first");
        busy.heard(old, true, NOW);
        assert!(busy.begin(&delivery(3, old)).is_some());
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
