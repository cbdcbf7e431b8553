//! Everything that is wrong with a request comes in one answer, each with what is allowed instead.
//!
//! One bad field at a time is `bad_input`; every bound of every model is `pairs`.

use std::time::Duration;

use mediagen::pb::v1::input_reference::Source;
use mediagen::pb::v1::{CreateRequest, InputReference, ListRequest, Operation, Role};
use prost_types::{Struct, Value, value::Kind};
use tempfile::TempDir;
use tonic::Code;

use crate::harness::child::{program, run};
use crate::harness::{Refused, TestApp, video};

/// Fields that must be named, with words that must be said of each.
type Named<'a> = &'a [(&'a str, &'a [&'a str])];

async fn refuses(app: &TestApp, reason: &str, request: CreateRequest, named: Named<'_>) -> Refused {
    let refusal = app.refusal(request).await;
    assert!(
        refusal.is(Code::InvalidArgument, reason),
        "{reason}: {refusal:#?}"
    );
    for (field, words) in named {
        let said: Vec<&str> = refusal
            .fields
            .iter()
            .filter_map(|(name, problem)| (name == field).then_some(&**problem))
            .collect();
        for word in *words {
            let told = said.iter().any(|said| said.contains(word));
            assert!(told, "{field} lacks {word}: {refusal:#?}");
        }
        assert!(!said.is_empty(), "{field} is not named: {refusal:#?}");
    }
    refusal
}

fn of_url(url: &str, role: Role) -> InputReference {
    InputReference {
        source: Some(Source::Url(url.into())),
        role: role as i32,
        ..InputReference::default()
    }
}

fn picture(role: Role) -> InputReference {
    of_url("https://example.com/a.jpg", role)
}

fn options(fields: &[(&str, Kind)]) -> Struct {
    let value = |kind: &Kind| Value {
        kind: Some(kind.clone()),
    };
    let fields = fields.iter();
    Struct {
        fields: fields
            .map(|(name, kind)| ((*name).to_owned(), value(kind)))
            .collect(),
    }
}

fn text(text: &str) -> Kind {
    Kind::StringValue(text.into())
}

#[tokio::test]
async fn ten_violations_are_ten_fields_of_one_answer() {
    let app = TestApp::start().await;
    let threshold = options(&[("publicFigureThreshold", text("never"))]);
    let request = CreateRequest {
        prompt: "x".repeat(1_001),
        seconds: Some(11),
        size: "333x222".into(),
        count: Some(2),
        seed: Some(1 << 32),
        audio: Some(true),
        negative_prompt: "rain".into(),
        operation: Operation::ImageToVideo as i32,
        input_references: vec![
            picture(Role::FirstFrame),
            picture(Role::FirstFrame),
            picture(Role::LastFrame),
            of_url("http://example.com/a.jpg", Role::Mask),
        ],
        provider_options: Some(options(&[
            ("outputFormat", text("gif")),
            ("proresProfile", text("422")),
            ("contentModeration", Kind::StructValue(threshold)),
            ("promptText", text("twice")),
            ("duration", Kind::NumberValue(2.5)),
        ])),
        labels: (0..65).map(|n| (n.to_string(), String::new())).collect(),
        ..video("")
    };
    let named: Named<'_> = &[
        ("prompt", &["from 1 to 1000 UTF-16 code units"]),
        ("seconds", &["from 2 to 10", "got 11"]),
        ("size", &["1280:720", "1584:672"]),
        (
            "count",
            &["does not take it", "prompt, seconds, size, seed"],
        ),
        ("seed", &["4294967295", "4294967296"]),
        ("audio", &["does not take it"]),
        ("negative_prompt", &["does not take it"]),
        ("input_references[1].role", &["first_frame"]),
        (
            "input_references[2].role",
            &["has no last_frame", "it takes first_frame"],
        ),
        ("input_references[3].role", &["has no mask"]),
        ("input_references[3].url", &["https://"]),
        ("provider_options.outputFormat", &["mp4, prores"]),
        ("provider_options.proresProfile", &["prores, hdr_prores"]),
        (
            "provider_options.contentModeration.publicFigureThreshold",
            &["auto, low", "never"],
        ),
        ("provider_options.promptText", &["field prompt"]),
        ("provider_options.duration", &["seconds says the same"]),
        ("labels", &["64"]),
    ];
    refuses(&app, "FIELD_INVALID", request, named).await;
    nothing_is_left(&app).await;
}

#[tokio::test]
async fn beside_an_unknown_model_or_operation_the_rest_is_told() {
    let app = TestApp::start().await;
    let wrong = || CreateRequest {
        prompt: "x".repeat(1_001),
        seconds: Some(99),
        seed: Some(1 << 40),
        input_references: vec![of_url("https://10.0.0.1/a.jpg", Role::Unspecified)],
        ..video("")
    };
    let unknown = CreateRequest {
        model: "gen4_turb".into(),
        ..wrong()
    };
    let named: Named<'_> = &[
        ("model", &["gen4_turbo"]),
        ("prompt", &["gen4_turbo", "1000"]),
        ("seconds", &["from 2 to 10"]),
        ("seed", &["4294967295"]),
        ("input_references[0].url", &["IP address"]),
    ];
    refuses(&app, "MODEL_UNKNOWN", unknown, named).await;
    let nobody = CreateRequest {
        model: "stable-diffusion-xl".into(),
        ..wrong()
    };
    let named: Named<'_> = &[
        ("model", &["known are", "in all", "runwayml/<id>"]),
        ("seed", &[]),
        ("input_references[0].url", &[]),
    ];
    let refusal = refuses(&app, "MODEL_UNKNOWN", nobody, named).await;
    assert_eq!(refusal.fields.len(), 3, "nobody knows its bounds");
    let unlisted = CreateRequest {
        model: "runwayml/zz".into(),
        ..video("a lake")
    };
    let named: Named<'_> = &[(
        "operation",
        &["text_to_video, ", ", voice_dubbing, voice_isolation"],
    )];
    refuses(&app, "FIELD_INVALID", unlisted, named).await;
    let elsewhere = CreateRequest {
        model: "veo3.1".into(),
        operation: Operation::VideoUpscale as i32,
        ..wrong()
    };
    let named: Named<'_> = &[
        ("operation", &["text_to_video, image_to_video"]),
        ("prompt", &["1000"]),
        ("seconds", &["4, 6, 8"]),
    ];
    refuses(&app, "FIELD_INVALID", elsewhere, named).await;
    nothing_is_left(&app).await;
}

