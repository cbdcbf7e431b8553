//! The fingerprint of a request: equal where, and only where, every field is equal.
//!
//! It decides whether a reused `request_id` asks for the same thing. The encoding is canonical and
//! length-prefixed, so that no two requests share one; it must never change for stored tasks, hence
//! the version in front.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::{Draft, DraftInput, DraftSource, Keyframe, Moment};
use crate::domain::upload::UploadId;
use crate::domain::value::Value;

/// SHA-256 over every field of a request: the draft, its labels, its timeout, its priority and who
/// is told of its end.
pub fn fingerprint(
    draft: &Draft,
    labels: &BTreeMap<String, String>,
    timeout_millis: Option<i64>,
    priority: i32,
    webhook_url: &str,
) -> [u8; 32] {
    let mut out = Encoder(Sha256::new());
    out.text(VERSION);
    out.text(&draft.model);
    out.text(&draft.prompt);
    out.number(draft.inputs.len() as u64);
    draft.inputs.iter().for_each(|input| out.input(input));
    out.optional(draft.seconds.map(u64::from));
    out.text(&draft.size);
    out.optional(draft.count.map(u64::from));
    out.optional(draft.seed);
    out.optional(draft.audio.map(u64::from));
    out.text(&draft.negative_prompt);
    out.text(draft.operation.map_or("", super::Operation::as_str));
    out.fields(&draft.options);
    out.number(labels.len() as u64);
    for (name, label) in labels {
        out.text(name);
        out.text(label);
    }
    out.optional(timeout_millis.map(i64::cast_unsigned));
    // Stored prints are of requests that had no such field.
    if priority != 0 {
        out.number(i64::from(priority).cast_unsigned());
    }
    // A tag in front, for a priority may stand there or not.
    if !webhook_url.is_empty() {
        out.tag(1);
        out.text(webhook_url);
    }
    out.0.finalize().into()
}

struct Encoder(Sha256);

