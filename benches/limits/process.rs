//! The other processes of a measurement. Each is killed and reaped when dropped.

use std::fs::OpenOptions;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tempfile::TempDir;

use crate::bench::Bench;
use crate::ledger::Ledger;
use crate::machine::{self, Usage};

/// A process that serves.
pub struct Process {
    child: Child,
    pub address: SocketAddr,
    log: PathBuf,
    /// What it is called in the books.
    name: String,
    ledger: Arc<Ledger>,
}

impl Process {
    async fn start(
        bench: &Bench,
        name: &str,
        mut command: Command,
        log: PathBuf,
    ) -> anyhow::Result<Self> {
        let stderr = OpenOptions::new().create(true).append(true).open(&log)?;
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr);
        let mut child = command.spawn()?;
        let stdout = child.stdout.take().context("no standard output")?;
        let first_line = tokio::task::spawn_blocking(move || BufReader::new(stdout).lines().next());
        let said = tokio::time::timeout(START, first_line).await;
        let told = || -> anyhow::Result<SocketAddr> {
            let line = said??.context("it ended")??;
            let address = line.strip_prefix("listening on ").context("it said else")?;
            Ok(address.parse()?)
        };
        match told() {
            Ok(address) => Ok(Self {
                child,
                address,
                log,
                name: name.to_owned(),
                ledger: bench.ledger(),
            }),
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                let last = std::fs::read_to_string(&log).unwrap_or_default();
                Err(error.context(format!("{command:?} does not serve: {last}")))
            }
        }
    }

    /// A program of others, which serves as soon as it answers a GET of `path` with 200.
    pub async fn foreign(
        bench: &Bench,
        name: &str,
        mut command: Command,
        address: SocketAddr,
        path: &str,
        log: PathBuf,
    ) -> anyhow::Result<Self> {
        let stdout = OpenOptions::new().create(true).append(true).open(&log)?;
        let stderr = stdout.try_clone()?;
        command.stdin(Stdio::null()).stdout(stdout).stderr(stderr);
        let child = command.spawn();
        let child = child.with_context(|| format!("{command:?} does not start"))?;
        let mut process = Self {
            child,
            address,
            log,
            name: name.to_owned(),
            ledger: bench.ledger(),
        };
        let deadline = Instant::now() + FOREIGN_START;
        loop {
            let answer = reqwest::get(format!("http://{address}{path}")).await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(process);
            }
            let is_late = Instant::now() > deadline;
            if is_late || process.child.try_wait()?.is_some() {
                anyhow::bail!("{command:?} does not serve: {}", process.log());
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// This program in another role, as the command line has it.
    pub async fn role(bench: &Bench, arguments: &[&str]) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.env_clear().args(arguments);
        let name = arguments.first().unwrap_or(&"role");
        let log = bench.folder().join(format!("{name}.log"));
        Self::start(bench, name, command, log).await
    }

    pub fn usage(&self) -> anyhow::Result<Usage> {
        machine::usage(self.child.id())
            .with_context(|| format!("{} is gone: {}", self.address, self.log()))
    }

    /// Begins the peak of its memory anew.
    pub fn forget_peak(&self) -> anyhow::Result<()> {
        machine::forget_peak(self.child.id())
    }

    /// What it takes with all processes that it started.
    pub fn family(&self) -> anyhow::Result<Usage> {
        machine::family(self.child.id())
            .with_context(|| format!("{} is gone: {}", self.address, self.log()))
    }

    /// Its last words.
    fn log(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// Ends it at once, as a crash does.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.book();
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Once it has ended there is nothing more to be known of it.
    fn book(&self) {
        if let Ok(took) = self.family() {
            self.ledger.add(&self.name, took);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.book();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a server of ours is started with. Everything that is not said is the default.
pub struct Server {
    /// Its data: on the disk that the build is on.
    pub data: TempDir,
    upstream: Option<SocketAddr>,
    most: Option<usize>,
    config: Option<String>,
    settings: Vec<(String, String)>,
}

impl Server {
    pub fn new(bench: &Bench) -> anyhow::Result<Self> {
        let data = TempDir::new_in(bench.folder())?;
        Ok(Self {
            data,
            upstream: None,
            most: None,
            config: None,
            settings: Vec::new(),
        })
    }

    /// The provider that its one account is at.
    pub fn upstream(mut self, upstream: &Process) -> Self {
        self.upstream = Some(upstream.address);
        self
    }

    /// How many tasks may be at the provider at once; by default as many as it says.
    pub fn at_most(mut self, most: usize) -> Self {
        self.most = Some(most);
        self
    }

    /// A whole configuration file in the place of what the two above say.
    pub fn configured(mut self, config: String) -> Self {
        self.config = Some(config);
        self
    }

    /// A setting by its name in the configuration: `poll.interval`.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        let name = format!("MEDIAGEN_{}", name.to_uppercase().replace('.', "_"));
        self.settings.push((name, value.to_owned()));
        self
    }

    /// Starts it; with the same data as often as one likes.
    pub async fn start(&self, bench: &Bench) -> anyhow::Result<Process> {
        let config = self.data.path().join("config.yaml");
        std::fs::write(&config, self.config())?;
        let mut command = Command::new(bench.program());
        command
            .env_clear()
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(self.data.path())
            .arg("--config")
            .arg(config);
        let log = self.data.path().join("server.log");
        Process::start(bench, "mediagen", command, log).await
    }

    fn config(&self) -> String {
        if let Some(config) = &self.config {
            return config.clone();
        }
        let base = self.upstream.map_or_else(
            || "http://127.0.0.1:9".to_owned(),
            |address| format!("http://{address}"),
        );
        let mut config = format!(
            "accounts:\n  main: {{provider: runwayml, api_key: key_of_the_bench, base_url: \"{base}\"}}\n"
        );
        if let Some(most) = self.most {
            let deployment = format!(
                "model_list:\n  - {{model_name: gen4.5, model: runwayml/gen4.5, account: main, \
                 max_in_flight: {most}}}\n"
            );
            config.push_str(&deployment);
        }
        config
    }

    /// Where its database is.
    pub fn store(&self) -> PathBuf {
        self.data.path().join("mediagen.db")
    }

    pub fn path(&self) -> &Path {
        self.data.path()
    }
}

/// Starting takes a moment on a machine that is busy.
const START: Duration = Duration::from_mins(1);
/// What is written in Python takes longer.
const FOREIGN_START: Duration = Duration::from_mins(2);
/// How often it is asked whether it serves.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
