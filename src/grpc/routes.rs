//! The gRPC services on one router: ours, health, and reflection in both its versions.

use tonic::server::NamedService as _;
use tonic::service::Routes;
use tonic_reflection::server::Builder;
use tower::ServiceExt as _;

use super::generation::MediaGeneration;
use super::observed::ObserveLayer;
use super::{GateLayer, Health, LimitLayer};
use crate::pb;
use crate::pb::v1::media_generation_server::MediaGenerationServer;
use crate::service::Service;

/// The largest request messages.
#[derive(Clone, Copy, Debug)]
pub struct MessageLimits {
    /// Of `Create` and `EstimateCost`, which carry media inline. Default 16 MiB.
    pub create_bytes: usize,
    /// Of every other call. Default 1 MiB.
    pub other_bytes: usize,
}

impl Default for MessageLimits {
    fn default() -> Self {
        Self {
            create_bytes: 16 * MIB,
            other_bytes: MIB,
        }
    }
}

/// The routes of every gRPC service, behind the gate and within the limits. Nothing is ever compressed.
///
/// # Errors
/// When a compiled-in descriptor cannot be read: a broken build.
pub fn routes(
    service: Service,
    messages: MessageLimits,
    calls: LimitLayer,
    gate: GateLayer,
    health: &Health,
) -> Result<axum::Router, tonic_reflection::server::Error> {
    let generation = MediaGeneration::new(service);
    let download = generation.clone().download_route(messages.other_bytes);
    let watch = generation.clone().watch_route(messages.other_bytes);
    let face = MediaGenerationServer::new(generation);
    let larger = face
        .clone()
        .max_decoding_message_size(messages.create_bytes);
    let create = larger.map_request(|request: http::Request<axum::body::Body>| {
        request.map(tonic::body::Body::new)
    });
    let router = Routes::new(face.max_decoding_message_size(messages.other_bytes))
        .add_service(health.server())
        .add_service(described().build_v1()?)
        .add_service(described().build_v1alpha()?)
        .into_axum_router()
        // tonic has one limit per service; paths of their own give these their larger one.
        .route_service(&path("Create"), create.clone())
        .route_service(&path("EstimateCost"), create)
        // And these frame their messages themselves.
        .route_service(&path("DownloadContent"), download)
        .route_service(&path("WatchTask"), watch);
    // One layer for all three: axum boxes each call once for each layer.
    Ok(router.layer((ObserveLayer, calls, gate)))
}

/// Everything that a client may want to decode, the details of errors among it.
fn described() -> Builder<'static> {
    Builder::configure()
        .register_encoded_file_descriptor_set(pb::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}

fn path(call: &str) -> String {
    format!("/{}/{call}", MediaGenerationServer::<MediaGeneration>::NAME)
}

/// Bytes in a mebibyte.
const MIB: usize = 1024 * 1024;
