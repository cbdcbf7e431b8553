//! Bodies, read.

use http::HeaderValue;

use super::*;
use crate::domain::generation::DraftSource;
use crate::domain::value::Value;
use crate::openai::body::{MOST_VALUES, parse};

fn read(body: &str, is_form: bool) -> Asked {
    let members = parse(body.as_bytes()).unwrap();
    Asked::read(Given { members, is_form }, Media::Video, &HeaderMap::new())
}

fn good(body: &str) -> NewRequest {
    let asked = read(body, false);
    assert_eq!(asked.wrong, [], "{body}");
    asked.request
}

/// The names of what is wrong, as the caller has them.
fn bad(body: &str, is_form: bool) -> Vec<String> {
    let asked = read(body, is_form);
    let named = asked.wrong.iter().map(|wrong| asked.words.of(&wrong.field));
    named.collect()
}

#[test]
fn every_member_finds_its_field() {
    let request = good(
        r#"{"model": "gen4.5", "prompt": "a lake", "seconds": "5", "ratio": "1280:720", "n": 1,
            "seed": 4294967295, "negative_prompt": "fog", "audio": true, "operation": "IMAGE_TO_VIDEO",
            "timeout": 90.5, "priority": -3, "webhook_url": "https://e.org/x", "user": "u",
            "metadata": {"a": "b", "n": 5, "x": null}, "labels": {"c": "d"},
            "provider_options": {"one": 1}, "two": [2], "extra_body": {"three": 3, "seconds": "5"},
            "num_retries": 3, "litellm_metadata": {}, "remove": null}"#,
    );
    let draft = &request.draft;
    assert_eq!(
        (&*draft.model, &*draft.prompt, &*draft.size),
        ("gen4.5", "a lake", "1280:720")
    );
    assert_eq!(
        (draft.seconds, draft.count, draft.seed),
        (Some(5), Some(1), Some(u64::from(u32::MAX)))
    );
    assert_eq!((draft.audio, &*draft.negative_prompt), (Some(true), "fog"));
    assert_eq!(draft.operation, Some(Operation::ImageToVideo));
    assert_eq!(
        (draft.output, draft.options_are_texts),
        (Some(Media::Video), false)
    );
    assert_eq!(request.timeout, Some(Duration::from_millis(90_500)));
    assert_eq!(
        (request.priority, &*request.webhook_url),
        (-3, "https://e.org/x")
    );
    let labels: Vec<(&str, &str)> = request.labels.iter().map(|(a, b)| (&**a, &**b)).collect();
    assert_eq!(labels, [("a", "b"), ("c", "d"), ("n", "5"), ("user", "u")]);
    let names: Vec<&str> = draft.options.keys().map(String::as_str).collect();
    assert_eq!(names, ["one", "three", "two"]);
}

#[test]
fn a_body_may_say_little() {
    let request = good("{}");
    let expected = Draft {
        output: Some(Media::Video),
        ..Draft::default()
    };
    assert_eq!(request.draft, expected);
    assert!(request.request_id.is_empty());
}

