//! What an accepted body asks for, in pixels, seconds and pieces.
//!
//! Ratios that are no pixel sizes (`16:9`, `auto_720p`, `adaptive`) become a sensible real size.
//! Outputs are always MP4, PNG or WAV, whatever `outputFormat` says.

use serde_json::{Map, Value};

use super::catalogue::{Model, Output};
use super::price;
use super::source::Source;

/// The facts of a create that rendering, pricing and the ledger need.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// The endpoint's path.
    pub endpoint: &'static str,
    /// The model asked for.
    pub model: String,
    /// The prompt, cut to [`MAX_PROMPT_KEPT`] characters.
    pub prompt: String,
    /// What comes out.
    pub output: Output,
    /// Width and height in pixels; even for video.
    pub size: (u32, u32),
    /// Length of a video or a sound.
    pub seconds: f64,
    /// How many files come out.
    pub count: u32,
    /// The most that this costs: what a create answers and takes.
    pub credits: u32,
    /// What it costs once it succeeded; less where the length was left to the model.
    pub cost: u32,
}

/// A record keeps this much of a prompt; it bounds the memory of the ledger.
pub const MAX_PROMPT_KEPT: usize = 500;

impl Order {
    /// Reads a body that passed every check.
    pub fn of(
        path: &str,
        output: Output,
        (name, model): (&str, &Model),
        body: &Map<String, Value>,
    ) -> Self {
        let prompt = body
            .get("promptText")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let mut order = Self {
            endpoint: known_path(path),
            model: name.to_owned(),
            prompt: prompt.chars().take(MAX_PROMPT_KEPT).collect(),
            output,
            size: size(output, name, body),
            seconds: seconds(output, prompt, model, body),
            count: pieces(body),
            credits: 0,
            cost: 0,
        };
        order.cost = price::credits(&order, prompt, body, order.seconds);
        // A length of `auto` is billed at the greatest, and the unused part refunded later (§2.2).
        let auto = body.get("duration").is_some_and(Value::is_string);
        order.credits = match longest(model).filter(|_| auto) {
            Some(longest) => price::credits(&order, prompt, body, longest).max(order.cost),
            None => order.cost,
        };
        order
    }
}

/// Endpoint paths are few and known: a record points at one instead of owning it.
fn known_path(path: &str) -> &'static str {
    GENERATION_PATHS
        .iter()
        .find(|known| **known == path)
        .copied()
        .unwrap_or("")
}

fn pieces(body: &Map<String, Value>) -> u32 {
    let number = ["outputCount", "numVariants"]
        .iter()
        .find_map(|name| body.get(*name)?.as_u64());
    u32::try_from(number.unwrap_or(1).clamp(1, MAX_PIECES)).unwrap_or(1)
}

fn seconds(output: Output, prompt: &str, model: &Model, body: &Map<String, Value>) -> f64 {
    let asked = body.get("duration").and_then(Value::as_f64);
    let spoken = || (f64::from(u32::try_from(prompt.len()).unwrap_or(0)) / 15.0).clamp(1.0, 60.0);
    match output {
        Output::Audio if !prompt.is_empty() => asked.unwrap_or_else(spoken),
        _ => asked.unwrap_or_else(|| followed(model, body).unwrap_or_else(|| usual(model))),
    }
}

/// The length of a source, where the model has no length of its own.
fn followed(model: &Model, body: &Map<String, Value>) -> Option<f64> {
    let source = Source::of_body(body).filter(|_| !model.fields.contains_key("duration"))?;
    Some(source.seconds.clamp(LEAST_FOLLOWED, MOST_FOLLOWED))
}

/// The length that a model makes when none is asked for: one that it can make, near 5 s.
fn usual(model: &Model) -> f64 {
    let Some(field) = model.fields.get("duration") else {
        return DEFAULT_SECONDS;
    };
    let listed: Vec<f64> = field
        .values
        .iter()
        .flatten()
        .filter_map(Value::as_f64)
        .collect();
    if !listed.is_empty() && !listed.contains(&DEFAULT_SECONDS) {
        return listed.into_iter().fold(0.0, f64::max);
    }
    let least = field.minimum.or(field.range.map(|range| range[0]));
    let most = longest(model);
    DEFAULT_SECONDS
        .max(least.unwrap_or(DEFAULT_SECONDS))
        .min(most.unwrap_or(DEFAULT_SECONDS))
}

