//! Which key a call shows.
//!
//! The order is that of LiteLLM's proxy, whose clients come here as they are. Of several headers the
//! first counts; a malformed one is not passed over for the next.

use http::HeaderMap;
use http::header::HeaderValue;

use super::Refused;
use crate::config::callers::MAX_KEY;

/// The key in the first header that holds one; `None` when no key was sent at all.
pub(super) fn key(headers: &HeaderMap) -> Result<Option<&str>, Refused> {
    for (name, form) in HEADERS {
        let mut values = headers.get_all(name).iter();
        let Some(value) = values.next().filter(|value| !value.is_empty()) else {
            continue;
        };
        if values.next().is_some() {
            return Err(Refused::Invalid("the API key was sent more than once"));
        }
        return read(value, form).map(Some);
    }
    Ok(None)
}

/// How a header holds a key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// As it is.
    Bare,
    /// After `Bearer `.
    Bearer,
    /// Either way.
    Both,
}

fn read(value: &HeaderValue, form: Form) -> Result<&str, Refused> {
    let text = value.to_str().map_err(|_| Refused::Invalid(UNREADABLE))?;
    let bearer = text
        .split_at_checked(SCHEME.len())
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case(SCHEME))
        .map(|(_, key)| key);
    let key = match (form, bearer) {
        (Form::Bearer, None) => return Err(Refused::Invalid(NO_BEARER)),
        (Form::Bearer | Form::Both, Some(key)) => key,
        (Form::Bare | Form::Both, _) => text,
    };
    let key = key.trim();
    if key.is_empty() || key.len() > MAX_KEY || !key.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Refused::Invalid(UNREADABLE));
    }
    Ok(key)
}

/// Where a key may be, first to last.
const HEADERS: [(&str, Form); 4] = [
    ("x-litellm-api-key", Form::Both),
    ("authorization", Form::Bearer),
    ("api-key", Form::Bare),
    ("x-api-key", Form::Bare),
];
const SCHEME: &str = "bearer ";
const NO_BEARER: &str = "`authorization` must be `Bearer` and the API key";
const UNREADABLE: &str = "what was sent as the API key cannot be one";
