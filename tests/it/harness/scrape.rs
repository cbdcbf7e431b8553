//! `/metrics` as Prometheus reads it: strictly.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use mediagen::telemetry::metrics::Kind;
use mediagen::telemetry::metrics::table::ALL;

use super::within;

/// An answer over HTTP/1.1.
pub async fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let http = reqwest::Client::builder().http1_only().no_proxy().build();
    let sent = http.unwrap().get(format!("http://{address}{path}")).send();
    let answer = within("an answer over HTTP/1.1", sent).await.unwrap();
    let status = answer.status().as_u16();
    (status, answer.text().await.unwrap())
}

/// The labels of a sample and its value.
type Sample = (BTreeMap<String, String>, f64);

/// Everything that `/metrics` said.
pub struct Scraped {
    pub text: String,
    samples: BTreeMap<String, Vec<Sample>>,
}

impl Scraped {
    /// Reads `/metrics`; panics at anything that is not as it must be.
    pub async fn of(address: SocketAddr) -> Self {
        let (status, text) = get(address, "/metrics").await;
        assert_eq!(status, 200, "{text}");
        Self::parse(text)
    }

    fn parse(text: String) -> Self {
        let mut samples: BTreeMap<String, Vec<Sample>> = BTreeMap::new();
        let mut kinds = BTreeMap::new();
        let mut series = BTreeSet::new();
        assert!(text.ends_with('\n'));
        for line in text.lines().filter(|line| !line.is_empty()) {
            if let Some(comment) = line.strip_prefix("# ") {
                let mut words = comment.splitn(3, ' ');
                let (what, name) = (words.next().unwrap(), words.next().unwrap());
                let rest = words.next().unwrap_or_default();
                match what {
                    "TYPE" => assert!(kinds.insert(name.to_owned(), rest.to_owned()).is_none()),
                    "HELP" => assert!(!rest.is_empty(), "{line}"),
                    _ => panic!("{line}"),
                }
                continue;
            }
            let (id, value) = line.rsplit_once(' ').unwrap();
            assert!(series.insert(id.to_owned()), "twice: {line}");
            let (name, labels) = id.split_once('{').map_or((id, ""), |(name, labels)| {
                (name, labels.strip_suffix('}').unwrap())
            });
            let sample = (labels_of(labels), value.parse().unwrap());
            samples.entry(name.to_owned()).or_default().push(sample);
        }
        let scraped = Self { text, samples };
        scraped.check(&kinds);
        scraped
    }

    /// Every name, kind and label is a declared one; buckets rise and the last is the count.
    fn check(&self, kinds: &BTreeMap<String, String>) {
        for (name, samples) in &self.samples {
            let declared = ALL.iter().find(|metric| match metric.kind {
                Kind::Histogram(_) => name
                    .strip_prefix(metric.name)
                    .is_some_and(|form| ["_bucket", "_sum", "_count"].contains(&form)),
                Kind::Counter | Kind::Gauge => metric.name == name,
            });
            let declared = declared.unwrap_or_else(|| panic!("{name} is not declared"));
            let kind = match declared.kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
                Kind::Histogram(_) => "histogram",
            };
            assert_eq!(kinds[declared.name], kind, "{name}");
            for (labels, _) in samples {
                let mut names: BTreeSet<&str> = labels.keys().map(String::as_str).collect();
                assert_eq!(names.remove("le"), name.ends_with("_bucket"), "{name}");
                let expected: BTreeSet<&str> = declared.labels.iter().copied().collect();
                assert_eq!(names, expected, "{name}");
            }
            if let Some(base) = name.strip_suffix("_bucket") {
                self.check_buckets(base, samples);
            }
        }
    }

    fn check_buckets(&self, base: &str, samples: &[Sample]) {
        let mut last: BTreeMap<Vec<(&str, &str)>, f64> = BTreeMap::new();
        for (labels, value) in samples {
            let others = labels.iter().filter(|(name, _)| *name != "le");
            let others = others.map(|(name, value)| (&**name, &**value)).collect();
            let before = last.insert(others, *value).unwrap_or(0.0);
            assert!(before <= *value, "{base} falls: {labels:?}");
        }
        for (others, last) in last {
            let count = self.value(&format!("{base}_count"), &others);
            assert!((count - last).abs() < 0.5, "{base}: {count} and {last}");
        }
    }

    /// The sum of a metric's samples that have these labels; 0 when there are none.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let samples = self.samples.get(name).into_iter().flatten();
        let fits = |sample: &&Sample| {
            let has =
                |(name, value): &(&str, &str)| sample.0.get(*name).is_some_and(|v| v == value);
            labels.iter().all(has)
        };
        samples.filter(fits).map(|(_, value)| value).sum()
    }

    /// The same of what is counted in whole numbers.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is whole and above zero"
    )]
    pub fn count(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        let value = self.value(name, labels);
        assert!(value >= 0.0 && value.fract() == 0.0, "{name}: {value}");
        value as u64
    }

    /// How many series there are.
    pub fn series(&self) -> usize {
        self.samples.values().map(Vec::len).sum()
    }
}

/// The labels between the braces.
fn labels_of(mut text: &str) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    while !text.is_empty() {
        let (name, rest) = text.split_once("=\"").unwrap();
        let (value, rest) = rest.split_once('"').unwrap();
        assert!(!value.contains('\\'), "{value}");
        assert!(labels.insert(name.to_owned(), value.to_owned()).is_none());
        text = rest.strip_prefix(',').unwrap_or(rest);
    }
    labels
}
