//! What is sent for a generation.

use futures_util::{StreamExt as _, stream};
use serde_json::{Value as Json, json};

use super::*;
use crate::domain::generation::{Draft, Limits, Operation};
use crate::domain::value::Value;

const LIMITS: Limits = Limits {
    inline_bytes: 1 << 20,
    upload_bytes: 1 << 20,
};

fn draft(model: &str, operation: Operation) -> Draft {
    Draft {
        model: model.into(),
        operation: Some(operation),
        prompt: "a \"lake\"\r\n--".into(),
        ..Draft::default()
    }
}

fn sent(draft: &Draft, uris: &[&str]) -> Prepared {
    let catalog = catalog::embedded().unwrap();
    let generation = Generation::new(draft, &catalog, &LIMITS).unwrap();
    let uris: Vec<String> = uris.iter().map(|uri| (*uri).to_owned()).collect();
    account("http://127.0.0.1:1", |_| {}).prepare(&generation, &uris)
}

fn body(prepared: &Prepared) -> Json {
    assert_eq!(prepared.content_type, "application/json");
    serde_json::from_slice(&prepared.body).unwrap()
}

/// The parts of a form, by what their heads say.
fn parts(prepared: &Prepared) -> Vec<(String, Vec<u8>)> {
    let boundary = prepared
        .content_type
        .strip_prefix("multipart/form-data; boundary=")
        .unwrap();
    let text = prepared
        .body
        .iter()
        .map(|byte| char::from(*byte))
        .collect::<String>();
    let text = text
        .strip_suffix(&format!("\r\n--{boundary}--\r\n"))
        .unwrap();
    let text = text.strip_prefix(&format!("--{boundary}\r\n")).unwrap();
    let between = format!("\r\n--{boundary}\r\n");
    let parts = text.split(&between).map(|part| {
        let (head, body) = part.split_once("\r\n\r\n").unwrap();
        (head.to_owned(), body.chars().map(|c| c as u8).collect())
    });
    parts.collect()
}

#[test]
fn a_video_is_a_form_of_text() {
    let request = Draft {
        seconds: Some(8),
        size: "1280:720".into(),
        ..draft("openai/sora-2", Operation::TextToVideo)
    };
    let prepared = sent(&request, &[]);
    assert_eq!(prepared.endpoint, "/v1/videos");
    let mut fields = parts(&prepared);
    fields.sort();
    let field = |name: &str, value: &str| {
        (
            format!("Content-Disposition: form-data; name=\"{name}\""),
            value.as_bytes().to_vec(),
        )
    };
    let expected = [
        field("model", "sora-2"),
        field("prompt", "a \"lake\"\r\n--"),
        field("seconds", "8"),
        field("size", "1280x720"),
    ];
    assert_eq!(fields, expected);
}

#[test]
fn what_is_required_and_not_said_is_the_catalogues_default() {
    let fields = parts(&sent(
        &draft("openai/sora-2-pro", Operation::TextToVideo),
        &[],
    ));
    let values: Vec<&[u8]> = fields.iter().map(|(_, value)| &value[..]).collect();
    assert!(
        values.contains(&&b"4"[..]) && values.contains(&&b"1280x720"[..]),
        "{fields:?}"
    );
}

#[test]
fn an_inline_image_is_a_file_and_one_by_its_address_is_named_in_json() {
    let catalog = catalog::embedded().unwrap();
    let mut request = draft("openai/sora-2", Operation::ImageToVideo);
    request.inputs = vec![crate::domain::generation::DraftInput {
        source: crate::domain::generation::DraftSource::Url("https://a.example/1.png".into()),
        ..<_>::default()
    }];
    let generation = Generation::new(&request, &catalog, &LIMITS).unwrap();
    let account = account("http://127.0.0.1:1", |_| {});
    let prepared = account.prepare(&generation, &["https://a.example/1.png".to_owned()]);
    let said = body(&prepared);
    assert_eq!(
        said["input_reference"],
        json!({"image_url": "https://a.example/1.png"})
    );
    assert_eq!(
        (&said["seconds"], &said["size"]),
        (&json!("4"), &json!("1280x720"))
    );
    let prepared = account.prepare(&generation, &["data:image/png;base64,AAECDQr/".to_owned()]);
    let parts = parts(&prepared);
    let (head, bytes) = parts.last().unwrap();
    assert!(
        head.contains(
            "name=\"input_reference\"; filename=\"input.png\"\r\nContent-Type: image/png"
        ),
        "{head}"
    );
    assert_eq!(*bytes, [0, 1, 2, 13, 10, 255]);
}

#[test]
fn an_option_that_no_form_can_say_goes_in_json() {
    let mut request = draft("openai/other", Operation::TextToVideo);
    request
        .options
        .insert("loras".into(), Value::List(vec![Value::Int(1)]));
    request.options.insert("stream".into(), Value::Bool(true));
    request.seconds = Some(7);
    let said = body(&sent(&request, &[]));
    let expected =
        json!({"model": "other", "prompt": "a \"lake\"\r\n--", "seconds": "7", "loras": [1]});
    assert_eq!(said, expected);
}

#[test]
fn images_are_asked_for_as_bytes_unless_the_model_refuses_to_be_asked() {
    let format = |model: &str, option: Option<Value>| {
        let mut request = draft(model, Operation::TextToImage);
        request
            .options
            .extend(option.map(|value| ("response_format".to_owned(), value)));
        request.count = Some(1);
        let prepared = sent(&request, &[]);
        assert_eq!(prepared.endpoint, "/v1/images/generations");
        body(&prepared)
    };
    let said = format("openai/gpt-image-1", None);
    assert_eq!(
        said,
        json!({"model": "gpt-image-1", "n": 1, "prompt": "a \"lake\"\r\n--", "size": "1024x1024"})
    );
    assert_eq!(
        format("openai/dall-e-3", None)["response_format"],
        "b64_json"
    );
    assert_eq!(format("openai/other", None)["response_format"], "b64_json");
    let url = Value::String("url".into());
    assert_eq!(format("openai/other", Some(url))["response_format"], "url");
    assert_eq!(
        format("openai/other", Some(Value::String(String::new()))).get("response_format"),
        None
    );
}

#[tokio::test]
async fn inputs_are_held_to_a_bound_and_sent_nowhere_before_the_create() {
    let account = account("http://127.0.0.1:1", |_| {});
    let media = |size| {
        Media::new("image/png", size, || {
            stream::iter([Ok(Bytes::from_static(b"abcd"))]).boxed()
        })
    };
    assert!(account.embeds("image/png", 4) && !account.embeds("image/png", 33 << 20));
    let placed = account.place(&media(4)).await.unwrap();
    assert_eq!(
        (&*placed.uri, placed.lasts),
        ("data:image/png;base64,YWJjZA==", None)
    );
    let refused = account.place(&media(33 << 20)).await.unwrap_err();
    assert_eq!(
        (refused.kind, &*refused.code),
        (RejectionKind::Caller, "413")
    );
}
