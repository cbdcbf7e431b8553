//! Copies from a scripted server on loopback.

use std::sync::{Arc, Mutex};

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use url::Url;

use super::*;
use crate::domain::id::TaskId;
use crate::egress::Origin;

type Script = dyn Fn(usize, &str) -> Vec<u8> + Send + Sync;

/// A server that answers each connection by the script, which sees the request's number and head.
struct Server {
    url: String,
    seen: Arc<Mutex<Vec<String>>>,
    _task: tokio::task::JoinHandle<()>,
}

struct Bench {
    _folder: TempDir,
    archive: Archive,
    server: Server,
    egress: Egress,
}

async fn serve(script: Box<Script>, hangs: bool) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!(
        "http://{}/o.mp4?_jwt=secret",
        listener.local_addr().unwrap()
    );
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    let task = crate::shutdown::Shutdown::new().spawn(async move {
        let mut held = Vec::new();
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut request = vec![0; 4096];
            let n = socket.read(&mut request).await.unwrap_or(0);
            let request = String::from_utf8_lossy(&request[..n]).to_ascii_lowercase();
            let number = log.lock().unwrap().len();
            let answer = script(number, &request);
            log.lock().unwrap().push(request);
            let _ = socket.write_all(&answer).await;
            if hangs {
                held.push(socket);
            }
        }
    });
    Server {
        url,
        seen,
        _task: task,
    }
}

impl Bench {
    async fn new(
        script: impl Fn(usize, &str) -> Vec<u8> + Send + Sync + 'static,
        hangs: bool,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let archive = Archive::open(folder.path(), None).unwrap();
        let server = serve(Box::new(script), hangs).await;
        let egress = Egress::new(Origin::of(&Url::parse(&server.url).unwrap())).unwrap();
        Self {
            _folder: folder,
            archive,
            server,
            egress,
        }
    }

    async fn copy(&self, limits: Limits, expected: Media) -> Result<Copied, CopyError> {
        copy_output(
            &self.egress,
            &self.archive,
            key(),
            &self.server.url,
            limits,
            expected,
        )
        .await
    }

    async fn video(&self) -> Result<Copied, CopyError> {
        self.copy(Limits::default(), Media::Video).await
    }

    async fn content(&self, size: u64) -> Vec<u8> {
        use futures_util::TryStreamExt;
        let pieces: Vec<Bytes> = self
            .archive
            .read(key(), 0, size, size)
            .try_collect()
            .await
            .unwrap();
        pieces.concat()
    }

    fn requests(&self) -> Vec<String> {
        self.server.seen.lock().unwrap().clone()
    }
}

fn key() -> Key {
    Key::output(TaskId::new(1, [1; 10]), 0)
}

fn atom(kind: [u8; 4], inside: &[u8]) -> Vec<u8> {
    let length = u32::try_from(8 + inside.len()).unwrap();
    [&length.to_be_bytes()[..], &kind, inside].concat()
}

/// An MP4 as far as its boxes go: 1280x720, 5 s, `mdat` before `moov`.
fn mp4(payload: usize) -> Vec<u8> {
    let mut mvhd = vec![0; 100];
    mvhd[12..16].copy_from_slice(&600_u32.to_be_bytes());
    mvhd[16..20].copy_from_slice(&3000_u32.to_be_bytes());
    let mut tkhd = vec![0; 84];
    tkhd[76..84].copy_from_slice(&[5, 0, 0, 0, 2, 0xd0, 0, 0]);
    let sound = atom(*b"trak", &atom(*b"tkhd", &[0; 84]));
    let moov = [
        atom(*b"mvhd", &mvhd),
        sound,
        atom(*b"trak", &atom(*b"tkhd", &tkhd)),
    ]
    .concat();
    let media: Vec<u8> = (0..payload)
        .map(|i| u8::try_from(i % 251).unwrap())
        .collect();
    [
        atom(*b"ftyp", b"isom\0\0\x02\0isomiso2"),
        atom(*b"mdat", &media),
        atom(*b"moov", &moov),
    ]
    .concat()
}

