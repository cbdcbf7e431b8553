//! Keys that are taken back in a keys file that is otherwise refused, and keys that would make it so.

use std::path::Path;
use std::time::{Duration, Instant};

use mediagen::pb::v1::{ListRequest, WatchTaskRequest};
use tempfile::TempDir;
use tonic::Code;

use super::{keyed, keys, made};
use crate::harness::child::{free_address, program, run};
use crate::harness::client::channel;
use crate::harness::{Server, Upstream, eventually, quick, refused, sound, within};

const OWN: &str = "keys: [{id: own, key: sk-the-own-key-of-the-tests}]\n";

#[tokio::test]
async fn a_key_that_is_revoked_in_a_bad_keys_file_is_refused_and_its_watch_ends() {
    let (upstream, data) = (Upstream::start(quick()).await, TempDir::new().unwrap());
    let file = data.path().join("keys.yaml");
    let (mine, other) = (
        made(&file, "--id mine").await,
        made(&file, "--id other").await,
    );
    let config = data.path().join("mediagen.yaml");
    std::fs::write(&config, OWN).unwrap();
    let config = config.display().to_string();
    let settings = [("config", config.as_str())];
    let mut server = Server::spawn(&upstream, data.path(), free_address(), &settings);
    let address = server.listening().await;
    let mut client = keyed(channel(address), &mine);
    let mut others = keyed(channel(address), &other);
    let endless = client.create(sound("a bell [sandbox:seconds=600]")).await;
    let watched = WatchTaskRequest {
        task_id: endless.unwrap().into_inner().task.unwrap().id,
        ..Default::default()
    };
    let watch = client.watch_task(watched.clone()).await;
    let mut watch = watch.unwrap().into_inner();
    watch.message().await.unwrap().unwrap();

    // Who makes this key does not know the configuration.
    let clashing = made(&file, "--id own --scopes create,read,operate").await;
    let told = "the keys file is bad";
    eventually("the file is refused", || {
        let log = server.log();
        std::future::ready(log.contains(told).then_some(()).ok_or(log))
    })
    .await;
    others.list(ListRequest::default()).await.unwrap();
    let ran = keys(&file, "revoke mine").await;
    assert!(ran.status.success(), "{}", ran.stderr);
    let revoked = Instant::now();
    let end = within("the end of the watch", async {
        loop {
            if let Err(end) = watch.message().await.map(|message| message.unwrap()) {
                return end;
            }
        }
    });
    let end = end.await;
    let took = revoked.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
    let again = client.watch_task(watched).await.unwrap_err();
    for status in [end, again] {
        let end = refused(Err::<(), _>(status));
        assert!(end.is(Code::Unauthenticated, "API_KEY_REVOKED"), "{end:?}");
    }
    // Nothing else has changed, a reload changes nothing either, and nobody hears of it again and again.
    let is_refused = "the new configuration is refused";
    server.hang_up();
    eventually("the reload is refused", || {
        let log = server.log();
        std::future::ready(log.contains(is_refused).then_some(()).ok_or(log))
    })
    .await;
    let revoked = client.list(ListRequest::default()).await;
    let revoked = refused(revoked);
    assert!(revoked.is(Code::Unauthenticated, "API_KEY_REVOKED"));
    others.list(ListRequest::default()).await.unwrap();
    let stranger = keyed(channel(address), &clashing)
        .list(ListRequest::default())
        .await;
    let stranger = refused(stranger);
    assert_eq!(stranger.code, Code::Unauthenticated, "{stranger:?}");
    // Once for each time that the file was written.
    let log = server.log();
    assert!(log.matches(told).count() <= 2, "{log}");
}

#[tokio::test]
async fn a_key_that_is_made_wrong_names_the_flag_and_is_not_written() {
    let folder = TempDir::new().unwrap();
    let (config, file) = (folder.path().join("c.yaml"), folder.path().join("k.yaml"));
    let master = "general_settings: {master_key: os.environ/NOT_SET_HERE}\n";
    std::fs::write(&config, format!("{OWN}{master}")).unwrap();
    for (line, told) in [
        ("--id own", "--id: `own` is the name of a key"),
        ("--id master", "--id: `master` is the name of a key"),
        ("--id a/b", "--id: must be"),
        ("--scopes admin", "--scopes: may hold"),
        ("--expires soon", "--expires: is no time"),
        ("--streams 0", "--streams: must be"),
        ("--usd-per-day much", "--usd-per-day: "),
    ] {
        let ran = create(&config, &file, line).await;
        assert_eq!(ran.0, Some(78), "{line}: {}", ran.1);
        assert!(ran.1.contains(told), "{line}: {}", ran.1);
        assert!(!file.exists(), "{line}");
    }
    let ran = create(&config, &file, "--id another").await;
    assert_eq!(ran.0, Some(0), "{}", ran.1);
}

/// The exit code of `mediagen keys create` with a configuration, and what it said.
async fn create(config: &Path, file: &Path, line: &str) -> (Option<i32>, String) {
    let mut command = program(Path::new("/dev/null"));
    command.args(["keys", "create"]).args(line.split(' '));
    command.arg("--config").arg(config).arg("--file").arg(file);
    let ran = tokio::task::spawn_blocking(move || run(&mut command, Duration::from_mins(1)));
    let ran = ran.await.unwrap();
    (ran.status.code(), ran.stderr)
}
