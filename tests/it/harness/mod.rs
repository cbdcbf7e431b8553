//! What every test stands on: an upstream that keeps a ledger, a server, and a client.
//!
//! [`TestApp`] is a server inside the test's own runtime; [`child::Server`] is the program itself,
//! for what only a process can show. Both talk to an [`Upstream`] that lives in the test, so that
//! its ledger survives whatever happens to them. All that a test made is gone when it ends.

pub mod child;
pub mod client;
pub mod fleet;
pub mod http;
pub mod media;
pub mod raw;
pub mod receiver;
pub mod refusal;
pub mod scrape;
pub mod wait;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mediagen::config::{Config, Environment, Setting};
use mediagen::pb::v1;
use mediagen::sandbox::{self, Sandbox};
use mediagen::shutdown::Shutdown;
use tempfile::TempDir;

pub use child::Server;
pub use client::{Client, create, picture, sound, video};
pub use raw::Raw;
pub use refusal::{Refused, refused};
pub use wait::{eventually, within};

/// The provider, as far as these tests need one.
pub struct Upstream {
    /// Its ledger, its counters, its faults.
    pub sandbox: Sandbox,
    life: Shutdown,
}

impl Upstream {
    /// A provider whose tasks take a quarter of a second.
    pub async fn quick() -> Self {
        Self::start(quick()).await
    }

    pub async fn start(config: sandbox::Config) -> Self {
        let life = Shutdown::new();
        let sandbox = Sandbox::start(config, &life).await.unwrap();
        Self { sandbox, life }
    }

    /// The variables that lead a server here.
    pub fn environment(&self) -> [(&'static str, String); 2] {
        [
            ("RUNWAYML_BASE_URL", self.sandbox.base_url()),
            ("RUNWAYML_API_SECRET", sandbox::DEFAULT_API_KEY.to_owned()),
        ]
    }

    /// The upstream tasks whose prompt holds the marker.
    pub fn charged(&self, marker: &str) -> Vec<sandbox::LedgerEntry> {
        let mut ledger = self.sandbox.ledger();
        ledger.retain(|entry| entry.prompt_text.contains(marker));
        ledger
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.life.stop();
    }
}

/// Tasks that take a quarter of a second.
pub fn quick() -> sandbox::Config {
    sandbox::Config::default().with_task_duration(Duration::from_millis(250))
}

/// A server in this process, its upstream, and a client of it.
pub struct TestApp {
    pub client: Client,
    pub address: SocketAddr,
    pub upstream: Upstream,
    shutdown: Shutdown,
    data: TempDir,
}

impl TestApp {
    /// A server as most tests want it.
    pub async fn start() -> Self {
        Self::with(quick(), &[]).await
    }

    /// A server with settings of its own, as `key`, `value`.
    pub async fn with(sandbox: sandbox::Config, settings: &[(&str, &str)]) -> Self {
        let upstream = Upstream::start(sandbox).await;
        let data = TempDir::new().unwrap();
        let (address, shutdown) = serve(&upstream, data.path(), settings).await;
        Self {
            client: client::connect(address),
            address,
            upstream,
            shutdown,
            data,
        }
    }

    /// A server with settings that no file could have.
    pub async fn tuned(change: impl FnOnce(&mut Config)) -> Self {
        Self::tuned_on(Upstream::quick().await, change).await
    }

    /// The same on an upstream of its own.
    pub async fn tuned_on(upstream: Upstream, change: impl FnOnce(&mut Config)) -> Self {
        let data = TempDir::new().unwrap();
        let mut config = config(data.path(), upstream.environment(), &[]).unwrap();
        change(&mut config);
        let (address, shutdown) = start(config).await;
        Self {
            client: client::connect(address),
            address,
            upstream,
            shutdown,
            data,
        }
    }

    /// A client with a connection of its own.
    pub fn another_client(&self) -> Client {
        client::connect(self.address)
    }

