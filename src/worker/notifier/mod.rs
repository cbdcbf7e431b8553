//! Tells receivers of the ends of tasks: reads what is due from the outbox, posts it, settles it.
//!
//! What is not settled is posted again, under the same event id: after a crash, after a drain that cut
//! it, and after any answer but a 2xx or 410. Hosts are gone through in turns, and whoever has something
//! due at one has a turn within its room ([`busy`]), so that a slow or a dead one costs the others nothing.

mod busy;
mod round;

use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use tokio::time::timeout;

use busy::{Busy, OnItsWay, Turn};
use round::{Round, end_of};

use super::{Desk, FIRST_RETRY, LAST_RETRY};
use crate::domain::task::Task;
use crate::domain::time::Timestamp;
use crate::domain::webhook::{Delivery, DeliveryState, Patience, Reply, SigningKey, levels};
use crate::egress::{EgressError, Hooks, Message};
use crate::store::{Receiver, StoreError};
use crate::telemetry::metrics;

/// What receivers are told with.
#[derive(Clone)]
pub struct Notices {
    /// How they are called.
    pub hooks: Hooks,
    /// What secrets are derived from.
    pub signing: SigningKey,
    /// What is said of a task that has ended, deleted or not: JSON.
    pub render: Arc<Render>,
}

/// What is said of a task's end to whom a delivery is for.
pub type Render = dyn Fn(&Task, &Delivery) -> Bytes + Send + Sync;

/// Tells what is due until the drain.
pub(super) async fn run(desk: Arc<Desk>) {
    let settings = &desk.settings.webhooks;
    let busy = Busy::new(settings.concurrency, settings.per_receiver);
    let mut cursor = Cursor::default();
    loop {
        let wait = match pass(&desk, &busy, &mut cursor).await {
            Some(due) => due.since(desk.now()).clamp(SHORTEST_REST, LONGEST_REST),
            None => LONGEST_REST,
        };
        tokio::select! {
            () = desk.shutdown.draining() => return,
            _ = timeout(wait, desk.store.changes().noticed()) => {}
        }
    }
}

/// Where the next pass begins: after the host that was looked at last, so that none is always last.
#[derive(Default)]
struct Cursor {
    after: Option<String>,
}

/// Who has the turn at one host, as far as its receivers were looked at.
#[derive(Default)]
struct First {
    host: String,
    receiver: Option<(Turn, Receiver)>,
    /// Of those whose turn it is alike, as of all that were never called, the newest goes first, not the
    /// oldest. By chance, so that many dead ones that are new do not hold up the next, nor the next them.
    is_newest: bool,
}

/// Sends what is due and has room. The moment when something more is due, as far as it was looked at.
async fn pass(desk: &Arc<Desk>, busy: &Arc<Busy>, cursor: &mut Cursor) -> Option<Timestamp> {
    let mut over = HashSet::new();
    for _ in 0..desk.settings.webhooks.concurrency {
        match look(desk, busy, cursor, &mut over).await {
            Ok(Looked::Sent) => {}
            Ok(Looked::All { next }) => return next,
            Err(error) => {
                tracing::warn!(%error, "could not read who is to be told");
                return None;
            }
        }
    }
    Some(desk.now())
}

/// What one look at all receivers came to.
enum Looked {
    /// To some host something was sent, or the one whose turn it was had no more: there may be more.
    Sent,
    /// Nothing more can be sent now; when more is due.
    All { next: Option<Timestamp> },
}

/// Sends one delivery to each host that has room, to whoever has the turn there. Who turns out to have no
/// more that could be sent now is `over`.
async fn look(
    desk: &Arc<Desk>,
    busy: &Arc<Busy>,
    cursor: &mut Cursor,
    over: &mut HashSet<String>,
) -> Result<Looked, StoreError> {
    let mut round = Round::after(cursor.after.take());
    let mut first = First::with(rand::random());
    let (mut next, mut is_more) = (None, false);
    loop {
        let receiver = round.next(&*desk.store).await?;
        let host = receiver.as_ref().and_then(|one| levels(&one.name).next());
        if host != Some(&*first.host) {
            is_more |= send_first(desk, busy, &mut first, over).await?;
            if busy.is_full() || desk.shutdown.is_draining() {
                // Whoever ends makes room, and the next pass goes on here.
                let here = (!first.host.is_empty()).then(|| end_of(&first.host));
                cursor.after = here.or_else(|| round.begun_after().cloned());
                return Ok(Looked::All { next });
            }
            host.unwrap_or_default().clone_into(&mut first.host);
        }
        let Some(receiver) = receiver else {
            let all = Looked::All { next };
            return Ok(if is_more { Looked::Sent } else { all });
        };
        let rest = busy.rests_until(&receiver.name);
        let due = rest.map_or(receiver.first_due, |rest| rest.max(receiver.first_due));
        if busy.is_full_at(&first.host) {
            round.skip(&first.host);
        } else if due > desk.now() {
            next = Some(next.map_or(due, |next: Timestamp| next.min(due)));
        } else if !over.contains(&receiver.name) {
            first.consider(busy.turn(&receiver.name), receiver);
        }
    }
}