fn whole(body: &[u8], headers: &str) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n{headers}\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn status(line: &str) -> Vec<u8> {
    format!("HTTP/1.1 {line}\r\ncontent-length: 0\r\n\r\n").into_bytes()
}

/// Answers a range request with the rest, anything else with the whole, cut after `cut` bytes.
fn ranged(body: &[u8], request: &str, cut: usize) -> Vec<u8> {
    let from = request
        .split("range: bytes=")
        .nth(1)
        .and_then(|rest| rest.split('-').next());
    let Some(from) = from.map(|from| from.parse::<usize>().unwrap()) else {
        let mut answer = whole(body, "etag: \"v1\"\r\n");
        answer.truncate(answer.len() - body.len() + cut);
        return answer;
    };
    let rest = &body[from..];
    let head = format!(
        "HTTP/1.1 206 Partial Content\r\ncontent-length: {}\r\ncontent-range: bytes {from}-{}/{}\r\netag: \"v1\"\r\n\r\n",
        rest.len(),
        body.len() - 1,
        body.len(),
    );
    [head.as_bytes(), &rest[..cut.min(rest.len())]].concat()
}

#[tokio::test]
async fn an_output_is_copied_with_its_size_and_duration() {
    let body = mp4(300_000);
    let answer = whole(&body, "content-type: application/octet-stream\r\n");
    let bench = Bench::new(move |_, _| answer.clone(), false).await;
    let copied = bench.video().await.unwrap();
    assert_eq!(copied.content_type, "video/mp4");
    assert_eq!(
        (copied.width, copied.height, copied.duration_ms),
        (Some(1280), Some(720), Some(5000))
    );
    assert_eq!(copied.stored.size_bytes, body.len() as u64);
    assert_eq!(bench.content(copied.stored.size_bytes).await, body);
    let request = &bench.requests()[0];
    assert!(request.contains("accept-encoding: identity") && !request.contains("authorization"));
}

#[tokio::test]
async fn a_cut_body_is_resumed_by_range_and_equals_the_source() {
    let body = mp4(200_000);
    for cut in [1, 100, 65_536, 150_001] {
        let source = body.clone();
        let bench = Bench::new(
            move |_, request| ranged(&source, request, cut.max(100_000)),
            false,
        )
        .await;
        let copied = bench.video().await.unwrap();
        assert_eq!(bench.content(copied.stored.size_bytes).await, body, "{cut}");
        let second = bench.requests()[1].clone();
        assert!(
            second.contains("range: bytes=") && second.contains("if-range: \"v1\""),
            "{second}"
        );
    }
}

#[tokio::test]
async fn without_a_strong_tag_a_cut_body_is_restarted() {
    let body = mp4(200_000);
    let source = body.clone();
    let script = move |number, request: &str| {
        assert!(!request.contains("range:"));
        let mut answer = whole(&source, "etag: W/\"v1\"\r\n");
        answer.truncate(if number == 0 { 90_000 } else { answer.len() });
        answer
    };
    let bench = Bench::new(script, false).await;
    let copied = bench.video().await.unwrap();
    assert_eq!(bench.content(copied.stored.size_bytes).await, body);
}

#[tokio::test]
async fn content_that_changed_between_tries_is_taken_whole() {
    let (old, new) = (mp4(200_000), mp4(190_000));
    let fresh = new.clone();
    let script = move |number, request: &str| match number {
        0 => ranged(&old, request, 100_000),
        _ => whole(&fresh, "etag: \"v2\"\r\n"),
    };
    let bench = Bench::new(script, false).await;
    let copied = bench.video().await.unwrap();
    assert_eq!(bench.content(copied.stored.size_bytes).await, new);
}

#[tokio::test]
async fn a_body_that_breaks_at_the_same_byte_is_given_up_after_three_tries() {
    let body = mp4(500_000);
    let script = move |_, _: &str| {
        let mut answer = whole(&body, "etag: W/\"v1\"\r\n");
        answer.truncate(90_000);
        answer
    };
    let bench = Bench::new(script, false).await;
    assert!(matches!(bench.video().await, Err(CopyError::Transport(_))));
    assert_eq!(bench.requests().len(), 3);
}

