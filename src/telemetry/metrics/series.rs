//! Series of a declared metric, each made once and found again by its labels.
//!
//! The number of series is bounded whatever the labels say: beyond [`MOST_SERIES`] of one metric
//! the rest share one whose labels are all `other`. Finding a series neither allocates nor formats.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata, Recorder};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusRecorder};
use parking_lot::RwLock;

use super::table::ALL;

/// A declared metric.
#[derive(Debug)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// What its values are.
    pub kind: Kind,
    /// The names of its labels, in the order that values are given in.
    pub labels: &'static [&'static str],
    /// What it says, for people.
    pub help: &'static str,
}

/// What a metric's values are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Only rises.
    Counter,
    /// Rises and falls.
    Gauge,
    /// Values sorted into buckets with these upper bounds, ascending.
    Histogram(&'static [f64]),
}

impl Kind {
    /// Its name in what Prometheus reads.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}

/// A metric and all its series.
pub struct Family<H> {
    metric: Metric,
    series: RwLock<BTreeMap<Box<str>, H>>,
}

/// What a series is written through.
pub trait Handle: Clone {
    /// The one of a key.
    fn of(recorder: &PrometheusRecorder, key: &Key) -> Self;
}

impl Handle for Counter {
    fn of(recorder: &PrometheusRecorder, key: &Key) -> Self {
        recorder.register_counter(key, &METADATA)
    }
}

impl Handle for Gauge {
    fn of(recorder: &PrometheusRecorder, key: &Key) -> Self {
        recorder.register_gauge(key, &METADATA)
    }
}

impl Handle for Histogram {
    fn of(recorder: &PrometheusRecorder, key: &Key) -> Self {
        recorder.register_histogram(key, &METADATA)
    }
}

impl<H> Family<H> {
    /// A metric without series.
    pub const fn new(metric: Metric) -> Self {
        Self {
            metric,
            series: RwLock::new(BTreeMap::new()),
        }
    }

    /// What is declared.
    pub const fn metric(&self) -> &Metric {
        &self.metric
    }
}

impl<H: Handle> Family<H> {
    /// The series with these values, one for each label in their order.
    pub fn at(&self, values: &[&str]) -> H {
        debug_assert_eq!(
            values.len(),
            self.metric.labels.len(),
            "{}",
            self.metric.name
        );
        let find = |joined: &str| self.series.read().get(joined).cloned();
        let found = match values {
            [] => find(""),
            [one] => find(one),
            _ => JOINED.with_borrow_mut(|joined| {
                join(joined, values);
                find(joined)
            }),
        };
        found.unwrap_or_else(|| self.make(values))
    }

    fn make(&self, values: &[&str]) -> H {
        let mut joined = String::new();
        join(&mut joined, values);
        let mut series = self.series.write();
        if series.len() >= MOST_SERIES && !series.contains_key(&*joined) {
            let other = vec![OTHER; values.len()];
            let key = self.key(&other);
            return H::of(&RECORDER, &key);
        }
        let made = || H::of(&RECORDER, &self.key(values));
        series.entry(joined.into()).or_insert_with(made).clone()
    }

    fn key(&self, values: &[&str]) -> Key {
        let labels = self.metric.labels.iter().zip(values);
        let labels: Vec<Label> = labels
            .map(|(name, value)| Label::new(*name, plain(value)))
            .collect();
        Key::from_parts(self.metric.name, labels)
    }
}

fn join(joined: &mut String, values: &[&str]) {
    joined.clear();
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            joined.push(SEPARATOR);
        }
        joined.push_str(value);
    }
}

/// A label's value that breaks no line and no reader: short, and without quotes or control
/// characters.
fn plain(value: &str) -> String {
    let safe = |letter: char| match letter {
        '"' | '\\' => '_',
        letter if letter.is_control() => '_',
        letter => letter,
    };
    value.chars().take(LONGEST_VALUE).map(safe).collect()
}

/// All series as Prometheus reads them, and what is declared that has none yet.
pub fn render() -> String {
    let mut text = RECORDER.handle().render();
    for metric in ALL {
        let Metric { name, help, .. } = metric;
        if !text.contains(&format!("# TYPE {name} ")) {
            let kind = metric.kind.as_str();
            text += &[
                "# HELP ",
                name,
                " ",
                help,
                "\n# TYPE ",
                name,
                " ",
                kind,
                "\n\n",
            ]
            .concat();
        }
    }
    text
}

/// Sorts what histograms were given into their buckets, so that it does not pile up unread.
pub fn tidy() {
    RECORDER.handle().run_upkeep();
}

static RECORDER: LazyLock<PrometheusRecorder> = LazyLock::new(|| {
    let mut builder = PrometheusBuilder::new();
    for metric in ALL {
        if let Kind::Histogram(buckets) = metric.kind {
            let name = Matcher::Full(metric.name.to_owned());
            builder = builder
                .set_buckets_for_metric(name, buckets)
                .expect("a declared histogram has buckets");
        }
    }
    let recorder = builder.build_recorder();
    for metric in ALL {
        let (name, help) = (metric.name.into(), metric.help.into());
        match metric.kind {
            Kind::Counter => recorder.describe_counter(name, None, help),
            Kind::Gauge => recorder.describe_gauge(name, None, help),
            Kind::Histogram(_) => recorder.describe_histogram(name, None, help),
        }
    }
    recorder
});

thread_local! {
    static JOINED: RefCell<String> = const { RefCell::new(String::new()) };
}

/// What stands for values that are not among the known ones.
pub const OTHER: &str = "other";
/// Series of one metric at most, beside the one of all others.
pub const MOST_SERIES: usize = 4096;
/// Characters of a label's value at most.
const LONGEST_VALUE: usize = 128;
const SEPARATOR: char = '\u{1f}';
static METADATA: Metadata<'static> = Metadata::new("mediagen", Level::INFO, None);
