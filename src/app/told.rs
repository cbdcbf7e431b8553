//! What machines are told of the server: metrics, and traces to a collector.

use std::sync::Arc;
use std::time::Duration;

use axum::response::IntoResponse as _;

use crate::admin::Scrape;
use crate::auth::{Auth, Refused};
use crate::config::{Config, MetricsAccess, Otlp};
use crate::openai;
use crate::shutdown::Shutdown;
use crate::telemetry::{metrics, tasks, traces};

/// Begins to count and, when a collector is configured, to trace. Both are the process's: they
/// outlive the server's own work, so that its last words are heard.
pub(super) fn start(config: &Config, shutdown: &Shutdown) -> anyhow::Result<()> {
    metrics::start();
    tasks::usd_rate(config.runway.usd_per_credit);
    let life = shutdown.later();
    if let Some(otlp) = &config.telemetry.otlp {
        traces::start(&trace_settings(otlp), &life).map_err(anyhow::Error::msg)?;
    }
    life.clone().spawn(async move {
        loop {
            tokio::select! {
                () = life.stopping() => return,
                () = tokio::time::sleep(TIDY) => metrics::tidy(),
            }
        }
    });
    Ok(())
}

fn trace_settings(otlp: &Otlp) -> traces::Settings {
    traces::Settings {
        endpoint: otlp.endpoint.to_string(),
        headers: otlp.headers.clone(),
        sample_ratio: otlp.sample_ratio,
        service_name: otlp.service_name.clone(),
    }
}

/// Who may read `/metrics`.
pub(super) fn scrape(access: MetricsAccess, auth: &Auth) -> Scrape {
    let is_keyed = match access {
        MetricsAccess::Off => return Scrape::Off,
        MetricsAccess::Open => return Scrape::Open,
        MetricsAccess::Auto => false,
        MetricsAccess::Keyed => true,
    };
    let auth = auth.clone();
    Scrape::Keyed(Arc::new(move |headers| {
        let seen = if is_keyed && !auth.is_needed() {
            Err(Refused::Missing)
        } else {
            auth.see_all(headers)
        };
        seen.err()
            .map(|refused| openai::refused(&refused).into_response())
    }))
}

/// How often histograms are put in order.
const TIDY: Duration = Duration::from_secs(5);
