//! Logs, metrics and traces.
//!
//! Logs are lines for people on a terminal, JSON for machines, with secrets in neither. Everything
//! goes to stderr through one writer that masks what looks like a key, a signed query
//! or a bearer token. Call sites do not log secrets anyway; the writer is for the text that others
//! hand us (an error that quotes a URL). [`metrics`] and [`traces`] are told by whoever does
//! something; what follows from commits, by [`tasks`].

mod lines;
pub mod metrics;
mod reload;
pub mod request;
mod scrub;
pub mod tasks;
pub mod traces;

use std::io::{self, Write as _};
use std::panic::PanicHookInfo;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::JsonFields;

use lines::Traced;

pub use reload::ReloadState;
pub use scrub::{Scrubber, scrub};

/// Work that belongs to the running call, to its trace and to its id, wherever it is spawned.
pub fn kept<F: Future>(work: F) -> impl Future<Output = F::Output> {
    traces::kept(request::kept(work))
}

/// How lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Lines for people; coloured when the stream is a terminal.
    Text,
    /// One JSON object per line.
    Json,
}

/// Starts logging to stderr and logs panics through it. A second call changes nothing.
///
/// `filter` is a level or directives of tracing's filter; one that cannot be parsed counts as
/// `info` (the configuration has checked it before).
pub fn init(filter: &str, format: Format, is_terminal: bool) {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(Stderr);
    let plain = tracing_subscriber::fmt::format();
    let started = match format {
        Format::Text => {
            let inner = plain.with_ansi(is_terminal);
            builder
                .with_ansi(is_terminal)
                .event_format(Traced { inner, format })
                .try_init()
        }
        Format::Json => {
            let inner = plain.json().flatten_event(true).with_current_span(true);
            builder
                .fmt_fields(JsonFields::new())
                .event_format(Traced { inner, format })
                .try_init()
        }
    };
    if started.is_ok() {
        std::panic::set_hook(Box::new(log_panic));
    }
}

/// Makes one scrubbing writer per event, so that an event leaves in one write.
struct Stderr;

impl<'a> MakeWriter<'a> for Stderr {
    type Writer = Scrubber<io::Stderr>;

    fn make_writer(&'a self) -> Self::Writer {
        Scrubber::new(io::stderr())
    }
}

fn log_panic(info: &PanicHookInfo<'_>) {
    let message = info.payload_as_str().unwrap_or("a panic without a message");
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("unnamed");
    if tracing::enabled!(tracing::Level::ERROR) {
        tracing::error!(panic = message, place, thread, "a bug: a thread panicked");
    } else {
        let _ = writeln!(
            io::stderr(),
            "{}",
            scrub(&format!("panic at {place}: {message}"))
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_start_changes_nothing() {
        init("warn", Format::Text, false);
        init("not==a=filter", Format::Json, true);
    }
}
