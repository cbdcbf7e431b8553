//! Real media for a task: MP4, PNG or WAV, the same bytes each time for the same task.
//!
//! Rendered when first asked for, on a blocking thread, at most two at once; kept in a cache
//! bounded by bytes. What falls out of it is rendered again, so a resumed download continues
//! in the very same file.

mod bits;
mod cache;
mod canvas;
mod card;
mod frame;
mod h264;
mod mp4;
mod png_file;
mod wav;

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::contract::{Order, Output};
use cache::Cache;

/// Renders on demand.
#[derive(Debug)]
pub struct Renderer {
    seed: u64,
    cache: Arc<Mutex<Cache>>,
    permits: Arc<Semaphore>,
}

impl Renderer {
    /// A renderer that keeps up to `cache_bytes`.
    pub fn new(seed: u64, cache_bytes: usize) -> Self {
        let cache = Arc::new(Mutex::new(Cache::new(cache_bytes)));
        Self {
            seed,
            cache,
            permits: Arc::new(Semaphore::new(RENDERS_AT_ONCE)),
        }
    }

    /// The bytes of output `index` of a task.
    pub async fn file(&self, task: Uuid, index: u32, order: &Order) -> io::Result<Bytes> {
        if let Some(bytes) = self.cache.lock().get((task, index)) {
            return Ok(bytes);
        }
        let permits = Arc::clone(&self.permits);
        let permit = permits.acquire_owned().await.map_err(io::Error::other)?;
        // Another request may have rendered it while this one waited.
        if let Some(bytes) = self.cache.lock().get((task, index)) {
            return Ok(bytes);
        }
        let (seed, order) = (self.seed ^ key_of(task, index), order.clone());
        let cache = Arc::clone(&self.cache);
        // It goes on when the request does not, and holds its permit until then.
        let rendering = tokio::task::spawn_blocking(move || {
            let bytes = Bytes::from(render(&order, index, seed)?);
            cache.lock().put((task, index), bytes.clone());
            drop(permit);
            Ok(bytes)
        });
        rendering.await.map_err(io::Error::other)?
    }
}

/// The name ending and the media type of an output.
pub fn media_type(output: Output) -> (&'static str, &'static str) {
    match output {
        Output::Video => ("mp4", "video/mp4"),
        Output::Image => ("png", "image/png"),
        Output::Audio => ("wav", "audio/wav"),
    }
}

fn render(order: &Order, index: u32, seed: u64) -> io::Result<Vec<u8>> {
    match order.output {
        Output::Video => mp4::render(order, seed),
        Output::Image => png_file::render(order, index, seed),
        Output::Audio => Ok(wav::render(order.seconds, seed)),
    }
}

fn key_of(task: Uuid, index: u32) -> u64 {
    task.as_u64_pair().0 ^ u64::from(index)
}

/// Each render may hold a whole film in memory.
const RENDERS_AT_ONCE: usize = 2;
