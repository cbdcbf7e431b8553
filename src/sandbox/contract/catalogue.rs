//! The sandbox's own reading of the catalogue file: which members each (endpoint, model) takes.
//!
//! Deliberately its own parser, so that a mistake in the service's reading of the same file shows
//! up as a refusal here. What the file cannot say is in `rules` and `media_uri`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// Everything the catalogue says, by endpoint path (`/v1/...`).
#[derive(Debug)]
pub struct Catalogue {
    endpoints: BTreeMap<String, Endpoint>,
}

/// What one endpoint makes, and for which models.
#[derive(Debug)]
pub struct Endpoint {
    /// The kind of media that comes out.
    pub output: Output,
    /// The models that it serves.
    pub models: BTreeMap<String, Model>,
}

/// The kind of media that a task makes.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Output {
    /// An MP4 file.
    Video,
    /// A PNG file.
    Image,
    /// A WAV file.
    Audio,
}

/// The members of one model's body.
#[derive(Debug)]
pub struct Model {
    /// Members by name, `model` excepted.
    pub fields: BTreeMap<String, Field>,
    /// Whether unknown members are refused.
    pub strict: bool,
}

/// One member, element or branch. Exactly one of `array_of`, `object`, `any_of`, `values` and
/// `kind` says what it is; bounds stand beside it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Field {
    /// Whether the member must be present.
    pub required: bool,
    /// A scalar's JSON type: `string`, `integer`, `number`, `boolean`; or [`UNTYPED_OBJECT`].
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// The values allowed.
    #[serde(rename = "enum")]
    pub values: Option<Vec<Value>>,
    /// What each element of an array is.
    pub array_of: Option<Box<Field>>,
    /// The members of an object.
    pub object: Option<BTreeMap<String, Field>>,
    /// The shapes of which one must fit.
    pub any_of: Option<Vec<Field>>,
    /// Least number.
    pub minimum: Option<f64>,
    /// Greatest number.
    pub maximum: Option<f64>,
    /// Least and greatest number as a docstring gives them. Beside an array or an object it
    /// speaks of seconds, not of a count, and `rules` deals with it.
    pub range: Option<[f64; 2]>,
    /// Least length in UTF-16 code units.
    #[serde(rename = "minLength")]
    pub min_length: Option<usize>,
    /// Greatest length in UTF-16 code units.
    #[serde(rename = "maxLength")]
    pub max_length: Option<usize>,
    /// Least count of elements.
    #[serde(rename = "minItems")]
    pub min_items: Option<usize>,
    /// Greatest count of elements.
    #[serde(rename = "maxItems", alias = "max_items")]
    pub max_items: Option<usize>,
    /// Present on members that hold a media URI.
    pub max_data_uri_mb: Option<f64>,
}

impl Field {
    /// Whether all that is known of it is that it is an object.
    pub fn is_untyped_object(&self) -> bool {
        self.kind.as_deref() == Some(UNTYPED_OBJECT)
    }
}

#[derive(Deserialize)]
struct RawCatalogue {
    endpoints: BTreeMap<String, RawEndpoint>,
}

#[derive(Deserialize)]
struct RawEndpoint {
    output: Output,
    models: BTreeMap<String, BTreeMap<String, Value>>,
}

impl Catalogue {
    /// Parses the embedded file.
    pub fn embedded() -> serde_json::Result<Self> {
        let raw: RawCatalogue = serde_json::from_str(include_str!("../catalog.json"))?;
        let endpoints = raw
            .endpoints
            .into_iter()
            .map(|(path, raw)| Ok((path, endpoint(raw)?)));
        Ok(Self {
            endpoints: endpoints.collect::<serde_json::Result<_>>()?,
        })
    }

    /// Adds a model that takes anything, unless the file has it.
    pub fn add(&mut self, path: &str, model: &str) {
        if let Some(endpoint) = self.endpoints.get_mut(path) {
            endpoint.models.entry(model.to_owned()).or_insert(Model {
                fields: BTreeMap::new(),
                strict: false,
            });
        }
    }

    /// Every endpoint by path.
    #[cfg(test)]
    pub fn endpoints(&self) -> impl Iterator<Item = (&str, &Endpoint)> {
        self.endpoints
            .iter()
            .map(|(path, endpoint)| (path.as_str(), endpoint))
    }

    /// One endpoint.
    pub fn endpoint(&self, path: &str) -> Option<&Endpoint> {
        self.endpoints.get(path)
    }

    /// The names of all models, once each.
    pub fn model_names(&self) -> std::collections::BTreeSet<&str> {
        self.endpoints
            .values()
            .flat_map(|e| e.models.keys().map(String::as_str))
            .collect()
    }
}

fn endpoint(raw: RawEndpoint) -> serde_json::Result<Endpoint> {
    let models = raw.models.into_iter().map(|(name, members)| {
        let model = model(&name, members)?;
        Ok((name, model))
    });
    Ok(Endpoint {
        output: raw.output,
        models: models.collect::<serde_json::Result<_>>()?,
    })
}

fn model(name: &str, members: BTreeMap<String, Value>) -> serde_json::Result<Model> {
    let mut strict = is_strict_by_prose(name);
    let mut fields = BTreeMap::new();
    for (key, value) in members {
        // Names that begin so are notes on the model, not members of its body.
        if key == "_strict" {
            strict |= value == Value::Bool(true);
        } else if !key.starts_with('_') {
            fields.insert(key, serde_json::from_value(value)?);
        }
    }
    Ok(Model { fields, strict })
}

/// Veo's variants became strict on 2026-09-02, after the document the file was made from (§2.2).
fn is_strict_by_prose(model: &str) -> bool {
    model.starts_with("veo")
}

/// How the file writes a member that its source declares as a bare object.
const UNTYPED_OBJECT: &str = "<class 'object'>";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_begin_with_an_underscore_are_no_members() {
        let members =
            serde_json::json!({"_price": "named", "_strict": true, "seed": {"type": "integer"}});
        let model = model("new", serde_json::from_value(members).unwrap()).unwrap();
        assert!(model.strict);
        assert_eq!(model.fields.keys().collect::<Vec<_>>(), ["seed"]);
    }
}
