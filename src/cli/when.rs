//! Moments as people write them: a date, an RFC 3339 time, or how long ago.

use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};

use crate::clock::Clock;
use crate::config::quantity::parse_duration;

/// A moment, or a distance from now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// This moment.
    At(Timestamp),
    /// So long before now.
    Ago(Duration),
}

impl When {
    /// As the contract writes it.
    pub fn to_proto(self) -> Result<prost_types::Timestamp, String> {
        self.before(Clock.now_ms())
    }

    fn before(self, now_ms: i64) -> Result<prost_types::Timestamp, String> {
        let moment = match self {
            Self::At(moment) => Some(moment),
            Self::Ago(span) => {
                let span = SignedDuration::try_from(span).ok();
                let now = Timestamp::from_millisecond(now_ms).ok();
                now.zip(span)
                    .and_then(|(now, span)| now.checked_sub(span).ok())
            }
        };
        let moment = moment.ok_or("lies before all calendars")?;
        // The contract counts its fractions forward, also before the epoch.
        let nanos = moment.as_nanosecond();
        let second = 1_000_000_000;
        Ok(prost_types::Timestamp {
            seconds: i64::try_from(nanos.div_euclid(second)).unwrap_or(i64::MAX),
            nanos: i32::try_from(nanos.rem_euclid(second)).unwrap_or(0),
        })
    }
}

/// Parses `2026-01-31` (its first moment in UTC), `2026-01-31T12:00:00Z`, or `7d` (so long ago).
pub fn parse_when(text: &str) -> Result<When, String> {
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(When::At(moment));
    }
    let is_date = text.len() == "2026-01-31".len();
    if let Some(date) = text.parse::<Date>().ok().filter(|_| is_date) {
        let midnight = Offset::UTC.to_timestamp(date.at(0, 0, 0, 0));
        return midnight.map(When::At).map_err(|error| error.to_string());
    }
    let span = parse_duration(text).map(When::Ago);
    span.map_err(|_| {
        format!("`{text}` is no time; write it as 2026-01-31, 2026-01-31T12:00:00Z or, for so long ago, 7d")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(text: &str) -> (i64, i32) {
        let now_ms = 1_000_000_500;
        let moment = parse_when(text).unwrap().before(now_ms).unwrap();
        (moment.seconds, moment.nanos)
    }

    #[test]
    fn a_date_a_time_and_a_span_are_moments() {
        assert_eq!(seconds("2026-01-31"), (1_769_817_600, 0));
        assert_eq!(seconds("2026-01-31T12:00:00Z"), (1_769_860_800, 0));
        assert_eq!(
            seconds("2026-01-31T12:00:00.5+01:00"),
            (1_769_857_200, 500_000_000)
        );
        assert_eq!(seconds("1d"), (1_000_000 - 86_400, 500_000_000));
        assert_eq!(seconds("1h30m"), (1_000_000 - 5_400, 500_000_000));
        assert_eq!(seconds("1969-12-31T23:59:59.25Z"), (-1, 250_000_000));
    }

    #[test]
    fn nonsense_is_refused_with_the_ways_to_write_it() {
        for text in [
            "",
            "now",
            "7",
            "yesterday",
            "2026-13-01",
            "2026-01-31T12:00:00",
            "20260131",
            "-7d",
        ] {
            let told = parse_when(text).unwrap_err();
            assert!(told.contains("7d"), "{text}: {told}");
        }
        let eternity = parse_when("9999999999d").unwrap();
        assert!(eternity.before(0).is_err());
    }
}
