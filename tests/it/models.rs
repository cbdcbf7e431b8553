//! The models of a server: those of the catalogue, and what its configuration makes of them.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use mediagen::config::{Config, Setting};
use mediagen::pb::v1;
use mediagen::sandbox;
use mediagen::shutdown::Shutdown;
use prost::Message as _;
use tempfile::TempDir;
use tonic::Code;

use crate::harness::child::program;
use crate::harness::client::{connect, content, finish, fresh};
use crate::harness::{Client, TestApp, Upstream, create, quick, refused, sound, video, within};

/// A server whose configuration is a file.
struct Configured {
    client: Client,
    address: SocketAddr,
    upstream: Upstream,
    life: Shutdown,
    _data: TempDir,
}

impl Configured {
    /// `extra`: models that the provider has beside those of the catalogue.
    async fn start(text: &str, extra: &[(&str, &str)]) -> Self {
        let pairs = extra
            .iter()
            .map(|(path, id)| ((*path).to_owned(), (*id).to_owned()));
        let upstream = Upstream::start(sandbox::Config {
            extra_models: pairs.collect(),
            ..quick()
        });
        let (upstream, data) = (upstream.await, TempDir::new().unwrap());
        let file = data.path().join("mediagen.yaml");
        fs::write(&file, text).unwrap();
        let folder = data.path().join("data").display().to_string();
        let settings = [
            Setting::new("", "data_dir", folder),
            Setting::new("", "server.listen", "127.0.0.1:0"),
            Setting::new("", "poll.interval", "40ms"),
        ];
        let environment = upstream.environment().into_iter().collect();
        let config = Config::load(Some(&file), &environment, &settings).unwrap();
        let life = Shutdown::new();
        let address = mediagen::app::start(config, life.clone())
            .await
            .unwrap()
            .address;
        Self {
            client: connect(address),
            address,
            upstream,
            life,
            _data: data,
        }
    }

    async fn run(&self, request: v1::CreateRequest) -> v1::Task {
        let task = create(&self.client, request).await.unwrap();
        finish(&self.client, &task.id).await
    }
}

impl Drop for Configured {
    fn drop(&mut self) {
        self.life.stop();
    }
}

async fn models(client: &Client, request: v1::ListModelsRequest) -> Vec<v1::Model> {
    let mut client = client.clone();
    let answer = within("the models", client.list_models(request)).await;
    answer.unwrap().into_inner().models
}

fn ask(model: &str) -> v1::CreateRequest {
    v1::CreateRequest {
        request_id: fresh("model"),
        model: model.to_owned(),
        ..video("a lake")
    }
}

#[tokio::test]
async fn an_added_model_works_from_create_to_download_by_all_its_names() {
    let config = "models:\n  gen5:\n    text_to_video:\n      like: gen4.5\n      \
                  duration: {range: [2, 20]}\n      newOption: {type: boolean}\n  \
                  newest: {alias: gen5}\n";
    let app = Configured::start(config, &[("/v1/text_to_video", "gen5")]).await;
    for name in ["gen5", "runwayml/gen5", "newest"] {
        let mut request = ask(name);
        request.seconds = Some(15);
        request.prompt = format!("a lake by {name}.");
        let done = app.run(request).await;
        assert_eq!(done.status(), v1::TaskStatus::Completed, "{done:#?}");
        assert_eq!(
            (done.model.as_str(), done.status_detail.as_str()),
            (name, "")
        );
        assert!(done.deployment.ends_with("/gen5"), "{}", done.deployment);
        let ledger = app.upstream.charged(&format!("by {name}."));
        assert_eq!(ledger.len(), 1);
        assert_eq!(ledger[0].model, "gen5");
        assert!(!content(&app.client, &done.id).await.is_empty());
    }
    let mut longer = ask("gen5");
    longer.seconds = Some(21);
    let refusal = refused(create(&app.client, longer).await);
    assert!(refusal.is(Code::InvalidArgument, "FIELD_INVALID") && refusal.names("seconds"));
    let all = models(&app.client, v1::ListModelsRequest::default()).await;
    let of = |name: &str| all.iter().find(|model| model.name == name).unwrap();
    assert_eq!(of("newest").alias_of, "gen5");
    assert_eq!(of("newest").operations, of("gen5").operations);
    assert_eq!(of("newest").deployments, of("gen5").deployments);
    let limits = &of("gen5").operations[0];
    assert_eq!(limits.duration.as_ref().unwrap().max_seconds, 20);
    assert!(
        limits
            .options
            .iter()
            .any(|option| option.name == "newOption")
    );
    assert!(all.iter().all(|model| !model.name.contains('/')));
}

