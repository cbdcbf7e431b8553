//! Reads how long a server asks to wait.
//!
//! `retry-after-ms`, then `Retry-After` in seconds or as a date. A date is measured against the
//! answer's own `Date`, so that no clock of ours has to be right. Garbage is as good as nothing.

use std::time::Duration;

use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};

/// The wait, clamped to 1 s … 1 h.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let number = |text: &str| {
        text.parse::<f64>()
            .ok()
            .filter(|n| n.is_finite() && *n >= 0.0)
    };
    let seconds = text("retry-after-ms")
        .and_then(number)
        .map(|ms| ms / 1000.0)
        .or_else(|| {
            let value = text(RETRY_AFTER.as_str())?;
            number(value).or_else(|| Some(date(value)? - date(text(DATE.as_str())?)?))
        })?;
    Some(Duration::from_secs_f64(
        seconds.clamp(MIN_SECONDS, MAX_SECONDS),
    ))
}

/// Seconds since the epoch of an HTTP date.
#[expect(clippy::cast_precision_loss, reason = "whole seconds of any year fit")]
fn date(text: &str) -> Option<f64> {
    let parser = DateTimeParser::new().relaxed_weekday(true);
    Some(parser.parse_timestamp(text).ok()?.as_second() as f64)
}

const MIN_SECONDS: f64 = 1.0;
const MAX_SECONDS: f64 = 3600.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_clamped_or_ignored() {
        let date = "Sun, 22 Nov 2026 08:00:00 GMT";
        for (name, value, expected) in [
            ("retry-after", "7", Some(7.0)),
            ("retry-after", " 7 ", Some(7.0)),
            ("retry-after", "0", Some(1.0)),
            ("retry-after", "0.5", Some(1.0)),
            ("retry-after", "315360000", Some(3600.0)),
            ("retry-after", "-5", None),
            ("retry-after", "NaN", None),
            ("retry-after", "inf", None),
            ("retry-after", "soon", None),
            ("retry-after", "", None),
            ("retry-after", "Sun, 22 Nov 2026 08:01:30 GMT", Some(90.0)),
            ("retry-after", "Sun, 22 Nov 2020 08:00:00 GMT", Some(1.0)),
            ("retry-after", "Sun, 22 Nov 2036 08:00:00 GMT", Some(3600.0)),
            ("retry-after-ms", "2500", Some(2.5)),
            ("retry-after-ms", "1", Some(1.0)),
            ("retry-after-ms", "x", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(DATE, date.parse().unwrap());
            headers.insert(name, value.parse().unwrap());
            assert_eq!(
                retry_after(&headers),
                expected.map(Duration::from_secs_f64),
                "{name}: {value}"
            );
        }
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }

    #[test]
    fn a_date_without_a_date_says_nothing() {
        let mut headers = HeaderMap::new();
        headers.insert(
            RETRY_AFTER,
            "Sun, 22 Nov 2026 08:01:30 GMT".parse().unwrap(),
        );
        assert_eq!(retry_after(&headers), None);
    }
}
