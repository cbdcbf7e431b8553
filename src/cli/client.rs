//! The channel to a server, and the calls that are safe to repeat.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use secrecy::{ExposeSecret as _, SecretString};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::interceptor::{InterceptedService, Interceptor};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Request, Status};

use super::failure::{Exit, Failure};
use super::progress::Progress;
use crate::pb::v1::media_generation_client::MediaGenerationClient;
use crate::pb::v1::{CreateRequest, Task};

/// A client of one server.
pub type Client = MediaGenerationClient<InterceptedService<Channel, ShowKey>>;

/// Shows the caller's key with every call, if there is one.
#[derive(Clone, Debug, Default)]
pub struct ShowKey(Option<MetadataValue<Ascii>>);

impl ShowKey {
    /// From the key's text; nothing from an empty one.
    fn new(key: &str) -> Result<Self, Failure> {
        let key = key.trim();
        if key.is_empty() {
            return Ok(Self(None));
        }
        let value = MetadataValue::try_from(format!("Bearer {key}"));
        let wrong = |_| Failure::new(Exit::Usage, "--api-key: cannot be sent in a header");
        let mut value = value.map_err(wrong)?;
        value.set_sensitive(true);
        Ok(Self(Some(value)))
    }
}

impl Interceptor for ShowKey {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(key) = &self.0 {
            request.metadata_mut().insert("authorization", key.clone());
        }
        Ok(request)
    }
}

/// How to reach a server.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Connection")]
pub struct ClientArgs {
    /// The server, as http://HOST:PORT or https://HOST:PORT [default: http://127.0.0.1:50051]
    #[arg(
        long,
        value_name = "URL",
        env = "MEDIAGEN_SERVER",
        hide_env_values = true
    )]
    pub server: Option<String>,
    /// PEM file with the authority that signed the server's certificate
    #[arg(long, value_name = "FILE", env = "MEDIAGEN_CA", hide_env_values = true)]
    pub ca: Option<PathBuf>,
    /// PEM file with this client's certificate, for a server that asks for one
    #[arg(
        long,
        value_name = "FILE",
        env = "MEDIAGEN_CLIENT_CERT",
        hide_env_values = true,
        requires = "client_key"
    )]
    pub client_cert: Option<PathBuf>,
    /// PEM file with its private key
    #[arg(
        long,
        value_name = "FILE",
        env = "MEDIAGEN_CLIENT_KEY",
        hide_env_values = true,
        requires = "client_cert"
    )]
    pub client_key: Option<PathBuf>,
    /// The API key, for a server that asks for one. A variable is better: a command line can be seen
    #[arg(
        long,
        value_name = "KEY",
        env = "MEDIAGEN_API_KEY",
        hide_env_values = true
    )]
    pub api_key: Option<SecretString>,
    /// Writes JSON to standard output, and errors as JSON to standard error
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}

impl ClientArgs {
    /// The server that was named; an empty variable names none.
    pub fn named_server(&self) -> Option<&str> {
        self.server.as_deref().filter(|url| !url.is_empty())
    }

    /// A client that connects when it is first used.
    pub fn connect(&self) -> Result<Client, Failure> {
        let url = self.named_server().unwrap_or(DEFAULT_SERVER);
        let usage = |text: String| Failure::new(Exit::Usage, text);
        let with_scheme = if url.contains("://") {
            url.to_owned()
        } else {
            format!("http://{url}")
        };
        let mut endpoint = Endpoint::from_shared(with_scheme).map_err(|_| {
            usage(format!(
                "--server: `{url}` is no URL; write it as {DEFAULT_SERVER}"
            ))
        })?;
        match endpoint.uri().scheme_str() {
            Some("http") => {}
            Some("https") => {
                endpoint = endpoint
                    .tls_config(self.tls()?)
                    .context("--ca, --client-cert, --client-key")?;
            }
            _ => {
                return Err(usage(format!(
                    "--server: `{url}` must begin with http:// or https://"
                )));
            }
        }
        let key = self.api_key.as_ref().map_or("", |key| key.expose_secret());
        Ok(client(&endpoint, ShowKey::new(key)?))
    }