#[tokio::test]
async fn a_hidden_model_is_as_unknown_as_any_other() {
    let config = "models:\n  gen4_image: hidden\n  gen4.5: {image_to_video: hidden}\n  \
                  gen4.5_draft: {text_to_video: {like: gen4.5, outputFormat: null}}\n";
    let app = Configured::start(config, &[]).await;
    for name in ["gen4_image", "runwayml/gen4_image"] {
        let mut request = ask(name);
        request.seconds = None;
        request.size = String::new();
        request.operation = v1::Operation::TextToImage as i32;
        let refusal = refused(create(&app.client, request).await);
        assert!(
            refusal.is(Code::InvalidArgument, "MODEL_UNKNOWN"),
            "{refusal:?}"
        );
        let told = format!("{refusal:?}").replace("gen4_image_turbo", "");
        assert!(!told.contains("gen4_image"), "{told}");
    }
    let mut request = ask("gen4.5");
    request.operation = v1::Operation::ImageToVideo as i32;
    let refusal = refused(create(&app.client, request).await);
    assert!(refusal.names("operation"), "{refusal:?}");
    assert_eq!(app.upstream.sandbox.ledger().len(), 0);
    let all = models(&app.client, v1::ListModelsRequest::default()).await;
    assert!(all.iter().all(|model| model.name != "gen4_image"));
    let gen45 = all.iter().find(|model| model.name == "gen4.5").unwrap();
    assert_eq!(gen45.operations.len(), 1);
}

#[tokio::test]
async fn a_changed_model_is_held_to_the_change() {
    let config = "models:\n  gen4.5:\n    text_to_video:\n      ratio: {enum: ['1280:720']}\n      \
                  seed: null\n      _strict: true\n";
    let app = Configured::start(config, &[]).await;
    let mut request = ask("gen4.5");
    request.size = "720x1280".into();
    request.seed = Some(7);
    let refusal = refused(create(&app.client, request).await);
    assert!(
        refusal.names("size") && refusal.names("seed"),
        "{refusal:?}"
    );
    let done = app.run(ask("gen4.5")).await;
    assert_eq!(done.status(), v1::TaskStatus::Completed, "{done:#?}");
}

#[tokio::test]
async fn a_task_goes_on_after_its_model_was_hidden() {
    let mut app = TestApp::start().await;
    let made = app.create(sound("a bell [sandbox:seconds=1]")).await;
    app.restart(&[("models.eleven_text_to_sound_v2", "hidden")])
        .await;
    let refusal = app.refusal(sound("another bell")).await;
    assert!(
        refusal.is(Code::InvalidArgument, "MODEL_UNKNOWN"),
        "{refusal:?}"
    );
    let done = app.finish(&made.id).await;
    assert_eq!(done.status(), v1::TaskStatus::Completed, "{done:#?}");
}

#[tokio::test]
async fn the_models_are_listed_with_what_create_takes() {
    let app = TestApp::start().await;
    let all = models(&app.client, v1::ListModelsRequest::default()).await;
    let pairs: usize = all.iter().map(|model| model.operations.len()).sum();
    assert_eq!(pairs, 98);
    let size: usize = all.iter().map(v1::Model::encoded_len).sum();
    assert!(size < 1 << 20, "{size}");
    // One model of each kind of output, by its limits alone.
    for name in ["gen4.5", "gen4_image", "eleven_text_to_sound_v2"] {
        let model = all.iter().find(|model| model.name == name).unwrap();
        let limits = &model.operations[0];
        let duration = limits.duration.as_ref();
        let request = v1::CreateRequest {
            request_id: fresh("form"),
            model: name.to_owned(),
            prompt: "a lake".to_owned(),
            operation: limits.operation,
            size: limits
                .size
                .as_ref()
                .map_or(String::new(), |size| size.allowed[0].clone()),
            seconds: duration.map(|limits| limits.min_seconds),
            ..v1::CreateRequest::default()
        };
        let done = app.run(request).await;
        assert_eq!(done.status(), v1::TaskStatus::Completed, "{done:#?}");
        assert_eq!(model.deployments, [done.deployment]);
    }
    let request = |operation| v1::ListModelsRequest {
        operation,
        ..v1::ListModelsRequest::default()
    };
    let dubbing = models(&app.client, request(v1::Operation::VoiceDubbing as i32)).await;
    assert_eq!(dubbing.len(), 1);
    let refusal = refused(app.client.clone().list_models(request(99)).await);
    assert!(refusal.is(Code::InvalidArgument, "FIELD_INVALID") && refusal.names("operation"));
}

