//! Rules across members, which the documents state in prose only (`runway/api.md` §2.2, §2.3).
//!
//! Run after the catalogue's own check passed, so shapes may be relied on here. What the documents
//! call uncertain (aspect-ratio limits of inputs, say) is not enforced.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::issue::Issue;

type Body = Map<String, Value>;
/// (endpoint's path, model, body) → what is wrong.
type Rule = fn(&str, &str, &Body) -> Option<Issue>;

/// Every rule that `body` breaks.
pub fn check(path: &str, model: &str, body: &Body) -> Vec<Issue> {
    let rules: [Rule; 12] = [
        seed,
        prompt_image,
        wan_keyframes,
        kling_videos,
        hailuo_adaptive,
        free_ratio,
        prores_profile,
        multi_prompt,
        tags,
        subjects,
        aleph_keyframes,
        seedance_modes,
    ];
    let broken = rules.iter().filter_map(|rule| rule(path, model, body));
    broken.chain(renderable(body)).collect()
}

/// A seed is a 32-bit number without a sign, also where the model's own row has no bound.
fn seed(_: &str, _: &str, body: &Body) -> Option<Issue> {
    let seed = body.get("seed")?.as_f64()?;
    let path = [json!("seed")];
    if seed < 0.0 {
        return Some(Issue::too_small(&path, "number", 0.0));
    }
    let most = f64::from(u32::MAX);
    (seed > most).then(|| Issue::too_big(&path, "number", most))
}

/// Counts and mixes of `promptImage` as an array.
fn prompt_image(path: &str, model: &str, body: &Body) -> Option<Issue> {
    let items = list(body, "promptImage");
    if path != "/v1/image_to_video" || !body.get("promptImage").is_some_and(Value::is_array) {
        return None;
    }
    let refuse = |message: &str| Some(Issue::rule(&[json!("promptImage")], message));
    let positions: Vec<_> = items
        .iter()
        .filter_map(|item| text(item, "position"))
        .collect();
    if items.is_empty() {
        return refuse("At least one image is required");
    }
    if positions.is_empty() {
        return None;
    }
    if positions.len() != items.len() {
        return refuse("Keyframes and reference images cannot be mixed");
    }
    if items.len() > 2 || (ONE_IMAGE.contains(&model) && items.len() > 1) {
        return refuse("Too many images for this model");
    }
    if positions.len() == 2 && positions[0] == positions[1] {
        return refuse("Each position may be used once");
    }
    if model.starts_with("veo") && positions == ["last"] {
        return refuse("A last frame requires a first frame");
    }
    None
}

fn wan_keyframes(path: &str, model: &str, body: &Body) -> Option<Issue> {
    let keyframed = list(body, "promptImage")
        .iter()
        .any(|item| text(item, "position").is_some());
    let fixed = string(body, "ratio").is_some_and(|ratio| !ratio.starts_with("auto_"));
    (path == "/v1/image_to_video" && model.starts_with("wan3") && keyframed && fixed).then(|| {
        Issue::rule(
            &[json!("ratio")],
            "Keyframe requests must use an auto_* ratio",
        )
    })
}

/// `kling_4` documents five, which the file does not say.
fn kling_videos(_: &str, model: &str, body: &Body) -> Option<Issue> {
    let given = list(body, "referenceVideos").len();
    (model == "kling_4" && given > 5)
        .then(|| Issue::too_big(&[json!("referenceVideos")], "array", 5.0))
}

fn hailuo_adaptive(path: &str, model: &str, body: &Body) -> Option<Issue> {
    let has_media = path != "/v1/text_to_video"
        || ["references", "referenceVideos"]
            .iter()
            .any(|name| !list(body, name).is_empty());
    (model == "hailuo3" && string(body, "ratio") == Some("adaptive") && !has_media)
        .then(|| Issue::rule(&[json!("ratio")], "adaptive requires a media reference"))
}

