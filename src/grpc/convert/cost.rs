//! `CostReport` and `EstimateCost`, both ways.

use super::Violations;
use super::names;
use super::request::{read_filters, read_page_size};
use super::task::{cost, signed};
use crate::domain::model::spelled;
use crate::domain::money::{Charge, Cost, UsdRate};
use crate::pb::v1;
use crate::service::{CostKey, CostRequest, CostRow, CostTotals, Costs, Estimate, Grouping};

/// What a report asks for.
pub(in crate::grpc) fn cost_request(
    given: v1::CostReportRequest,
) -> Result<CostRequest, tonic::Status> {
    let mut found = Violations::default();
    let mut group_by = read_dimensions(&given.group_by, &mut found);
    group_by.extend(read_label_keys(given.group_by_labels, &mut found));
    let request = CostRequest {
        filters: read_filters(given.filters, &mut found),
        group_by,
        page_size: read_page_size(given.page_size, &mut found),
        page_token: given.page_token,
    };
    found.none(Some(request))
}

fn read_dimensions(given: &[i32], found: &mut Violations) -> Vec<Grouping> {
    let mut group_by = Vec::new();
    for (index, number) in given.iter().enumerate() {
        let field = || format!("group_by[{index}]");
        let grouping = match v1::CostDimension::try_from(*number) {
            Ok(v1::CostDimension::Model) => Grouping::Model,
            Ok(v1::CostDimension::Deployment) => Grouping::Deployment,
            Ok(v1::CostDimension::Day) => Grouping::Day,
            Ok(v1::CostDimension::Unspecified) | Err(_) => {
                found.field(field(), "must be MODEL, DEPLOYMENT or DAY");
                continue;
            }
        };
        if group_by.contains(&grouping) {
            found.field(field(), "is given before: each may be given once");
        } else {
            group_by.push(grouping);
        }
    }
    group_by
}

fn read_label_keys(given: Vec<String>, found: &mut Violations) -> Vec<Grouping> {
    if given.len() > MAX_KEYS {
        let problem = format!("takes at most {MAX_KEYS}; got {}", given.len());
        found.field("group_by_labels", problem);
        return Vec::new();
    }
    let mut group_by = Vec::new();
    for (index, key) in given.into_iter().enumerate() {
        let field = format!("group_by_labels[{index}]");
        let length = key.chars().take(LONGEST_KEY + 1).count();
        let grouping = Grouping::Label(key);
        if !(1..=LONGEST_KEY).contains(&length) {
            found.field(field, format!("takes 1 to {LONGEST_KEY} characters"));
        } else if group_by.contains(&grouping) {
            found.field(field, "is given before: each may be given once");
        } else {
            group_by.push(grouping);
        }
    }
    group_by
}

/// A page of a report; `group_by` is what its keys mean.
pub(in crate::grpc) fn costs(
    costs: Costs,
    group_by: &[Grouping],
    rate: UsdRate,
) -> v1::CostReportResponse {
    let rows = costs.rows.into_iter();
    v1::CostReportResponse {
        rows: rows.map(|one| row(one, group_by, rate)).collect(),
        next_page_token: costs.next_page_token,
        totals: Some(totals(&costs.totals, rate)),
    }
}

fn row(row: CostRow, group_by: &[Grouping], rate: UsdRate) -> v1::CostReportRow {
    let mut shown = v1::CostReportRow {
        totals: Some(totals(&row.totals, rate)),
        ..v1::CostReportRow::default()
    };
    for (key, grouping) in row.keys.into_iter().zip(group_by) {
        match (grouping, key) {
            (Grouping::Model, CostKey::Text(model)) => shown.model = model,
            (Grouping::Deployment, CostKey::Text(name)) => shown.deployment = name,
            (Grouping::Day, CostKey::Day(day)) => shown.day = date(day),
            (Grouping::Label(name), CostKey::Text(value)) => {
                shown.labels.insert(name.clone(), value);
            }
            // A label that the tasks lack is absent; no other key comes in another form.
            (_, CostKey::Missing | CostKey::Text(_) | CostKey::Day(_)) => {}
        }
    }
    shown
}

/// The sums; dollars are reckoned from each sum, so that no part is rounded away.
fn totals(sums: &CostTotals, rate: UsdRate) -> v1::CostTotals {
    v1::CostTotals {
        task_count: sums.tasks,
        actual_millicredits: signed(sums.actual.0),
        actual_usd_micros: signed(sums.actual.usd_micros(rate)),
        estimated_millicredits: signed(sums.estimated.0),
        estimated_usd_micros: signed(sums.estimated.usd_micros(rate)),
        unknown_count: sums.unknown,
    }
}

/// A day since the epoch as `2026-01-31`; empty for one that no calendar has.
fn date(day: i64) -> String {
    let midnight = day.checked_mul(24 * 60 * 60);
    let moment = midnight.and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    let date = moment.map(|moment| jiff::tz::Offset::UTC.to_datetime(moment).date());
    date.map(|date| date.to_string()).unwrap_or_default()
}

/// The price of a request. Nothing is charged by asking: only the estimated amounts are set.
pub(in crate::grpc) fn estimate(estimate: Estimate, rate: UsdRate) -> v1::EstimateCostResponse {
    let price = Cost {
        estimated: estimate.estimated,
        actual: None,
        charge: Charge::None,
    };
    v1::EstimateCostResponse {
        cost: Some(v1::Cost {
            charge: v1::Charge::Unspecified as i32,
            ..cost(&price, rate)
        }),
        deployments: estimate.deployments,
        operation: names::operation(estimate.operation) as i32,
        model: estimate.model,
        seconds: estimate.seconds,
        size: estimate.size.as_deref().map(spelled).unwrap_or_default(),
        notes: estimate.notes,
    }
}

