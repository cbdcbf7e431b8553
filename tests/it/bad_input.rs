//! Bad input: refused with its code, its reason and every bad field, before anything is stored.

use bytes::Bytes;
use mediagen::pb::v1::input_reference::Source;
use mediagen::pb::v1::{
    CancelRequest, CreateRequest, DownloadContentRequest, InputReference, ListRequest,
    StatusRequest, TaskFilters,
};
use prost_types::{Struct, Value, value::Kind};
use tonic::{Code, Request};

use crate::harness::client::{channel, download, fresh};
use crate::harness::media::png;
use crate::harness::{Raw, Refused, TestApp, picture, refused, sound, video, within};

/// A request, why it is refused, the field that is named, and words that must be said of it.
type Row = (
    &'static str,
    CreateRequest,
    &'static str,
    &'static str,
    &'static [&'static str],
);

#[tokio::test]
async fn every_bad_create_is_refused_by_name_and_leaves_nothing() {
    let app = TestApp::start().await;
    for (name, request, reason, field, words) in rows() {
        let refusal = app.refusal(request).await;
        assert!(
            refusal.is(Code::InvalidArgument, reason),
            "{name}: {refusal:?}"
        );
        let said = refusal.fields.iter().find(|(named, _)| named == field);
        let said = said.unwrap_or_else(|| panic!("{name}: {refusal:?}"));
        for word in words {
            assert!(said.1.contains(word), "{name} lacks {word}: {said:?}");
        }
    }
    nothing_is_left(&app).await;
}

fn rows() -> Vec<Row> {
    [fields(), images(), frame(), urls()].concat()
}

/// A good request with one thing changed.
fn with(change: impl Fn(&mut CreateRequest)) -> CreateRequest {
    let mut request = video("a lake");
    change(&mut request);
    request
}

fn fields() -> Vec<Row> {
    let field = |name, field, words, change: &dyn Fn(&mut CreateRequest)| -> Row {
        (name, with(change), "FIELD_INVALID", field, words)
    };
    let unknown = with(|r| r.model = "gen4-turbo".into());
    vec![
        field("no prompt", "prompt", &[], &|r| r.prompt.clear()),
        field("a blank prompt", "prompt", &[], &|r| {
            r.prompt = " \n ".into();
        }),
        field("1001 letters", "prompt", &["1000"], &|r| {
            r.prompt = "ä".repeat(1001);
        }),
        field("1002 units", "prompt", &["1000"], &|r| {
            r.prompt = "🎬".repeat(501);
        }),
        (
            "an unknown model",
            unknown,
            "MODEL_UNKNOWN",
            "model",
            &["gen4_turbo"],
        ),
        field("a foreign size", "size", &["1280:720"], &|r| {
            r.size = "333x222".into();
        }),
        field("11 seconds", "seconds", &["10"], &|r| r.seconds = Some(11)),
        field("0 seconds", "seconds", &["from 1"], &|r| {
            r.seconds = Some(0);
        }),
        field("no image", "input_references", &["image"], &|r| {
            r.model = "gen4_turbo".into();
        }),
    ]
}

fn images() -> Vec<Row> {
    let unsupported = "INPUT_TYPE_UNSUPPORTED";
    let (data, declared) = (
        "input_references[0].data",
        "input_references[0].content_type",
    );
    let image = |content_type: &str, data: &[u8]| {
        let mut request = picture("a lake", data.to_vec());
        request.input_references[0].content_type = content_type.into();
        request
    };
    let png = png(20_000);
    let both = &["image/png", "image/jpeg"];
    let sourceless = with(|r| r.input_references = vec![InputReference::default()]);
    vec![
        (
            "text",
            image("image/png", b"not a picture at all"),
            unsupported,
            data,
            &[],
        ),
        (
            "a PNG called JPEG",
            image("image/jpeg", &png),
            unsupported,
            data,
            both,
        ),
        (
            "TIFF",
            image("image/tiff", b"II*\0........"),
            unsupported,
            declared,
            &[],
        ),
        (
            "an empty image",
            image("image/png", b""),
            "FIELD_INVALID",
            data,
            &[],
        ),
        (
            "no source",
            sourceless,
            "FIELD_INVALID",
            "input_references[0]",
            &[],
        ),
    ]
}

