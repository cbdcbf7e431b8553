//! The catalogues of RunwayML's and OpenAI's models: from their JSON text to `domain::model` values.
//!
//! The file is data: a new model is a row. `endpoints` keeps the layout in which Runway's SDK is
//! extracted; which of Runway's names stands for which field of ours is said by `typed` and
//! `inputs`, in the same file. What a name means on the wire is `provider::runway`'s business.
//!
//! A file may come from an operator, so every row is held to the rules of `row` and `attributes`,
//! and everything that is wrong with a file is told at once.

mod attributes;
mod defaults;
pub mod diff;
pub mod document;
pub(super) mod overlay;
mod price;
mod row;
mod rows;
mod shape;
mod spec;
mod update;

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use serde_json::Value as Json;

use crate::domain::generation::Operation;
use crate::domain::model::{Catalog, Extras, Offer};
use document::Document;

pub use super::models::{Effective, effective};
pub use update::update;

/// The catalogue that is compiled in.
pub const EMBEDDED: &str = include_str!("../../../config/runway_catalog.json");

/// What is compiled in of `OpenAI`'s models.
pub const OPENAI: &str = include_str!("../../../config/openai_catalog.json");

/// One thing that is wrong with a catalogue, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogError {
    /// The way to it: endpoint, model, field, and what is inside. Empty: the file as a whole.
    pub place: Vec<String>,
    /// A sentence.
    pub problem: String,
}

/// Everything that is wrong with a catalogue. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogErrors(pub Vec<CatalogError>);

impl fmt::Display for CatalogError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.place();
        if place.is_empty() {
            return out.write_str(&self.problem);
        }
        write!(out, "{place}: {}", self.problem)
    }
}

