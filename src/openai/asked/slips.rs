//! Members that nobody takes but that surely mean one of ours: a slip of the pen, or what other
//! services call it. To hand such a one to a provider that passes over what it does not know would
//! make, and bill, something else than was meant.
//!
//! What is in `provider_options` is the provider's by the caller's own word, and is not looked at here.

use crate::domain::model::likely;

/// The member that is meant, if a name is surely meant for one of ours.
pub(super) fn meant(name: &str) -> Option<&'static str> {
    if PROVIDERS.contains(&name) {
        return None;
    }
    elsewhere(name).or_else(|| likely(name, OURS))
}

/// The member that other services call so.
pub(super) fn elsewhere(name: &str) -> Option<&'static str> {
    let known = ELSEWHERE.iter().find(|(known, _)| *known == name);
    known.map(|(_, ours)| *ours)
}

/// Our members of more than a letter.
const OURS: [&str; 17] = [
    "audio",
    "count",
    "input_reference",
    "labels",
    "metadata",
    "model",
    "negative_prompt",
    "operation",
    "priority",
    "prompt",
    "provider_options",
    "ratio",
    "seconds",
    "seed",
    "size",
    "timeout",
    "webhook_url",
];
/// Names of providers' own that are near to ours.
const PROVIDERS: [&str; 4] = ["mode", "moderation", "negativePrompt", "speed"];
/// What other services call what we call.
const ELSEWHERE: [(&str, &str); 21] = [
    ("aspect_ratio", "ratio"),
    ("callback", "webhook_url"),
    ("callback_url", "webhook_url"),
    ("duration_seconds", "seconds"),
    ("duration_secs", "seconds"),
    ("first_frame", "input_reference"),
    ("first_frame_image", "input_reference"),
    ("height", "size"),
    ("image", "input_reference"),
    ("image_url", "input_reference"),
    ("images", "input_reference"),
    ("input_image", "input_reference"),
    ("length", "seconds"),
    ("num_images", "n"),
    ("num_outputs", "n"),
    ("reference_image", "input_reference"),
    ("secs", "seconds"),
    ("start_image", "input_reference"),
    ("text", "prompt"),
    ("webhook", "webhook_url"),
    ("width", "size"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::catalog;
    use crate::domain::generation::Operation;

    #[test]
    fn slips_and_other_services_names_mean_ours() {
        for (name, ours) in [
            ("sceonds", Some("seconds")),
            ("secs", Some("seconds")),
            ("promt", Some("prompt")),
            ("image", Some("input_reference")),
            ("webhook", Some("webhook_url")),
            ("foo", None),
            ("contentModeration", None),
            ("mode", None),
        ] {
            assert_eq!(meant(name), ours, "{name}");
        }
    }

    #[test]
    fn no_option_of_any_model_is_taken_for_a_slip() {
        let catalog = catalog::embedded().unwrap();
        let mut seen = 0;
        for id in catalog.ids() {
            for operation in Operation::ALL {
                let Some(spec) = catalog.spec(id, operation) else {
                    continue;
                };
                for name in spec.options.keys() {
                    assert_eq!(meant(name), None, "{id} {name}");
                    seen += 1;
                }
            }
        }
        assert!(seen > 100, "{seen}");
    }
}
