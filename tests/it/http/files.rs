//! Files by signed addresses: for whoever holds one, until it ends.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::Method;
use mediagen::domain::id::TaskId;
use mediagen::pb::v1::{DeleteRequest, Task};
use sha2::Sha256;

use super::content::{ask, film_of_ours, finished, get, problem, two_tenants};
use crate::harness::http::client;
use crate::harness::{TestApp, quick, video};

/// An address as the server signs it, made from the secret of its data folder.
fn signed(app: &TestApp, task: &Task, index: u32, seconds: i64) -> String {
    let secret = std::fs::read(app.archive("").join("../files.key")).unwrap();
    format!("/v1/files/{}", token(&secret, task, index, seconds))
}

fn token(secret: &[u8], task: &Task, index: u32, seconds: i64) -> String {
    let id: TaskId = task.id.parse().unwrap();
    let until = jiff::Timestamp::now().as_millisecond() + seconds * 1000;
    let mut token = vec![1];
    token.extend_from_slice(id.as_bytes());
    token.extend_from_slice(&index.to_be_bytes());
    token.extend_from_slice(&until.to_be_bytes());
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
    mac.update(&token);
    token.extend_from_slice(&mac.finalize().into_bytes());
    URL_SAFE_NO_PAD.encode(token)
}

#[tokio::test]
async fn whoever_holds_an_address_reads_the_file_without_a_key_and_under_any_host() {
    let app = TestApp::tuned(two_tenants).await;
    let task = film_of_ours(&app, 300_001).await;
    let path = signed(&app, &task, 0, 600);
    for headers in [&[][..], &[("host", "elsewhere.example.com")]] {
        let whole = get(&app, &path, headers).await;
        assert_eq!((whole.status.as_u16(), whole.body.len()), (200, 300_001));
        assert_eq!(whole.header("content-type"), "video/mp4");
        let name = task.id.replace("task_", "video_");
        let file = format!("inline; filename=\"{name}.mp4\"");
        assert_eq!(whole.header("content-disposition"), file);
        assert_eq!(whole.header("content-security-policy"), "");
        assert_eq!(whole.header("x-content-type-options"), "nosniff");
        // The file, and nothing of what it cost or who made it.
        for told in whole.headers.keys() {
            assert!(!told.as_str().starts_with("x-litellm-"), "{told}");
        }
        let cached = whole.header("cache-control");
        let rest: u64 = cached
            .strip_prefix("private, max-age=")
            .unwrap()
            .parse()
            .unwrap();
        assert!((500..=600).contains(&rest), "{cached}");
        let known = get(&app, &path, &[("if-none-match", whole.header("etag"))]).await;
        assert_eq!(known.status, 304);
        let part = get(&app, &path, &[("range", "bytes=-5")]).await;
        assert_eq!(part.status, 206);
        assert!(part.body == whole.body[299_996..]);
    }
    let head = ask(app.address, Method::HEAD, &path, &[]).await;
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), "300001");
}

#[tokio::test]
async fn an_address_that_is_over_forged_or_torn_gives_nothing() {
    let mut app = TestApp::start().await;
    let (task, _, source) = finished(&app).await;
    let over = get(&app, &signed(&app, &task, 0, -1), &[]).await;
    assert_eq!(
        problem(&over),
        (403, "url_expired".to_owned(), String::new())
    );
    let good = signed(&app, &task, 0, 600);
    let not_found = (404, "not_found".to_owned(), String::new());
    for bad in [
        format!("/v1/files/{}", token(&[0; 32], &task, 0, 600)),
        good[..good.len() - 1].to_owned(),
        format!("{good}A"),
        format!("{good}="),
        "/v1/files/x".to_owned(),
        format!("/v1/files/{}", "A".repeat(8000)),
        "/v1/files/%00%ff".to_owned(),
    ] {
        let refused = get(&app, &bad, &[]).await;
        assert_eq!(problem(&refused), not_found, "{bad}");
    }
    let beyond = get(&app, &signed(&app, &task, 1, 600), &[]).await;
    let index = (
        404,
        "output_index_out_of_range".to_owned(),
        "index".to_owned(),
    );
    assert_eq!(problem(&beyond), index);
    assert_eq!(beyond.header("x-litellm-call-id"), "");
    // The secret outlives the process.
    app.restart(&[]).await;
    assert!(get(&app, &good, &[]).await.body == source);
    let delete = DeleteRequest {
        task_id: task.id.clone(),
    };
    app.client.clone().delete(delete).await.unwrap();
    let gone = (404, "deleted".to_owned(), String::new());
    assert_eq!(problem(&get(&app, &good, &[]).await), gone);
}

#[tokio::test]
async fn a_drawing_is_drawn_and_scripts_nothing() {
    let mut app = TestApp::start().await;
    let (task, path, _) = finished(&app).await;
    app.stop().await;
    let store = rusqlite::Connection::open(app.archive("").join("../mediagen.db")).unwrap();
    let drawn = "UPDATE outputs SET content_type = 'image/svg+xml'";
    assert_eq!(store.execute(drawn, []).unwrap(), 1);
    drop(store);
    app.restart(&[]).await;
    for path in [path, signed(&app, &task, 0, 600)] {
        let drawing = get(&app, &path, &[]).await;
        assert_eq!(drawing.header("content-type"), "image/svg+xml");
        let policy = drawing.header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && policy.ends_with("sandbox"));
        assert!(drawing.header("content-disposition").ends_with(".svg\""));
    }
}

#[tokio::test]
async fn readers_without_a_key_never_take_all_places() {
    let app = TestApp::with(quick(), &[("download.max_streams", "3")]).await;
    let made = app.create(video("a lake [sandbox:bytes=33554432]")).await;
    let task = app.finish(&made.id).await;
    let address = signed(&app, &task, 0, 600);
    let open = async || {
        let asked = client().get(format!("http://{}{address}", app.address));
        asked.send().await.unwrap()
    };
    let held = [open().await, open().await];
    assert!(held.iter().all(|answer| answer.status() == 200));
    let third = get(&app, &address, &[]).await;
    assert_eq!(third.problem().2, "stream_limit_reached");
    let path = format!("/v1/videos/{}/content", task.id);
    let own = get(&app, &path, &[("range", "bytes=0-0")]).await;
    assert_eq!(own.status, 206);
}
