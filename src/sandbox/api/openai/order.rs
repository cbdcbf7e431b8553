//! What a create asks for, held to what each model takes.

use axum::response::Response;
use http::StatusCode;
use serde_json::Value;

use super::super::super::contract::{MAX_PROMPT_KEPT, Order, Output};
use super::super::super::state::State;
use super::answer;
use super::form::Sent;

/// What is known of a model; what is not listed is not checked.
struct Model {
    name: &'static str,
    sizes: &'static [&'static str],
    /// Credits for a second, or for an image.
    price: u32,
    /// Whether it answers with bytes and refuses to be asked how.
    bytes_always: bool,
}

type Refusal = Box<Response>;

/// Reads the create of a video.
pub fn video(state: &State, sent: &Sent) -> Result<Order, Refusal> {
    let name = model(state, sent, &VIDEOS, "/v1/text_to_video")?;
    let known = VIDEOS.iter().find(|model| model.name == name);
    let prompt = prompt(sent)?;
    let seconds = match text(sent, "seconds")? {
        None => 4,
        Some(text) => match text.parse() {
            Ok(seconds @ (4 | 8 | 12)) => seconds,
            Ok(seconds @ 1..=60) if known.is_none() => seconds,
            _ => return wrong("seconds", "Invalid value: supported are 4, 8 and 12"),
        },
    };
    let size = size(sent, known, (720, 1280))?;
    let reference = sent.fields.get("input_reference");
    let by_address = reference.and_then(|reference| reference.get("image_url")?.as_str());
    if reference.is_some() && (sent.has_file || by_address.is_none()) {
        return wrong("input_reference", "Invalid type for 'input_reference'");
    }
    let dear = if size.0 * size.1 > 1_000_000 { 20 } else { 0 };
    let price = known.map_or(1, |model| model.price) + if name == "sora-2-pro" { dear } else { 0 };
    let credits = price.saturating_mul(seconds);
    Ok(Order {
        endpoint: "/openai/v1/videos",
        model: name,
        prompt: prompt.chars().take(MAX_PROMPT_KEPT).collect(),
        output: Output::Video,
        size,
        seconds: f64::from(seconds),
        count: 1,
        credits,
        cost: credits,
    })
}

/// Reads the create of images; the flag says whether bytes are wanted and not addresses.
pub fn images(state: &State, sent: &Sent) -> Result<(Order, bool), Refusal> {
    let name = model(state, sent, &IMAGES, "/v1/text_to_image")?;
    let known = IMAGES.iter().find(|model| model.name == name);
    let prompt = prompt(sent)?;
    let count = match sent.fields.get("n").map(Value::as_u64) {
        None => 1,
        Some(Some(count @ 1..=10)) => u32::try_from(count).unwrap_or(1),
        Some(_) => return wrong("n", "Invalid 'n': integer between 1 and 10"),
    };
    let bytes_always = known.is_some_and(|model| model.bytes_always);
    let bytes = match text(sent, "response_format")? {
        Some(_) if bytes_always => {
            let message = "Unknown parameter: 'response_format'.";
            return wrong("response_format", message);
        }
        Some("b64_json") => true,
        Some("url") => false,
        Some(_) => return wrong("response_format", "Invalid value"),
        None => bytes_always,
    };
    let credits = known.map_or(1, |model| model.price).saturating_mul(count);
    let order = Order {
        endpoint: "/openai/v1/images/generations",
        model: name,
        prompt: prompt.chars().take(MAX_PROMPT_KEPT).collect(),
        output: Output::Image,
        size: size(sent, known, (1024, 1024))?,
        seconds: 0.0,
        count,
        credits,
        cost: credits,
    };
    Ok((order, bytes))
}

/// The model that is meant: a known one, or one that the sandbox was told of.
fn model(state: &State, sent: &Sent, known: &[Model], path: &str) -> Result<String, Refusal> {
    let Some(name) = text(sent, "model")? else {
        return wrong("model", "you must provide a model parameter");
    };
    let told = |(told, model): &(String, String)| {
        told == path && model.strip_prefix("openai/") == Some(name)
    };
    if known.iter().any(|model| model.name == name) || state.config.extra_models.iter().any(told) {
        return Ok(name.to_owned());
    }
    let message = format!("The model '{name}' does not exist or you do not have access to it.");
    let code = "model_not_found";
    Err(Box::new(answer::error(
        StatusCode::NOT_FOUND,
        &message,
        code,
        None,
    )))
}

fn prompt(sent: &Sent) -> Result<&str, Refusal> {
    let prompt = text(sent, "prompt")?.filter(|prompt| !prompt.is_empty());
    prompt.map_or_else(
        || wrong("prompt", "Missing required parameter: 'prompt'."),
        Ok,
    )
}

fn size(sent: &Sent, known: Option<&Model>, usual: (u32, u32)) -> Result<(u32, u32), Refusal> {
    let Some(text) = text(sent, "size")?.filter(|size| *size != "auto") else {
        return Ok(usual);
    };
    let listed = known.is_none_or(|model| model.sizes.is_empty() || model.sizes.contains(&text));
    let pixels = text
        .split_once('x')
        .and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)));
    pixels
        .filter(|(width, height)| {
            listed && (16..=4096).contains(width) && (16..=4096).contains(height)
        })
        .map_or_else(|| wrong("size", "Invalid value for 'size'"), Ok)
}

/// A field that must be text, also where it is a number.
fn text<'a>(sent: &'a Sent, name: &str) -> Result<Option<&'a str>, Refusal> {
    match sent.fields.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => {
            let message = format!("Invalid type for '{name}': expected a string");
            wrong(name, &message)
        }
    }
}

fn wrong<T>(param: &str, message: &str) -> Result<T, Refusal> {
    let status = StatusCode::BAD_REQUEST;
    Err(Box::new(answer::error(
        status,
        message,
        "invalid_value",
        Some(param),
    )))
}

const fn video_model(name: &'static str, sizes: &'static [&'static str], price: u32) -> Model {
    Model {
        name,
        sizes,
        price,
        bytes_always: false,
    }
}

const fn image_model(name: &'static str, sizes: &'static [&'static str]) -> Model {
    Model {
        name,
        sizes,
        price: 4,
        bytes_always: true,
    }
}

const VIDEOS: [Model; 2] = [
    video_model("sora-2", &["1280x720", "720x1280"], 10),
    video_model(
        "sora-2-pro",
        &["1280x720", "720x1280", "1792x1024", "1024x1792"],
        30,
    ),
];
const GPT_SIZES: &[&str] = &["1024x1024", "1536x1024", "1024x1536"];
const IMAGES: [Model; 5] = [
    image_model("gpt-image-1", GPT_SIZES),
    image_model("gpt-image-1-mini", GPT_SIZES),
    image_model("gpt-image-1.5", GPT_SIZES),
    image_model("gpt-image-2", &[]),
    Model {
        name: "dall-e-3",
        sizes: &["1024x1024", "1792x1024", "1024x1792"],
        price: 4,
        bytes_always: false,
    },
];
