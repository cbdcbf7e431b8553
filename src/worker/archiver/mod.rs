//! Finished at the provider → completed: copies every output, then says so.
//!
//! Copying again is always safe: keys belong to the task, and a half-written object is replaced.
//! URLs come fresh from the poller; after a restart, or when one has died, the task is read again.

mod tries;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use tries::{Begun, Tries};

use super::Desk;
use super::copy::{Copied, CopyError, Source, copy_kept, copy_output};
use crate::archive::Key;
use crate::domain::artifact::Artifact;
use crate::domain::copying::{Patience, Trouble};
use crate::domain::id::TaskId;
use crate::domain::task::{
    Attempt, AttemptOutcome, Event, Failure, FailureReason, Lane, State, Task, UpstreamStatus,
};
use crate::domain::time::Timestamp;
use crate::provider::{Account, ProviderErrorKind};

/// Copies what is due until the drain.
pub(super) async fn run(desk: Arc<Desk>) {
    let room = Arc::new(Semaphore::new(desk.settings.archive.concurrency));
    let tries = Arc::new(Tries::new(desk.now()));
    let mut cursor = None;
    loop {
        pass(&desk, &room, &tries, &mut cursor).await;
        // What is in the lane is always due: only a nudge or the clock brings the next pass.
        if !desk.rest(Lane::Archive, LONGEST_REST).await {
            return;
        }
    }
}

/// A place in the lane.
type Cursor = Option<(Timestamp, TaskId)>;

/// Begins what can be begun, from where the pass before had no more room: what fails slowly at the head
/// of the lane holds up nobody behind it for longer than one turn.
async fn pass(desk: &Arc<Desk>, room: &Arc<Semaphore>, tries: &Arc<Tries>, cursor: &mut Cursor) {
    if room.available_permits() == 0 {
        return;
    }
    let mut from_head = cursor.is_none();
    while let Ok(page) = desk.store.in_lane(Lane::Archive, *cursor, IDS).await {
        if page.is_empty() {
            *cursor = None;
            if std::mem::replace(&mut from_head, true) {
                return;
            }
        }
        for (finished, id) in page {
            let Ok(permit) = Arc::clone(room).try_acquire_owned() else {
                return;
            };
            *cursor = Some((finished, id));
            begin(desk, tries, (id, finished), permit).await;
        }
    }
}

/// Begins a try, if there is to be one.
async fn begin(
    desk: &Arc<Desk>,
    tries: &Arc<Tries>,
    (id, finished): (TaskId, Timestamp),
    permit: OwnedSemaphorePermit,
) {
    let floor = desk.settings.poll.floor;
    let fresh = desk.outputs.lock().contains(&id);
    let Some(begun) = tries.begin(id, finished, fresh, floor, desk.now()) else {
        return;
    };
    match desk.store.get(id).await {
        Ok(Some(task)) if task.state == State::Archiving => start(desk, task, begun, permit),
        // A try that ran when the lane was read has ended it.
        Ok(_) => begun.end(),
        Err(error) => {
            tracing::error!(task = %id, %error, "task not copied");
            begun.put_off(desk.now().after(floor));
        }
    }
}

fn start(desk: &Arc<Desk>, task: Arc<Task>, begun: Begun, permit: OwnedSemaphorePermit) {
    let desk = Arc::clone(desk);
    desk.shutdown.clone().spawn(async move {
        // A copy can begin anew after a restart: a drain need not wait for it.
        tokio::select! {
            () = desk.shutdown.draining() => {}
            () = attempt(&desk, begun, &task) => {}
        }
        drop(permit);
        desk.store.changes().nudge(Lane::Archive);
    });
}

async fn attempt(desk: &Desk, begun: Begun, task: &Task) {
    let event = match copy_all(desk, &begun, task).await {
        Ok(outputs) => Event::Archived(outputs),
        Err(trouble) => {
            let patience = Patience {
                floor: desk.settings.poll.floor,
                unusable: desk.settings.poll.patience(),
                give_up: desk.settings.archive.give_up,
            };
            match begun.fail(trouble, task.times.updated, patience, desk.now()) {
                Some(failure) => Event::ArchiveFailed(failure),
                None => return,
            }
        }
    };
    if desk.record_evidence(task.id, &event).await.is_ok() {
        desk.outputs.lock().pop(&task.id);
        begun.end();
        // What is left of it goes with the task's content.
        let _ = desk.archive.remove_made(task.id).await;
    }
}

