//! mediagen: a gRPC microservice for generative video and images.

pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod domain;
pub mod pb;
pub mod provider;
pub mod sandbox;
pub mod shutdown;
pub mod telemetry;
