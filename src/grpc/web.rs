//! gRPC-Web: calls of browsers, which cannot read trailers, put into gRPC's own form and back.
//!
//! Only the framing differs, so this sits outside every other layer: keys, limits and counts are those
//! of any gRPC call, over HTTP/1.1 too. What a page may see of an answer is CORS's to say.

use axum::Router;
use axum::body::Body;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use hyper::body::Incoming;
use tonic_web::{GrpcWebLayer, GrpcWebService};
use tower::{Layer as _, Service as _};

/// The gRPC services for browsers.
#[derive(Clone, Debug)]
pub struct Web {
    services: GrpcWebService<Router>,
}

impl Web {
    /// Wraps the routes of every gRPC service.
    pub fn new(services: Router) -> Self {
        Self {
            services: GrpcWebLayer::new().layer(services),
        }
    }

    /// Answers a call that [`kind`] knows.
    pub fn answer(
        &mut self,
        mut request: Request<Incoming>,
        kind: &'static str,
    ) -> impl Future<Output = Response<Body>> + Send + use<> {
        // The wrapper compares it whole, and takes what it does not know for plain gRPC.
        let kind = HeaderValue::from_static(kind);
        request.headers_mut().insert(CONTENT_TYPE, kind);
        let answer = self.services.call(request);
        async move {
            match answer.await {
                Ok(answer) => answer.map(Body::new),
                Err(never) => match never {},
            }
        }
    }
}

/// The form of gRPC-Web that a request has; `None`: it is something else.
pub fn kind(method: &Method, headers: &HeaderMap) -> Option<&'static str> {
    let kind = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let name = kind.split(';').next().unwrap_or_default().trim();
    let known = KINDS
        .iter()
        .find(|known| known.eq_ignore_ascii_case(name))?;
    (method == Method::POST).then_some(known)
}

/// The media types of gRPC-Web: bytes as they are, and in base64.
const KINDS: [&str; 4] = [
    "application/grpc-web",
    "application/grpc-web+proto",
    "application/grpc-web-text",
    "application/grpc-web-text+proto",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_post_of_a_known_form_is_grpc_web() {
        let told = |method: &Method, kind_of: &'static str| {
            let value = HeaderValue::from_static(kind_of);
            kind(method, &HeaderMap::from_iter([(CONTENT_TYPE, value)]))
        };
        for known in KINDS {
            assert_eq!(told(&Method::POST, known), Some(known));
            assert_eq!(told(&Method::GET, known), None);
        }
        let loose = "Application/gRPC-Web-Text; charset=utf-8";
        assert_eq!(told(&Method::POST, loose), Some(KINDS[2]));
        for other in [
            "application/grpc",
            "application/grpc-web+json",
            "text/plain",
        ] {
            assert_eq!(told(&Method::POST, other), None);
        }
        assert_eq!(kind(&Method::POST, &HeaderMap::new()), None);
    }
}
