//! What OpenAI's libraries say of each of their calls: the how-many-th repeat it is, and how long they
//! wait for an answer before they repeat it.

use std::time::Duration;

use http::{HeaderMap, HeaderName};

/// The how-many-th repeat a call is; 0: the first call. `None`: it comes from no such library.
pub(super) fn number(headers: &HeaderMap) -> Option<u32> {
    headers.get(NUMBER)?.to_str().ok()?.trim().parse().ok()
}

/// How long the library waits for an answer, in every way that it says so.
pub(super) fn waits(headers: &HeaderMap) -> impl Iterator<Item = Duration> {
    let told = WAITS.iter().filter_map(|name| {
        let seconds = headers.get(*name)?.to_str().ok()?.trim();
        let seconds: f64 = seconds.parse().ok()?;
        Duration::try_from_secs_f64(seconds).ok()
    });
    told.filter(|wait| !wait.is_zero())
}

/// How they number their repeats.
const NUMBER: HeaderName = HeaderName::from_static("x-stainless-retry-count");
/// How they say how long they wait, in seconds: the one in Python, the others.
const WAITS: [&str; 2] = ["x-stainless-read-timeout", "x-stainless-timeout"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_number_is_one() {
        for (text, expected) in [("0", Some(0)), ("2", Some(2)), ("-1", None), ("x", None)] {
            let mut headers = HeaderMap::new();
            headers.insert(NUMBER, text.parse().unwrap());
            assert_eq!(number(&headers), expected);
        }
        assert_eq!(number(&HeaderMap::new()), None);
    }

    #[test]
    fn a_wait_is_some_time_in_seconds() {
        let mut headers = HeaderMap::new();
        assert_eq!(waits(&headers).next(), None);
        for text in ["0", "-1", "soon", "NaN", "1e300"] {
            headers.insert(WAITS[0], text.parse().unwrap());
            assert_eq!(waits(&headers).next(), None, "{text}");
        }
        headers.insert(WAITS[0], "0.5".parse().unwrap());
        headers.insert(WAITS[1], " 1800".parse().unwrap());
        let told: Vec<_> = waits(&headers).map(|wait| wait.as_millis()).collect();
        assert_eq!(told, [500, 1_800_000]);
    }
}