/// The greatest length that a model makes.
fn longest(model: &Model) -> Option<f64> {
    let field = model.fields.get("duration")?;
    let known = field.maximum.or(field.range.map(|range| range[1]));
    known.or(Some(LONGEST_UNKNOWN))
}

fn size(output: Output, model: &str, body: &Map<String, Value>) -> (u32, u32) {
    let member = |name: &str| body.get(name).and_then(Value::as_str);
    let usual = model.starts_with("magnific_video").then_some("2k");
    let resolution = member("resolution").or(usual).map(str::to_lowercase);
    let ratio = member("ratio")
        .or(member("targetAspectRatio"))
        .unwrap_or_default();
    let wide = match output {
        Output::Image => (1, 1),
        Output::Video | Output::Audio => (16, 9),
    };
    let asked = match pair(ratio) {
        Some((w, h)) if w.min(h) >= LEAST_PIXELS => (w, h),
        Some(aspect) => fit(aspect, short_side(resolution.as_deref(), output)),
        None => fit(
            wide,
            short_side(
                resolution.as_deref().or(ratio.strip_prefix("auto_")),
                output,
            ),
        ),
    };
    let asked = if body.contains_key("imageUri") {
        let factor = body.get("scaleFactor").and_then(Value::as_u64);
        let side = u32::try_from(factor.unwrap_or(2).min(16)).unwrap_or(2) * UPSCALED_SIDE;
        (side, side)
    } else {
        asked
    };
    bounded(output, asked)
}

fn pair(ratio: &str) -> Option<(u32, u32)> {
    let (w, h) = ratio.split_once(':')?;
    let (w, h) = (w.parse().ok()?, h.parse().ok()?);
    (w > 0 && h > 0).then_some((w, h))
}

fn short_side(resolution: Option<&str>, output: Output) -> u32 {
    match resolution {
        Some("480p") => 480,
        Some("768p") => 768,
        Some("1080p") => 1_080,
        Some("1k") => 1_024,
        Some("2k") => {
            if output == Output::Image {
                2_048
            } else {
                1_440
            }
        }
        Some("4k") => 2_160,
        _ => {
            if output == Output::Image {
                1_024
            } else {
                720
            }
        }
    }
}

/// The size of that aspect whose shorter side is `short`.
fn fit((w, h): (u32, u32), short: u32) -> (u32, u32) {
    let long = |a: u32, b: u32| {
        u32::try_from(u64::from(short) * u64::from(a) / u64::from(b)).unwrap_or(short)
    };
    if w >= h {
        (long(w, h), short)
    } else {
        (short, long(h, w))
    }
}

/// Free-form ratios must not order a picture that eats the machine; H.264 wants even sides.
fn bounded(output: Output, (w, h): (u32, u32)) -> (u32, u32) {
    let most = if output == Output::Image {
        12_288
    } else {
        4_096
    };
    let (w, h) = (w.clamp(16, most), h.clamp(16, most));
    let too_large = u64::from(w) * u64::from(h) > MAX_PIXELS;
    let (w, h) = if too_large {
        (w.min(4_096), h.min(4_096))
    } else {
        (w, h)
    };
    if output == Output::Image {
        (w, h)
    } else {
        (w & !1, h & !1)
    }
}