impl Encoder {
    fn number(&mut self, number: u64) {
        self.0.update(number.to_be_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.update(bytes);
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn tag(&mut self, tag: u8) {
        self.0.update([tag]);
    }

    fn optional(&mut self, number: Option<u64>) {
        self.tag(u8::from(number.is_some()));
        self.number(number.unwrap_or_default());
    }

    fn input(&mut self, input: &DraftInput) {
        match &input.source {
            DraftSource::Missing => self.tag(0),
            DraftSource::Url(url) => {
                self.tag(1);
                self.text(url);
            }
            DraftSource::Data(data) => {
                self.tag(2);
                self.bytes(data);
            }
            DraftSource::Upload(id) => {
                if let Ok(id) = id.parse() {
                    self.upload(id);
                } else {
                    self.tag(3);
                    self.text(id);
                }
            }
            DraftSource::Uploaded(upload) => self.upload(upload.id),
        }
        self.text(&input.content_type);
        self.text(input.role.as_str());
        self.text(&input.tag);
        self.text(&input.subject);
        self.keyframe(input.keyframe.as_ref());
    }

    /// The same content uploaded again is the same request, so only that part of the name counts.
    fn upload(&mut self, id: UploadId) {
        self.tag(4);
        self.bytes(id.digest());
    }

    fn keyframe(&mut self, keyframe: Option<&Keyframe>) {
        self.tag(u8::from(keyframe.is_some()));
        let Some(keyframe) = keyframe else { return };
        let (tag, moment) = match keyframe.moment {
            None => (0, 0.0),
            Some(Moment::Seconds(seconds)) => (1, seconds),
            Some(Moment::Fraction(fraction)) => (2, fraction),
        };
        self.tag(tag);
        self.number(moment.to_bits());
        self.optional(keyframe.range_start_seconds.map(u64::from));
        self.optional(keyframe.range_end_seconds.map(u64::from));
    }

    fn fields(&mut self, fields: &BTreeMap<String, Value>) {
        self.number(fields.len() as u64);
        for (name, value) in fields {
            self.text(name);
            self.value(value);
        }
    }

    /// `5` and `5.0` are the same in JSON, and a client's library may write either.
    fn value(&mut self, value: &Value) {
        if let Some(int) = value.as_int() {
            self.tag(2);
            return self.number(int.cast_unsigned());
        }
        match value {
            Value::Null => self.tag(0),
            Value::Bool(flag) => {
                self.tag(1);
                self.tag(u8::from(*flag));
            }
            Value::Int(int) => {
                self.tag(2);
                self.number(int.cast_unsigned());
            }
            Value::Number(number) => {
                self.tag(3);
                self.number(number.to_bits());
            }
            Value::String(text) => {
                self.tag(4);
                self.text(text);
            }
            Value::List(items) => {
                self.tag(5);
                self.number(items.len() as u64);
                for item in items {
                    self.value(item);
                }
            }
            Value::Object(fields) => {
                self.tag(6);
                self.fields(fields);
            }
        }
    }
}

/// What the encoding is called.
const VERSION: &str = "mediagen.request.1";

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::{Measured, Operation, Role, Uploaded};
    use super::*;
    use crate::domain::upload::SpoolId;

    type Change = fn(&mut Draft);

    fn print(draft: &Draft) -> [u8; 32] {
        fingerprint(draft, &BTreeMap::new(), None, 0, "")
    }

    fn full() -> Draft {
        let input = DraftInput {
            source: DraftSource::Url("https://example.com/a.jpg".into()),
            content_type: "image/jpeg".into(),
            role: Role::FirstFrame,
            tag: "lake".into(),
            subject: String::new(),
            keyframe: None,
            measured: Measured::default(),
        };
        Draft {
            model: "gen4.5".into(),
            prompt: "a lake".into(),
            inputs: vec![input],
            seconds: Some(5),
            size: "1280x720".into(),
            count: Some(1),
            seed: Some(0),
            audio: Some(false),
            negative_prompt: "rain".into(),
            operation: Some(Operation::ImageToVideo),
            options: BTreeMap::from([(
                "a".into(),
                Value::List(vec![Value::Int(1), Value::Bool(true)]),
            )]),
            ..Draft::default()
        }
    }

    fn at(draft: &mut Draft, moment: Moment) {
        draft.inputs[0].keyframe = Some(Keyframe {
            moment: Some(moment),
            ..Keyframe::default()
        });
    }

    #[test]
    fn every_field_matters() {
        let changes: [Change; 32] = [
            |d| d.model.push('x'),
            |d| d.prompt.push('x'),
            |d| d.inputs.clear(),
            |d| d.inputs.push(DraftInput::default()),
            |d| d.inputs[0].source = DraftSource::Missing,
            |d| d.inputs[0].source = DraftSource::Url("https://example.com/b.jpg".into()),
            |d| d.inputs[0].source = DraftSource::Upload("https://example.com/a.jpg".into()),
            |d| {
                d.inputs[0].source =
                    DraftSource::Data(Bytes::from_static(b"https://example.com/a.jpg"));
            },
            |d| d.inputs[0].content_type.clear(),
            |d| d.inputs[0].role = Role::LastFrame,
            |d| d.inputs[0].tag.clear(),
            |d| d.inputs[0].subject = "human".into(),
            |d| d.inputs[0].keyframe = Some(Keyframe::default()),
            |d| at(d, Moment::Seconds(0.0)),
            |d| at(d, Moment::Fraction(0.0)),
            |d| at(d, Moment::Fraction(0.5)),
            |d| {
                at(d, Moment::Seconds(0.0));
                d.inputs[0].keyframe.as_mut().unwrap().range_start_seconds = Some(0);
            },
            |d| d.seconds = None,
            |d| d.seconds = Some(6),
            |d| d.size = "1280:720".into(),
            |d| d.count = None,
            |d| d.count = Some(2),
            |d| d.seed = None,
            |d| d.seed = Some(1),
            |d| d.audio = None,
            |d| d.audio = Some(true),
            |d| d.negative_prompt.clear(),
            |d| d.operation = None,
            |d| d.operation = Some(Operation::TextToVideo),
            |d| d.options.clear(),
            |d| {
                _ = d.options.insert(
                    "a".into(),
                    Value::List(vec![Value::Bool(true), Value::Int(1)]),
                );
            },
            |d| _ = d.options.insert("b".into(), Value::Null),
        ];
        let mut seen = vec![print(&full())];
        for change in changes {
            let mut draft = full();
            change(&mut draft);
            seen.push(print(&draft));
        }
        seen.push(fingerprint(
            &full(),
            &BTreeMap::from([("team".into(), "x".into())]),
            None,
            0,
            "",
        ));
        seen.push(fingerprint(
            &full(),
            &BTreeMap::from([("tea".into(), "mx".into())]),
            None,
            0,
            "",
        ));
        seen.push(fingerprint(&full(), &BTreeMap::new(), Some(0), 0, ""));
        seen.push(fingerprint(&full(), &BTreeMap::new(), Some(-1), 0, ""));
        seen.push(fingerprint(&full(), &BTreeMap::new(), Some(0), 1, ""));
        seen.push(fingerprint(&full(), &BTreeMap::new(), Some(0), -1, ""));
        for (priority, webhook) in [
            (0, "https://a.example/b"),
            (1, "https://a.example/b"),
            (0, "x"),
        ] {
            let labels = BTreeMap::new();
            seen.push(fingerprint(&full(), &labels, Some(0), priority, webhook));
        }
        let all = seen.len();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), all);
    }

    #[test]
    fn text_cannot_move_from_one_field_to_the_next() {
        let one = Draft {
            model: "ab".into(),
            prompt: "c".into(),
            ..Draft::default()
        };
        let two = Draft {
            model: "a".into(),
            prompt: "bc".into(),
            ..Draft::default()
        };
        assert_ne!(print(&one), print(&two));
    }

    #[test]
    fn an_upload_counts_by_its_content_looked_up_or_not() {
        let id = |random, content| UploadId::new(SpoolId::new(1, [random; 10]), &[content; 32]);
        let of = |source| {
            let mut draft = full();
            draft.inputs[0].source = source;
            print(&draft)
        };
        let named = |id: UploadId| of(DraftSource::Upload(id.to_string()));
        let found = of(DraftSource::Uploaded(Uploaded {
            id: id(3, 1),
            content_type: "image/png".into(),
            size_bytes: 9,
            sha256: [1; 32],
        }));
        assert_eq!(named(id(1, 1)), named(id(2, 1)));
        assert_eq!(named(id(1, 1)), found);
        assert_ne!(named(id(1, 1)), named(id(1, 2)));
    }

    #[test]
    fn a_stored_fingerprint_is_still_found() {
        assert_eq!(
            hex::encode(print(&Draft::default())),
            "69d7e99f73e01202e80d21a2ce2fddb98cdc8640f86d53afeaaddcea275fbcb1",
        );
    }
}
