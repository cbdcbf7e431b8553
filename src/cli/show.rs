//! What people read on standard output: short and aligned.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use serde_json::Value as Json;

use super::failure::{Exit, Failure};
use super::json::{bare, status_name, time};
use crate::pb::v1::{Charge, Cost, Operation, Output, Task, TaskStatus};

/// Writes a line to standard output. A reader that went away is an ordinary failure, not a panic.
pub fn line(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let written = out
        .write_all(text.as_bytes())
        .and_then(|()| out.write_all(b"\n"))
        .and_then(|()| out.flush());
    written.map_err(|error| unwritten(&error))
}

/// Why nothing more can be written to standard output. A reader that has enough, as `head`, is told
/// by the exit code alone.
pub fn unwritten(error: &io::Error) -> Failure {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Failure::new(Exit::ReaderGone, "");
    }
    Failure::new(Exit::Other, format!("standard output: {error}"))
}

/// Writes JSON as one line.
pub fn json(value: &Json) -> Result<(), Failure> {
    line(&value.to_string())
}

/// Writes a task for a person or for a script.
pub fn task(task: &Task, as_json: bool) -> Result<(), Failure> {
    if as_json {
        json(&super::json::task(task))
    } else {
        line(&describe(task))
    }
}

/// A task in a few aligned lines.
pub fn describe(task: &Task) -> String {
    let mut rows = vec![
        ("task", task.id.clone()),
        ("status", status_line(task)),
        ("model", task.model.clone()),
    ];
    let operation = match task.operation() {
        Operation::Unspecified => String::new(),
        operation => bare(operation.as_str_name(), "OPERATION_").to_lowercase(),
    };
    let mut row = |name: &'static str, text: String| {
        if !text.is_empty() {
            rows.push((name, text));
        }
    };
    row("operation", operation);
    row("prompt", shorten(&task.prompt, 72));
    row("size", task.size.clone());
    row(
        "seconds",
        task.seconds.map(|n| n.to_string()).unwrap_or_default(),
    );
    row("labels", labels(task));
    row("request", printable(&task.request_id));
    row(
        "created",
        time(task.create_time.as_ref()).unwrap_or_default(),
    );
    row(
        "ended",
        time(task.complete_time.as_ref()).unwrap_or_default(),
    );
    row(
        "cost",
        task.cost.as_ref().map(cost_line).unwrap_or_default(),
    );
    if let Some(error) = &task.error {
        row(
            "error",
            printable(&format!("{}: {}", error.reason, error.message)),
        );
        row(
            "provider",
            printable(format!("{} {}", error.provider_code, error.provider_message).trim()),
        );
    }
    for output in &task.outputs {
        row("output", output_line(output));
    }
    let lines: Vec<_> = rows
        .iter()
        .map(|(name, text)| format!("{name:<9} {text}"))
        .collect();
    lines.join("\n")
}

/// The head of a list of tasks.
pub fn table_head() -> String {
    format!(
        "{:<37} {:<18} {:<20} {:<20} {:>8} PROMPT",
        "TASK", "STATUS", "MODEL", "CREATED", "CREDITS"
    )
}

/// A task as one line of a list.
pub fn table_row(task: &Task) -> String {
    let created = time(task.create_time.as_ref()).unwrap_or_default();
    let created = created
        .get(..19)
        .map(|day| format!("{day}Z"))
        .unwrap_or_default();
    let prompt = shorten(&task.prompt, 40);
    format!(
        "{:<37} {:<18} {:<20} {created:<20} {:>8} {prompt}",
        task.id,
        status_name(task),
        task.model,
        cost_cell(task.cost.as_ref()),
    )
    .trim_end()
    .to_owned()
}

/// Status, progress and what the server has to say about it.
pub fn status_line(task: &Task) -> String {
    let mut text = status_in_short(task);
    if !task.status_detail.is_empty() {
        let _ = write!(text, " ({})", printable(&task.status_detail));
    }
    text
}

/// What the server had to say last, so that many lines about a task say it once.
#[derive(Debug, Default)]
pub struct Notes(String);

impl Notes {
    /// A line about the task, with the server's note where that is another than on the line before.
    pub fn status_line(&mut self, task: &Task) -> String {
        if task.status_detail == self.0 {
            return status_in_short(task);
        }
        self.0.clone_from(&task.status_detail);
        status_line(task)
    }
}

