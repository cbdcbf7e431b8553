//! Every metric that there is: name, kind, labels, meaning. Nothing else can be counted: a series is
//! made by [`Family::at`] of one of these alone.
//!
//! Names end in their unit, counters in `_total`. Labels are `model` and `deployment` (as configured
//! or in the catalogue, else `other`), `account`, and words from lists of our own.

use metrics::{Counter, Gauge, Histogram};

use super::series::{Family, Kind, Metric};

macro_rules! table {
    ($($name:ident: $handle:ident $kind:expr, $text:literal, [$($label:literal),*], $help:literal;)*) => {
        $(
            #[doc = $help]
            pub static $name: Family<$handle> = Family::new(Metric {
                name: $text,
                kind: $kind,
                labels: &[$($label),*],
                help: $help,
            });
        )*

        /// Every metric.
        pub static ALL: &[&Metric] = &[$($name.metric()),*];
    };
}

table! {
    BUILD: Gauge Kind::Gauge, "mediagen_build_info", ["version"],
        "Always 1; the label says which version runs.";
    STARTED: Gauge Kind::Gauge, "mediagen_process_start_time_seconds", [],
        "When the process started, in seconds since the Unix epoch.";
    MEMORY: Gauge Kind::Gauge, "mediagen_process_resident_memory_bytes", [],
        "Memory of the process that is in RAM (Linux only).";
    DESCRIPTORS: Gauge Kind::Gauge, "mediagen_process_open_fds", [],
        "File descriptors that the process has open (Linux only).";

    TASKS: Gauge Kind::Gauge, "mediagen_tasks", ["state", "model", "deployment"],
        "Tasks that have not ended, by internal state; deployment is none before the first attempt.";
    TASKS_CREATED: Counter Kind::Counter, "mediagen_tasks_created_total", ["model"],
        "Tasks committed since the process started.";
    TASKS_ENDED: Counter Kind::Counter, "mediagen_tasks_ended_total", ["model", "deployment", "outcome"],
        "Tasks that ended, by outcome: completed, failed or cancelled.";
    TASKS_FAILED: Counter Kind::Counter, "mediagen_tasks_failed_total", ["model", "reason"],
        "Failed tasks by reason, in the words of the task's error.";
    QUEUE_DEPTH: Gauge Kind::Gauge, "mediagen_queue_depth", [],
        "Tasks that wait for a deployment to take them.";
    QUEUE_OLDEST: Gauge Kind::Gauge, "mediagen_queue_oldest_seconds", [],
        "Age of the oldest task that waits for a deployment; 0 when none does.";
    QUEUE_WAIT: Histogram Kind::Histogram(MINUTES), "mediagen_queue_wait_seconds", ["model"],
        "From a task's creation to the intent of its first attempt.";
    TASK_TIME: Histogram Kind::Histogram(MINUTES), "mediagen_task_duration_seconds", ["model", "outcome"],
        "From a task's creation to its end.";
    GENERATION: Histogram Kind::Histogram(MINUTES), "mediagen_generation_duration_seconds", ["model", "deployment"],
        "From the provider's acceptance to when its end was known, for tasks that it finished.";
    ARCHIVING: Histogram Kind::Histogram(SECONDS), "mediagen_archive_duration_seconds", ["outcome"],
        "From when the provider's end was known to when the content was kept, verified, or given up.";

    ATTEMPTS: Counter Kind::Counter, "mediagen_attempts_total", ["deployment", "outcome"],
        "Create calls by what became of them: accepted, rejected, unknown, ended (accepted, then no output), skipped.";
    REJECTIONS: Counter Kind::Counter, "mediagen_rejections_total", ["deployment", "fault"],
        "Proved rejections of create calls by whose fault they were.";
    RETRIES: Counter Kind::Counter, "mediagen_retries_total", ["deployment"],
        "Attempts after a task's first, by the deployment tried.";
    UNKNOWN: Counter Kind::Counter, "mediagen_unknown_outcomes_total", ["deployment"],
        "Create calls whose outcome was not known at first.";
    UNKNOWN_OPEN: Gauge Kind::Gauge, "mediagen_unknown_outcomes_open", [],
        "Tasks whose create's outcome is not known now.";
    COOLDOWNS: Counter Kind::Counter, "mediagen_cooldowns_total", ["deployment"],
        "How often a deployment began to be left alone for a while.";
    AVAILABLE: Gauge Kind::Gauge, "mediagen_deployment_available", ["deployment"],
        "1 when the deployment takes new tasks, 0 while it cools down, its day's quota is used up or its account is out or gone; of those configured and those used since the process started.";

    PROVIDER: Histogram Kind::Histogram(CALLS), "mediagen_provider_call_duration_seconds", ["account", "call", "outcome"],
        "Calls to a provider: submit, poll, cancel, place (an input) or limits, by how they ended.";
    POLLS: Histogram Kind::Histogram(COUNTS), "mediagen_polls_per_task", ["account"],
        "Polls of a task until its end was known; of tasks submitted by this process.";
    LAG: Histogram Kind::Histogram(SECONDS), "mediagen_discovery_lag_seconds", ["account"],
        "At most so long after a task was done at the provider we knew: since the last question that found it unfinished, or since it was accepted.";

    SPEND_CREDITS: Counter Kind::Counter, "mediagen_spend_millicredits_total", ["kind", "model", "deployment"],
        "Thousandths of a credit: estimated, of attempts accepted or unknown; actual, as the provider billed.";
    SPEND_USD: Counter Kind::Counter, "mediagen_spend_usd_micros_total", ["kind", "model", "deployment"],
        "The same in millionths of a US dollar, at the configured price of a credit.";
    CREDITS: Gauge Kind::Gauge, "mediagen_account_credits", ["account"],
        "Credits left, as the provider said last.";
    CONCURRENCY: Gauge Kind::Gauge, "mediagen_account_concurrency_limit", ["account", "model"],
        "Generations of a model that the account may run at once, as the provider said last.";
    DAILY: Gauge Kind::Gauge, "mediagen_account_daily_limit", ["account", "model"],
        "Generations of a model that the account may make in 24 hours, as the provider said last.";
    DAILY_USED: Gauge Kind::Gauge, "mediagen_account_daily_used", ["account", "model"],
        "Generations of a model in the last 24 hours, as the provider said last.";

    WEBHOOKS: Counter Kind::Counter, "mediagen_webhook_tries_total", ["outcome"],
        "Calls to receivers of webhooks: by outcome: delivered, failed (tried again later), or given up with.";
    WEBHOOKS_PENDING: Gauge Kind::Gauge, "mediagen_webhooks_pending", [],
        "Ends of tasks that a receiver is still to be told of.";

    STREAMS: Gauge Kind::Gauge, "mediagen_streams_open", ["kind"],
        "Streams open now, over gRPC and HTTP: watch, download or upload.";
    WATCH_LAG: Histogram Kind::Histogram(FAST), "mediagen_watch_latency_seconds", [],
        "From a change to when an open watch took it up.";
    CALLS_ENDED: Counter Kind::Counter, "mediagen_grpc_requests_total", ["method", "code"],
        "gRPC calls that ended, by status code; CANCELLED also for those whose client went away.";
    CALL_TIME: Histogram Kind::Histogram(FAST), "mediagen_grpc_request_duration_seconds", ["method"],
        "Time to answer a gRPC call; of a server stream, to open it.";
    HTTP_ENDED: Counter Kind::Counter, "mediagen_http_requests_total", ["route", "method", "status"],
        "Calls over HTTP that ended, by route (as in openapi.json, without /v1; other: none) and status; 499: the client went away before the answer.";
    HTTP_TIME: Histogram Kind::Histogram(FAST), "mediagen_http_request_duration_seconds", ["route"],
        "Time to answer a call over HTTP; of a stream, to open it.";
    REFUSED: Counter Kind::Counter, "mediagen_auth_refused_total", ["reason"],
        "Calls refused for their key or a limit of it, by reason.";

    ARCHIVE_BYTES: Gauge Kind::Gauge, "mediagen_archive_bytes", [],
        "Bytes in the archive.";
    ARCHIVE_FREE: Gauge Kind::Gauge, "mediagen_archive_free_bytes", [],
        "Bytes that the archive may still grow by: of its limit or of its disk, whichever is less.";

    CONFIG_GENERATION: Gauge Kind::Gauge, "mediagen_config_generation", [],
        "1 for the configuration of the start, and one more for each reload that took effect.";
    CONFIG_LOADED: Gauge Kind::Gauge, "mediagen_config_last_success_timestamp_seconds", [],
        "When a configuration took effect last, in seconds since the Unix epoch.";
    CONFIG_FAILED: Gauge Kind::Gauge, "mediagen_config_last_reload_failed", [],
        "1 when the last reload was refused and the configuration before it goes on serving.";

    SPANS: Counter Kind::Counter, "mediagen_trace_spans_total", ["outcome"],
        "Spans of traces: exported, dropped (the queue was full) or failed (the collector did not take them).";
}

/// Answers of our own, in seconds.
const FAST: &[f64] = &[
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
];
/// A provider's answers, in seconds.
const CALLS: &[f64] = &[
    0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0,
];
/// Copies and discoveries, in seconds.
const SECONDS: &[f64] = &[
    0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 300.0, 1800.0, 7200.0,
];
/// Generations, in seconds.
const MINUTES: &[f64] = &[
    0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 14_400.0,
];
/// Polls.
const COUNTS: &[f64] = &[1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 21.0, 34.0, 55.0, 89.0, 144.0];
