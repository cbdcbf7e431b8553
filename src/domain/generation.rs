//! stub until merge
use std::collections::BTreeMap;
#[derive(Clone, Debug, PartialEq)]
pub struct Generation {
    pub operation: Operation,
    pub model: String,
    pub prompt: String,
    pub negative_prompt: String,
    pub inputs: Vec<Input>,
    pub seconds: Option<u32>,
    pub size: Option<String>,
    pub count: Option<u32>,
    pub seed: Option<u64>,
    pub audio: Option<bool>,
    pub options: BTreeMap<String, Value>,
    pub notes: Vec<String>,
}
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    pub source: InputSource,
    pub content_type: String,
    pub role: Role,
    pub tag: String,
}
#[derive(Clone, Debug, PartialEq)]
pub enum InputSource {
    Url(String),
    Inline { size_bytes: u64, sha256: [u8; 32] },
    Upload(String),
}
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Operation {
    TextToVideo,
}
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Role {
    Unspecified,
}
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
}
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Media {
    Image,
    Video,
    Audio,
}
