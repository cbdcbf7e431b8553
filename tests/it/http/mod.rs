//! The HTTP face, over real sockets.

mod cors;
mod drain;
mod edge;
mod events;
mod grpc_web;
mod images;
mod observed;
mod openapi;
mod routes;
mod socket;
mod sse;
