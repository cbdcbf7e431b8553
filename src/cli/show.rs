//! What people read on standard output: short and aligned.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use serde_json::Value as Json;

use super::failure::{Exit, Failure};
use super::json::{bare, status_name, time};
use crate::pb::v1::{Cost, Output, Task, TaskStatus};

/// Writes a line to standard output. A reader that went away is an ordinary failure, not a panic.
pub fn line(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let written = out
        .write_all(text.as_bytes())
        .and_then(|()| out.write_all(b"\n"))
        .and_then(|()| out.flush());
    written.map_err(|error| Failure::new(Exit::Other, format!("standard output: {error}")))
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
    let mut row = |name: &'static str, text: String| {
        if !text.is_empty() {
            rows.push((name, text));
        }
    };
    row("prompt", shorten(&task.prompt, 72));
    row("size", task.size.clone());
    row(
        "seconds",
        task.seconds.map(|n| n.to_string()).unwrap_or_default(),
    );
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
        "{:<37} {:<18} {:<20} {:<20} PROMPT",
        "TASK", "STATUS", "MODEL", "CREATED"
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
        "{:<37} {:<18} {:<20} {created:<20} {prompt}",
        task.id,
        status_name(task),
        task.model
    )
    .trim_end()
    .to_owned()
}

/// Status, progress and what the server has to say about it.
pub fn status_line(task: &Task) -> String {
    let mut text = status_name(task).to_owned();
    let archiving = task.progress >= 1.0 && task.status() == TaskStatus::InProgress;
    if archiving && task.status_detail.is_empty() {
        text.push_str(" (keeping the content)");
    }
    if task.progress > 0.0 && task.progress < 1.0 {
        let _ = write!(text, " {:.0} %", task.progress * 100.0);
    }
    if !task.status_detail.is_empty() {
        let _ = write!(text, " ({})", printable(&task.status_detail));
    }
    text
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

fn cost_line(cost: &Cost) -> String {
    let charge = bare(cost.charge().as_str_name(), "CHARGE_");
    let credits = cost.actual_millicredits.or(cost.estimated_millicredits);
    let dollars = cost.actual_usd_micros.or(cost.estimated_usd_micros);
    match (credits, dollars) {
        (Some(credits), Some(dollars)) => {
            format!(
                "{} credits, ${} ({charge})",
                thousandths(credits),
                millionths(dollars)
            )
        }
        (Some(credits), None) => format!("{} credits ({charge})", thousandths(credits)),
        (None, Some(dollars)) => format!("${} ({charge})", millionths(dollars)),
        (None, None) => format!("unknown ({charge})"),
    }
}

/// Thousandths as a decimal number.
pub fn thousandths(amount: i64) -> String {
    let text = format!("{}.{:03}", amount / 1_000, (amount % 1_000).abs());
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn millionths(amount: i64) -> String {
    let cents = (amount + 5_000 * amount.signum()) / 10_000;
    format!("{}.{:02}", cents / 100, (cents % 100).abs())
}

/// Text from outside cannot drive a terminal or break a line.
pub fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

fn shorten(text: &str, most: usize) -> String {
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
    use crate::pb::v1::{Charge, TaskStatus};

    #[test]
    fn a_task_is_a_few_aligned_lines() {
        let mut task = Task {
            id: "task_1".into(),
            model: "gen4.5".into(),
            progress: 0.254,
            ..Task::default()
        };
        task.prompt = "a\u{1b}[2Jlake\nat dawn".into();
        task.set_status(TaskStatus::InProgress);
        let mut cost = Cost {
            estimated_millicredits: Some(25_500),
            estimated_usd_micros: Some(255_000),
            ..Cost::default()
        };
        cost.set_charge(Charge::Estimated);
        task.cost = Some(cost);
        let expected = "task      task_1\nstatus    IN_PROGRESS 25 %\nmodel     gen4.5\nprompt    a [2Jlake at dawn\ncost      25.5 credits, $0.26 (ESTIMATED)";
        assert_eq!(describe(&task), expected);
    }

    #[test]
    fn long_prompts_are_shortened_by_characters() {
        assert_eq!(shorten("äöüß", 4), "äöüß");
        assert_eq!(shorten("äöüßx", 4), "äöü…");
    }

    #[test]
    fn an_unknown_cost_is_not_zero() {
        assert!(cost_line(&Cost::default()).starts_with("unknown"));
    }
}
