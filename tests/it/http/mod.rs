//! The HTTP face, over real sockets.

mod routes;
