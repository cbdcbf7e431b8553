//! `defaults` and `log`: what holds when a caller, or the operator, does not say.

use std::time::Duration;

use super::section::Section;
use super::{DAY, MINUTE};
use crate::domain::model::{canonical, dimensions};

/// What a Create gets that does not say.
#[derive(Clone, Debug)]
pub struct Defaults {
    /// The model when no image is given.
    pub video_model: String,
    /// The model when an image is given.
    pub image_to_video_model: String,
    /// The model of a call for images over HTTP that names none.
    pub image_model: String,
    /// The size of a video where a model needs one, in the catalogue's spelling; `None`: the catalogue's.
    pub video_size: Option<String>,
    /// The same for images.
    pub image_size: Option<String>,
    /// How long a task may take at the provider.
    pub task_timeout: Duration,
}

/// What is logged, and how it looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// A level, or directives of tracing's filter.
    pub filter: String,
    /// How lines look.
    pub format: LogFormat,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object per line.
    Json,
}

impl Defaults {
    pub(super) fn read(section: &Section<'_>) -> Self {
        Self {
            video_model: section.text("video_model"),
            image_to_video_model: section.text("image_to_video_model"),
            image_model: section.text("image_model"),
            video_size: section.parsed("video_size", size),
            image_size: section.parsed("image_size", size),
            task_timeout: section.duration("task_timeout", MINUTE..=2 * DAY),
        }
    }
}

/// A size in pixels, in the catalogue's spelling.
pub(super) fn size(text: &str) -> Result<String, String> {
    let size = canonical(text);
    if dimensions(&size).is_some() {
        Ok(size)
    } else {
        Err(format!("`{text}` is no size; write it as 1280x720"))
    }
}

impl Log {
    pub(super) fn read(section: &Section<'_>) -> Self {
        let filter = section.text("filter");
        if let Err(error) = tracing_subscriber::EnvFilter::try_new(&filter) {
            section.wrong("filter", &format!("is no filter: {error}"));
        }
        let names = [("text", LogFormat::Text), ("json", LogFormat::Json)];
        Self {
            filter,
            format: section.choice("format", &names, LogFormat::Text),
        }
    }
}
