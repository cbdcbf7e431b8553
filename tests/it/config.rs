//! Configuration files as users have them: they serve what they say, they are checked whole before
//! anything starts, and no secret of theirs is ever printed.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use mediagen::pb::v1;
use mediagen::sandbox::DEFAULT_API_KEY;
use serde_json::json;
use tempfile::TempDir;

use crate::harness::child::{Ran, program, run};
use crate::harness::media::png;
use crate::harness::{TestApp, Upstream, http, picture, video};

/// The seeds' configuration, but for where its provider is.
fn seeds(base: &str) -> String {
    format!(
        "\
model_list:
  - model_name: gen4-turbo
    litellm_params:
      model: runwayml/gen4_turbo
      api_key: os.environ/RUNWAYML_API_KEY
      api_base: {base}
"
    )
}

/// Runs a command of the program that must end by itself.
fn ran(arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
    let mut command = program(Path::new("/dev/null"));
    command.args(arguments).envs(variables.iter().copied());
    run(&mut command, Duration::from_secs(30))
}

fn written(folder: &Path, text: &str) -> String {
    let file = folder.join("config.yaml");
    std::fs::write(&file, text).unwrap();
    file.display().to_string()
}

#[tokio::test]
async fn the_seeds_configuration_serves_its_model_by_both_names() {
    let variables = [("RUNWAYML_API_KEY", DEFAULT_API_KEY)];
    let app = TestApp::of_file(seeds, &variables).await;
    for model in ["gen4-turbo", "runwayml/gen4_turbo"] {
        let mut request = picture("a boat on a lake", png(10_000));
        request.model = model.into();
        let task = app.run(request).await;
        assert_eq!(task.status, v1::TaskStatus::Completed as i32, "{task:?}");
    }
    assert_eq!(app.upstream.charged("boat").len(), 2);
}

#[tokio::test]
async fn a_model_that_nobody_serves_is_refused_at_once_and_not_listed() {
    let variables = [("RUNWAYML_API_KEY", DEFAULT_API_KEY)];
    let app = TestApp::of_file(seeds, &variables).await;
    for model in [
        "gen4.5",
        "runwayml/gen4.5",
        "runwayml/gen9",
        "openai/sora-2",
        "",
    ] {
        let mut request = video("a boat");
        request.model = model.into();
        let refused = app.refusal(request).await;
        assert_eq!(refused.reason, "MODEL_UNKNOWN", "{model}: {refused:?}");
    }
    let asked = v1::ListModelsRequest::default();
    let models = app.client.clone().list_models(asked).await;
    let models = models.unwrap().into_inner().models;
    let names: Vec<&str> = models.iter().map(|model| &*model.name).collect();
    assert_eq!(names, ["gen4-turbo", "gen4_turbo"]);
}

#[tokio::test]
async fn a_default_model_goes_the_way_of_a_name_that_is_written_out() {
    let text = |base: &str| {
        format!(
            "runway: {{base_url: '{base}'}}\n\
             model_list:\n\
             - {{model_name: lake, model: runwayml/veo3.1}}\n\
             - {{model_name: waves, model: runwayml/gen4_turbo}}\n\
             routing: {{serve_catalog: false, aliases: {{sea: waves}}}}\n\
             defaults: {{video_model: lake, image_to_video_model: sea}}\n"
        )
    };
    let variables = [("RUNWAYML_API_KEY", DEFAULT_API_KEY)];
    let app = TestApp::of_file(text, &variables).await;
    for (image, name) in [(false, "lake"), (true, "sea")] {
        for model in ["", name] {
            let mut request = if image {
                picture("a lake", png(10_000))
            } else {
                video("a lake")
            };
            request.model = model.into();
            request.seconds = None;
            let task = app.run(request).await;
            let end = (&*task.model, task.status());
            assert_eq!(end, (name, v1::TaskStatus::Completed), "{task:?}");
        }
    }
    let body = json!({"prompt": "a lake"});
    let made = http::post(app.address, "/v1/videos", &body).await.json();
    assert_eq!(made["model"], "lake", "{made}");
}

#[tokio::test]
async fn a_built_in_default_leads_to_the_group_of_its_name() {
    let text = |model: &str, base: &str| {
        format!(
            "runway: {{base_url: '{base}'}}\n\
             model_list: [{{model_name: gen4.5, model: runwayml/{model}}}]\n\
             routing: {{serve_catalog: {}}}\n",
            model == "gen4_turbo"
        )
    };
    let variables = [("RUNWAYML_API_KEY", DEFAULT_API_KEY)];
    let app = TestApp::of_file(|base| text("veo3.1", base), &variables).await;
    let mut request = video("a lake");
    (request.model, request.seconds) = (String::new(), None);
    let task = app.create(request).await;
    assert_eq!(task.model, "gen4.5");
    assert_eq!(task.size, "1280x720");
    // One that makes nothing of words is refused in the same words as by its name.
    let app = TestApp::of_file(|base| text("gen4_turbo", base), &variables).await;
    let bare = http::post(app.address, "/v1/videos", &json!({"prompt": "a"})).await;
    let body = json!({"prompt": "a", "model": "gen4.5"});
    let named = http::post(app.address, "/v1/videos", &body).await;
    assert_eq!(named.status, 400);
    assert_eq!(bare.problem(), named.problem());
}

