//! One submission: the inputs placed, the intent committed, the one create sent, its outcome recorded.
//!
//! Addresses for the inputs (uploads, data URIs) are free and are made before the intent, so that the
//! send window stays short. Once the intent is committed the work runs to a recorded outcome, also in a
//! drain.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::Desk;
use super::load::Place;
use super::made;
use super::placing::{self, Turn, Unplaced};
use super::route::Scene;
use crate::archive::ArchiveError;
use crate::domain::follow::BOOKING;
use crate::domain::routing::Going;
use crate::domain::task::{
    Event, Failure, FailureReason, Lane, Rejection, RejectionKind, SubmitOutcome, Task, Trials,
    verdict,
};
use crate::domain::upload::Placement;
use crate::provider::Account;
use crate::store::{StoreError, Update, UpdateError};
use crate::telemetry::metrics;

/// What a submission holds until its create is answered.
pub(super) struct Room {
    pub(super) permit: OwnedSemaphorePermit,
    /// There as long as the permit is for placing inputs and not for a create.
    pub(super) turn: Option<Turn>,
    pub(super) place: Place,
}

/// False when no intent was committed.
pub(super) async fn submit(
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
