//! Queued → on its way: looks at who waits, chooses a deployment, takes room there, and starts the
//! submission.
//!
//! Inputs that must be placed first may take minutes: a task that needs that has room of another kind
//! until it is done, and is passed over where there is none, so that the others go on.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;

use super::Desk;
use super::line::{Line, Moved, Standing};
use super::placing::{self, Turn};
use super::route::Scene;
use super::submission::{Room, submit};
use crate::domain::routing::{Choice, Going, Unfit};
use crate::domain::task::{Event, Failure, FailureReason, Lane, Task};
use crate::domain::time::Timestamp;
use crate::provider::Account;

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
