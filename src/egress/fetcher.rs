//! The client that outputs are fetched with: HTTP/1.1, a connection for each, a bounded read buffer.
//!
//! Everything else goes through `reqwest`, which cannot bound that buffer: within a fast transfer it
//! grows to 417 KiB, and a copy took 1.7 MiB. Nor does a task of its own read ahead here: the socket
//! does that, and a body is read by whoever wants it.

use std::error::Error as StdError;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Uri, header};
use http_body::{Body as _, Frame};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_rustls::{ConfigBuilderExt, DefaultServerNameResolver, HttpsConnector};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::ClientConfig;
use tower::timeout::Timeout;
use tower::timeout::error::Elapsed;
use tower::{BoxError, ServiceExt as _};
use url::{Position, Url};

use super::fetched::{Fetched, Resume, asking};
use super::resolver::Guarded;
use super::{CONNECT_TIMEOUT, EgressError, READ_TIMEOUT, USER_AGENT, causes, failed};

/// A client that goes where its resolver lets it, and nowhere else. Cheap to clone.
#[derive(Clone)]
pub(super) struct Fetcher {
    connector: Timeout<HttpsConnector<HttpConnector<Guarded>>>,
}

/// A body, and the connection that it comes over. It is read when the body is, by whoever reads that.
pub(super) struct Stream {
    line: Option<Line>,
    body: Incoming,
}

/// What moves bytes on a connection when it is asked to.
type Line = Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>;

impl Fetcher {
    pub(super) fn new(resolver: Guarded, tls: ClientConfig, https_only: bool) -> Self {
        let mut tcp = HttpConnector::new_with_resolver(resolver);
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        // Shared by the addresses of a name, so that one that is dead leaves time for the next.
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let names = Arc::new(DefaultServerNameResolver::default());
        let connector = HttpsConnector::new(tcp, tls, https_only, names);
        Self {
            connector: Timeout::new(connector, CONNECT_TIMEOUT),
        }
    }

    /// Begins to fetch `url`. A redirect is refused.
    pub(super) async fn get(
        &self,
        url: &Url,
        resume: Option<Resume<'_>>,
    ) -> Result<Fetched, EgressError> {
        let unreadable = |_| EgressError::Refused("the URL cannot be read");
        let to: Uri = url.as_str().parse().map_err(unreadable)?;
        let mut request = Request::get(&url[Position::BeforePath..Position::AfterQuery])
            .header(
                header::HOST,
                &url[Position::BeforeHost..Position::AfterPort],
            )
            .header(header::ACCEPT, "*/*")
            .header(header::USER_AGENT, USER_AGENT)
            .body(Empty::<Bytes>::new())
            .map_err(|_| EgressError::Refused("the URL cannot be read"))?;
        request.headers_mut().extend(asking(resume)?);

        let stream = self.connector.clone().oneshot(to).await;
        let stream = stream.map_err(|error| unconnected(&error))?;
        let answer = async {
            let (mut sender, connection) = http1::Builder::new()
                .max_buf_size(READ_BUFFER)
                .handshake(stream)
                .await?;
            let mut line: Option<Line> = Some(Box::pin(connection));
            let mut answer = std::pin::pin!(sender.send_request(request));
            let answer =
                std::future::poll_fn(|cx| move_on(&mut line, cx, |cx| answer.as_mut().poll(cx)));
            Ok((answer.await?, line))
        };
        let (answer, line) = within(answer)
            .await?
            .map_err(|error: hyper::Error| failed("broken", &error))?;
        let (head, body) = answer.into_parts();
        Fetched::ours(&head, Stream { line, body })
    }
}

impl Stream {
    /// The length of what is still to come, if it is known.
    pub(super) fn length(&self) -> Option<u64> {
        self.body.size_hint().exact()
    }

    /// The next piece; `None` at the end.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, EgressError> {
        loop {
            let Self { line, body } = self;
            let mut body = Pin::new(body);
            let frame =
                std::future::poll_fn(|cx| move_on(line, cx, |cx| body.as_mut().poll_frame(cx)));
            let Some(frame) = within(frame).await? else {
                return Ok(None);
            };
            let frame = frame.map_err(|error| failed("broken", &error))?;
            if let Ok(bytes) = Frame::into_data(frame) {
                return Ok(Some(bytes));
            }
        }
    }
}