impl First {
    fn with(is_newest: bool) -> Self {
        Self {
            is_newest,
            ..Self::default()
        }
    }

    /// Takes one to whom something is due; without a turn there is no room for it.
    fn consider(&mut self, turn: Option<Turn>, receiver: Receiver) {
        let Some(turn) = turn else {
            return;
        };
        let is_first = self.receiver.as_ref().is_none_or(|(first, known)| {
            let by_due = receiver.first_due.cmp(&known.first_due);
            let by_due = if self.is_newest {
                by_due.reverse()
            } else {
                by_due
            };
            turn.cmp(first).then(by_due).is_lt()
        });
        if is_first {
            self.receiver = Some((turn, receiver));
        }
    }
}

/// Sends what is due first to whoever has the turn at a host, if anybody. Whether there was somebody.
async fn send_first(
    desk: &Arc<Desk>,
    busy: &Arc<Busy>,
    first: &mut First,
    over: &mut HashSet<String>,
) -> Result<bool, StoreError> {
    let Some((_, Receiver { name, .. })) = first.receiver.take() else {
        return Ok(false);
    };
    // Those on their way are still due: they are read and passed over.
    let count = busy.calls(&name) + 1;
    let due = desk.store.due_deliveries(&name, desk.now(), count).await?;
    let mut due = due.into_iter();
    let sent = due.find_map(|delivery| Some((busy.begin(&delivery)?, delivery)));
    match sent {
        Some((place, delivery)) => start(desk, busy, delivery, place),
        None => drop(over.insert(name)),
    }
    Ok(true)
}

fn start(desk: &Arc<Desk>, busy: &Arc<Busy>, delivery: Delivery, place: OnItsWay) {
    let (desk, busy) = (Arc::clone(desk), Arc::clone(busy));
    desk.shutdown.clone().spawn(async move {
        tokio::select! {
            // What is cut here comes again.
            () = patience_ends(&desk) => {}
            () = deliver(&desk, &busy, delivery) => {}
        }
        drop(place);
        desk.store.changes().notice();
    });
}

/// When calls on their way are waited for no longer: soon in a drain, which receivers must not hold up.
async fn patience_ends(desk: &Desk) {
    tokio::select! {
        () = desk.shutdown.stopping() => {}
        () = async {
            desk.shutdown.draining().await;
            tokio::time::sleep(DRAIN).await;
        } => {}
    }
}

/// One try, to its record.
async fn deliver(desk: &Desk, busy: &Busy, delivery: Delivery) {
    if !is_still_due(desk, &delivery).await {
        return;
    }
    let reply = attempt(desk, &delivery).await;
    let is_answer = matches!(reply, Reply::Answer { .. });
    busy.heard(&delivery.receiver, is_answer, desk.now());
    let settings = &desk.settings.webhooks;
    let patience = Patience {
        first_retry: settings.first_retry,
        give_up: settings.give_up.min(desk.settings.keep_records),
    };
    let next = delivery.tried(reply, patience, desk.now(), rand::random());
    let receiver = next.receiver.clone();
    tell(&next);
    settle(desk, next).await;
    if !is_answer {
        give_up_late(desk, &receiver, patience).await;
    }
}

/// Gives up what is past its time and is for a receiver that did not answer just now. Nobody is called
/// for it once more: so what waits for a dead one has an end, however slowly it is called.
async fn give_up_late(desk: &Desk, receiver: &str, patience: Patience) {
    let now = desk.now();
    let give_up = i64::try_from(patience.give_up.as_millis()).unwrap_or(i64::MAX);
    let until = Timestamp(now.0.saturating_sub(give_up));
    let late = desk.store.late_deliveries(receiver, until, PAGE).await;
    let late = late.unwrap_or_else(|error| {
        tracing::warn!(%error, "could not read what is told no more");
        Vec::new()
    });
    let over = late.into_iter().map(|delivery| {
        let reply = Reply::Nothing(TOO_LATE.to_owned());
        let next = delivery.tried(reply, patience, now, 0.0);
        tell(&next);
        settle(desk, next)
    });
    join_all(over).await;
}

