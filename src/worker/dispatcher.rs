//! Queued → submitted: chooses a deployment, prepares, commits the intent, sends the one create,
//! records the outcome.
//!
//! Addresses for the inputs (uploads, data URIs) are free and are made before the intent, so that the
//! send window stays short. Uploads may take minutes: a task that needs one has room of another kind
//! until it is placed, and is passed over where there is none, so that the others go on. Once the intent is committed the work runs to a recorded outcome, also in a drain.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::Desk;
use super::line::{Line, Moved, Standing};
use super::load::Place;
use super::made;
use super::placing::{self, Turn, Unplaced};
use super::route::Scene;
use crate::archive::ArchiveError;
use crate::domain::follow::BOOKING;
use crate::domain::routing::{Choice, Going, Unfit};
use crate::domain::task::{
    Event, Failure, FailureReason, Lane, Rejection, RejectionKind, SubmitOutcome, Task, Trials,
    verdict,
};
use crate::domain::time::Timestamp;
use crate::domain::upload::Placement;
use crate::provider::Account;
use crate::store::{StoreError, Update, UpdateError};
use crate::telemetry::metrics;

/// Offers what is due to a deployment until the drain.
pub(super) async fn run(desk: Arc<Desk>) {
    let mut idle = SHORTEST_IDLE;
    let lane = Lane::Dispatch;
    loop {
        idle = match pass(&desk).await {
            Passed::Moved => SHORTEST_IDLE,
            Passed::Idle => (idle * 2).min(LONGEST_IDLE),
            Passed::Stuck => {
                // Each task that joins those that wait for room would be one more look in vain.
                desk.breathe(lane, STUCK_REST).await;
                (idle * 2).min(LONGEST_IDLE)
            }
        };
        if !desk.next_pass_after(lane, idle, LONGEST_REST).await {
            return;
        }
    }
}

/// What a pass came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Passed {
    /// Something moved.
    Moved,
    /// Nothing did, for want of room.
    Stuck,
    /// There was nothing to move.
    Idle,
}

async fn pass(desk: &Arc<Desk>) -> Passed {
    let mut passed = Passed::Idle;
    let roster = desk.roster.now();
    if !roster.accounts.have_room() {
        return Passed::Stuck;
    }
    let Ok(waiting) = desk.store.waiting().await else {
        return passed;
    };
    let census = desk.store.census();
    let mut line = Line::new(waiting, desk.now(), |tenant| {
        let there = census.in_flight_of_tenant(tenant);
        Standing {
            in_flight: there.saturating_add(desk.load.coming_of(tenant)),
            most: roster.callers.tenant(tenant).max_in_flight,
            last_sent: desk.load.last_sent(tenant),
        }
    });
    for _ in 0..MOST_OFFERS {
        let Some(turn) = line.next(desk).await else {
            return passed;
        };
        if desk.shutdown.is_draining() {
            return passed;
        }
        let moved = offer(desk, &turn.task).await;
        line.moved(&turn, moved);
        passed = match moved {
            Moved::Sent | Moved::Settled => Passed::Moved,
            Moved::Stuck | Moved::Inputs if passed == Passed::Idle => Passed::Stuck,
            Moved::Stuck | Moved::Inputs => passed,
        };
        if moved == Moved::Stuck && !roster.accounts.have_room() {
            return passed;
        }
    }
    passed
}

/// What a submission holds until its create is answered.
struct Room {
    permit: OwnedSemaphorePermit,
    /// There as long as the permit is for placing inputs and not for a create.
    turn: Option<Turn>,
    place: Place,
}

