//! What a caller may set about the sandbox.
//!
//! Plain data without a command-line parser: the CLI and the tests fill the same struct.
//! Every bound of the sandbox's memory is here or a named constant beside its use.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// The key that a caller without a real one uses: well-shaped and obviously fake.
pub const DEFAULT_API_KEY: &str = "key_0000000000000000000000000000000000000000000000000000000000000000\
0000000000000000000000000000000000000000000000000000000000000000";

/// Settings of one sandbox. [`Config::default`] suits a person at a terminal; tests shorten the
/// times.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen. Default 127.0.0.1 with a port of the system's choice (port 0).
    pub listen: SocketAddr,
    /// What output and upload URLs start with, without a slash at the end. Default: derived from
    /// the bound address (a wildcard address becomes 127.0.0.1).
    pub public_url: Option<String>,
    /// API keys that are accepted at the start. Empty (the default) accepts every well-shaped key.
    pub api_keys: Vec<String>,
    /// How long a task stays PENDING. Default 800 ms.
    pub task_pending: Duration,
    /// How long a task is RUNNING. Default 7.2 s. Zero makes tasks succeed at once.
    pub task_running: Duration,
    /// How many tasks of one model run at the same time; the rest is THROTTLED. Default: no limit.
    pub concurrency_per_model: Option<usize>,
    /// Tasks of one model that are accepted within 24 hours; a create beyond is answered 429.
    /// Default: no limit.
    pub daily_cap_per_model: Option<u32>,
    /// The failure code with which every task ends whose prompt does not ask for another; empty: a
    /// failure without a code. Default: none, so that tasks succeed.
    pub fail_with: Option<String>,
    /// Whether failures are charged that are not moderation's. Default: no.
    pub charge_failures: bool,
    /// Credits on the account at the start. Default 1,000,000,000.
    pub credits: i64,
    /// How long a signed output URL works. Default 24 h.
    pub output_url_lifetime: Duration,
    /// Mixed into the colours and tones of what is rendered. Default 0.
    pub seed: u64,
    /// Records of tasks that are kept, removed ones included; the oldest goes first.
    /// Default 200,000.
    pub max_tasks: usize,
    /// Bytes of rendered media that are kept for the next range request. Default 256 MiB.
    pub render_cache_bytes: usize,
    /// Largest JSON body that is read. Default 16 MiB.
    pub max_body_bytes: usize,
    /// Open connections; more wait in the listener's backlog. Default 4,096.
    pub max_connections: usize,
    /// Models beside those that are known: an endpoint's path on Runway's face and an id, which
    /// begins with `openai/` for the other face. What they take is not checked. Default: none.
    pub extra_models: Vec<(String, String)>,
    /// A file to which each accepted create is appended, as one JSON line, before it is answered.
    /// Default: none.
    pub ledger_path: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            public_url: None,
            api_keys: Vec::new(),
            task_pending: Duration::from_millis(800),
            task_running: Duration::from_millis(7_200),
            concurrency_per_model: None,
            daily_cap_per_model: None,
            fail_with: None,
            charge_failures: false,
            credits: 1_000_000_000,
            output_url_lifetime: Duration::from_hours(24),
            seed: 0,
            max_tasks: 200_000,
            render_cache_bytes: 256 << 20,
            max_body_bytes: 16 << 20,
            max_connections: 4_096,
            extra_models: Vec::new(),
            ledger_path: None,
        }
    }
}

impl Config {
    /// Tasks that take `duration` from accept to success, a tenth of it PENDING.
    #[must_use]
    pub fn with_task_duration(mut self, duration: Duration) -> Self {
        self.task_pending = duration / 10;
        self.task_running = duration.saturating_sub(self.task_pending);
        self
    }
}