/// Asks for `what` comes over a line, and moves the line on while there is nothing.
fn move_on<T>(
    line: &mut Option<Line>,
    cx: &mut Context<'_>,
    mut what: impl FnMut(&mut Context<'_>) -> Poll<T>,
) -> Poll<T> {
    if let ready @ Poll::Ready(_) = what(cx) {
        return ready;
    }
    // How it ended is told by what comes over it.
    if line
        .as_mut()
        .is_some_and(|line| line.as_mut().poll(cx).is_ready())
    {
        *line = None;
    }
    what(cx)
}

fn unconnected(error: &BoxError) -> EgressError {
    let error: &(dyn StdError + 'static) = &**error;
    let kind = if causes(error).any(<dyn StdError>::is::<Elapsed>) {
        "timed out"
    } else {
        "cannot connect"
    };
    failed(kind, error)
}

async fn within<F: Future>(what: F) -> Result<F::Output, EgressError> {
    let done = tokio::time::timeout(READ_TIMEOUT, what).await;
    done.map_err(|silence| failed("timed out", &silence))
}

/// The platform's trust in certificates, and the one protocol that is spoken.
pub(super) fn tls() -> Result<ClientConfig, EgressError> {
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let config = ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .and_then(ConfigBuilderExt::try_with_platform_verifier)
        .map_err(|error| failed("no TLS", &error))?;
    let mut config = config.with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// The most that is asked for at once, head or body. Half of it saved two fifths of a copy's memory and
/// cost a fifth of its speed (P9 of `benches/limits`).
const READ_BUFFER: usize = 128 * 1024;

#[cfg(test)]
mod tests {
    use rcgen::{CertifiedKey, generate_simple_self_signed};
    use rustls::{RootCertStore, ServerConfig};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};
    use tokio_rustls::TlsAcceptor;

    use super::super::resolver::{Lookup, Realm};
    use super::*;

    /// A client for which every name leads to this machine.
    fn fetcher(tls: ClientConfig) -> Fetcher {
        let lookup: Lookup = Arc::new(|_| Box::pin(async { Ok(vec![[127, 0, 0, 1].into()]) }));
        Fetcher::new(Guarded::new(Realm::Loopback, lookup), tls, false)
    }

    async fn listener(scheme: &str) -> (TcpListener, Url) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let url = format!("{scheme}://media.example.com:{port}/o/1.mp4?a=b%20c&d");
        (listener, Url::parse(&url).unwrap())
    }

    /// A connection, and the head of the request that came over it.
    async fn asked(listener: &TcpListener) -> (TcpStream, String) {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        (stream, String::from_utf8(head).unwrap())
    }

    #[tokio::test]
    async fn the_request_says_all_that_a_server_needs_and_no_more() {
        let (listener, url) = listener("http").await;
        let host = format!("media.example.com:{}", url.port().unwrap());
        let server = async {
            let (mut stream, head) = asked(&listener).await;
            let answer = b"HTTP/1.1 206 Partial Content\r\ncontent-range: bytes 7-9/10\r\ncontent-length: 3\r\n\r\nend";
            stream.write_all(answer).await.unwrap();
            head
        };
        let etag = "\"a\"";
        let client = fetcher(tls().unwrap());
        let resume = Some(Resume { from: 7, etag });
        let (fetched, head) = tokio::join!(client.get(&url, resume), server);
        let mut fetched = fetched.unwrap();
        assert_eq!(fetched.status, 206);
        assert_eq!(fetched.content_range.unwrap().start, 7);
        assert_eq!(fetched.chunk().await.unwrap().unwrap(), "end");
        assert_eq!(fetched.chunk().await.unwrap(), None);
        let mut lines: Vec<String> = head.trim_end().split("\r\n").map(str::to_owned).collect();
        assert_eq!(lines.remove(0), "GET /o/1.mp4?a=b%20c&d HTTP/1.1");
        lines.sort();
        assert_eq!(
            lines,
            [
                "accept-encoding: identity".to_owned(),
                "accept: */*".to_owned(),
                format!("host: {host}"),
                "if-range: \"a\"".to_owned(),
                "range: bytes=7-".to_owned(),
                format!("user-agent: {USER_AGENT}"),
            ]
        );
    }

    #[tokio::test]
    async fn a_fast_body_comes_whole_and_in_bounded_pieces() {
        let (listener, url) = listener("http").await;
        let byte = |at: u32| at.to_le_bytes()[0] ^ at.to_le_bytes()[1];
        let body: Vec<u8> = (0..4 << 20).map(byte).collect();
        let server = async {
            let (mut stream, _) = asked(&listener).await;
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.write_all(&body).await.unwrap();
            stream
        };
        let client = fetcher(tls().unwrap());
        let read = async {
            let mut fetched = client.get(&url, None).await.unwrap();
            assert_eq!(fetched.content_length, Some(body.len() as u64));
            let mut read = Vec::new();
            while let Some(piece) = fetched.chunk().await.unwrap() {
                // What a buffer has left is filled as well.
                assert!(piece.len() <= 2 * READ_BUFFER, "{}", piece.len());
                read.extend_from_slice(&piece);
            }
            read
        };
        let (read, _stream) = tokio::join!(read, server);
        assert!(read == body);
    }

    #[tokio::test]
    async fn a_body_that_breaks_or_falls_silent_is_an_error() {
        let (listener, url) = listener("http").await;
        let cut = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello";
        let client = fetcher(tls().unwrap());
        for (breaks, word) in [(true, "broken"), (false, "timed out")] {
            let server = async {
                let (mut stream, _) = asked(&listener).await;
                stream.write_all(cut).await.unwrap();
                stream
            };
            let (fetched, stream) = tokio::join!(client.get(&url, None), server);
            let mut fetched = fetched.unwrap();
            assert_eq!(fetched.chunk().await.unwrap().unwrap(), "hello");
            let held = (!breaks).then_some(stream);
            if held.is_some() {
                tokio::time::pause();
            }
            let error = fetched.chunk().await.unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
            drop(held);
        }
    }

    #[tokio::test]
    async fn a_certificate_is_trusted_if_the_platform_does() {
        let (listener, url) = listener("https").await;
        let names = vec!["media.example.com".to_owned()];
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(cert.der().clone()).unwrap();
        let key = signing_key.serialize_der().try_into().unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(server));
        let serve = async || {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = acceptor.accept(stream).await.ok()?;
            let _ = stream.read(&mut [0; 4096]).await;
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
            stream.write_all(answer).await.unwrap();
            stream.flush().await.unwrap();
            Some(stream)
        };

        let stranger = fetcher(tls().unwrap());
        let (refused, nothing) = tokio::join!(stranger.get(&url, None), serve());
        let refused = refused.unwrap_err().to_string();
        assert!(
            refused.contains("cannot connect") && refused.contains("certificate"),
            "{refused}"
        );
        assert!(nothing.is_none());

        let trusting = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let friend = fetcher(trusting);
        let (fetched, _served) = tokio::join!(friend.get(&url, None), serve());
        assert_eq!(fetched.unwrap().chunk().await.unwrap().unwrap(), "ok");
    }
}
