//! The table of figures, limits and targets.

use std::fmt;

use crate::sample::{Figure, Unit};

/// What a figure is to reach.
#[derive(Clone, Copy, Debug)]
pub enum Goal {
    AtLeast(f64),
    AtMost(f64),
    /// Of the bare limit of the same round.
    ShareAtLeast(f64),
    ShareAtMost(f64),
    ShareBelow(f64),
}

/// One line.
#[derive(Debug)]
pub struct Row {
    target: &'static str,
    what: String,
    figure: Figure,
    limit: Option<Figure>,
    goal: Option<Goal>,
}

impl Row {
    pub fn new(target: &'static str, what: impl Into<String>, figure: Figure) -> Self {
        Self {
            target,
            what: what.into(),
            figure,
            limit: None,
            goal: None,
        }
    }

    /// What the same rounds measured without the service.
    pub fn beside(mut self, limit: Figure) -> Self {
        self.limit = Some(limit);
        self
    }

    pub fn goal(mut self, goal: Goal) -> Self {
        self.goal = Some(goal);
        self
    }

    fn share(&self) -> Option<f64> {
        Some(self.figure.of(self.limit.as_ref()?).median())
    }

    /// Whether the goal is reached; `None` where there is none.
    fn is_met(&self) -> Option<bool> {
        let (figure, share) = (self.figure.median(), self.share().unwrap_or(f64::NAN));
        Some(match self.goal? {
            Goal::AtLeast(least) => figure >= least,
            Goal::AtMost(most) => figure <= most,
            Goal::ShareAtLeast(least) => share >= least,
            Goal::ShareAtMost(most) => share <= most,
            Goal::ShareBelow(bound) => share < bound,
        })
    }

    fn cells(&self) -> [String; 7] {
        let unit = self.figure.unit;
        let goal = match self.goal {
            None => String::new(),
            Some(Goal::AtLeast(least)) => format!("≥ {}", unit.say(least)),
            Some(Goal::AtMost(most)) => format!("≤ {}", unit.say(most)),
            Some(Goal::ShareAtLeast(least)) => format!("≥ {least} × the limit"),
            Some(Goal::ShareBelow(bound)) => format!("< {bound} × the limit"),
            Some(Goal::ShareAtMost(most)) => format!("≤ {most:.3} × the limit"),
        };
        let met = match self.is_met() {
            None => "",
            Some(true) => "yes",
            Some(false) => "NO",
        };
        let limit = self.limit.as_ref().map(Figure::to_string);
        let share = self.share().map(|share| Unit::Share.say(share));
        [
            self.target.to_owned(),
            self.what.clone(),
            self.figure.to_string(),
            limit.unwrap_or_default(),
            share.unwrap_or_default(),
            goal,
            met.to_owned(),
        ]
    }
}

/// All lines, in Markdown.
#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<Row>,
}

impl Table {
    pub fn add(&mut self, rows: Vec<Row>) {
        self.rows.extend(rows);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = ["", "what", "figure", "bare limit", "ratio", "target", "met"];
        let mut lines = vec![head.map(str::to_owned)];
        lines.extend(self.rows.iter().map(Row::cells));
        let width = |column: usize| {
            let cells = lines.iter().map(|line| line[column].chars().count());
            cells.max().unwrap_or_default()
        };
        let widths: [usize; 7] = std::array::from_fn(width);
        for (number, line) in lines.iter().enumerate() {
            for (cell, width) in line.iter().zip(widths) {
                write!(out, "| {cell:width$} ")?;
            }
            writeln!(out, "|")?;
            if number == 0 {
                for width in widths {
                    write!(out, "|{}", "-".repeat(width + 2))?;
                }
                writeln!(out, "|")?;
            }
        }
        Ok(())
    }
}
