//! Durations, sizes and dollars as people write them: `1h30m`, `250ms`, `16MiB`, `0.01`.

use std::ops::RangeInclusive;
use std::time::Duration;

/// Parses one or more numbers with units: `ms`, `s`, `m`, `h`, `d`.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no duration; write it as 250ms, 5s, 30m, 1h30m or 30d");
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let (number, unit, tail) = leading(rest).ok_or_else(wrong)?;
        let millis = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(wrong()),
        };
        let part = number.checked_mul(millis).map(Duration::from_millis);
        total = part
            .and_then(|part| total.checked_add(part))
            .ok_or_else(wrong)?;
        rest = tail;
    }
    if text.is_empty() {
        Err(wrong())
    } else {
        Ok(total)
    }
}

/// Parses a number of bytes, alone or with a unit: `KiB`, `MiB`, `GiB`, `TiB`, `kB`, `MB`, `GB`, `TB`.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is no size; write it as 64KiB, 16MiB, 2GiB or in bytes");
    let (number, unit, rest) = leading(text).ok_or_else(wrong)?;
    let factor: u64 = match unit {
        "" | "B" => 1,
        "kB" => 1_000,
        "KiB" => 1 << 10,
        "MB" => 1_000_000,
        "MiB" => 1 << 20,
        "GB" => 1_000_000_000,
        "GiB" => 1 << 30,
        "TB" => 1_000_000_000_000,
        "TiB" => 1 << 40,
        _ => return Err(wrong()),
    };
    if !rest.is_empty() {
        return Err(wrong());
    }
    number.checked_mul(factor).ok_or_else(wrong)
}

/// Parses an amount of US dollars, `0.01` or `12`, exactly into millionths of one.
pub fn parse_usd_micros(text: &str) -> Result<u64, String> {
    let wrong =
        || format!("`{text}` is no amount of dollars; write it as 0.01, with 6 decimals at most");
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(part) || part.len() > 6 {
        return Err(wrong());
    }
    let whole: u64 = whole.parse().map_err(|_| wrong())?;
    let part: u64 = format!("{part:0<6}").parse().map_err(|_| wrong())?;
    let micros = whole.checked_mul(1_000_000);
    micros
        .and_then(|micros| micros.checked_add(part))
        .ok_or_else(wrong)
}

/// Millionths of a US dollar as [`parse_usd_micros`] reads them.
pub fn show_usd_micros(micros: u64) -> String {
    let text = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A duration as [`parse_duration`] reads it, in its largest units.
pub fn show_duration(duration: Duration) -> String {
    let mut millis = duration.as_millis();
    let mut text = String::new();
    for (unit, size) in [
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1_000),
        ("ms", 1),
    ] {
        if millis >= size {
            text.push_str(&(millis / size).to_string());
            text.push_str(unit);
            millis %= size;
        }
    }
    if text.is_empty() { "0s".into() } else { text }
}

/// A size as [`parse_bytes`] reads it, in the largest unit that divides it.
pub fn show_bytes(bytes: u64) -> String {
    for (unit, shift) in [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)] {
        if bytes >= 1 << shift && bytes.trailing_zeros() >= shift {
            return format!("{}{unit}", bytes >> shift);
        }
    }
    format!("{bytes} bytes")
}

/// Parses a number of bytes within bounds.
pub fn bytes_within<T>(text: &str, bounds: &RangeInclusive<T>) -> Result<T, String>
where
    T: Copy + PartialOrd + TryFrom<u64> + TryInto<u64>,
{
    let bytes = parse_bytes(text)?;
    let value = T::try_from(bytes).map_err(|_| format!("`{text}` is too large"))?;
    within(value, bounds, |value| {
        show_bytes((*value).try_into().unwrap_or(u64::MAX))
    })
}

/// A value within bounds, or the sentence that says that it is not.
pub fn within<T: PartialOrd>(
    value: T,
    bounds: &RangeInclusive<T>,
    show: impl Fn(&T) -> String,
) -> Result<T, String> {
    if bounds.contains(&value) {
        return Ok(value);
    }
    let (value, least, most) = (show(&value), show(bounds.start()), show(bounds.end()));
    Err(format!("{value} is out of bounds: {least} to {most}"))
}

/// The number and unit that `text` begins with, and the rest.
fn leading(text: &str) -> Option<(u64, &str, &str)> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, rest) = text.split_at(digits);
    let rest = rest.trim_start();
    let letters = rest
        .find(|c: char| !c.is_ascii_alphabetic())
        .unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(letters);
    Some((number.parse().ok()?, unit, rest.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_are_read_exactly_or_not_at_all() {
        for (text, micros) in [
            ("0.01", 10_000),
            ("0", 0),
            ("1", 1_000_000),
            ("0.000001", 1),
            ("1000.000000", 1_000_000_000),
            ("12.5", 12_500_000),
        ] {
            assert_eq!(parse_usd_micros(text), Ok(micros), "{text}");
            assert_eq!(parse_usd_micros(&show_usd_micros(micros)), Ok(micros));
        }
        for text in [
            "",
            ".",
            "1.",
            ".5",
            "-1",
            "+1",
            "1e-2",
            "0,01",
            "0.0000001",
            "0.01 ",
            "$1",
            "0.0.1",
            "٣",
            "99999999999999999999",
            "18446744073709551615",
        ] {
            assert!(parse_usd_micros(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_are_read_and_shown() {
        for (text, millis) in [
            ("250ms", 250),
            ("5s", 5_000),
            ("1h30m", 5_400_000),
            ("30d", 2_592_000_000),
            ("0s", 0),
        ] {
            let duration = parse_duration(text).unwrap();
            assert_eq!(duration, Duration::from_millis(millis), "{text}");
            assert_eq!(show_duration(duration), text);
        }
        assert_eq!(parse_duration("1h 30m"), Ok(Duration::from_mins(90)));
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in [
            "",
            "5",
            "s",
            "-5s",
            "5 weeks",
            "1.5h",
            "5s,",
            "99999999999999999999s",
            "18446744073709551615d",
        ] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_read_and_shown() {
        for (text, bytes) in [
            ("64KiB", 65_536),
            ("2GiB", 2 << 30),
            ("1TiB", 1 << 40),
            ("1000 bytes", 1_000),
        ] {
            if !text.contains(' ') {
                assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
            }
            assert_eq!(show_bytes(bytes), text);
        }
        assert_eq!(parse_bytes("16 MB"), Ok(16_000_000));
        assert_eq!(parse_bytes("42"), Ok(42));
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in [
            "",
            "MiB",
            "-1",
            "1.5GiB",
            "5 lots",
            "1KiB 2",
            "99999999999TiB",
        ] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
    }
}