/// Chooses a deployment for one task and starts its submission, if there is room.
async fn offer(desk: &Arc<Desk>, task: &Arc<Task>) -> Moved {
    if desk.load.is_busy(task.id) {
        return Moved::Settled;
    }
    let scene = Scene::new(desk, task);
    match scene.choose(task) {
        Choice::Go(going) => match scene.live(&going.deployment.account) {
            Some(account) => start(desk, task, account, going).await,
            None => Moved::Stuck,
        },
        Choice::Full { .. } => Moved::Stuck,
        Choice::Wait(unfit) => {
            let _ = desk.record(task.id, &deferred(&unfit, desk.now())).await;
            Moved::Settled
        }
        Choice::Skip { deployment, why } => {
            tracing::warn!(task = %task.id, deployment = deployment.id, why, "skipped");
            let skipped = Event::Skipped {
                deployment: deployment.id,
                account: deployment.account,
                model: deployment.model,
                why,
            };
            // The next pass chooses among the others.
            let _ = desk.record(task.id, &skipped).await;
            desk.store.changes().nudge(Lane::Dispatch);
            Moved::Settled
        }
        Choice::Nobody => {
            let message = if scene.is_served() {
                "no deployment takes the request; the attempts say why"
            } else {
                "no configured account serves the model"
            };
            let failure = Failure::ours(FailureReason::NoDeploymentAvailable, message);
            let _ = desk.record(task.id, &Event::NoRoute(failure)).await;
            Moved::Settled
        }
    }
}

/// Puts a task off, but not for long: what it waits for may be mended, or another account come.
fn deferred(unfit: &Unfit, now: Timestamp) -> Event {
    Event::Deferred {
        not_before: unfit.until.min(now.after(LONGEST_DEFERRAL)),
        why: unfit.why.to_owned(),
    }
}

async fn start(
    desk: &Arc<Desk>,
    task: &Arc<Task>,
    account: Arc<Account>,
    going: Box<Going>,
) -> Moved {
    let (permit, turn) = match room(desk, &account, task).await {
        Ok(room) => room,
        Err(refused) => return refused,
    };
    let deployment = &going.deployment;
    let Some(place) = desk.load.take(task.id, &task.tenant, deployment) else {
        return Moved::Settled;
    };
    desk.load.sending(deployment, desk.now());
    account.sending(&deployment.model, desk.now());
    let (desk, task) = (Arc::clone(desk), Arc::clone(task));
    let shutdown = desk.shutdown.clone();
    shutdown.spawn(async move {
        let mut room = Room {
            permit,
            turn,
            place,
        };
        let sent =
            is_due(&desk, &task).await && submit(&desk, &account, &task, &going, &mut room).await;
        if !sent {
            account.spared(&going.deployment.model);
        }
        // The place is given back before the nudge, so that the next pass finds it.
        drop(room);
        desk.store.changes().nudge(Lane::Dispatch);
    });
    Moved::Sent
}

/// The room that a submission begins with: a permit, and the turn to place inputs where it is for
/// that.
async fn room(
    desk: &Desk,
    account: &Account,
    task: &Task,
) -> Result<(OwnedSemaphorePermit, Option<Turn>), Moved> {
    let missing = placing::missing(desk, account, task).await;
    if missing.is_empty() {
        let permit = account.creates().try_acquire_owned();
        return Ok((permit.map_err(|_| Moved::Stuck)?, None));
    }
    let turn = desk.turns.take(missing).ok_or(Moved::Inputs)?;
    let permit = account.places().try_acquire_owned();
    Ok((permit.map_err(|_| Moved::Inputs)?, Some(turn)))
}

/// Whether the task still waits for its turn, as it was when its deployment was chosen: the page it
/// was read from may be old by now.
async fn is_due(desk: &Desk, offered: &Task) -> bool {
    match desk.store.get(offered.id).await {
        Ok(Some(task)) => {
            let (lane, due) = task.next_step();
            let same = task.attempts.len() == offered.attempts.len();
            lane == Lane::Dispatch && due <= desk.now() && same
        }
        Ok(None) | Err(_) => false,
    }
}

