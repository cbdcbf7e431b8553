//! Somebody who is told of the ends of tasks: answers as a script says and remembers what came.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, StatusCode};
use mediagen::domain::time::Timestamp;
use mediagen::domain::webhook::Secret;
use mediagen::shutdown::Shutdown;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::net::TcpListener;

use super::eventually;

/// What is answered to a call.
#[derive(Clone, Debug)]
pub enum Says {
    /// This status.
    Status(u16),
    /// This status, and a place to go to.
    Elsewhere(u16, String),
    /// Nothing, ever.
    Nothing,
}

/// A call as it came.
#[derive(Clone, Debug)]
pub struct Got {
    pub path: String,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Got {
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    /// The event's name.
    pub fn id(&self) -> &str {
        self.header("webhook-id")
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Whether one of the signatures is made with the secret, as a receiver checks it.
    pub fn is_signed_with(&self, secret: &str) -> bool {
        let sent: i64 = self.header("webhook-timestamp").parse().unwrap();
        let secret = Secret::parse(secret).unwrap();
        let signed = secret.sign(self.id(), Timestamp(sent * 1000), &self.body);
        let all = self.header("webhook-signature");
        all.split(' ').any(|one| one == signed)
    }
}

type Script = dyn Fn(usize, &str) -> Says + Send + Sync;

struct Desk {
    script: Box<Script>,
    got: Mutex<Vec<Got>>,
    open: AtomicUsize,
    most_open: AtomicUsize,
}

/// A receiver that listens until it is dropped.
pub struct Receiver {
    pub address: SocketAddr,
    desk: Arc<Desk>,
    life: Shutdown,
}

impl Receiver {
    /// One that says this to the n-th call, counted from 0.
    pub async fn new(script: impl Fn(usize) -> Says + Send + Sync + 'static) -> Self {
        Self::at(SocketAddr::from(([127, 0, 0, 1], 0)), script).await
    }

    /// One that says this at each path.
    pub async fn by_path(script: impl Fn(&str) -> Says + Send + Sync + 'static) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        Self::telling(address, move |_, path| script(path)).await
    }

    /// One that takes everything.
    pub async fn willing() -> Self {
        Self::new(|_| Says::Status(204)).await
    }

    /// The same at an address of the caller's.
    pub async fn at(
        address: SocketAddr,
        script: impl Fn(usize) -> Says + Send + Sync + 'static,
    ) -> Self {
        Self::telling(address, move |n, _| script(n)).await
    }

    async fn telling(
        address: SocketAddr,
        script: impl Fn(usize, &str) -> Says + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let desk = Arc::new(Desk {
            script: Box::new(script),
            got: Mutex::default(),
            open: AtomicUsize::new(0),
            most_open: AtomicUsize::new(0),
        });
        let router = Router::new().fallback(take).with_state(Arc::clone(&desk));
        let life = Shutdown::new();
        let stop = life.clone();
        life.spawn(async move {
            tokio::select! {
                () = stop.stopping() => {}
                served = axum::serve(listener, router).into_future() => served.unwrap(),
            }
        });
        Self {
            address,
            desk,
            life,
        }
    }

    /// What `webhooks.allow` takes.
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it is told.
    pub fn url(&self) -> String {
        format!("{}/hook?token=secret-of-the-receiver", self.origin())
    }

    /// All that came so far.
    pub fn got(&self) -> Vec<Got> {
        self.desk.got.lock().clone()
    }

    /// Calls that were open at once, at most.
    pub fn most_open(&self) -> usize {
        self.desk.most_open.load(Ordering::Relaxed)
    }

    /// Waits for so many calls.
    pub async fn calls(&self, count: usize) -> Vec<Got> {
        let look = || async {
            let got = self.got();
            if got.len() >= count {
                Ok(got)
            } else {
                Err(got)
            }
        };
        eventually("the receiver is called", look).await
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.life.stop();
    }
}

async fn take(State(desk): State<Arc<Desk>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap().to_vec();
    let open = Open::of(&desk);
    let says = {
        let mut got = desk.got.lock();
        let says = (desk.script)(got.len(), head.uri.path());
        got.push(Got {
            path: head.uri.to_string(),
            headers: head.headers,
            body,
        });
        says
    };
    let status = |code| StatusCode::from_u16(code).unwrap();
    let answer = match says {
        Says::Status(code) => status(code).into_response(),
        Says::Elsewhere(code, to) => {
            (status(code), [("location", to)], Body::empty()).into_response()
        }
        Says::Nothing => std::future::pending().await,
    };
    drop(open);
    answer
}

/// Counts a call while it is open, whoever ends it.
struct Open(Arc<Desk>);

impl Open {
    fn of(desk: &Arc<Desk>) -> Self {
        let now = desk.open.fetch_add(1, Ordering::Relaxed) + 1;
        desk.most_open.fetch_max(now, Ordering::Relaxed);
        Self(Arc::clone(desk))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}
