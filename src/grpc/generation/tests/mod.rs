//! The face end to end: a real client, the listener, a store and an archive in a folder; no worker
//! and no provider but one that knows nothing.

mod bounds;
mod calls;
mod costs;
mod limits;
mod streams;
mod uploads;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tonic::Code;
use tonic::transport::{Channel, Endpoint};
use tonic_types::StatusExt as _;

use super::*;
use crate::archive::{Archive, Key};
use crate::auth::Auth;
use crate::config::{Callers, catalog};
use crate::domain::artifact::Artifact;
use crate::domain::generation::{Generation, Limits};
use crate::domain::id::TaskId;
use crate::domain::money::UsdRate;
use crate::domain::routing::Routes;
use crate::domain::task::{
    Event as Happening, Observation, Progress, Rejection, SubmitOutcome, UpstreamStatus,
};
use crate::domain::time::Timestamp;
use crate::egress::Origin;
use crate::grpc::{GateLayer, Health, LimitLayer, MessageLimits, listener, routes};
use crate::pb::v1::media_generation_client::MediaGenerationClient;
use crate::provider::{
    Account, Accounts, CancelAnswer, LiveRoster, Media, Placed, Prepared, Provider, ProviderError,
    ProviderErrorKind, Roster,
};
use crate::service::{PageKey, Parts, Settings};
use crate::shutdown::Shutdown;
use crate::store::sqlite::SqliteStore;
use crate::store::{TaskStore, update};

type Client = MediaGenerationClient<Channel>;

/// A server on a port of its own.
struct Server {
    face: MediaGeneration,
    address: String,
    channel: Channel,
    store: Arc<dyn TaskStore>,
    archive: Arc<Archive>,
    roster: Arc<LiveRoster>,
    shutdown: Shutdown,
    health: Health,
    folder: TempDir,
}

impl Server {
    async fn start() -> Self {
        Self::beating(Duration::from_secs(30)).await
    }

    /// A server whose watches say so often that they live.
    async fn beating(heartbeat: Duration) -> Self {
        Self::with(settings(heartbeat), None).await
    }

    /// A server with settings of its own.
    async fn limited(change: impl Fn(&mut Settings)) -> Self {
        let mut settings = settings(Duration::from_secs(30));
        change(&mut settings);
        Self::with(settings, None).await
    }

    /// A server whose archive should hold so many bytes at most.
    async fn holding(max_bytes: Option<u64>) -> Self {
        Self::with(settings(Duration::from_secs(30)), max_bytes).await
    }

    async fn with(settings: Settings, max_bytes: Option<u64>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("tasks.db"), 256).unwrap();
        let store: Arc<dyn TaskStore> = Arc::new(store);
        let archive = Archive::open(&folder.path().join("archive"), max_bytes).unwrap();
        let archive = Arc::new(archive);
        let shutdown = Shutdown::new();
        let offered = Roster {
            catalog: Arc::new(catalog::parse(catalog::EMBEDDED).unwrap()),
            accounts: Arc::new(Accounts::new([Account::new(Arc::new(Nobody), 1, 1)])),
            routes: Arc::new(Routes::open([(
                crate::domain::model::ProviderKind::Runway,
                "nobody".to_owned(),
            )])),
            ..Roster::default()
        };
        let offers = LiveRoster::new(offered);
        let service = Service::new(Parts {
            store: Arc::clone(&store),
            archive: Arc::clone(&archive),
            roster: Arc::clone(&offers),
            shutdown: shutdown.clone(),
            settings,
        });
        let health = Health::new().await;
        health.serving().await;
        let face = MediaGeneration::new(service.clone());
        let limits = MessageLimits::default();
        let gate = GateLayer::new(Auth::new(&Callers::default())).unwrap();
        let router = routes(service, limits, LimitLayer::default(), gate, &health).unwrap();
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", socket.local_addr().unwrap());
        let bounds = listener::Limits::default();
        shutdown.spawn(listener::serve(
            socket,
            router,
            bounds,
            None,
            shutdown.clone(),
        ));
        let channel = Endpoint::from_shared(address.clone())
            .unwrap()
            .connect_lazy();
        Self {
            face,
            address,
            channel,
            store,
            archive,
            roster: offers,
            shutdown,
            health,
            folder,
        }
    }

    fn client(&self) -> Client {
        let client = MediaGenerationClient::new(self.channel.clone());
        client.max_encoding_message_size(usize::MAX)
    }

    /// A task made by a Create.
    async fn task(&self) -> v1::Task {
        let answer = self.client().create(lake()).await.unwrap();
        answer.into_inner().task.unwrap()
    }

    /// Lets something happen to a task, as the worker would.
    async fn happen(&self, id: &str, event: Happening) {
        let updated = update(self.store.as_ref(), id.parse().unwrap(), &event, LATER).await;
        assert!(
            matches!(updated, Ok(crate::store::Update::Saved(_))),
            "{event:?}: {updated:?}"
        );
    }

    /// Brings a task to the provider and lets it run there.
    async fn run(&self, id: &str) {
        let claimed = Happening::Claimed {
            deployment: "primary".to_owned(),
            account: "nobody".to_owned(),
            model: "gen4.5".to_owned(),
            estimated: None,
            changes: String::new(),
        };
        self.happen(id, claimed).await;
        let accepted = Happening::Accepted {
            attempt: 1,
            upstream_id: format!("upstream of {id}"),
            estimated: None,
            book_until: Timestamp::NEVER,
        };
        self.happen(id, accepted).await;
        self.happen(id, observed(UpstreamStatus::Running)).await;
    }

    /// Completes a running task with one output of these bytes.
    async fn complete(&self, id: &str, content: &Bytes) -> Artifact {
        self.happen(id, observed(UpstreamStatus::Succeeded)).await;
        let key = Key::output(id.parse().unwrap(), 0);
        let mut writer = self.archive.writer(key).await.unwrap();
        writer.write(content.clone()).await.unwrap();
        let stored = writer.finish().await.unwrap();
        let artifact = Artifact {
            index: 0,
            content_type: "video/mp4".to_owned(),
            size_bytes: stored.size_bytes,
            sha256: stored.sha256,
            width: None,
            height: None,
            duration_ms: None,
            expires: Timestamp::NEVER,
        };
        self.happen(id, Happening::Archived(vec![artifact.clone()]))
            .await;
        artifact
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shutdown.stop();
    }
}

