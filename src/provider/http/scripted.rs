//! For tests: a server that does as a script says with each connection, and remembers what came.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::domain::task::{RejectionKind, SubmitOutcome};

/// What the server does with a connection once it has read the request.
#[derive(Clone)]
pub(in crate::provider) enum Act {
    /// Writes this and closes.
    Say(Vec<u8>),
    /// Writes this and resets the connection.
    Reset(Vec<u8>),
    /// Writes this and then nothing more.
    Hang(Vec<u8>),
    /// Writes this for ever.
    Flood(Vec<u8>),
}

pub(in crate::provider) struct Server {
    pub(in crate::provider) port: u16,
    seen: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub(in crate::provider) async fn new(
        script: impl Fn(&str) -> Act + Send + Sync + 'static,
    ) -> Self {
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

    pub(in crate::provider) async fn saying(answer: impl Into<Vec<u8>>) -> Self {
        let act = Act::Say(answer.into());
        Self::new(move |_| act.clone()).await
    }

    /// Where it is.
    pub(in crate::provider) fn base(&self) -> String {
        format!("http://127.0.0.1:{}/v1/", self.port)
    }

    pub(in crate::provider) fn forget(&self) {
        self.seen.lock().unwrap().clear();
    }

    pub(in crate::provider) fn requests(&self) -> Vec<String> {
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

pub(in crate::provider) fn http(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n{headers}\r\n{body}").into_bytes()
}

pub(in crate::provider) fn json(status: &str, body: &str) -> Vec<u8> {
    http(status, "content-type: application/json\r\n", body)
}

pub(in crate::provider) fn kind(outcome: &SubmitOutcome) -> &'static str {
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
