//! Queued → submitted: prepares, commits the intent, sends the one create, records the outcome.
//!
//! Addresses for the inputs (uploads, data URIs) are free and are made before the intent, so that the
//! send window stays short. Uploads may take minutes: a task that needs one has room of another kind
//! until it is placed, and is passed over where there is none, so that the others go on. Once the intent is committed the work runs to a recorded outcome, also in a drain.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::Desk;
use super::made;
use super::placing::{self, Turn, Unplaced};
use crate::archive::ArchiveError;
use crate::domain::follow::BOOKING;
use crate::domain::id::TaskId;
use crate::domain::routing::Deployment;
use crate::domain::task::{
    Event, Failure, FailureReason, Lane, Rejection, RejectionKind, SubmitOutcome, Task, Trials,
    verdict,
};
use crate::domain::upload::Placement;
use crate::provider::Account;
use crate::store::{StoreError, Update, UpdateError};

/// Offers what is due to its account until the drain.
pub(super) async fn run(desk: Arc<Desk>) {
    let busy = Arc::new(Busy::default());
    loop {
        pass(&desk, &busy).await;
        if !desk.next_pass(Lane::Dispatch, LONGEST_REST).await {
            return;
        }
    }
}

/// Tasks being submitted by this process.
#[derive(Default)]
struct Busy(Mutex<HashSet<TaskId>>);

/// Holds a task's place among the busy ones.
struct Place {
    busy: Arc<Busy>,
    id: TaskId,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.busy.0.lock().remove(&self.id);
    }
}

async fn pass(desk: &Arc<Desk>, busy: &Arc<Busy>) {
    let (mut cursor, mut passed_over) = (None, 0);
    if !desk.accounts().have_room() {
        return;
    }
    while let Ok(page) = desk
        .store
        .due(Lane::Dispatch, desk.now(), cursor, PAGE)
        .await
    {
        let Some(last) = page.last() else { return };
        cursor = Some((last.next_step().1, last.id));
        for task in page {
            if desk.shutdown.is_draining() {
                return;
            }
            match offer(desk, busy, &task).await {
                Offered::Taken => {}
                Offered::PassedOver if passed_over < MOST_PASSED_OVER => passed_over += 1,
                Offered::PassedOver | Offered::NoRoom => return,
            }
        }
    }
}

/// What became of an offer.
enum Offered {
    /// Nothing is to be done for the task now.
    Taken,
    /// Its inputs cannot be placed now; others may go on.
    PassedOver,
    /// There is no room for more creates.
    NoRoom,
}

/// What a submission holds until its create is answered.
struct Room {
    permit: OwnedSemaphorePermit,
    /// There as long as the permit is for placing inputs and not for a create.
    turn: Option<Turn>,
}

/// Starts one task's submission, if there is room.
async fn offer(desk: &Arc<Desk>, busy: &Arc<Busy>, task: &Arc<Task>) -> Offered {
    if busy.0.lock().contains(&task.id) {
        return Offered::Taken;
    }
    let model = &task.order.generation.model;
    let Some(account) = desk.accounts().for_model(model) else {
        let message = "no configured account serves the model";
        let failure = Failure::ours(FailureReason::NoDeploymentAvailable, message);
        let _ = desk.record(task.id, &Event::NoRoute(failure)).await;
        return Offered::Taken;
    };
    if let Some(deferred) = account.deferral(model, desk.now()) {
        let _ = desk.record(task.id, &deferred).await;
        return Offered::Taken;
    }
    let room = match room(desk, &account, task).await {
        Ok(room) => room,
        Err(refused) => return refused,
    };
    if busy.0.lock().insert(task.id) {
        let place = Place {
            busy: Arc::clone(busy),
            id: task.id,
        };
        let desk = Arc::clone(desk);
        let task = Arc::clone(task);
        let shutdown = desk.shutdown.clone();
        shutdown.spawn(async move {
            let mut room = room;
            if is_due(&desk, task.id).await {
                submit(&desk, &account, &task, &mut room).await;
            }
            leave(&desk, place, room);
        });
    }
    Offered::Taken
}

