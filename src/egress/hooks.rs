//! The client for receivers of webhooks: addresses that callers name.
//!
//! Whether an address may be called is [`webhook::check`]'s, asked again before each call, as what the
//! operator allows may have changed since. What a public name resolves to is checked on the address
//! that is connected to. Nothing is followed, and of an answer only its head counts.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Response};

use super::resolver::{Guarded, Lookup, Realm, system};
use super::{EgressError, client, retry_after, transport};
use crate::domain::webhook::{self, Allowed, Reach};

/// The client. Cheap to clone.
#[derive(Clone)]
pub struct Hooks {
    public: Client,
    named: Client,
}

/// What is posted.
#[derive(Clone, Debug)]
pub struct Message {
    /// The event's name.
    pub id: String,
    /// When it is sent, in seconds since the Unix epoch.
    pub timestamp: i64,
    /// Signatures, with a space between two.
    pub signature: String,
    /// JSON.
    pub body: Bytes,
}

/// What was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The status, a redirection too.
    pub status: u16,
    /// How long the receiver asks to be left alone.
    pub retry_after: Option<Duration>,
}

impl Hooks {
    /// A client.
    ///
    /// # Errors
    /// When the system has no sound TLS.
    pub fn new() -> Result<Self, EgressError> {
        Self::with_lookup(&system())
    }

    pub(super) fn with_lookup(lookup: &Lookup) -> Result<Self, EgressError> {
        let build = |realm, https_only| {
            client(
                Guarded::new(realm, lookup.clone()),
                https_only,
                LONGEST_SILENCE,
            )
        };
        Ok(Self {
            public: build(Realm::Public, true)?,
            named: build(Realm::Any, false)?,
        })
    }

    /// Posts a message, all of it within `timeout`.
    ///
    /// # Errors
    /// When the address may not be called, and when nothing was answered.
    pub async fn post(
        &self,
        url: &str,
        allowed: &Allowed,
        message: Message,
        timeout: Duration,
    ) -> Result<Heard, EgressError> {
        let client = match webhook::check(url, allowed) {
            Ok(Reach::Public) => &self.public,
            Ok(Reach::Named) => &self.named,
            Err(_) => return Err(EgressError::Refused("the address is not allowed any more")),
        };
        let request = client
            .post(url)
            .timeout(timeout)
            .headers(headers(&message)?)
            .body(message.body);
        let answer = request.send().await.map_err(transport)?;
        let heard = Heard {
            status: answer.status().as_u16(),
            retry_after: retry_after(answer.headers()),
        };
        // Cut off or not: what counts has been said.
        let _ = tokio::time::timeout(MANNERS, drain(answer)).await;
        Ok(heard)
    }
}

fn headers(message: &Message) -> Result<HeaderMap, EgressError> {
    let bad = |_| EgressError::Refused("the message has no sound head");
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in [
        (ID, message.id.clone()),
        (TIMESTAMP, message.timestamp.to_string()),
        (SIGNATURE, message.signature.clone()),
    ] {
        headers.insert(name, HeaderValue::from_str(&value).map_err(bad)?);
    }
    Ok(headers)
}

/// Takes a little of the body for a little while, so that a receiver that writes one is not reset; what
/// is more is cut off with the connection.
async fn drain(mut answer: Response) {
    let mut left = MOST_OF_AN_ANSWER;
    while let Ok(Some(chunk)) = answer.chunk().await {
        match left.checked_sub(chunk.len()) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hooks")
    }
}

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
/// Longest silence of a receiver; each call's own timeout is shorter as a rule.
const LONGEST_SILENCE: Duration = Duration::from_mins(5);
/// Bytes of an answer's body that are read, to no other end than good manners.
const MOST_OF_AN_ANSWER: usize = 64 << 10;
/// How long that takes at most: a body without an end must not hold the place of another call.
const MANNERS: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::domain::webhook::Origin;

    fn message() -> Message {
        Message {
            id: "evt_1".to_owned(),
            timestamp: 1,
            signature: "v1,x".to_owned(),
            body: Bytes::from_static(b"{}"),
        }
    }

    /// A client for which every name leads to this machine.
    fn hooks(asked: &Arc<AtomicUsize>) -> Hooks {
        let asked = Arc::clone(asked);
        let lookup: Lookup = Arc::new(move |_| {
            asked.fetch_add(1, Ordering::Relaxed);
            let found: Vec<IpAddr> = vec![[127, 0, 0, 1].into()];
            Box::pin(async move { Ok(found) })
        });
        Hooks::with_lookup(&lookup).expect("a client")
    }

    #[tokio::test]
    async fn a_public_name_that_leads_to_loopback_is_never_connected_to() {
        let asked = Arc::default();
        let hooks = hooks(&asked);
        let url = "https://hooks.example.com/a";
        let timeout = Duration::from_secs(5);
        let posted = hooks
            .post(url, &Allowed::default(), message(), timeout)
            .await;
        assert!(matches!(posted, Err(EgressError::Refused(_))), "{posted:?}");
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn what_is_not_allowed_any_more_is_not_even_looked_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let origin = format!("http://{}", listener.local_addr().expect("bound"));
        let asked = Arc::default();
        let hooks = hooks(&asked);
        let timeout = Duration::from_millis(200);
        let url = format!("{origin}/a");
        let posted = hooks
            .post(&url, &Allowed::default(), message(), timeout)
            .await;
        assert!(matches!(posted, Err(EgressError::Refused(_))), "{posted:?}");
        // Allowed, it is connected to; nobody answers.
        let allowed = [Origin::parse(&origin).expect("an origin")];
        let allowed: Allowed = allowed.into_iter().collect();
        let posted = hooks.post(&url, &allowed, message(), timeout).await;
        assert!(
            matches!(posted, Err(EgressError::Transport(_))),
            "{posted:?}"
        );
        assert_eq!(asked.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn an_answer_whose_body_never_ends_is_an_answer_soon() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let origin = format!("http://{}", listener.local_addr().expect("bound"));
        let receiver = async {
            let (mut stream, _) = listener.accept().await.expect("a call");
            let mut asked = [0; 4096];
            while !asked.ends_with(b"\r\n\r\n{}") {
                let count = stream.read(&mut asked).await.expect("read");
                asked.rotate_left(count);
            }
            let head = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx";
            stream.write_all(head).await.expect("written");
            // Reads until the caller is gone, and never ends its body.
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).await
        };
        let allowed = [Origin::parse(&origin).expect("an origin")];
        let allowed: Allowed = allowed.into_iter().collect();
        let hooks = hooks(&Arc::default());
        let url = format!("{origin}/a");
        let timeout = Duration::from_mins(1);
        let begun = std::time::Instant::now();
        let (posted, _) = tokio::join!(hooks.post(&url, &allowed, message(), timeout), receiver);
        assert_eq!(posted.expect("an answer").status, 200);
        assert!(begun.elapsed() < Duration::from_secs(30));
    }
}
