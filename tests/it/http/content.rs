//! Content over HTTP: any part of an output, exactly, or an honest end.

use std::net::SocketAddr;

use http::Method;
use mediagen::config::callers::digest;
use mediagen::config::{Config, Key};
use mediagen::domain::caller::{AllowedModels, KeyId, KeyLimits, Scope};
use mediagen::domain::id::TenantId;
use mediagen::domain::webhook::KeyWebhook;
use mediagen::pb::v1::{CancelRequest, DeleteRequest, Task, TaskStatus};
use rand::RngExt as _;

use crate::harness::client::download;
use crate::harness::http::{Answer, client};
use crate::harness::media::sha256;
use crate::harness::{TestApp, create, eventually, sound, video};

/// What comes back for a path, with these headers.
pub(super) async fn ask(
    address: SocketAddr,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
) -> Answer {
    let url = format!("http://{address}{path}");
    let mut request = client().request(method, url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Answer::of(request.send().await.unwrap()).await
}

pub(super) async fn get(app: &TestApp, path: &str, headers: &[(&str, &str)]) -> Answer {
    ask(app.address, Method::GET, path, headers).await
}

/// A finished film of some hundred KiB, its path, and its bytes as gRPC gives them.
pub(super) async fn finished(app: &TestApp) -> (Task, String, Vec<u8>) {
    let done = app.run(video("a lake [sandbox:bytes=300001]")).await;
    assert_eq!(done.status(), TaskStatus::Completed, "{done:#?}");
    let asked = mediagen::pb::v1::DownloadContentRequest {
        task_id: done.id.clone(),
        ..Default::default()
    };
    let whole = download(&app.client, asked).await;
    whole.end.unwrap();
    assert_eq!(whole.bytes.len(), 300_001);
    assert_eq!(sha256(&whole.bytes), done.outputs[0].sha256);
    let path = path(&done);
    (done, path, whole.bytes)
}

/// Where a task's content is.
pub(super) fn path(task: &Task) -> String {
    format!("/v1/videos/{}/content", name(task))
}

fn name(task: &Task) -> String {
    task.id.replace("task_", "video_")
}

/// (status, code, param) of a problem.
pub(super) fn problem(answer: &Answer) -> (u16, String, String) {
    let (status, _, code, param) = answer.problem();
    (status, code, param)
}

fn is(status: u16, code: &str, param: &str) -> (u16, String, String) {
    (status, code.to_owned(), param.to_owned())
}

#[tokio::test]
async fn a_file_comes_whole_under_headers_that_say_what_it_is() {
    let app = TestApp::start().await;
    let (task, path, source) = finished(&app).await;
    let sha = &task.outputs[0].sha256;
    let without_prefix = path.strip_prefix("/v1").unwrap();
    let by_task_id = format!("/v1/videos/{}/content?variant=video&index=0", task.id);
    for path in [&path[..], without_prefix, &by_task_id] {
        let whole = get(&app, path, &[]).await;
        assert_eq!(whole.status, 200, "{whole:?}");
        assert!(whole.body == source);
        let head = ask(app.address, Method::HEAD, path, &[]).await;
        assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
        for answer in [&whole, &head] {
            assert_eq!(answer.header("content-type"), "video/mp4");
            assert_eq!(answer.header("content-length"), "300001");
            assert_eq!(answer.header("etag"), format!("\"{sha}\""));
            assert_eq!(answer.header("accept-ranges"), "bytes");
            let file = format!("attachment; filename=\"{}.mp4\"", name(&task));
            assert_eq!(answer.header("content-disposition"), file);
            assert_eq!(answer.header("x-content-type-options"), "nosniff");
            assert_eq!(answer.header("x-litellm-call-id"), task.id);
            let cached = answer.header("cache-control");
            assert!(cached.starts_with("private, max-age="), "{cached}");
            assert!(answer.header("last-modified").ends_with(" GMT"));
            let digest = answer.header("repr-digest");
            assert_eq!(digest, answer.header("content-digest"));
            assert!(digest.starts_with("sha-256=:") && digest.ends_with("=:"));
        }
    }
}

#[tokio::test]
async fn a_part_is_that_part_and_one_that_is_not_there_is_416() {
    let app = TestApp::start().await;
    let (_, path, source) = finished(&app).await;
    for (range, start, end) in [
        ("bytes=0-0", 0, 1),
        ("bytes=5-", 5, 300_001),
        ("bytes=-500", 299_501, 300_001),
        ("bytes=300000-", 300_000, 300_001),
        ("bytes=299999-999999999999999999999", 299_999, 300_001),
        ("bytes=65535-65536", 65_535, 65_537),
        ("bytes=-99999999", 0, 300_001),
    ] {
        let part = get(&app, &path, &[("range", range)]).await;
        assert_eq!(part.status, 206, "{range}");
        assert!(part.body == source[start..end], "{range}");
        let said = format!("bytes {start}-{}/300001", end - 1);
        assert_eq!(part.header("content-range"), said);
        assert_eq!(part.header("content-length"), (end - start).to_string());
        assert_eq!(part.header("content-digest"), "");
        assert!(!part.header("repr-digest").is_empty());
    }
    for range in [
        "bytes=300001-",
        "bytes=-0",
        "bytes=abc",
        "bytes=5-2",
        "bytes=18446744073709551616-",
        "bytes=--1",
    ] {
        let refused = get(&app, &path, &[("range", range)]).await;
        assert_eq!(
            problem(&refused),
            is(416, "range_not_satisfiable", "Range"),
            "{range}"
        );
        assert_eq!(refused.header("content-range"), "bytes */300001");
        assert_eq!(refused.header("x-should-retry"), "false");
    }
    // Parts are GET's alone.
    for range in ["bytes=0-0", "bytes=300001-", "bytes=abc"] {
        let both = [("range", range), ("if-range", "\"other\"")];
        for headers in [&both[..1], &both] {
            let head = ask(app.address, Method::HEAD, &path, headers).await;
            assert_eq!((head.status.as_u16(), head.body.len()), (200, 0), "{range}");
            assert_eq!(head.header("content-length"), "300001");
            assert_eq!(head.header("content-range"), "");
        }
    }
    for range in ["bytes=0-1,3-4", "lines=1-2", "bytes"] {
        let whole = get(&app, &path, &[("range", range)]).await;
        assert_eq!(whole.status, 200, "{range}");
        assert!(whole.body == source);
    }
}

#[tokio::test]
async fn a_hundred_random_ranges_equal_the_source_byte_for_byte() {
    let app = TestApp::start().await;
    let (_, path, source) = finished(&app).await;
    for _ in 0..100 {
        let first = rand::rng().random_range(0..source.len());
        let last = rand::rng().random_range(first..source.len() * 2);
        let range = format!("bytes={first}-{last}");
        let part = get(&app, &path, &[("range", &range)]).await;
        assert_eq!(part.status, 206, "{range}");
        assert!(
            part.body == source[first..source.len().min(last + 1)],
            "{range}"
        );
    }
}

#[tokio::test]
async fn conditions_are_kept() {
    let app = TestApp::start().await;
    let (task, path, source) = finished(&app).await;
    let tag = format!("\"{}\"", task.outputs[0].sha256);
    let made = get(&app, &path, &[]).await;
    let made = made.header("last-modified");
    for (name, value) in [
        ("if-none-match", &tag[..]),
        ("if-none-match", "*"),
        ("if-modified-since", made),
    ] {
        let known = get(&app, &path, &[(name, value), ("range", "bytes=0-1")]).await;
        assert_eq!(
            (known.status.as_u16(), known.body.len()),
            (304, 0),
            "{name}"
        );
        assert_eq!(known.header("etag"), tag);
    }
    let other = get(&app, &path, &[("if-match", "\"other\"")]).await;
    assert_eq!(problem(&other), is(412, "precondition_failed", ""));
    let same = get(&app, &path, &[("if-match", &tag)]).await;
    assert_eq!(same.status, 200);
    for (held, status) in [
        (&tag[..], 206),
        (made, 206),
        ("\"other\"", 200),
        ("W/x", 200),
    ] {
        let headers = [("range", "bytes=-10"), ("if-range", held)];
        let answer = get(&app, &path, &headers).await;
        assert_eq!(answer.status, status, "{held}");
        let expected = if status == 206 {
            &source[299_991..]
        } else {
            &source
        };
        assert!(answer.body == expected, "{held}");
    }
}

#[tokio::test]
async fn what_has_no_content_is_told_why() {
    let app = TestApp::start().await;
    let running = app.create(video("a lake [sandbox:seconds=600]")).await;
    let early = get(&app, &path(&running), &[]).await;
    assert_eq!(problem(&early), is(404, "video_not_ready", ""));
    assert!(!early.header("retry-after").is_empty());
    assert_eq!(early.header("x-should-retry"), "false");
    let cancel = CancelRequest {
        task_id: running.id.clone(),
    };
    app.client.clone().cancel(cancel).await.unwrap();
    app.finish(&running.id).await;
    let cancelled = get(&app, &path(&running), &[]).await;
    assert_eq!(problem(&cancelled), is(404, "video_cancelled", ""));
    let failed = app
        .run(video("a lake [sandbox:fail=SAFETY.INPUT.TEXT]"))
        .await;
    let answer = get(&app, &path(&failed), &[]).await;
    assert_eq!(problem(&answer), is(404, "video_failed", ""));
    let message = answer.json()["error"]["message"].to_string();
    assert!(message.contains("SAFETY.INPUT.TEXT"), "{message}");

    let (task, path, _) = finished(&app).await;
    for (query, expected) in [
        ("variant=thumbnail", is(400, "invalid_value", "variant")),
        ("variant=spritesheet", is(400, "invalid_value", "variant")),
        ("variant=audio", is(400, "invalid_value", "variant")),
        ("variant=%ff", is(400, "invalid_value", "variant")),
        ("index=x", is(400, "invalid_value", "index")),
        ("index=-1", is(400, "invalid_value", "index")),
        ("index=99999999999", is(400, "invalid_value", "index")),
        ("index=1", is(404, "output_index_out_of_range", "index")),
    ] {
        let refused = get(&app, &format!("{path}?{query}"), &[]).await;
        assert_eq!(problem(&refused), expected, "{query}");
    }
    let posted = ask(app.address, Method::POST, &path, &[]).await;
    assert_eq!(problem(&posted), is(405, "method_not_allowed", ""));
    let delete = DeleteRequest {
        task_id: task.id.clone(),
    };
    app.client.clone().delete(delete).await.unwrap();
    assert_eq!(
        problem(&get(&app, &path, &[]).await),
        is(404, "deleted", "")
    );
    for id in [
        "video_0",
        "x",
        "%ff",
        "..%2f..",
        "video_0192f3a4b5c67d8e9fa0b1c2d3e4f506",
    ] {
        let unknown = get(&app, &format!("/v1/videos/{id}/content"), &[]).await;
        assert_eq!(problem(&unknown), is(404, "not_found", ""), "{id}");
    }
}

#[tokio::test]
async fn a_sound_is_content_too() {
    let app = TestApp::start().await;
    let task = app.run(sound("a bell")).await;
    for (query, status) in [("", 200), ("?variant=audio", 200), ("?variant=image", 400)] {
        let answer = get(&app, &format!("{}{query}", path(&task)), &[]).await;
        assert_eq!(answer.status, status, "{query}");
        if status == 200 {
            assert_eq!(answer.header("content-type"), "audio/wav");
            let name = task.id.replace("task_", "audio_");
            let file = format!("attachment; filename=\"{name}.wav\"");
            assert_eq!(answer.header("content-disposition"), file);
            assert_eq!(sha256(&answer.body), task.outputs[0].sha256);
        }
    }
}

#[tokio::test]
async fn damage_is_an_error_before_the_first_byte_and_a_broken_body_after_it() {
    let app = TestApp::start().await;
    let (task, path, source) = finished(&app).await;
    let file = app.archive(&task.id).join("0");
    let flip = |place: usize| {
        let mut bytes = std::fs::read(&file).unwrap();
        bytes[place] ^= 0x10;
        std::fs::write(&file, bytes).unwrap();
    };
    flip(10);
    let damaged = get(&app, &path, &[]).await;
    assert_eq!(problem(&damaged), is(500, "output_corrupt", ""));
    assert_eq!(damaged.header("x-should-retry"), "false");
    // What lies elsewhere is still good.
    let part = get(&app, &path, &[("range", "bytes=200000-200009")]).await;
    assert!(part.body == source[200_000..200_010]);
    flip(10);
    flip(150_000);
    let url = format!("http://{}{path}", app.address);
    let mut broken = client().get(url).send().await.unwrap();
    assert_eq!(broken.status(), 200);
    let mut got = Vec::new();
    let end = loop {
        match broken.chunk().await {
            Ok(Some(bytes)) => got.extend_from_slice(&bytes),
            Ok(None) => panic!("it ended as if all were well"),
            Err(end) => break end,
        }
    };
    assert!(source[..131_072].starts_with(&got), "{end}: {}", got.len());
    std::fs::remove_file(&file).unwrap();
    let missing = get(&app, &path, &[]).await;
    assert_eq!(problem(&missing), is(500, "output_missing", ""));
}

/// Keys of two tenants; one of the first may have one stream.
pub(super) fn two_tenants(config: &mut Config) {
    let key = |id: &str, tenant: &str, streams| Key {
        id: KeyId::new(id),
        sha256: digest(&format!("sk-{id}-of-the-tests")),
        tenant: TenantId::named(tenant),
        models: AllowedModels::All,
        scopes: Scope::ALL.to_vec(),
        expires: None,
        revoked: None,
        webhook: KeyWebhook::default(),
        limits: KeyLimits {
            streams,
            ..KeyLimits::default()
        },
    };
    config.callers.keys = vec![
        key("ours", "ours", None),
        key("single", "ours", Some(1)),
        key("theirs", "theirs", None),
    ];
}

/// A film of a tenant with these many bytes, made over HTTP's neighbour.
pub(super) async fn film_of_ours(app: &TestApp, bytes: u64) -> Task {
    let prompt = format!("a lake [sandbox:bytes={bytes}]");
    let mut request = tonic::Request::new(video(&prompt));
    let metadata = request.metadata_mut();
    metadata.insert("x-api-key", "sk-ours-of-the-tests".parse().unwrap());
    let made = app.client.clone().create(request).await.unwrap();
    let task = made.into_inner().task.unwrap();
    let path = path(&task);
    eventually("the film", || async {
        let key = [("x-api-key", "sk-ours-of-the-tests")];
        let answer = ask(app.address, Method::HEAD, &path, &key).await;
        if answer.status == 200 {
            Ok(())
        } else {
            Err(answer)
        }
    })
    .await;
    task
}

#[tokio::test]
async fn content_is_its_tenants_and_a_download_is_a_stream_of_its_key() {
    let app = TestApp::tuned(two_tenants).await;
    let size = 32 << 20;
    let task = film_of_ours(&app, size).await;
    let path = path(&task);
    let with = |id: &str| format!("Bearer sk-{id}-of-the-tests");
    let stranger = get(&app, &path, &[("authorization", &with("theirs"))]).await;
    assert_eq!(problem(&stranger), is(404, "not_found", ""));
    let nobody = get(&app, &path, &[]).await;
    assert_eq!(problem(&nobody), is(401, "api_key_missing", ""));
    let wrong = get(&app, &path, &[("authorization", &with("nobodys"))]).await;
    assert_eq!(problem(&wrong), is(401, "api_key_invalid", ""));
    let url = format!("http://{}{path}", app.address);
    let open = client().get(&url).bearer_auth("sk-single-of-the-tests");
    let open = open.send().await.unwrap();
    assert_eq!(open.status(), 200);
    let small = [
        ("authorization", &with("single")[..]),
        ("range", "bytes=0-0"),
    ];
    let second = get(&app, &path, &small).await;
    assert_eq!(problem(&second), is(429, "stream_limit_reached", ""));
    assert!(!second.header("retry-after").is_empty());
    drop(open);
    eventually("the place is given back", || async {
        let answer = get(&app, &path, &small).await;
        if answer.status == 206 {
            Ok(())
        } else {
            Err(answer)
        }
    })
    .await;
}

#[tokio::test]
async fn no_more_downloads_are_open_than_may_be_and_a_look_is_none() {
    let app = TestApp::with(crate::harness::quick(), &[("download.max_streams", "1")]).await;
    let task = create(&app.client, video("a lake [sandbox:bytes=33554432]")).await;
    let task = app.finish(&task.unwrap().id).await;
    let path = path(&task);
    let url = format!("http://{}{path}", app.address);
    let open = client().get(&url).send().await.unwrap();
    let second = get(&app, &path, &[("range", "bytes=0-0")]).await;
    assert_eq!(problem(&second), is(429, "stream_limit_reached", ""));
    assert!(!second.header("retry-after").is_empty());
    let head = ask(app.address, Method::HEAD, &path, &[]).await;
    assert_eq!(head.status, 200);
    drop(open);
    eventually("the place is given back", || async {
        let answer = get(&app, &path, &[("range", "bytes=0-0")]).await;
        if answer.status == 206 {
            Ok(())
        } else {
            Err(answer)
        }
    })
    .await;
}
