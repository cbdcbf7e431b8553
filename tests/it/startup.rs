//! Starting: what is wrong is said before a port is bound, and nothing half-started is left.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use mediagen::sandbox::DEFAULT_API_KEY;
use tempfile::TempDir;

use crate::harness::child::{Ran, free_address, program, run};
use crate::harness::client::connect;
use crate::harness::{Server, TestApp, Upstream, create, eventually, sound};

/// Runs `mediagen serve` where it must refuse.
fn serve(data: &Path, environment: &[(&str, &str)], flags: &[&str]) -> Ran {
    let mut command = program(&data.join("unused.log"));
    command
        .arg("serve")
        .args(["--data-dir", &data.join("data").display().to_string()])
        .args(flags)
        .envs(environment.iter().copied());
    run(&mut command, Duration::from_secs(30))
}

#[test]
fn without_a_key_it_says_the_two_ways_out() {
    let data = TempDir::new().unwrap();
    for environment in [&[][..], &[("RUNWAYML_API_SECRET", "")]] {
        let ran = serve(data.path(), environment, &[]);
        assert_eq!(ran.status.code(), Some(78), "{}", ran.stderr);
        for way in ["RUNWAYML_API_SECRET", "--sandbox"] {
            assert!(ran.stderr.contains(way), "{}", ran.stderr);
        }
    }
    assert!(!data.path().join("data").exists(), "something was made");
}

#[test]
fn an_address_that_others_can_reach_is_refused_without_a_word_for_it() {
    let data = TempDir::new().unwrap();
    let key = [("RUNWAYML_API_SECRET", DEFAULT_API_KEY)];
    for address in ["0.0.0.0:0", "[::]:0"] {
        let ran = serve(data.path(), &key, &["--listen", address]);
        assert_eq!(ran.status.code(), Some(78), "{}", ran.stderr);
        assert!(ran.stderr.contains("--allow-insecure"), "{}", ran.stderr);
    }
    assert!(!data.path().join("data").exists(), "something was made");
}

#[test]
fn everything_wrong_with_the_configuration_is_said_at_once_and_no_secret_with_it() {
    let data = TempDir::new().unwrap();
    let environment = [
        ("RUNWAYML_API_SECRET", "a secret with spaces"),
        ("MEDIAGEN_SUBMIT_UNKNOWN_DEADLINE", "61s"),
        ("MEDIAGEN_POLL_INTERVAL", "1s"),
        ("MEDIAGEN_ON_UNKNOWN_OUTCOME", "pray"),
    ];
    let ran = serve(data.path(), &environment, &["--listen", "nowhere"]);
    assert_eq!(ran.status.code(), Some(78), "{}", ran.stderr);
    for said in [
        "RUNWAYML_API_SECRET",
        "unknown_deadline",
        "at least 5s",
        "pray",
        "nowhere",
    ] {
        assert!(ran.stderr.contains(said), "{said}: {}", ran.stderr);
    }
    assert!(
        !ran.stderr.contains("a secret with spaces"),
        "{}",
        ran.stderr
    );
}

#[tokio::test]
async fn a_second_process_on_the_same_data_is_refused_and_the_first_goes_on() {
    let upstream = Upstream::start(crate::harness::quick()).await;
    let data = TempDir::new().unwrap();
    let mut first = Server::spawn(&upstream, data.path(), free_address(), &[]);
    let address = first.listening().await;
    let mut command = program(&data.path().join("second.log"));
    command
        .args(["serve", "--listen", "127.0.0.1:0"])
        .args(["--data-dir", &data.path().display().to_string()])
        .envs(upstream.environment());
    let ran = tokio::task::spawn_blocking(move || run(&mut command, Duration::from_secs(30)));
    let ran = ran.await.unwrap();
    assert_eq!(ran.status.code(), Some(1), "{}", ran.stderr);
    let said = ran.stderr.to_lowercase();
    assert!(
        said.contains("another") || said.contains("in use"),
        "{said}"
    );
    create(&connect(address), sound("a bell")).await.unwrap();
    assert_eq!(first.ended(), None);
}

#[tokio::test]
async fn a_port_that_is_taken_is_refused_and_the_data_left_alone() {
    let app = TestApp::start().await;
    let data = TempDir::new().unwrap();
    let address = app.address.to_string();
    let ran = serve(data.path(), &[], &["--sandbox", "--listen", &address]);
    assert_eq!(ran.status.code(), Some(1), "{}", ran.stderr);
    assert!(ran.stderr.contains(&address), "{}", ran.stderr);
    assert!(!data.path().join("data").exists(), "something was made");
}

#[test]
fn a_database_that_is_none_is_refused_and_left_as_it_is() {
    let data = TempDir::new().unwrap();
    let file = data.path().join("data").join("mediagen.db");
    fs::create_dir(file.parent().unwrap()).unwrap();
    let torn = b"this is no database, however you look at it".repeat(100);
    fs::write(&file, &torn).unwrap();
    let ran = serve(data.path(), &[], &["--sandbox", "--listen", "127.0.0.1:0"]);
    assert_eq!(ran.status.code(), Some(1), "{}", ran.stderr);
    assert!(ran.stderr.contains("mediagen.db"), "{}", ran.stderr);
    assert!(fs::read(&file).unwrap() == torn, "the file was changed");
}

/// A restart keeps the floor between two questions about a task, and does not begin it anew: where the
/// system says which boot of the machine this is.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_restart_asks_neither_too_soon_nor_a_whole_floor_later() {
    const FLOOR: Duration = Duration::from_secs(4);
    let (upstream, data) = (Upstream::quick().await, TempDir::new().unwrap());
    let start = || {
        let any = "127.0.0.1:0".parse().unwrap();
        Server::spawn(&upstream, data.path(), any, &[("poll.interval", "4s")])
    };
    let asked = async |times: u32| {
        let look = || async {
            let polls = upstream.sandbox.ledger().first().map_or(0, |one| one.polls);
            (polls >= times).then_some(()).ok_or(polls)
        };
        eventually("it is asked about", look).await;
    };
    let mut server = start();
    let client = connect(server.listening().await);
    create(&client, sound("a long bell [sandbox:seconds=600]"))
        .await
        .unwrap();
    asked(1).await;
    server.kill();
    let mut server = start();
    server.listening().await;
    asked(2).await;
    server.kill();
    tokio::time::sleep(FLOOR).await;
    let mut server = start();
    server.listening().await;
    let begun = Instant::now();
    asked(3).await;
    assert!(begun.elapsed() < FLOOR, "{:?}", begun.elapsed());
    let gap = upstream.sandbox.ledger()[0].min_poll_gap_ms.unwrap();
    // From the one arrival to the other: the first may have taken a moment longer on its way.
    assert!(gap >= 3_900, "{gap} ms between two questions");
}
