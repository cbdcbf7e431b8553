//! Faults that a prompt asks for: `[sandbox:name]` and `[sandbox:name=value]`.
//!
//! They travel through the whole stack by hand, with nothing configured. Unknown markers are
//! ignored. The list for readers is in the head of the sandbox's `mod.rs`.

use std::time::Duration;

/// What the markers of one prompt ask for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Markers {
    /// How the create ends, if not well.
    pub create: Option<CreateFault>,
    /// Whether the task is accepted before the create ends that way.
    pub accept_first: bool,
    /// The failure code with which the task ends.
    pub fail: Option<String>,
    /// How long the task runs.
    pub running: Option<Duration>,
    /// How long the task is THROTTLED before it runs.
    pub throttled: Option<Duration>,
    /// The first `.1` polls answer status `.0`.
    pub poll: Option<(u16, u32)>,
    /// A status word that no client knows, shown instead of RUNNING.
    pub odd_status: Option<String>,
    /// What is wrong with the file.
    pub output: Option<OutputFault>,
    /// How long a film is made with bytes that no player looks at.
    pub bytes: Option<u64>,
}

/// An end of a create other than an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CreateFault {
    /// This HTTP status.
    Status(u16),
    /// The documented answer to an empty account.
    NoCredits,
    /// The connection is reset.
    Reset,
    /// No answer comes.
    Hang,
}

/// What is wrong with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputFault {
    /// An HTML page with status 200 in its place.
    Html,
    /// The connection breaks at half of the announced length, each time from the asked offset.
    Truncated,
    /// Zero bytes with status 200.
    Empty,
    /// 404, for good.
    Gone,
}

impl Markers {
    /// Finds the markers in a prompt.
    pub fn of(prompt: &str) -> Self {
        let mut markers = Self::default();
        for part in prompt.split("[sandbox:").skip(1).take(MAX_MARKERS) {
            let Some((marker, _)) = part.split_once(']') else {
                continue;
            };
            let (name, value) = marker.split_once('=').unwrap_or((marker, ""));
            markers.add(name.trim(), value.trim());
        }
        markers
    }

    fn add(&mut self, name: &str, value: &str) {
        match name {
            "fail" => self.fail = Some(value.to_owned()),
            "seconds" => self.running = seconds(value),
            "throttled" => self.throttled = seconds(value),
            "output" => self.output = OutputFault::parse(value),
            "bytes" => self.bytes = value.parse().ok().filter(|bytes| *bytes <= MAX_BYTES),
            "status" => match value.parse() {
                Ok(status) => self.create = Some(CreateFault::Status(status)),
                Err(_) => self.odd_status = Some(value.to_uppercase()),
            },
            _ => self.add_compound(name, value),
        }
    }

    /// `poll-404=2`, `accept-then-500`, `reset`.
    fn add_compound(&mut self, name: &str, value: &str) {
        if let Some(status) = name
            .strip_prefix("poll-")
            .and_then(|status| status.parse().ok())
        {
            self.poll = Some((status, value.parse().unwrap_or(1)));
            return;
        }
        let (name, accept) = name
            .strip_prefix("accept-then-")
            .map_or((name, false), |n| (n, true));
        if let Some(fault) = CreateFault::parse(name, accept) {
            self.create = Some(fault);
            self.accept_first = accept;
        }
    }
}

impl CreateFault {
    fn parse(name: &str, accepted: bool) -> Option<Self> {
        match name {
            "reset" => Some(Self::Reset),
            "hang" => Some(Self::Hang),
            "no-credits" => Some(Self::NoCredits),
            status if accepted => status.parse().ok().map(Self::Status),
            _ => None,
        }
    }
}

impl OutputFault {
    fn parse(name: &str) -> Option<Self> {
        match name {
            "html" => Some(Self::Html),
            "truncated" => Some(Self::Truncated),
            "empty" => Some(Self::Empty),
            "gone" => Some(Self::Gone),
            _ => None,
        }
    }
}

fn seconds(value: &str) -> Option<Duration> {
    let seconds: f64 = value.parse().ok()?;
    Duration::try_from_secs_f64(seconds.min(MAX_SECONDS)).ok()
}

const MAX_MARKERS: usize = 16;
/// As much as anybody archives.
const MAX_BYTES: u64 = 1 << 40;
/// Ten years: never, for any purpose here, without overflowing a timestamp.
const MAX_SECONDS: f64 = 315_360_000.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_are_read_out_of_a_prompt() {
        let markers = Markers::of(
            "a lake [sandbox:fail=SAFETY.INPUT.TEXT] at [sandbox:seconds=0.5][sandbox:poll-404=2] \
             [sandbox:output=html] [sandbox:bytes=70000] [sandbox:status=weird] [sandbox:accept-then-500] [sandbox:nonsense]",
        );
        let expected = Markers {
            create: Some(CreateFault::Status(500)),
            accept_first: true,
            fail: Some("SAFETY.INPUT.TEXT".into()),
            running: Some(Duration::from_millis(500)),
            bytes: Some(70_000),
            throttled: None,
            poll: Some((404, 2)),
            odd_status: Some("WEIRD".into()),
            output: Some(OutputFault::Html),
        };
        assert_eq!(markers, expected);
    }

    #[test]
    fn a_prompt_without_markers_or_with_broken_ones_asks_for_nothing() {
        for prompt in [
            "",
            "a lake",
            "[sandbox:",
            "[sandbox:fail",
            "[sandbox:seconds=x]",
            "[sandbox:reset=1",
        ] {
            assert_eq!(Markers::of(prompt), Markers::default(), "{prompt}");
        }
    }
}
