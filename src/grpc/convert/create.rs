//! `CreateRequest`: everything in it, judged only as far as it cannot be carried over.

use super::Violations;
use super::names::{read_operation, read_role};
use super::options::options;
use super::time::read_duration;
use crate::domain::generation::{Draft, DraftInput, DraftSource, Keyframe, Measured, Moment};
use crate::pb::v1;
use crate::pb::v1::input_reference::Source;
use crate::pb::v1::keyframe::Position;
use crate::pb::v1::{CreateRequest, InputReference};
use crate::service::NewRequest;

/// The request in the service's words. What could not be converted is noted and stands at its
/// default, so that the rest can be checked as well.
pub(in crate::grpc) fn new_request(given: CreateRequest, found: &mut Violations) -> NewRequest {
    let inputs = given.input_references.into_iter().enumerate();
    NewRequest {
        request_id: given.request_id,
        draft: Draft {
            model: given.model,
            prompt: given.prompt,
            inputs: inputs
                .map(|(index, reference)| input(index, reference, found))
                .collect(),
            seconds: given.seconds,
            size: given.size,
            count: given.count,
            seed: given.seed,
            audio: given.audio,
            negative_prompt: given.negative_prompt,
            operation: read_operation(given.operation, found),
            output: None,
            options: options(given.provider_options, found),
            default_seconds: None,
            options_are_texts: false,
        },
        labels: given.labels.into_iter().collect(),
        timeout: read_duration("timeout", given.timeout, found),
        priority: given.priority,
        webhook_url: given.webhook_url,
        sending: None,
    }
}

fn input(index: usize, given: InputReference, found: &mut Violations) -> DraftInput {
    let field = format!("input_references[{index}]");
    DraftInput {
        source: match given.source {
            None => DraftSource::Missing,
            Some(Source::Url(address)) => DraftSource::Url(address),
            Some(Source::Data(bytes)) => DraftSource::Data(bytes),
            Some(Source::UploadId(id)) => DraftSource::Upload(id),
        },
        content_type: given.content_type,
        role: read_role(&field, given.role, found),
        tag: given.tag,
        subject: given.subject,
        keyframe: given.keyframe.map(|given| keyframe(&field, &given, found)),
        measured: Measured::default(),
    }
}

fn keyframe(field: &str, given: &v1::Keyframe, found: &mut Violations) -> Keyframe {
    let moment = match &given.position {
        None => None,
        Some(Position::Fraction(share)) => Some(Moment::Fraction(*share)),
        Some(Position::Time(time)) => {
            let time = read_duration(&format!("{field}.keyframe.time"), Some(*time), found);
            time.map(|time| Moment::Seconds(time.as_secs_f64()))
        }
    };
    Keyframe {
        moment,
        range_start_seconds: given.range_start_seconds,
        range_end_seconds: given.range_end_seconds,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use tonic_types::StatusExt as _;

    use super::*;
    use crate::domain::generation::{Operation, Role};
    use crate::domain::value::Value;
    use crate::pb::v1;

    fn full() -> CreateRequest {
        let number = prost_types::value::Kind::NumberValue(0.5);
        let option = prost_types::Value { kind: Some(number) };
        let reference = |source, role: v1::Role| InputReference {
            source,
            content_type: "image/png".to_owned(),
            role: role as i32,
            tag: "cat".to_owned(),
            ..InputReference::default()
        };
        CreateRequest {
            request_id: "r".to_owned(),
            model: "gen4.5".to_owned(),
            prompt: "a lake".to_owned(),
            input_references: vec![
                reference(
                    Some(Source::Url("https://e.org/a".to_owned())),
                    v1::Role::FirstFrame,
                ),
                reference(Some(Source::Data(Bytes::from_static(b"x"))), v1::Role::Mask),
                reference(
                    Some(Source::UploadId("u".to_owned())),
                    v1::Role::Unspecified,
                ),
                reference(None, v1::Role::Reference),
            ],
            seconds: Some(0),
            size: "1280x720".to_owned(),
            count: Some(2),
            seed: Some(u64::MAX),
            audio: Some(false),
            negative_prompt: "fog".to_owned(),
            operation: v1::Operation::ImageToVideo as i32,
            provider_options: Some(prost_types::Struct {
                fields: [("o".to_owned(), option)].into(),
            }),
            priority: 0,
            webhook_url: "https://hooks.example.com/a".to_owned(),
            labels: [("team".to_owned(), "x".to_owned())].into(),
            timeout: Some(prost_types::Duration {
                seconds: 60,
                nanos: 0,
            }),
        }
    }

    #[test]
    fn every_field_is_carried_over() {
        let mut found = Violations::default();
        let request = new_request(full(), &mut found);
        assert!(found.is_empty());
        let input = |source, role| DraftInput {
            source,
            content_type: "image/png".to_owned(),
            role,
            tag: "cat".to_owned(),
            ..DraftInput::default()
        };
        let draft = Draft {
            model: "gen4.5".to_owned(),
            prompt: "a lake".to_owned(),
            inputs: vec![
                input(
                    DraftSource::Url("https://e.org/a".to_owned()),
                    Role::FirstFrame,
                ),
                input(DraftSource::Data(Bytes::from_static(b"x")), Role::Mask),
                input(DraftSource::Upload("u".to_owned()), Role::Unspecified),
                input(DraftSource::Missing, Role::Reference),
            ],
            seconds: Some(0),
            size: "1280x720".to_owned(),
            count: Some(2),
            seed: Some(u64::MAX),
            audio: Some(false),
            negative_prompt: "fog".to_owned(),
            operation: Some(Operation::ImageToVideo),
            output: None,
            options: [("o".to_owned(), Value::Number(0.5))].into(),
            default_seconds: None,
            options_are_texts: false,
        };
        assert_eq!(request.draft, draft);
        assert_eq!(request.request_id, "r");
        assert_eq!(request.labels["team"], "x");
        assert_eq!(request.timeout, Some(Duration::from_mins(1)));
        assert_eq!(request.webhook_url, "https://hooks.example.com/a");
    }

    #[test]
    fn an_empty_request_is_an_empty_draft() {
        let mut found = Violations::default();
        let request = new_request(CreateRequest::default(), &mut found);
        assert!(found.is_empty());
        assert_eq!(request.draft, Draft::default());
        assert_eq!((request.timeout, request.labels.len()), (None, 0));
    }

    #[test]
    fn everything_that_cannot_be_carried_over_is_named_at_once() {
        let mut given = full();
        given.operation = 99;
        given.timeout = Some(prost_types::Duration {
            seconds: -1,
            nanos: 0,
        });
        given.input_references[0].role = 99;
        let backwards = prost_types::Duration {
            seconds: -1,
            nanos: 0,
        };
        given.input_references[1].keyframe = Some(v1::Keyframe {
            position: Some(Position::Time(backwards)),
            ..v1::Keyframe::default()
        });
        let mut found = Violations::default();
        new_request(given, &mut found);
        let details = found.into_status().get_error_details();
        let mut fields: Vec<&str> = details
            .bad_request()
            .unwrap()
            .field_violations
            .iter()
            .map(|violation| violation.field.as_str())
            .collect();
        fields.sort_unstable();
        let expected = [
            "input_references[0].role",
            "input_references[1].keyframe.time",
            "operation",
            "timeout",
        ];
        assert_eq!(fields, expected);
    }
}
