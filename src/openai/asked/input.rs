//! Media to start from, in every way that clients give them.

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;

use super::taker::Taker;
use crate::domain::generation::{DraftInput, DraftSource, Keyframe, Media, Moment, Role};
use crate::domain::value::Value;
use crate::openai::body::{Members, kind};

/// The inputs of a body: one, or a list of them.
pub(super) fn inputs(taker: &mut Taker, output: Media) -> Vec<DraftInput> {
    let names = match output {
        // OpenAI's calls for images have the short name.
        Media::Image => &["input_reference", "input_references", "image", "images"][..],
        Media::Video | Media::Audio => &["input_reference", "input_references"],
    };
    let Some(given) = taker.any("input_references", names) else {
        return Vec::new();
    };
    let each = match taker.unfolded("input_references", given) {
        None => Vec::new(),
        Some(Value::List(items)) => items,
        Some(one) => vec![one],
    };
    let numbered = each.into_iter().enumerate();
    let input = |(index, value)| input(&format!("input_references[{index}]"), value, taker);
    numbered.map(input).collect()
}

fn input(field: &str, value: Value, taker: &mut Taker) -> DraftInput {
    match taker.unfolded(field, value) {
        None => DraftInput::default(),
        Some(Value::String(text)) => DraftInput {
            source: source(field, text, taker),
            ..DraftInput::default()
        },
        Some(Value::Object(members)) => described(field, members, taker),
        Some(other) => {
            let problem = format!(
                "must be a URL, a data URI or an object; got {}",
                kind(&other)
            );
            taker.wrong(field, problem);
            DraftInput::default()
        }
    }
}

/// An input with what is said of it.
fn described(field: &str, mut members: Members, taker: &mut Taker) -> DraftInput {
    members.retain(|name, value| *value != Value::Null && !IGNORED.contains(&name.as_str()));
    let mut input = DraftInput::default();
    let mut sources: Vec<Value> = Vec::new();
    for (name, value) in members {
        let member = format!("{field}.{name}");
        match name.as_str() {
            "image_url" | "video_url" | "audio_url" | "url" => sources.push(address(value)),
            "file_id" | "upload_id" => {
                let text = taker.as_text(field, value).unwrap_or_default();
                input.source = DraftSource::Upload(text);
            }
            "role" => input.role = role(&member, value, taker),
            "tag" => input.tag = taker.as_text(&member, value).unwrap_or_default(),
            "subject" => input.subject = taker.as_text(&member, value).unwrap_or_default(),
            "content_type" => {
                input.content_type = taker.as_text(&member, value).unwrap_or_default();
            }
            "keyframe" => input.keyframe = keyframe(&member, value, taker),
            _ => taker.wrong(member, format!("is unknown; taken are {TAKEN}")),
        }
    }
    let is_upload = input.source != DraftSource::Missing;
    match (sources.pop(), is_upload) {
        (Some(value), false) if sources.is_empty() => {
            let text = taker.as_text(field, value);
            input.source = text.map_or(DraftSource::Missing, |text| source(field, text, taker));
        }
        (None, true) => {}
        (None, false) => taker.wrong(field, "names no source: give image_url or file_id"),
        (Some(_), _) => taker.wrong(field, "names several sources: give one"),
    }
    input
}

/// The address itself, where it is wrapped once more.
fn address(value: Value) -> Value {
    match value {
        Value::Object(mut members) => members.remove("url").unwrap_or(Value::Object(members)),
        other => other,
    }
}

/// Where the bytes are that a text names, or holds.
fn source(field: &str, text: String, taker: &mut Taker) -> DraftSource {
    let is_data = text
        .get(..5)
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:"));
    if is_data {
        return data(&text[5..]).map_or_else(
            |problem| {
                taker.wrong(field, problem);
                DraftSource::Missing
            },
            DraftSource::Data,
        );
    }
    if text.starts_with("upload_") {
        DraftSource::Upload(text)
    } else {
        DraftSource::Url(text)
    }
}

