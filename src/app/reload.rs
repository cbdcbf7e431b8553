//! Another configuration in place of the one in force, while everything runs.
//!
//! It is read whole, checked whole and opened whole before anything of it is in force; whatever is
//! wrong leaves the one before as it is. What can be replaced is the roster (catalogue, routes,
//! accounts, callers) and the keys; the rest takes a restart and is named in a warning.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use super::accounts::{Opener, origins};
use super::source::{Source, Stamps};
use crate::aside;
use crate::auth::Auth;
use crate::clock::Clock;
use crate::config::callers::file::fingerprint;
use crate::config::{Access, Account, Callers, Config, is_loopback};
use crate::domain::model::ProviderKind;
use crate::domain::task::Lane;
use crate::egress::Egress;
use crate::provider::{LiveRoster, Roster};
use crate::shutdown::Shutdown;
use crate::store::changes::Changes;
use crate::telemetry::{ReloadState, metrics};

/// What a reload replaces something in.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) roster: Arc<LiveRoster>,
    pub(super) egress: Arc<Egress>,
    pub(super) auth: Auth,
    pub(super) changes: Arc<Changes>,
}

/// Who puts configurations in force, one at a time.
#[derive(Debug)]
pub(super) struct Reloader {
    source: Option<Source>,
    live: Live,
    state: Arc<ReloadState>,
    force: Mutex<Force>,
    clock: Clock,
}

/// What is in force.
#[derive(Debug)]
struct Force {
    opener: Opener,
    /// Of all that takes a restart: as it was at the start.
    started: Vec<(&'static str, String)>,
    owner: &'static str,
    poll_floor: Duration,
    callers: Callers,
    /// What was said last of a configuration that was refused, so that it is said once.
    refusal: Option<String>,
}

impl Reloader {
    /// Goes on from what a server was started with.
    pub(super) fn new(config: &Config, source: Option<Source>, opener: Opener, live: Live) -> Self {
        let (state, clock) = (Arc::new(ReloadState::default()), Clock);
        state.succeeded(clock.now_ms());
        Self {
            source,
            live,
            state,
            force: Mutex::new(Force {
                opener,
                started: fixed(config),
                owner: super::owner(config),
                poll_floor: config.poll.interval,
                callers: config.callers.clone(),
                refusal: None,
            }),
            clock,
        }
    }

    /// How it went so far.
    pub(super) fn state(&self) -> Arc<ReloadState> {
        Arc::clone(&self.state)
    }

    /// Reads the source again and puts it in force.
    pub(super) async fn reload(self: &Arc<Self>) -> anyhow::Result<()> {
        self.force.lock().await.refusal = None;
        self.load().await
    }

    /// Puts a configuration in force, or says in the log why not.
    pub(super) async fn apply(&self, config: Config) -> anyhow::Result<()> {
        let mut force = self.force.lock().await;
        let applied = force.replace(&config, &self.live);
        self.tell(&mut force, applied.as_ref().err());
        applied
    }

    /// Who tells callers apart.
    pub(super) fn auth(&self) -> Auth {
        self.live.auth.clone()
    }

    /// Follows the keys file until everything must leave: on its own, so that a key can be revoked
    /// although the rest of the configuration is wrong. A bad file revokes keys and leaves everything
    /// else as it is; it is told once.
    pub(super) async fn follow_keys(self: Arc<Self>, life: Shutdown) {
        let (mut seen, mut told) = (None, String::new());
        loop {
            tokio::select! {
                () = life.stopping() => return,
                () = sleep(EVERY) => {}
            }
            let Some(path) = self.force.lock().await.callers.keys_file.clone() else {
                continue;
            };
            let looked = aside::run(move || (fingerprint(&path), path)).await;
            let looked = looked.ok();
            if looked.as_ref().is_some_and(|(print, _)| print.is_some()) && looked == seen {
                continue;
            }
            seen = looked;
            match self.reread_keys().await {
                Ok(()) => told.clear(),
                Err(error) => {
                    let error = format!("{error:#}");
                    if error != told {
                        tracing::error!(error, "the keys file is bad; the old keys stay");
                        told = error;
                    }
                }
            }
        }
    }