/// `seedream5_lite` takes any W:H of a bounded area.
fn free_ratio(_: &str, model: &str, body: &Body) -> Option<Issue> {
    let ratio = string(body, "ratio").filter(|_| model == "seedream5_lite")?;
    let area = ratio
        .split_once(':')
        .and_then(|(w, h)| w.parse::<u32>().ok().zip(h.parse::<u32>().ok()))
        .map(|(w, h)| u64::from(w) * u64::from(h));
    let fits = area.is_some_and(|area| (3_686_400..=16_777_216).contains(&area));
    (!fits).then(|| Issue::rule(&[json!("ratio")], "Area must be 3686400 to 16777216 pixels"))
}

fn prores_profile(_: &str, _: &str, body: &Body) -> Option<Issue> {
    let prores = string(body, "outputFormat").is_some_and(|format| format.ends_with("prores"));
    (body.contains_key("proresProfile") && !prores).then(|| {
        Issue::rule(
            &[json!("proresProfile")],
            "Only with a ProRes output format",
        )
    })
}

/// The shots of one Kling request last 3 to 15 s together.
fn multi_prompt(_: &str, _: &str, body: &Body) -> Option<Issue> {
    let shots = body
        .get("providerSettings")?
        .get("multiPrompt")?
        .as_array()?;
    let total: f64 = shots
        .iter()
        .filter_map(|shot| shot.get("duration")?.as_f64())
        .sum();
    let path = [json!("providerSettings"), json!("multiPrompt")];
    (!(3.0..=15.0).contains(&total))
        .then(|| Issue::rule(&path, "Shots must last 3 to 15 seconds in total"))
}

fn tags(_: &str, _: &str, body: &Body) -> Option<Issue> {
    let mut seen = BTreeSet::new();
    for (index, image) in list(body, "referenceImages").iter().enumerate() {
        let Some(tag) = text(image, "tag") else {
            continue;
        };
        let path = [json!("referenceImages"), json!(index), json!("tag")];
        if !is_tag(tag) {
            return Some(Issue::rule(
                &path,
                "A tag has 3 to 16 letters, digits or underscores",
            ));
        }
        if !seen.insert(tag) {
            return Some(Issue::rule(&path, "Tags must be unique"));
        }
    }
    None
}

fn is_tag(tag: &str) -> bool {
    (3..=16).contains(&tag.len())
        && tag.starts_with(|first: char| first.is_ascii_alphabetic())
        && tag.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn subjects(_: &str, _: &str, body: &Body) -> Option<Issue> {
    let images = list(body, "referenceImages");
    let count = |kind| {
        images
            .iter()
            .filter(|image| text(image, "subject") == Some(kind))
            .count()
    };
    (count("human") > 5 || count("object") > 9).then(|| {
        Issue::rule(
            &[json!("referenceImages")],
            "At most 5 human and 9 object subjects",
        )
    })
}

/// `aleph2`: all or none of the keyframes carry a range; times lie in 0–30 s or 0–1.
fn aleph_keyframes(_: &str, model: &str, body: &Body) -> Option<Issue> {
    let frames = if model == "aleph2" {
        list(body, "keyframes")
    } else {
        &[]
    };
    let refuse = |message: &str| Some(Issue::rule(&[json!("keyframes")], message));
    let ranged = frames
        .iter()
        .filter(|frame| frame.get("range").is_some())
        .count();
    if ranged != 0 && ranged != frames.len() {
        return refuse("Either all keyframes carry a range or none does");
    }
    let outside = |frame: &Value, name: &str, most: f64| {
        frame
            .get(name)
            .and_then(Value::as_f64)
            .is_some_and(|at| !(0.0..=most).contains(&at))
    };
    if frames
        .iter()
        .any(|f| outside(f, "seconds", 30.0) || outside(f, "at", 1.0))
    {
        return refuse("seconds must be 0 to 30, at must be 0 to 1");
    }
    None
}

/// `seedance2_5`: the modes of video-to-video, and the enhancement of a draft.
fn seedance_modes(path: &str, model: &str, body: &Body) -> Option<Issue> {
    if model != "seedance2_5" {
        return None;
    }
    if body.contains_key("draftTaskId") && body.len() > 2 {
        return Some(Issue::rule(
            &[json!("draftTaskId")],
            "No other generation field is allowed",
        ));
    }
    let mode = string(body, "mode").filter(|_| path == "/v1/video_to_video")?;
    let refuse = |message: &str| Some(Issue::rule(&[json!("mode")], message));
    if mode != "reference" && !body.contains_key("promptText") {
        return refuse("This mode requires promptText");
    }
    if mode != "reference" && body.contains_key("ratio") {
        return refuse("This mode takes no ratio");
    }
    if mode == "edit" && string(body, "duration") != Some("auto") {
        return refuse("edit requires duration \"auto\"");
    }
    None
}

/// The sandbox's own bounds, far beyond what any model documents, where a model documents none.
fn renderable(body: &Body) -> Option<Issue> {
    for name in ["outputCount", "numVariants"] {
        let count = body.get(name).and_then(Value::as_f64).unwrap_or(1.0);
        if count < 1.0 {
            return Some(Issue::too_small(&[json!(name)], "number", 1.0));
        }
        if count > MAX_PIECES {
            return Some(Issue::too_big(&[json!(name)], "number", MAX_PIECES));
        }
    }
    let seconds = body.get("duration")?.as_f64()?;
    let path = [json!("duration")];
    if seconds <= 0.0 {
        return Some(Issue::too_small(&path, "number", 0.0));
    }
    (seconds > MAX_SECONDS).then(|| Issue::too_big(&path, "number", MAX_SECONDS))
}

fn list<'a>(body: &'a Body, name: &str) -> &'a [Value] {
    body.get(name)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