/// Whether it is as it was read. It may have been read while a try of it was still on its way, which
/// has been recorded since; nobody else has it now.
async fn is_still_due(desk: &Desk, delivery: &Delivery) -> bool {
    let known = desk.store.deliveries(delivery.task).await;
    known
        .inspect_err(|error| tracing::warn!(task = %delivery.task, %error, "could not read what is to be told"))
        .is_ok_and(|known| known.contains(delivery))
}

async fn attempt(desk: &Desk, delivery: &Delivery) -> Reply {
    let task = match desk.store.get(delivery.task).await {
        Ok(Some(task)) => task,
        Ok(None) => return Reply::Nothing("the task's record is gone".to_owned()),
        Err(error) => return Reply::Nothing(error.to_string()),
    };
    let Notices {
        hooks,
        signing,
        render,
    } = &desk.notices;
    // Were it to fail on one task, that one must not be tried without a pause.
    let rendered = std::panic::catch_unwind(AssertUnwindSafe(|| render(&task, delivery)));
    let Ok(body) = rendered else {
        return Reply::Nothing("what is to be said cannot be written".to_owned());
    };
    let (id, now) = (delivery.event.as_str(), desk.now());
    let webhooks = &desk.roster.now().callers.webhooks;
    let secrets = webhooks.secrets(task.key.as_ref(), signing);
    let signatures = secrets.iter().map(|secret| secret.sign(id, now, &body));
    let message = Message {
        id: id.to_owned(),
        timestamp: now.0.div_euclid(1000),
        signature: signatures.collect::<Vec<_>>().join(" "),
        body,
    };
    let limit = desk.settings.webhooks.timeout;
    let posted = hooks.post(&delivery.url, &webhooks.allow, message, limit);
    match posted.await {
        Ok(heard) => Reply::Answer {
            status: heard.status,
            retry_after: heard.retry_after,
        },
        Err(error) => Reply::Nothing(said(&error)),
    }
}

/// An error as the owner of the task may read it.
fn said(error: &EgressError) -> String {
    error.to_string().chars().take(MAX_ERROR).collect()
}

/// Records a try for as long as that takes: what is not on record is sent again.
async fn settle(desk: &Desk, next: Delivery) {
    let mut wait = FIRST_RETRY;
    while let Err(error) = desk.store.settle(next.clone()).await {
        tracing::warn!(task = %next.task, %error, "a delivery was not recorded");
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(LAST_RETRY);
    }
}

fn tell(delivery: &Delivery) {
    let last = delivery.last.as_ref();
    let (status, error) = last.map_or((None, ""), |last| (last.status, &*last.error));
    let (task, event, tries) = (delivery.task, &delivery.event, delivery.tries);
    match delivery.state {
        DeliveryState::Delivered { .. } => {
            metrics::told("delivered");
            tracing::info!(%task, %event, tries, status, "told the receiver of the end");
        }
        DeliveryState::Pending { .. } => {
            metrics::told("failed");
            tracing::info!(%task, %event, tries, status, error, "the receiver was not told so far");
        }
        DeliveryState::GivenUp { .. } => {
            metrics::told("given_up");
            tracing::warn!(%task, %event, tries, status, error, "the receiver is told no more");
        }
    }
}

/// What is said of a delivery that was given up without a call of its own.
const TOO_LATE: &str = "its time was over, and the receiver did not answer to others";
/// Deliveries given up at once.
const PAGE: usize = 256;
/// How long a drain waits for calls that are on their way.
const DRAIN: Duration = Duration::from_secs(5);
/// Characters of an error that is kept.
const MAX_ERROR: usize = 200;
/// The least time between two passes that nothing nudges.
const SHORTEST_REST: Duration = Duration::from_millis(50);
/// A pass comes at least so often.
const LONGEST_REST: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_those_never_called_the_oldest_or_the_newest_goes_first_and_who_was_after_them() {
        for (is_newest, expected) in [(false, "old"), (true, "new")] {
            let mut first = First::with(is_newest);
            let all = [
                ("called", 7, 0),
                ("new", 0, 3),
                ("old", 0, 1),
                ("mid", 0, 2),
            ];
            for (name, last, due) in all {
                let receiver = Receiver {
                    name: name.to_owned(),
                    first_due: Timestamp(due),
                };
                first.consider(Some(vec![(0, 1), (0, last)]), receiver);
            }
            let none = Receiver {
                name: "without room".to_owned(),
                first_due: Timestamp(-1),
            };
            first.consider(None, none);
            let (_, receiver) = first.receiver.expect("somebody");
            assert_eq!(receiver.name, expected);
        }
    }
}