/// A provider that knows no task and takes none.
#[derive(Debug)]
struct Nobody;

#[async_trait]
impl Provider for Nobody {
    fn account(&self) -> &'static str {
        "nobody"
    }

    fn embeds(&self, _: &str, _: u64) -> bool {
        unreachable!("no worker runs")
    }

    async fn place(&self, _: &Media) -> Result<Placed, Rejection> {
        unreachable!("no worker runs")
    }

    fn prepare(&self, _: &Generation, _: &[String]) -> Prepared {
        unreachable!("no worker runs")
    }

    async fn submit(&self, _: Prepared) -> SubmitOutcome {
        unreachable!("no worker runs")
    }

    async fn observe(&self, _: &str) -> Result<Observation, ProviderError> {
        Err(ProviderError {
            kind: ProviderErrorKind::NotFound,
            retry_after: None,
            message: "canary".to_owned(),
        })
    }

    async fn cancel(&self, _: &str) -> Result<CancelAnswer, ProviderError> {
        unreachable!("no worker runs")
    }

    fn output_origin(&self) -> Option<Origin> {
        None
    }
}

fn settings(heartbeat: Duration) -> Settings {
    Settings {
        usd_rate: UsdRate::ONE_CENT,
        limits: Limits::default(),
        task_timeout: Duration::from_hours(1),
        quarantine: Duration::from_mins(10),
        heartbeat,
        watch_max_age: Duration::from_hours(1),
        watch_reader_timeout: Duration::from_mins(1),
        max_watches: 100,
        download_reader_timeout: Duration::from_mins(1),
        max_downloads: 100,
        chunk: 64 * 1024,
        download_drain: Duration::from_secs(5),
        max_uploads: 2,
        upload_idle: Duration::from_millis(500),
        upload_timeout: Duration::from_mins(1),
        keep_uploads: Duration::from_hours(24),
        signing: crate::domain::webhook::SigningKey::new([7; 32]),
        page_key: PageKey::new([7; 32]),
    }
}

fn observed(status: UpstreamStatus) -> Happening {
    let made = matches!(status, UpstreamStatus::Succeeded);
    let output = made.then(|| "https://outputs.invalid/0".to_owned());
    let seen = Observation {
        status,
        progress: None,
        cost: None,
        outputs: output.into_iter().collect(),
    };
    Happening::Observed { attempt: 1, seen }
}

fn lake() -> v1::CreateRequest {
    v1::CreateRequest {
        model: "gen4.5".to_owned(),
        prompt: "a serene lake at dawn".to_owned(),
        seconds: Some(5),
        size: "1280x720".to_owned(),
        ..v1::CreateRequest::default()
    }
}

/// Code and reason of an error, checked for what every error must carry.
fn refused<T: Debug>(result: Result<T, Status>) -> (Code, String) {
    let status = result.expect_err("is refused");
    let info = status.get_details_error_info().expect("carries ErrorInfo");
    assert_eq!(info.domain, "mediagen");
    assert!(!format!("{status:?}").contains("canary"), "{status:?}");
    (status.code(), info.reason)
}

fn fields(status: &Status) -> Vec<String> {
    let bad = status.get_details_bad_request().expect("names fields");
    bad.field_violations
        .into_iter()
        .map(|violation| violation.field)
        .collect()
}

/// A moment at which things happen to tasks: later than the wall clock of any test.
const LATER: Timestamp = Timestamp(4_000_000_000_000);
