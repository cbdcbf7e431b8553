//! Both faces on one port: what a request is decides who answers it, not where it goes.
//!
//! Browsers are let in here, for both at once: by gRPC-Web, and by CORS round whatever is answered.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use tower::Service;

use crate::grpc::limits::is_grpc;
use crate::grpc::web::{self, Web};
use crate::openai::{Cors, Listed};

/// The gRPC router for gRPC calls, the HTTP router for everything else.
#[derive(Clone)]
pub(super) struct Faces {
    /// Answers what is gRPC.
    pub grpc: Router,
    /// Answers gRPC-Web; `None`: it is off, and the HTTP router says so.
    pub web: Option<Web>,
    /// Answers the rest.
    pub http: Router,
    /// Which pages may call; `None`: none.
    pub cors: Option<Arc<Cors>>,
}

type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

impl Service<Request<Incoming>> for Faces {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // A router is always ready.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Incoming>) -> Answer {
        let Some(visit) = self.cors.as_ref().and_then(|cors| cors.visit(&request)) else {
            return self.answer(request);
        };
        if visit.is_preflight() {
            request.extensions_mut().insert(visit);
            return Box::pin(self.http.call(request));
        }
        if visit.is_listed() {
            request.extensions_mut().insert(Listed);
        }
        let answer = self.answer(request);
        Box::pin(async move {
            let mut answer = answer.await?;
            visit.mark(answer.headers_mut());
            Ok(answer)
        })
    }
}

impl Faces {
    fn answer(&mut self, request: Request<Incoming>) -> Answer {
        if is_grpc(request.headers()) {
            return Box::pin(self.grpc.call(request));
        }
        if let Some(web) = &mut self.web
            && let Some(kind) = web::kind(request.method(), request.headers())
        {
            let answer = web.answer(request, kind);
            return Box::pin(async move { Ok(answer.await) });
        }
        Box::pin(self.http.call(request))
    }
}
