//! The stored form of a request: one JSON text, versioned by the names of its members.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::generation::{
    Generation, Input, InputSource, Keyframe, Measured, Moment, Operation, Role,
};
use crate::domain::task::Order;
use crate::domain::trace::TraceParent;
use crate::domain::value::Value;

/// An order as JSON.
pub fn encode(order: &Order) -> String {
    serde_json::to_string(&Stored::from(order)).unwrap_or_default()
}

/// An order from JSON; `None` when the text makes no sense.
pub fn decode(text: &str) -> Option<Order> {
    serde_json::from_str::<Stored>(text).ok()?.into_order()
}

/// The JSON form of a value, which numbers and texts pass unchanged.
fn value_to_json(value: &Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(flag) => (*flag).into(),
        Value::Int(int) => (*int).into(),
        Value::Number(number) => (*number).into(),
        Value::String(text) => text.as_str().into(),
        Value::List(list) => list.iter().map(value_to_json).collect(),
        Value::Object(object) => object
            .iter()
            .map(|(name, value)| (name.clone(), value_to_json(value)))
            .collect(),
    }
}

fn value_from_json(json: serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(flag) => Value::Bool(flag),
        serde_json::Value::Number(number) => number.as_i64().map_or_else(
            || Value::Number(number.as_f64().unwrap_or_default()),
            Value::Int,
        ),
        serde_json::Value::String(text) => Value::String(text),
        serde_json::Value::Array(list) => {
            Value::List(list.into_iter().map(value_from_json).collect())
        }
        serde_json::Value::Object(object) => Value::Object(
            object
                .into_iter()
                .map(|(name, value)| (name, value_from_json(value)))
                .collect(),
        ),
    }
}

#[derive(Serialize, Deserialize)]
struct Stored {
    asked: String,
    operation: String,
    model: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    prompt: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    negative_prompt: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    inputs: Vec<StoredInput>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    audio: Option<bool>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    options: BTreeMap<String, serde_json::Value>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, String>,
    timeout_ms: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    priority: i32,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    webhook: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trace: Option<String>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes fields by reference"
)]
const fn is_zero(number: &i32) -> bool {
    *number == 0
}

#[derive(Serialize, Deserialize)]
struct StoredInput {
    #[serde(flatten)]
    source: StoredSource,
    content_type: String,
    role: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    tag: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    subject: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    keyframe: Option<StoredKeyframe>,
    #[serde(default, skip_serializing_if = "StoredMeasured::is_empty")]
    measured: StoredMeasured,
}

