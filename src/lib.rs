//! mediagen: a gRPC service for generative video and images, with tasks that survive crashes, are
//! paid for once, are pushed as they change, and whose content is kept.
//!
//! The map, in reading order. [`domain`] holds every decision and no effect. [`store`],
//! [`archive`], [`provider`] and [`egress`] are the outside world, each behind a contract; [`media`]
//! reads what bytes of media say of themselves.
//! [`service`] is what callers are offered, [`worker`] the loops that move tasks on; they meet only
//! in the store's feed of changes. [`auth`] tells callers apart. [`grpc`] is one face, over the generated
//! [`pb`], and [`openai`] the other, over HTTP; [`admin`] is for operators' machines. [`config`],
//! [`telemetry`], [`clock`], [`aside`] and [`shutdown`] serve all of them, [`app`] joins them, and [`cli`]
//! runs it. [`sandbox`] stands in for the provider and shares nothing with [`provider`].
//!
//! Who may name whom is a table in `ARCHITECTURE.md`, held by `tests/it/architecture.rs`.

pub mod domain;

pub mod archive;
pub mod egress;
pub mod media;
pub mod provider;
pub mod store;

pub mod auth;
pub mod service;
pub mod worker;

pub mod admin;
pub mod grpc;
pub mod openai;
pub mod pb;

pub mod aside;
pub mod clock;
pub mod config;
pub mod shutdown;
pub mod telemetry;

pub mod app;
pub mod cli;
pub mod sandbox;
