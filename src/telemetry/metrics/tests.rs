//! What the declarations promise, and that labels stay within bounds whatever they say.

use std::collections::BTreeSet;

use metrics::Counter;

use super::series::{MOST_SERIES, OTHER};
use super::table::ALL;
use super::{Family, Kind, Metric, names, series};

#[test]
fn every_metric_is_declared_once_and_as_the_house_names_things() {
    let mut seen = BTreeSet::new();
    for metric in ALL {
        let Metric {
            name,
            kind,
            labels,
            help,
        } = metric;
        assert!(seen.insert(name), "{name} twice");
        assert!(name.starts_with("mediagen_"), "{name}");
        let plain = |letter: char| letter.is_ascii_lowercase() || letter == '_';
        assert!(name.chars().all(plain), "{name}");
        assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
        assert!(help.ends_with('.') && help.len() > 15, "{name}: {help}");
        let known = LABELS.iter().copied().collect::<BTreeSet<_>>();
        assert!(labels.iter().all(|label| known.contains(label)), "{name}");
        if let Kind::Histogram(buckets) = kind {
            assert!(buckets.is_sorted() && buckets.len() < 16, "{name}");
        }
    }
}

#[test]
fn what_is_declared_is_told_of_once_and_before_it_happens() {
    let text = series::render();
    for Metric { name, kind, .. } in ALL {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram(_) => "histogram",
        };
        let line = format!("# TYPE {name} {kind}\n");
        assert_eq!(text.matches(&line).count(), 1, "{name}");
        let help = format!("# HELP {name} ");
        assert_eq!(text.matches(&help).count(), 1, "{name}");
    }
}

#[test]
fn the_dashboard_shows_every_metric_and_no_other() {
    let text = include_str!("../../../grafana/mediagen.json");
    let board: serde_json::Value = serde_json::from_str(text).unwrap();
    let panels = board["panels"].as_array().unwrap();
    let mut ids = BTreeSet::new();
    let mut shown = BTreeSet::new();
    for panel in panels {
        assert!(ids.insert(panel["id"].as_i64().unwrap()), "{panel:#}");
        for target in panel["targets"].as_array().into_iter().flatten() {
            assert_eq!(target["datasource"]["uid"], "${datasource}");
            let used = named(target["expr"].as_str().unwrap());
            assert!(!used.is_empty(), "{target:#}");
            shown.extend(used);
        }
    }
    for variable in board["templating"]["list"].as_array().unwrap() {
        let query = variable["definition"].as_str().unwrap_or_default();
        assert!(named(query).iter().all(|name| is_declared(name)), "{query}");
    }
    let unknown: Vec<_> = shown.iter().filter(|name| !is_declared(name)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    let missing = ALL.iter().filter(|metric| {
        let forms = ["", "_bucket", "_count"];
        forms
            .iter()
            .all(|form| !shown.contains(&format!("{}{form}", metric.name)))
    });
    let missing: Vec<_> = missing.map(|metric| metric.name).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// The words of an expression that begin as our metrics do.
fn named(expr: &str) -> Vec<String> {
    let word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let words = expr.split(|letter| !word(letter));
    words
        .filter(|word| word.starts_with("mediagen"))
        .map(str::to_owned)
        .collect()
}

fn is_declared(name: &str) -> bool {
    ALL.iter().any(|metric| match metric.kind {
        Kind::Histogram(_) => ["_bucket", "_sum", "_count"]
            .iter()
            .any(|form| name.strip_suffix(form) == Some(metric.name)),
        Kind::Counter | Kind::Gauge => name == metric.name,
    })
}

#[test]
fn a_thousand_names_that_nobody_configured_are_one() {
    names::know(["gen9"], ["main"], ["fast"]);
    for number in 0..1000 {
        let hostile = format!("gen9\"}} 1\nevil{{n=\"{number}");
        assert_eq!(names::model(&hostile), OTHER);
        assert_eq!(names::account(&hostile), OTHER);
        assert_eq!(names::deployment(&format!("main/{hostile}")), OTHER);
    }
    assert_eq!(names::model("gen9"), "gen9");
    assert_eq!(names::deployment("main/gen9"), "main/gen9");
    assert_eq!(names::deployment("fast"), "fast");
    assert_eq!(names::deployment("slow/gen9"), OTHER);
}

#[test]
fn series_are_bounded_and_no_label_breaks_a_line() {
    static MADE_UP: Family<Counter> = Family::new(Metric {
        name: "made_up_total",
        kind: Kind::Counter,
        labels: &["model", "kind"],
        help: "Of this test.",
    });
    for number in 0..MOST_SERIES + 500 {
        let hostile = format!("a\"\\\n{number}\u{7}");
        MADE_UP.at(&[&hostile, "x"]).increment(1);
        MADE_UP.at(&[&hostile, "x"]).increment(1);
    }
    let text = series::render();
    let lines = text
        .lines()
        .filter(|line| line.starts_with("made_up_total{"));
    let lines: Vec<_> = lines.collect();
    assert_eq!(lines.len(), MOST_SERIES + 1);
    assert!(lines.contains(&"made_up_total{model=\"a___0_\",kind=\"x\"} 2"));
    assert!(lines.contains(&"made_up_total{model=\"other\",kind=\"other\"} 1000"));
    assert!(!text.contains('\u{7}'));
}

/// Every label that there is. None can hold what callers write.
const LABELS: [&str; 14] = [
    "account",
    "call",
    "code",
    "deployment",
    "fault",
    "kind",
    "method",
    "model",
    "outcome",
    "reason",
    "route",
    "state",
    "status",
    "version",
];
