//! `mediagen serve`: configuration → logs → server → signals.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;

use super::failure::{Exit, Failure};
use super::show;
use super::signals::{Hangups, Signals};
use crate::app::{self, Running};
use crate::config::{Config, Environment, Log, LogFormat, Setting};
use crate::shutdown::Shutdown;
use crate::telemetry::{self, Format};

/// Flags of `serve`. Each goes over its variable, which goes over the file.
#[derive(Args, Clone, Debug, Default)]
pub struct ServeArgs {
    /// Address and port [default: 127.0.0.1:50051] [env: MEDIAGEN_LISTEN]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Where tasks and outputs live [default: the platform's data folder] [env: MEDIAGEN_DATA_DIR]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,
    /// A YAML file with further settings [env: MEDIAGEN_CONFIG]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Serves from a sandbox in this process; nothing it makes is real [env: MEDIAGEN_SANDBOX]
    #[arg(long)]
    sandbox: bool,
    /// Least time between two reads of a task at the provider [default: 5s]
    /// [env: MEDIAGEN_POLL_INTERVAL]
    #[arg(long, value_name = "DURATION")]
    poll_interval: Option<String>,
    /// PEM file with the server's certificate chain [env: MEDIAGEN_TLS_CERT]
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<String>,
    /// PEM file with its private key [env: MEDIAGEN_TLS_KEY]
    #[arg(long, value_name = "FILE")]
    tls_key: Option<String>,
    /// PEM file with the authorities whose clients are let in [env: MEDIAGEN_TLS_CLIENT_CA]
    #[arg(long, value_name = "FILE")]
    client_ca: Option<String>,
    /// Listens where others can reach it although nothing says who they are
    /// [env: MEDIAGEN_ALLOW_INSECURE]
    #[arg(long)]
    allow_insecure: bool,
    /// What happens when a submission's outcome stays unknown: fail, hold or resubmit
    /// [default: fail] [env: MEDIAGEN_ON_UNKNOWN_OUTCOME]
    #[arg(long, value_name = "POLICY")]
    on_unknown_outcome: Option<String>,
    /// What is logged: a level, or directives as info,mediagen::worker=debug [default: info]
    /// [env: MEDIAGEN_LOG]
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
    /// How log lines look: text or json [default: text] [env: MEDIAGEN_LOG_FORMAT]
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
}

impl ServeArgs {
    /// The flags that were given, as settings.
    pub fn settings(&self) -> Vec<Setting> {
        let yes = |given: bool| given.then(|| "true".to_owned());
        let flags = [
            ("--listen", "server.listen", self.listen.clone()),
            ("--data-dir", "data_dir", self.data_dir.clone()),
            ("--sandbox", "sandbox", yes(self.sandbox)),
            (
                "--poll-interval",
                "poll.interval",
                self.poll_interval.clone(),
            ),
            ("--tls-cert", "server.tls.cert", self.tls_cert.clone()),
            ("--tls-key", "server.tls.key", self.tls_key.clone()),
            (
                "--client-ca",
                "server.tls.client_ca",
                self.client_ca.clone(),
            ),
            (
                "--allow-insecure",
                "server.allow_insecure",
                yes(self.allow_insecure),
            ),
            (
                "--on-unknown-outcome",
                "submit.on_unknown_outcome",
                self.on_unknown_outcome.clone(),
            ),
            ("--log", "log.filter", self.log.clone()),
            ("--log-format", "log.format", self.log_format.clone()),
        ];
        let given = flags
            .into_iter()
            .filter_map(|(flag, key, value)| Some((flag, key, value?)));
        given
            .map(|(flag, key, value)| Setting::new(flag, key, value))
            .collect()
    }
}

/// A configuration to serve with, and where it is read again.
pub struct Loaded {
    source: app::Source,
    config: Config,
}

impl Loaded {
    /// Reads it.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn read(args: &ServeArgs, env: &Environment) -> Result<Self, Failure> {
        let file = config_file(args.config.as_ref(), env);
        let source = app::Source::new(file, env.clone(), args.settings());
        let config = source.load()?;
        Ok(Self { source, config })
    }

    /// How many threads the server asks for.
    pub fn worker_threads(&self) -> Option<usize> {
        self.config.server.worker_threads
    }
}

