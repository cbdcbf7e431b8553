//! The HTTP face, over real sockets.

mod bad;
mod create;
mod delete;
mod form;
mod list;
mod models;
mod routes;
mod wire;