/// False when no intent was committed.
async fn submit(
    desk: &Desk,
    account: &Account,
    task: &Task,
    going: &Going,
    room: &mut Room,
) -> bool {
    let provider = account.provider();
    let addresses = tokio::select! {
        // Nothing is begun in a drain, and what is placed costs nothing.
        () = desk.shutdown.draining() => return false,
        addresses = placing::addresses(desk, account, task, room.turn.as_ref()) => addresses,
    };
    if desk.shutdown.is_draining() || !enter(desk, account, going, room).await {
        return false;
    }
    let (prepared, reused) = match addresses {
        Ok(found) => {
            let prepared = provider.prepare(&going.adapted.generation, &found.uris);
            (Ok(prepared), Some(found.reused))
        }
        Err(Unplaced::Rejected(rejection)) => (Err(rejection), None),
        Err(Unplaced::Archive(error)) => {
            input_missing(desk, task, error).await;
            return false;
        }
        // The next pass offers it again, as one that has something to place.
        Err(Unplaced::NotItsTurn) => return false,
    };
    // The window opens before the intent can be on disk: what waits longer is not sent.
    let begun = Instant::now();
    let Some(claimed) = claim(desk, task, going).await else {
        return false;
    };
    room.place.claimed();
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
        let attempt = claimed.current_attempt().map_or(0, |a| a.number);
        made::announce(desk, task.id, attempt, made.seen).await;
    }
    true
}

/// Gives up the room for placing for that of a create. False when the create must not be made now.
async fn enter(desk: &Desk, account: &Account, going: &Going, room: &mut Room) -> bool {
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
    // Placing takes its time: if the account is no longer fit, or no longer configured, the next pass
    // chooses again.
    let is_fit = !account.is_refused(&going.deployment.model, desk.now());
    is_fit && desk.accounts().live(account.name()).is_some() && !desk.shutdown.is_draining()
}

/// Commits the intent. `None`: the create must not be sent.
async fn claim(desk: &Desk, task: &Task, going: &Going) -> Option<Arc<Task>> {
    let deployment = going.deployment.clone();
    let event = Event::Claimed {
        deployment: deployment.id,
        account: deployment.account,
        model: deployment.model,
        estimated: going.estimated,
        changes: going.adapted.changes.join("; "),
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
    let Some(claimed) = task.current_attempt() else {
        return;
    };
    let (attempt, model) = (claimed.number, claimed.model.as_str());
    let deployment = claimed.deployment.as_str();
    let event = match outcome {
        SubmitOutcome::Accepted {
            upstream_id,
            estimated,
            ..
        } => {
            tracing::info!(task = %task.id, attempt, deployment, upstream_id, "the provider accepted the create");
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
            tracing::warn!(task = %task.id, attempt, deployment, kind = ?rejection.kind,
                code = rejection.code, message = rejection.message, "create rejected");
            // Uploads have a quota of their own, which says nothing of the model's.
            if reused.is_some() || rejection.kind != RejectionKind::Quota {
                let rests = account.rejected(model, &rejection, desk.judging());
                left_alone(deployment, rests);
            }
            let reused = reused.unwrap_or_default();
            if rejection.may_be_about_inputs() {
                placing::forget(desk, reused).await;
            }
            rejected(desk, task, attempt, rejection, !reused.is_empty())
        }
        SubmitOutcome::Unknown { evidence } => {
            tracing::error!(task = %task.id, attempt, deployment, evidence, "outcome of the create is unknown");
            left_alone(deployment, account.unknown(model, desk.judging()));
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
        others: Scene::new(desk, task).goes_on(task),
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

/// Tells of a deployment that is left alone for a while, if it is.
fn left_alone(deployment: &str, rests: bool) {
    if rests {
        tracing::warn!(deployment, "left alone for a while");
        metrics::cooled(deployment);
    }
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
/// Turns in one pass before the next one begins.
const MOST_OFFERS: usize = 1024;
/// After a pass in which all waited for room, new tasks wait so long for theirs; room that is made ends
/// it.
const STUCK_REST: Duration = Duration::from_millis(25);
/// The least time until a pass that nothing nudges, after one that moved something.
const SHORTEST_IDLE: Duration = Duration::from_millis(100);
/// The same after several that moved nothing.
const LONGEST_IDLE: Duration = Duration::from_millis(500);
/// A task that nobody is fit for is looked at again after so long.
const LONGEST_DEFERRAL: Duration = Duration::from_mins(1);
/// A pass comes at least so often.
const LONGEST_REST: Duration = Duration::from_secs(1);
