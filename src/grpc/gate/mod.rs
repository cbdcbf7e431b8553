//! Who may make which call: a layer in front of every gRPC service.
//!
//! A call is let through when its caller has shown a good key with the scope that the call needs
//! (`rules`); the caller then goes with the request. A call without a rule is answered as one that
//! does not exist, so that nothing is open because somebody forgot it. Streams are counted, and end when
//! their key does; other calls that have begun are finished.

mod guarded;
mod refusal;
mod rules;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use http::{Request, Response};
use tonic::Status;
use tower::{Layer, Service};

use crate::auth::{Auth, StreamPass};
use guarded::Guarded;
use rules::{Rule, Rules};

/// Wraps gRPC services in [`Gated`].
#[derive(Clone, Debug)]
pub struct GateLayer {
    auth: Auth,
    rules: Arc<Rules>,
}

impl GateLayer {
    /// A gate that asks `auth`.
    ///
    /// # Errors
    /// When the compiled-in descriptor cannot be read: a broken build.
    pub fn new(auth: Auth) -> Result<Self, prost::DecodeError> {
        let rules = Arc::new(Rules::new()?);
        Ok(Self { auth, rules })
    }
}

impl<S> Layer<S> for GateLayer {
    type Service = Gated<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Gated {
            inner,
            gate: self.clone(),
        }
    }
}

/// A gRPC service that only those may call who may.
#[derive(Clone, Debug)]
pub struct Gated<S> {
    inner: S,
    gate: GateLayer,
}

/// Resolves to the status that ends a stream before its time.
type Ending = Pin<Box<dyn Future<Output = Status> + Send>>;

impl<S, In> Service<Request<In>> for Gated<S>
where
    S: Service<Request<In>, Response = Response<Body>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<In>) -> Self::Future {
        match self.gate.judge(&mut request) {
            Ok(Let::Through) => Box::pin(self.inner.call(request)),
            Ok(Let::Stream(pass)) => Box::pin(stream(self.inner.call(request), pass)),
            Err(status) => Box::pin(std::future::ready(Ok(status.into_http()))),
        }
    }
}

/// How a call is let through.
enum Let {
    /// To its end, whatever becomes of the key.
    Through,
    /// As long as the key is good.
    Stream(StreamPass),
}

impl GateLayer {
    fn judge<In>(&self, request: &mut Request<In>) -> Result<Let, Status> {
        let rule = self.rules.of(request.uri().path());
        if rule == Rule::Open {
            return Ok(Let::Through);
        }
        let visitor = self.auth.authenticate(request.headers());
        let visitor = visitor.map_err(refusal::status)?;
        let Rule::Needs { scope, is_stream } = rule else {
            return Err(Status::unimplemented(""));
        };
        visitor.check(scope).map_err(refusal::status)?;
        let pass = is_stream.then(|| visitor.open_stream()).transpose();
        let pass = pass.map_err(refusal::status)?;
        request.extensions_mut().insert(visitor.caller().clone());
        Ok(pass.map_or(Let::Through, Let::Stream))
    }
}

async fn stream<E>(
    answer: impl Future<Output = Result<Response<Body>, E>>,
    mut pass: StreamPass,
) -> Result<Response<Body>, E> {
    let mut ending: Ending = Box::pin(async move { refusal::status(pass.ended().await) });
    tokio::select! {
        biased;
        status = &mut ending => Ok(status.into_http()),
        answer = answer => {
            Ok(answer?.map(|body| Body::new(Guarded::new(body, ending))))
        }
    }
}
