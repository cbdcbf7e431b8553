//! The one kind of byte range that downloads use: a single one.

use std::ops::Range;

/// What a `Range` header asks of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// All of it: no header, or one that may be ignored.
    Whole,
    /// These bytes.
    Part(Range<u64>),
    /// Nothing that the file has.
    Nothing,
}

/// Reads a header value for a file of `length` bytes.
pub fn parse(header: Option<&str>, length: u64) -> Asked {
    let Some(spec) = header.and_then(|header| header.strip_prefix("bytes=")) else {
        return Asked::Whole;
    };
    let Some((first, last)) = spec.split_once('-') else {
        return Asked::Whole;
    };
    let range = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => first..length.min(last.saturating_add(1)),
        (Ok(first), Err(_)) if last.is_empty() => first..length,
        (Err(_), Ok(suffix)) if first.is_empty() => length.saturating_sub(suffix)..length,
        _ => return Asked::Whole,
    };
    if range.is_empty() {
        Asked::Nothing
    } else {
        Asked::Part(range)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_ranges_are_understood_and_others_ignored() {
        let cases = [
            (None, Asked::Whole),
            (Some("bytes=0-"), Asked::Part(0..10)),
            (Some("bytes=3-5"), Asked::Part(3..6)),
            (Some("bytes=3-99"), Asked::Part(3..10)),
            (Some("bytes=-4"), Asked::Part(6..10)),
            (Some("bytes=-99"), Asked::Part(0..10)),
            (Some("bytes=10-"), Asked::Nothing),
            (Some("bytes=-0"), Asked::Nothing),
            (Some("bytes=5-3"), Asked::Whole),
            (Some("bytes=0-1,3-4"), Asked::Whole),
            (Some("lines=1-2"), Asked::Whole),
            (
                Some("bytes=18446744073709551615-18446744073709551615"),
                Asked::Nothing,
            ),
        ];
        for (header, expected) in cases {
            assert_eq!(parse(header, 10), expected, "{header:?}");
        }
    }
}
