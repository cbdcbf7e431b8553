//! The HTTP face, over real sockets.

mod content;
mod downloads;
mod files;
mod images;
mod routes;