    async fn reread_keys(&self) -> anyhow::Result<()> {
        let mut force = self.force.lock().await;
        let known = force.callers.clone();
        let (new, read) = aside::run(move || known.reread()).await?;
        if new.keys != force.callers.keys {
            let limits = Arc::new(new.limits.clone());
            self.live.roster.change(|roster| Roster {
                catalog: Arc::clone(&roster.catalog),
                accounts: Arc::clone(&roster.accounts),
                routes: Arc::clone(&roster.routes),
                callers: Arc::clone(&limits),
            });
            self.live.auth.replace(&new);
            if read.is_ok() {
                tracing::info!(keys = new.keys.len(), "the keys were read again");
            } else {
                tracing::info!("keys are revoked that the bad keys file revokes");
            }
            force.callers = new;
        }
        Ok(read?)
    }

    /// Follows the source's files until the drain.
    pub(super) async fn follow(self: Arc<Self>, shutdown: Shutdown) {
        if !self.source.as_ref().is_some_and(Source::has_files) {
            return;
        }
        let mut look = Look::new();
        loop {
            tokio::select! {
                () = shutdown.draining() => return,
                () = sleep(look.rest()) => {}
            }
            let this = Arc::clone(&self);
            let looked = aside::run(move || {
                this.source
                    .as_ref()
                    .map(|source| (source.look(), source.seen()))
            });
            let Ok(Some((now, seen))) = looked.await else {
                continue;
            };
            if look.is_due(now, &seen, self.state.has_failed()) {
                // What is wrong was logged.
                let _ = self.load().await;
            }
        }
    }

    async fn load(self: &Arc<Self>) -> anyhow::Result<()> {
        let loaded = self.load_source().await;
        // A key may have been revoked since the source was read, or in a file that refused it. What is
        // wrong with the file is told by who follows it.
        let _ = self.reread_keys().await;
        loaded
    }

    async fn load_source(self: &Arc<Self>) -> anyhow::Result<()> {
        if self.source.is_none() {
            anyhow::bail!("the configuration came from nowhere that it could be read again");
        }
        let this = Arc::clone(self);
        let loaded = aside::run(move || this.source.as_ref().map(Source::load));
        match loaded.await? {
            Some(Ok(config)) => {
                for warning in &config.warnings {
                    tracing::warn!("{warning}");
                }
                self.apply(config).await
            }
            Some(Err(problems)) => {
                let error = anyhow::Error::new(problems);
                self.tell(&mut *self.force.lock().await, Some(&error));
                Err(error)
            }
            None => Ok(()),
        }
    }

    fn tell(&self, force: &mut Force, error: Option<&anyhow::Error>) {
        let Some(error) = error else {
            force.refusal = None;
            self.state.succeeded(self.clock.now_ms());
            metrics::config_loaded(self.state.generation());
            return;
        };
        let error = format!("{error:#}");
        if force.refusal.as_ref() != Some(&error) {
            tracing::error!(
                error,
                "the new configuration is refused; the one before stays in force"
            );
            force.refusal = Some(error);
            self.state.failed();
            metrics::config_refused();
        }
    }
}

impl Force {
    fn replace(&mut self, config: &Config, live: &Live) -> anyhow::Result<()> {
        self.check(config)?;
        let before = live.roster.now();
        let opened = self.opener.open(config, &before.accounts)?;
        for account in &config.routing.accounts {
            if self.opener.is_moved(account) {
                let account = &account.name;
                tracing::warn!(
                    account,
                    "the account is at another address now; what it runs at the one before is lost"
                );
            }
        }
        // From here on nothing fails and nothing waits.
        let accounts = self.opener.commit(opened);
        for account in accounts.retired() {
            if before.accounts.live(account.name()).is_some() {
                let account = account.name();
                tracing::info!(
                    account,
                    "the account takes no new tasks; those it has go on"
                );
            }
        }
        live.egress.allow(origins(&accounts));
        live.roster.replace(Roster {
            catalog: Arc::new(super::offered(config)),
            routes: Arc::new(config.routing.routes.clone()),
            callers: Arc::new(config.callers.limits.clone()),
            accounts,
        });
        live.auth.replace(&config.callers);
        self.callers = config.callers.clone();
        for lane in [Lane::Dispatch, Lane::Poll] {
            live.changes.nudge(lane);
        }
        self.warn_of_fixed(config);
        Ok(())
    }

