//! Downloads over HTTP that are long, slow, cut off or not read at all, and what they hold meanwhile;
//! and what large bodies hold that do not come to their end.
//!
//! `MEDIAGEN_TEST_OUTPUT_MIB` asks for another size of the large film than 32 MiB.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use http::Method;
use mediagen::pb::v1::{DownloadContentRequest, Task, TaskStatus};
use mediagen::sandbox;
use rand::RngExt as _;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::content::{ask, get, path};
use crate::harness::child::{free_address, program, run};
use crate::harness::client::{connect, finish, narrow};
use crate::harness::http::{client, post};
use crate::harness::wait::PATIENCE;
use crate::harness::{Client, Server, TestApp, Upstream, create, eventually, quick, video, within};

/// A finished film of so many bytes.
async fn film(client: &Client, bytes: u64) -> Task {
    let made = create(client, video(&format!("a lake [sandbox:bytes={bytes}]"))).await;
    let done = finish(client, &made.unwrap().id).await;
    assert_eq!(done.status(), TaskStatus::Completed, "{done:#?}");
    assert_eq!(done.outputs[0].size_bytes, bytes);
    done
}

/// The digest of the one film of the upstream, as the upstream gives it.
async fn source(upstream: &Upstream) -> String {
    let ledger = upstream.sandbox.ledger();
    let url = format!("{}/v1/tasks/{}", upstream.sandbox.base_url(), ledger[0].id);
    let asked = client()
        .get(url)
        .bearer_auth(sandbox::DEFAULT_API_KEY)
        .header("x-runway-version", "2024-11-06");
    let task: serde_json::Value = asked.send().await.unwrap().json().await.unwrap();
    let output = task["output"][0]
        .as_str()
        .unwrap_or_else(|| panic!("{task}"));
    let mut film = client().get(output).send().await.unwrap();
    let mut digest = Sha256::new();
    while let Some(bytes) = film.chunk().await.unwrap() {
        digest.update(&bytes);
    }
    hex::encode(digest.finalize())
}

