//! The gRPC face: how calls come in, and how refusals go out.
//!
//! [`listener`] accepts connections, [`limits`] bounds calls and repairs tonic's own answers, and
//! [`status`] is the only place where an error status is made. What the calls do is `service`'s.

pub mod limits;
pub mod listener;
pub mod status;
