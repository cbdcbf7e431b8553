//! What is counted, for Prometheus: one function for each thing that happens elsewhere.
//!
//! `table` declares every metric, `series` keeps their series, `names` bounds what labels may say.
//! The registry is the process's, as the process has one store. What follows from commits is
//! counted by [`super::tasks`]; what only a look can tell is set when somebody asks
//! ([`render`] is called after the service has set its gauges).

mod http;
pub mod names;
mod polls;
mod process;
mod series;
pub mod table;

use std::time::{Duration, Instant};

use metrics::Gauge;

pub use http::HttpCall;
pub use polls::{asked, ended, left, submitted};
pub use series::{Family, Handle, Kind, Metric, tidy};

use crate::clock::Clock;
use crate::domain::routing::AccountLimits;
use crate::domain::time::Timestamp;

/// Begins: what needs no event is there from the first look on.
pub fn start() {
    table::BUILD.at(&[env!("CARGO_PKG_VERSION")]).set(1.0);
    table::STARTED.at(&[]).set(seconds(Clock.now_ms()));
    table::QUEUE_DEPTH.at(&[]).set(0.0);
    table::UNKNOWN_OPEN.at(&[]).set(0.0);
    for kind in ["watch", "download", "upload"] {
        table::STREAMS.at(&[kind]).set(0.0);
    }
    for outcome in ["exported", "dropped", "failed"] {
        table::SPANS.at(&[outcome]).increment(0);
    }
    for outcome in ["delivered", "failed", "given_up"] {
        table::WEBHOOKS.at(&[outcome]).increment(0);
    }
    config_loaded(1);
}

/// Everything that was counted, as Prometheus reads it.
pub fn render() -> String {
    process::look();
    super::tasks::look(Timestamp(Clock.now_ms()));
    series::render()
}

/// A configuration took effect: 1 is the one of the start.
pub fn config_loaded(generation: u64) {
    table::CONFIG_GENERATION.at(&[]).set(float(generation));
    table::CONFIG_LOADED.at(&[]).set(seconds(Clock.now_ms()));
    table::CONFIG_FAILED.at(&[]).set(0.0);
}

/// A configuration was refused; the one before it goes on.
pub fn config_refused() {
    table::CONFIG_FAILED.at(&[]).set(1.0);
}

/// A call was refused for its key or a limit of it; `reason` is one of the contract's.
pub fn refused(reason: &'static str) {
    table::REFUSED.at(&[reason]).increment(1);
}

/// A receiver of webhooks was called: delivered, failed or `given_up`.
pub fn told(outcome: &'static str) {
    table::WEBHOOKS.at(&[outcome]).increment(1);
}

/// How many ends are still to be told.
pub fn untold(pending: u64) {
    table::WEBHOOKS_PENDING.at(&[]).set(float(pending));
}

/// A deployment begins to be left alone for a while.
pub fn cooled(deployment: &str) {
    let deployment = names::deployment(deployment);
    table::COOLDOWNS.at(&[deployment]).increment(1);
}

/// Whether a deployment takes new tasks.
pub fn available(deployment: &str, takes: bool) {
    let deployment = names::deployment(deployment);
    let value = if takes { 1.0 } else { 0.0 };
    table::AVAILABLE.at(&[deployment]).set(value);
}

/// What a provider said of an account.
pub fn account(name: &str, limits: &AccountLimits) {
    let account = names::account(name);
    if let Some(credits) = limits.credits {
        table::CREDITS.at(&[account]).set(float(credits));
    }
    for (model, limit) in &limits.models {
        let labels = [account, names::model(model)];
        if let Some(most) = limit.concurrent {
            table::CONCURRENCY.at(&labels).set(f64::from(most));
        }
        if let Some(most) = limit.daily {
            table::DAILY.at(&labels).set(f64::from(most));
        }
        let used = f64::from(limit.used_today);
        table::DAILY_USED.at(&labels).set(used);
    }
}

/// How full the archive is; `None`: what is left is not known.
pub fn archive(used: u64, free: Option<u64>) {
    table::ARCHIVE_BYTES.at(&[]).set(float(used));
    if let Some(free) = free {
        table::ARCHIVE_FREE.at(&[]).set(float(free));
    }
}

/// A call to a provider ended.
pub fn called(account: &str, call: &'static str, outcome: &'static str, took: Duration) {
    let labels = [names::account(account), call, outcome];
    table::PROVIDER.at(&labels).record(took.as_secs_f64());
}

/// A watch takes up a task that changed at this moment.
pub fn watch_told(changed: Timestamp) {
    let lag = Timestamp(Clock.now_ms()).since(changed);
    table::WATCH_LAG.at(&[]).record(lag.as_secs_f64());
}

/// A gRPC call that runs; when dropped it has ended.
#[derive(Debug)]
pub struct Call {
    method: &'static str,
    begun: Instant,
    code: &'static str,
    answered: bool,
    stream: Option<Gauge>,
}

impl Call {
    /// A call of a method begins; `stream` is the kind of its stream, if it has one.
    pub fn begin(method: &'static str, stream: Option<&'static str>) -> Self {
        let stream = stream.map(|kind| table::STREAMS.at(&[kind]));
        if let Some(open) = &stream {
            open.increment(1.0);
        }
        Self {
            method,
            begun: Instant::now(),
            code: "CANCELLED",
            answered: false,
            stream,
        }
    }

    /// It is answered: its time is told here once.
    pub fn answered(&mut self) {
        if !std::mem::replace(&mut self.answered, true) {
            let took = self.begun.elapsed().as_secs_f64();
            table::CALL_TIME.at(&[self.method]).record(took);
        }
    }

    /// It ends with a status code.
    pub fn ended(&mut self, code: &'static str) {
        self.code = code;
        self.answered();
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        table::CALLS_ENDED
            .at(&[self.method, self.code])
            .increment(1);
        if let Some(open) = &self.stream {
            open.decrement(1.0);
        }
    }
}

/// Milliseconds as seconds.
#[expect(clippy::cast_precision_loss, reason = "a moment is far below 2^53 ms")]
fn seconds(millis: i64) -> f64 {
    millis as f64 / 1000.0
}

/// A number as a gauge holds it.
#[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
pub(super) fn float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests;
