//! A local stand-in for Runway's HTTP API, and for `OpenAI`'s of videos and images, for trying things
//! and for tests.
//!
//! Nothing it makes is a real generation: it renders a card that says so, with the prompt, the
//! size and the length that were asked for, as real MP4, PNG or WAV files. It costs nothing and
//! needs no network.
//!
//! It is built from the descriptions of these APIs alone and shares no code with the provider
//! adapter, so that a misreading there is not repeated here: it parses its own copy of the
//! catalogue and states the prose rules itself.
//!
//! # Faults by prompt
//!
//! Markers in a prompt work by hand over the whole stack:
//!
//! | marker | effect |
//! |---|---|
//! | `[sandbox:fail=CODE]` | the task ends FAILED with this `failureCode`; charged only for `SAFETY.…` |
//! | `[sandbox:seconds=N]` | the task runs N seconds |
//! | `[sandbox:throttled=N]` | the task is THROTTLED for N seconds before it runs |
//! | `[sandbox:status=503]` | the create is refused with this HTTP status |
//! | `[sandbox:status=weird]` | the task shows this status word instead of RUNNING |
//! | `[sandbox:no-credits]` | the create is refused as on an empty account |
//! | `[sandbox:reset]`, `[sandbox:hang]` | the create is not accepted; the connection is reset, or no answer comes |
//! | `[sandbox:accept-then-500]`, `…-reset`, `…-hang` | the task is accepted and stands in the ledger, and then the answer is this |
//! | `[sandbox:poll-404=N]` | the first N reads of the task answer 404 (any status works) |
//! | `[sandbox:output=html]` | an HTML page with status 200 in place of the file |
//! | `[sandbox:output=truncated]` | each download breaks at half of what it announced |
//! | `[sandbox:output=empty]`, `gone` | zero bytes with status 200; 404 |
//! | `[sandbox:bytes=N]` | the film's file is filled up to N bytes, which players pass over |
//!
//! On `OpenAI`'s face (`/openai/v1`) the same markers hold; the create of images is held open for as
//! long as a task would take, and fails with the code that `fail` names.
//!
//! # Control endpoints
//!
//! Without a key, for loopback callers only: `GET /_sandbox/ledger` (every accepted create),
//! `GET /_sandbox/requests` (counters, reads per task, the shortest gap between two reads),
//! `POST /_sandbox/faults` (a [`Fault`] as JSON), `DELETE /_sandbox/faults`. A scripted fault goes
//! before what a prompt asks for. The same is offered in-process by [`Sandbox`].
//!
//! # What it does not do
//!
//! Fetch input URLs, look into inputs, serve the Model Router, recipes,
//! avatars, workflows or usage reports. Outputs are MP4, PNG or WAV whatever `outputFormat` says.

mod api;
mod book;
mod config;
mod connection;
mod contract;
mod fault;
mod lane;
mod ledger;
mod marker;
mod render;
mod sign;
mod slots;
mod state;
mod task;

#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;

pub use book::{Counts, LedgerEntry};
pub use config::{Config, DEFAULT_API_KEY};
pub use fault::{Effect, Fault, Place};

use crate::shutdown::Shutdown;
use state::State;

/// A running sandbox. Dropping it does not stop it: its [`Shutdown`] does.
#[derive(Clone, Debug)]
pub struct Sandbox {
    address: SocketAddr,
    state: Arc<State>,
}

impl Sandbox {
    /// Binds the address and serves until `life` drains.
    ///
    /// Pass a [`Shutdown`] of its own when something that still talks to the sandbox drains first.
    ///
    /// # Errors
    /// When the address cannot be bound or the ledger's file cannot be opened.
    pub async fn start(config: Config, life: &Shutdown) -> io::Result<Self> {
        let listener = TcpListener::bind(config.listen).await?;
        let address = listener.local_addr()?;
        let max_connections = config.max_connections;
        let state = Arc::new(State::new(config, address)?);
        let router = api::router(Arc::clone(&state));
        life.spawn(connection::accept(
            listener,
            router,
            max_connections,
            life.clone(),
        ));
        tracing::warn!(%address, "SANDBOX: nothing it makes is a real generation");
        Ok(Self { address, state })
    }

    /// The bound address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What a client takes for Runway's base URL, without `/v1`.
    pub fn base_url(&self) -> String {
        self.state.base_url.clone()
    }

    /// What a client takes for the base URL of `OpenAI`'s API, with its `/v1`.
    pub fn openai_url(&self) -> String {
        format!("{}{}", self.state.base_url, api::openai::ROOT)
    }

    /// Every accepted create that is still on record, oldest first.
    pub fn ledger(&self) -> Vec<LedgerEntry> {
        self.state.book.lock().ledger(self.state.clock.now_ms())
    }

    /// What was asked of it so far.
    pub fn counts(&self) -> Counts {
        self.state.book.lock().counts.clone()
    }

    /// Credits left on its account.
    pub fn credits(&self) -> i64 {
        self.state.book.lock().credits()
    }

    /// Puts so many credits on its account, whatever it had.
    pub fn set_credits(&self, credits: i64) {
        self.state.book.lock().set_credits(credits);
    }

    /// Lets these keys in from now on, and no others.
    pub fn set_api_keys(&self, keys: Vec<String>) {
        *self.state.api_keys.write() = keys;
    }

    /// Takes further models from now on: an endpoint's path and an id each. What they take is not
    /// checked.
    pub fn add_models(&self, models: &[(String, String)]) {
        let mut catalogue = self.state.catalogue.write();
        for (path, model) in models {
            catalogue.add(path, model);
        }
    }

    /// Scripts a fault; `false` when too many wait already.
    pub fn inject(&self, fault: Fault) -> bool {
        self.state.script.add(fault)
    }

    /// Forgets all scripted faults.
    pub fn clear_faults(&self) {
        self.state.script.clear();
    }
}
