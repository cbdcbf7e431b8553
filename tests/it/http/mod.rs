//! The HTTP face, over real sockets.

mod bad;
mod content;
mod cors;
mod create;
mod delete;
mod described;
mod downloads;
mod drain;
mod edge;
mod events;
mod files;
mod form;
mod grpc_web;
mod images;
mod list;
mod models;
mod observed;
mod openapi;
mod routes;
mod socket;
mod sse;
mod wire;