/// Serves until a signal, then drains.
pub async fn run(loaded: Loaded) -> Result<(), Failure> {
    let Loaded { source, config } = loaded;
    let mut hangups = Hangups::take().context("signals cannot be taken over")?;
    start_logs(&config.log);
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let mut signals = Signals::take().context("signals cannot be taken over")?;
    let drain_timeout = config.server.drain_timeout;
    let shutdown = Shutdown::new();
    let running = app::start_from(config, Some(source), shutdown.clone()).await?;
    show::line(&format!("listening on {}", running.address))?;
    tokio::select! {
        _ = signals.next() => {
            tracing::info!("draining; a second signal stops at once");
            drain(&shutdown, drain_timeout, &mut signals).await
        }
        () = shutdown.draining() => {
            let _ = drain(&shutdown, drain_timeout, &mut signals).await;
            Err(Failure::new(Exit::Other, "the server ended by itself; its log says why"))
        }
        never = reload_when_told(&mut hangups, &running) => never,
    }
}

/// Reads the configuration again at each SIGHUP.
async fn reload_when_told(hangups: &mut Hangups, running: &Running) -> Result<(), Failure> {
    loop {
        hangups.next().await;
        tracing::info!("reading the configuration again");
        // What is wrong with it was logged; the one before stays in force.
        let _ = running.reload().await;
    }
}

/// Drains, and stops when that takes too long or a signal says so.
async fn drain(shutdown: &Shutdown, limit: Duration, signals: &mut Signals) -> Result<(), Failure> {
    shutdown.drain();
    tokio::select! {
        () = shutdown.finished() => {
            tracing::info!("drained");
            Ok(())
        }
        exit = signals.next() => {
            shutdown.stop();
            Err(Failure::new(exit, "stopped by a second signal; unfinished work goes on at the next start"))
        }
        () = tokio::time::sleep(limit) => {
            shutdown.stop();
            let _ = tokio::time::timeout(LAST_WORDS, shutdown.finished()).await;
            let text = "the drain took longer than server.drain_timeout; what was left was cut off";
            Err(Failure::new(Exit::Other, text))
        }
    }
}

/// The configuration's file: from the flag, else from its variable.
pub fn config_file(flag: Option<&PathBuf>, env: &Environment) -> Option<PathBuf> {
    flag.cloned()
        .or_else(|| env.get("MEDIAGEN_CONFIG").map(PathBuf::from))
}

/// Starts logging to standard error as configured.
pub fn start_logs(log: &Log) {
    use std::io::IsTerminal as _;
    let format = match log.format {
        LogFormat::Text => Format::Text,
        LogFormat::Json => Format::Json,
    };
    telemetry::init(&log.filter, format, std::io::stderr().is_terminal());
}

/// What tasks get to notice a stop.
const LAST_WORDS: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_flags_that_were_given_become_settings() {
        assert_eq!(ServeArgs::default().settings(), []);
        let args = ServeArgs {
            listen: Some("[::1]:1".into()),
            sandbox: true,
            ..ServeArgs::default()
        };
        let settings = args.settings();
        assert_eq!(
            settings[0],
            Setting::new("--listen", "server.listen", "[::1]:1")
        );
        assert_eq!(settings[1], Setting::new("--sandbox", "sandbox", "true"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_drain_that_never_ends_is_cut_off() {
        let shutdown = Shutdown::new();
        shutdown.spawn(std::future::pending::<()>());
        let mut signals = Signals::take().unwrap();
        let end = drain(&shutdown, Duration::from_secs(30), &mut signals).await;
        assert_eq!(end.unwrap_err().exit, Exit::Other);
        assert!(shutdown.is_stopping());
    }

    #[tokio::test]
    async fn a_drain_ends_with_the_last_task() {
        let shutdown = Shutdown::new();
        let inner = shutdown.clone();
        shutdown.spawn(async move { inner.draining().await });
        let mut signals = Signals::take().unwrap();
        drain(&shutdown, Duration::from_secs(30), &mut signals)
            .await
            .unwrap();
        assert!(!shutdown.is_stopping());
    }
}