/// The room that a submission begins with.
async fn room(desk: &Desk, account: &Account, task: &Task) -> Result<Room, Offered> {
    let missing = placing::missing(desk, account, task).await;
    if missing.is_empty() {
        let permit = account.creates().try_acquire_owned();
        let permit = permit.map_err(|_| Offered::NoRoom)?;
        return Ok(Room { permit, turn: None });
    }
    let turn = desk.turns.take(missing).ok_or(Offered::PassedOver)?;
    let permit = account.places().try_acquire_owned();
    Ok(Room {
        permit: permit.map_err(|_| Offered::PassedOver)?,
        turn: Some(turn),
    })
}

/// Whether the task still waits for its turn: the page it was read from may be old by now.
async fn is_due(desk: &Desk, id: TaskId) -> bool {
    match desk.store.get(id).await {
        Ok(Some(task)) => {
            let (lane, due) = task.next_step();
            lane == Lane::Dispatch && due <= desk.now()
        }
        Ok(None) | Err(_) => false,
    }
}

/// Gives the place back before the nudge, so that the next pass finds it.
fn leave(desk: &Desk, place: Place, room: Room) {
    drop(place);
    drop(room);
    desk.store.changes().nudge(Lane::Dispatch);
}

async fn submit(desk: &Desk, account: &Account, task: &Task, room: &mut Room) {
    let provider = account.provider();
    let addresses = tokio::select! {
        // Nothing is begun in a drain, and what is placed costs nothing.
        () = desk.shutdown.draining() => return,
        addresses = placing::addresses(desk, account, task, room.turn.as_ref()) => addresses,
    };
    if desk.shutdown.is_draining() || !enter(desk, account, task, room).await {
        return;
    }
    let (prepared, reused) = match addresses {
        Ok(found) => {
            let prepared = provider.prepare(&task.order.generation, &found.uris);
            (Ok(prepared), Some(found.reused))
        }
        Err(Unplaced::Rejected(rejection)) => (Err(rejection), None),
        Err(Unplaced::Archive(error)) => return input_missing(desk, task, error).await,
        // The next pass offers it again, as one that has something to place.
        Err(Unplaced::NotItsTurn) => return,
    };
    // The window opens before the intent can be on disk: what waits longer is not sent.
    let begun = Instant::now();
    let Some(claimed) = claim(desk, account, task).await else {
        return;
    };
    let outcome = match prepared {
        Err(rejection) => SubmitOutcome::Rejected(rejection),
        Ok(_) if begun.elapsed() > desk.settings.submit.window => {
            SubmitOutcome::Rejected(not_sent("the send window had passed"))
        }
        Ok(prepared) => provider.submit(prepared).await,
    };
    let made = match &outcome {
        SubmitOutcome::Accepted { finished, .. } => finished.clone(),
        _ => None,
    };
    if let Some(made) = &made {
        made::keep(desk, task.id, made).await;
    }
    settle(desk, account, &claimed, outcome, reused.as_deref()).await;
    if let Some(made) = made {
        made::announce(desk, task.id, made.seen).await;
    }
}

/// Gives up the room for placing for that of a create. False when the create must not be made now.
async fn enter(desk: &Desk, account: &Account, task: &Task, room: &mut Room) -> bool {
    let Some(turn) = room.turn.take() else {
        return true;
    };
    // Others that need the content find its address now.
    drop(turn);
    desk.store.changes().nudge(Lane::Dispatch);
    let permit = tokio::select! {
        () = desk.shutdown.draining() => return false,
        permit = account.creates().acquire_owned() => permit,
    };
    let Ok(permit) = permit else { return false };
    room.permit = permit;
    let model = &task.order.generation.model;
    if let Some(deferred) = account.deferral(model, desk.now()) {
        let _ = desk.record(task.id, &deferred).await;
        return false;
    }
    !desk.shutdown.is_draining()
}

/// Commits the intent. `None`: the create must not be sent.
async fn claim(desk: &Desk, account: &Account, task: &Task) -> Option<Arc<Task>> {
    let deployment = Deployment::of_model(account.name(), &task.order.generation.model);
    let event = Event::Claimed {
        deployment: deployment.id,
        account: deployment.account,
    };
    match desk.record(task.id, &event).await {
        Ok(Update::Saved(claimed)) => Some(claimed),
        // Cancelled meanwhile, or the write's fate is not known: then the rescuer parks it.
        Ok(Update::Refused(..)) | Err(_) => None,
    }
}

