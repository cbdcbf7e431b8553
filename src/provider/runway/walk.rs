//! A walk over every endpoint and model of the catalogue file: the least and the most that a model
//! takes must become a body that a strict reader of the same file accepts, and one step outside any
//! bound must be refused by us, naming the field.
//!
//! The reader here is written from the file's format alone, apart from `config::catalog`.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use super::translate::{body, endpoint};
use crate::config::catalog;
use crate::domain::generation::{
    Draft, DraftInput, DraftSource, Generation, InvalidField, Limits, Operation, Role,
};
use crate::domain::model::Catalog;
use crate::domain::value::Value;

type Fields = Map<String, Json>;

struct Pair {
    operation: Operation,
    model: String,
    fields: Fields,
}

fn pairs() -> Vec<Pair> {
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

fn embedded() -> Catalog {
    catalog::parse(catalog::EMBEDDED).unwrap()
}

impl Pair {
    fn field(&self, name: &str) -> Option<&Json> {
        self.fields.get(name)
    }

    fn required(&self, name: &str) -> bool {
        self.field(name)
            .is_some_and(|field| field["required"] == true)
    }

    fn names(&self) -> impl Iterator<Item = (&String, &Json)> {
        self.fields
            .iter()
            .filter(|(name, _)| !name.starts_with('_'))
    }

    /// The least that the model takes.
    fn minimal(&self) -> Draft {
        let mut draft = Draft {
            model: self.model.clone(),
            operation: Some(self.operation),
            ..Draft::default()
        };
        if self.required("promptText") || self.operation == Operation::TextToVideo {
            draft.prompt = "a".repeat(bound(&self.fields["promptText"], "minLength").unwrap_or(1));
        }
        for (name, field) in self.names().filter(|(_, field)| field["required"] == true) {
            match slot(name) {
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
    fn maximal(&self) -> Draft {
        let mut draft = self.minimal();
        draft.inputs.clear();
        for (name, field) in self.names() {
            match (name.as_str(), slot(name)) {
                (_, Some(roles)) => draft.inputs.extend(most(name, field, roles)),
                ("promptText", _) => {
                    draft.prompt = "ä".repeat(bound(field, "maxLength").unwrap_or(32_000))
                }
                ("duration", _) => draft.seconds = Some(greatest(field).unwrap_or(7)),
                ("seed", _) => draft.seed = Some(u32::MAX.into()),
                ("audio", _) => draft.audio = Some(true),
                ("negativePrompt", _) => draft.negative_prompt = "rain".into(),
                ("outputCount" | "numVariants", _) => {
                    draft.count = Some(greatest(field).unwrap_or(3))
                }
                ("ratio", _) => draft.size = text(&sample(field, true)),
                ("resolution", _) if self.field("ratio").is_none() => {
                    draft.size = text(&sample(field, true));
                }
                // Excludes every other field; has a test of its own.
                ("draftTaskId", _) => {}
                ("mode", _) => {
                    _ = draft
                        .options
                        .insert(name.clone(), Value::String("reference".into()))
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
fn slot(name: &str) -> Option<&'static [Role]> {
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
        _ => return None,
    })
}

fn input(role: Role) -> DraftInput {
    let ending = match role {
        Role::SourceVideo | Role::ReferenceVideo | Role::Performance => "mp4",
        Role::SourceAudio | Role::ReferenceAudio => "mp3",
        _ => "jpg",
    };
    let source = DraftSource::Url(format!("https://example.com/a.{ending}"));
    DraftInput {
        source,
        role,
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

fn bound(field: &Json, name: &str) -> Option<usize> {
    field
        .get(name)?
        .as_u64()
        .map(|bound| usize::try_from(bound).unwrap())
}

fn range(field: &Json) -> (Option<f64>, Option<f64>) {
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
fn sample(field: &Json, most: bool) -> Value {
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

/// What a strict server would refuse in a body.
fn issues(pair: &Pair, body: &Json) -> Vec<String> {
    let mut issues = Vec::new();
    let fields: Fields = pair
        .names()
        .map(|(name, field)| (name.clone(), field.clone()))
        .collect();
    let mut given = body.as_object().unwrap().clone();
    assert_eq!(given.remove("model"), Some(json!(pair.model)));
    read_object(&fields, &given, "", &mut issues);
    issues
}

fn read_object(fields: &Fields, given: &Fields, at: &str, issues: &mut Vec<String>) {
    for (name, value) in given {
        match fields.get(name) {
            Some(field) => read(field, value, &format!("{at}.{name}"), issues),
            None => issues.push(format!("{at}.{name} is unknown")),
        }
    }
    for (name, _) in fields
        .iter()
        .filter(|(name, f)| f["required"] == true && !given.contains_key(*name))
    {
        issues.push(format!("{at}.{name} is missing"));
    }
}

fn read(field: &Json, value: &Json, at: &str, issues: &mut Vec<String>) {
    if let Some(shapes) = field["any_of"].as_array() {
        let fits = |shape: &&Json| {
            let mut inner = Vec::new();
            read(shape, value, at, &mut inner);
            inner.is_empty()
        };
        if !shapes.iter().any(|shape| fits(&shape)) {
            issues.push(format!("{at} fits no alternative: {value}"));
        }
        return read_bounds(field, value, at, issues);
    }
    let right = match (field["type"].as_str(), value) {
        _ if field.get("enum").is_some() => field["enum"].as_array().unwrap().contains(value),
        (_, Json::Object(given)) if field.get("object").is_some() => {
            read_object(field["object"].as_object().unwrap(), given, at, issues);
            true
        }
        (_, Json::Array(items)) if field.get("array_of").is_some() => {
            items
                .iter()
                .for_each(|item| read(&field["array_of"], item, &format!("{at}[]"), issues));
            true
        }
        (Some("boolean"), value) => value.is_boolean(),
        (Some("integer"), value) => value.is_i64() || value.is_u64(),
        (Some("number"), value) => value.is_number(),
        (Some("string" | "size"), value) => value.is_string(),
        (Some("<class 'object'>"), value) => value.is_object(),
        _ => false,
    };
    if !right {
        issues.push(format!("{at} is wrong: {value}"));
    }
    read_bounds(field, value, at, issues);
}

fn read_bounds(field: &Json, value: &Json, at: &str, issues: &mut Vec<String>) {
    let outside = |size: f64, (least, greatest): (Option<f64>, Option<f64>)| {
        least.is_some_and(|least| size < least) || greatest.is_some_and(|greatest| size > greatest)
    };
    let bounds = |least: &str, greatest: &str| (field[least].as_f64(), field[greatest].as_f64());
    #[expect(clippy::cast_precision_loss, reason = "small counts")]
    let wrong = match value {
        Json::Number(number) => outside(number.as_f64().unwrap(), range(field)),
        Json::String(text) => outside(
            text.encode_utf16().count() as f64,
            bounds("minLength", "maxLength"),
        ),
        Json::Array(items) => {
            outside(items.len() as f64, bounds("minItems", "maxItems"))
                || outside(items.len() as f64, (None, field["max_items"].as_f64()))
        }
        _ => false,
    };
    if wrong {
        issues.push(format!("{at} is out of bounds"));
    }
}

fn submit(draft: &Draft, catalog: &Catalog) -> Result<Json, Vec<InvalidField>> {
    let generation = Generation::new(draft, catalog, &Limits::default())?;
    let uris = vec!["runway://uploads/a".to_owned(); generation.inputs.len()];
    Ok(body(&generation, &uris, catalog))
}

#[test]
fn the_least_and_the_most_of_every_model_make_a_body_that_a_strict_reader_accepts() {
    let catalog = embedded();
    let pairs = pairs();
    assert_eq!(pairs.len(), 98);
    for pair in pairs {
        for (name, draft) in [("least", pair.minimal()), ("most", pair.maximal())] {
            let at = format!("{name} of {} {}", pair.operation, pair.model);
            let body = submit(&draft, &catalog).unwrap_or_else(|found| panic!("{at}: {found:?}"));
            assert_eq!(issues(&pair, &body), Vec::<String>::new(), "{at}: {body}");
        }
    }
}

#[test]
fn the_operation_follows_from_the_least_inputs_of_every_model() {
    let catalog = embedded();
    for pair in pairs() {
        let draft = Draft {
            operation: None,
            ..pair.minimal()
        };
        let settled = Generation::new(&draft, &catalog, &Limits::default());
        if pair.model == "seed_audio" {
            assert!(refused(&settled.unwrap_err(), "operation"));
        } else {
            assert_eq!(settled.unwrap().operation, pair.operation, "{}", pair.model);
        }
    }
}

fn refused(found: &[InvalidField], field: &str) -> bool {
    found.iter().any(|invalid| invalid.field == field)
}

/// Drafts that are one step outside one bound, with the field that must be named.
fn outside(pair: &Pair) -> Vec<(String, Draft)> {
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
        } else if let Some(roles) = slot(name) {
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
                draft.prompt = "a".repeat(longest + 1)
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
                draft.negative_prompt = "a".repeat(longest + 1)
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

#[test]
fn one_step_outside_any_bound_is_refused_naming_the_field() {
    let catalog = embedded();
    let mut tried = 0;
    for pair in pairs() {
        for (field, draft) in outside(&pair) {
            let at = format!("{} {} {field}", pair.operation, pair.model);
            let found = submit(&draft, &catalog).expect_err(&at);
            let named = found.iter().any(|invalid| {
                invalid
                    .field
                    .strip_prefix(&field)
                    .is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
            });
            assert!(named, "{at}: {found:?}");
            tried += 1;
        }
    }
    assert!(tried > 600, "{tried}");
}

#[test]
fn an_unknown_option_is_refused_where_the_model_is_strict_and_passed_elsewhere() {
    let catalog = embedded();
    for pair in pairs() {
        let mut draft = pair.minimal();
        draft.options.insert("fooBar".into(), Value::Bool(true));
        let settled = Generation::new(&draft, &catalog, &Limits::default());
        match pair.field("_strict").and_then(Json::as_bool) {
            Some(true) => assert!(refused(&settled.unwrap_err(), "provider_options.fooBar")),
            Some(false) => assert_eq!(settled.unwrap().notes, Vec::<String>::new()),
            None => assert!(
                settled.unwrap().notes[0].contains("fooBar"),
                "{}",
                pair.model
            ),
        }
    }
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
