//! What the bytes of media say of themselves: their format, size, length and frames.
//!
//! Reads headers in small ranges, of an archived object or of bytes in memory, and believes nothing
//! that makes no sense: what is not said or not understood is unknown. What may be an input, and
//! what follows from its length, is the domain's; nothing is decoded here.

mod image;
mod mp3;
mod mp4;
mod probe;
mod sniff;
mod sound;
mod source;

pub use probe::{Facts, probe};
pub use sniff::{Format, HEAD, sniff};
pub use source::Source;
