//! For tests: the smallest body that the catalogue itself calls valid.

use serde_json::{Map, Value, json};

use super::catalogue::{Field, Model};

/// A body with every required member and nothing else.
pub fn minimal(name: &str, model: &Model) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("model".into(), json!(name));
    for (member, field) in model.fields.iter().filter(|(_, field)| field.required) {
        body.insert(member.clone(), value(member, field));
    }
    body
}

fn value(name: &str, field: &Field) -> Value {
    if let Some(branches) = &field.any_of {
        return value(name, &branches[0]);
    }
    if let Some(values) = &field.values {
        return values[0].clone();
    }
    if let Some(members) = &field.object {
        let members = members.iter().filter(|(_, member)| member.required);
        return members
            .map(|(key, member)| (key.clone(), value(key, member)))
            .collect();
    }
    if let Some(element) = &field.array_of {
        return json!([value(name, element)]);
    }
    match field.kind.as_deref() {
        Some("integer" | "number") => json!(field.minimum.unwrap_or(5.0)),
        Some("boolean") => json!(true),
        _ if field.is_untyped_object() => json!({ "uri": "https://example.com/input" }),
        _ if name.ends_with("ri") || name.starts_with("promptImage") || name == "promptVideo" => {
            json!("https://example.com/input")
        }
        _ => json!("a quiet lake"),
    }
}