#[test]
fn a_check_tells_every_mistake_at_once_with_its_line() {
    let folder = TempDir::new().unwrap();
    let text = "\
server: {listen: nowhere}
poll: {intervall: 5s}
accounts:
  one: {provider: runwayml, api_key: key_canary}
  two: {provider: runwayml, api_key: key_canary}
model_list:
  - model_name: a
    litellm_params:
      model: runwayml/gen4.5
      api_key: os.environ/NOT_THERE
  - {model_name: b, model: gen4.6, account: one}
  - {model_name: c, model: gen4.5, account: one, weight: 0}
  - {model_name: d, model: gen4.5, account: one, id: x}
  - {model_name: d, model: gen4.5, account: one, id: x}
router_settings:
  fallbacks: [{c: [d]}, {d: [c, e]}]
  num_retry: 5
  timeout: 30
";
    let file = written(folder.path(), text);
    let ran = ran(&["config", "check", &file], &[]);
    assert_eq!(ran.status.code(), Some(78), "{}", ran.stderr);
    for (line, key) in [
        (1, "server.listen: `nowhere` is no address"),
        (
            2,
            "poll.intervall: is no such key; did you mean `poll.interval`?",
        ),
        (5, "accounts.two.api_key: is the key of accounts.one"),
        (
            10,
            "model_list[0].litellm_params.api_key: the variable NOT_THERE is not set",
        ),
        (
            11,
            "model_list[1].model: `gen4.6` is no model of the catalogue",
        ),
        (12, "model_list[2].weight: every weight of `c` is 0"),
        (14, "model_list[4].id: is the id of model_list[3] too"),
        (16, "router_settings.fallbacks[1].d[0]: leads in a circle"),
        (16, "router_settings.fallbacks[1].d[1]: nobody serves `e`"),
        (
            17,
            "router_settings.num_retry: is no such key; did you mean `router_settings.num_retries`?",
        ),
    ] {
        let expected = format!("config.yaml:{line}: {key}");
        assert!(ran.stderr.contains(&expected), "{expected}\n{}", ran.stderr);
    }
    assert!(ran.stderr.contains("has 10 problems"), "{}", ran.stderr);
    assert!(
        ran.stdout
            .contains("config.yaml:18: router_settings.timeout"),
        "{}",
        ran.stdout
    );
    assert!(!ran.stderr.contains("canary"), "{}", ran.stderr);
}

#[test]
fn a_good_file_is_called_good_and_what_is_shown_loads_again_with_its_keys() {
    let folder = TempDir::new().unwrap();
    let file = written(folder.path(), &seeds("https://gateway.example"));
    let key = [("RUNWAYML_API_KEY", "key_canary")];
    for arguments in [
        &["config", "check", &file][..],
        &["config", "check", "--config", &file],
    ] {
        let ran = ran(arguments, &key);
        assert_eq!(ran.status.code(), Some(0), "{}", ran.stderr);
        assert_eq!(
            ran.stdout,
            "good      1 account, 1 group, 1 deployment, 0 keys\n"
        );
    }
    let shown = ran(&["config", "show", &file], &key);
    assert_eq!(shown.status.code(), Some(0), "{}", shown.stderr);
    assert!(!shown.stdout.contains("canary"), "{}", shown.stdout);
    let named = "runwayml-runwayml_api_key";
    assert!(shown.stdout.contains(named), "{}", shown.stdout);
    // The mask is no key: what was hidden has to be put back.
    let masked = written(folder.path(), &shown.stdout);
    let refused = ran(&["config", "check", &masked], &[]);
    assert_eq!(refused.status.code(), Some(78), "{}", refused.stdout);
    assert!(refused.stderr.contains("placeholder"), "{}", refused.stderr);
    let whole = shown
        .stdout
        .replace("'***'", "key_canary")
        .replace("\"***\"", "key_canary");
    let again = written(folder.path(), &whole);
    let shown_again = ran(&["config", "show", &again], &[]);
    assert_eq!(shown_again.stdout, shown.stdout, "{}", shown_again.stderr);
}

