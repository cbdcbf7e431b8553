//! The least and the most that a model takes, as a caller writes them.

use mediagen::pb::v1::input_reference::Source;
use mediagen::pb::v1::keyframe::Position;
use mediagen::pb::v1::{CreateRequest, InputReference, Keyframe, Role};
use prost_types::{ListValue, Struct, Value, value::Kind};
use serde_json::{Map, Value as Json, json};

use super::catalogue::{Pair, bound, most_media, places, range, typed};
use crate::harness::client::fresh;

/// A request before its options are turned into protobuf.
#[derive(Clone, Default)]
pub struct Wanted {
    pub request: CreateRequest,
    pub options: Map<String, Json>,
}

impl Wanted {
    /// The message.
    pub fn message(&self) -> CreateRequest {
        let mut request = self.request.clone();
        request.request_id = fresh("pair");
        request.provider_options =
            Some(to_struct(&self.options)).filter(|it| !it.fields.is_empty());
        request
    }

    pub fn input(&mut self, role: Role) {
        self.request.input_references.push(input(role));
    }
}

/// Only what the model needs.
pub fn least(pair: &Pair) -> Wanted {
    let mut wanted = bare(pair);
    for (name, field) in pair.members() {
        let needed = field["required"] == true;
        match (name, &places(name, field)[..]) {
            ("promptText", _) if needed || needs_something(pair) => {
                let letters = bound(field, &["minLength"]).unwrap_or(1);
                wanted.request.prompt = "a".repeat(letters);
            }
            (_, [first, ..]) if needed => wanted.input(*first),
            _ if needed && typed(name).is_none() => {
                wanted.options.insert(name.into(), sample(field, false));
            }
            _ => {}
        }
    }
    wanted
}

/// Everything that the model takes together, at the greatest value.
pub fn most(pair: &Pair) -> Wanted {
    let mut wanted = bare(pair);
    for (name, field) in pair.members() {
        match (name, &places(name, field)[..]) {
            // Excludes every other field; it has a request of its own.
            ("draftTaskId", _) => {}
            ("promptImage", roles) => {
                for role in roles.iter().filter(|role| **role != Role::Reference) {
                    wanted.input(*role);
                }
            }
            (_, [role, ..]) => {
                for _ in 0..most_media(field).unwrap_or(2) {
                    wanted.input(*role);
                }
            }
            _ => set_most(pair, name, field, &mut wanted),
        }
    }
    wanted
}

fn set_most(pair: &Pair, name: &str, field: &Json, wanted: &mut Wanted) {
    let request = &mut wanted.request;
    match typed(name) {
        Some("prompt") => {
            let letters = bound(field, &["maxLength"]).unwrap_or(2_000);
            request.prompt = "ä".repeat(letters);
        }
        Some("seconds") => request.seconds = Some(greatest(field).unwrap_or(7)),
        Some("seed") => request.seed = Some(u32::MAX.into()),
        Some("audio") => request.audio = Some(true),
        Some("negative_prompt") => request.negative_prompt = "rain".into(),
        Some("count") => request.count = Some(greatest(field).unwrap_or(3)),
        Some("size") if request.size.is_empty() => {
            let size = sample(field, true);
            request.size = size.as_str().unwrap().into();
        }
        Some(_) => _ = wanted.options.insert(name.into(), sample(field, true)),
        None => {
            let value = match name {
                "mode" => json!("reference"),
                // The profile goes only with one of these.
                "outputFormat" if pair.member("proresProfile").is_some() => {
                    let formats = field["enum"].as_array().unwrap();
                    let prores = |format: &&Json| format.as_str().unwrap().ends_with("prores");
                    formats.iter().find(prores).unwrap().clone()
                }
                _ => sample(field, true),
            };
            wanted.options.insert(name.into(), value);
        }
    }
}

fn bare(pair: &Pair) -> Wanted {
    let request = CreateRequest {
        model: pair.model.clone(),
        operation: pair.operation as i32,
        ..CreateRequest::default()
    };
    Wanted {
        request,
        ..Wanted::default()
    }
}

fn needs_something(pair: &Pair) -> bool {
    pair.rules().iter().any(|rule| rule["rule"] == "something")
}

/// Media by address, of the kind that the role wants.
pub fn input(role: Role) -> InputReference {
    let ending = match role {
        Role::SourceVideo | Role::ReferenceVideo | Role::Performance => "mp4",
        Role::SourceAudio | Role::ReferenceAudio | Role::Voice => "mp3",
        _ => "jpg",
    };
    let moment = Position::Time(prost_types::Duration {
        seconds: 1,
        nanos: 0,
    });
    InputReference {
        source: Some(Source::Url(format!("https://example.com/a.{ending}"))),
        role: role as i32,
        keyframe: (role == Role::Keyframe).then(|| Keyframe {
            position: Some(moment),
            ..Keyframe::default()
        }),
        ..InputReference::default()
    }
}

/// A value that a member takes: the least or the greatest.
pub fn sample(field: &Json, most: bool) -> Json {
    if let Some(values) = field["enum"].as_array() {
        return if most { values.last() } else { values.first() }
            .unwrap()
            .clone();
    }
    if let Some(forms) = field["any_of"].as_array() {
        return sample(&forms[0], most);
    }
    if let Some(members) = field["object"].as_object() {
        let wanted = members
            .iter()
            .filter(|(_, member)| most || member["required"] == true);
        return wanted
            .map(|(name, member)| (name.clone(), sample(member, most)))
            .collect();
    }
    if let Some(item) = field.get("array_of") {
        let items = bound(field, &["maxItems"]).filter(|_| most).unwrap_or(1);
        return (0..items).map(|_| sample(item, most)).collect();
    }
    let (low, high) = range(field);
    let number = if most { high } else { low }.unwrap_or(5.0);
    match field["type"].as_str().unwrap() {
        "boolean" => json!(most),
        "integer" | "number" => json!(number.min(1e6)),
        "size" => json!("2048:2048"),
        _ if field.get("max_data_uri_mb").is_some() => json!("https://example.com/a"),
        _ => json!("a".repeat(bound(field, &["maxLength"]).filter(|_| most).unwrap_or(2))),
    }
}

/// The greatest whole number that a member takes, where the file says.
pub fn greatest(field: &Json) -> Option<u32> {
    let whole = |number: u64| u32::try_from(number).unwrap();
    if let Some(values) = field["enum"].as_array() {
        return values.iter().filter_map(Json::as_u64).max().map(whole);
    }
    let most = field["range"][1].as_u64().or(field["maximum"].as_u64());
    most.map(whole)
}

fn to_struct(fields: &Map<String, Json>) -> Struct {
    let values = fields
        .iter()
        .map(|(name, value)| (name.clone(), to_value(value)));
    Struct {
        fields: values.collect(),
    }
}

fn to_value(json: &Json) -> Value {
    let kind = match json {
        Json::Null => Kind::NullValue(0),
        Json::Bool(flag) => Kind::BoolValue(*flag),
        Json::Number(number) => Kind::NumberValue(number.as_f64().unwrap()),
        Json::String(text) => Kind::StringValue(text.clone()),
        Json::Array(items) => Kind::ListValue(ListValue {
            values: items.iter().map(to_value).collect(),
        }),
        Json::Object(fields) => Kind::StructValue(to_struct(fields)),
    };
    Value { kind: Some(kind) }
}
