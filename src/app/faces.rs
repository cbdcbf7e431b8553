//! Both faces on one port: what a request is decides who answers it, not where it goes.

use std::convert::Infallible;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use tower::Service;

use crate::grpc::limits::is_grpc;

/// The gRPC router for gRPC calls, the HTTP router for everything else.
#[derive(Clone)]
pub(super) struct Faces {
    /// Answers what is gRPC.
    pub grpc: Router,
    /// Answers the rest.
    pub http: Router,
}

impl Service<Request<Incoming>> for Faces {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = <Router as Service<Request<Incoming>>>::Future;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // A router is always ready.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let router = if is_grpc(request.headers()) {
            &mut self.grpc
        } else {
            &mut self.http
        };
        router.call(request)
    }
}
