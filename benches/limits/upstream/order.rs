//! What a prompt orders.

use std::time::Duration;

/// How long a task runs and how much it gives.
#[derive(Clone, Copy, Debug)]
pub struct Order {
    pub runs: Duration,
    pub bytes: u64,
}

impl Order {
    /// Of `[bench:seconds=20,bytes=65536] A lake`; at once and 64 KiB where it says nothing.
    pub fn of(prompt: &str) -> Self {
        let mut order = Self {
            runs: Duration::ZERO,
            bytes: 65_536,
        };
        let inner = prompt
            .strip_prefix("[bench:")
            .and_then(|rest| rest.split(']').next());
        for part in inner.unwrap_or_default().split(',') {
            match part.split_once('=') {
                Some(("seconds", value)) => {
                    let seconds = value.parse().unwrap_or(0.0);
                    order.runs = Duration::try_from_secs_f64(seconds).unwrap_or_default();
                }
                Some(("bytes", value)) => order.bytes = value.parse().unwrap_or(order.bytes),
                _ => {}
            }
        }
        order
    }
}
