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
mod keys;
mod list;
mod litellm_lessons;
mod models;
mod observed;
mod openapi;
mod repeats;
mod routes;
mod shown;
mod socket;
mod sse;
mod wire;
