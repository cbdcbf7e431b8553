//! What becomes of a lost create when its deadline passes.
//!
//! A configuration refuses deadlines that a test could wait for, so the loops are started here by
//! hand, on a store and an archive of their own, with a deadline of a moment.

use std::sync::Arc;
use std::time::Duration;

use mediagen::archive::Archive;
use mediagen::config::catalog;
use mediagen::domain::generation::{Draft, Generation, Limits};
use mediagen::domain::id::{RequestId, TaskId, TenantId};
use mediagen::domain::model::ProviderKind;
use mediagen::domain::money::{Charge, Millicredits};
use mediagen::domain::routing::Routes;
use mediagen::domain::task::{
    AttemptOutcome, FailureReason, NewTask, Order, State, Task, UnknownPolicy,
};
use mediagen::domain::time::Timestamp;
use mediagen::domain::webhook::SigningKey;
use mediagen::egress::{Egress, Hooks};
use mediagen::provider::runway::{Runway, Settings as RunwaySettings};
use mediagen::provider::{Account, Accounts, LiveRoster, Provider, Roster};
use mediagen::sandbox::DEFAULT_API_KEY;
use mediagen::shutdown::Shutdown;
use mediagen::store::sqlite::SqliteStore;
use mediagen::store::{Created, TaskStore};
use mediagen::worker::{
    self, ArchiveSettings, Desk, Notices, PollSettings, Settings, SubmitSettings, WebhookSettings,
    copy,
};
use tempfile::TempDir;

use crate::harness::{Upstream, eventually};

/// The loops with a policy, and one task.
struct Bench {
    upstream: Upstream,
    store: Arc<SqliteStore>,
    id: TaskId,
    life: Shutdown,
    _data: TempDir,
}

impl Bench {
    /// Starts the loops with one task of this prompt.
    async fn start(on_unknown: UnknownPolicy, prompt: &str) -> Self {
        let upstream = Upstream::quick().await;
        let (data, life) = (TempDir::new().unwrap(), Shutdown::new());
        let store = Arc::new(SqliteStore::open(&data.path().join("tasks.db"), 16).unwrap());
        let archive = Archive::open(&data.path().join("archive"), None).unwrap();
        let catalog = Arc::new(catalog::parse(catalog::EMBEDDED).unwrap());
        let task = task(prompt, &catalog);
        let id = task.id;
        assert!(matches!(store.create(task).await, Ok(Created::New(_))));
        let account = RunwaySettings::new("a", upstream.sandbox.base_url(), DEFAULT_API_KEY.into());
        let runway: Arc<dyn Provider> =
            Arc::new(Runway::new(account, Arc::clone(&catalog)).unwrap());
        let egress = Egress::new(runway.output_origin()).unwrap();
        let roster = Roster {
            catalog,
            accounts: Arc::new(Accounts::new([Account::new(runway, 4, 4)])),
            routes: Arc::new(Routes::open([(ProviderKind::Runway, "a".to_owned())])),
            ..Roster::default()
        };
        let desk = Desk::new(
            Arc::clone(&store) as Arc<dyn TaskStore>,
            Arc::new(archive),
            LiveRoster::new(roster),
            (Arc::new(egress), silent()),
            life.clone(),
            settings(on_unknown),
        );
        worker::start(desk).await.unwrap();
        Self {
            upstream,
            store,
            id,
            life,
            _data: data,
        }
    }

    async fn until(&self, wanted: impl Fn(&Task) -> bool) -> Arc<Task> {
        let look = || async {
            let task = self.store.get(self.id).await.unwrap().unwrap();
            if wanted(&task) { Ok(task) } else { Err(task) }
        };
        eventually("the task is as wanted", look).await
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.life.stop();
    }
}

fn task(prompt: &str, catalog: &mediagen::domain::model::Catalog) -> Task {
    let draft = Draft {
        model: "eleven_text_to_sound_v2".into(),
        prompt: prompt.into(),
        ..Draft::default()
    };
    let generation = Generation::new(&draft, catalog, &Limits::default()).unwrap();
    let now = Timestamp(mediagen::clock::Clock.now_ms());
    let new = NewTask {
        id: TaskId::new(now.0, rand::random()),
        tenant: TenantId::local(),
        request_id: RequestId::parse("once").unwrap(),
        fingerprint: [0; 32],
        key: None,
        estimate: Some(Millicredits(2_000)),
        reserve: None,
        status_detail: String::new(),
        order: Order {
            model: draft.model.clone(),
            generation,
            labels: [].into(),
            timeout: Duration::from_mins(1),
            priority: 0,
            webhook: String::new(),
            trace: None,
        },
    };
    Task::create(new, now)
}

fn settings(on_unknown: UnknownPolicy) -> Settings {
    Settings {
        submit: SubmitSettings {
            window: Duration::from_secs(1),
            unknown_deadline: Duration::from_millis(300),
            on_unknown,
            max_attempts: 5,
            quarantine: Duration::from_mins(1),
        },
        poll: PollSettings {
            floor: Duration::from_millis(40),
            max_backoff: Duration::from_secs(1),
        },
        archive: ArchiveSettings {
            concurrency: 2,
            limits: copy::Limits::default(),
            give_up: Duration::from_mins(1),
        },
        webhooks: WebhookSettings {
            concurrency: 1,
            per_receiver: 1,
            timeout: Duration::from_secs(1),
            first_retry: Duration::from_secs(1),
            give_up: Duration::from_mins(1),
        },
        check_accounts: Duration::from_mins(5),
        keep_content: Duration::from_hours(1),
        keep_records: Duration::from_hours(1),
        notes: None,
    }
}

/// Nobody is told of these tasks.
fn silent() -> Notices {
    Notices {
        hooks: Hooks::new().unwrap(),
        signing: SigningKey::new([7; 32]),
        render: Arc::new(|_, _| bytes::Bytes::new()),
    }
}

const LOST: &str = "a bell [sandbox:accept-then-500]";

fn is_unknown(task: &Task) -> bool {
    matches!(task.state, State::SubmissionUnknown { .. })
}

#[tokio::test]
async fn with_fail_the_task_fails_as_perhaps_charged() {
    let bench = Bench::start(UnknownPolicy::Fail, LOST).await;
    bench.until(is_unknown).await;
    let ended = bench.until(|task| task.state.is_terminal()).await;
    let State::Failed(failure) = &ended.state else {
        panic!("{ended:#?}");
    };
    assert_eq!(failure.reason, FailureReason::SubmissionOutcomeUnknown);
    assert_eq!(ended.cost().charge, Charge::ChargedOrUnknown);
    assert_eq!(ended.cost().estimated, Some(Millicredits(2_000)));
    assert_eq!(bench.upstream.sandbox.ledger().len(), 1);
}

#[tokio::test]
async fn with_hold_the_task_waits_for_an_operator() {
    let bench = Bench::start(UnknownPolicy::Hold, LOST).await;
    let held = bench
        .until(|task| matches!(task.state, State::SubmissionUnknown { deadline: None, .. }))
        .await;
    assert_eq!(held.attempts[0].outcome, AttemptOutcome::Unknown);
    assert_eq!(bench.upstream.sandbox.ledger().len(), 1);
}

#[tokio::test]
async fn with_resubmit_the_task_is_sent_again_and_the_first_stays_on_the_bill() {
    let bench = Bench::start(UnknownPolicy::Resubmit, LOST).await;
    let twice = bench.until(|task| task.attempts.len() >= 2).await;
    assert_eq!(twice.attempts[0].cost.charge, Charge::ChargedOrUnknown);
    assert!(bench.upstream.sandbox.ledger().len() <= 2);
}
