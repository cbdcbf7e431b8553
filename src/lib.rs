//! mediagen: a gRPC microservice for generative video and images.

pub mod clock;
pub mod grpc;
pub mod pb;
pub mod sandbox;
pub mod shutdown;
