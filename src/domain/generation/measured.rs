//! What the bytes of an input say of it.

/// What was measured; `None`: the bytes are not here, or do not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    /// How long it plays, in milliseconds.
    pub duration_ms: Option<u64>,
    /// Width in pixels.
    pub width: Option<u32>,
    /// Height in pixels.
    pub height: Option<u32>,
    /// How many frames a video has.
    pub frames: Option<u64>,
}