#[tokio::test]
async fn a_body_that_gets_further_each_time_comes_home_but_not_in_crumbs() {
    let body = mp4(500_000);
    for (piece, requests) in [(25_000, 21), (1_000, 32)] {
        let source = body.clone();
        let script = move |_, request: &str| ranged(&source, request, piece);
        let bench = Bench::new(script, false).await;
        assert_eq!(bench.video().await.is_ok(), requests == 21);
        assert_eq!(bench.requests().len(), requests);
    }
}

#[tokio::test]
async fn a_range_that_was_not_asked_for_is_refused() {
    let body = mp4(100_000);
    let script = move |number, request: &str| match number {
        0 => ranged(&body, request, 50_000),
        _ => ranged(&body, "range: bytes=7-", usize::MAX),
    };
    let bench = Bench::new(script, false).await;
    assert!(matches!(bench.video().await, Err(CopyError::Refused(_))));
}

#[tokio::test]
async fn statuses_say_what_to_do_next() {
    for (line, expected) in [
        ("401 Unauthorized", CopyError::Expired(401)),
        ("403 Forbidden", CopyError::Expired(403)),
        ("404 Not Found", CopyError::Expired(404)),
        ("410 Gone", CopyError::Expired(410)),
        ("302 Found", CopyError::Refused("the server redirects")),
        (
            "500 Oops",
            CopyError::Transport("the server answered 500".to_owned()),
        ),
        (
            "429 Slow",
            CopyError::Transport("the server answered 429".to_owned()),
        ),
    ] {
        let bench = Bench::new(move |_, _| status(line), false).await;
        assert_eq!(bench.video().await.unwrap_err(), expected, "{line}");
        assert_eq!(bench.requests().len(), 1);
    }
}

#[tokio::test]
async fn what_is_no_media_of_the_kind_is_never_kept() {
    let png = [&b"\x89PNG\r\n\x1a\n"[..], &[0; 200]].concat();
    for body in [
        &b""[..],
        b"x",
        b"{\"error\":\"gone\"}",
        b"<html><body>expired</body></html>",
        &png,
    ] {
        let answer = whole(body, "content-type: video/mp4\r\n");
        let bench = Bench::new(move |_, _| answer.clone(), false).await;
        assert!(
            matches!(bench.video().await, Err(CopyError::BadMedia(_))),
            "{body:?}"
        );
    }
}

#[tokio::test]
async fn a_file_that_says_it_is_longer_is_cut() {
    let mut body = mp4(100_000);
    body.truncate(80_000);
    // No length announced: only the boxes show that the end is missing.
    let answer = [&b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n"[..], &body].concat();
    let bench = Bench::new(move |_, _| answer.clone(), false).await;
    assert!(matches!(bench.video().await, Err(CopyError::Transport(_))));
}

#[tokio::test]
async fn too_much_is_stopped_announced_or_not() {
    let limits = Limits {
        max_output_bytes: 50_000,
        ..Limits::default()
    };
    let body = mp4(100_000);
    for answer in [
        whole(&body, ""),
        b"HTTP/1.1 200 OK\r\ncontent-length: 9000000000000\r\n\r\n".to_vec(),
        [&b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n"[..], &body].concat(),
    ] {
        let bench = Bench::new(move |_, _| answer.clone(), false).await;
        let error = bench.copy(limits, Media::Video).await.unwrap_err();
        assert_eq!(error, CopyError::TooLarge { limit: 50_000 });
    }
}

#[tokio::test]
async fn a_trickle_is_given_up() {
    let window = Duration::from_millis(50);
    let limits = Limits {
        window,
        min_rate: 1_000_000_000,
        ..Limits::default()
    };
    let body = mp4(100_000);
    let bench = Bench::new(move |_, request| ranged(&body, request, 100), true).await;
    let error = bench.copy(limits, Media::Video).await.unwrap_err();
    assert_eq!(
        error,
        CopyError::Transport("the transfer is too slow".to_owned())
    );
}