/// Records what became of the create; `task` is the claimed one, `reused` are the addresses in it
/// that were not made for it. `None`: no create was sent, since its inputs were not placed.
async fn settle(
    desk: &Desk,
    account: &Account,
    task: &Task,
    outcome: SubmitOutcome,
    reused: Option<&[Placement]>,
) {
    let attempt = task.current_attempt().map_or(0, |attempt| attempt.number);
    let model = &task.order.generation.model;
    let event = match outcome {
        SubmitOutcome::Accepted {
            upstream_id,
            estimated,
            ..
        } => {
            tracing::info!(task = %task.id, attempt, upstream_id, "the provider accepted the create");
            account.accepted(model);
            let book_until = desk.now().after(BOOKING);
            Event::Accepted {
                attempt,
                upstream_id,
                estimated,
                book_until,
            }
        }
        SubmitOutcome::Rejected(rejection) => {
            tracing::warn!(task = %task.id, attempt, kind = ?rejection.kind, code = rejection.code,
                message = rejection.message, "create rejected");
            // Uploads have a quota of their own, which says nothing of the model's.
            if reused.is_some() || rejection.kind != RejectionKind::Quota {
                account.rejected(model, &rejection, desk.now());
            }
            let reused = reused.unwrap_or_default();
            if rejection.may_be_about_inputs() {
                placing::forget(desk, reused).await;
            }
            rejected(desk, task, attempt, rejection, !reused.is_empty())
        }
        SubmitOutcome::Unknown { evidence } => {
            tracing::error!(task = %task.id, attempt, evidence, "outcome of the create is unknown");
            let deadline = desk.now().after(desk.settings.submit.unknown_deadline);
            Event::Ambiguous {
                attempt,
                evidence,
                deadline,
            }
        }
    };
    let recorded = desk.record_evidence(task.id, &event).await;
    if let (Err(UpdateError::Store(StoreError::Conflict)), Event::Accepted { upstream_id, .. }) =
        (&recorded, &event)
    {
        // The provider gave one id to two creates: which of them it charged is not known.
        tracing::error!(task = %task.id, attempt, upstream_id, "the provider's id is in use");
        let evidence = format!("the provider answered with the id of another task: {upstream_id}");
        let deadline = desk.now().after(desk.settings.submit.unknown_deadline);
        let doubt = Event::Ambiguous {
            attempt,
            evidence,
            deadline,
        };
        let _ = desk.record_evidence(task.id, &doubt).await;
    }
}

fn rejected(desk: &Desk, task: &Task, attempt: u32, rejection: Rejection, reused: bool) -> Event {
    let trials = Trials {
        attempts: &task.attempts,
        most: desk.settings.submit.max_attempts,
        reused_addresses: reused,
    };
    let verdict = verdict(&rejection, trials, desk.now(), rand::random());
    Event::Rejected {
        attempt,
        rejection,
        verdict,
    }
}

/// A kept input cannot be read: now, or never again.
async fn input_missing(desk: &Desk, task: &Task, error: ArchiveError) {
    match error {
        ArchiveError::Unavailable(why) => wait_for_archive(desk, task, &why).await,
        lost @ (ArchiveError::Missing | ArchiveError::Damaged(_)) => {
            tracing::error!(task = %task.id, error = %lost, "a kept input is lost");
            let message = "an input that was sent with the request is lost; send it again";
            let failure = Failure::ours(FailureReason::InvalidInput, message);
            let _ = desk.record(task.id, &Event::NoRoute(failure)).await;
        }
    }
}

async fn wait_for_archive(desk: &Desk, task: &Task, why: &str) {
    tracing::warn!(task = %task.id, why, "a kept input cannot be read now");
    let deferred = Event::Deferred {
        not_before: desk.now().after(ARCHIVE_REST),
        why: "waiting for the archive".to_owned(),
    };
    let _ = desk.record(task.id, &deferred).await;
}

fn not_sent(message: &str) -> Rejection {
    Rejection {
        kind: RejectionKind::NotSent,
        message: message.to_owned(),
        code: String::new(),
        retry_after: None,
    }
}

/// How long a task waits whose inputs cannot be read.
const ARCHIVE_REST: Duration = Duration::from_secs(10);
/// Tasks read at once.
const PAGE: usize = 64;
/// Tasks that wait for room to place their inputs, in one pass, before it ends.
const MOST_PASSED_OVER: usize = 256;
/// A pass comes at least so often.
const LONGEST_REST: Duration = Duration::from_secs(1);
