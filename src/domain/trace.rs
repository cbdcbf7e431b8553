//! The place of a call in a distributed trace: the `traceparent` of the W3C's Trace Context.

use std::fmt;

/// Where something belongs: which trace, under which span of it.
///
/// Ids are never zero. Written `00-<32 hex>-<16 hex>-<2 hex>`, 55 characters; of the flags only
/// *sampled* is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceParent {
    /// The trace.
    pub trace_id: u128,
    /// The span that what follows belongs under.
    pub span_id: u64,
    /// Whether its spans are recorded.
    pub sampled: bool,
}

impl TraceParent {
    /// A trace parent in its written form; `None` when the text is none. Later versions of the form
    /// may have more at the end, which is left out.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim_matches([' ', '\t']);
        let (known, rest) = text.split_at_checked(LENGTH)?;
        let mut parts = known.split('-');
        let [version, trace, span, flags] = std::array::from_fn(|_| parts.next().unwrap_or(""));
        let version = u8::try_from(hex(version, 2)?).ok()?;
        let fits = match version {
            0 => rest.is_empty(),
            u8::MAX => false,
            _ => rest.is_empty() || rest.starts_with('-'),
        };
        let parent = Self {
            trace_id: hex(trace, 32)?,
            span_id: u64::try_from(hex(span, 16)?).ok()?,
            sampled: hex(flags, 2)? & 1 == 1,
        };
        (fits && parent.trace_id != 0 && parent.span_id != 0).then_some(parent)
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (trace, span, flags) = (self.trace_id, self.span_id, u8::from(self.sampled));
        write!(f, "00-{trace:032x}-{span:016x}-{flags:02x}")
    }
}

/// A number of exactly so many lower-case hexadecimal digits.
fn hex(text: &str, digits: usize) -> Option<u128> {
    let lower = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    (text.len() == digits && text.bytes().all(lower))
        .then(|| u128::from_str_radix(text, 16).ok())
        .flatten()
}

/// Characters of a trace parent.
const LENGTH: usize = 55;

#[cfg(test)]
mod tests {
    use super::*;

    const WRITTEN: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn it_reads_back_as_written() {
        let parent = TraceParent::parse(WRITTEN).expect("it is one");
        assert!(parent.sampled);
        assert_eq!(parent.to_string(), WRITTEN);
        let later = WRITTEN.replacen("00", "cc", 1) + "-what";
        assert_eq!(TraceParent::parse(&later), Some(parent));
    }

    #[test]
    fn anything_else_is_none() {
        let long = format!("{WRITTEN}-more");
        for text in [
            "",
            "00",
            &long,
            &WRITTEN.to_uppercase(),
            &WRITTEN.replacen("00", "ff", 1),
            &WRITTEN.replace('-', "_"),
            &WRITTEN.replace("b7ad6b7169203331", "0000000000000000"),
            &WRITTEN.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
            &WRITTEN.replace("0af7", "+af7"),
            &"\u{1F600}".repeat(40),
        ] {
            assert_eq!(TraceParent::parse(text), None, "{text}");
        }
    }
}
