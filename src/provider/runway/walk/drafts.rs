//! The least and the most that a model takes, read off the catalogue file.

use serde_json::{Map, Value as Json};

use super::super::translate::endpoint;
use crate::config::catalog;
use crate::domain::generation::{
    Draft, DraftInput, DraftSource, Keyframe, Moment, Operation, Role,
};
use crate::domain::value::Value;

pub(super) type Fields = Map<String, Json>;

pub(super) struct Pair {
    pub operation: Operation,
    pub model: String,
    pub fields: Fields,
}

pub(super) fn pairs() -> Vec<Pair> {
    let file: Json = serde_json::from_str(catalog::EMBEDDED).unwrap();
    let mut pairs = Vec::new();
    for operation in Operation::ALL {
        for (model, fields) in file["endpoints"][endpoint(operation)]["models"]
            .as_object()
            .unwrap()
        {
            let fields = fields.as_object().unwrap().clone();
            pairs.push(Pair {
                operation,
                model: model.clone(),
                fields,
            });
        }
    }
    pairs
}

impl Pair {
    pub fn field(&self, name: &str) -> Option<&Json> {
        self.fields.get(name)
    }

    fn required(&self, name: &str) -> bool {
        self.field(name)
            .is_some_and(|field| field["required"] == true)
    }

    pub fn names(&self) -> impl Iterator<Item = (&String, &Json)> {
        self.fields
            .iter()
            .filter(|(name, _)| !name.starts_with('_'))
    }

    /// The least that the model takes.
    pub fn minimal(&self) -> Draft {
        let mut draft = Draft {
            model: self.model.clone(),
            operation: Some(self.operation),
            ..Draft::default()
        };
        if self.required("promptText") || self.operation == Operation::TextToVideo {
            draft.prompt = "a".repeat(bound(&self.fields["promptText"], "minLength").unwrap_or(1));
        }
        for (name, field) in self.names().filter(|(_, field)| field["required"] == true) {
            match slot(name, field) {
                Some(roles) => draft.inputs.push(input(roles[0])),
                None if !TYPED.contains(&name.as_str()) => {
                    draft.options.insert(name.clone(), sample(field, false));
                }
                None => {}
            }
        }
        draft
    }

    /// Everything that the model takes, at the greatest value.
    pub fn maximal(&self) -> Draft {
        let mut draft = self.minimal();
        draft.inputs.clear();
        for (name, field) in self.names() {
            match (name.as_str(), slot(name, field)) {
                (_, Some(roles)) => draft.inputs.extend(most(name, field, roles)),
                ("promptText", _) => {
                    draft.prompt = "ä".repeat(bound(field, "maxLength").unwrap_or(32_000));
                }
                ("duration", _) => draft.seconds = Some(greatest(field).unwrap_or(7)),
                ("seed", _) => draft.seed = Some(u32::MAX.into()),
                ("audio", _) => draft.audio = Some(true),
                ("negativePrompt", _) => draft.negative_prompt = "rain".into(),
                ("outputCount" | "numVariants", _) => {
                    draft.count = Some(greatest(field).unwrap_or(3));
                }
                ("ratio", _) => draft.size = text(&sample(field, true)),
                ("resolution", _) if self.field("ratio").is_none() => {
                    draft.size = text(&sample(field, true));
                }
                // Excludes every other field; has a test of its own.
                ("draftTaskId", _) => {}
                ("mode", _) => {
                    draft
                        .options
                        .insert(name.clone(), Value::String("reference".into()));
                }
                ("outputFormat", _) if self.field("proresProfile").is_some() => {
                    let formats = field["enum"].as_array().unwrap();
                    let prores = formats
                        .iter()
                        .find(|format| format.as_str().unwrap().ends_with("prores"));
                    draft.options.insert(name.clone(), value(prores.unwrap()));
                }
                _ => _ = draft.options.insert(name.clone(), sample(field, true)),
            }
        }
        draft
    }
}

