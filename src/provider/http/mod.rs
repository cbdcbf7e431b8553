//! What providers that are called over HTTP have in common: the clients, an answer read within
//! bounds, and what is to be known when none came. What an answer means is each provider's own.

mod answer;
mod client;
mod fields;
mod loose;
mod media;
#[cfg(test)]
pub(super) mod scripted;

pub(super) use crate::egress::retry_after;
pub(super) use answer::{Answer, MAX_CODE, MAX_MESSAGE, NoAnswer};
pub(super) use client::{
    CONNECT_TIMEOUT, Client, Line, MAX_CREATE_BODY, MAX_ERROR_BODY, MAX_POLL_BODY, create_limit,
    exchange,
};
pub(super) use fields::{to_json, write_typed};
pub(super) use loose::{Loose, apart, is_shallow};
pub(super) use media::{data_uri, extension, not_sent, rejection};

/// Why settings cannot be used. Never holds a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot be used: {0}")]
pub struct InvalidSettings(pub(super) &'static str);