#[derive(Default, PartialEq, Eq, Serialize, Deserialize)]
struct StoredMeasured {
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    width: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    height: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frames: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct StoredKeyframe {
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fraction: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<u32>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredSource {
    Url(String),
    Inline { size_bytes: u64, sha256: String },
}

impl From<&Order> for Stored {
    fn from(order: &Order) -> Self {
        let generation = &order.generation;
        Self {
            asked: order.model.clone(),
            operation: generation.operation.as_str().to_owned(),
            model: generation.model.clone(),
            prompt: generation.prompt.clone(),
            negative_prompt: generation.negative_prompt.clone(),
            inputs: generation.inputs.iter().map(StoredInput::from).collect(),
            seconds: generation.seconds,
            size: generation.size.clone(),
            count: generation.count,
            seed: generation.seed,
            audio: generation.audio,
            options: json_options(&generation.options),
            notes: generation.notes.clone(),
            labels: order.labels.clone(),
            timeout_ms: u64::try_from(order.timeout.as_millis()).unwrap_or(u64::MAX),
            priority: order.priority,
            webhook: order.webhook.clone(),
            trace: order.trace.map(|trace| trace.to_string()),
        }
    }
}

impl Stored {
    fn into_order(self) -> Option<Order> {
        let inputs = self.inputs.into_iter().map(StoredInput::into_input);
        Some(Order {
            model: self.asked,
            generation: Generation {
                operation: Operation::parse(&self.operation)?,
                model: self.model,
                prompt: self.prompt,
                negative_prompt: self.negative_prompt,
                inputs: inputs.collect::<Option<Vec<_>>>()?,
                seconds: self.seconds,
                size: self.size,
                count: self.count,
                seed: self.seed,
                audio: self.audio,
                options: self
                    .options
                    .into_iter()
                    .map(|(k, v)| (k, value_from_json(v)))
                    .collect(),
                notes: self.notes,
            },
            labels: self.labels,
            timeout: Duration::from_millis(self.timeout_ms),
            priority: self.priority,
            webhook: self.webhook,
            trace: self.trace.as_deref().and_then(TraceParent::parse),
        })
    }
}

impl From<&Input> for StoredInput {
    fn from(input: &Input) -> Self {
        let source = match &input.source {
            InputSource::Url(url) => StoredSource::Url(url.clone()),
            InputSource::Inline { size_bytes, sha256 } => StoredSource::Inline {
                size_bytes: *size_bytes,
                sha256: hex::encode(sha256),
            },
        };
        Self {
            source,
            content_type: input.content_type.clone(),
            role: input.role.as_str().to_owned(),
            tag: input.tag.clone(),
            subject: input.subject.clone(),
            keyframe: input.keyframe.as_ref().map(StoredKeyframe::from),
            measured: StoredMeasured::from(input.measured),
        }
    }
}

impl StoredInput {
    fn into_input(self) -> Option<Input> {
        let source = match self.source {
            StoredSource::Url(url) => InputSource::Url(url),
            StoredSource::Inline { size_bytes, sha256 } => {
                let sha256 = hex::decode(sha256).ok()?.try_into().ok()?;
                InputSource::Inline { size_bytes, sha256 }
            }
        };
        Some(Input {
            source,
            content_type: self.content_type,
            role: Role::parse(&self.role)?,
            tag: self.tag,
            subject: self.subject,
            keyframe: self.keyframe.map(StoredKeyframe::into_keyframe),
            measured: self.measured.into_measured(),
        })
    }
}

impl From<Measured> for StoredMeasured {
    fn from(measured: Measured) -> Self {
        let Measured {
            duration_ms,
            width,
            height,
            frames,
        } = measured;
        Self {
            duration_ms,
            width,
            height,
            frames,
        }
    }
}

impl StoredMeasured {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn into_measured(self) -> Measured {
        let Self {
            duration_ms,
            width,
            height,
            frames,
        } = self;
        Measured {
            duration_ms,
            width,
            height,
            frames,
        }
    }
}

impl From<&Keyframe> for StoredKeyframe {
    fn from(keyframe: &Keyframe) -> Self {
        let (seconds, fraction) = match keyframe.moment {
            Some(Moment::Seconds(at)) => (Some(at), None),
            Some(Moment::Fraction(at)) => (None, Some(at)),
            None => (None, None),
        };
        let (from, to) = (keyframe.range_start_seconds, keyframe.range_end_seconds);
        Self {
            seconds,
            fraction,
            from,
            to,
        }
    }
}

impl StoredKeyframe {
    fn into_keyframe(self) -> Keyframe {
        let seconds = self.seconds.map(Moment::Seconds);
        Keyframe {
            moment: seconds.or(self.fraction.map(Moment::Fraction)),
            range_start_seconds: self.from,
            range_end_seconds: self.to,
        }
    }
}

fn json_options(options: &BTreeMap<String, Value>) -> BTreeMap<String, serde_json::Value> {
    options
        .iter()
        .map(|(name, value)| (name.clone(), value_to_json(value)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_reads_back() {
        let inline = InputSource::Inline {
            size_bytes: 9,
            sha256: [3; 32],
        };
        let input = |source| Input {
            source,
            content_type: "image/png".to_owned(),
            role: Role::FirstFrame,
            tag: "cat".to_owned(),
            subject: "object".to_owned(),
            keyframe: Some(Keyframe {
                moment: Some(Moment::Fraction(0.25)),
                range_start_seconds: Some(1),
                range_end_seconds: None,
            }),
            measured: Measured {
                duration_ms: Some(5_000),
                frames: Some(120),
                ..Measured::default()
            },
        };
        let nested = Value::List(vec![Value::Null, Value::Number(0.5), Value::Bool(true)]);
        let options = [("a", Value::Int(-3)), ("b", nested)];
        let order = Order {
            model: "runwayml/gen4_turbo".to_owned(),
            generation: Generation {
                operation: Operation::ImageToVideo,
                model: "gen4_turbo".to_owned(),
                prompt: "ünïcödé \u{1F600}".to_owned(),
                negative_prompt: String::new(),
                inputs: vec![
                    input(inline),
                    input(InputSource::Url("https://e.org/a".to_owned())),
                ],
                seconds: Some(5),
                size: None,
                count: None,
                seed: Some(u64::MAX),
                audio: Some(false),
                options: options
                    .into_iter()
                    .map(|(k, v)| (k.to_owned(), v))
                    .collect(),
                notes: vec!["note".to_owned()],
            },
            labels: [("team".to_owned(), "x".to_owned())].into(),
            timeout: Duration::from_hours(1),
            priority: -3,
            webhook: "https://hooks.example.com/a".to_owned(),
            trace: None,
        };
        assert_eq!(decode(&encode(&order)), Some(order));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            "{}",
            "[]",
            r#"{"asked":"a","operation":"fly","model":"m","timeout_ms":1}"#,
        ] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
