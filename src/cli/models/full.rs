//! One model in full, for a person: every limit on a line of its own.

use super::super::json::{bare, plain_value};
use super::{dash, operation_name, price, role_name, seconds, show, span};
use crate::pb::v1::{
    DurationLimits, InputLimits, MediaKind, Model, ModelOperation, OptionLimits, PromptLimits,
    SizeLimits, UnknownOptions,
};

/// A model in full.
pub(super) fn model(model: &Model) -> String {
    let mut lines = vec![
        ("model", model.name.clone()),
        ("id", model.alias_of.clone()),
        ("makes", kind_name(model.output_kind())),
        ("served by", model.deployments.join(", ")),
    ];
    for operation in &model.operations {
        lines.push(("", String::new()));
        lines.push(("operation", operation_name(operation.operation())));
        lines.extend(operation_lines(operation));
    }
    let lines: Vec<String> = lines
        .iter()
        .filter(|(name, text)| name.is_empty() || !text.is_empty())
        .map(|(name, text)| {
            format!("{name:<12} {}", show::printable(text))
                .trim_end()
                .to_owned()
        })
        .collect();
    lines.join("\n")
}

fn operation_lines(operation: &ModelOperation) -> Vec<(&'static str, String)> {
    let mut lines = vec![
        (
            "  prompt",
            operation.prompt.as_ref().map_or_else(dash, prompt),
        ),
        (
            "  negative",
            operation
                .negative_prompt
                .as_ref()
                .map(prompt)
                .unwrap_or_default(),
        ),
        (
            "  size",
            operation.size.as_ref().map(sizes).unwrap_or_default(),
        ),
        (
            "  seconds",
            operation
                .duration
                .as_ref()
                .map(whole_seconds)
                .unwrap_or_default(),
        ),
        ("  count", counts(operation)),
        ("  takes", switches(operation)),
    ];
    lines.extend(
        operation
            .inputs
            .iter()
            .map(|limits| ("  input", input(limits))),
    );
    lines.extend(
        operation
            .options
            .iter()
            .map(|limits| ("  option", option(limits))),
    );
    lines.push(("  others", unknown_options(operation).to_owned()));
    lines.extend(operation.rules.iter().map(|rule| ("  rule", rule.clone())));
    if operation.prices.is_empty() {
        lines.push(("  price", "unknown".to_owned()));
    }
    lines.extend(operation.prices.iter().map(|part| ("  price", price(part))));
    lines
}

fn prompt(limits: &PromptLimits) -> String {
    let must = if limits.required {
        "required"
    } else {
        "optional"
    };
    let length = span(limits.min_utf16_units.into(), limits.max_utf16_units.into());
    match length.as_str() {
        "any" => must.to_owned(),
        length => format!("{must}, {length} UTF-16 code units"),
    }
}

fn sizes(limits: &SizeLimits) -> String {
    let mut parts: Vec<String> = limits.allowed.clone();
    if limits.open {
        let pixels = span(limits.min_pixels, limits.max_pixels);
        parts.push(match pixels.as_str() {
            "any" => "any other".to_owned(),
            pixels => format!("any other of {pixels} pixels"),
        });
    }
    with_default(parts.join(", "), &limits.default)
}

fn whole_seconds(limits: &DurationLimits) -> String {
    let default = limits.default_seconds.map(|s| s.to_string());
    with_default(seconds(limits), &default.unwrap_or_default())
}

fn with_default(text: String, default: &str) -> String {
    if default.is_empty() {
        text
    } else {
        format!("{text} [default: {default}]")
    }
}

fn counts(operation: &ModelOperation) -> String {
    let allowed: Vec<String> = operation
        .allowed_counts
        .iter()
        .map(u32::to_string)
        .collect();
    match (operation.max_count, allowed.is_empty()) {
        (0, _) => String::new(),
        (_, false) => allowed.join(", "),
        (most, true) => format!("up to {most}"),
    }
}

fn switches(operation: &ModelOperation) -> String {
    let audio = match operation.default_audio {
        None => "audio",
        Some(true) => "audio [default: true]",
        Some(false) => "audio [default: false]",
    };
    let taken = [
        ("seed", operation.takes_seed),
        (audio, operation.takes_audio),
    ];
    let taken: Vec<&str> = taken
        .into_iter()
        .filter_map(|(n, takes)| takes.then_some(n))
        .collect();
    taken.join(", ")
}