    fn tls(&self) -> Result<ClientTlsConfig, Failure> {
        let mut tls = ClientTlsConfig::new();
        tls = match &self.ca {
            Some(file) => tls.ca_certificate(Certificate::from_pem(read(file)?)),
            None => tls.with_native_roots(),
        };
        if let (Some(cert), Some(key)) = (&self.client_cert, &self.client_key) {
            tls = tls.identity(Identity::from_pem(read(cert)?, read(key)?));
        }
        Ok(tls)
    }
}

/// A client of a server in this process.
pub fn connect_to(address: std::net::SocketAddr) -> Result<Client, Failure> {
    let endpoint =
        Endpoint::from_shared(format!("http://{address}")).context("the server's own address")?;
    Ok(client(&endpoint, ShowKey::default()))
}

/// Creates a task, repeating the same request while the server is away. The request must have a
/// `request_id`, which is what makes the repetition safe.
pub async fn create(
    client: &mut Client,
    request: CreateRequest,
    progress: &mut Progress,
) -> Result<Task, Failure> {
    let mut attempt = 0;
    loop {
        match client.create(request.clone()).await {
            Ok(answer) => return task_of(answer.into_inner().task),
            Err(status) if super::failure::is_passing(&status) && attempt < MAX_REPEATS => {
                if attempt == 0 {
                    progress.say("the server does not answer; trying again for a while");
                }
            }
            Err(status) => return Err(explain(status)),
        }
        tokio::time::sleep(pause(attempt)).await;
        attempt += 1;
    }
}

/// The task of an answer, which a server never leaves out.
pub fn task_of(task: Option<Task>) -> Result<Task, Failure> {
    task.ok_or_else(|| Failure::new(Exit::Other, "the server's answer lacks its task"))
}

/// A status as a failure; says what to do when nothing answers.
pub fn explain(status: Status) -> Failure {
    let reached =
        status.code() != tonic::Code::Unavailable || std::error::Error::source(&status).is_none();
    let mut failure = Failure::from(status);
    if !reached {
        failure.message.push_str(UNREACHED);
    }
    failure
}

/// How long to wait before repetition `attempt`, counted from 0: 0.2 s, doubling up to 5 s.
pub fn pause(attempt: u32) -> Duration {
    Duration::from_millis(200 << attempt.min(5)).min(Duration::from_secs(5))
}

/// Repetitions of a call that found no server, before it is given up: about 20 s.
pub const MAX_REPEATS: u32 = 7;

/// Frames of 256 KiB double the speed of a download; the windows keep h2 from cutting off busy
/// connections.
fn client(endpoint: &Endpoint, key: ShowKey) -> Client {
    let channel = endpoint
        .clone()
        .connect_timeout(Duration::from_secs(10))
        .initial_stream_window_size(8 << 20)
        .initial_connection_window_size(16 << 20)
        .max_frame_size(256 << 10)
        .http2_keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20))
        .tcp_nodelay(true)
        .connect_lazy();
    MediaGenerationClient::with_interceptor(channel, key).max_decoding_message_size(MAX_MESSAGE)
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let bytes =
        std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
    Ok(bytes)
}

const DEFAULT_SERVER: &str = "http://127.0.0.1:50051";
/// A page of 1000 tasks with long prompts fits; a download's chunks are far smaller.
const MAX_MESSAGE: usize = 32 << 20;
const UNREACHED: &str = "\n  no server answers there: start one with `mediagen serve`, name another with \
    --server, or try `mediagen generate --sandbox`";

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_server_may_be_named_with_or_without_its_scheme() {
        for (server, ok) in [
            ("127.0.0.1:1", true),
            ("http://a:1", true),
            ("ftp://a", false),
            ("http://", false),
        ] {
            let args = ClientArgs {
                server: Some(server.into()),
                ..ClientArgs::default()
            };
            assert_eq!(args.connect().is_ok(), ok, "{server}");
        }
    }

    #[test]
    fn pauses_grow_and_are_bounded() {
        assert_eq!(pause(0), Duration::from_millis(200));
        assert_eq!(pause(3), Duration::from_millis(1_600));
        assert_eq!(pause(1_000), Duration::from_secs(5));
    }
}
