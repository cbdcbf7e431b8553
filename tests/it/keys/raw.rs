//! Calls by their path and bytes, so that a call that nobody wrote a test for is called too.

use bytes::Bytes;
use http::uri::PathAndQuery;
use mediagen::pb;
use prost::Message as _;
use prost_types::FileDescriptorSet;
use tonic::client::Grpc;
use tonic::metadata::{Ascii, MetadataKey};
use tonic::transport::Channel;
use tonic::{Request, Status};

use crate::harness::{Raw, within};

/// The path of every call of the contract, and of reflection.
pub fn paths() -> Vec<String> {
    let set = FileDescriptorSet::decode(pb::FILE_DESCRIPTOR_SET).unwrap();
    let mut paths = Vec::new();
    for file in &set.file {
        for service in &file.service {
            let of = |name: &str| format!("/{}.{}/{name}", file.package(), service.name());
            paths.extend(service.method.iter().map(|method| of(method.name())));
        }
    }
    assert!(paths.len() >= 12);
    for version in ["v1", "v1alpha"] {
        paths.push(format!(
            "/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"
        ));
    }
    paths
}

/// What comes of a call: every message until the stream ends, or the status that ended it. A stream
/// that has said nothing more for a while is left.
pub async fn call(
    channel: &Channel,
    path: &str,
    messages: Vec<Bytes>,
    headers: &[(&str, &str)],
) -> (Vec<Bytes>, Result<(), Status>) {
    let mut request = Request::new(tokio_stream::iter(messages));
    for (name, value) in headers {
        let name: MetadataKey<Ascii> = name.parse().unwrap();
        request.metadata_mut().insert(name, value.parse().unwrap());
    }
    let mut grpc = Grpc::new(channel.clone());
    grpc.ready().await.unwrap();
    let path: PathAndQuery = path.parse().unwrap();
    let answer = within("an answer", grpc.streaming(request, path, Raw)).await;
    let mut stream = match answer {
        Ok(answer) => answer.into_inner(),
        Err(status) => return (Vec::new(), Err(status)),
    };
    let mut said = Vec::new();
    loop {
        match tokio::time::timeout(QUIET, stream.message()).await {
            Ok(Ok(Some(message))) => said.push(message),
            Ok(Ok(None)) | Err(_) => return (said, Ok(())),
            Ok(Err(status)) => return (said, Err(status)),
        }
    }
}

/// How long a stream may be silent before it is taken for one that was let in.
const QUIET: std::time::Duration = std::time::Duration::from_millis(300);
