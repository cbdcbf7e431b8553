//! What stands beside the service on its port: health, reflection, TLS.

use std::fs;
use std::net::SocketAddr;

use futures_util::StreamExt as _;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;
use tokio_stream::once;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::harness::client::{channel, over};
use crate::harness::{Client, TestApp, create, quick, sound, within};

const SERVICE: &str = "mediagen.v1.MediaGeneration";

#[tokio::test]
async fn health_is_serving_for_the_server_and_its_service_and_unknown_for_others() {
    let app = TestApp::start().await;
    let mut health = HealthClient::new(channel(app.address));
    for service in ["", SERVICE] {
        let request = HealthCheckRequest {
            service: service.into(),
        };
        let answer = within("the health", health.check(request)).await.unwrap();
        assert_eq!(
            answer.into_inner().status(),
            ServingStatus::Serving,
            "{service}"
        );
    }
    let other = HealthCheckRequest {
        service: "another.Service".into(),
    };
    assert_eq!(
        health.check(other).await.unwrap_err().code(),
        Code::NotFound
    );
}

/// Asks a version of the reflection service for the services and for one symbol.
macro_rules! reflect {
    ($app:expr, $version:ident) => {{
        use pb::server_reflection_request::MessageRequest;
        use pb::server_reflection_response::MessageResponse;
        use tonic_reflection::pb::$version as pb;
        let mut client =
            pb::server_reflection_client::ServerReflectionClient::new(channel($app.address));
        let mut ask = async |question| {
            let request = pb::ServerReflectionRequest {
                host: String::new(),
                message_request: Some(question),
            };
            let answers = client.server_reflection_info(once(request)).await.unwrap();
            let answer = within("the answer", answers.into_inner().next()).await;
            answer.unwrap().unwrap().message_response.unwrap()
        };
        let MessageResponse::ListServicesResponse(list) =
            ask(MessageRequest::ListServices(String::new())).await
        else {
            panic!("no list");
        };
        let names: Vec<String> = list
            .service
            .into_iter()
            .map(|service| service.name)
            .collect();
        for name in [SERVICE, "grpc.health.v1.Health"] {
            assert!(names.iter().any(|listed| listed == name), "{names:?}");
        }
        for symbol in [SERVICE, "mediagen.v1.Task", "google.rpc.ErrorInfo"] {
            let question = MessageRequest::FileContainingSymbol(symbol.into());
            let answer = ask(question).await;
            assert!(
                matches!(answer, MessageResponse::FileDescriptorResponse(_)),
                "{symbol}"
            );
        }
    }};
}

#[tokio::test]
async fn reflection_describes_the_service_in_both_its_versions() {
    let app = TestApp::start().await;
    reflect!(app, v1);
    reflect!(app, v1alpha);
}

/// An authority of its own, and what it signs for localhost.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
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

    fn client(&self, address: SocketAddr, identity: Option<&(String, String)>) -> Client {
        let mut tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(self.0.pem()))
            .domain_name("localhost");
        if let Some((cert, key)) = identity {
            tls = tls.identity(Identity::from_pem(cert, key));
        }
        let endpoint = Endpoint::from_shared(format!("https://{address}")).unwrap();
        over(endpoint.tls_config(tls).unwrap().connect_lazy())
    }
}

/// A server with TLS; with `client_ca` it asks callers who they are.
async fn secure(authority: &Authority, client_ca: Option<&Authority>) -> (TestApp, TempDir) {
    let files = TempDir::new().unwrap();
    let write = |name: &str, text: &str| {
        let path = files.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (cert, key) = authority.sign();
    let mut settings = vec![
        ("server.tls.cert", write("cert.pem", &cert)),
        ("server.tls.key", write("key.pem", &key)),
    ];
    if let Some(ca) = client_ca {
        settings.push(("server.tls.client_ca", write("ca.pem", &ca.0.pem())));
    }
    let settings: Vec<(&str, &str)> = settings
        .iter()
        .map(|(key, value)| (*key, &**value))
        .collect();
    (TestApp::with(quick(), &settings).await, files)
}

async fn makes_a_task(client: &Client) -> Result<(), Status> {
    create(client, sound("a bell")).await.map(drop)
}

#[tokio::test]
async fn over_tls_only_those_who_trust_its_authority_speak_to_it() {
    let authority = Authority::new();
    let (app, _files) = secure(&authority, None).await;
    makes_a_task(&authority.client(app.address, None))
        .await
        .unwrap();
    assert!(
        makes_a_task(&Authority::new().client(app.address, None))
            .await
            .is_err()
    );
    assert!(
        makes_a_task(&app.client).await.is_err(),
        "it took plain text"
    );
}

#[tokio::test]
async fn with_client_certificates_strangers_are_turned_away() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let (app, _files) = secure(&authority, Some(&clients)).await;
    let known = clients.sign();
    makes_a_task(&authority.client(app.address, Some(&known)))
        .await
        .unwrap();
    let stranger = Authority::new().sign();
    for identity in [None, Some(&stranger)] {
        assert!(
            makes_a_task(&authority.client(app.address, identity))
                .await
                .is_err()
        );
    }
    assert_eq!(app.upstream.sandbox.counts().creates_refused, 0);
}
