//! The flags that choose among tasks, the same for every command that does.

use clap::Args;

use super::failure::{Exit, Failure};
use super::json::bare;
use super::request::{parse_pair, to_labels};
use super::when::{When, parse_when};
use crate::pb::v1::{TaskFilters, TaskStatus};

/// Which tasks are meant; without a flag, all.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Filters")]
pub struct FilterArgs {
    /// Only tasks in this status, as completed; may be repeated
    #[arg(long, value_name = "STATUS", value_parser = parse_status)]
    status: Vec<TaskStatus>,
    /// Only tasks of this model
    #[arg(
        long,
        short,
        value_name = "NAME",
        default_value = "",
        hide_default_value = true
    )]
    model: String,
    /// Only tasks with this label; may be repeated, and then all are needed
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = parse_pair)]
    labels: Vec<(String, String)>,
    /// Only tasks created at this time or later: 2026-01-31 (its first moment in UTC),
    /// 2026-01-31T12:00:00Z, or 7d for so long ago
    #[arg(long, value_name = "TIME", value_parser = parse_when)]
    since: Option<When>,
    /// Only tasks created before this time
    #[arg(long, value_name = "TIME", value_parser = parse_when)]
    until: Option<When>,
}

impl FilterArgs {
    /// As the contract has them. What can choose nothing is refused.
    pub fn to_proto(&self) -> Result<TaskFilters, Failure> {
        let usage = |text: String| Failure::new(Exit::Usage, text);
        let moment = |flag: &str, when: Option<When>| {
            let wrong = |problem| usage(format!("{flag}: {problem}"));
            when.map(When::to_proto).transpose().map_err(wrong)
        };
        let since = moment("--since", self.since)?;
        let until = moment("--until", self.until)?;
        if let (Some(since), Some(until)) = (&since, &until)
            && (since.seconds, since.nanos) >= (until.seconds, until.nanos)
        {
            return Err(usage("--until: must be later than --since".to_owned()));
        }
        Ok(TaskFilters {
            statuses: self.status.iter().map(|status| (*status).into()).collect(),
            model: self.model.clone(),
            labels: to_labels(&self.labels)?,
            create_time_after: since,
            create_time_before: until,
        })
    }
}

/// Parses a status in small letters.
fn parse_status(text: &str) -> Result<TaskStatus, String> {
    let name = format!("TASK_STATUS_{}", text.to_uppercase().replace('-', "_"));
    let known =
        TaskStatus::from_str_name(&name).filter(|status| *status != TaskStatus::Unspecified);
    known.ok_or_else(|| {
        let names = (1..).map_while(|number| TaskStatus::try_from(number).ok());
        let names = names.map(|status| bare(status.as_str_name(), "TASK_STATUS_").to_lowercase());
        format!(
            "`{text}` is none of: {}",
            names.collect::<Vec<_>>().join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        filters: FilterArgs,
    }

    fn filters(line: &str) -> Result<TaskFilters, Failure> {
        Line::parse_from(line.split(' ')).filters.to_proto()
    }

    #[test]
    fn a_status_is_named_in_small_letters() {
        assert_eq!(parse_status("in-progress"), Ok(TaskStatus::InProgress));
        assert_eq!(parse_status("COMPLETED"), Ok(TaskStatus::Completed));
        let told = parse_status("unspecified").unwrap_err();
        assert!(
            told.contains("queued") && told.contains("submission_unknown"),
            "{told}"
        );
    }

    #[test]
    fn what_can_choose_no_task_is_refused() {
        for (line, said) in [
            ("x --since 2026-02-01 --until 2026-01-01", "--until"),
            ("x --since 2026-02-01 --until 2026-02-01", "--until"),
            ("x --since 1d --until 7d", "--until"),
            ("x --label a=b --label a=c", "`a` is given twice"),
        ] {
            let failure = filters(line).unwrap_err();
            assert_eq!(failure.exit, Exit::Usage);
            assert!(failure.message.contains(said), "{}", failure.message);
        }
    }

    #[test]
    fn every_filter_reaches_the_server() {
        let line = "x --status failed --status queued -m gen4.5 --label a=b --label c=d \
                    --since 7d --until 1d";
        let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
        let filters = filters(&line).unwrap();
        assert_eq!((filters.statuses.len(), filters.labels.len()), (2, 2));
        assert_eq!(filters.model, "gen4.5");
        assert!(filters.create_time_after.is_some() && filters.create_time_before.is_some());
        assert_eq!(self::filters("x").unwrap(), TaskFilters::default());
    }
}
