//! `mediagen sandbox`: a stand-in for the provider's API, for trying things.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;

use super::failure::Failure;
use super::serve::start_logs;
use super::show;
use super::signals::Signals;
use crate::config::quantity::parse_duration;
use crate::config::{Log, LogFormat};
use crate::sandbox::{Config, DEFAULT_API_KEY, Sandbox};
use crate::shutdown::Shutdown;

/// Flags of `sandbox`.
#[derive(Args, Clone, Debug)]
pub struct SandboxArgs {
    /// Address and port; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8100")]
    listen: SocketAddr,
    /// What output URLs start with [default: from the bound address]
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// A key that is let in; may be repeated. RunwayML's are key_ and 128 hex digits [default: every well-shaped key]
    #[arg(long, value_name = "KEY")]
    api_key: Vec<String>,
    /// How long a task takes, as 8 or 0.5
    #[arg(long, value_name = "SECONDS", default_value_t = 8.0, value_parser = parse_seconds)]
    task_seconds: f64,
    /// Tasks of one model that run at once; the rest is THROTTLED [default: no limit]
    #[arg(long, value_name = "N")]
    concurrency: Option<usize>,
    /// Tasks of one model that are accepted within 24 hours; more are answered 429 [default: no limit]
    #[arg(long, value_name = "N")]
    daily_cap: Option<u32>,
    /// Failure code with which every task ends whose prompt asks for no other, as
    /// INTERNAL.BAD_OUTPUT.CODE01 [default: tasks succeed]
    #[arg(long, value_name = "CODE")]
    fail_with: Option<String>,
    /// Charges failures that are not moderation's, too
    #[arg(long)]
    charge_failures: bool,
    /// Credits on the account
    #[arg(long, value_name = "N", default_value_t = 1_000_000_000)]
    credits: i64,
    /// How long a signed output URL works
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = parse_duration)]
    url_lifetime: Duration,
    /// Makes two sandboxes alike
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// A file to which every accepted create is written, one JSON object per line
    #[arg(long, value_name = "FILE")]
    ledger: Option<PathBuf>,
}

impl SandboxArgs {
    fn to_config(&self) -> Config {
        let config = Config {
            listen: self.listen,
            public_url: self
                .public_url
                .as_ref()
                .map(|url| url.trim_end_matches('/').to_owned()),
            api_keys: self.api_key.clone(),
            concurrency_per_model: self.concurrency,
            daily_cap_per_model: self.daily_cap,
            fail_with: self.fail_with.clone(),
            charge_failures: self.charge_failures,
            credits: self.credits,
            output_url_lifetime: self.url_lifetime.min(LONGEST_LIFETIME),
            seed: self.seed,
            ledger_path: self.ledger.clone(),
            ..Config::default()
        };
        config.with_task_duration(Duration::from_secs_f64(self.task_seconds))
    }
}

/// Serves until a signal.
pub async fn run(args: &SandboxArgs, filter: &str) -> Result<(), Failure> {
    start_logs(&Log {
        filter: filter.into(),
        format: LogFormat::Text,
    });
    let mut signals = Signals::take().context("signals cannot be taken over")?;
    let shutdown = Shutdown::new();
    let sandbox = Sandbox::start(args.to_config(), &shutdown)
        .await
        .with_context(|| format!("the sandbox cannot listen on {}", args.listen))?;
    let key = args.api_key.first().map_or(DEFAULT_API_KEY, String::as_str);
    show::line(&format!("listening on {}", sandbox.address()))?;
    show::line("nothing that it makes is a real generation; to use it from another terminal:")?;
    show::line(&format!(
        "  export RUNWAYML_BASE_URL={}",
        sandbox.base_url()
    ))?;
    show::line(&format!("  export RUNWAYML_API_SECRET={key}"))?;
    show::line("and what it offers of OpenAI's API, under the same key:")?;
    show::line(&format!(
        "  export OPENAI_BASE_URL={}",
        sandbox.openai_url()
    ))?;
    show::line(&format!("  export OPENAI_API_KEY={key}"))?;
    let _ = signals.next().await;
    shutdown.drain();
    tokio::select! {
        () = shutdown.finished() => {}
        _ = signals.next() => {}
        () = tokio::time::sleep(LAST_WORDS) => {}
    }
    shutdown.stop();
    Ok(())
}

fn parse_seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text
        .parse()
        .map_err(|_| format!("`{text}` is no number of seconds"))?;
    if (0.0..=86_400.0).contains(&seconds) {
        Ok(seconds)
    } else {
        Err("0 to 86400 seconds".into())
    }
}

/// Keeps expiry times within what clocks can count.
const LONGEST_LIFETIME: Duration = Duration::from_hours(24 * 3_650);
/// What open connections get to end.
const LAST_WORDS: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_numbers_within_a_day() {
        assert_eq!(parse_seconds("0.5"), Ok(0.5));
        for text in ["-1", "NaN", "inf", "86401", "8s"] {
            assert!(parse_seconds(text).is_err(), "{text}");
        }
    }
}