/// The roles of a field that holds media.
pub(super) fn slot(name: &str, field: &Json) -> Option<&'static [Role]> {
    Some(match name {
        "promptImage" => &[Role::Unspecified, Role::FirstFrame, Role::LastFrame],
        "promptVideo" | "videoUri" => &[Role::SourceVideo],
        "imageUri" => &[Role::SourceImage],
        "audioUri" | "media" => &[Role::SourceAudio],
        "character" => &[Role::Character],
        "reference" => &[Role::Performance],
        "references" | "referenceImages" => &[Role::Reference],
        "referenceVideos" => &[Role::ReferenceVideo],
        "referenceAudio" | "referenceAudios" => &[Role::ReferenceAudio],
        "maskUri" => &[Role::Mask],
        "keyframes" => &[Role::Keyframe],
        "voice" if field["object"].get("audioUri").is_some() => &[Role::Voice],
        _ => return None,
    })
}

pub(super) fn input(role: Role) -> DraftInput {
    let ending = match role {
        Role::SourceVideo | Role::ReferenceVideo | Role::Performance => "mp4",
        Role::SourceAudio | Role::ReferenceAudio | Role::Voice => "mp3",
        _ => "jpg",
    };
    let source = DraftSource::Url(format!("https://example.com/a.{ending}"));
    let moment = Some(Moment::Seconds(1.0));
    let keyframe = (role == Role::Keyframe).then(|| Keyframe {
        moment,
        ..Keyframe::default()
    });
    DraftInput {
        source,
        role,
        keyframe,
        ..DraftInput::default()
    }
}

fn most(name: &str, field: &Json, roles: &[Role]) -> Vec<DraftInput> {
    if name == "promptImage" {
        let last = field.to_string().contains("\"last\"");
        return roles[1..if last { 3 } else { 2 }]
            .iter()
            .map(|role| input(*role))
            .collect();
    }
    let many = field.get("array_of").is_some() || field.to_string().contains("array_of");
    let count = bound(field, "maxItems")
        .or(bound(field, "max_items"))
        .unwrap_or(if many { 2 } else { 1 });
    (0..count).map(|_| input(roles[0])).collect()
}

pub(super) fn bound(field: &Json, name: &str) -> Option<usize> {
    field
        .get(name)?
        .as_u64()
        .map(|bound| usize::try_from(bound).unwrap())
}

pub(super) fn range(field: &Json) -> (Option<f64>, Option<f64>) {
    let end = |index: usize, name: &str| field["range"][index].as_f64().or(field[name].as_f64());
    (end(0, "minimum"), end(1, "maximum"))
}

fn greatest(field: &Json) -> Option<u32> {
    if let Some(values) = field["enum"].as_array() {
        return values
            .iter()
            .filter_map(Json::as_u64)
            .max()
            .map(|max| u32::try_from(max).unwrap());
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "small limits of the file"
    )]
    range(field).1.map(|max| max as u32)
}

/// A value that the field takes: the last or the first.
pub(super) fn sample(field: &Json, most: bool) -> Value {
    if let Some(values) = field["enum"].as_array() {
        return value(if most { values.last() } else { values.first() }.unwrap());
    }
    if let Some(shapes) = field["any_of"].as_array() {
        return sample(&shapes[0], most);
    }
    if let Some(fields) = field["object"].as_object() {
        let wanted = fields
            .iter()
            .filter(|(_, field)| most || field["required"] == true);
        return Value::Object(
            wanted
                .map(|(name, field)| (name.clone(), sample(field, most)))
                .collect(),
        );
    }
    if let Some(item) = field.get("array_of") {
        let count = bound(field, "maxItems").filter(|_| most).unwrap_or(1);
        return Value::List((0..count).map(|_| sample(item, most)).collect());
    }
    let end = if most { range(field).1 } else { range(field).0 };
    match field["type"].as_str().unwrap() {
        "boolean" => Value::Bool(most),
        "size" => Value::String("2048:2048".into()),
        "integer" | "number" => Value::Number(end.unwrap_or(5.0)),
        _ if field.get("max_data_uri_mb").is_some() => Value::String("runway://uploads/a".into()),
        _ => Value::String("a".repeat(bound(field, "maxLength").filter(|_| most).unwrap_or(2))),
    }
}

fn value(json: &Json) -> Value {
    json.as_i64()
        .map_or_else(|| Value::String(json.as_str().unwrap().into()), Value::Int)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// Fields of Runway that a request names itself.
const TYPED: [&str; 9] = [
    "promptText",
    "duration",
    "ratio",
    "resolution",
    "seed",
    "audio",
    "negativePrompt",
    "outputCount",
    "numVariants",
];