/// The endpoints that start a task.
pub const GENERATION_PATHS: [&str; 14] = [
    "/v1/text_to_video",
    "/v1/image_to_video",
    "/v1/video_to_video",
    "/v1/character_performance",
    "/v1/video_upscale",
    "/v1/video_to_hdr",
    "/v1/text_to_image",
    "/v1/image_upscale",
    "/v1/text_to_speech",
    "/v1/speech_to_speech",
    "/v1/sound_effect",
    "/v1/video_to_audio",
    "/v1/voice_dubbing",
    "/v1/voice_isolation",
];
const MAX_PIECES: u64 = 64;
const DEFAULT_SECONDS: f64 = 5.0;
/// Where the documents give no greatest length.
const LONGEST_UNKNOWN: f64 = 10.0;
/// What is rendered after a source is no shorter and no longer than this.
const LEAST_FOLLOWED: f64 = 0.5;
const MOST_FOLLOWED: f64 = 60.0;
/// Both sides of the picture that an upscaler is taken to get.
const UPSCALED_SIDE: u32 = 256;
/// Ratios with a smaller side are aspects (`21:9`), not pixels.
const LEAST_PIXELS: u32 = 64;
const MAX_PIXELS: u64 = 18_000_000;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::catalogue::{Catalogue, Field};
    use super::super::samples;
    use super::*;

    #[test]
    fn ratios_become_real_sizes() {
        let cases = [
            (Output::Video, json!({"ratio": "1280:720"}), (1280, 720)),
            (
                Output::Video,
                json!({"ratio": "16:9", "resolution": "768p"}),
                (1364, 768),
            ),
            (
                Output::Video,
                json!({"ratio": "9:16", "resolution": "2K"}),
                (1440, 2560),
            ),
            (Output::Video, json!({"ratio": "auto_1080p"}), (1920, 1080)),
            (Output::Video, json!({"ratio": "adaptive"}), (1280, 720)),
            (
                Output::Video,
                json!({"ratio": "99999999:99999999"}),
                (4096, 4096),
            ),
            (Output::Video, json!({}), (1280, 720)),
            (Output::Image, json!({"ratio": "auto_2k"}), (2048, 2048)),
            (Output::Image, json!({"ratio": "1408:11264"}), (1408, 11264)),
            (Output::Image, json!({"ratio": "auto"}), (1024, 1024)),
            (Output::Image, json!({"imageUri": ""}), (512, 512)),
            (
                Output::Image,
                json!({"imageUri": "", "scaleFactor": 16}),
                (4096, 4096),
            ),
        ];
        for (output, body, expected) in cases {
            assert_eq!(
                size(output, "", body.as_object().expect("an object")),
                expected,
                "{body}"
            );
        }
    }

    #[test]
    fn every_size_of_the_catalogue_that_is_in_pixels_is_made_to_the_pixel() {
        let catalogue = Catalogue::embedded().expect("the embedded catalogue parses");
        let mut sizes = 0;
        for (path, endpoint) in catalogue.endpoints() {
            for (name, model) in &endpoint.models {
                for ratio in listed(model.fields.get("ratio")) {
                    let Some(asked) = pair(ratio).filter(|(w, h)| w.min(h) >= &LEAST_PIXELS) else {
                        continue;
                    };
                    let mut body = samples::minimal(name, model);
                    body.insert("ratio".into(), json!(ratio));
                    let order = Order::of(path, endpoint.output, (name, model), &body);
                    assert_eq!(order.size, asked, "{path} {name}");
                    sizes += 1;
                }
            }
        }
        assert!(sizes > 800, "{sizes}");
    }

    fn listed(field: Option<&Field>) -> Vec<&str> {
        let Some(field) = field else {
            return Vec::new();
        };
        let forms = field.any_of.iter().flatten();
        let values = forms
            .chain([field])
            .flat_map(|form| form.values.iter().flatten());
        values.filter_map(Value::as_str).collect()
    }

    #[test]
    fn a_length_that_is_left_to_the_model_is_one_that_it_makes() {
        let catalogue = Catalogue::embedded().expect("the embedded catalogue parses");
        for (path, model, seconds) in [
            ("/v1/text_to_video", "veo3.1", 8.0),
            ("/v1/text_to_video", "hailuo3", 5.0),
            ("/v1/text_to_video", "kling2.5_turbo_pro", 5.0),
            ("/v1/text_to_video", "seedance2_5", 5.0),
            ("/v1/image_to_video", "gen4_turbo", 5.0),
            ("/v1/character_performance", "act_two", 5.0),
        ] {
            let endpoint = catalogue.endpoint(path).expect("a known endpoint");
            let fields = &endpoint.models[model];
            let body = samples::minimal(model, fields);
            let order = Order::of(path, endpoint.output, (model, fields), &body);
            assert!((order.seconds - seconds).abs() < 1e-9, "{model}");
        }
    }
}
