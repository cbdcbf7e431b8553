//! The examples of the two documents from which this began (LiteLLM on Runway's videos and images):
//! as requests and as command lines, against the sandbox, down to a file whose pixels are counted.

use std::path::Path;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use mediagen::pb::v1::input_reference::Source;
use mediagen::pb::v1::{CreateRequest, InputReference, Operation, Task, TaskStatus};
use mediagen::sandbox;
use prost_types::{Struct, Value, value::Kind};

use crate::harness::TestApp;
use crate::harness::child::{program, run};
use crate::harness::client::{content, create, finish, fresh};
use crate::harness::media::{h264_size, png_size, sha256};

const LOGO: &str = "https://media.licdn.com/dms/image/v2/D4D0BAQFqOrIAJEgtLw/company-logo_200_200/\
company-logo_200_200/0/1714076049190/berri_ai_logo?e=2147483647&v=beta&t=7tG_KRZZ4MPGc7Iin79PcFcrpvf5Hu6rBM4ptHGU1DY";
const DEMO: &str = "A high quality demo video of litellm ai gateway";

/// One example of the videos' document: prompt, image, seconds, size; and what the task shows.
struct Video {
    prompt: &'static str,
    image: &'static str,
    seconds: Option<u32>,
    size: &'static str,
    shown: &'static str,
}

const VIDEOS: [Video; 6] = [
    // Quick start, complete workflow, cost tracking.
    video(DEMO, LOGO, Some(5), "1280x720", "1280x720"),
    // Asynchronous.
    video(
        "A serene lake with mountains in the background",
        "https://example.com/lake.jpg",
        Some(5),
        "1280x720",
        "1280x720",
    ),
    // Through the proxy, with a ratio and no length.
    video(DEMO, LOGO, None, "1280:720", "1280x720"),
    // Error handling: no size.
    video(
        "A scenic mountain view",
        "https://example.com/mountain.jpg",
        Some(5),
        "",
        "1280x720",
    ),
    // The rest of the table of parameters.
    video(DEMO, LOGO, Some(10), "720x1280", "720x1280"),
    video(DEMO, LOGO, None, "", "1280x720"),
];

const fn video(
    prompt: &'static str,
    image: &'static str,
    seconds: Option<u32>,
    size: &'static str,
    shown: &'static str,
) -> Video {
    Video {
        prompt,
        image,
        seconds,
        size,
        shown,
    }
}

impl Video {
    fn request(&self) -> CreateRequest {
        let input = InputReference {
            source: Some(Source::Url(self.image.into())),
            ..InputReference::default()
        };
        CreateRequest {
            request_id: fresh("seed"),
            model: "runwayml/gen4_turbo".into(),
            prompt: self.prompt.into(),
            input_references: vec![input],
            seconds: self.seconds,
            size: self.size.into(),
            ..CreateRequest::default()
        }
    }

    fn flags(&self) -> Vec<String> {
        let mut flags = vec![
            self.prompt,
            "--model",
            "runwayml/gen4_turbo",
            "--image",
            self.image,
        ];
        let seconds = self.seconds.map(|seconds| seconds.to_string());
        if let Some(seconds) = &seconds {
            flags.extend(["--seconds", seconds]);
        }
        if !self.size.is_empty() {
            flags.extend(["--size", self.size]);
        }
        flags.into_iter().map(str::to_owned).collect()
    }

    fn assert_made(&self, task: &Task, file: &[u8]) {
        assert_eq!(task.status(), TaskStatus::Completed, "{task:#?}");
        assert_eq!(task.operation(), Operation::ImageToVideo);
        assert_eq!(
            (&*task.model, &*task.prompt),
            ("runwayml/gen4_turbo", self.prompt)
        );
        assert_eq!((task.seconds, &*task.size), (self.seconds, self.shown));
        let output = &task.outputs[0];
        assert_eq!(output.content_type, "video/mp4");
        assert_eq!(sha256(file), output.sha256);
        assert_eq!(h264_size(file), pixels(self.shown));
        assert_eq!(output.width.zip(output.height), Some(pixels(self.shown)));
        let plays = output.duration.as_ref().unwrap().seconds;
        assert_eq!(plays, i64::from(self.seconds.unwrap_or(5)));
    }
}

fn pixels(size: &str) -> (u32, u32) {
    let (width, height) = size.split_once('x').unwrap();
    (width.parse().unwrap(), height.parse().unwrap())
}

async fn app() -> TestApp {
    let instant = sandbox::Config::default().with_task_duration(Duration::ZERO);
    TestApp::with(instant, &[]).await
}

#[tokio::test]
async fn the_video_examples_become_files() {
    let app = app().await;
    for example in &VIDEOS {
        let done = app.run(example.request()).await;
        example.assert_made(&done, &content(&app.client, &done.id).await);
    }
    assert_eq!(app.upstream.sandbox.ledger().len(), VIDEOS.len());
}

#[tokio::test]
async fn the_video_examples_become_files_by_command() {
    let app = app().await;
    for example in &VIDEOS {
        let (task, file) = generate(&app, example.flags()).await;
        example.assert_made(&app.status(&task).await, &file);
    }
}

/// Runs `mediagen generate` against the server; the task's id, and the file that was written.
async fn generate(app: &TestApp, flags: Vec<String>) -> (String, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("made");
    let mut command = program(&folder.path().join("log"));
    command
        .arg("generate")
        .args(flags)
        .args(["--server", &format!("http://{}", app.address), "--json"])
        .args([Path::new("--output"), &file]);
    let ran = tokio::task::spawn_blocking(move || run(&mut command, Duration::from_mins(1)));
    let ran = ran.await.unwrap();
    assert!(ran.status.success(), "{}", ran.stderr);
    let said: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let task = said["task"]["id"].as_str().unwrap().to_owned();
    (task, std::fs::read(file).unwrap())
}

