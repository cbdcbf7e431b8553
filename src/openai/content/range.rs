//! How much of a file a request asks for: `Range`, as far as it comes to one range of bytes.
//!
//! Several ranges that the file has and other units are answered with the whole, which RFC 9110 leaves
//! to the server: parts in one body would be a format of their own for what no client of media asks for.

use std::ops::Range;

use http::header::RANGE;
use http::{HeaderMap, HeaderValue};

/// What is asked of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// All of it.
    Whole,
    /// These bytes: at least one, and all within the file.
    Part(Range<u64>),
    /// Bytes that it does not have, or what cannot be read as bytes.
    Nothing,
}

impl Extent {
    /// What these headers ask of a file of `size` bytes.
    pub fn asked(headers: &HeaderMap, size: u64) -> Self {
        let mut values = headers.get_all(RANGE).iter();
        match (values.next(), values.next()) {
            (Some(value), None) => Self::of(value, size),
            _ => Self::Whole,
        }
    }

    fn of(value: &HeaderValue, size: u64) -> Self {
        let bytes = value.as_bytes();
        let Some((unit, ranges)) = bytes.split_at_checked(UNIT.len()) else {
            return Self::Whole;
        };
        if !unit.eq_ignore_ascii_case(UNIT) {
            return Self::Whole;
        }
        let ranges = std::str::from_utf8(ranges).unwrap_or_default();
        let ranges = ranges
            .split(',')
            .map(|range| range.trim_matches([' ', '\t']));
        // An empty place in a list means nothing.
        let parts = ranges.filter(|range| !range.is_empty());
        let parts: Option<Vec<_>> = parts.map(|range| part(range, size)).collect();
        let Some(mut parts) = parts else {
            return Self::Nothing;
        };
        parts.retain(|part| !part.is_empty());
        match parts.as_slice() {
            [] => Self::Nothing,
            [part] => Self::Part(part.clone()),
            _ => Self::Whole,
        }
    }
}

/// The bytes of one range, cut to the file; `None`: it is none.
fn part(range: &str, size: u64) -> Option<Range<u64>> {
    let (first, last) = range.split_once('-')?;
    if first.is_empty() {
        let length = number(last)?.min(size);
        return Some(size - length..size);
    }
    let first = number(first)?;
    let end = if last.is_empty() {
        size
    } else {
        let last = number(last).filter(|last| *last >= first)?;
        last.saturating_add(1).min(size)
    };
    Some(first..end)
}

/// Digits and nothing else; a number beyond all files is as good as the greatest.
fn number(digits: &str) -> Option<u64> {
    let is_plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_plain.then(|| digits.parse().unwrap_or(u64::MAX))
}

const UNIT: &[u8] = b"bytes=";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn asked(value: &[u8], size: u64) -> Extent {
        let mut headers = HeaderMap::new();
        headers.insert(RANGE, HeaderValue::from_bytes(value).unwrap());
        Extent::asked(&headers, size)
    }

    #[test]
    fn one_range_is_cut_to_the_file() {
        for (value, expected) in [
            ("bytes=0-0", 0..1),
            ("bytes=5-", 5..10),
            ("bytes=-4", 6..10),
            ("bytes=-99", 0..10),
            ("bytes=9-9", 9..10),
            ("bytes=3-99", 3..10),
            ("BYTES=3-5", 3..6),
            ("bytes= 3-5 ", 3..6),
            ("bytes=00003-5", 3..6),
            ("bytes=0-99999999999999999999999", 0..10),
            ("bytes=-99999999999999999999999", 0..10),
            ("bytes=0-0,", 0..1),
            ("bytes= , 2-3 ,", 2..4),
            ("bytes=20-, 2-3, 10-11", 2..4),
        ] {
            let part = asked(value.as_bytes(), 10);
            assert_eq!(part, Extent::Part(expected), "{value}");
        }
    }

    #[test]
    fn what_the_file_does_not_have_and_what_is_no_range_is_nothing() {
        for value in [
            &b"bytes=10-"[..],
            b"bytes=10-20",
            b"bytes=-0",
            b"bytes=abc",
            b"bytes=5-2",
            b"bytes=",
            b"bytes=-",
            b"bytes=--5",
            b"bytes=1-2-3",
            b"bytes=+1-2",
            b"bytes=1 - 2",
            b"bytes=0x1-2",
            b"bytes=\xff-2",
            b"bytes=18446744073709551616-",
            b"bytes=99999999999999999999999-99999999999999999999999",
            b"bytes=18446744073709551615-18446744073709551615",
            b"bytes=,",
            b"bytes=10-,20-30",
            b"bytes=0-1,abc",
        ] {
            assert_eq!(asked(value, 10), Extent::Nothing, "{value:?}");
        }
        for value in ["bytes=0-", "bytes=0-0", "bytes=-1"] {
            assert_eq!(asked(value.as_bytes(), 0), Extent::Nothing, "{value}");
        }
    }

    #[test]
    fn other_units_and_several_ranges_ask_for_the_whole() {
        for value in [
            "lines=1-2",
            "bytes",
            "",
            "bytes =0-1",
            "bytes=0-1,3-4",
            "bytes=20-,0-1,3-4",
        ] {
            assert_eq!(asked(value.as_bytes(), 10), Extent::Whole, "{value}");
        }
        let mut headers = HeaderMap::new();
        assert_eq!(Extent::asked(&headers, 10), Extent::Whole);
        headers.append(RANGE, HeaderValue::from_static("bytes=0-1"));
        headers.append(RANGE, HeaderValue::from_static("bytes=3-4"));
        assert_eq!(Extent::asked(&headers, 10), Extent::Whole);
    }

    proptest! {
        #[test]
        fn nothing_outside_the_file_is_ever_served(
            value in prop_oneof![
                "[ -~]{0,40}",
                "bytes=[0-9,-]{0,44}",
                "bytes=[0-9]{0,21}-[0-9]{0,21}",
            ],
            size in prop_oneof![0..50_u64, any::<u64>()],
        ) {
            if let Extent::Part(part) = asked(value.as_bytes(), size) {
                prop_assert!(part.start < part.end && part.end <= size, "{:?}", part);
            }
        }
    }
}