fn status_in_short(task: &Task) -> String {
    let mut text = status_name(task).to_owned();
    let archiving = task.progress >= 1.0 && task.status() == TaskStatus::InProgress;
    if archiving && task.status_detail.is_empty() {
        text.push_str(" (keeping the content)");
    }
    let ended = matches!(task.status(), TaskStatus::Failed | TaskStatus::Cancelled);
    if !ended && task.progress > 0.0 && task.progress < 1.0 {
        let _ = write!(text, " {:.0} %", task.progress * 100.0);
    }
    text
}

/// The labels, in the order of their keys.
fn labels(task: &Task) -> String {
    let mut labels: Vec<_> = task.labels.iter().collect();
    labels.sort();
    let labels = labels.iter().map(|(key, value)| format!("{key}={value}"));
    printable(&labels.collect::<Vec<_>>().join(", "))
}

fn output_line(output: &Output) -> String {
    let size = match (output.width, output.height) {
        (Some(width), Some(height)) => format!(", {width}x{height}"),
        _ => String::new(),
    };
    format!(
        "{}: {}{size}, {} bytes, sha256 {}",
        output.index, output.content_type, output.size_bytes, output.sha256
    )
}

/// What was charged, else what may be; and the estimate beside a bill that differs from it.
pub fn cost_line(cost: &Cost) -> String {
    let charge = bare(cost.charge().as_str_name(), "CHARGE_");
    let actual = amount(cost.actual_millicredits, cost.actual_usd_micros);
    let estimated = amount(cost.estimated_millicredits, cost.estimated_usd_micros);
    let said = match (cost.charge(), actual, &estimated) {
        (Charge::None, _, _) => "nothing".to_owned(),
        (_, Some(actual), _) => actual,
        (_, None, Some(estimated)) => return format!("{estimated} ({charge})"),
        (_, None, None) => "unknown".to_owned(),
    };
    match estimated.filter(|estimated| *estimated != said) {
        Some(estimated) => format!("{said} ({charge}, estimated {estimated})"),
        None => format!("{said} ({charge})"),
    }
}

/// An amount in credits and dollars, as far as either is known.
pub fn amount(millicredits: Option<i64>, usd_micros: Option<i64>) -> Option<String> {
    let credits = millicredits.map(|amount| match amount {
        1_000 => "1 credit".to_owned(),
        amount => format!("{} credits", thousandths(amount)),
    });
    let dollars = usd_micros.map(|amount| format!("${}", millionths(amount)));
    match (credits, dollars) {
        (Some(credits), Some(dollars)) => Some(format!("{credits}, {dollars}")),
        (credits, dollars) => credits.or(dollars),
    }
}

/// A task's credits in a column: what was charged, `~` before what is estimated, `?` for unknown.
fn cost_cell(cost: Option<&Cost>) -> String {
    let Some(cost) = cost else {
        return "?".to_owned();
    };
    match (
        cost.charge(),
        cost.actual_millicredits,
        cost.estimated_millicredits,
    ) {
        (Charge::None, _, _) => "0".to_owned(),
        (_, Some(actual), _) => thousandths(actual),
        (_, None, Some(estimated)) => format!("~{}", thousandths(estimated)),
        (_, None, None) => "?".to_owned(),
    }
}

