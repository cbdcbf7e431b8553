//! The headers of one part of a form.

use super::broken;
use crate::openai::{Problem, problem};

/// What is said of a part before its content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::openai) struct Part {
    /// The field's name.
    pub name: String,
    /// Whether it is a file and not a text.
    pub is_file: bool,
    /// What its sender says that it is; empty: nothing.
    pub content_type: String,
}

impl Part {
    /// Reads the headers of a part, which end in no empty line.
    ///
    /// # Errors
    /// 400 for what is no header, or names no field.
    pub fn parse(headers: &[u8]) -> Result<Self, Problem> {
        let text = std::str::from_utf8(headers);
        let text = text.map_err(|_| broken("the headers of a part of the form are not UTF-8"))?;
        let (mut name, mut has_file_name, mut content_type) = (None, false, String::new());
        for line in text.split("\r\n").filter(|line| !line.is_empty()) {
            let Some((header, value)) = line.split_once(':') else {
                let shown = problem::shortened(line);
                return Err(broken(format!(
                    "a part of the form has the header `{shown}`"
                )));
            };
            match header.trim().to_ascii_lowercase().as_str() {
                "content-disposition" => {
                    let (_, rest) = value.split_once(';').unwrap_or((value, ""));
                    name = parameter(rest, "name");
                    // The name itself is not of interest: clients send whole paths.
                    has_file_name = parameter(rest, "filename").is_some()
                        || parameter(rest, "filename*").is_some();
                }
                "content-type" => value.trim().clone_into(&mut content_type),
                _ => {}
            }
        }
        let name = name.filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| broken("a part of the form names no field"))?;
        if name.len() > LONGEST_NAME || name.chars().any(char::is_control) {
            let shown = problem::shortened(&name);
            return Err(broken(format!("a part of the form has the name {shown}")).param(shown));
        }
        let is_file = has_file_name || is_medium(&content_type);
        Ok(Self {
            name,
            is_file,
            content_type,
        })
    }
}

/// Whether a type is of something else than text.
fn is_medium(content_type: &str) -> bool {
    let lower = content_type.to_ascii_lowercase();
    ["image/", "video/", "audio/", "application/octet-stream"]
        .iter()
        .any(|kind| lower.starts_with(kind))
}

/// The parameter of a header, as in `; name="value"`; quotes and what they escape are taken off.
pub(super) fn parameter(text: &str, wanted: &str) -> Option<String> {
    let mut rest = text.trim_start_matches([';', ' ', '\t']);
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=')?;
        let (value, left) = value(after);
        if name.trim().eq_ignore_ascii_case(wanted) {
            return Some(value);
        }
        rest = left.trim_start_matches([';', ' ', '\t']);
    }
    None
}

/// A token or a quoted text, and what comes after.
fn value(text: &str) -> (String, &str) {
    let text = text.trim_start();
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(';').unwrap_or(text.len());
        return (text[..end].trim().to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut signs = quoted.char_indices();
    while let Some((place, sign)) = signs.next() {
        match sign {
            '"' => return (value, &quoted[place + 1..]),
            // Only what must be escaped is: clients of Windows send paths with single backslashes.
            '\\' if quoted[place + 1..].starts_with(['"', '\\']) => {
                value.extend(signs.next().map(|(_, escaped)| escaped));
            }
            other => value.push(other),
        }
    }
    (value, "")
}

/// Bytes of a field's name.
const LONGEST_NAME: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_say_what_a_part_is() {
        for (headers, name, is_file, content_type) in [
            (
                "Content-Disposition: form-data; name=\"prompt\"",
                "prompt",
                false,
                "",
            ),
            (
                "content-disposition:form-data;name=model\r\n",
                "model",
                false,
                "",
            ),
            (
                "Content-Disposition: form-data; name=\"input_reference\"; filename=\"C:\\a.png\"\r\nContent-Type: image/png",
                "input_reference",
                true,
                "image/png",
            ),
            (
                "X-Other: y\r\nContent-Disposition: form-data; filename=\"a\\\"b;name=x\"; name=\"f\"",
                "f",
                true,
                "",
            ),
            (
                "Content-Disposition: form-data; name=\"f\"\r\nContent-Type: application/octet-stream",
                "f",
                true,
                "application/octet-stream",
            ),
            (
                "Content-Disposition: form-data; name=\"metadata[a b]\"",
                "metadata[a b]",
                false,
                "",
            ),
        ] {
            let part = Part::parse(headers.as_bytes()).unwrap();
            let seen = (part.name.as_str(), part.is_file, part.content_type.as_str());
            assert_eq!(seen, (name, is_file, content_type), "{headers}");
        }
    }

    #[test]
    fn headers_that_name_no_field_are_refused() {
        let long = format!(
            "Content-Disposition: form-data; name=\"{}\"",
            "x".repeat(300)
        );
        for bad in [
            "",
            "Content-Type: text/plain",
            "Content-Disposition: form-data",
            "Content-Disposition: form-data; name=\"\"",
            "no header",
            "Content-Disposition: form-data; name=\"a\tb\"",
            &long,
        ] {
            assert!(Part::parse(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(Part::parse(b"Content-Disposition: form-data; name=\"\xff\"").is_err());
    }
}