impl fmt::Display for CatalogErrors {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        let noun = if count == 1 { "problem" } else { "problems" };
        write!(out, "the catalogue has {count} {noun}")?;
        for error in &self.0 {
            write!(out, "\n  {error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for CatalogError {}
impl std::error::Error for CatalogErrors {}

/// Parses a catalogue.
pub fn parse(text: &str) -> Result<Catalog, CatalogErrors> {
    read(&document(text)?.to_json())
}

/// The catalogues that are compiled in, as one.
pub fn embedded() -> Result<Catalog, CatalogErrors> {
    let mut catalog = parse(EMBEDDED)?;
    catalog.join(parse(OPENAI)?);
    Ok(catalog)
}

/// Reads the text of a catalogue file, as far as it is JSON.
pub fn document(text: &str) -> Result<Document, CatalogErrors> {
    if text.len() as u64 > MAX_FILE {
        return Err(CatalogErrors(vec![wrong("", "is larger than 16MiB")]));
    }
    Document::parse(text).map_err(|error| {
        let problem = format!("is no catalogue: {error}");
        CatalogErrors(vec![wrong("", &problem)])
    })
}

/// The text of a catalogue file; never more than a catalogue can have.
pub fn read_file(path: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| format!("cannot be opened: {error}"))?;
    let read = file.take(MAX_FILE + 1).read_to_end(&mut bytes);
    read.map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.len() as u64 > MAX_FILE {
        return Err("is larger than 16MiB".into());
    }
    String::from_utf8(bytes).map_err(|_| "is not UTF-8".into())
}

/// The meaning of a catalogue; everything that is wrong with it otherwise.
pub(super) fn read(file: &Json) -> Result<Catalog, CatalogErrors> {
    let file = rows::File::read(file).map_err(|mut errors| {
        errors.truncate(MOST_ERRORS);
        CatalogErrors(errors)
    })?;
    let mut found = Found::default();
    if !file.prefix.ends_with('/') || file.prefix.len() < 2 {
        found.errors.push(wrong("prefix", "must be a name and `/`"));
    }
    if let Err(error) = price::check(&file.tariffs) {
        found.errors.push(error);
    }
    found.errors.extend(row::large_tariffs(&file));
    for (path, endpoint) in &file.endpoints {
        found.endpoint(&file, path, endpoint);
    }
    if found.offers.len() > MAX_MODELS {
        let problem = format!("holds more than {MAX_MODELS} models");
        found.errors.push(wrong("endpoints", &problem));
    }
    if !found.errors.is_empty() {
        return Err(CatalogErrors(found.errors));
    }
    let mut catalog = Catalog::new(&file.prefix, found.offers, found.pass_through);
    catalog.default_model = file.defaults.model;
    catalog.default_image_model = file.defaults.image_model;
    Ok(catalog)
}

/// The price of a row without the conditions that its fields cannot meet; `None`: it has none such.
pub(super) fn fitted_price(file: &Json, model: &str, operation: Operation) -> Option<Json> {
    let file = rows::File::read(file).ok()?;
    let endpoint = file.endpoints.get(&format!("{ENDPOINT}{operation}"))?;
    let fields = endpoint.models.get(model)?;
    let spec = file.unpriced(fields).ok()?;
    price::fitted(fields, &file.tariffs, &spec)
}

/// What was read of a file so far.
#[derive(Default)]
struct Found {
    offers: BTreeMap<String, Offer>,
    pass_through: Offer,
    errors: Vec<CatalogError>,
}

impl Found {
    fn endpoint(&mut self, file: &rows::File, path: &str, endpoint: &rows::Endpoint) {
        let name = path.strip_prefix(ENDPOINT).unwrap_or(path);
        let Some(operation) = Operation::parse(name) else {
            return self.errors.push(wrong(path, "is no known operation"));
        };
        for (model, fields) in &endpoint.models {
            if let Some(problem) = unfit_id(model, &file.prefix, file.qualified) {
                self.note(wrong(model, &problem).under(path));
            }
            match row::spec(file, operation, fields) {
                Ok(spec) => {
                    let offer = self.offers.entry(model.clone()).or_default();
                    offer.insert(operation, spec);
                }
                Err(errors) => errors
                    .into_iter()
                    .for_each(|error| self.note(error.under(model).under(path))),
            }
        }
        match row::spec(file, operation, &endpoint.pass_through) {
            Ok(mut spec) => {
                spec.extras = Extras::Unknown;
                // Of a model that nobody knows, nobody knows which sizes it takes.
                for size in &mut spec.typed.sizes {
                    size.fallback = None;
                }
                self.pass_through.insert(operation, spec);
            }
            Err(errors) => errors
                .into_iter()
                .for_each(|error| self.note(error.under("pass_through").under(path))),
        }
    }

    /// A file of nonsense is not told line by line.
    fn note(&mut self, error: CatalogError) {
        if self.errors.len() < MOST_ERRORS {
            self.errors.push(error);
        }
    }
}

/// Why a text cannot be a model's id.
pub(super) fn unfit_id(id: &str, prefix: &str, qualified: bool) -> Option<String> {
    if !Catalog::is_id(id) {
        return Some("is no model id: those are 1 to 128 visible ASCII characters".into());
    }
    if qualified {
        let fits = id.len() > prefix.len() && id.starts_with(prefix);
        return (!fits).then(|| format!("is written with the prefix, as `{prefix}{id}`"));
    }
    let bare = id.strip_prefix(prefix)?;
    Some(format!("is written without the prefix, as `{bare}`"))
}

impl CatalogError {
    /// Where it is, as in `/v1/text_to_video gen4.5 ratio.enum`.
    pub fn place(&self) -> String {
        let (head, inside) = self.place.split_at(self.place.len().min(3));
        let mut place = head.join(" ");
        for step in inside {
            place.push('.');
            place.push_str(step);
        }
        place.retain(|sign| !sign.is_control());
        place
    }

    fn under(mut self, place: &str) -> Self {
        self.place.insert(0, place.to_owned());
        self
    }
}

/// An error at a place; with an empty place, at the thing itself that is being read.
fn wrong(place: &str, problem: &str) -> CatalogError {
    CatalogError {
        place: Some(place.to_owned())
            .filter(|place| !place.is_empty())
            .into_iter()
            .collect(),
        problem: problem.to_owned(),
    }
}

/// How the path of an endpoint begins.
pub(super) const ENDPOINT: &str = "/v1/";
/// Most bytes of a catalogue file.
const MAX_FILE: u64 = 16 << 20;
/// Most models of a catalogue.
pub(super) const MAX_MODELS: usize = 1_000;
/// Most errors that are told of one file.
const MOST_ERRORS: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_catalogue_holds_every_endpoint_and_model() {
        let catalog = parse(EMBEDDED).unwrap();
        let pairs: usize = catalog
            .ids()
            .map(|id| catalog.offer(id).unwrap().len())
            .sum();
        assert_eq!(pairs, 98);
        for operation in Operation::ALL {
            assert!(
                catalog
                    .spec("a model that is not there", operation)
                    .is_some(),
                "{operation}"
            );
        }
        for id in [&catalog.default_model, &catalog.default_image_model] {
            assert!(catalog.offer(id).is_some(), "{id}");
        }
    }

    #[test]
    fn the_second_catalogue_has_qualified_ids_and_known_prices_but_one() {
        let catalog = parse(OPENAI).unwrap();
        for id in catalog.ids() {
            assert!(id.starts_with("openai/"), "{id}");
            for (operation, spec) in catalog.offer(id).unwrap() {
                let known = id != "openai/gpt-image-2";
                assert_eq!(spec.price.is_some(), known, "{id} {operation}");
            }
        }
        let embedded = embedded().unwrap();
        let ids = parse(EMBEDDED).unwrap().ids().count() + catalog.ids().count();
        assert_eq!(embedded.ids().count(), ids);
        let bare = OPENAI.replacen("\"openai/sora-2\": {", "\"sora-2\": {", 1);
        let told = parse(&bare).unwrap_err().to_string();
        assert!(
            told.contains("is written with the prefix, as `openai/sora-2`"),
            "{told}"
        );
    }

    #[test]
    fn required_sizes_and_durations_have_fallbacks_that_the_model_takes() {
        let catalog = embedded().unwrap();
        for id in catalog.ids() {
            for (operation, spec) in catalog.offer(id).unwrap() {
                let typed = spec.typed.sizes.iter().chain(&spec.typed.seconds);
                for param in typed.filter(|param| param.required) {
                    let fallback = param.fallback.as_ref().expect(&param.name);
                    assert!(
                        param.shape.takes(fallback),
                        "{id} {operation} {}",
                        param.name
                    );
                }
            }
        }
    }

    /// What is wrong with the catalogue when its first row has this field in the place of its seed.
    fn with_field(field: &str) -> String {
        let seed = r#""seed": {"type": "integer", "required": false, "minimum": 0, "maximum": 4294967295}"#;
        assert!(EMBEDDED.contains(seed));
        let text = EMBEDDED.replacen(seed, field, 1);
        parse(&text).expect_err(field).to_string()
    }

    #[test]
    fn a_wrong_row_is_refused_with_its_place() {
        let table = [
            (
                r#""x": {"type": "bolean"}"#,
                "x.type: has the unknown type \"bolean\"",
            ),
            (
                r#""x": {"typ": "boolean"}"#,
                "x.typ: is no attribute of a field; did you mean `type`?",
            ),
            (r#""x": {}"#, "x: needs one of type, enum"),
            (r#""x": 5"#, "x: must be an object"),
            (
                r#""x": {"type": "integer", "enum": [1]}"#,
                "has type and enum",
            ),
            (
                r#""x": {"type": "integer", "minimum": "2"}"#,
                "x.minimum: must be a number",
            ),
            (
                r#""x": {"type": "integer", "minimum": 2.5}"#,
                "x.minimum: must be a whole number",
            ),
            (
                r#""x": {"type": "integer", "range": [9, 1]}"#,
                "a least value above its greatest",
            ),
            (
                r#""x": {"type": "boolean", "maximum": 1}"#,
                "x.maximum: means nothing beside",
            ),
            (
                r#""x": {"type": "boolean", "required": 1}"#,
                "x.required: must be true or false",
            ),
            (
                r#""x": {"type": "boolean", "default": 1}"#,
                "x.default: must be true or false",
            ),
            (r#""x": {"enum": []}"#, "x.enum: must be a list"),
            (r#""x": {"enum": [{}]}"#, "x.enum: must be a list"),
            (
                r#""x": {"any_of": [{"type": "string"}, {"array_of": {"object": {"y": {"tpye": "string"}}}}]}"#,
                "x.any_of.1.array_of.object.y.tpye: is no attribute",
            ),
            (
                r#""model": {"type": "string"}"#,
                "model: is written by mediagen itself",
            ),
            (r#""": {"type": "string"}"#, "is no field's name"),
            (
                r#""_strikt": true"#,
                "_strikt: is no key that rows have; did you mean `_strict`?",
            ),
            (
                r#""seed": {"type": "boolean"}"#,
                "seed: must take whole numbers",
            ),
            (
                r#""referenceImages": {"type": "integer"}"#,
                "referenceImages: must hold an address",
            ),
        ];
        for (field, expected) in table {
            let told = with_field(field);
            assert!(
                told.contains("/v1/") && told.contains(expected),
                "{field}\n{told}"
            );
        }
    }

    #[test]
    fn a_part_of_another_form_is_told_at_its_place() {
        let whole: Json = serde_json::from_str(EMBEDDED).unwrap();
        let table = [
            ("", "must be an object"),
            ("/prefix", "prefix: invalid type"),
            ("/defaults", "defaults: invalid"),
            ("/typed/seed", "typed: invalid type"),
            ("/inputs/0", "inputs: invalid type"),
            ("/tariffs", "tariffs: invalid type"),
            ("/endpoints", "endpoints: must be an object"),
            (
                "/endpoints/~1v1~1text_to_video",
                "/v1/text_to_video models: is missing",
            ),
            (
                "/endpoints/~1v1~1text_to_video/pass_through",
                "/v1/text_to_video pass_through: must be an object",
            ),
            (
                "/endpoints/~1v1~1text_to_video/models/gen4.5",
                "/v1/text_to_video gen4.5: must be an object of fields",
            ),
        ];
        for (place, expected) in table {
            let mut file = whole.clone();
            *file.pointer_mut(place).unwrap() = Json::Null;
            let told = parse(&file.to_string()).expect_err(place).to_string();
            assert!(told.contains(expected), "{place}\n{told}");
        }
        let mut file = whole;
        for name in ["prefix", "typed", "inputs"] {
            file[name] = Json::Bool(true);
        }
        assert_eq!(parse(&file.to_string()).unwrap_err().0.len(), 3);
    }

    #[test]
    fn everything_wrong_is_told_at_once() {
        let text = EMBEDDED
            .replacen("\"minimum\": 2", "\"minimum\": []", 1)
            .replacen("\"maxLength\": 1000", "\"maxLengt\": 1000", 1)
            .replacen("\"/v1/text_to_speech\"", "\"/v1/text_to_smell\"", 1);
        let told = parse(&text).unwrap_err();
        assert_eq!(told.0.len(), 3, "{told}");
    }

    #[test]
    fn what_is_no_catalogue_is_refused() {
        let nested = format!("{{\"endpoints\": {}", "[".repeat(1_000_000));
        let prefix = EMBEDDED.replacen("\"prefix\": \"runwayml/\"", "\"prefix\": \"\"", 1);
        let id = EMBEDDED.replacen("\"gen4.5\": {", "\"runwayml/gen4.5\": {", 1);
        for text in ["{", "", "null", "[]", "{}", nested.as_str(), &prefix, &id] {
            assert!(parse(text).is_err(), "{}", &text[..text.len().min(80)]);
        }
        let large = " ".repeat((16 << 20) + 1);
        assert!(parse(&large).unwrap_err().to_string().contains("16MiB"));
    }

    #[test]
    fn a_row_is_bounded_in_size_and_depth() {
        let long = format!(r#""x": {{"enum": ["{}"]}}"#, "y".repeat(70_000));
        assert!(with_field(&long).contains("is larger than 64KiB"));
        let deep = format!(
            "{}{{\"type\": \"string\"}}{}",
            r#"{"array_of": "#.repeat(30),
            "}".repeat(30)
        );
        let told = with_field(&format!(r#""x": {deep}"#));
        assert!(told.contains("nested deeper"), "{told}");
    }
}
