//! mediagen: a gRPC microservice for generative video and images.

pub mod archive;
pub mod clock;
pub mod config;
pub mod domain;
pub mod egress;
pub mod provider;
pub mod sandbox;
pub mod shutdown;
pub mod worker;
