//! Numbers of several rounds, and what is said of them.

use std::fmt;
use std::time::Duration;

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    PerSecond,
    Millis,
    Seconds,
    BytesPerSecond,
    Bytes,
    Count,
    Share,
}

impl Unit {
    /// A number of this unit as people read it.
    pub fn say(self, value: f64) -> String {
        match self {
            Self::PerSecond => format!("{}/s", short(value)),
            Self::Millis if value < 0.1 => format!("{value:.3} ms"),
            Self::Millis if value < 10.0 => format!("{value:.2} ms"),
            Self::Millis => format!("{value:.0} ms"),
            Self::Seconds => format!("{value:.2} s"),
            Self::BytesPerSecond => format!("{} MB/s", short(value / 1e6)),
            Self::Bytes if value < 1_048_576.0 => format!("{:.2} KiB", value / 1024.0),
            Self::Bytes => format!("{:.1} MiB", value / 1_048_576.0),
            Self::Count => short(value),
            Self::Share if value < 0.1 => format!("{value:.4}"),
            Self::Share if value < 100.0 => format!("{value:.2}"),
            Self::Share => format!("{value:.0}"),
        }
    }
}

fn short(value: f64) -> String {
    match value {
        v if v >= 10_000.0 => format!("{:.1} k", v / 1000.0),
        v if v >= 100.0 => format!("{v:.0}"),
        v => format!("{v:.2}"),
    }
}

/// The same figure of each round.
#[derive(Clone, Debug)]
pub struct Figure {
    pub unit: Unit,
    rounds: Vec<f64>,
}

impl Figure {
    pub fn new(unit: Unit, rounds: impl IntoIterator<Item = f64>) -> Self {
        let rounds = rounds.into_iter().collect();
        Self { unit, rounds }
    }

    pub fn median(&self) -> f64 {
        let mut sorted = self.rounds.clone();
        sorted.sort_by(f64::total_cmp);
        percentile(&sorted, 0.5)
    }

    /// What this is of another figure, round by round, for both were measured side by side.
    pub fn of(&self, limit: &Self) -> Self {
        let pairs = self.rounds.iter().zip(&limit.rounds);
        Self::new(Unit::Share, pairs.map(|(figure, limit)| figure / limit))
    }

    fn least(&self) -> f64 {
        self.rounds.iter().copied().fold(f64::INFINITY, f64::min)
    }

    fn most(&self) -> f64 {
        self.rounds
            .iter()
            .copied()
            .fold(f64::NEG_INFINITY, f64::max)
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let say = |value| self.unit.say(value);
        write!(out, "{}", say(self.median()))?;
        if self.rounds.len() > 1 {
            write!(out, " ({}–{})", say(self.least()), say(self.most()))?;
        }
        Ok(())
    }
}

/// What falls to each of so many.
pub fn per(all: u64, count: usize) -> f64 {
    real(all) / real(count as u64)
}

/// A count as a number of a sample.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub fn real(count: u64) -> f64 {
    count as f64
}

/// The value below which this share of a sorted sample lies.
pub fn percentile(sorted: &[f64], share: f64) -> f64 {
    if sorted.is_empty() {
        return f64::NAN;
    }
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "samples are far below 2^52"
    )]
    let rank = ((sorted.len() - 1) as f64 * share).round() as usize;
    sorted[rank]
}

/// How long many calls took, in milliseconds.
#[derive(Clone, Debug)]
pub struct Times {
    sorted: Vec<f64>,
}

impl Times {
    pub fn new(times: impl IntoIterator<Item = Duration>) -> Self {
        Self::of_millis(times.into_iter().map(|time| time.as_secs_f64() * 1e3))
    }

    pub fn of_millis(times: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<_> = times.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        Self { sorted }
    }

    /// Milliseconds within which this share of them was done.
    pub fn within(&self, share: f64) -> f64 {
        percentile(&self.sorted, share)
    }

    pub fn len(&self) -> usize {
        self.sorted.len()
    }
}
