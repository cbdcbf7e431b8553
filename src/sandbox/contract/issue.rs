//! One complaint about a body, in the shape the provider gives it.
//!
//! The codes and messages follow the `issues` members of a validation answer (`runway/api.md`
//! §4.1): `code`, `path`, `message` and extra members such as `maximum` and `origin`.

use serde::Serialize;
use serde_json::{Map, Value, json};

/// One entry of `issues`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Issue {
    code: &'static str,
    path: Vec<Value>,
    message: String,
    #[serde(flatten)]
    extra: Map<String, Value>,
}

impl Issue {
    /// A value of the wrong JSON type, or none at all (`found` is then `undefined`).
    pub fn wrong_type(path: &[Value], expected: &str, found: Option<&Value>) -> Self {
        let message = format!(
            "Invalid input: expected {expected}, received {}",
            found.map_or("undefined", type_name)
        );
        Self::new(
            "invalid_type",
            path,
            message,
            json!({ "expected": expected }),
        )
    }

    /// A value outside its list.
    pub fn not_listed(path: &[Value], values: &[Value]) -> Self {
        let list = values
            .iter()
            .map(Value::to_string)
            .collect::<Vec<_>>()
            .join("|");
        let message = format!("Invalid option: expected one of {list}");
        Self::new("invalid_value", path, message, json!({ "values": values }))
    }

    /// A number, length or count above its bound. `origin` is `number`, `string` or `array`.
    pub fn too_big(path: &[Value], origin: &str, maximum: f64) -> Self {
        let message = format!("Too big: expected {origin} to have <={maximum}");
        let extra = json!({ "origin": origin, "maximum": number(maximum), "inclusive": true });
        Self::new("too_big", path, message, extra)
    }

    /// A number, length or count below its bound.
    pub fn too_small(path: &[Value], origin: &str, minimum: f64) -> Self {
        let message = format!("Too small: expected {origin} to have >={minimum}");
        let extra = json!({ "origin": origin, "minimum": number(minimum), "inclusive": true });
        Self::new("too_small", path, message, extra)
    }

    /// Members that a strict model does not know.
    pub fn unknown_keys(keys: &[&str]) -> Self {
        let message = format!("Unrecognized keys: {}", keys.join(", "));
        Self::new("unrecognized_keys", &[], message, json!({ "keys": keys }))
    }

    /// No branch of a union fits.
    pub fn no_branch(path: &[Value]) -> Self {
        Self::new(
            "invalid_union",
            path,
            "Invalid input".into(),
            json!({ "errors": [] }),
        )
    }

    /// A rule that only prose states.
    pub fn rule(path: &[Value], message: impl Into<String>) -> Self {
        Self::new("custom", path, message.into(), json!({}))
    }

    fn new(code: &'static str, path: &[Value], message: String, extra: Value) -> Self {
        let extra = match extra {
            Value::Object(members) => members,
            _ => Map::new(),
        };
        Self {
            code,
            path: path.to_vec(),
            message,
            extra,
        }
    }
}

/// A bound without a fraction is written without one.
#[expect(
    clippy::cast_possible_truncation,
    reason = "bounds of the catalogue are below 2^53"
)]
fn number(bound: f64) -> Value {
    if bound.fract() == 0.0 {
        json!(bound as i64)
    } else {
        json!(bound)
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
