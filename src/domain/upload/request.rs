//! What a caller says of an upload before its bytes, and whether the bytes keep to it.

use crate::domain::generation::{InvalidField, InvalidReason, Limits, input_type};

/// What a caller announces. Empty text and `None` mean *not given*.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewUpload {
    /// The media type; empty: told from the bytes.
    pub content_type: String,
    /// The length in bytes.
    pub size_bytes: Option<u64>,
    /// A name for people.
    pub file_name: String,
}

impl NewUpload {
    /// Everything that is wrong with the announcement itself.
    pub fn check(&self, limits: &Limits) -> Vec<InvalidField> {
        let mut wrong = Vec::new();
        wrong.extend(input_type::check_declared(CONTENT_TYPE, &self.content_type));
        let characters = self.file_name.chars().take(MOST_NAME + 1).count();
        if characters > MOST_NAME || self.file_name.chars().any(char::is_control) {
            let problem =
                format!("takes at most {MOST_NAME} characters, without control characters");
            wrong.push(invalid("metadata.file_name", problem));
        }
        match self.size_bytes {
            Some(0) => wrong.push(invalid(SIZE, "an upload must not be empty")),
            Some(size) if size > limits.upload_bytes => wrong.push(too_large(SIZE, limits)),
            _ => {}
        }
        wrong
    }

    /// Whether so many bytes may have come. Called before they are kept.
    pub fn check_so_far(&self, bytes: u64, limits: &Limits) -> Result<(), InvalidField> {
        if bytes > limits.upload_bytes {
            return Err(too_large(CHUNK, limits));
        }
        match self.size_bytes {
            Some(announced) if bytes > announced => Err(invalid(
                SIZE,
                format!("announces {announced} bytes, and more than that came"),
            )),
            _ => Ok(()),
        }
    }

    /// Whether so many bytes are all of it.
    pub fn check_whole(&self, bytes: u64) -> Result<(), InvalidField> {
        match self.size_bytes {
            _ if bytes == 0 => Err(invalid(CHUNK, "an upload must not be empty")),
            Some(announced) if bytes != announced => Err(invalid(
                SIZE,
                format!("announces {announced} bytes, and only {bytes} came"),
            )),
            _ => Ok(()),
        }
    }

    /// The media type that announcement and first bytes agree on.
    pub fn settle_type(&self, head: &[u8]) -> Result<String, InvalidField> {
        let field = if self.content_type.is_empty() {
            CHUNK
        } else {
            CONTENT_TYPE
        };
        input_type::settle(field, head, &self.content_type)
    }
}

fn too_large(field: &str, limits: &Limits) -> InvalidField {
    InvalidField {
        field: field.to_owned(),
        reason: InvalidReason::InputTooLarge,
        problem: format!("at most {} bytes are taken", limits.upload_bytes),
    }
}

fn invalid(field: &str, problem: impl Into<String>) -> InvalidField {
    InvalidField {
        field: field.to_owned(),
        reason: InvalidReason::FieldInvalid,
        problem: problem.into(),
    }
}

const CONTENT_TYPE: &str = "metadata.content_type";
const SIZE: &str = "metadata.size_bytes";
const CHUNK: &str = "chunk";
/// Longest name, in characters.
const MOST_NAME: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        inline_bytes: 10,
        upload_bytes: 100,
    };

    fn seen(wrong: Vec<InvalidField>) -> Vec<(String, &'static str)> {
        let seen = |one: InvalidField| (one.field, one.reason.as_str());
        wrong.into_iter().map(seen).collect()
    }

    #[test]
    fn everything_wrong_with_an_announcement_is_told_at_once() {
        let bad = NewUpload {
            content_type: "text/html".to_owned(),
            size_bytes: Some(101),
            file_name: "x".repeat(256),
        };
        let expected = [
            (CONTENT_TYPE.to_owned(), "INPUT_TYPE_UNSUPPORTED"),
            ("metadata.file_name".to_owned(), "FIELD_INVALID"),
            (SIZE.to_owned(), "INPUT_TOO_LARGE"),
        ];
        assert_eq!(seen(bad.check(&LIMITS)), expected);
        for (size, name) in [(Some(0), "a"), (None, "a\nb")] {
            let bad = NewUpload {
                size_bytes: size,
                file_name: name.to_owned(),
                ..NewUpload::default()
            };
            assert_eq!(bad.check(&LIMITS).len(), 1);
        }
        let good = NewUpload {
            content_type: "Video/MP4; codecs=avc1".to_owned(),
            size_bytes: Some(100),
            file_name: "ü".repeat(255),
        };
        assert_eq!(good.check(&LIMITS), []);
        assert_eq!(NewUpload::default().check(&LIMITS), []);
    }

    #[test]
    fn the_length_is_held_to_what_was_announced_and_to_the_limit() {
        let announced = NewUpload {
            size_bytes: Some(50),
            ..NewUpload::default()
        };
        assert_eq!(announced.check_so_far(50, &LIMITS), Ok(()));
        assert_eq!(announced.check_so_far(51, &LIMITS).unwrap_err().field, SIZE);
        assert_eq!(announced.check_whole(50), Ok(()));
        assert_eq!(announced.check_whole(49).unwrap_err().field, SIZE);
        let open = NewUpload::default();
        assert_eq!(open.check_so_far(100, &LIMITS), Ok(()));
        let over = open.check_so_far(101, &LIMITS).unwrap_err();
        assert_eq!(over.reason, InvalidReason::InputTooLarge);
        assert_eq!(open.check_whole(0).unwrap_err().field, CHUNK);
    }

    #[test]
    fn the_type_is_what_announcement_and_bytes_agree_on() {
        let of = |declared: &str, head: &[u8]| {
            let upload = NewUpload {
                content_type: declared.to_owned(),
                ..NewUpload::default()
            };
            upload.settle_type(head).map_err(|wrong| wrong.field)
        };
        let mp4 = b"\0\0\0\x20ftypisom";
        assert_eq!(of("", mp4), Ok("video/mp4".to_owned()));
        assert_eq!(of("audio/x-m4a", mp4), Ok("audio/mp4".to_owned()));
        assert_eq!(of("image/png", mp4), Err(CONTENT_TYPE.to_owned()));
        assert_eq!(of("", b"just text"), Err(CHUNK.to_owned()));
        assert_eq!(of("", b"GIF89a"), Err(CHUNK.to_owned()));
    }
}
