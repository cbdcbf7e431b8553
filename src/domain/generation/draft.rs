//! What a caller sent, unchecked.
//!
//! A face fills it in without judging; `Generation::new` judges.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{Measured, Media, Operation, Role};
use crate::domain::upload::UploadId;
use crate::domain::value::Value;

/// A request as it came in. Empty text and `None` mean *not given*.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Draft {
    /// A model's name, bare or qualified by its provider; empty: the default.
    pub model: String,
    /// What to make, in words.
    pub prompt: String,
    /// Media to start from, in the caller's order.
    pub inputs: Vec<DraftInput>,
    /// How long the output is to be, in seconds.
    pub seconds: Option<u32>,
    /// How long a video is that names no length, where its model lets one be chosen: that, or what the
    /// model is known to make by itself. `None`: the model chooses. Says nothing of the caller's, so it
    /// is not in the fingerprint.
    pub default_seconds: Option<u32>,
    /// How large the output is to be: `1280x720`, `1280:720` or a name.
    pub size: String,
    /// How many outputs.
    pub count: Option<u32>,
    /// What makes two runs alike.
    pub seed: Option<u64>,
    /// Whether a video is to have sound.
    pub audio: Option<bool>,
    /// What is not to be seen, in words.
    pub negative_prompt: String,
    /// What to do, where the inputs leave a choice.
    pub operation: Option<Operation>,
    /// What must come out, where the call makes one kind alone. It narrows what the rest may mean and
    /// asks for nothing of its own, so it is not in the fingerprint.
    pub output: Option<Media>,
    /// Further fields in the provider's own names.
    pub options: BTreeMap<String, Value>,
    /// Whether every text within the options may also spell something else, as in a form: it is then
    /// what the model's field takes. Says nothing of its own either.
    pub options_are_texts: bool,
}

/// One input as it came in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DraftInput {
    /// Where the bytes are.
    pub source: DraftSource,
    /// Its media type; empty: found out where possible.
    pub content_type: String,
    /// Where it goes.
    pub role: Role,
    /// The name by which the prompt cites it.
    pub tag: String,
    /// What a reference shows, where the model asks.
    pub subject: String,
    /// When a keyframe is to be seen.
    pub keyframe: Option<Keyframe>,
    /// What its bytes say, where they are here. Not the caller's word, so not in the fingerprint.
    pub measured: Measured,
}

/// When a keyframe is to be seen. Valid once it is part of a `Generation`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Keyframe {
    /// The moment; always there in a valid one.
    pub moment: Option<Moment>,
    /// Where the part that it governs begins, in seconds.
    pub range_start_seconds: Option<u32>,
    /// Where that part ends, in seconds.
    pub range_end_seconds: Option<u32>,
}

/// A moment of a video.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Moment {
    /// Seconds after its beginning, 0 to 30.
    Seconds(f64),
    /// A share of its length, 0 to 1.
    Fraction(f64),
}

/// Where an input's bytes are.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum DraftSource {
    /// Nothing was set.
    #[default]
    Missing,
    /// At an address.
    Url(String),
    /// In the request.
    Data(Bytes),
    /// In an earlier upload, by its name; one that nobody looked up is refused.
    Upload(String),
    /// In an earlier upload of the same tenant, which was found.
    Uploaded(Uploaded),
}

/// What is known of an upload that a request names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uploaded {
    /// Its name.
    pub id: UploadId,
    /// Its media type.
    pub content_type: String,
    /// Its length in bytes.
    pub size_bytes: u64,
    /// Its SHA-256.
    pub sha256: [u8; 32],
}
