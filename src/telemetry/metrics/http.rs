//! A call over HTTP, counted and timed.

use std::time::{Duration, Instant};

use metrics::Gauge;

use super::table;

/// A call over HTTP that runs; when dropped it has ended.
#[derive(Debug)]
pub struct HttpCall {
    route: &'static str,
    method: &'static str,
    begun: Instant,
    status: u16,
    /// Open as long as the call is a stream.
    stream: Option<Gauge>,
}

impl HttpCall {
    /// A call of a method on a route begins.
    pub fn begin(route: &'static str, method: &'static str) -> Self {
        Self {
            route,
            method,
            begun: Instant::now(),
            status: CLIENT_LEFT,
            stream: None,
        }
    }

    /// It is answered: its time is told here. Gives how long that took.
    pub fn answered(&mut self, status: u16) -> Duration {
        let took = self.begun.elapsed();
        self.status = status;
        table::HTTP_TIME
            .at(&[self.route])
            .record(took.as_secs_f64());
        took
    }

    /// Its answer is a stream of this kind.
    pub fn streams(&mut self, kind: &'static str) {
        let open = table::STREAMS.at(&[kind]);
        open.increment(1.0);
        self.stream = Some(open);
    }
}

impl Drop for HttpCall {
    fn drop(&mut self) {
        let mut digits = [0; 3];
        let status = digits_of(self.status, &mut digits);
        table::HTTP_ENDED
            .at(&[self.route, self.method, status])
            .increment(1);
        if let Some(open) = &self.stream {
            open.decrement(1.0);
        }
    }
}

/// A status as its three digits.
fn digits_of(status: u16, into: &mut [u8; 3]) -> &str {
    let digit = |part: u16| u8::try_from(part % 10).map_or(b'0', |digit| b'0' + digit);
    *into = [digit(status / 100), digit(status / 10), digit(status)];
    std::str::from_utf8(into).unwrap_or_default()
}

/// What stands for a call whose client went away before the answer.
const CLIENT_LEFT: u16 = 499;
