//! What the commands of the program say and where: results on standard output, and beside them
//! nothing that a script would stumble over.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::TestApp;
use crate::harness::child::{Ran, program, run};

/// Runs a command line against the server; words with spaces are given apart.
async fn said(app: &TestApp, line: &str, words: &[&str]) -> Ran {
    let mut command = command(app, line, words);
    let ran = tokio::task::spawn_blocking(move || run(&mut command, Duration::from_mins(1)));
    ran.await.unwrap()
}

fn command(app: &TestApp, line: &str, words: &[&str]) -> Command {
    let mut command = program(Path::new("/dev/null"));
    command
        .args(line.split(' '))
        .args(words)
        .args(["--server", &format!("http://{}", app.address)]);
    command
}

const FAILS: &str = "a lake [sandbox:fail=SAFETY.INPUT.TEXT]";

#[tokio::test]
async fn a_failed_run_ends_with_what_it_cost() {
    let app = TestApp::start().await;
    let line = "generate --model gen4.5 --seconds 5 --size 1280x720";
    let ran = said(&app, line, &[FAILS]).await;
    assert_eq!(ran.status.code(), Some(4), "{}", ran.stderr);
    let mut costs = ran.stderr.lines().filter(|line| line.starts_with("cost: "));
    let last = costs.next_back().unwrap();
    assert!(last.contains("CHARGED"), "{}", ran.stderr);
}

#[tokio::test]
async fn a_failed_run_for_a_script_leaves_one_object_on_standard_error() {
    let app = TestApp::start().await;
    let line = "generate --model gen4.5 --seconds 5 --size 1280x720 --json";
    let ran = said(&app, line, &[FAILS]).await;
    assert_eq!(ran.status.code(), Some(4), "{}", ran.stderr);
    let told: Value = serde_json::from_str(&ran.stderr).unwrap();
    assert_eq!(told["error"]["exit_code"], 4);
    assert_eq!(told["error"]["detail"]["status"], "FAILED");
    assert_eq!(ran.stdout, "");
}

#[tokio::test]
async fn a_sandbox_of_its_own_and_a_server_exclude_each_other() {
    let app = TestApp::start().await;
    let ran = said(&app, "generate --sandbox lake", &[]).await;
    assert_eq!(ran.status.code(), Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("--server"), "{}", ran.stderr);
    assert_eq!(app.upstream.sandbox.ledger().len(), 0);
}

#[tokio::test]
async fn a_reader_that_has_enough_ends_the_command_silently() {
    let app = TestApp::start().await;
    for line in ["models", "models --json", "list"] {
        let mut command = command(&app, line, &[]);
        command.stderr(Stdio::piped());
        let ended = tokio::task::spawn_blocking(move || {
            let mut child = command.spawn().unwrap();
            drop(child.stdout.take());
            child.wait_with_output().unwrap()
        });
        let ended = ended.await.unwrap();
        assert_eq!(String::from_utf8_lossy(&ended.stderr), "", "{line}");
        assert_eq!(ended.status.code(), Some(141), "{line}");
    }
}

#[tokio::test]
async fn several_outputs_are_numbered_after_the_name_given() {
    let app = TestApp::start().await;
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("multi.wav").display().to_string();
    let line = "generate --model mirelo_sfx_2_0 --seconds 1 --count 3 bell --output";
    let ran = said(&app, line, &[&file]).await;
    assert!(ran.status.success(), "{}", ran.stderr);
    let names = ["multi.wav", "multi-1.wav", "multi-2.wav"];
    let files = names.map(|name| folder.path().join(name));
    let told: Vec<_> = ran.stdout.lines().map(Path::new).collect();
    assert_eq!(told, files);
    assert!(files.iter().all(|file| file.is_file()));
}

#[tokio::test]
async fn wrong_flags_are_answered_with_the_way_to_write_them() {
    let app = TestApp::start().await;
    for (line, ways) in [
        ("create lake -o lake.mp4", ["lake.mp4", "--output"]),
        ("create lake --seed -1", ["-1", "--seed"]),
        ("create lake -o a={b", ["a: looks like JSON", "--option"]),
        (
            "create lake --input frame=a.png",
            ["first_frame", "keyframe"],
        ),
        (
            "create lake --operation x",
            ["text_to_video", "--operation"],
        ),
        ("list --label a=b --label a=c", ["--label", "given twice"]),
        (
            "create lake --label a=b --label a=c",
            ["--label", "given twice"],
        ),
    ] {
        let ran = said(&app, line, &[]).await;
        assert_eq!(ran.status.code(), Some(2), "{line}: {}", ran.stderr);
        for way in ways {
            assert!(ran.stderr.contains(way), "{line}: {}", ran.stderr);
        }
    }
    assert_eq!(app.upstream.sandbox.ledger().len(), 0);
}
