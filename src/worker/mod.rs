//! The loops that move tasks on: each reads what is due from the store, asks the domain, acts and
//! saves.
//!
//! A pass takes no other input: a nudge only makes it come sooner, so recovery after a crash is not
//! a special path. The one exception is the rescuer's first pass, which parks every task found in
//! *submitting* before a dispatcher runs.

mod archiver;
mod cleaner;
pub mod copy;
mod dispatcher;
mod line;
mod load;
mod made;
mod notifier;
mod placing;
mod poller;
mod rescuer;
mod route;
mod scout;
mod settings;
mod submission;

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use parking_lot::Mutex;
use tokio::time::timeout;

pub use notifier::Notices;
pub use settings::{ArchiveSettings, PollSettings, Settings, SubmitSettings, WebhookSettings};

use crate::archive::Archive;
use crate::clock::Clock;
use crate::domain::id::TaskId;
use crate::domain::routing::Judging;
use crate::domain::schedule::RunTimes;
use crate::domain::task::{Event, Lane, Refusal};
use crate::domain::time::Timestamp;
use crate::egress::Egress;
use crate::provider::{Account, Accounts, LiveRoster};
use crate::shutdown::Shutdown;
use crate::store::{StoreError, TaskStore, Update, UpdateError, update, update_within};
use crate::telemetry::tasks;

/// What every loop works with.
pub struct Desk {
    /// Where tasks are kept.
    pub store: Arc<dyn TaskStore>,
    /// Where content is kept.
    pub archive: Arc<Archive>,
    /// Who generates what, and for whom.
    pub roster: Arc<LiveRoster>,
    /// How content is fetched.
    pub egress: Arc<Egress>,
    /// How ends are told.
    pub notices: Notices,
    /// The life of the process.
    pub shutdown: Shutdown,
    /// Numbers.
    pub settings: Settings,
    /// How long each model's runs took.
    pub run_times: Mutex<RunTimes>,
    /// Output URLs just seen, on their way from the poller to the archiver.
    outputs: Mutex<lru::LruCache<TaskId, Vec<String>>>,
    /// Who places content at a provider.
    turns: placing::Turns,
    /// What is about to be sent.
    load: Arc<load::Load>,
    /// Accounts that tasks are at and nobody configures.
    missing: Mutex<BTreeSet<String>>,
    clock: Clock,
}

impl Desk {
    /// A desk with nothing on it yet.
    pub fn new(
        store: Arc<dyn TaskStore>,
        archive: Arc<Archive>,
        roster: Arc<LiveRoster>,
        (egress, notices): (Arc<Egress>, Notices),
        shutdown: Shutdown,
        settings: Settings,
    ) -> Self {
        Self {
            store,
            archive,
            roster,
            egress,
            notices,
            shutdown,
            settings,
            run_times: Mutex::default(),
            outputs: Mutex::new(lru::LruCache::new(OUTPUTS)),
            turns: placing::Turns::default(),
            load: Arc::default(),
            missing: Mutex::default(),
            clock: Clock,
        }
    }

    fn accounts(&self) -> Arc<Accounts> {
        Arc::clone(&self.roster.now().accounts)
    }

    /// What answers of accounts are judged by, now.
    fn judging(&self) -> Judging {
        Judging {
            breaker: self.roster.now().routes.breaker,
            now: self.now(),
            random: rand::random(),
        }
    }

    /// The account that has a task, a retired one too. One that the configuration does not have at
    /// all is missed in the log once, until it is back.
    fn account(&self, name: &str) -> Option<Arc<Account>> {
        let found = self.accounts().get(name);
        let mut missing = self.missing.lock();
        if found.is_some() {
            if missing.remove(name) {
                tracing::info!(
                    account = name,
                    "the account is configured again; its tasks go on"
                );
            }
        } else if missing.len() < MISSING && missing.insert(name.to_owned()) {
            tracing::warn!(
                account = name,
                "tasks are at an account that is not configured: they wait until one of this name is"
            );
        }
        found
    }

    fn now(&self) -> Timestamp {
        Timestamp(self.clock.now_ms())
    }

    /// Applies a decision to the task as it stands.
    async fn record(&self, id: TaskId, event: &Event) -> Result<Update, UpdateError> {
        let updated = update(self.store.as_ref(), id, event, self.now()).await;
        match &updated {
            Ok(Update::Saved(task)) => tracing::info!(
                task = %id, event = event.name(), state = task.state.name(),
                revision = task.revision, "recorded"
            ),
            Ok(Update::Refused(_, refusal @ Refusal::Illegal { .. })) => {
                tracing::debug!(task = %id, %refusal, "came too late");
            }
            Ok(Update::Refused(..)) => {}
            Err(error) => tracing::warn!(task = %id, event = event.name(), %error, "not recorded"),
        }
        updated
    }

    /// Applies a decision that may make the task spend more, if its key's budget holds with it.
    /// `None`: it does not.
    async fn record_within(
        &self,
        id: TaskId,
        event: &Event,
    ) -> Result<Option<Update>, UpdateError> {
        let key = match self.store.get(id).await? {
            Some(task) => task.key.clone(),
            None => return Err(UpdateError::NotFound),
        };
        let budget = self.roster.now().callers.budget(key.as_ref());
        let updated = update_within(self.store.as_ref(), id, event, budget, self.now()).await;
        match &updated {
            Ok(Some(Update::Saved(task))) => tracing::info!(
                task = %id, event = event.name(), state = task.state.name(),
                revision = task.revision, "recorded"
            ),
            Ok(None) => {
                tracing::info!(task = %id, event = event.name(), "the budget does not hold");
            }
            Ok(Some(Update::Refused(..))) => {}
            Err(error) => tracing::warn!(task = %id, event = event.name(), %error, "not recorded"),
        }
        updated
    }

