//! Follows h2 frames by their headers alone, to see two abuses that h2 itself lets pass: a header
//! block that never ends, and a flood of frames that ask for work and carry nothing.
//!
//! Nothing is decoded or copied: payloads are skipped. What is not allowed is h2's to refuse.

use tokio::time::{Duration, Instant};

/// Where in the stream of frames the reader is.
#[derive(Debug)]
pub(super) struct Frames {
    header: [u8; HEADER],
    /// Bytes of `header` that are filled.
    filled: usize,
    /// Bytes of the present frame's payload that are still to come.
    payload: usize,
    block: Block,
    begun: bool,
    /// What frames have cost since `since`.
    spent: u32,
    since: Instant,
}

/// A client sends too many frames that carry nothing.
#[derive(Debug, thiserror::Error)]
#[error("too many control frames")]
pub(super) struct Flood;

/// Where in a header block the reader is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Block {
    /// Between blocks.
    None,
    /// In the payload of the block's last frame.
    Last,
    /// More frames of the block must follow.
    Open,
}

impl Default for Frames {
    fn default() -> Self {
        Self {
            header: [0; HEADER],
            filled: 0,
            payload: 0,
            block: Block::None,
            begun: false,
            spent: 0,
            since: Instant::now(),
        }
    }
}

impl Frames {
    /// Whether a first frame's header has been read.
    pub(super) fn has_begun(&self) -> bool {
        self.begun
    }

    /// Whether a frame header or a header block has begun and not ended.
    pub(super) fn is_unfinished(&self) -> bool {
        self.filled > 0 || self.block != Block::None
    }

    /// Follows the frames through newly read bytes.
    pub(super) fn scan(&mut self, mut bytes: &[u8]) -> Result<(), Flood> {
        while !bytes.is_empty() {
            let skipped = self.payload.min(bytes.len());
            self.payload -= skipped;
            bytes = &bytes[skipped..];
            if self.payload == 0 && self.block == Block::Last {
                self.block = Block::None;
            }
            let taken = (HEADER - self.filled).min(bytes.len());
            self.header[self.filled..self.filled + taken].copy_from_slice(&bytes[..taken]);
            self.filled += taken;
            bytes = &bytes[taken..];
            if self.filled == HEADER {
                self.filled = 0;
                self.enter()?;
            }
        }
        Ok(())
    }

    /// Enters the frame whose header has just been filled.
    fn enter(&mut self) -> Result<(), Flood> {
        let [high, middle, low, kind, flags, ..] = self.header;
        self.begun = true;
        self.payload = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        if matches!(kind, HEADERS | CONTINUATION) {
            self.block = match (flags & END_HEADERS != 0, self.payload) {
                (true, 0) => Block::None,
                (true, _) => Block::Last,
                (false, _) => Block::Open,
            };
        }
        self.spend(match kind {
            // h2 has budgets of its own for resets, header blocks and DATA that carries nothing.
            DATA | HEADERS | CONTINUATION | RST_STREAM => 0,
            WINDOW_UPDATE => 1,
            _ => 10,
        })
    }

    /// Counts a cost. The clock is read only when a whole budget is spent.
    fn spend(&mut self, cost: u32) -> Result<(), Flood> {
        self.spent += cost;
        if self.spent > BUDGET {
            let now = Instant::now();
            if now.duration_since(self.since) < PERIOD {
                return Err(Flood);
            }
            self.since = now;
            self.spent = 0;
        }
        Ok(())
    }
}

/// What control frames may cost in one [`PERIOD`]: 50,000 PINGs, or 500,000 window updates. A
/// client that measures its bandwidth by pings, or reads a download through 64 KiB windows, stays
/// ten times below it.
const BUDGET: u32 = 500_000;
/// The time that a budget is for.
const PERIOD: Duration = Duration::from_secs(1);
/// Length of a frame's header.
const HEADER: usize = 9;

// RFC 9113, section 6.
const DATA: u8 = 0x0;
const HEADERS: u8 = 0x1;
const RST_STREAM: u8 = 0x3;
const WINDOW_UPDATE: u8 = 0x8;
const CONTINUATION: u8 = 0x9;
const END_HEADERS: u8 = 0x4;

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let header = [length[1], length[2], length[3], kind, flags, 0, 0, 0, 1];
        [&header[..], payload].concat()
    }

    /// After which bytes of a stream, fed one by one, something was unfinished.
    fn unfinished(bytes: &[u8]) -> Vec<bool> {
        let mut frames = Frames::default();
        let each = bytes.iter().map(|byte| {
            frames.scan(&[*byte]).unwrap();
            frames.is_unfinished()
        });
        each.collect()
    }

    #[test]
    fn a_header_block_is_unfinished_until_its_last_byte() {
        let block = [
            frame(HEADERS, 0, b"ab"),
            frame(CONTINUATION, END_HEADERS, b"c"),
        ]
        .concat();
        let seen = unfinished(&block);
        assert!(
            seen[..seen.len() - 1].iter().all(|unfinished| *unfinished),
            "{seen:?}"
        );
        assert_eq!(seen.last(), Some(&false));
    }

    #[test]
    fn an_unfinished_payload_of_data_is_nobodys_fault() {
        let seen = unfinished(&frame(DATA, 0, &[1; 300]));
        assert!(seen[..HEADER - 1].iter().all(|unfinished| *unfinished));
        assert!(seen[HEADER - 1..].iter().all(|unfinished| !unfinished));
    }

    #[test]
    fn chunks_may_be_cut_anywhere() {
        let kinds = [
            (HEADERS, END_HEADERS),
            (DATA, 0),
            (HEADERS, 0),
            (CONTINUATION, END_HEADERS),
        ];
        let stream: Vec<u8> = kinds
            .iter()
            .flat_map(|(kind, flags)| frame(*kind, *flags, b"payload"))
            .collect();
        for size in 1..stream.len() {
            let mut frames = Frames::default();
            for chunk in stream.chunks(size) {
                frames.scan(chunk).unwrap();
            }
            assert!(
                !frames.is_unfinished() && frames.payload == 0,
                "chunks of {size}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn control_frames_are_a_flood_only_when_they_come_fast() {
        let ping = frame(0x6, 0, b"pingpong");
        let many = ping.repeat(40_000);
        let mut slow = Frames::default();
        for _ in 0..10 {
            slow.scan(&many).unwrap();
            tokio::time::advance(PERIOD).await;
        }
        let mut fast = Frames::default();
        fast.scan(&many).unwrap();
        assert!(fast.scan(&many).is_err());
        let mut data = Frames::default();
        data.scan(&frame(DATA, 0, b"x").repeat(100_000)).unwrap();
    }
}
