//! Log lines that say which trace they belong to, when traces are exported.
//!
//! A line that is written within a traced call, or that names a traced task in its field `task`,
//! ends with `trace_id`. So no place that logs has to know of traces.

use std::fmt;

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::{Format, tasks, traces};
use crate::domain::id::TaskId;

/// A format whose lines say which trace they belong to.
pub struct Traced<F> {
    /// The rest of the line.
    pub inner: F,
    /// How lines look.
    pub format: Format,
}

impl<S, N, F> FormatEvent<S, N> for Traced<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        ctx: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let Some(trace) = trace_of(event) else {
            return self.inner.format_event(ctx, writer, event);
        };
        let mut line = String::new();
        self.inner
            .format_event(ctx, Writer::new(&mut line), event)?;
        writer.write_str(&with_trace(line, self.format, trace))
    }
}

/// A whole line with its trace at the end.
fn with_trace(mut line: String, format: Format, trace: u128) -> String {
    let end = line.trim_end().len();
    line.truncate(end);
    match format {
        Format::Json if line.ends_with('}') => {
            line.pop();
            line + &format!(",\"trace_id\":\"{trace:032x}\"}}\n")
        }
        Format::Json | Format::Text => line + &format!(" trace_id={trace:032x}\n"),
    }
}

fn trace_of(event: &Event<'_>) -> Option<u128> {
    if !traces::is_on() {
        return None;
    }
    if let Some(call) = traces::current() {
        return Some(call.trace_id);
    }
    let mut named = NamedTask(None);
    event.record(&mut named);
    tasks::trace_of(named.0?)
}

/// The task that an event names.
struct NamedTask(Option<TaskId>);

impl Visit for NamedTask {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "task" {
            self.0 = format!("{value:?}").parse().ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_what_it_is_and_ends_with_its_trace() {
        let text = with_trace("INFO hello\n".to_owned(), Format::Text, 1);
        assert_eq!(text, format!("INFO hello trace_id={:032x}\n", 1));
        let json = with_trace("{\"a\":{}}\n".to_owned(), Format::Json, 0xab);
        let parsed: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(parsed["trace_id"], format!("{:032x}", 0xab));
        assert!(json.ends_with("}\n") && parsed["a"].is_object());
    }
}
