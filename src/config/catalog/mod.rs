//! The catalogue of RunwayML's models: from its JSON text to `domain::model` values.
//!
//! The file is data: a new model is a row. `endpoints` keeps the layout in which Runway's SDK is
//! extracted; which of Runway's names stands for which field of ours is said by `typed` and
//! `inputs`, in the same file. What a name means on the wire is `provider::runway`'s business.

mod defaults;
mod price;
mod rows;
mod shape;
mod spec;

use std::collections::BTreeMap;
use std::fmt;

use crate::domain::generation::Operation;
use crate::domain::model::{Catalog, Extras, Offer};

/// The catalogue that is compiled in.
pub const EMBEDDED: &str = include_str!("../../../config/runway_catalog.json");

/// What is wrong with a catalogue, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogError {
    /// Where, as in `/v1/text_to_video gen4.5 ratio`.
    pub place: String,
    /// A sentence.
    pub problem: String,
}

impl fmt::Display for CatalogError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "catalogue: {}: {}", self.place, self.problem)
    }
}

impl std::error::Error for CatalogError {}

/// Parses a catalogue.
pub fn parse(text: &str) -> Result<Catalog, CatalogError> {
    let file: rows::File =
        serde_json::from_str(text).map_err(|error| wrong("file", &error.to_string()))?;
    price::check(&file.tariffs)?;
    let mut offers: BTreeMap<String, Offer> = BTreeMap::new();
    let mut pass_through = Offer::new();
    for (path, endpoint) in &file.endpoints {
        let name = path.strip_prefix("/v1/").unwrap_or(path);
        let operation =
            Operation::parse(name).ok_or_else(|| wrong(path, "is no known operation"))?;
        for (model, fields) in &endpoint.models {
            let spec = file
                .spec(operation, fields)
                .map_err(|error| error.under(model).under(path))?;
            offers
                .entry(model.clone())
                .or_default()
                .insert(operation, spec);
        }
        let mut spec = file
            .spec(operation, &endpoint.pass_through)
            .map_err(|error| error.under(path))?;
        spec.extras = Extras::Unknown;
        pass_through.insert(operation, spec);
    }
    let mut catalog = Catalog::new(&file.prefix, offers, pass_through);
    catalog.default_model = file.defaults.model;
    catalog.default_image_model = file.defaults.image_model;
    Ok(catalog)
}

impl CatalogError {
    fn under(mut self, place: &str) -> Self {
        self.place = format!("{place} {}", self.place);
        self
    }
}

fn wrong(place: &str, problem: &str) -> CatalogError {
    CatalogError {
        place: place.to_owned(),
        problem: problem.to_owned(),
    }
}

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
    fn required_sizes_and_durations_have_fallbacks_that_the_model_takes() {
        let catalog = parse(EMBEDDED).unwrap();
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

    #[test]
    fn a_wrong_row_is_refused_with_its_place() {
        let with = |row: &str| {
            let text = EMBEDDED.replacen(r#"{"type": "boolean", "required": false}"#, row, 1);
            parse(&text).expect_err("is wrong").to_string()
        };
        let error = with(r#"{"type": "bolean"}"#);
        assert!(
            error.contains("/v1/") && error.contains("bolean"),
            "{error}"
        );
        assert!(parse("{").is_err());
        assert!(parse(&EMBEDDED.replace("/v1/text_to_video", "/v1/text_to_smell")).is_err());
    }
}