fn string<'a>(body: &'a Body, name: &str) -> Option<&'a str> {
    body.get(name)?.as_str()
}

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name)?.as_str()
}

const MAX_PIECES: f64 = 64.0;
const MAX_SECONDS: f64 = 3600.0;
/// Models that document exactly one image.
const ONE_IMAGE: [&str; 6] = [
    "gen4.5",
    "gen4_turbo",
    "happyhorse_1_0",
    "gemini_omni_flash",
    "grok_imagine_1_5",
    "grok_imagine_1_5_lite",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(path: &str, model: &str, body: &Value) -> usize {
        check(path, model, body.as_object().expect("an object")).len()
    }

    #[test]
    fn prompt_image_arrays_keep_their_position_rules() {
        let image =
            |position: &str| json!({"uri": "https://example.com/a.png", "position": position});
        let bare = json!({"uri": "https://example.com/a.png"});
        let cases = [
            ("gen4.5", vec![image("first")], 0),
            ("gen4.5", vec![image("first"), image("first")], 1),
            ("veo3.1", vec![image("first"), image("last")], 0),
            ("veo3.1", vec![image("last")], 1),
            ("kling_4", vec![image("last")], 0),
            (
                "seedance2",
                vec![bare.clone(), bare.clone(), bare.clone()],
                0,
            ),
            ("seedance2", vec![bare, image("first")], 1),
            ("gen4.5", vec![], 1),
        ];
        for (model, images, issues) in cases {
            let body = json!({ "promptImage": images });
            assert_eq!(
                broken("/v1/image_to_video", model, &body),
                issues,
                "{model} {body}"
            );
        }
    }

    #[test]
    fn free_ratios_are_bounded_by_area() {
        let path = "/v1/text_to_image";
        assert_eq!(
            broken(path, "seedream5_lite", &json!({"ratio": "2000:2000"})),
            0
        );
        assert_eq!(
            broken(path, "seedream5_lite", &json!({"ratio": "200:200"})),
            1
        );
        assert_eq!(
            broken(
                path,
                "seedream5_lite",
                &json!({"ratio": "4294967295:4294967295"})
            ),
            1
        );
    }

    #[test]
    fn a_film_longer_than_the_sandbox_renders_is_refused() {
        assert_eq!(
            broken(
                "/v1/text_to_video",
                "kling_4",
                &json!({"duration": 1_000_000})
            ),
            1
        );
        assert_eq!(
            broken("/v1/text_to_video", "kling_4", &json!({"duration": 0})),
            1
        );
        assert_eq!(
            broken("/v1/text_to_video", "kling_4", &json!({"duration": 60})),
            0
        );
    }
}
