//! The adapter against a scripted server: what every kind of answer is taken for.
//!
//! Here is the bench; the facts stand in the files beside.

mod creates;
mod questions;
mod uploads;

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::*;
use crate::domain::model::Offer;
use crate::domain::money::Millicredits;
use crate::domain::task::{RejectionKind, UpstreamStatus};

/// What the server does with a connection once it has read the request.
#[derive(Clone)]
enum Act {
    /// Writes this and closes.
    Say(Vec<u8>),
    /// Writes this and resets the connection.
    Reset(Vec<u8>),
    /// Writes this and then nothing more.
    Hang(Vec<u8>),
    /// Writes this for ever.
    Flood(Vec<u8>),
}

struct Server {
    port: u16,
    seen: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    async fn new(script: impl Fn(&str) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = seen.clone();
        let task = crate::shutdown::Shutdown::new().spawn(async move {
            let mut held = Vec::new();
            while let Ok((mut socket, _)) = listener.accept().await {
                let request = request(&mut socket).await;
                let act = script(&request);
                log.lock().unwrap().push(request);
                held.extend(perform(socket, act).await);
            }
        });
        Self { port, seen, task }
    }

    async fn saying(answer: impl Into<Vec<u8>>) -> Self {
        let act = Act::Say(answer.into());
        Self::new(move |_| act.clone()).await
    }

    fn runway(&self) -> Runway {
        runway(&format!("http://127.0.0.1:{}/v1/", self.port), |_| {})
    }

    fn requests(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

/// Reads a request with its body, of a known length or none.
async fn request(socket: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut buffer = vec![0; 65_536];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_ascii_lowercase();
            let length = head
                .split("content-length: ")
                .nth(1)
                .and_then(|rest| rest.lines().next());
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return text;
            }
        }
        match socket.read(&mut buffer).await {
            Ok(n) if n > 0 => bytes.extend_from_slice(&buffer[..n]),
            _ => return text,
        }
    }
}

async fn perform(mut socket: TcpStream, act: Act) -> Option<TcpStream> {
    match act {
        Act::Say(bytes) => {
            let _ = socket.write_all(&bytes).await;
            let _ = socket.shutdown().await;
            None
        }
        Act::Reset(bytes) => {
            let _ = socket.write_all(&bytes).await;
            let _ = socket.set_zero_linger();
            None
        }
        Act::Hang(bytes) => {
            let _ = socket.write_all(&bytes).await;
            Some(socket)
        }
        Act::Flood(bytes) => {
            while socket.write_all(&bytes).await.is_ok() {}
            None
        }
    }
}

fn runway(base: &str, change: impl FnOnce(&mut Settings)) -> Runway {
    let offer = Offer::default();
    let catalog = Arc::new(Catalog::new(
        "runwayml",
        std::collections::BTreeMap::new(),
        offer,
    ));
    let key = format!("key_{}", "ab".repeat(64));
    let mut settings = Settings::new("main", base, SecretString::from(key));
    change(&mut settings);
    Runway::new(settings, catalog).unwrap()
}

fn prepared() -> Prepared {
    let body = Bytes::from_static(b"{\"model\":\"gen4.5\",\"promptText\":\"a lake\"}");
    Prepared {
        endpoint: "/v1/text_to_video".to_owned(),
        content_type: "application/json".to_owned(),
        body,
    }
}

fn http(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n{headers}\r\n{body}").into_bytes()
}

fn json(status: &str, body: &str) -> Vec<u8> {
    http(status, "content-type: application/json\r\n", body)
}

/// One server and one account for many answers: an account is costly to set up.
struct Bench {
    act: Arc<Mutex<Act>>,
    server: Server,
    runway: Runway,
}

impl Bench {
    async fn new() -> Self {
        let act = Arc::new(Mutex::new(Act::Say(Vec::new())));
        let next = act.clone();
        let server = Server::new(move |_| next.lock().unwrap().clone()).await;
        let runway = server.runway();
        Self {
            act,
            server,
            runway,
        }
    }

    async fn outcome(&self, act: Act) -> SubmitOutcome {
        *self.act.lock().unwrap() = act;
        self.server.seen.lock().unwrap().clear();
        let outcome = self.runway.submit(prepared()).await;
        assert_eq!(self.server.requests().len(), 1, "a create is sent once");
        outcome
    }

    async fn kind(&self, answer: Vec<u8>) -> &'static str {
        kind(&self.outcome(Act::Say(answer)).await)
    }
}

async fn outcome(answer: Vec<u8>) -> SubmitOutcome {
    Bench::new().await.outcome(Act::Say(answer)).await
}

fn kind(outcome: &SubmitOutcome) -> &'static str {
    match outcome {
        SubmitOutcome::Accepted { .. } => "accepted",
        SubmitOutcome::Unknown { .. } => "unknown",
        SubmitOutcome::Rejected(rejection) => match rejection.kind {
            RejectionKind::Caller => "caller",
            RejectionKind::Moderated => "moderated",
            RejectionKind::Account => "account",
            RejectionKind::Quota => "quota",
            RejectionKind::Unavailable => "unavailable",
            RejectionKind::NotSent => "not sent",
        },
    }
}

#[test]
fn unusable_settings_are_refused_without_showing_the_key() {
    let catalog = || {
        Arc::new(Catalog::new(
            "runwayml",
            std::collections::BTreeMap::new(),
            Offer::default(),
        ))
    };
    for (base, key) in [
        ("http://example.com", "key_1"),
        ("https://example.com", "sec\nret"),
        ("", "key_1"),
    ] {
        let error =
            Runway::new(Settings::new("a", base, SecretString::from(key)), catalog()).unwrap_err();
        assert!(!error.to_string().contains("ret"), "{error}");
    }
}
