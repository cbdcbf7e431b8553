//! The HTTP face, over real sockets.

mod content;
mod cors;
mod described;
mod downloads;
mod drain;
mod edge;
mod events;
mod files;
mod grpc_web;
mod images;
mod observed;
mod openapi;
mod routes;
mod socket;
mod sse;
