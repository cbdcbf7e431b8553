//! mediagen: a gRPC microservice for generative video and images.

pub mod app;
pub mod archive;
pub mod cli;
pub mod clock;
pub mod config;
pub mod domain;
pub mod egress;
pub mod grpc;
pub mod pb;
pub mod provider;
pub mod sandbox;
pub mod service;
pub mod shutdown;
pub mod store;
pub mod telemetry;
pub mod worker;