/// Downloads a film in parts that end at random, and gives its digest.
async fn pieced(url: &str, size: u64, server: &Server, peak: &AtomicU64) -> String {
    let (client, mut digest, mut at) = (client(), Sha256::new(), 0);
    while at < size {
        let cut = at + rand::rng().random_range(1..=size / 2);
        let asked = client.get(url).header("range", format!("bytes={at}-"));
        let mut answer = asked.send().await.unwrap();
        assert_eq!(answer.status(), 206);
        while at < cut {
            let Some(bytes) = answer.chunk().await.unwrap() else {
                break;
            };
            digest.update(&bytes);
            at += bytes.len() as u64;
            if at % LOOK < bytes.len() as u64 {
                peak.fetch_max(server.memory(), Ordering::Relaxed);
            }
        }
    }
    assert_eq!(at, size);
    hex::encode(digest.finalize())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_film_comes_over_eight_connections_in_pieces_and_memory_stays_flat() {
    let (upstream, data) = (Upstream::start(quick()).await, TempDir::new().unwrap());
    let mut server = Server::spawn(&upstream, data.path(), free_address(), &[]);
    let address = server.listening().await;
    let size = mebibytes() << 20;
    let begun = Instant::now();
    let task = film(&connect(address), size).await;
    let archived = begun.elapsed();
    let digest = source(&upstream).await;
    let url = format!("http://{address}{}", path(&task));
    let peak = AtomicU64::new(0);
    assert_eq!(pieced(&url, size, &server, &peak).await, digest);
    let before = server.memory();
    let begun = Instant::now();
    let all = (0..CONNECTIONS).map(|_| pieced(&url, size, &server, &peak));
    for found in join_all(all).await {
        assert_eq!(found, digest);
    }
    let (took, grown) = (begun.elapsed(), peak.into_inner().saturating_sub(before));
    #[expect(clippy::cast_precision_loss, reason = "shown to people")]
    let rate = (CONNECTIONS as u64 * size) as f64 / took.as_secs_f64() / 1e6;
    println!(
        "{} MiB archived in {archived:.1?}; {CONNECTIONS} downloads in {took:.1?}, {rate:.0} MB/s; \
         {} KiB held before, {} KiB more at most",
        size >> 20,
        before >> 10,
        grown >> 10
    );
    assert!(grown < 16 << 20, "{} KiB more", grown >> 10);
}

/// A call that sent of a large body as much as the server takes, but for its end.
async fn begun(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = "POST /v1/videos HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
                content-length: 16000000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let sending = async {
        for _ in 0..15 {
            stream.write_all(&vec![b'x'; 1 << 20]).await.unwrap();
        }
    };
    // One that found no room is not read on.
    let _ = tokio::time::timeout(TAKEN, sending).await;
    stream
}

#[tokio::test]
async fn large_bodies_hold_together_no_more_than_all_bodies_may() {
    let (upstream, data) = (Upstream::start(quick()).await, TempDir::new().unwrap());
    let mut server = Server::spawn(&upstream, data.path(), free_address(), &[]);
    let address = server.listening().await;
    let before = server.memory();
    let open = join_all((0..48).map(|_| begun(address))).await;
    let held = server.memory().saturating_sub(before);
    println!("{} MiB held by 48 bodies of 15 MiB", held >> 20);
    assert!(held > 64 << 20 && held < 320 << 20, "{} MiB", held >> 20);
    drop(open);
    let client = connect(address);
    create(&client, video("a lake")).await.unwrap();
}

#[tokio::test]
async fn forms_that_do_not_end_leave_room_to_other_bodies() {
    let app = TestApp::start().await;
    let form = "POST /v1/videos HTTP/1.1\r\nhost: x\r\ncontent-length: 16000000\r\n\
                content-type: multipart/form-data; boundary=x\r\n\r\n\
                --x\r\ncontent-disposition: form-data; name=\"prompt\"\r\n\r\n";
    let open = join_all((0..20).map(|_| async {
        let mut stream = TcpStream::connect(app.address).await.unwrap();
        stream.write_all(form.as_bytes()).await.unwrap();
        stream.write_all(&vec![b'x'; 70_000]).await.unwrap();
        stream
    }));
    let open = open.await;
    let large = json!({"prompt": "x".repeat(1 << 20)});
    let answer = post(app.address, "/v1/videos", &large).await;
    assert_eq!(answer.problem().3, "prompt", "{answer:?}");
    drop(open);
}

/// A connection that has asked for content, has read the beginning of the answer, and reads no more.
async fn stalled(address: SocketAddr, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut begun = [0; 12];
    stream.read_exact(&mut begun).await.unwrap();
    assert_eq!(&begun, b"HTTP/1.1 200");
    stream
}

/// One download at a time, and short patience.
const SINGLE: [(&str, &str); 3] = [
    ("download.max_streams", "1"),
    ("download.reader_timeout", "1s"),
    ("watch.reader_timeout", "1s"),
];

#[tokio::test]
async fn a_reader_that_takes_nothing_is_let_go_and_its_place_given_back() {
    let app = TestApp::with(quick(), &SINGLE).await;
    let task = film(&app.client, LONG).await;
    let path = path(&task);
    let first = [("range", "bytes=0-0")];
    let is_free = || async {
        let answer = get(&app, &path, &first).await;
        if answer.status == 206 {
            Ok(())
        } else {
            Err(answer)
        }
    };
    let mut held = stalled(app.address, &path).await;
    assert_eq!(get(&app, &path, &first).await.status, 429);
    eventually("the place of a connection", is_free).await;
    let mut got = Vec::new();
    // What was on its way still comes, and then an end that is no good one.
    let _ = within("the end", held.read_to_end(&mut got)).await;
    assert!((got.len() as u64) < LONG, "all of it came");

    let asked = DownloadContentRequest {
        task_id: task.id.clone(),
        ..Default::default()
    };
    let mut narrow = narrow(app.address);
    let mut stream = narrow.download_content(asked).await.unwrap().into_inner();
    stream.message().await.unwrap().unwrap();
    assert_eq!(get(&app, &path, &first).await.status, 429);
    eventually("the place of a stream", is_free).await;
}

#[tokio::test]
async fn a_reader_that_takes_a_little_now_and_then_is_kept() {
    let app = TestApp::with(quick(), &SINGLE).await;
    let task = film(&app.client, LONG).await;
    let mut held = stalled(app.address, &path(&task)).await;
    let begun = Instant::now();
    let mut buffer = vec![0; 1 << 20];
    // Longer than the patience in all, and never as long between two.
    while begun.elapsed().as_secs() < 3 {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        held.read_exact(&mut buffer).await.unwrap();
    }
}

#[tokio::test]
async fn a_reader_that_takes_nothing_holds_little() {
    let (upstream, data) = (Upstream::start(quick()).await, TempDir::new().unwrap());
    let mut server = Server::spawn(&upstream, data.path(), free_address(), &[]);
    let address = server.listening().await;
    let task = film(&connect(address), LONG).await;
    let path = path(&task);
    // What the first of them cost once is not held by each.
    let warm = join_all((0..READERS).map(|_| stalled(address, &path))).await;
    drop(warm);
    let before = server.memory();
    let held = join_all((0..2 * READERS).map(|_| stalled(address, &path))).await;
    let asked = ask(address, Method::HEAD, &path, &[]).await;
    assert_eq!(asked.status, 200);
    let each = server.memory().saturating_sub(before) / READERS as u64;
    println!("{} KiB for each of {} readers", each >> 10, held.len());
    assert!(each < 200 << 10, "{} KiB each", each >> 10);
}

#[tokio::test]
async fn a_download_that_a_drain_breaks_off_is_resumed_at_the_next_server() {
    let mut app = TestApp::with(quick(), &[("server.download_drain", "0s")]).await;
    let task = film(&app.client, LONG).await;
    let path = path(&task);
    let url = |app: &TestApp| format!("http://{}{path}", app.address);
    let mut answer = client().get(url(&app)).send().await.unwrap();
    let tag = answer.headers()["etag"].clone();
    let mut got = Vec::new();
    let reading = async {
        loop {
            match answer.chunk().await {
                Ok(Some(bytes)) => got.extend_from_slice(&bytes),
                Ok(None) => panic!("it ended well"),
                Err(_) => return,
            }
            tokio::task::yield_now().await;
        }
    };
    // The drain begins before the first byte is read.
    let ((), ()) = tokio::join!(app.stop(), async {
        eventually("the drain", || async {
            match TcpStream::connect(app.address).await {
                Err(_) => Ok(()),
                Ok(_) => Err("it listens"),
            }
        })
        .await;
        within("the end", reading).await;
    });
    app.restart(&[]).await;
    let range = format!("bytes={}-", got.len());
    let asked = client().get(url(&app)).header("range", range);
    let rest = asked.header("if-range", tag).send().await.unwrap();
    assert_eq!(rest.status(), 206);
    got.extend_from_slice(&rest.bytes().await.unwrap());
    let digest = hex::encode(Sha256::digest(&got));
    assert_eq!(digest, task.outputs[0].sha256);
}

#[tokio::test]
async fn a_download_ends_with_its_key_and_never_as_if_all_were_there() {
    let app = TestApp::start().await;
    let task = film(&app.client, LONG).await;
    let path = path(&task);
    let url = format!("http://{}{path}", app.address);
    let mut answer = client().get(url).send().await.unwrap();
    let mut got = answer.chunk().await.unwrap().unwrap().len() as u64;
    // A server that learns of a first key needs one from then on, also of who is being served.
    let file = app.archive("").join("../keys.yaml");
    let mut command = program(Path::new("/dev/null"));
    command.args(["keys", "create", "--id", "first", "--file"]);
    command.arg(file);
    let ran = tokio::task::spawn_blocking(move || run(&mut command, PATIENCE));
    assert!(ran.await.unwrap().status.success());
    eventually("a key is needed", || async {
        let answer = ask(app.address, Method::HEAD, &path, &[]).await;
        if answer.status == 401 {
            Ok(())
        } else {
            Err(answer)
        }
    })
    .await;
    let end = within("the end", async {
        loop {
            match answer.chunk().await {
                Ok(bytes) => got += bytes.expect("it ended well").len() as u64,
                Err(end) => return end,
            }
        }
    });
    let end = end.await;
    assert!(got < LONG, "{end}: all of it came");
}

/// How large a large film is; 1024 shows it at a gibibyte.
#[expect(
    clippy::disallowed_methods,
    reason = "a setting of the test, not of the server"
)]
fn mebibytes() -> u64 {
    let asked = std::env::var("MEDIAGEN_TEST_OUTPUT_MIB");
    asked.map_or(32, |size| size.parse().expect("a number of MiB"))
}

/// How long a body may find the server not reading.
const TAKEN: Duration = Duration::from_secs(3);
const CONNECTIONS: usize = 8;
/// Stalled connections at first; then twice as many.
const READERS: usize = 40;
/// Far more than all that is on its way at once.
const LONG: u64 = 24 << 20;
/// Bytes between two looks at the server's memory.
const LOOK: u64 = 1 << 20;