    /// A server with a file that `text` writes, given its upstream's address, and these variables.
    pub async fn of_file(text: impl FnOnce(&str) -> String, variables: &[(&str, &str)]) -> Self {
        let upstream = Upstream::quick().await;
        let data = TempDir::new().unwrap();
        let file = data.path().join("config.yaml");
        std::fs::write(&file, text(&upstream.sandbox.base_url())).unwrap();
        let environment: Environment = variables.iter().copied().collect();
        let settings = short_waits(data.path(), &[]);
        let config = Config::load(Some(&file), &environment, &settings).unwrap();
        let (address, shutdown) = start(config).await;
        Self {
            client: client::connect(address),
            address,
            upstream,
            shutdown,
            data,
        }
    }

    /// Creates a task and returns it.
    pub async fn create(&self, request: v1::CreateRequest) -> v1::Task {
        create(&self.client, request).await.unwrap()
    }

    /// Why a create is refused.
    pub async fn refusal(&self, request: v1::CreateRequest) -> Refused {
        refused(create(&self.client, request).await)
    }

    /// The task as it stands.
    pub async fn status(&self, id: &str) -> v1::Task {
        client::status(&self.client, id).await.unwrap()
    }

    /// Follows a task to its end.
    pub async fn finish(&self, id: &str) -> v1::Task {
        client::finish(&self.client, id).await
    }

    /// Waits until the task looks as wanted.
    pub async fn until(&self, id: &str, wanted: impl Fn(&v1::Task) -> bool) -> v1::Task {
        let look = || async {
            let task = self.status(id).await;
            if wanted(&task) { Ok(task) } else { Err(task) }
        };
        eventually("the task looks as wanted", look).await
    }

    /// Creates a task and follows it to its end.
    pub async fn run(&self, request: v1::CreateRequest) -> v1::Task {
        let task = self.create(request).await;
        self.finish(&task.id).await
    }

    /// The files of a task in the archive.
    pub fn files(&self, id: &str) -> Vec<String> {
        let folder = self.archive(id);
        let entries = std::fs::read_dir(folder).into_iter().flatten();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// The folder of a task in the archive.
    pub fn archive(&self, id: &str) -> PathBuf {
        self.data.path().join("archive").join(id)
    }

    /// Stops the server and starts another on the same data.
    pub async fn restart(&mut self, settings: &[(&str, &str)]) {
        self.stop().await;
        (self.address, self.shutdown) = serve(&self.upstream, self.data.path(), settings).await;
        self.client = client::connect(self.address);
    }

    /// The same with settings that no file could have.
    pub async fn restart_tuned(&mut self, change: impl FnOnce(&mut Config)) {
        self.stop().await;
        let mut config = config(self.data.path(), self.upstream.environment(), &[]).unwrap();
        change(&mut config);
        (self.address, self.shutdown) = start(config).await;
        self.client = client::connect(self.address);
    }

    /// Drains the server, to its end.
    pub async fn stop(&self) {
        self.shutdown.drain();
        within("the drain", self.shutdown.finished()).await;
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        self.shutdown.stop();
    }
}

async fn serve(
    upstream: &Upstream,
    data: &Path,
    settings: &[(&str, &str)],
) -> (SocketAddr, Shutdown) {
    start(config(data, upstream.environment(), settings).unwrap()).await
}

async fn start(config: Config) -> (SocketAddr, Shutdown) {
    let shutdown = Shutdown::new();
    let running = mediagen::app::start(config, shutdown.clone()).await;
    (running.unwrap().address, shutdown)
}

/// A configuration on a free port with short waits.
pub fn config<K: Into<String>, V: Into<String>>(
    data: &Path,
    environment: impl IntoIterator<Item = (K, V)>,
    settings: &[(&str, &str)],
) -> Result<Config, mediagen::config::Problems> {
    let environment: Environment = environment.into_iter().collect();
    Config::load(None, &environment, &short_waits(data, settings))
}

/// A free port and short waits, and what a test adds, as `key`, `value`.
fn short_waits(data: &Path, settings: &[(&str, &str)]) -> Vec<Setting> {
    let data = data.display().to_string();
    let ours = [
        ("data_dir", data.as_str()),
        ("server.listen", "127.0.0.1:0"),
        ("poll.interval", POLL_INTERVAL),
    ];
    let all = ours.iter().chain(settings);
    all.map(|(key, value)| Setting::new(key, key, *value))
        .collect()
}

/// Between two reads of a task at the upstream.
pub const POLL_INTERVAL: &str = "40ms";
