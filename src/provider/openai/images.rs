//! Images, which come in the answer to their create.
//!
//! Such an answer has no id, so one is made here: unlike any of a video, and telling how many images
//! there were. With it the question where the task stands has an answer after a restart, too: done,
//! and what came is in the archive.

use std::borrow::Cow;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::wire::{Usage, apart, credits};
use crate::domain::money::{Millicredits, UsdRate};
use crate::domain::task::{Finished, Observation, Progress, SubmitOutcome, UpstreamStatus};
use crate::provider::http::{Answer, is_shallow};

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    data: Vec<Image<'a>>,
    #[serde(default, deserialize_with = "apart")]
    usage: Usage,
}

#[derive(Deserialize)]
struct Image<'a> {
    #[serde(borrow, default)]
    b64_json: Option<&'a RawValue>,
    #[serde(borrow, default)]
    url: Option<&'a RawValue>,
}

/// One image of an answer.
enum Made {
    Bytes(Bytes),
    At(String),
}

/// The answer to the create of images: accepted and finished in one. `None` unless every image of
/// it can be had.
pub(super) fn accepted(answer: &Answer, rate: UsdRate) -> Option<SubmitOutcome> {
    if answer.is_foreign() || answer.overlong || !is_shallow(&answer.body) {
        return None;
    }
    let body: Body<'_> = serde_json::from_slice(&answer.body).ok()?;
    if !(1..=MOST_IMAGES).contains(&body.data.len()) {
        return None;
    }
    let made: Vec<Made> = body.data.iter().map(Image::read).collect::<Option<_>>()?;
    let cost = body.usage.named(rate).or_else(|| told(answer, rate));
    let mut seen = observation(made.len());
    seen.cost = cost;
    let mut outputs = Vec::with_capacity(made.len());
    for (made, output) in made.into_iter().zip(&mut seen.outputs) {
        match made {
            Made::Bytes(bytes) => outputs.push(bytes),
            Made::At(url) => {
                *output = url;
                outputs.push(Bytes::new());
            }
        }
    }
    let unique = uuid::Uuid::from_u128(rand::random()).simple();
    Some(SubmitOutcome::Accepted {
        upstream_id: format!("{ID}{}-{unique}", outputs.len()),
        estimated: cost,
        finished: Some(Box::new(Finished { seen, outputs })),
    })
}

/// How many images the answer had that an id was made for; `None`: it is no such id.
pub(super) fn count(id: &str) -> Option<usize> {
    let (count, unique) = id.strip_prefix(ID)?.split_once('-')?;
    let hex = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
    let whole = unique.len() == 32 && unique.bytes().all(hex);
    let count: usize = count.parse().ok()?;
    (whole && (1..=MOST_IMAGES).contains(&count)).then_some(count)
}

/// What a question about such a task says: done, and everything that came was kept.
pub(super) fn observation(count: usize) -> Observation {
    Observation {
        status: UpstreamStatus::Succeeded,
        progress: Some(Progress::DONE),
        cost: None,
        outputs: (0..count).map(|index| format!("{MADE}{index}")).collect(),
    }
}

/// What a proxy says of the price beside the answer.
fn told(answer: &Answer, rate: UsdRate) -> Option<Millicredits> {
    let usd = answer.headers.get("x-litellm-response-cost")?;
    credits(usd.to_str().ok()?.parse().ok()?, rate)
}

impl Image<'_> {
    fn read(&self) -> Option<Made> {
        if let Some(data) = self.b64_json.and_then(text).filter(|data| !data.is_empty()) {
            return bytes(&data).map(Made::Bytes);
        }
        let url = text(self.url?)?;
        if url.starts_with("data:") {
            return bytes(&url).map(Made::Bytes);
        }
        let web = url.starts_with("https://") || url.starts_with("http://");
        (web && url.len() <= MAX_URL).then(|| Made::At(url.into_owned()))
    }
}

/// The string that a value is, copied only where it must be.
fn text(raw: &RawValue) -> Option<Cow<'_, str>> {
    let inside = raw.get().strip_prefix('"')?.strip_suffix('"')?;
    if inside.contains('\\') {
        return serde_json::from_str(raw.get()).ok().map(Cow::Owned);
    }
    Some(Cow::Borrowed(inside))
}

/// The bytes of base64, with or without the head of a data URI.
fn bytes(text: &str) -> Option<Bytes> {
    let data = match text.strip_prefix("data:") {
        Some(uri) => uri.split_once(";base64,")?.1,
        None => text,
    };
    let bytes = BASE64_STANDARD.decode(data).ok()?;
    (!bytes.is_empty()).then(|| Bytes::from(bytes))
}

/// Longest answer that is read, in bytes: ten large images as text.
pub(super) const MAX_ANSWER: usize = 64 << 20;
/// How an output begins that came with the acceptance; its number follows.
pub(super) const MADE: &str = "made:";
/// How an id begins that was made for an answer with images.
const ID: &str = "mediagen-images-";
/// Most images of an answer.
const MOST_IMAGES: usize = 16;
/// Longest address, in bytes.
const MAX_URL: usize = 8 * 1024;
