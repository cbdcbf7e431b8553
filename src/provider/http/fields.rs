//! A generation's fields under the provider's names.

use serde_json::{Map, Value as Json, json};

use crate::domain::generation::Generation;
use crate::domain::model::{Param, Spec};
use crate::domain::value::Value;

/// Writes the fields that a request names itself.
pub(in crate::provider) fn write_typed(
    generation: &Generation,
    spec: &Spec,
    body: &mut Map<String, Json>,
) {
    let typed = &spec.typed;
    let text = |text: &String| (!text.is_empty()).then(|| json!(text));
    let mut write = |param: Option<&Param>, value: Option<Json>| {
        if let (Some(param), Some(value)) = (param, value) {
            body.insert(param.name.clone(), value);
        }
    };
    write(typed.prompt.as_ref(), text(&generation.prompt));
    write(
        typed.negative_prompt.as_ref(),
        text(&generation.negative_prompt),
    );
    write(
        typed.seconds.as_ref(),
        generation.seconds.map(|seconds| json!(seconds)),
    );
    write(
        typed.count.as_ref(),
        generation.count.map(|count| json!(count)),
    );
    write(typed.seed.as_ref(), generation.seed.map(|seed| json!(seed)));
    write(
        typed.audio.as_ref(),
        generation.audio.map(|audio| json!(audio)),
    );
    let size = generation.size.as_ref().and_then(|size| spec.size(size));
    if let Some((param, size)) = size {
        write(Some(param), Some(json!(size)));
    }
}

/// A value as JSON.
pub(in crate::provider) fn to_json(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(flag) => json!(flag),
        Value::String(text) => json!(text),
        Value::List(items) => items.iter().map(to_json).collect(),
        Value::Object(fields) => Json::Object(
            fields
                .iter()
                .map(|(name, value)| (name.clone(), to_json(value)))
                .collect(),
        ),
        Value::Int(_) | Value::Number(_) => match value.as_int() {
            Some(int) => json!(int),
            None => json!(value.as_number()),
        },
    }
}
