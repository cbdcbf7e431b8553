//! `mediagen costs`: what tasks cost, as a table with its sums.

use std::collections::HashMap;

use clap::Args;
use serde_json::{Value as Json, json};

use super::client::{ClientArgs, explain};
use super::failure::{Exit, Failure};
use super::filter::FilterArgs;
use super::show;
use crate::pb::v1::{CostDimension, CostReportRequest, CostReportRow, CostTotals};

/// Flags of `costs`.
#[derive(Args, Clone, Debug)]
pub struct CostsArgs {
    /// Splits the sums: model, deployment, day (in UTC) or label:KEY, with commas between; may be
    /// repeated [default: model]
    #[arg(long, value_name = "WHAT", value_delimiter = ',', value_parser = parse_by)]
    by: Vec<By>,
    /// One sum over everything
    #[arg(long, conflicts_with = "by")]
    total: bool,
    #[command(flatten)]
    filters: FilterArgs,
    #[command(flatten)]
    pub(super) connection: ClientArgs,
}

/// What the sums are split by.
#[derive(Clone, Debug, PartialEq, Eq)]
enum By {
    Dimension(CostDimension),
    Label(String),
}

/// Asks for every page, then shows them as one.
pub async fn run(args: &CostsArgs) -> Result<(), Failure> {
    let mut request = args.to_request()?;
    let mut client = args.connection.connect()?;
    let mut rows = Vec::new();
    let totals = loop {
        let answer = client.cost_report(request.clone()).await;
        let page = answer.map_err(explain)?.into_inner();
        rows.extend(page.rows);
        if page.next_page_token.is_empty() {
            let lacks = || Failure::new(Exit::Other, "the server's answer lacks its totals");
            break page.totals.ok_or_else(lacks)?;
        }
        request.page_token = page.next_page_token;
    };
    if args.connection.json {
        let rows: Vec<_> = rows.iter().map(|row| row_json(row, &request)).collect();
        show::json(&json!({ "rows": rows, "totals": totals_json(&totals) }))
    } else {
        show::line(&table(&rows, &totals, &request))
    }
}

impl CostsArgs {
    fn to_request(&self) -> Result<CostReportRequest, Failure> {
        let mut by = self.by.clone();
        if by.is_empty() && !self.total {
            by.push(By::Dimension(CostDimension::Model));
        }
        let dimension = |by: &By| match by {
            By::Dimension(dimension) => Some(i32::from(*dimension)),
            By::Label(_) => None,
        };
        let label = |by: &By| match by {
            By::Label(key) => Some(key.clone()),
            By::Dimension(_) => None,
        };
        Ok(CostReportRequest {
            filters: Some(self.filters.to_proto()?),
            group_by: by.iter().filter_map(dimension).collect(),
            group_by_labels: by.iter().filter_map(label).collect(),
            page_size: LARGEST_PAGE,
            page_token: String::new(),
        })
    }
}

fn parse_by(text: &str) -> Result<By, String> {
    match text.split_once(':') {
        Some(("label", key)) if !key.is_empty() => Ok(By::Label(key.to_owned())),
        _ => match text {
            "model" => Ok(By::Dimension(CostDimension::Model)),
            "deployment" => Ok(By::Dimension(CostDimension::Deployment)),
            "day" => Ok(By::Dimension(CostDimension::Day)),
            _ => Err(format!(
                "`{text}` is none of: model, deployment, day, label:KEY"
            )),
        },
    }
}

/// The keys of a row, in the order asked for: name and value. A label that the tasks lack has none,
/// nor has a deployment that did not take them.
fn keys<'a>(
    row: &'a CostReportRow,
    asked: &'a CostReportRequest,
) -> Vec<(&'a str, Option<&'a str>)> {
    let dimension = |number: &i32| match CostDimension::try_from(*number) {
        Ok(CostDimension::Model) => ("model", Some(row.model.as_str())),
        Ok(CostDimension::Deployment) => {
            let name = Some(row.deployment.as_str());
            ("deployment", name.filter(|name| !name.is_empty()))
        }
        Ok(CostDimension::Day) => ("day", Some(row.day.as_str())),
        Ok(CostDimension::Unspecified) | Err(_) => ("", None), // never asked for
    };
    let label = |key: &'a String| (key.as_str(), row.labels.get(key).map(String::as_str));
    let dimensions = asked.group_by.iter().map(dimension);
    dimensions
        .chain(asked.group_by_labels.iter().map(label))
        .collect()
}