/// Copies every output, or says why not.
async fn copy_all(desk: &Desk, begun: &Begun, task: &Task) -> Result<Vec<Artifact>, Trouble> {
    let Some((account, upstream_id)) = maker(desk, task) else {
        return Err(Trouble::Passing);
    };
    let served = (&*account, &*upstream_id);
    let seen = desk.outputs.lock().pop(&task.id);
    let mut urls = match seen {
        Some(urls) => urls,
        None => fresh_urls(desk, begun, task, served).await?,
    };
    let expires = desk.now().after(desk.settings.keep_content);
    let mut outputs = Vec::with_capacity(urls.len());
    let mut refreshed = 0;
    while outputs.len() < urls.len() {
        let index = u32::try_from(outputs.len()).unwrap_or(u32::MAX);
        match copy_one(desk, &account, task, index, &urls[outputs.len()]).await {
            Ok(copied) => outputs.push(artifact(index, &copied, expires)),
            Err(CopyError::Expired(_)) if refreshed < REFRESHES => {
                refreshed += 1;
                urls = fresh_urls(desk, begun, task, served).await?;
            }
            Err(error) => {
                if matches!(error, CopyError::Transport(_) | CopyError::Archive(_)) {
                    // These URLs were not at fault: the next try need not ask for others.
                    desk.outputs.lock().put(task.id, urls);
                }
                return Err(trouble(task, &error));
            }
        }
    }
    Ok(outputs)
}

async fn copy_one(
    desk: &Desk,
    account: &Account,
    task: &Task,
    index: u32,
    output: &str,
) -> Result<Copied, CopyError> {
    let kind = task.order.generation.operation.output();
    let limits = desk.settings.archive.limits;
    let (archive, key) = (&desk.archive, Key::output(task.id, index));
    if account.provider().came_with_acceptance(output) {
        return copy_kept(archive, Key::made(task.id, index), key, limits, kind).await;
    }
    let provider = account.provider();
    let source = Source {
        egress: &desk.egress,
        provider: Some(&*provider),
    };
    copy_output(source, archive, key, output, limits, kind).await
}

/// The account that made the outputs, and the provider's id of the task.
fn maker(desk: &Desk, task: &Task) -> Option<(Arc<Account>, String)> {
    let served = |attempt: &&Attempt| attempt.outcome == AttemptOutcome::Accepted;
    let served = task.attempts.iter().find(served)?;
    let account = desk.account(&served.account)?;
    Some((account, served.upstream_id.clone()?))
}

/// Reads the task again for URLs that live.
async fn fresh_urls(
    desk: &Desk,
    begun: &Begun,
    task: &Task,
    (account, upstream_id): (&Account, &str),
) -> Result<Vec<String>, Trouble> {
    tokio::time::sleep(begun.ask(desk.settings.poll.floor, desk.now())).await;
    match account.provider().observe(upstream_id).await {
        Ok(seen)
            if matches!(seen.status, UpstreamStatus::Succeeded) && !seen.outputs.is_empty() =>
        {
            Ok(seen.outputs)
        }
        Ok(_) => Err(Trouble::Unusable(lost("the provider took the output back"))),
        Err(error) if error.kind == ProviderErrorKind::NotFound => Err(Trouble::Unusable(lost(
            "the provider deleted the output before it was copied",
        ))),
        Err(error) => {
            tracing::warn!(task = %task.id, %error, "could not read the task for fresh URLs");
            Err(Trouble::Passing)
        }
    }
}

fn trouble(task: &Task, error: &CopyError) -> Trouble {
    tracing::warn!(task = %task.id, %error, "output not copied");
    match error {
        CopyError::Expired(_) | CopyError::Transport(_) | CopyError::Archive(_) => Trouble::Passing,
        CopyError::Refused(_) | CopyError::BadMedia(_) => Trouble::Unusable(Failure::ours(
            FailureReason::BadOutput,
            format!("the provider's output cannot be used: {error}"),
        )),
        CopyError::Lost => Trouble::Final(lost(
            "the output came with the provider's only answer and was lost here",
        )),
        CopyError::TooLarge { .. } => Trouble::Final(Failure::ours(
            FailureReason::OutputTooLarge,
            format!("the provider's output is too large: {error}"),
        )),
    }
}

fn artifact(index: u32, copied: &Copied, expires: Timestamp) -> Artifact {
    Artifact {
        index,
        content_type: copied.content_type.to_owned(),
        size_bytes: copied.stored.size_bytes,
        sha256: copied.stored.sha256,
        width: copied.width,
        height: copied.height,
        duration_ms: copied.duration_ms,
        expires,
    }
}

fn lost(message: &str) -> Failure {
    Failure::ours(FailureReason::OutputLost, message)
}

/// Ids read at once.
const IDS: usize = 512;
/// Fresh sets of URLs within one try.
const REFRESHES: u32 = 3;
/// A pass comes at least so often.
const LONGEST_REST: Duration = Duration::from_secs(1);
