//! What stands round the calls: sizes of messages, health, reflection, and what is yet to come.

use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::{v1 as reflection, v1alpha};

use super::*;

#[tokio::test]
async fn only_create_and_its_estimate_take_more_than_a_mebibyte() {
    let server = Server::start().await;
    let too_large = (Code::ResourceExhausted, "MESSAGE_TOO_LARGE".to_owned());
    let status = |bytes| {
        let request = v1::StatusRequest {
            task_id: "x".repeat(bytes),
        };
        let mut client = server.client();
        async move { refused(client.status(request).await) }
    };
    assert_eq!(status((1 << 20) - 8).await.1, "TASK_ID_INVALID");
    assert_eq!(status(1 << 20).await, too_large);
    let request = |bytes: usize| {
        let data = [&b"\xFF\xD8\xFF\xE0"[..], &vec![0; bytes - 4][..]].concat();
        let reference = v1::InputReference {
            source: Some(v1::input_reference::Source::Data(data.into())),
            role: v1::Role::FirstFrame as i32,
            ..v1::InputReference::default()
        };
        v1::CreateRequest {
            input_references: vec![reference],
            ..lake()
        }
    };
    let estimate = |request| {
        let request = Some(request);
        let mut client = server.client();
        async move {
            client
                .estimate_cost(v1::EstimateCostRequest { request })
                .await
        }
    };
    let create = |request| {
        let mut client = server.client();
        async move { client.create(request).await }
    };
    let price = estimate(request(2 << 20)).await.unwrap().into_inner();
    assert_eq!(price.operation(), v1::Operation::ImageToVideo);
    assert_eq!(refused(estimate(request(16 << 20)).await), too_large);
    let made = create(request(2 << 20))
        .await
        .unwrap()
        .into_inner()
        .task
        .unwrap();
    let kept = server
        .archive
        .input(made.id.parse().unwrap(), 0)
        .await
        .unwrap();
    assert_eq!(kept.size_bytes(), 2 << 20);
    assert_eq!(refused(create(request(16 << 20)).await), too_large);
}

#[tokio::test]
async fn health_is_told_and_its_watches_end_with_the_drain() {
    let server = Server::start().await;
    for service in ["", "mediagen.v1.MediaGeneration"] {
        server.health.serving().await;
        let mut client = HealthClient::new(server.channel.clone());
        let request = HealthCheckRequest {
            service: service.to_owned(),
        };
        let answer = client.check(request.clone()).await.unwrap();
        assert_eq!(answer.into_inner().status(), ServingStatus::Serving);
        let mut watch = client.watch(request.clone()).await.unwrap().into_inner();
        let first = watch.message().await.unwrap().unwrap();
        assert_eq!(first.status(), ServingStatus::Serving);
        server.health.not_serving().await;
        let last = watch.message().await.unwrap().unwrap();
        assert_eq!(last.status(), ServingStatus::NotServing);
        assert_eq!(watch.message().await.unwrap(), None);
        let answer = client.check(request).await.unwrap();
        assert_eq!(answer.into_inner().status(), ServingStatus::NotServing);
    }
}

const SYMBOLS: [&str; 4] = [
    "mediagen.v1.MediaGeneration",
    "mediagen.v1.CreateRequest",
    "google.rpc.ErrorInfo",
    "grpc.health.v1.Health",
];

#[tokio::test]
async fn reflection_in_its_first_version_describes_services_and_details_of_errors() {
    use reflection::server_reflection_client::ServerReflectionClient;
    use reflection::server_reflection_request::MessageRequest;
    use reflection::server_reflection_response::MessageResponse;

    let server = Server::start().await;
    let ask = |message_request| reflection::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(message_request),
    };
    let symbols = SYMBOLS.map(|symbol| ask(MessageRequest::FileContainingSymbol(symbol.into())));
    let mut requests = vec![ask(MessageRequest::ListServices(String::new()))];
    requests.extend(symbols);
    let mut client = ServerReflectionClient::new(server.channel.clone());
    let answers = client
        .server_reflection_info(stream::iter(requests))
        .await
        .unwrap();
    let answers: Vec<_> = answers
        .into_inner()
        .map(|a| a.unwrap().message_response)
        .collect()
        .await;
    let Some(MessageResponse::ListServicesResponse(list)) = &answers[0] else {
        panic!("{:?}", answers[0]);
    };
    let mut names: Vec<&str> = list.service.iter().map(|s| s.name.as_str()).collect();
    names.sort_unstable();
    let expected = [
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "mediagen.v1.MediaGeneration",
    ];
    assert_eq!(names, expected);
    for (answer, symbol) in answers[1..].iter().zip(SYMBOLS) {
        let found = matches!(answer, Some(MessageResponse::FileDescriptorResponse(_)));
        assert!(found, "{symbol}: {answer:?}");
    }
}

#[tokio::test]
async fn reflection_in_its_alpha_version_answers_older_clients() {
    use v1alpha::server_reflection_client::ServerReflectionClient;
    use v1alpha::server_reflection_request::MessageRequest;
    use v1alpha::server_reflection_response::MessageResponse;

    let server = Server::start().await;
    let ask = |symbol: &str| v1alpha::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::FileContainingSymbol(symbol.to_owned())),
    };
    let mut client = ServerReflectionClient::new(server.channel.clone());
    let asked = stream::iter(SYMBOLS.map(ask));
    let answers = client
        .server_reflection_info(asked)
        .await
        .unwrap()
        .into_inner();
    let answers: Vec<_> = answers
        .map(|answer| answer.unwrap().message_response)
        .collect()
        .await;
    assert_eq!(answers.len(), SYMBOLS.len());
    for (answer, symbol) in answers.iter().zip(SYMBOLS) {
        let found = matches!(answer, Some(MessageResponse::FileDescriptorResponse(_)));
        assert!(found, "{symbol}: {answer:?}");
    }
}
