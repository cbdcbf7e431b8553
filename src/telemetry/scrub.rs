//! Masks secrets in text on its way to a log.

use std::io::{self, Write};

/// Collects one event, masks what looks like a secret, and passes it on in one write when dropped.
///
/// Control characters other than tab, newline and colour codes are escaped, so that text from
/// outside cannot drive a terminal; colour codes come from the formatter, which escapes those in
/// what it is given.
pub struct Scrubber<W: Write> {
    inner: W,
    event: Vec<u8>,
}

impl<W: Write> Scrubber<W> {
    /// A writer in front of `inner`.
    pub fn new(inner: W) -> Self {
        Self {
            inner,
            event: Vec::new(),
        }
    }
}

impl<W: Write> Write for Scrubber<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = MAX_EVENT.saturating_sub(self.event.len());
        self.event
            .extend_from_slice(&bytes[..bytes.len().min(room)]);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let text = String::from_utf8_lossy(&self.event);
        let written = self.inner.write_all(scrub(&text).as_bytes());
        self.event.clear();
        written.and_then(|()| self.inner.flush())
    }
}

impl<W: Write> Drop for Scrubber<W> {
    fn drop(&mut self) {
        if self.event.len() >= MAX_EVENT {
            self.event.extend_from_slice(b" (cut off)\n");
        }
        let _ = self.flush(); // nobody is left to tell
    }
}

/// `text` with every key, signed query and bearer token masked, and control characters escaped.
pub fn scrub(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let secret = SIGNS
            .iter()
            .find_map(|sign| Some((sign.0, sign.matches(rest)?)));
        if let Some((shown, length)) = secret {
            clean.push_str(shown);
            clean.push_str(MASK);
            rest = &rest[length..];
        } else {
            push_printable(&mut clean, first);
            rest = &rest[first.len_utf8()..];
        }
    }
    clean
}

fn push_printable(clean: &mut String, character: char) {
    match character {
        '\n' | '\t' | '\u{1b}' => clean.push(character),
        _ if character.is_control() => clean.extend(character.escape_default()),
        _ => clean.push(character),
    }
}

/// How a secret begins, which characters it is made of, and how many there are at least.
struct Sign(&'static str, fn(char) -> bool, usize);

impl Sign {
    /// The length of the secret that `text` begins with, its sign included.
    fn matches(&self, text: &str) -> Option<usize> {
        let head = text.get(..self.0.len())?;
        if !head.eq_ignore_ascii_case(self.0) {
            return None;
        }
        let body = &text[self.0.len()..];
        let end = body.find(|c| !(self.1)(c)).unwrap_or(body.len());
        (end >= self.2).then_some(self.0.len() + end)
    }
}

const SIGNS: [Sign; 7] = [
    Sign("key_", |c| c.is_ascii_hexdigit(), 32),
    Sign("mg_", |c| c.is_ascii_alphanumeric() || c == '_', 40),
    Sign("_jwt=", in_query, 1),
    Sign("X-Amz-Signature=", in_query, 1),
    Sign("X-Amz-Credential=", in_query, 1),
    Sign("Signature=", in_query, 8),
    Sign("Bearer ", |c| c.is_ascii_graphic() && c != '"', 8),
];
const MASK: &str = "***";
/// Bytes of one event; the rest is cut off.
const MAX_EVENT: usize = 64 << 10;

fn in_query(character: char) -> bool {
    character.is_ascii_graphic() && !matches!(character, '&' | '"' | '\'' | '<' | '>' | ')')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_and_the_rest_is_kept() {
        let key = format!("key_{}", "0a".repeat(64));
        let table = [
            (format!("with {key}."), "with key_***."),
            (
                "GET https://x/y.mp4?_jwt=abc.d-e_f&part=1 \"".into(),
                "GET https://x/y.mp4?_jwt=***&part=1 \"",
            ),
            (
                "authorization: bearer abcdefgh12 end".into(),
                "authorization: Bearer *** end",
            ),
            (format!("mg_abc012345678_{}", "z".repeat(42)), "mg_***"),
            ("a key_press is no key".into(), "a key_press is no key"),
            ("Bearer of news".into(), "Bearer of news"),
            ("é_jwt=ü".into(), "é_jwt=ü"),
        ];
        for (text, clean) in table {
            assert_eq!(scrub(&text), clean);
        }
    }

    #[test]
    fn control_characters_cannot_drive_a_terminal() {
        assert_eq!(scrub("a\rb\u{7}c\u{9b}d\te\n"), "a\\rb\\u{7}c\\u{9b}d\te\n");
    }

    #[test]
    fn an_event_leaves_whole_and_clean_though_written_in_pieces() {
        let mut out = Vec::new();
        let mut writer = Scrubber::new(&mut out);
        writer.write_all(b"Bear").unwrap();
        writer.write_all(b"er 0123456789\n").unwrap();
        drop(writer);
        assert_eq!(out, b"Bearer ***\n");
    }

    #[test]
    fn an_endless_event_is_cut_off() {
        let mut out = Vec::new();
        let mut writer = Scrubber::new(&mut out);
        for _ in 0..100 {
            writer.write_all(&[b'x'; 1_000]).unwrap();
        }
        drop(writer);
        assert!(out.len() < MAX_EVENT + 20 && out.ends_with(b"(cut off)\n"));
    }
}