    /// Refuses what would be wrong beside what stays as it was at the start.
    fn check(&self, config: &Config) -> anyhow::Result<()> {
        let owner = super::owner(config);
        if owner != self.owner {
            anyhow::bail!(
                "the data folder holds tasks of `{}`, and this would be `{owner}`: start another \
                 server with a data folder of its own",
                self.owner
            );
        }
        if self.callers.is_key_needed() && !config.callers.is_key_needed() {
            anyhow::bail!(
                "no key would be needed any more: if everybody is to be let in, restart the server"
            );
        }
        let mut accounts = config.routing.accounts.iter();
        if self.poll_floor < RUNWAYS_FLOOR && accounts.any(is_far) {
            anyhow::bail!(
                "the server was started with a poll.interval below 5s, which Runway does not allow: \
                 restart the server"
            );
        }
        Ok(())
    }

    fn warn_of_fixed(&self, config: &Config) {
        let now = fixed(config);
        let changed = now.iter().zip(&self.started);
        let changed = changed.filter(|(now, started)| now != started);
        let names: Vec<&str> = changed.map(|((name, _), _)| *name).collect();
        if names.is_empty() {
            tracing::info!("another configuration is in force");
        } else {
            let names = names.join(", ");
            tracing::warn!(
                names,
                "another configuration is in force, but for what changed here: that takes a restart"
            );
        }
    }
}

/// Whether it is at Runway itself, whose rules hold.
fn is_far(account: &Account) -> bool {
    match &account.access {
        Access::Account { base_url, .. } => {
            account.kind == ProviderKind::Runway && !is_loopback(base_url)
        }
        Access::Sandbox => false,
    }
}

/// All that takes a restart, by the name of its section or key.
fn fixed(config: &Config) -> Vec<(&'static str, String)> {
    let text = |value: &dyn std::fmt::Debug| format!("{value:?}");
    vec![
        ("data_dir", text(&config.data_dir)),
        ("server", text(&config.server)),
        ("store", text(&config.store)),
        ("archive", text(&config.archive)),
        ("retention", text(&config.retention)),
        ("watch", text(&config.watch)),
        ("download", text(&config.download)),
        ("upload", text(&config.upload)),
        ("submit", text(&config.submit)),
        ("poll", text(&config.poll)),
        ("webhooks", text(&config.webhooks)),
        ("runway.usd_per_credit", text(&config.runway.usd_per_credit)),
        (
            "routing.check_accounts",
            text(&config.routing.check_accounts),
        ),
        ("defaults.task_timeout", text(&config.defaults.task_timeout)),
        ("log", text(&config.log)),
        ("telemetry", text(&config.telemetry)),
    ]
}

/// When files are to be read again: pure but for the clock's `Instant`.
struct Look {
    /// What was there at the last look, if that was not what was read.
    pending: Option<Stamps>,
    tried: Instant,
}

impl Look {
    fn new() -> Self {
        Self {
            pending: None,
            tried: Instant::now(),
        }
    }

    /// Whether to read now. A change is read when two looks have found the same: what is still being
    /// written is left alone.
    fn is_due(&mut self, now: Stamps, seen: &Stamps, has_failed: bool) -> bool {
        let is_changed = now != *seen;
        let is_settled = self.pending.as_ref() == Some(&now);
        self.pending = is_changed.then_some(now);
        // A refused configuration may name a file that was not there, and now is.
        let again = has_failed && self.tried.elapsed() >= RETRY;
        let is_due = is_changed && is_settled || !is_changed && again;
        if is_due {
            self.tried = Instant::now();
            self.pending = None;
        }
        is_due
    }

    fn rest(&self) -> Duration {
        if self.pending.is_some() {
            SETTLE
        } else {
            EVERY
        }
    }
}

/// How often the files are looked at.
const EVERY: Duration = Duration::from_secs(1);
/// How long a changed file must stay the same before it is read.
const SETTLE: Duration = Duration::from_millis(250);
/// How often a configuration that was refused is read again though nothing has changed.
const RETRY: Duration = Duration::from_secs(10);
/// The least time between two reads of a task that Runway allows.
const RUNWAYS_FLOOR: Duration = Duration::from_secs(5);
