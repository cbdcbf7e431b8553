//! Retention: removes what the archive must give up, lets content, records and uploads expire, and
//! finds objects that belong to no record.

use std::sync::Arc;
use std::time::Duration;

use super::Desk;
use crate::archive::ArchiveError;
use crate::domain::id::TaskId;
use crate::domain::task::{Event, Lane, Purge, Task};
use crate::domain::time::Timestamp;
use crate::domain::upload::SpoolId;

/// Cleans until the drain.
pub(super) async fn run(desk: Arc<Desk>) {
    let mut swept = Timestamp::MIN;
    loop {
        while purge(&desk).await {}
        expire(&desk).await;
        forget(&desk).await;
        while expire_uploads(&desk).await {}
        expire_placements(&desk).await;
        if desk.now().since(swept) >= SWEEP {
            swept = desk.now();
            sweep(&desk).await;
            sweep_uploads(&desk).await;
        }
        if !desk.rest(Lane::Clean, LONGEST_REST).await {
            return;
        }
    }
}

/// Removes objects of tasks that say so, then says that it is done. True when more are waiting.
async fn purge(desk: &Desk) -> bool {
    let tasks = page(desk, Lane::Clean, desk.now()).await;
    let mut purged = 0;
    for task in &tasks {
        if desk.shutdown.is_draining() {
            return false;
        }
        let removed = match task.purge {
            Purge::Nothing => continue,
            Purge::Inputs => desk.archive.remove_inputs(task.id).await,
            Purge::All => desk.archive.remove_task(task.id).await,
        };
        let event = Event::Purged(task.purge);
        if settled(task.id, removed) && desk.record(task.id, &event).await.is_ok() {
            purged += 1;
        }
    }
    purged == PAGE
}

/// Ends the retention of content.
async fn expire(desk: &Desk) {
    for task in page(desk, Lane::Expire, desk.now()).await {
        let _ = desk.record(task.id, &Event::ContentExpired).await;
    }
}

/// Ends the retention of records.
async fn forget(desk: &Desk) {
    let kept = i64::try_from(desk.settings.keep_records.as_millis()).unwrap_or(i64::MAX);
    let before = Timestamp(desk.now().0.saturating_sub(kept));
    let ids: Vec<_> = page(desk, Lane::Rest, before)
        .await
        .iter()
        .map(|task| task.id)
        .collect();
    if !ids.is_empty() {
        match desk.store.remove(ids).await {
            Ok(count) => tracing::info!(count, "forgot records past their retention"),
            Err(error) => tracing::warn!(%error, "could not forget old records"),
        }
    }
}

/// Ends the retention of uploads. The records go first: what a crash leaves is an object without a
/// record, which is swept. True when more are waiting.
async fn expire_uploads(desk: &Desk) -> bool {
    let expired = match desk.store.expired_uploads(desk.now(), PAGE).await {
        Ok(expired) => expired,
        Err(error) => {
            tracing::warn!(%error, "could not read which uploads have expired");
            return false;
        }
    };
    if expired.is_empty() || desk.shutdown.is_draining() {
        return false;
    }
    if let Err(error) = desk.store.remove_uploads(expired.clone()).await {
        tracing::warn!(%error, "could not forget expired uploads");
        return false;
    }
    tracing::info!(count = expired.len(), "removing expired uploads");
    for spool in &expired {
        remove_upload(desk, *spool).await;
    }
    expired.len() == PAGE
}

/// Forgets addresses that no longer lead anywhere.
async fn expire_placements(desk: &Desk) {
    if let Err(error) = desk.store.expire_placements(desk.now()).await {
        tracing::warn!(%error, "could not forget expired addresses");
    }
}

/// Removes what broken uploads left, when no upload that long ago can still be coming.
async fn sweep_uploads(desk: &Desk) {
    let spools = match desk.archive.upload_ids().await {
        Ok(spools) => spools,
        Err(error) => return tracing::warn!(%error, "could not list the archive"),
    };
    for spool in spools {
        if desk.shutdown.is_draining() {
            return;
        }
        let old = desk.now().since(Timestamp(spool.created_ms())) >= BROKEN_UPLOAD_AGE;
        if old && matches!(desk.store.has_upload(spool).await, Ok(false)) {
            tracing::info!(%spool, "removing what a broken upload left");
            remove_upload(desk, spool).await;
        }
    }
}

async fn remove_upload(desk: &Desk, spool: SpoolId) {
    if let Err(error) = desk.archive.remove_upload(spool).await {
        tracing::warn!(%spool, %error, "an upload was not removed");
    }
}

/// Removes objects whose task was never committed, long after it could still be.
async fn sweep(desk: &Desk) {
    let ids = match desk.archive.task_ids().await {
        Ok(ids) => ids,
        Err(error) => return tracing::warn!(%error, "could not list the archive"),
    };
    for id in ids {
        if desk.shutdown.is_draining() {
            return;
        }
        let old = desk.now().since(Timestamp(id.created_ms())) >= ORPHAN_AGE;
        if old && matches!(desk.store.get(id).await, Ok(None)) {
            tracing::info!(task = %id, "removing objects that belong to no task");
            settled(id, desk.archive.remove_task(id).await);
        }
    }
}

async fn page(desk: &Desk, lane: Lane, until: Timestamp) -> Vec<Arc<Task>> {
    let due = desk.store.due(lane, until, None, PAGE).await;
    due.unwrap_or_else(|error| {
        tracing::warn!(%error, ?lane, "could not read what is due");
        Vec::new()
    })
}

fn settled(id: TaskId, removed: Result<(), ArchiveError>) -> bool {
    removed
        .inspect_err(|error| tracing::warn!(task = %id, %error, "objects not removed"))
        .is_ok()
}

/// Tasks taken in one pass.
const PAGE: usize = 256;
/// A pass comes at least so often.
const LONGEST_REST: Duration = Duration::from_mins(1);
/// Time between two searches for objects without a task.
const SWEEP: Duration = Duration::from_hours(6);
/// Only objects this old are taken for orphans.
const ORPHAN_AGE: Duration = Duration::from_hours(24);
/// Twice as long as an upload may take (`upload.timeout` is one hour at most).
const BROKEN_UPLOAD_AGE: Duration = Duration::from_hours(2);