/// Thousandths as a decimal without needless zeros: `25.5`.
pub fn thousandths(amount: i64) -> String {
    let text = decimal(amount, 3);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Millionths of a dollar, exactly, with two decimals at least: `0.60`, `0.0025`.
pub fn millionths(amount: i64) -> String {
    let text = decimal(amount, 6);
    let needless = text.len() - text.trim_end_matches('0').len();
    text[..text.len() - needless.min(4)].to_owned()
}

/// A whole number of small units as a decimal with so many places.
fn decimal(amount: i64, places: usize) -> String {
    let sign = if amount < 0 { "-" } else { "" };
    let digits = format!("{:0>width$}", amount.unsigned_abs(), width = places + 1);
    let (whole, part) = digits.split_at(digits.len() - places);
    format!("{sign}{whole}.{part}")
}

/// Text from outside cannot drive a terminal or break a line.
pub fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// At most so many characters, none of which drives a terminal.
pub fn shorten(text: &str, most: usize) -> String {
    let text = printable(text);
    if text.chars().count() <= most {
        return text;
    }
    let kept: String = text.chars().take(most - 1).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pb::v1::TaskStatus;

    #[test]
    fn a_task_is_a_few_aligned_lines() {
        let mut task = Task {
            id: "task_1".into(),
            model: "gen4.5".into(),
            progress: 0.254,
            request_id: "r-1".into(),
            ..Task::default()
        };
        task.set_operation(Operation::TextToVideo);
        task.labels.insert("team".into(), "x".into());
        task.labels.insert("end".into(), "a\u{1b}b".into());
        task.prompt = "a\u{1b}[2Jlake\nat dawn".into();
        task.set_status(TaskStatus::InProgress);
        let mut cost = Cost {
            estimated_millicredits: Some(25_500),
            estimated_usd_micros: Some(255_000),
            ..Cost::default()
        };
        cost.set_charge(Charge::Estimated);
        task.cost = Some(cost);
        let expected = "task      task_1\nstatus    IN_PROGRESS 25 %\nmodel     gen4.5\n\
            operation text_to_video\nprompt    a [2Jlake at dawn\nlabels    end=a b, team=x\n\
            request   r-1\ncost      25.5 credits, $0.255 (ESTIMATED)";
        assert_eq!(describe(&task), expected);
    }

    #[test]
    fn a_note_is_said_once_until_it_changes() {
        let mut notes = Notes::default();
        let mut line = |note: &str, progress| {
            let mut task = Task {
                progress,
                status_detail: note.into(),
                ..Task::default()
            };
            task.set_status(TaskStatus::InProgress);
            notes.status_line(&task)
        };
        assert_eq!(line("busy", 0.0), "IN_PROGRESS (busy)");
        assert_eq!(line("busy", 0.5), "IN_PROGRESS 50 %");
        assert_eq!(line("", 0.6), "IN_PROGRESS 60 %");
        assert_eq!(line("busy", 0.7), "IN_PROGRESS 70 % (busy)");
        let mut failed = Task {
            progress: 0.9,
            ..Task::default()
        };
        failed.set_status(TaskStatus::Failed);
        assert_eq!(status_in_short(&failed), "FAILED");
    }

    #[test]
    fn a_reader_that_has_enough_is_no_error_to_tell() {
        let gone = unwritten(&io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!((gone.exit as u8, gone.message.as_str()), (141, ""));
        let full = unwritten(&io::Error::from(io::ErrorKind::StorageFull));
        assert!(full.message.contains("standard output"));
    }

    #[test]
    fn long_prompts_are_shortened_by_characters() {
        assert_eq!(shorten("äöüß", 4), "äöüß");
        assert_eq!(shorten("äöüßx", 4), "äöü…");
    }

    #[test]
    fn a_cost_tells_the_bill_and_the_estimate_and_unknown_is_not_zero() {
        let cost = |estimated: Option<i64>, actual: Option<i64>, charge: Charge| Cost {
            estimated_millicredits: estimated,
            estimated_usd_micros: estimated.map(|amount| amount * 10),
            actual_millicredits: actual,
            actual_usd_micros: actual.map(|amount| amount * 10),
            charge: charge.into(),
        };
        for (cost, line, cell) in [
            (
                cost(None, None, Charge::Estimated),
                "unknown (ESTIMATED)",
                "?",
            ),
            (
                cost(Some(60_000), None, Charge::Estimated),
                "60 credits, $0.60 (ESTIMATED)",
                "~60",
            ),
            (
                cost(Some(60_000), Some(48_500), Charge::Charged),
                "48.5 credits, $0.485 (CHARGED, estimated 60 credits, $0.60)",
                "48.5",
            ),
            (
                cost(Some(60_000), Some(60_000), Charge::Charged),
                "60 credits, $0.60 (CHARGED)",
                "60",
            ),
            (cost(None, None, Charge::None), "nothing (NONE)", "0"),
            (
                cost(Some(60_000), None, Charge::None),
                "nothing (NONE, estimated 60 credits, $0.60)",
                "0",
            ),
            (
                cost(None, None, Charge::ChargedOrUnknown),
                "unknown (CHARGED_OR_UNKNOWN)",
                "?",
            ),
        ] {
            assert_eq!(
                (cost_line(&cost).as_str(), &*cost_cell(Some(&cost))),
                (line, cell)
            );
        }
    }

    #[test]
    fn dollars_are_exact_with_two_decimals_at_least() {
        for (micros, text) in [
            (0, "0.00"),
            (1, "0.000001"),
            (2_500, "0.0025"),
            (100_000, "0.10"),
            (12_345_600, "12.3456"),
            (100_000_000, "100.00"),
            (-500_000, "-0.50"),
            (i64::MAX, "9223372036854.775807"),
            (i64::MIN, "-9223372036854.775808"),
        ] {
            assert_eq!(millionths(micros), text);
        }
        assert_eq!(
            (thousandths(100_000), thousandths(-1), thousandths(0)),
            ("100".into(), "-0.001".into(), "0".into())
        );
    }
}
