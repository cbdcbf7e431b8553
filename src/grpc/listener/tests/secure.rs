//! The listener over TLS: both protocols, client certificates, rotation, bad handshakes.

use std::fs;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tonic::transport::{Certificate, ClientTlsConfig, Identity};

use super::*;

/// An authority of its own, that signs for localhost.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate and its key.
    fn sign(&self) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        (
            params.signed_by(&key, &self.0).unwrap().pem(),
            key.serialize_pem(),
        )
    }
}

/// The files of a server, written for one test.
struct Files {
    folder: TempDir,
    files: TlsFiles,
}

impl Files {
    fn new(authority: &Authority, client_ca: Option<&Authority>) -> Self {
        let folder = TempDir::new().unwrap();
        let path = |name| folder.path().join(name);
        let files = TlsFiles {
            cert: path("cert.pem"),
            key: path("key.pem"),
            client_ca: client_ca.map(|_| path("ca.pem")),
        };
        let written = Self { folder, files };
        written.write(&authority.sign());
        if let Some(ca) = client_ca {
            fs::write(written.folder.path().join("ca.pem"), ca.pem()).unwrap();
        }
        written
    }

    fn write(&self, (cert, key): &(String, String)) {
        fs::write(&self.files.cert, cert).unwrap();
        fs::write(&self.files.key, key).unwrap();
    }

    fn load(&self) -> Tls {
        Tls::load(self.files.clone()).unwrap()
    }
}

/// A health check over TLS, on a connection of its own.
async fn secure_check(
    server: &Server,
    trusted: &Authority,
    identity: Option<(String, String)>,
) -> Result<(), Box<dyn std::error::Error>> {
    let mut tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(trusted.pem()))
        .domain_name("localhost");
    if let Some((cert, key)) = identity {
        tls = tls.identity(Identity::from_pem(cert, key));
    }
    let endpoint = Endpoint::from_shared(format!("https://{}", server.addr))?.tls_config(tls)?;
    Ok(check(&endpoint.connect().await?).await?)
}

/// The answer to a GET, on a connection that speaks HTTP/1.1 over TLS.
async fn http1(
    server: &Server,
    trusted: &Authority,
    identity: Option<(String, String)>,
    path: &str,
) -> String {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(trusted.pem().as_bytes()).unwrap())
        .unwrap();
    let config = ClientConfig::builder().with_root_certificates(roots);
    let mut config = match identity {
        None => config.with_no_client_auth(),
        Some((cert, key)) => {
            let chain = vec![CertificateDer::from_pem_slice(cert.as_bytes()).unwrap()];
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
            config.with_client_auth_cert(chain, key).unwrap()
        }
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let stream = TcpStream::connect(server.addr).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = connector.connect(name, stream).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn grpc_and_http1_both_work_over_tls() {
    let authority = Authority::new();
    let tls = Files::new(&authority, None).load();
    let server = Server::start(Limits::default(), Some(tls)).await;
    secure_check(&server, &authority, None).await.unwrap();
    let answer = http1(&server, &authority, None, "/healthz").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn only_clients_of_the_client_ca_are_let_in() {
    let authority = Authority::new();
    let clients = Authority::new();
    let tls = Files::new(&authority, Some(&clients)).load();
    let server = Server::start(Limits::default(), Some(tls)).await;
    secure_check(&server, &authority, Some(clients.sign()))
        .await
        .unwrap();
    assert!(
        secure_check(&server, &authority, Some(authority.sign()))
            .await
            .is_err()
    );
    assert!(secure_check(&server, &authority, None).await.is_err());
    secure_check(&server, &authority, Some(clients.sign()))
        .await
        .unwrap();
}

#[tokio::test]
async fn new_files_serve_new_connections_and_bad_ones_are_ignored() {
    let old = Authority::new();
    let new = Authority::new();
    let files = Files::new(&old, None);
    let tls = files.load();
    let server = Server::start(Limits::default(), Some(tls.clone())).await;
    let period = Duration::from_millis(10);
    server
        .shutdown
        .spawn(tls.follow(period, server.shutdown.clone()));

    fs::write(&files.files.key, new.sign().1).unwrap();
    tokio::time::sleep(10 * period).await;
    secure_check(&server, &old, None)
        .await
        .expect("the old pair stays while the new is bad");

    files.write(&new.sign());
    let turned = async {
        while secure_check(&server, &new, None).await.is_err() {
            tokio::time::sleep(period).await;
        }
    };
    timeout(Duration::from_secs(10), turned)
        .await
        .expect("the new pair is never taken");
}

#[tokio::test]
async fn a_stuck_or_plain_handshake_ends_and_holds_nobody_up() {
    let authority = Authority::new();
    let tls = Files::new(&authority, None).load();
    let server = Server::start(brief(), Some(tls)).await;
    let stuck = join_all((0..20).map(|_| kept(server.addr, b"\x16\x03\x01\x02\x00")));
    let plain = kept(server.addr, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    let (stuck, plain, good) = tokio::join!(stuck, plain, secure_check(&server, &authority, None));
    good.unwrap();
    assert!(plain < Duration::from_secs(3), "{plain:?}");
    assert!(
        stuck.iter().all(|end| *end < Duration::from_secs(3)),
        "{stuck:?}"
    );
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let authority = Authority::new();
    let files = Files::new(&authority, None);
    fs::write(&files.files.key, authority.sign().1).unwrap();
    assert!(matches!(
        Tls::load(files.files.clone()),
        Err(TlsError::Refused(_))
    ));
    fs::write(&files.files.cert, "nothing").unwrap();
    assert!(matches!(
        Tls::load(files.files.clone()),
        Err(TlsError::Content { .. })
    ));
    fs::remove_file(&files.files.cert).unwrap();
    assert!(matches!(
        Tls::load(files.files.clone()),
        Err(TlsError::Read { .. })
    ));
}