fn row_json(row: &CostReportRow, asked: &CostReportRequest) -> Json {
    let given = |dimension: CostDimension, key: &str| {
        let asked = asked.group_by.contains(&dimension.into());
        asked.then(|| key.to_owned())
    };
    let labels = asked.group_by_labels.iter();
    let labels: HashMap<_, _> = labels.map(|key| (key, row.labels.get(key))).collect();
    json!({
        "model": given(CostDimension::Model, &row.model),
        "deployment": given(CostDimension::Deployment, &row.deployment),
        "day": given(CostDimension::Day, &row.day),
        "labels": labels,
        "totals": row.totals.as_ref().map(totals_json),
    })
}

fn totals_json(totals: &CostTotals) -> Json {
    json!({
        "task_count": totals.task_count,
        "actual_millicredits": totals.actual_millicredits,
        "actual_usd_micros": totals.actual_usd_micros,
        "estimated_millicredits": totals.estimated_millicredits,
        "estimated_usd_micros": totals.estimated_usd_micros,
        "unknown_count": totals.unknown_count,
    })
}

/// Head, rows and the sum, in columns as wide as they must be: keys on the left, amounts on the
/// right.
fn table(rows: &[CostReportRow], totals: &CostTotals, asked: &CostReportRequest) -> String {
    let names = asked.group_by.len() + asked.group_by_labels.len();
    let mut lines = vec![head(asked)];
    if names > 0 {
        lines.extend(rows.iter().map(|row| {
            let mut cells: Vec<_> = keys(row, asked).iter().map(|(_, key)| cell(*key)).collect();
            cells.extend(amounts(&row.totals.unwrap_or_default()));
            cells
        }));
    }
    let mut sum = vec![String::new(); names];
    if let Some(first) = sum.first_mut() {
        "total".clone_into(first);
    }
    sum.extend(amounts(totals));
    lines.push(sum);
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max();
    let widths: Vec<_> = (0..names + AMOUNTS.len())
        .map(|n| width(n).unwrap_or(0))
        .collect();
    let line = |cells: &Vec<String>| {
        let pad = |(n, cell): (usize, &String)| {
            let width = widths[n];
            if n < names {
                format!("{cell:<width$}")
            } else {
                format!("{cell:>width$}")
            }
        };
        let cells: Vec<_> = cells.iter().enumerate().map(pad).collect();
        cells.join("  ").trim_end().to_owned()
    };
    lines.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn head(asked: &CostReportRequest) -> Vec<String> {
    let blank = CostReportRow::default();
    let names = keys(&blank, asked)
        .into_iter()
        .map(|(name, _)| cell(Some(name)).to_uppercase());
    names.chain(AMOUNTS.map(str::to_owned)).collect()
}

fn amounts(totals: &CostTotals) -> [String; AMOUNTS.len()] {
    [
        totals.task_count.to_string(),
        show::thousandths(totals.actual_millicredits),
        format!("${}", show::millionths(totals.actual_usd_micros)),
        show::thousandths(totals.estimated_millicredits),
        format!("${}", show::millionths(totals.estimated_usd_micros)),
        totals.unknown_count.to_string(),
    ]
}

/// A key, `-` for none.
fn cell(key: Option<&str>) -> String {
    match key {
        None => "-".to_owned(),
        Some("") => "\"\"".to_owned(),
        Some(text) => show::shorten(text, WIDEST_KEY),
    }
}

/// What stands right of the keys: tasks, what was charged, what is open, and how many of the tasks
/// are in neither sum.
const AMOUNTS: [&str; 6] = [
    "TASKS",
    "CHARGED",
    "CHARGED USD",
    "OPEN",
    "OPEN USD",
    "UNKNOWN",
];
/// Rows that a server gives at once.
const LARGEST_PAGE: i32 = 1000;
/// Characters of a key in a table.
const WIDEST_KEY: usize = 40;

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::pb::v1::TaskStatus;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: CostsArgs,
    }

    fn args(line: &str) -> Result<CostsArgs, clap::Error> {
        Line::try_parse_from(line.split(' ')).map(|line| line.args)
    }

    fn totals(actual: i64, estimated: i64, unknown: u64) -> CostTotals {
        CostTotals {
            task_count: 12,
            actual_millicredits: actual,
            actual_usd_micros: actual * 10,
            estimated_millicredits: estimated,
            estimated_usd_micros: estimated * 10,
            unknown_count: unknown,
        }
    }

    #[test]
    fn what_a_team_spent_on_a_model_this_week_is_one_line() {
        let line = "costs --label team=x --model gen4.5 --since 7d --status completed";
        let request = args(line).unwrap().to_request().unwrap();
        let filters = request.filters.unwrap();
        assert_eq!(
            (filters.model.as_str(), filters.labels["team"].as_str()),
            ("gen4.5", "x")
        );
        assert!(filters.create_time_after.is_some() && filters.create_time_before.is_none());
        assert_eq!(filters.statuses, [TaskStatus::Completed as i32]);
        assert_eq!(request.group_by, [CostDimension::Model as i32]);
    }

    #[test]
    fn sums_are_split_as_asked() {
        let request = args("costs --by day,label:team --by model --by label:a:b").unwrap();
        let request = request.to_request().unwrap();
        let dimensions = [CostDimension::Day as i32, CostDimension::Model as i32];
        assert_eq!(request.group_by, dimensions);
        assert_eq!(request.group_by_labels, ["team", "a:b"]);
        let request = args("costs --total").unwrap().to_request().unwrap();
        assert_eq!(request.group_by.len() + request.group_by_labels.len(), 0);
        for wrong in [
            "costs --by week",
            "costs --by label:",
            "costs --by day --total",
            "costs --since 7",
        ] {
            assert!(args(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_table_is_aligned_and_ends_with_its_sums() {
        let asked = args("costs --by model,label:team")
            .unwrap()
            .to_request()
            .unwrap();
        let row = |model: &str, team: Option<&str>, totals| CostReportRow {
            model: model.into(),
            labels: team
                .map(|team| ("team".into(), team.into()))
                .into_iter()
                .collect(),
            totals: Some(totals),
            ..CostReportRow::default()
        };
        let rows = [
            row("gen4.5", None, totals(0, 60_000, 0)),
            row("gen4.5", Some(""), totals(250, 0, 0)),
            row("gen4_turbo", Some("r\u{1b}öd"), totals(1_234_500, 0, 3)),
        ];
        let told = table(&rows, &totals(1_234_750, 60_000, 3), &asked);
        let expected = "\
MODEL       TEAM  TASKS  CHARGED  CHARGED USD  OPEN  OPEN USD  UNKNOWN
gen4.5      -        12        0        $0.00    60     $0.60        0
gen4.5      \"\"       12     0.25      $0.0025     0     $0.00        0
gen4_turbo  r öd     12   1234.5      $12.345     0     $0.00        3
total                12  1234.75     $12.3475    60     $0.60        3";
        assert_eq!(told, expected);
    }

    #[test]
    fn one_sum_over_everything_is_two_lines() {
        let asked = args("costs --total").unwrap().to_request().unwrap();
        let sums = totals(1_000, 0, 0);
        let row = CostReportRow {
            totals: Some(sums),
            ..CostReportRow::default()
        };
        assert_eq!(table(&[row], &sums, &asked).lines().count(), 2);
    }

    #[test]
    fn json_has_null_for_what_was_not_asked_and_for_what_lacks() {
        let asked = args("costs --by deployment,label:team")
            .unwrap()
            .to_request()
            .unwrap();
        let row = row_json(&CostReportRow::default(), &asked);
        assert_eq!(row["deployment"], "");
        assert!(row["model"].is_null() && row["day"].is_null());
        assert_eq!(row["labels"], json!({ "team": null }));
    }
}
