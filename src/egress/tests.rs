//! The guard as a whole, over real sockets on loopback.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// A server that answers every connection with the same bytes and counts the connections.
async fn server(answer: &'static str) -> (u16, Arc<AtomicUsize>, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen = Arc::new(AtomicUsize::new(0));
    let count = seen.clone();
    let task = crate::shutdown::Shutdown::new().spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            let mut request = [0; 4096];
            let _ = socket.read(&mut request).await;
            let _ = socket.write_all(answer.as_bytes()).await;
        }
    });
    (port, seen, task)
}

fn to_loopback() -> Lookup {
    Arc::new(|_| Box::pin(async { Ok(vec!["127.0.0.1".parse().unwrap()]) }))
}

fn allowing(port: u16) -> Egress {
    let base = Url::parse(&format!("http://127.0.0.1:{port}/v1")).unwrap();
    Egress::new(Origin::of(&base)).unwrap()
}

#[tokio::test]
async fn a_name_that_resolves_to_loopback_is_refused_without_connecting() {
    let (port, seen, _task) = server("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let egress = Egress::with_lookup([], &to_loopback()).unwrap();
    // Past the judge of the text, straight to the client: only the resolver stands in between.
    let url = Url::parse(&format!("https://media.example.com:{port}/")).unwrap();
    let error = egress.public.get(&url, None).await.unwrap_err();
    assert!(matches!(error, EgressError::Refused(_)), "{error}");
    assert!(matches!(
        egress
            .get("https://media.example.com/x", None)
            .await
            .unwrap_err(),
        EgressError::Refused(_)
    ));
    assert_eq!(seen.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn an_ip_literal_is_refused_without_connecting() {
    let (port, seen, _task) = server("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let egress = Egress::new([]).unwrap();
    for url in [
        format!("https://127.0.0.1:{port}/"),
        format!("http://127.0.0.1:{port}/"),
        format!("https://[::ffff:127.0.0.1]:{port}/"),
        format!("https://2130706433:{port}/"),
    ] {
        assert!(
            matches!(egress.get(&url, None).await, Err(EgressError::Refused(_))),
            "{url}"
        );
    }
    assert_eq!(seen.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn the_configured_origin_is_fetched() {
    let (port, _, _task) =
        server("HTTP/1.1 200 OK\r\ncontent-length: 5\r\netag: \"a\"\r\ncontent-type: video/mp4\r\n\r\nhello").await;
    let mut fetched = allowing(port)
        .get(&format!("http://127.0.0.1:{port}/o?s=1"), None)
        .await
        .unwrap();
    assert_eq!((fetched.status, fetched.content_length), (200, Some(5)));
    assert_eq!(fetched.etag.as_deref(), Some("\"a\""));
    assert_eq!(fetched.chunk().await.unwrap().unwrap(), "hello");
    assert_eq!(fetched.chunk().await.unwrap(), None);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (port, seen, _task) =
        server("HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n").await;
    let answer = allowing(port)
        .get(&format!("http://127.0.0.1:{port}/o"), None)
        .await;
    assert_eq!(
        answer.unwrap_err(),
        EgressError::Refused("the server redirects")
    );
    assert_eq!(seen.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_encoded_body_is_refused() {
    let (port, _, _task) =
        server("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 5\r\n\r\nhello").await;
    let answer = allowing(port)
        .get(&format!("http://127.0.0.1:{port}/o"), None)
        .await;
    assert_eq!(
        answer.unwrap_err(),
        EgressError::Refused("the body is encoded")
    );
}

#[tokio::test]
async fn no_error_shows_the_url() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let url = format!("http://127.0.0.1:{port}/o?_jwt=topsecret");
    let error = allowing(port).get(&url, None).await.unwrap_err();
    assert!(matches!(error, EgressError::Transport(_)), "{error}");
    assert!(!format!("{error} {error:?}").contains("topsecret"));
}

#[test]
fn content_ranges_are_read_strictly() {
    let whole = ContentRange {
        start: 2,
        end: 9,
        total: Some(10),
    };
    assert_eq!(ContentRange::parse("bytes 2-9/10"), Some(whole));
    assert_eq!(
        ContentRange::parse("bytes 2-9/*"),
        Some(ContentRange {
            total: None,
            ..whole
        })
    );
    for bad in [
        "",
        "bytes 9-2/10",
        "bytes 2-10/10",
        "bytes -1-2/3",
        "items 1-2/3",
        "bytes */10",
        "bytes 1-2",
    ] {
        assert_eq!(ContentRange::parse(bad), None, "{bad}");
    }
}
