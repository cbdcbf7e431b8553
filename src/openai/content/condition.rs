//! Conditions of a request on the file: `If-Match`, `If-None-Match`, their like by date, and
//! `If-Range`, in the order of RFC 9110.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::{
    HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE,
};
use http::{HeaderMap, HeaderValue};

/// What tells one file from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    /// A strong entity tag, with its quotes.
    pub etag: String,
    /// When it was made, in whole seconds.
    pub modified: SystemTime,
}

/// What the conditions of a request come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The file is sent, or the part of it that is asked for.
    Send,
    /// The file is sent from its beginning: the part is of another.
    SendWhole,
    /// The caller has it.
    Unchanged,
    /// It is not the one that the caller means.
    Failed,
}

impl Identity {
    /// Of a digest and a time in milliseconds since the Unix epoch.
    pub fn new(sha256: &[u8; 32], modified_ms: i64) -> Self {
        let seconds = u64::try_from(modified_ms.div_euclid(1000)).unwrap_or(0);
        Self {
            etag: format!("\"{}\"", hex::encode(sha256)),
            modified: UNIX_EPOCH + Duration::from_secs(seconds.min(END_OF_DATES)),
        }
    }

    /// Judges a request's conditions.
    pub fn judge(&self, headers: &HeaderMap) -> Verdict {
        let is_meant = if headers.contains_key(IF_MATCH) {
            self.is_listed(headers, &IF_MATCH, is_same)
        } else {
            let since = date(headers.get(IF_UNMODIFIED_SINCE));
            since.is_none_or(|since| self.modified <= since)
        };
        if !is_meant {
            return Verdict::Failed;
        }
        let is_known = if headers.contains_key(IF_NONE_MATCH) {
            self.is_listed(headers, &IF_NONE_MATCH, is_alike)
        } else {
            let since = date(headers.get(IF_MODIFIED_SINCE));
            since.is_some_and(|since| self.modified <= since)
        };
        if is_known {
            return Verdict::Unchanged;
        }
        match headers.get(IF_RANGE) {
            Some(held) if headers.contains_key(RANGE) && !self.is_held(held) => Verdict::SendWhole,
            _ => Verdict::Send,
        }
    }

    fn is_listed(
        &self,
        headers: &HeaderMap,
        name: &HeaderName,
        same: fn(&str, &str) -> bool,
    ) -> bool {
        let values = headers.get_all(name).iter();
        let mut lists = values.filter_map(|value| value.to_str().ok());
        lists.any(|list| {
            // Our tags hold no comma, so a tag that does is none of ours, whole or cut.
            let mut tags = list.split(',').map(str::trim);
            list.trim() == "*" || tags.any(|tag| same(tag, &self.etag))
        })
    }

    /// Whether the part that a caller holds is of this file: the tag is strong, or the date the same.
    fn is_held(&self, held: &HeaderValue) -> bool {
        let is_tag = held
            .to_str()
            .is_ok_and(|tag| is_same(tag.trim(), &self.etag));
        is_tag || date(Some(held)) == Some(self.modified)
    }
}

fn is_same(tag: &str, ours: &str) -> bool {
    tag == ours
}

fn is_alike(tag: &str, ours: &str) -> bool {
    tag.strip_prefix("W/").unwrap_or(tag) == ours
}

/// A date as HTTP writes it; anything else is as good as no header.
fn date(value: Option<&HeaderValue>) -> Option<SystemTime> {
    httpdate::parse_http_date(value?.to_str().ok()?).ok()
}

/// The end of the year 9999, beyond which HTTP writes no date.
const END_OF_DATES: u64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MADE: &str = "Tue, 14 Nov 2023 22:13:20 GMT";
    const BEFORE: &str = "Tue, 14 Nov 2023 22:13:19 GMT";

    fn judged(pairs: &[(HeaderName, &str)]) -> Verdict {
        let identity = Identity::new(&[0xab; 32], 1_700_000_000_999);
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            let value = value.replace("OURS", &identity.etag);
            headers.append(name, HeaderValue::try_from(value).unwrap());
        }
        identity.judge(&headers)
    }

    #[test]
    fn every_condition_is_judged_as_the_rfc_says() {
        use Verdict::{Failed, Send, SendWhole, Unchanged};
        let range = (RANGE, "bytes=0-1");
        for (pairs, expected) in [
            (vec![], Send),
            (vec![(IF_MATCH, "OURS")], Send),
            (vec![(IF_MATCH, "\"other\", OURS")], Send),
            (vec![(IF_MATCH, "\"other\""), (IF_MATCH, "OURS")], Send),
            (vec![(IF_MATCH, "*")], Send),
            (vec![(IF_MATCH, "\"other\"")], Failed),
            (vec![(IF_MATCH, "W/OURS")], Failed),
            (vec![(IF_MATCH, "")], Failed),
            (vec![(IF_NONE_MATCH, "OURS")], Unchanged),
            (vec![(IF_NONE_MATCH, "W/OURS")], Unchanged),
            (vec![(IF_NONE_MATCH, "\"a\" , OURS")], Unchanged),
            (vec![(IF_NONE_MATCH, "*")], Unchanged),
            (vec![(IF_MATCH, "\"a,*,b\"")], Failed),
            (vec![(IF_NONE_MATCH, "\"a,*,b\"")], Send),
            (vec![(IF_NONE_MATCH, "\"other\"")], Send),
            (
                vec![(IF_MATCH, "\"other\""), (IF_NONE_MATCH, "OURS")],
                Failed,
            ),
            (vec![(IF_MODIFIED_SINCE, MADE)], Unchanged),
            (vec![(IF_MODIFIED_SINCE, BEFORE)], Send),
            (vec![(IF_MODIFIED_SINCE, "yesterday")], Send),
            (
                vec![(IF_NONE_MATCH, "\"other\""), (IF_MODIFIED_SINCE, MADE)],
                Send,
            ),
            (vec![(IF_UNMODIFIED_SINCE, MADE)], Send),
            (vec![(IF_UNMODIFIED_SINCE, BEFORE)], Failed),
            (
                vec![(IF_MATCH, "OURS"), (IF_UNMODIFIED_SINCE, BEFORE)],
                Send,
            ),
            (vec![range.clone(), (IF_RANGE, "OURS")], Send),
            (vec![range.clone(), (IF_RANGE, MADE)], Send),
            (vec![range.clone(), (IF_RANGE, "W/OURS")], SendWhole),
            (vec![range.clone(), (IF_RANGE, "\"other\"")], SendWhole),
            (vec![range.clone(), (IF_RANGE, BEFORE)], SendWhole),
            (vec![range, (IF_NONE_MATCH, "OURS")], Unchanged),
            (vec![(IF_RANGE, "\"other\"")], Send),
        ] {
            assert_eq!(judged(&pairs), expected, "{pairs:?}");
        }
    }

    proptest! {
        #[test]
        fn no_condition_makes_it_panic(value in "[ -~]{0,60}", time in any::<i64>()) {
            for name in [IF_MATCH, IF_NONE_MATCH, IF_RANGE, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE] {
                let mut headers = HeaderMap::new();
                headers.insert(RANGE, HeaderValue::from_static("bytes=0-1"));
                headers.insert(name, HeaderValue::try_from(&value).unwrap());
                let identity = Identity::new(&[1; 32], time);
                identity.judge(&headers);
                let _ = httpdate::fmt_http_date(identity.modified);
            }
        }
    }
}