/// What a command wrote, and how it ended.
fn run(folder: &Path, arguments: &[&str]) -> (i32, String) {
    let mut command: Command = program(&folder.join("command.log"));
    let output = command.args(arguments).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    (output.status.code().unwrap(), text)
}

#[tokio::test]
async fn the_models_are_a_table_one_in_full_or_json() {
    let app = Configured::start("models: {fast: {alias: gen4_turbo}}", &[]).await;
    let folder = TempDir::new().unwrap();
    let server = app.address.to_string();
    let path = folder.path().to_owned();
    let asked = tokio::task::spawn_blocking(move || {
        let models = |rest: &[&str]| run(&path, &[&["models", "--server", &server], rest].concat());
        [
            models(&[]),
            models(&["runwayml/gen4.5"]),
            models(&["fast", "--json"]),
            models(&["--operation", "voice-dubbing"]),
            models(&["gen9"]),
            models(&["--operation", "text_to_smell"]),
        ]
    });
    let [table, full, json, dubbing, unknown, usage] =
        tokio::time::timeout(Duration::from_mins(1), asked)
            .await
            .unwrap()
            .unwrap();
    assert_eq!(table.1.lines().count(), 1 + 98 + 1, "{}", table.1);
    let line = |name: &str| {
        let found = table.1.lines().find(|line| line.starts_with(name));
        found.unwrap_or_default()
    };
    let fast = line("fast ");
    assert!(fast.ends_with("5 credits, $0.05 / output second"), "{fast}");
    let unpriced = line("mirelo_sfx_2_0 ");
    assert!(unpriced.ends_with("unknown"), "{unpriced}");
    assert_eq!(full.0, 0);
    for part in [
        "text_to_video",
        "1 to 1000 UTF-16",
        "[default: 1280:720]",
        "proresProfile goes only",
    ] {
        assert!(full.1.contains(part), "{part}\n{}", full.1);
    }
    let json: serde_json::Value = serde_json::from_str(&json.1).unwrap();
    assert_eq!(
        (&json["name"], &json["alias_of"]),
        (&"fast".into(), &"gen4_turbo".into())
    );
    assert_eq!(json["operations"][0]["operation"], "IMAGE_TO_VIDEO");
    assert_eq!(dubbing.1.lines().count(), 2);
    assert_eq!((unknown.0, usage.0), (6, 2));
}

#[test]
fn catalogues_are_compared_checked_shown_and_refreshed_without_a_server() {
    let folder = TempDir::new().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let catalog = |rest: &[&str]| run(folder.path(), &[&["catalog"], rest].concat());
    let embedded = mediagen::config::catalog::EMBEDDED;
    let changed = write(
        "new.json",
        &embedded.replacen("\"720:1280\"", "\"721:1280\"", 1),
    );
    assert_eq!(catalog(&["diff", "embedded", "-"]), (0, String::new()));
    let (code, told) = catalog(&["diff", "-", &changed]);
    assert_eq!(code, 1);
    assert_eq!(
        told,
        "~ /v1/text_to_video gen4.5 ratio: values +\"721:1280\" -\"720:1280\"\n"
    );
    let (code, told) = catalog(&["diff", &changed, "--json"]);
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!((code, &told["added"][0]), (1, &"720:1280".into()));
    assert_eq!(catalog(&["diff", "/nowhere"]).0, 2);
    assert_eq!(catalog(&["check", &changed]).0, 0);
    let broken = write(
        "broken.json",
        &embedded.replace("\"maximum\"", "\"maximim\""),
    );
    assert_eq!(catalog(&["check", &broken]).0, 78);
    let config = write(
        "mediagen.yaml",
        "models:\n  gen4.5: {text_to_video: hidden}\n  fast: {alias: gen4.5}\n\
         defaults: {video_model: veo3.1}\n",
    );
    let (code, shown) = catalog(&["show", "--config", &config, "fast"]);
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(
        (code, shown["endpoints"].as_object().unwrap().len()),
        (0, 1)
    );
    let (_, whole) = catalog(&["show", "--config", &config]);
    let whole = write("whole.json", &whole);
    let (code, told) = catalog(&["diff", "-", &whole]);
    assert_eq!((code, told.as_str()), (1, "- /v1/text_to_video gen4.5\n"));
    assert_eq!(catalog(&["show", "gen9"]).0, 6);
    let (code, same) = catalog(&["update", "-", &changed]);
    let same = write("updated.json", &same);
    assert_eq!((code, catalog(&["diff", &same, &changed]).0), (0, 0));
    let nothing = write("nothing.json", "{}");
    assert_eq!(catalog(&["update", "-", &nothing]).0, 2);
}
