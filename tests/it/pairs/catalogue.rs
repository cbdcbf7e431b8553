//! The catalogue file as this test reads it: its own reading, from the file's text alone.

use mediagen::pb::v1::{Operation, Role};
use serde_json::{Map, Value as Json};

/// The members of one model's body, by name.
pub type Fields = Map<String, Json>;

/// One endpoint's one model.
pub struct Pair {
    pub operation: Operation,
    pub model: String,
    pub fields: Fields,
}

/// Every pair of the file.
pub fn pairs() -> Vec<Pair> {
    let file: Json = serde_json::from_str(FILE).unwrap();
    let mut pairs = Vec::new();
    for (path, endpoint) in file["endpoints"].as_object().unwrap() {
        let name = path.trim_start_matches("/v1/").to_uppercase();
        let operation = Operation::from_str_name(&format!("OPERATION_{name}")).unwrap();
        for (model, fields) in endpoint["models"].as_object().unwrap() {
            pairs.push(Pair {
                operation,
                model: model.clone(),
                fields: fields.as_object().unwrap().clone(),
            });
        }
    }
    pairs
}

impl Pair {
    /// The members, without what only we say of the model.
    pub fn members(&self) -> impl Iterator<Item = (&str, &Json)> {
        let named = self
            .fields
            .iter()
            .filter(|(name, _)| !name.starts_with('_'));
        named.map(|(name, field)| (name.as_str(), field))
    }

    pub fn member(&self, name: &str) -> Option<&Json> {
        self.fields.get(name)
    }

    pub fn is_strict(&self) -> bool {
        self.member("_strict") == Some(&Json::Bool(true))
    }

    /// The rules across members.
    pub fn rules(&self) -> &[Json] {
        self.member("_rules")
            .and_then(Json::as_array)
            .map_or(&[], Vec::as_slice)
    }

    /// Whether a role has a place here.
    pub fn takes(&self, role: Role) -> bool {
        self.members()
            .any(|(name, field)| places(name, field).contains(&role))
    }
}

/// The field of a request that stands for a member, where one does.
pub fn typed(member: &str) -> Option<&'static str> {
    Some(match member {
        "promptText" => "prompt",
        "duration" => "seconds",
        "ratio" | "resolution" | "targetAspectRatio" => "size",
        "seed" => "seed",
        "audio" => "audio",
        "negativePrompt" => "negative_prompt",
        "outputCount" | "numVariants" => "count",
        _ => return None,
    })
}

/// The roles of the media that go into a member; none: it holds no media.
pub fn places(member: &str, field: &Json) -> Vec<Role> {
    match member {
        "promptImage" => prompt_images(field),
        "promptVideo" | "videoUri" => vec![Role::SourceVideo],
        "imageUri" => vec![Role::SourceImage],
        "audioUri" | "media" => vec![Role::SourceAudio],
        "character" => vec![Role::Character],
        "reference" => vec![Role::Performance],
        "references" | "referenceImages" => vec![Role::Reference],
        "referenceVideos" => vec![Role::ReferenceVideo],
        "referenceAudio" | "referenceAudios" => vec![Role::ReferenceAudio],
        "maskUri" => vec![Role::Mask],
        "keyframes" => vec![Role::Keyframe],
        "voice" if field["object"].get("audioUri").is_some() => vec![Role::Voice],
        _ => Vec::new(),
    }
}

/// What the items of a prompt's images may be; those whose position may be left out are references.
fn prompt_images(field: &Json) -> Vec<Role> {
    let list = field["any_of"]
        .as_array()
        .unwrap()
        .iter()
        .find_map(|form| form.get("array_of"));
    let position = &list.unwrap()["object"]["position"];
    let listed = |name: &str| {
        let names = position["enum"].as_array();
        names.is_none_or(|names| names.iter().any(|known| known == name))
    };
    let frame = |name, role| listed(name).then_some(role);
    let reference = (position["required"] != true).then_some(Role::Reference);
    [
        frame("first", Role::FirstFrame),
        frame("last", Role::LastFrame),
        reference,
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Least and greatest number that a member takes, as far as the file says.
pub fn range(field: &Json) -> (Option<f64>, Option<f64>) {
    let end = |index: usize, name: &str| field["range"][index].as_f64().or(field[name].as_f64());
    (end(0, "minimum"), end(1, "maximum"))
}

/// A count or a length that the file gives under one of these names.
pub fn bound(field: &Json, names: &[&str]) -> Option<usize> {
    let found = names.iter().find_map(|name| field[*name].as_u64());
    found.map(|bound| usize::try_from(bound).unwrap())
}

/// Most media of a member; none: the file does not say.
pub fn most_media(field: &Json) -> Option<usize> {
    let many = field.get("array_of").is_some() || field["any_of"].to_string().contains("array_of");
    let limit = bound(field, &["maxItems", "max_items"]);
    if many { limit } else { Some(1) }
}

const FILE: &str = include_str!("../../../config/runway_catalog.json");