fn input(limits: &InputLimits) -> String {
    let kinds = limits
        .kinds()
        .map(kind_name)
        .collect::<Vec<_>>()
        .join(" or ");
    let most = match limits.max_count {
        0 => String::new(),
        most => format!(", at most {most}"),
    };
    let needed = if limits.min_count > 0 { ", needed" } else { "" };
    let tag = if limits.takes_tag { ", with a tag" } else { "" };
    let subjects = match &limits.subjects[..] {
        [] => String::new(),
        subjects => format!(", subject {}", subjects.join(" or ")),
    };
    let (role, place) = (role_name(limits.role()), &limits.place);
    format!("{role}: {kinds}{most}{needed}{tag}{subjects} ({place})")
}

fn option(limits: &OptionLimits) -> String {
    let must = if limits.required { ", needed" } else { "" };
    let default = limits
        .default
        .as_ref()
        .map(|default| plain_value(default).to_string());
    let text = format!("{}: {}{must}", limits.name, form(limits));
    with_default(text, &default.unwrap_or_default())
}

/// What an option takes, with what is inside it.
fn form(limits: &OptionLimits) -> String {
    if !limits.allowed.is_empty() {
        let all: Vec<String> = limits
            .allowed
            .iter()
            .map(|v| plain_value(v).to_string())
            .collect();
        return all.join(", ");
    }
    if !limits.alternatives.is_empty() {
        return limits
            .alternatives
            .iter()
            .map(form)
            .collect::<Vec<_>>()
            .join(", or ");
    }
    if !limits.fields.is_empty() {
        let fields: Vec<String> = limits.fields.iter().map(option).collect();
        return format!("{{{}}}", fields.join("; "));
    }
    let bounds = match (limits.minimum, limits.maximum) {
        (None, None) => String::new(),
        (Some(least), None) => format!(" of at least {least}"),
        (None, Some(most)) => format!(" of at most {most}"),
        (Some(least), Some(most)) => format!(" of {least} to {most}"),
    };
    match (&limits.item, limits.json_type.as_str()) {
        (Some(item), _) => format!("list{bounds} of {}", form(item)),
        (None, "") => "anything".to_owned(),
        (None, kind) => format!("{kind}{bounds}"),
    }
}

fn unknown_options(operation: &ModelOperation) -> &'static str {
    match operation.unknown_options() {
        UnknownOptions::Refused => "other options are refused",
        UnknownOptions::Passed => "other options are passed on",
        UnknownOptions::Unspecified => "other options are passed on, with a note",
    }
}

fn kind_name(kind: MediaKind) -> String {
    bare(kind.as_str_name(), "MEDIA_KIND_").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_told_with_their_defaults() {
        let limits = SizeLimits {
            allowed: ["16:9", "1:1"].map(str::to_owned).into(),
            default: "16:9".to_owned(),
            open: true,
            min_pixels: 100,
            max_pixels: 0,
        };
        let expected = "16:9, 1:1, any other of 100 or more pixels [default: 16:9]";
        assert_eq!(sizes(&limits), expected);
        let listed = DurationLimits {
            allowed_seconds: vec![4, 8],
            default_seconds: Some(4),
            ..DurationLimits::default()
        };
        assert_eq!(whole_seconds(&listed), "4 8 [default: 4]");
    }

    #[test]
    fn an_option_is_told_with_what_is_inside_it() {
        let inner = OptionLimits {
            name: "shot".to_owned(),
            json_type: "integer".to_owned(),
            minimum: Some(1.0),
            ..OptionLimits::default()
        };
        let list = OptionLimits {
            json_type: "array".to_owned(),
            item: Some(Box::new(OptionLimits {
                fields: vec![inner],
                json_type: "object".to_owned(),
                ..OptionLimits::default()
            })),
            maximum: Some(3.0),
            name: "shots".to_owned(),
            required: true,
            ..OptionLimits::default()
        };
        let expected = "shots: list of at most 3 of {shot: integer of at least 1}, needed";
        assert_eq!(option(&list), expected);
    }
}
