//! Live progress on standard error: a bar on a terminal, a line per change elsewhere, nothing where
//! a script reads.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::show;
use crate::pb::v1::Task;

/// Shows how something comes along.
#[derive(Debug)]
pub struct Progress {
    bar: Option<ProgressBar>,
    /// Says nothing: standard error is for the error object alone.
    quiet: bool,
    last: String,
    notes: show::Notes,
}

impl Progress {
    /// A bar when standard error is a terminal, else lines; with `--json` nothing at all.
    pub fn new(json: bool) -> Self {
        let bar = (!json && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::new(SCALE);
            bar.enable_steady_tick(Duration::from_millis(250));
            bar
        });
        Self {
            bar,
            quiet: json,
            last: String::new(),
            notes: show::Notes::default(),
        }
    }

    /// Shows a task.
    pub fn task(&mut self, task: &Task) {
        let text = show::status_line(task);
        if let Some(bar) = &self.bar {
            bar.set_style(style("{spinner} {elapsed_precise} [{bar:30}] {msg}"));
            bar.set_position(position(task.progress));
            bar.set_message(text);
        } else if text != self.last {
            let line = self.notes.status_line(task);
            self.write(&format!("{} {line}", task.id));
            self.last = text;
        }
    }

    /// Shows how many bytes of a download are there.
    pub fn bytes(&mut self, done: u64, size: u64) {
        self.transfer("downloaded", done, size);
    }

    /// Shows how many bytes of an upload are on their way.
    pub fn sent(&mut self, done: u64, size: u64) {
        self.transfer("uploaded", done, size);
    }

    fn transfer(&mut self, verb: &str, done: u64, size: u64) {
        if let Some(bar) = &self.bar {
            bar.set_style(style(
                "{spinner} {elapsed_precise} [{bar:30}] {bytes} of {total_bytes}",
            ));
            bar.set_length(size);
            bar.set_position(done);
        } else if done == size {
            self.write(&format!("{verb} {size} bytes"));
        }
    }

    /// Says something beside the progress.
    pub fn say(&mut self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| self.write(text)),
            None => self.write(text),
        }
    }

    /// Takes the bar away.
    pub fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    fn write(&self, text: &str) {
        if !self.quiet {
            let _ = writeln!(std::io::stderr(), "{text}"); // nobody reads it: nothing to be done
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to 0..=1 before it is scaled to a bar's steps"
)]
fn position(progress: f32) -> u64 {
    (f64::from(progress.clamp(0.0, 1.0)) * 1_000.0) as u64
}

/// Steps of a task's bar; as many as `position` scales to.
const SCALE: u64 = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_from_outside_stays_on_the_bar() {
        for (progress, at) in [
            (0.0, 0),
            (0.5, 500),
            (1.0, SCALE),
            (7.0, SCALE),
            (-1.0, 0),
            (f32::NAN, 0),
        ] {
            assert_eq!(position(progress), at);
        }
    }
}