/// Label keys that a report is grouped by at most.
const MAX_KEYS: usize = 4;
/// Characters of a label's key.
const LONGEST_KEY: usize = 64;

#[cfg(test)]
mod tests {
    use tonic_types::StatusExt as _;

    use super::*;
    use crate::domain::generation::Operation;
    use crate::domain::money::Millicredits;

    fn refused(given: v1::CostReportRequest) -> Vec<String> {
        let details = cost_request(given)
            .expect_err("is refused")
            .get_error_details();
        assert_eq!(details.error_info().unwrap().reason, "FIELD_INVALID");
        let fields = details.bad_request().unwrap().field_violations.iter();
        fields.map(|found| found.field.clone()).collect()
    }

    fn keys(keys: &[&str]) -> Vec<String> {
        keys.iter().map(|&key| key.to_owned()).collect()
    }

    #[test]
    fn everything_wrong_with_a_report_is_told_at_once() {
        let given = v1::CostReportRequest {
            group_by: vec![1, 0, 3, 1, 99],
            group_by_labels: keys(&["team", "", "team", &"x".repeat(65)]),
            page_size: -1,
            filters: Some(v1::TaskFilters {
                statuses: vec![0],
                ..v1::TaskFilters::default()
            }),
            page_token: String::new(),
        };
        let expected = [
            "group_by[1]",
            "group_by[3]",
            "group_by[4]",
            "group_by_labels[1]",
            "group_by_labels[2]",
            "group_by_labels[3]",
            "filters.statuses[0]",
            "page_size",
        ];
        assert_eq!(refused(given), expected);
        let many = v1::CostReportRequest {
            group_by_labels: keys(&["a", "b", "c", "d", "e"]),
            ..v1::CostReportRequest::default()
        };
        assert_eq!(refused(many), ["group_by_labels"]);
    }

    #[test]
    fn groupings_keep_their_order_labels_last() {
        let longest = "ü".repeat(64);
        let request = cost_request(v1::CostReportRequest {
            group_by: vec![3, 1, 2],
            group_by_labels: keys(&["team", &longest]),
            ..v1::CostReportRequest::default()
        });
        let label = |name: &str| Grouping::Label(name.to_owned());
        let expected = [
            Grouping::Day,
            Grouping::Model,
            Grouping::Deployment,
            label("team"),
            label(&longest),
        ];
        assert_eq!(request.unwrap().group_by, expected);
    }

    #[test]
    fn a_row_names_its_keys_and_leaves_out_a_label_that_lacks() {
        let label = |name: &str| Grouping::Label(name.to_owned());
        let group_by = [Grouping::Day, label("team"), label("empty"), label("none")];
        let keys = vec![
            CostKey::Day(20_484),
            CostKey::Text("x".to_owned()),
            CostKey::Text(String::new()),
            CostKey::Missing,
        ];
        let sums = CostTotals {
            tasks: 3,
            actual: Millicredits(1_001),
            estimated: Millicredits(u64::MAX),
            unknown: 1,
        };
        let one = CostRow { keys, totals: sums };
        let shown = row(one, &group_by, UsdRate(12_345));
        assert_eq!(shown.day, "2026-01-31");
        assert_eq!((shown.model.as_str(), shown.deployment.as_str()), ("", ""));
        let labels = [("team", "x"), ("empty", "")];
        assert_eq!(
            shown.labels,
            labels.map(|(k, v)| (k.to_owned(), v.to_owned())).into()
        );
        let sums = shown.totals.unwrap();
        assert_eq!((sums.task_count, sums.unknown_count), (3, 1));
        assert_eq!(
            (sums.actual_millicredits, sums.actual_usd_micros),
            (1_001, 12_357)
        );
        assert_eq!(sums.estimated_millicredits, i64::MAX);
    }

    #[test]
    fn days_beyond_the_calendar_are_shown_as_none() {
        assert_eq!(date(0), "1970-01-01");
        assert_eq!(
            (date(i64::MAX), date(i64::MIN)),
            (String::new(), String::new())
        );
    }

    #[test]
    fn an_unknown_price_is_absent_and_never_nothing() {
        let asked = |estimated: Option<u64>| Estimate {
            estimated: estimated.map(Millicredits),
            deployments: vec!["a/gen4.5".to_owned()],
            operation: Operation::TextToVideo,
            model: "gen4.5".to_owned(),
            seconds: Some(5),
            size: Some("1280:720".to_owned()),
            notes: vec!["assumed the dearest size".to_owned()],
        };
        let known = estimate(asked(Some(60_000)), UsdRate::ONE_CENT);
        let price = known.cost.unwrap();
        assert_eq!(price.estimated_millicredits, Some(60_000));
        assert_eq!(price.estimated_usd_micros, Some(600_000));
        assert_eq!(price.charge(), v1::Charge::Unspecified);
        assert_eq!(known.size, "1280x720");
        assert_eq!(known.notes, ["assumed the dearest size"]);
        let unknown = estimate(asked(None), UsdRate::ONE_CENT);
        assert_eq!(unknown.cost, Some(v1::Cost::default()));
    }
}