fn frame() -> Vec<Row> {
    let strict = with(|r| {
        (r.model, r.seconds) = ("veo3.1".into(), Some(4));
        r.provider_options = Some(option("fooBar"));
    });
    let spaced = with(|r| r.request_id = "a b".into());
    let timeless = with(|r| r.timeout = Some(prost_types::Duration::default()));
    let operation = with(|r| r.operation = 99);
    let labels = with(|r| r.labels = (0..65).map(|n| (n.to_string(), String::new())).collect());
    let field = "provider_options.fooBar";
    vec![
        (
            "an unknown option",
            strict,
            "OPTION_UNSUPPORTED",
            field,
            &[],
        ),
        (
            "a request id with a space",
            spaced,
            "FIELD_INVALID",
            "request_id",
            &["128"],
        ),
        (
            "a timeout of zero",
            timeless,
            "FIELD_INVALID",
            "timeout",
            &[],
        ),
        (
            "an unknown operation",
            operation,
            "FIELD_INVALID",
            "operation",
            &[],
        ),
        ("65 labels", labels, "FIELD_INVALID", "labels", &["64"]),
    ]
}

fn urls() -> Vec<Row> {
    let bad = [
        "http://example.com/a.png",
        "https://127.0.0.1/a.png",
        "https://169.254.169.254/latest",
        "https://[::1]/a.png",
        "https://localhost/a.png",
        "https://user:secret@example.com/a.png",
        "ftp://example.com/a.png",
        "file:///etc/passwd",
        "nonsense",
    ];
    let row = |url: &'static str| -> Row {
        let request = with(|r| r.input_references = vec![of_url(url)]);
        (
            url,
            request,
            "INPUT_URL_FORBIDDEN",
            "input_references[0].url",
            &[],
        )
    };
    bad.map(row).to_vec()
}

fn of_url(url: &str) -> InputReference {
    InputReference {
        source: Some(Source::Url(url.into())),
        ..InputReference::default()
    }
}

fn option(name: &str) -> Struct {
    let value = Value {
        kind: Some(Kind::BoolValue(true)),
    };
    Struct {
        fields: [(name.to_owned(), value)].into(),
    }
}

#[tokio::test]
async fn several_bad_fields_are_named_in_one_answer() {
    let app = TestApp::start().await;
    let refusal = app
        .refusal(CreateRequest {
            request_id: "a b".into(),
            prompt: "ä".repeat(1001),
            size: "1x1".into(),
            seconds: Some(99),
            seed: Some(u64::MAX),
            input_references: vec![of_url("http://example.com/a.png")],
            provider_options: Some(option("contentModeration")),
            ..video("")
        })
        .await;
    assert!(
        refusal.is(Code::InvalidArgument, "FIELD_INVALID"),
        "{refusal:?}"
    );
    for field in [
        "request_id",
        "prompt",
        "size",
        "seconds",
        "seed",
        "input_references[0].url",
        "provider_options.contentModeration",
    ] {
        assert!(refusal.names(field), "{field}: {refusal:#?}");
    }
    nothing_is_left(&app).await;
}

#[tokio::test]
async fn a_prompt_of_exactly_the_limit_in_utf16_is_taken() {
    let app = TestApp::start().await;
    let prompt = "🎬".repeat(500);
    let task = app.create(video(&prompt)).await;
    assert_eq!(task.prompt, prompt);
    let refusal = app.refusal(video(&format!("{prompt}a"))).await;
    assert!(refusal.names("prompt"), "{refusal:?}");
    app.until(&task.id, |task| !task.attempts.is_empty()).await;
}

#[tokio::test]
async fn ids_offsets_and_filters_are_checked() {
    let app = TestApp::start().await;
    let mut client = app.client.clone();
    let absent = "task_01890a5dac96774bbcceb302099a8057";
    for id in [
        "",
        "task_",
        "lake",
        "task_ZZZ",
        &absent.to_uppercase(),
        &format!("{absent}0"),
    ] {
        let asked = StatusRequest { task_id: id.into() };
        let refusal = refused(within("an answer", client.status(asked)).await);
        assert!(
            refusal.is(Code::InvalidArgument, "TASK_ID_INVALID"),
            "{id}: {refusal:?}"
        );
        assert!(refusal.names("task_id"));
    }
    let asked = StatusRequest {
        task_id: absent.into(),
    };
    let refusal = refused(client.status(asked).await);
    assert!(refusal.is(Code::NotFound, "TASK_NOT_FOUND"), "{refusal:?}");
    let asked = CancelRequest {
        task_id: absent.into(),
    };
    assert!(refused(client.cancel(asked).await).is(Code::NotFound, "TASK_NOT_FOUND"));
    let asked = DownloadContentRequest {
        task_id: absent.into(),
        offset: -1,
        limit: -1,
        expected_sha256: "beef".into(),
        ..DownloadContentRequest::default()
    };
    let refusal = refused(download(&app.client, asked).await.end);
    assert!(
        refusal.is(Code::InvalidArgument, "FIELD_INVALID"),
        "{refusal:?}"
    );
    for field in ["offset", "limit", "expected_sha256"] {
        assert!(refusal.names(field), "{field}: {refusal:?}");
    }
    let filters = TaskFilters {
        statuses: vec![0, 99],
        ..TaskFilters::default()
    };
    let asked = ListRequest {
        page_size: -1,
        filters: Some(filters),
        ..ListRequest::default()
    };
    let refusal = refused(client.list(asked).await);
    assert!(
        refusal.names("page_size") && refusal.names("filters.statuses[1]"),
        "{refusal:?}"
    );
    let asked = ListRequest {
        page_token: "forged".into(),
        ..ListRequest::default()
    };
    let refusal = refused(client.list(asked).await);
    assert!(
        refusal.is(Code::InvalidArgument, "PAGE_TOKEN_INVALID"),
        "{refusal:?}"
    );
}