/// The bytes of a data URI. What it says of their type is not believed: the bytes tell.
fn data(rest: &str) -> Result<Bytes, &'static str> {
    let (head, body) = rest
        .split_once(',')
        .ok_or("is a data URI without a comma")?;
    let body = unescaped(body).ok_or("is a data URI with a broken escape")?;
    let is_base64 = head
        .rsplit(';')
        .next()
        .is_some_and(|last| last.trim().eq_ignore_ascii_case("base64"));
    if !is_base64 {
        return Ok(body.into());
    }
    let mut body = body;
    body.retain(|byte| !byte.is_ascii_whitespace());
    let loose =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let is_url_safe = body.iter().any(|byte| matches!(byte, b'-' | b'_'));
    let alphabet = if is_url_safe { URL_SAFE } else { STANDARD };
    let decoded = GeneralPurpose::new(&alphabet, loose).decode(body);
    decoded
        .map(Bytes::from)
        .map_err(|_| "is a data URI whose base64 is broken")
}

/// A text with its `%41` undone.
fn unescaped(text: &str) -> Option<Vec<u8>> {
    if !text.contains('%') {
        return Some(text.as_bytes().to_vec());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut parts = text.as_bytes().split(|byte| *byte == b'%');
    bytes.extend_from_slice(parts.next()?);
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        let digit = |at: usize| char::from(digits[at]).to_digit(16);
        bytes.push(u8::try_from(digit(0)? * 16 + digit(1)?).ok()?);
        bytes.extend_from_slice(rest);
    }
    Some(bytes)
}

fn role(field: &str, value: Value, taker: &mut Taker) -> Role {
    let Some(name) = taker.as_text(field, value) else {
        return Role::default();
    };
    Role::parse(&name.to_ascii_lowercase()).unwrap_or_else(|| {
        let all = Role::ALL.map(Role::as_str).join(", ");
        taker.wrong(field, format!("must be one of {all}"));
        Role::default()
    })
}

/// When a keyframe is to be seen: `{"seconds": 2.5}` or `{"fraction": 0.5}`, and the part it governs.
fn keyframe(field: &str, value: Value, taker: &mut Taker) -> Option<Keyframe> {
    let Value::Object(members) = value else {
        taker.wrong(field, "must be an object of seconds or fraction");
        return None;
    };
    let mut keyframe = Keyframe::default();
    for (name, value) in members {
        let number = value.as_number().or_else(|| value.as_str()?.parse().ok());
        let whole = || u32::try_from(value.as_int()?).ok();
        let read = match name.as_str() {
            "seconds" => number.map(|at| keyframe.moment = Some(Moment::Seconds(at))),
            "fraction" => number.map(|at| keyframe.moment = Some(Moment::Fraction(at))),
            "range_start_seconds" => whole().map(|at| keyframe.range_start_seconds = Some(at)),
            "range_end_seconds" => whole().map(|at| keyframe.range_end_seconds = Some(at)),
            _ => None,
        };
        if read.is_none() {
            taker.wrong(
                format!("{field}.{name}"),
                "is unknown, or no number that it takes",
            );
        }
    }
    Some(keyframe)
}

/// Members that OpenAI's objects have and that say nothing more.
const IGNORED: [&str; 2] = ["type", "detail"];
const TAKEN: &str = "image_url, url, file_id, role, tag, subject, content_type and keyframe";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_uri_is_its_bytes() {
        for (uri, bytes) in [
            ("image/png;base64,aGk=", Ok(&b"hi"[..])),
            ("image/png;base64,aGk", Ok(b"hi")),
            (";BASE64,a Gk%3D", Ok(b"hi")),
            ("image/png;base64,-_8", Ok(b"\xfb\xff")),
            ("text/plain,a%20b", Ok(b"a b")),
            (",", Ok(b"")),
            ("image/png;base64,a", Err("base64")),
            ("image/png;base64,a*b=", Err("base64")),
            ("image/png;base64", Err("comma")),
            (",%zz", Err("escape")),
            (",%2", Err("escape")),
        ] {
            match (data(uri), bytes) {
                (Ok(read), Ok(expected)) => assert_eq!(&read[..], expected, "{uri}"),
                (Err(problem), Err(word)) => assert!(problem.contains(word), "{uri}: {problem}"),
                other => panic!("{uri}: {other:?}"),
            }
        }
    }
}