    /// Records evidence: the only proof of a paid task is not given up for a store that stumbles.
    async fn record_evidence(&self, id: TaskId, event: &Event) -> Result<Update, UpdateError> {
        let mut wait = FIRST_RETRY;
        loop {
            match self.record(id, event).await {
                Err(UpdateError::Store(StoreError::Unavailable(_) | StoreError::Full))
                    if !self.shutdown.is_stopping() =>
                {
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(LAST_RETRY);
                }
                settled => return settled,
            }
        }
    }

    /// Tells metrics and traces of the tasks that an earlier process left.
    async fn tell_found(&self) -> Result<(), StoreError> {
        for lane in LIVE {
            let mut cursor = None;
            loop {
                let page = self.store.due(lane, Timestamp::NEVER, cursor, PAGE).await?;
                let Some(last) = page.last() else { break };
                cursor = Some((last.next_step().1, last.id));
                for task in &page {
                    tasks::found(task);
                }
            }
        }
        Ok(())
    }

    /// Waits for a nudge in the lane, the moment its first task is due, or `at_most`. False when
    /// the drain has begun.
    async fn next_pass(&self, lane: Lane, at_most: Duration) -> bool {
        self.next_pass_after(lane, SHORTEST_REST, at_most).await
    }

    /// The same, where what is due already is looked at again after so long at least, unless nudged.
    async fn next_pass_after(&self, lane: Lane, at_least: Duration, at_most: Duration) -> bool {
        let due = self.store.next_due(lane).await.ok().flatten();
        // What is still due after a pass waits for room or for work that runs: a nudge ends that.
        let wait = due.map_or(at_most, |due| due.since(self.now()).max(at_least));
        self.rest(lane, wait.min(at_most)).await
    }

    /// Waits so long, whatever enters the lane, unless its next pass is called for or the drain begins.
    async fn breathe(&self, lane: Lane, wait: Duration) {
        tokio::select! {
            () = self.shutdown.draining() => {}
            _ = timeout(wait, self.store.changes().called(lane)) => {}
        }
    }

    /// Waits for a nudge in the lane, or so long. False when the drain has begun.
    async fn rest(&self, lane: Lane, wait: Duration) -> bool {
        tokio::select! {
            () = self.shutdown.draining() => return false,
            _ = timeout(wait, self.store.changes().nudged(lane)) => {}
        }
        !self.shutdown.is_draining()
    }
}

/// Parks what a crash left and starts every loop.
///
/// # Errors
/// When the store cannot be read: nothing has been started then.
pub async fn start(desk: Desk) -> Result<(), StoreError> {
    let desk = Arc::new(desk);
    desk.tell_found().await?;
    rescuer::park_all(&desk).await?;
    for (model, millis) in desk.store.run_times(LEARN_FROM).await?.into_iter().rev() {
        let ran = Duration::from_millis(u64::try_from(millis).unwrap_or(0));
        desk.run_times.lock().record(&model, ran);
    }
    let shutdown = desk.shutdown.clone();
    keep_running(&shutdown, "rescuer", &desk, rescuer::run);
    keep_running(&shutdown, "dispatcher", &desk, dispatcher::run);
    keep_running(&shutdown, "poller", &desk, poller::run);
    keep_running(&shutdown, "archiver", &desk, archiver::run);
    keep_running(&shutdown, "cleaner", &desk, cleaner::run);
    keep_running(&shutdown, "scout", &desk, scout::run);
    keep_running(&shutdown, "notifier", &desk, notifier::run);
    Ok(())
}

/// Runs a loop until it ends by itself. One that panics is a bug, told by the panic hook; since a
/// loop needs nothing but the store, it begins again.
fn keep_running<F>(
    shutdown: &Shutdown,
    name: &'static str,
    desk: &Arc<Desk>,
    run: impl Fn(Arc<Desk>) -> F + Send + 'static,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let desk = Arc::clone(desk);
    shutdown.spawn(async move {
        while AssertUnwindSafe(run(Arc::clone(&desk)))
            .catch_unwind()
            .await
            .is_err()
        {
            tracing::error!(name, "a loop broke down and begins again");
            tokio::time::sleep(LAST_RETRY).await;
        }
    });
}

/// The lanes of tasks to which more may happen than that they are removed.
const LIVE: [Lane; 6] = [
    Lane::Dispatch,
    Lane::Settle,
    Lane::Parked,
    Lane::Poll,
    Lane::Archive,
    Lane::Book,
];
/// Tasks read at once.
const PAGE: usize = 256;
/// The least time between two passes of a loop that nothing nudges.
const SHORTEST_REST: Duration = Duration::from_millis(100);
/// First pause of a write that the store refused.
const FIRST_RETRY: Duration = Duration::from_millis(50);
/// Longest pause of such a write.
const LAST_RETRY: Duration = Duration::from_secs(2);
/// Names of missing accounts that are remembered.
const MISSING: usize = 1024;
/// Finished tasks to learn run times from.
const LEARN_FROM: usize = 500;
/// Tasks whose fresh output URLs are remembered; one forgotten is read again.
const OUTPUTS: std::num::NonZeroUsize =
    std::num::NonZeroUsize::new(4096).expect("4096 is not zero");
