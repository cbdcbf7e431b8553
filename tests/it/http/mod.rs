//! The HTTP face, over real sockets.

mod images;
mod routes;