#[tokio::test]
async fn a_message_over_its_limit_is_refused_as_too_large() {
    let app = TestApp::start().await;
    let refusal = app.refusal(picture("a lake", vec![0; 16 << 20])).await;
    assert!(
        refusal.is(Code::ResourceExhausted, "MESSAGE_TOO_LARGE"),
        "{refusal:?}"
    );
    let asked = StatusRequest {
        task_id: "x".repeat(1 << 20),
    };
    let refusal = refused(app.client.clone().status(asked).await);
    assert!(
        refusal.is(Code::ResourceExhausted, "MESSAGE_TOO_LARGE"),
        "{refusal:?}"
    );
    nothing_is_left(&app).await;
}

#[tokio::test]
async fn text_that_is_not_utf8_is_refused_naming_its_field() {
    let app = TestApp::start().await;
    // Field 3, the prompt: a length-delimited value of two bytes that are no text.
    let refusal = raw(&app, "Create", &[0x1A, 0x02, 0xC3, 0x28]).await;
    assert!(
        refusal.is(Code::InvalidArgument, "FIELD_INVALID"),
        "{refusal:?}"
    );
    assert!(refusal.names("prompt"), "{refusal:?}");
    let refusal = raw(&app, "Status", &[0x0A, 0x01, 0xFF]).await;
    assert!(refusal.names("task_id"), "{refusal:?}");
    let refusal = raw(&app, "Create", &[0x1A, 0x7F, b'a']).await;
    assert!(
        refusal.is(Code::InvalidArgument, "FIELD_INVALID"),
        "{refusal:?}"
    );
    nothing_is_left(&app).await;
}

#[tokio::test]
async fn an_unknown_option_goes_on_with_a_note_where_the_catalogue_does_not_say() {
    let app = TestApp::start().await;
    for (model, note) in [("gen4.5", ""), ("kling3.0_standard", "fooBar")] {
        let request = CreateRequest {
            model: model.into(),
            seconds: Some(5),
            provider_options: Some(option("fooBar")),
            ..video("a lake")
        };
        let task = app.create(request).await;
        assert!(task.status_detail.contains(note), "{task:#?}");
        assert_eq!(task.status_detail.is_empty(), note.is_empty());
        app.until(&task.id, |task| !task.attempts.is_empty()).await;
    }
}

/// Sends bytes that no generated client would.
async fn raw(app: &TestApp, method: &str, body: &[u8]) -> Refused {
    let mut client = tonic::client::Grpc::new(channel(app.address));
    within("the channel", client.ready()).await.unwrap();
    let path = format!("/mediagen.v1.MediaGeneration/{method}")
        .parse()
        .unwrap();
    let request = Request::new(Bytes::copy_from_slice(body));
    refused(within("an answer", client.unary(request, path, Raw)).await)
}

async fn nothing_is_left(app: &TestApp) {
    let listed = app
        .client
        .clone()
        .list(ListRequest::default())
        .await
        .unwrap();
    assert_eq!(listed.into_inner().tasks, []);
    let folders = std::fs::read_dir(app.archive("")).unwrap().count();
    assert_eq!(folders, 0, "the archive holds something");
    let counts = app.upstream.sandbox.counts();
    assert_eq!(
        (
            counts.creates_accepted,
            counts.creates_refused,
            counts.uploads
        ),
        (0, 0, 0)
    );
    // The server still works.
    app.run(CreateRequest {
        request_id: fresh("after"),
        ..sound("a bell")
    })
    .await;
}