#[tokio::test]
async fn options_are_checked_inside_and_where_they_stand_for_a_field() {
    let app = TestApp::start().await;
    let inner = options(&[("fooBar", text("x"))]);
    let source = of_url("https://example.com/a.mp4", Role::SourceVideo);
    let nested = CreateRequest {
        model: "aleph2".into(),
        seconds: None,
        size: String::new(),
        input_references: vec![source],
        provider_options: Some(options(&[("contentModeration", Kind::StructValue(inner))])),
        ..video("a lake")
    };
    let named: Named<'_> = &[(
        "provider_options.contentModeration.fooBar",
        &["publicFigureThreshold"],
    )];
    refuses(&app, "OPTION_UNSUPPORTED", nested, named).await;
    let whole = CreateRequest {
        seconds: None,
        provider_options: Some(options(&[
            ("duration", Kind::NumberValue(2.5)),
            ("seed", Kind::NumberValue(4_294_967_296.0)),
            ("ratio", text("9:9")),
        ])),
        size: String::new(),
        ..video("a lake")
    };
    let named: Named<'_> = &[
        (
            "provider_options.duration",
            &["a whole number from 2 to 10", "2.5"],
        ),
        ("provider_options.seed", &["4294967295"]),
        ("provider_options.ratio", &["1280:720, 720:1280"]),
    ];
    refuses(&app, "FIELD_INVALID", whole, named).await;
    nothing_is_left(&app).await;
}

#[tokio::test]
async fn a_long_list_of_what_is_allowed_is_shortened() {
    let app = TestApp::start().await;
    let request = CreateRequest {
        model: "gen4_image".into(),
        seconds: None,
        size: "777x777".into(),
        ..video("a lake")
    };
    let named: Named<'_> = &[("size", &["1024:1024", "(16 in all)", "777x777"])];
    refuses(&app, "FIELD_INVALID", request, named).await;
    nothing_is_left(&app).await;
}

#[tokio::test]
async fn a_fraction_of_a_second_is_shown_its_place_by_the_command() {
    let folder = TempDir::new().unwrap();
    let mut command = program(&folder.path().join("log"));
    command.args([
        "generate",
        "a bell",
        "--seconds",
        "2.5",
        "--server",
        "http://127.0.0.1:9",
    ]);
    let ran = run(&mut command, Duration::from_secs(30));
    assert_eq!(ran.status.code(), Some(2), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("--option duration=2.5"),
        "{}",
        ran.stderr
    );
    let app = TestApp::start().await;
    let mut command = program(&folder.path().join("log"));
    command
        .args(["generate", "a bell", "--model", "eleven_text_to_sound_v2"])
        .args(["--option", "duration=0.5", "--json"])
        .args(["--server", &format!("http://{}", app.address)])
        .arg("--output")
        .arg(folder.path().join("bell.wav"));
    let ran = tokio::task::spawn_blocking(move || run(&mut command, Duration::from_mins(1)));
    let ran = ran.await.unwrap();
    assert!(ran.status.success(), "{}", ran.stderr);
    let file = std::fs::read(folder.path().join("bell.wav")).unwrap();
    assert_eq!(file.len(), 44 + 16_000, "half a second of 16-bit sound");
}

async fn nothing_is_left(app: &TestApp) {
    let listed = app.client.clone().list(ListRequest::default()).await;
    assert_eq!(listed.unwrap().into_inner().tasks, []);
    let folders = std::fs::read_dir(app.archive("")).unwrap().count();
    assert_eq!(folders, 0, "the archive holds something");
    let counts = app.upstream.sandbox.counts();
    let sent = (
        counts.creates_accepted,
        counts.creates_refused,
        counts.uploads,
    );
    assert_eq!(sent, (0, 0, 0));
}