/// A secret in every place that can hold one.
fn canaries(base: &str) -> String {
    format!(
        "\
runway: {{api_key: canary01, base_url: '{base}', headers: {{x-one: canary02}}}}
accounts:
  a: {{provider: runwayml, api_key: canary03, base_url: '{base}', headers: {{x-two: canary04}}}}
  b: {{provider: openai, api_key: os.environ/CANARY, headers: {{x-three: os.environ/CANARY}}}}
model_list:
  - {{model_name: a, model: gen4.5, account: a}}
  - model_name: a
    litellm_params: {{model: gen4.5, api_key: canary06, api_base: '{base}',
      extra_headers: {{x-four: canary07}}, aws_secret_access_key: canary08, azure_ad_token: canary09}}
    model_info: {{note: canary10}}
  - {{model_name: a, model: gen4.5, api_key: os.environ/CANARY, base_url: os.environ/BASE}}
router_settings: {{redis_password: canary11, redis_url: 'redis://u:canary12@h', cache_kwargs: {{password: canary13}}}}
litellm_settings: {{cache_params: {{password: canary14}}, api_key: canary15}}
general_settings: {{master_key: canary16, database_url: 'postgres://u:canary17@h/db', litellm_license: canary18}}
environment_variables: {{KEY: canary19}}
credential_list: [{{credential_values: {{api_key: canary20}}}}]
"
    )
}

#[tokio::test]
async fn no_secret_of_a_good_file_is_ever_printed() {
    let upstream = Upstream::quick().await;
    let folder = TempDir::new().unwrap();
    let base = upstream.sandbox.base_url();
    // The one account that cannot be opened yet is of another provider.
    let text = canaries(&base).replace("  b: {provider: openai", "  b: {provider: runwayml");
    let file = written(folder.path(), &text);
    let variables = [("CANARY", "canary05"), ("BASE", base.as_str())];
    for command in ["check", "show"] {
        let ran = ran(&["config", command, &file], &variables);
        assert_eq!(ran.status.code(), Some(0), "{command}: {}", ran.stderr);
        assert!(
            !ran.stdout.to_lowercase().contains("canary0"),
            "{}",
            ran.stdout
        );
        assert!(!ran.stdout.contains("canary1"), "{}", ran.stdout);
        assert!(!ran.stdout.contains("canary20"), "{}", ran.stdout);
        assert!(!ran.stderr.contains("canary"), "{}", ran.stderr);
    }
    let log = folder.path().join("log");
    let mut command = program(&log);
    command
        .args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--log",
            "debug",
            "--config",
            &file,
        ])
        .args([
            "--data-dir",
            &folder.path().join("data").display().to_string(),
        ])
        .envs(variables)
        .stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let said = BufReader::new(child.stdout.take().unwrap()).lines().next();
    child.kill().unwrap();
    child.wait().unwrap();
    let log = std::fs::read_to_string(log).unwrap();
    assert!(said.unwrap().unwrap().starts_with("listening on"), "{log}");
    assert!(log.contains("redis_password: is not honoured"), "{log}");
    assert!(!log.contains("canary"), "{log}");
}

#[test]
fn no_secret_of_a_wrong_file_is_ever_printed() {
    let folder = TempDir::new().unwrap();
    let base = "http://127.0.0.1:9";
    let slips = [
        ("api_key: canary", "api_key: canary with space "),
        ("api_key: canary", "api_key: [canary]"),
        ("api_key: canary", "api_kee: canary"),
        ("x-one: canary", "authorization: canary"),
        ("x-one: canary", "x-one: [canary]"),
        ("x-one: canary", "'x one': canary"),
        ("base_url: os.environ/BASE", "base_url: os.environ/CANARY"),
        (
            "base_url: os.environ/BASE",
            "weight: os.environ/CANARY, base_url: os.environ/BASE",
        ),
        (
            "base_url: os.environ/BASE",
            "rpm: os.environ/CANARY, base_url: os.environ/BASE",
        ),
        (
            "base_url: os.environ/BASE",
            "max_cost: os.environ/CANARY, base_url: os.environ/BASE",
        ),
        (
            "base_url: os.environ/BASE",
            "base_url: 'https://u:canary@h'",
        ),
        ("master_key: canary", "master_key: {canary: canary}"),
        ("runway:", "\trunway:"),
        ("runway:", "routing: {strategy: os.environ/CANARY}\nrunway:"),
        (
            "runway:",
            "log: {filter: 'x'}\nsubmit: {window: os.environ/CANARY}\nrunway:",
        ),
    ];
    for (from, to) in slips {
        let text = canaries(base).replacen(from, to, 1);
        let file = written(folder.path(), &text);
        let variables = [("CANARY", "canary-a-secret"), ("BASE", base)];
        for arguments in [
            &["config", "check", &file][..],
            &["config", "show", &file],
            &["serve", "--config", &file],
        ] {
            let ran = ran(arguments, &variables);
            assert_eq!(
                ran.status.code(),
                Some(78),
                "{to}: {}{}",
                ran.stdout,
                ran.stderr
            );
            let said = format!("{}{}", ran.stdout, ran.stderr);
            assert!(!said.contains("canary"), "{to}: {said}");
        }
    }
}
