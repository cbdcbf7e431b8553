//! Cleans text that a provider (or a library) wrote before it is stored, logged or shown.
//!
//! Control and direction characters are escaped, secrets and signed queries masked, the length
//! capped. Masking is by shape, so it errs towards hiding too much.

/// `text` without secrets and control characters, at most `max_chars` long.
pub fn clean(text: &str, max_chars: usize) -> String {
    let looked_at = max_chars.saturating_mul(LOOK_AHEAD);
    let end = text
        .char_indices()
        .nth(looked_at)
        .map_or(text.len(), |(at, _)| at);
    shorten(&escape(&mask(&text[..end])), max_chars)
}

/// Replaces what looks like a secret with its name and `***`.
fn mask(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if let Some((shown, used)) = SHAPES.iter().find_map(|shape| shape(rest)) {
            out.push_str(shown);
            out.push_str(MASK);
            rest = &rest[used..];
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    out
}

/// What to show of a secret that `text` begins with, and how many bytes of `text` it takes.
type Shape = fn(&str) -> Option<(&str, usize)>;

const SHAPES: [Shape; 6] = [api_key, jwt_parameter, bare_jwt, bearer, query, upload];

fn api_key(text: &str) -> Option<(&str, usize)> {
    let digits = run(text.strip_prefix("key_")?, |c| c.is_ascii_hexdigit());
    (digits >= MIN_KEY_DIGITS).then(|| (&text[..4], 4 + digits))
}

fn jwt_parameter(text: &str) -> Option<(&str, usize)> {
    let value = text.strip_prefix("_jwt=")?;
    Some((&text[..5], 5 + run(value, |c| !ends_url(c) && c != '&')))
}

fn bare_jwt(text: &str) -> Option<(&str, usize)> {
    let used = run(text, |c| {
        c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '=')
    });
    (text.starts_with("eyJ") && used >= MIN_KEY_DIGITS).then_some(("", used))
}

fn bearer(text: &str) -> Option<(&str, usize)> {
    let scheme = text
        .get(..7)
        .filter(|scheme| scheme.eq_ignore_ascii_case("bearer "))?;
    let value = &text[7..];
    let gap = run(value, |c| c == ' ');
    let token = run(&value[gap..], |c| {
        !c.is_whitespace() && !matches!(c, '"' | '\'' | ',')
    });
    (token > 0).then_some((scheme, 7 + gap + token))
}

/// The query of a URL: everything signed stands there. Any `?` directly after a URL's path is one.
fn query(text: &str) -> Option<(&str, usize)> {
    let scheme = ["https://", "http://"]
        .iter()
        .find(|scheme| starts_with(text, scheme))?
        .len();
    let used = run(text, |c| !ends_url(c));
    let url = &text[..used];
    let secret = url.find(['?', '#']).map(|at| at + 1);
    let userinfo = url[scheme..]
        .split('/')
        .next()
        .is_some_and(|authority| authority.contains('@'));
    match (userinfo, secret) {
        (true, _) => Some((&text[..scheme], used)),
        (false, Some(at)) => Some((&text[..at], used)),
        (false, None) => None,
    }
}

fn upload(text: &str) -> Option<(&str, usize)> {
    let scheme = "runway://".len();
    starts_with(text, "runway://").then(|| (&text[..scheme], run(text, |c| !ends_url(c))))
}

fn starts_with(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// How many leading bytes of `text` satisfy `within`.
fn run(text: &str, within: impl Fn(char) -> bool) -> usize {
    text.find(|c| !within(c)).unwrap_or(text.len())
}

fn ends_url(c: char) -> bool {
    c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | '`' | '\\' | ')' | '}' | ']')
}

/// Makes one line of it, without characters that steer a terminal or the reading direction.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' => out.push(' '),
            c if steers(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

fn shorten(text: &str, max_chars: usize) -> String {
    match text.char_indices().nth(max_chars) {
        None => text.to_owned(),
        Some(_) => text
            .chars()
            .take(max_chars.saturating_sub(1))
            .chain(['…'])
            .collect(),
    }
}

const MASK: &str = "***";
/// Shortest run that is taken for a piece of a secret.
const MIN_KEY_DIGITS: usize = 12;
/// How much more text than is kept is looked at, since masking shortens.
const LOOK_AHEAD: usize = 4;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn secrets_are_masked() {
        let key = format!("key_{}", "0a".repeat(64));
        for (text, expected) in [
            (format!("bad key {key}!"), "bad key key_***!"),
            (key[..20].to_owned(), "key_***"),
            (
                "Authorization: Bearer abc.def".to_owned(),
                "Authorization: Bearer ***",
            ),
            ("bearer  x, y".to_owned(), "bearer ***, y"),
            (
                "see https://h.example/a?_jwt=abc&x=1 now".to_owned(),
                "see https://h.example/a?*** now",
            ),
            ("_jwt=abc&x=1".to_owned(), "_jwt=***&x=1"),
            (
                "token eyJhbGciOiJIUzI1NiJ9.e30.x end".to_owned(),
                "token *** end",
            ),
            ("http://u:p@h/".to_owned(), "http://***"),
            ("use runway://eyJx/y.".to_owned(), "use runway://***"),
            (
                "https://h.example/a is fine".to_owned(),
                "https://h.example/a is fine",
            ),
            ("what? key_1 is no key".to_owned(), "what? key_1 is no key"),
        ] {
            assert_eq!(clean(&text, 500), expected, "{text}");
        }
    }

    #[test]
    fn one_harmless_line_remains() {
        assert_eq!(
            clean("a\r\nb\u{1b}[31m\u{202e}c", 500),
            "a  b\\u{1b}[31m\\u{202e}c"
        );
        assert_eq!(clean("abcdef", 4), "abc…");
        assert_eq!(clean("äöü", 3), "äöü");
    }

    proptest! {
        #[test]
        fn no_embedded_secret_survives(before in ".{0,40}", after in ".{0,40}", max in 1usize..200) {
            let key = format!("key_{}", "5f".repeat(64));
            let jwt = "https://h.example/o?_jwt=s3cr3ts3cr3t";
            let cleaned = clean(&format!("{before}{key} {jwt} {after}"), max);
            prop_assert!(!cleaned.contains("5f5f5f5f5f5f5f"));
            prop_assert!(!cleaned.contains("s3cr3t"));
            prop_assert!(cleaned.chars().count() <= max);
        }
    }
}