#[tokio::test]
async fn the_ratio_of_the_proxys_example_is_an_option_too() {
    let app = app().await;
    let ratio = Value {
        kind: Some(Kind::StringValue("720:1280".into())),
    };
    let request = CreateRequest {
        provider_options: Some(Struct {
            fields: [("ratio".to_owned(), ratio)].into(),
        }),
        ..VIDEOS[5].request()
    };
    let done = app.run(request).await;
    assert_eq!(done.size, "720x1280");
    assert_eq!(
        h264_size(&content(&app.client, &done.id).await),
        (720, 1280)
    );
}

const SUNSET: &str = "A serene mountain landscape at sunset";

fn image(size: &str) -> CreateRequest {
    CreateRequest {
        request_id: fresh("seed"),
        model: "runwayml/gen4_image".into(),
        prompt: SUNSET.into(),
        size: size.into(),
        ..CreateRequest::default()
    }
}

/// The sizes of the images' document, what is asked of Runway, and whether that is said.
const LISTED: [(&str, &str); 6] = [
    ("1024x1024", "1024x1024"),
    ("1792x1024", "1920x1080"),
    ("1024x1792", "1080x1920"),
    ("1920x1080", "1920x1080"),
    ("1080x1920", "1080x1920"),
    ("", "1920x1080"),
];

fn assert_pictured(task: &Task, file: &[u8], asked: &str, shown: &str) {
    assert_eq!(task.status(), TaskStatus::Completed, "{task:#?}");
    assert_eq!(task.operation(), Operation::TextToImage);
    assert_eq!(task.size, shown, "{asked}");
    let output = &task.outputs[0];
    assert_eq!(output.content_type, "image/png");
    assert_eq!(png_size(file), pixels(shown), "{asked}");
    assert_eq!(output.width.zip(output.height), Some(pixels(shown)));
    let mapped = !asked.is_empty() && asked != shown;
    assert_eq!(
        task.status_detail.contains(asked),
        mapped || asked.is_empty()
    );
    assert_eq!(
        task.status_detail.is_empty(),
        !mapped,
        "{}",
        task.status_detail
    );
}

#[tokio::test]
async fn the_image_examples_become_pictures_of_the_size_that_the_task_shows() {
    let app = app().await;
    for (asked, shown) in LISTED {
        let made = app.create(image(asked)).await;
        assert_eq!(made.size, shown, "{asked}: at once");
        let done = app.finish(&made.id).await;
        assert_pictured(&done, &content(&app.client, &done.id).await, asked, shown);
    }
}

#[tokio::test]
async fn the_image_examples_become_pictures_by_command() {
    let app = app().await;
    for (asked, shown) in LISTED {
        let mut flags = vec![SUNSET, "--model", "runwayml/gen4_image"];
        if !asked.is_empty() {
            flags.extend(["--size", asked]);
        }
        let flags = flags.into_iter().map(str::to_owned).collect();
        let (task, file) = generate(&app, flags).await;
        assert_pictured(&app.status(&task).await, &file, asked, shown);
    }
}

/// Every size that the catalogue lists for a model, in pixels.
fn sizes(endpoint: &str, model: &str) -> Vec<String> {
    let file: serde_json::Value =
        serde_json::from_str(include_str!("../../config/runway_catalog.json")).unwrap();
    let ratio = &file["endpoints"][endpoint]["models"][model]["ratio"]["enum"];
    let listed = ratio.as_array().unwrap().iter();
    listed
        .map(|ratio| ratio.as_str().unwrap().replace(':', "x"))
        .collect()
}

#[tokio::test]
async fn every_size_of_runways_own_image_model_comes_out_to_the_pixel() {
    let app = app().await;
    let sizes = sizes("/v1/text_to_image", "gen4_image");
    assert_eq!(sizes.len(), 16);
    let made = stream::iter(sizes).map(|size| {
        let client = &app.client;
        async move {
            let made = create(client, image(&size)).await.unwrap();
            let done = finish(client, &made.id).await;
            assert_pictured(&done, &content(client, &done.id).await, &size, &size);
        }
    });
    made.buffer_unordered(8).collect::<Vec<()>>().await;
}

#[tokio::test]
async fn every_size_of_runways_and_googles_videos_comes_out_to_the_pixel() {
    let app = app().await;
    let mut wanted = Vec::new();
    for (endpoint, model, seconds) in [
        ("/v1/text_to_video", "gen4.5", 2),
        ("/v1/image_to_video", "gen4_turbo", 2),
        ("/v1/image_to_video", "gen4.5", 2),
        ("/v1/text_to_video", "veo3.1_fast", 4),
    ] {
        for size in sizes(endpoint, model) {
            let mut request = VIDEOS[0].request();
            if endpoint == "/v1/text_to_video" {
                request.input_references.clear();
            }
            request.seconds = Some(seconds);
            wanted.push(CreateRequest {
                model: model.into(),
                size,
                ..request
            });
        }
    }
    assert_eq!(wanted.len(), 2 + 6 + 6 + 4);
    let made = stream::iter(wanted).map(|request| {
        let client = &app.client;
        async move {
            let size = request.size.clone();
            let made = create(client, request).await.unwrap();
            let done = finish(client, &made.id).await;
            assert_eq!(done.size, size, "{done:#?}");
            let output = &done.outputs[0];
            assert_eq!(output.width.zip(output.height), Some(pixels(&size)));
            assert_eq!(h264_size(&content(client, &done.id).await), pixels(&size));
        }
    });
    made.buffer_unordered(8).collect::<Vec<()>>().await;
}
