//! Drafts one step outside each bound of a model.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::drafts::{Pair, bound, input, range, sample, slot};
use crate::domain::generation::Draft;
use crate::domain::value::Value;

/// Drafts that are one step outside one bound, with the field that must be named.
pub(super) fn outside(pair: &Pair) -> Vec<(String, Draft)> {
    let mut drafts = Vec::new();
    for (name, field) in pair.names() {
        let least = || pair.minimal();
        if let Some(field_name) = TYPED_NAMES
            .iter()
            .find(|(wire, _)| wire == name)
            .map(|(_, ours)| *ours)
        {
            for change in typed_outside(field_name, field) {
                let mut draft = least();
                change(&mut draft);
                drafts.push((field_name.to_owned(), draft));
            }
        } else if let Some(roles) = slot(name, field) {
            let mut draft = least();
            let limit = bound(field, "maxItems").or(bound(field, "max_items"));
            if let Some(limit) = limit {
                draft.inputs.retain(|input| input.role != roles[0]);
                draft.inputs.extend((0..=limit).map(|_| input(roles[0])));
                let index = draft.inputs.len() - 1;
                drafts.push((format!("input_references[{index}].role"), draft));
            }
            if field["required"] == true {
                drafts.push((
                    "input_references".to_owned(),
                    Draft {
                        inputs: vec![],
                        ..least()
                    },
                ));
            }
        } else {
            drafts.extend(options_outside(name, field, &least()));
        }
    }
    drafts
}

type Change = Box<dyn Fn(&mut Draft)>;

fn typed_outside(ours: &str, field: &Json) -> Vec<Change> {
    let mut changes: Vec<Change> = Vec::new();
    let longest = bound(field, "maxLength").unwrap_or(32_000);
    match ours {
        "prompt" => {
            changes.push(Box::new(move |draft| {
                draft.prompt = "a".repeat(longest + 1);
            }));
            if bound(field, "minLength").is_some_and(|least| least > 1) {
                changes.push(Box::new(|draft| draft.prompt = "a".into()));
            }
            if field["required"] == true {
                changes.push(Box::new(|draft| draft.prompt.clear()));
            }
        }
        "negative_prompt" => {
            changes.push(Box::new(move |draft| {
                draft.negative_prompt = "a".repeat(longest + 1);
            }));
        }
        "size" => changes.push(Box::new(|draft| draft.size = "nonsense".into())),
        "seed" => changes.push(Box::new(|draft| draft.seed = Some(u64::from(u32::MAX) + 1))),
        _ => {
            let (least, greatest) = range(field);
            let beyond = [
                least.map(|least| least - 1.0),
                greatest.map(|greatest| greatest + 1.0),
            ];
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "small limits"
            )]
            let mut wrong: Vec<u32> = beyond
                .into_iter()
                .flatten()
                .map(|bound| bound as u32)
                .collect();
            wrong.extend(field.get("enum").map(|_| 3));
            wrong.push(0);
            for wrong in wrong {
                let seconds = ours == "seconds";
                changes.push(Box::new(move |draft| {
                    *(if seconds {
                        &mut draft.seconds
                    } else {
                        &mut draft.count
                    }) = Some(wrong);
                }));
            }
        }
    }
    changes
}

fn options_outside(name: &str, field: &Json, least: &Draft) -> Vec<(String, Draft)> {
    let mut wrong = vec![];
    let (minimum, maximum) = range(field);
    if field.get("type").is_some() && field.get("array_of").is_none() {
        wrong.extend(minimum.map(|minimum| Value::Number(minimum - 1.0)));
        wrong.extend(
            maximum
                .filter(|max| *max < 1e9)
                .map(|maximum| Value::Number(maximum + 1.0)),
        );
        wrong.extend(
            bound(field, "maxLength").map(|longest| Value::String("a".repeat(longest + 1))),
        );
    }
    wrong.extend(field.get("enum").map(|_| Value::String("nonsense".into())));
    if let Some(longest) = bound(field, "maxItems") {
        wrong.push(Value::List(
            (0..=longest)
                .map(|_| sample(&field["array_of"], true))
                .collect(),
        ));
    }
    wrong.push(Value::List(vec![Value::List(vec![])]));
    let mut drafts: Vec<(String, Draft)> = wrong
        .into_iter()
        .map(|value| {
            let mut draft = least.clone();
            draft.options.insert(name.to_owned(), value);
            draft
        })
        .map(|draft| (format!("provider_options.{name}"), draft))
        .collect();
    if field["required"] == true {
        drafts.push((
            format!("provider_options.{name}"),
            Draft {
                options: BTreeMap::new(),
                ..least.clone()
            },
        ));
    }
    drafts
}

/// Those with bounds, and our names of them.
const TYPED_NAMES: [(&str, &str); 8] = [
    ("promptText", "prompt"),
    ("duration", "seconds"),
    ("ratio", "size"),
    ("resolution", "size"),
    ("seed", "seed"),
    ("negativePrompt", "negative_prompt"),
    ("outputCount", "count"),
    ("numVariants", "count"),
];