#[test]
fn an_input_comes_in_many_ways() {
    let url = || DraftSource::Url("https://e.org/a.png".to_owned());
    for (given, source) in [
        (r#""https://e.org/a.png""#, url()),
        (r#"{"image_url": "https://e.org/a.png"}"#, url()),
        (
            r#"{"type": "image_url", "image_url": {"url": "https://e.org/a.png", "detail": "x"}}"#,
            url(),
        ),
        (r#"["https://e.org/a.png"]"#, url()),
        (
            r#"[{"url": "https://e.org/a.png", "file_id": null}]"#,
            url(),
        ),
        (
            r#""data:image/png;base64,aGk=""#,
            DraftSource::Data("hi".into()),
        ),
        (r#""upload_1""#, DraftSource::Upload("upload_1".to_owned())),
        (
            r#"{"file_id": "upload_1"}"#,
            DraftSource::Upload("upload_1".to_owned()),
        ),
        (
            r#"{"upload_id": "upload_1", "role": "FIRST_FRAME"}"#,
            DraftSource::Upload("upload_1".to_owned()),
        ),
    ] {
        let request = good(&format!(r#"{{"input_reference": {given}}}"#));
        let sources: Vec<DraftSource> = request
            .draft
            .inputs
            .into_iter()
            .map(|input| input.source)
            .collect();
        assert_eq!(sources, [source], "{given}");
    }
}

#[test]
fn what_is_wrong_goes_by_the_callers_name() {
    for (body, names) in [
        (r#"{"model": 5}"#, &["model"][..]),
        (r#"{"prompt": ["a"]}"#, &["prompt"]),
        (r#"{"seconds": "abc"}"#, &["seconds"]),
        (r#"{"seconds": 5.5}"#, &["seconds"]),
        (r#"{"seconds": -1}"#, &["seconds"]),
        (r#"{"seconds": 1e30}"#, &["seconds"]),
        (r#"{"seconds": true}"#, &["seconds"]),
        (r#"{"size": 1280}"#, &["size"]),
        (r#"{"ratio": 1280}"#, &["ratio"]),
        (r#"{"size": "1280x720", "ratio": "720:1280"}"#, &["ratio"]),
        (r#"{"n": "2"}"#, &["n"]),
        (r#"{"count": "2"}"#, &["count"]),
        (r#"{"n": 1, "count": 2}"#, &["n"]),
        (r#"{"seed": -1, "audio": "true"}"#, &["seed", "audio"]),
        (r#"{"priority": 1.5}"#, &["priority"]),
        (r#"{"timeout": -1}"#, &["timeout"]),
        (r#"{"timeout": "soon"}"#, &["timeout"]),
        (r#"{"operation": "dance"}"#, &["operation"]),
        (r#"{"metadata": "x"}"#, &["metadata"]),
        (r#"{"metadata": {"a": {}}}"#, &["metadata[a]"]),
        (r#"{"labels": {"a": []}}"#, &["labels[a]"]),
        (r#"{"user": 5}"#, &["user"]),
        (r#"{"user": "a", "metadata": {"user": "b"}}"#, &["user"]),
        (r#"{"provider_options": [1]}"#, &["provider_options"]),
        (r#"{"provider_options": {"a": 1}, "a": 2}"#, &["a"]),
        (
            r#"{"extra_body": {"seconds": 5}, "seconds": 6}"#,
            &["seconds"],
        ),
        (
            r#"{"api_key": "sk", "provider_options": {"extra_headers": {}}}"#,
            &["api_key", "extra_headers"],
        ),
        (
            r#"{"mock_response": "x", "aws_region_name": "y"}"#,
            &["aws_region_name", "mock_response"],
        ),
        (r#"{"input_reference": 5}"#, &["input_reference"]),
        (r#"{"input_reference": {}}"#, &["input_reference"]),
        (
            r#"{"input_reference": {"image_url": 5}}"#,
            &["input_reference"],
        ),
        (
            r#"{"input_reference": {"image_url": "a", "file_id": "b"}}"#,
            &["input_reference"],
        ),
        (
            r#"{"input_reference": ["a", {"url": "b", "x": 1}]}"#,
            &["input_reference[1].x"],
        ),
        (
            r#"{"input_reference": {"url": "a", "role": "king"}}"#,
            &["input_reference.role"],
        ),
        (
            r#"{"input_reference": "data:image/png;base64,*"}"#,
            &["input_reference"],
        ),
    ] {
        assert_eq!(bad(body, false), names, "{body}");
    }
}

#[test]
fn in_a_form_texts_are_what_they_spell() {
    let asked = read(
        r#"{"n": "1", "seed": "7", "audio": "True", "seconds": "5", "priority": "2", "extra": "7",
            "list": "[1]", "provider_options": "{\"a\": true}", "metadata": {"a": "1"},
            "input_reference": "{\"image_url\": \"https://e.org/a.png\"}"}"#,
        true,
    );
    assert_eq!(asked.wrong, []);
    let draft = asked.request.draft;
    assert_eq!(
        (draft.count, draft.seed, draft.audio),
        (Some(1), Some(7), Some(true))
    );
    assert!(draft.options_are_texts);
    let options = [
        ("a".to_owned(), Value::Bool(true)),
        ("extra".to_owned(), Value::String("7".to_owned())),
        ("list".to_owned(), Value::List(vec![Value::Int(1)])),
    ];
    assert_eq!(draft.options, options.into());
    let source = DraftSource::Url("https://e.org/a.png".to_owned());
    assert_eq!(draft.inputs[0].source, source);
    assert_eq!(
        bad(r#"{"n": "two", "audio": "maybe"}"#, true),
        ["n", "audio"]
    );
}

#[test]
fn an_empty_text_of_a_form_says_nothing_where_a_text_is_no_value() {
    let form = r#"{"seconds": "", "n": "", "count": "2", "seed": "", "audio": "", "size": "",
        "ratio": "1280:720", "operation": "", "timeout": "", "priority": "", "metadata": "",
        "labels": "", "provider_options": "", "extra_body": "", "input_reference": "", "model": "",
        "webhook_url": "", "prompt": "", "user": "", "extra": ""}"#;
    let asked = read(form, true);
    assert_eq!(asked.wrong, []);
    let expected = Draft {
        size: "1280:720".to_owned(),
        count: Some(2),
        output: Some(Media::Video),
        options_are_texts: true,
        options: [("extra".to_owned(), Value::String(String::new()))].into(),
        ..Draft::default()
    };
    assert_eq!(asked.request.draft, expected);
    assert_eq!(
        asked.request.labels,
        [("user".to_owned(), String::new())].into()
    );
    // In JSON null says so.
    assert_eq!(bad(r#"{"seconds": ""}"#, false), ["seconds"]);
}

#[test]
fn the_texts_of_a_form_hold_together_no_more_values_than_a_body() {
    let list = |values: usize| format!("\"[{}0]\"", "0,".repeat(values - 2));
    let form = |one: usize, two: usize| {
        let (one, two) = (list(one), list(two));
        format!(r#"{{"a": {one}, "b": {two}, "metadata": "{{}}", "c": "[]"}}"#)
    };
    let half = MOST_VALUES / 2;
    // The object of `metadata` is one more, and so is the list of `c`.
    assert_eq!(bad(&form(half, half - 2), true), [""; 0]);
    assert_eq!(bad(&form(half, half - 1), true), ["c"]);
    assert_eq!(bad(&form(half, half), true), ["b", "c"]);
    assert_eq!(bad(&form(MOST_VALUES, 2), true), ["a", "b", "c"]);
    // In JSON a text is a text.
    assert_eq!(bad(&form(MOST_VALUES, MOST_VALUES), false), ["metadata"]);
}

#[test]
fn more_unknown_members_than_may_be_options_are_not_looked_at_one_by_one() {
    // `promp` and any other sign is nearly `prompt`.
    let members = |number: u32, name: &str, text: &str| {
        let signs = (0..number).filter_map(|n| char::from_u32(0x4E00 + n));
        let members = signs.map(|sign| format!("\"{name}{sign}\": \"{text}\""));
        format!("{{{}}}", members.collect::<Vec<_>>().join(","))
    };
    let most = 64;
    let all = bad(&members(most, "promp", ""), false);
    assert_eq!(all.len(), 64, "each is told by its name");
    for too_much in [
        members(most + 1, "promp", ""),
        members(62, "option", &"[0]".repeat(10_000)),
    ] {
        let asked = read(&too_much, true);
        let named: Vec<&str> = asked.wrong.iter().map(|wrong| &*wrong.field).collect();
        assert_eq!(named, ["provider_options"]);
        assert_eq!(asked.request.draft.options, [].into());
    }
}

#[test]
fn a_name_without_end_is_told_by_its_beginning() {
    let long = "x".repeat(10_000);
    let names = bad(&format!(r#"{{"labels": {{"{long}": []}}}}"#), false);
    assert!(names[0].len() < 300, "{names:?}");
}

#[test]
fn a_header_says_the_key() {
    const LONG: [u8; RequestId::MAX_LEN + 1] = [b'k'; RequestId::MAX_LEN + 1];
    let of = |name: &'static str, values: &[&'static [u8]]| {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, HeaderValue::from_bytes(value).unwrap());
        }
        let asked = Asked::read(Given::default(), Media::Video, &headers);
        let wrong: Vec<String> = asked
            .wrong
            .iter()
            .map(|wrong| asked.words.of(&wrong.field))
            .collect();
        (asked.request.request_id, wrong)
    };
    let good = |key: &str| (key.to_owned(), vec![]);
    assert_eq!(of("idempotency-key", &[b"a"]), good("a"));
    assert_eq!(of("idempotency-key", &[b"a", b"a"]), good("a"));
    for bad in [
        &[&b""[..]][..],
        &[b"a", b"b"],
        &[b"\xff"],
        &[b"a b"],
        &[&LONG],
    ] {
        assert_eq!(of("idempotency-key", bad).1, ["Idempotency-Key"]);
    }
}
