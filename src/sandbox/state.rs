//! Everything the faces share.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use parking_lot::{Mutex, RwLock};

use super::book::Book;
use super::config::Config;
use super::contract::Catalogue;
use super::fault::Script;
use super::ledger::Ledger;
use super::render::Renderer;
use super::sign::Signer;
use super::slots::Slots;
use crate::clock::Clock;

/// One sandbox's memory.
#[derive(Debug)]
pub struct State {
    /// Its settings.
    pub config: Config,
    /// The wall clock.
    pub clock: Clock,
    /// What output and upload URLs start with.
    pub base_url: String,
    /// What bodies must look like.
    pub catalogue: RwLock<Catalogue>,
    /// Tasks, account, counters.
    pub book: Mutex<Book>,
    /// The ledger's file.
    pub ledger: Ledger,
    /// Scripted faults.
    pub script: Script,
    /// Signs output URLs.
    pub signer: Signer,
    /// Makes output files.
    pub renderer: Renderer,
    /// Keys that are let in; none at all: every well-shaped one.
    pub api_keys: RwLock<Vec<String>>,
    /// Upload slots.
    pub uploads: Mutex<Slots>,
}

impl State {
    /// The memory of a sandbox that listens on `address`.
    pub fn new(config: Config, address: SocketAddr) -> io::Result<Self> {
        let mut catalogue = Catalogue::embedded().map_err(io::Error::other)?;
        let own = |(_, model): &&(String, String)| !model.starts_with("openai/");
        for (path, model) in config.extra_models.iter().filter(own) {
            catalogue.add(path, model);
        }
        Ok(Self {
            clock: Clock,
            base_url: config
                .public_url
                .clone()
                .unwrap_or_else(|| local_url(address)),
            catalogue: RwLock::new(catalogue),
            book: Mutex::new(Book::new(&config)),
            ledger: Ledger::open(config.ledger_path.as_deref())?,
            script: Script::default(),
            signer: Signer::new(),
            renderer: Renderer::new(config.seed, config.render_cache_bytes),
            uploads: Mutex::new(Slots::default()),
            api_keys: RwLock::new(config.api_keys.clone()),
            config,
        })
    }

    /// How long an output URL works, in milliseconds.
    pub fn output_url_lifetime_ms(&self) -> i64 {
        i64::try_from(self.config.output_url_lifetime.as_millis()).unwrap_or(i64::MAX)
    }
}

/// A URL that works on this machine, for wildcard addresses too.
fn local_url(address: SocketAddr) -> String {
    let ip = if address.ip().is_unspecified() {
        IpAddr::V4(Ipv4Addr::LOCALHOST)
    } else {
        address.ip()
    };
    format!("http://{}", SocketAddr::new(ip, address.port()))
}
