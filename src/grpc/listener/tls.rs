//! TLS for the listener: certificates from files, reloaded when their contents change.
//!
//! TLS 1.2 and 1.3, ALPN `h2` and `http/1.1`, and with a client CA only clients that it signed.
//! tonic's own set-up offers `h2` alone, which shuts out HTTP/1.1 on the same port. Files are
//! compared by content, not by time: a rotation by symlinks keeps times that say nothing.

use std::fmt;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientCertVerifierBuilder, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig, crypto::aws_lc_rs, version};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::aside;
use crate::shutdown::Shutdown;

/// Where the PEM files are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The server's certificate chain, its own first.
    pub cert: PathBuf,
    /// The key of that certificate.
    pub key: PathBuf,
    /// The authorities whose clients are let in; without it any client is.
    pub client_ca: Option<PathBuf>,
}

/// Why no TLS configuration could be made.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or is too large to be what it should be.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{path} holds no usable {what}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
    },
    /// The certificate, the key and the authorities do not make a server.
    #[error("the TLS certificate, key or client CA is refused")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The present TLS configuration; clones share it.
#[derive(Clone)]
pub struct Tls {
    current: Arc<ArcSwap<ServerConfig>>,
    files: Arc<TlsFiles>,
    tried: Arc<Mutex<Result<Pems, io::ErrorKind>>>,
}

impl Tls {
    /// Reads the files and checks that they fit together.
    pub fn load(files: TlsFiles) -> Result<Self, TlsError> {
        let pems = Pems::read(&files)?;
        let current = Arc::new(ArcSwap::from_pointee(pems.config(&files)?));
        Ok(Self {
            current,
            files: Arc::new(files),
            tried: Arc::new(Mutex::new(Ok(pems))),
        })
    }

    /// Looks at the files every `period` until the drain, and takes new contents for new
    /// connections. Contents that do not fit are logged once and leave the old ones in place.
    pub async fn follow(self, period: Duration, shutdown: Shutdown) {
        loop {
            tokio::select! {
                () = shutdown.draining() => return,
                () = tokio::time::sleep(period) => {}
            }
            let tls = self.clone();
            if let Err(error) = aside::run(move || tls.look()).await {
                tracing::error!(%error, "a look at the TLS files failed");
            }
        }
    }

    /// Shakes hands on a new connection.
    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        TlsAcceptor::from(self.current.load_full())
            .accept(stream)
            .await
    }

    /// Looks at the files once, and says in the log what came of it.
    fn look(&self) {
        match self.refresh() {
            Ok(false) => {}
            Ok(true) => tracing::info!(cert = %self.files.cert.display(), "TLS files reloaded"),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "new TLS files are not usable; the old ones stay");
            }
        }
    }

    /// Takes the files' contents if they differ from what was tried last. Says whether it did.
    fn refresh(&self) -> Result<bool, TlsError> {
        let read = Pems::read(&self.files);
        let seen = read.as_ref().map(Clone::clone).map_err(TlsError::kind);
        let mut tried = self.tried.lock();
        if *tried == seen {
            return Ok(false);
        }
        *tried = seen;
        self.current.store(Arc::new(read?.config(&self.files)?));
        Ok(true)
    }
}

impl TlsError {
    /// What kind of failure a read was, to tell a new one from the same one again.
    fn kind(&self) -> io::ErrorKind {
        match self {
            Self::Read { source, .. } => source.kind(),
            Self::Content { .. } | Self::Refused(_) => io::ErrorKind::InvalidData,
        }
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

/// The contents of the files as last tried. Holds the private key: neither shown nor logged.
#[derive(Clone, PartialEq, Eq)]
struct Pems {
    cert: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

impl Pems {
    /// Reads the files.
    fn read(files: &TlsFiles) -> Result<Self, TlsError> {
        let client_ca = files.client_ca.as_deref().map(read).transpose()?;
        Ok(Self {
            cert: read(&files.cert)?,
            key: read(&files.key)?,
            client_ca,
        })
    }

    /// Makes a server of the contents.
    fn config(&self, files: &TlsFiles) -> Result<ServerConfig, TlsError> {
        let chain = certificates(&self.cert, &files.cert)?;
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|_| TlsError::Content {
            path: files.key.clone(),
            what: "private key",
        })?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&version::TLS13, &version::TLS12])
            .map_err(refused)?;
        let builder = match (&self.client_ca, &files.client_ca) {
            (Some(pem), Some(path)) => {
                let verifier = WebPkiClientVerifier::builder_with_provider(
                    Arc::new(roots(pem, path)?),
                    provider,
                );
                let verifier = ClientCertVerifierBuilder::build(verifier).map_err(refused)?;
                builder.with_client_cert_verifier(verifier)
            }
            _ => builder.with_no_client_auth(),
        };
        let mut config = builder.with_single_cert(chain, key).map_err(refused)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}

/// The authorities in a PEM file.
fn roots(pem: &[u8], path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem, path)? {
        roots.add(certificate).map_err(refused)?;
    }
    Ok(roots)
}

/// The certificates in a PEM file; at least one.
fn certificates(pem: &[u8], path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let unusable = || TlsError::Content {
        path: path.to_owned(),
        what: "certificate",
    };
    let all: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|_| unusable())?;
    if all.is_empty() {
        Err(unusable())
    } else {
        Ok(all)
    }
}

/// The bytes of a file, which may not be larger than any PEM file is.
fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let failed = |source| TlsError::Read {
        path: path.to_owned(),
        source,
    };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(PEM_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > PEM_MAX {
        return Err(failed(io::ErrorKind::FileTooLarge.into()));
    }
    Ok(bytes)
}

/// An error of rustls, whatever its type.
fn refused(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> TlsError {
    TlsError::Refused(error.into())
}

/// Largest PEM file that is read, in bytes.
const PEM_MAX: u64 = 1024 * 1024;
