//! The catalogue of RunwayML's models: from its JSON text to `domain::model` values.
//!
//! The file is data: a new model is a row. `endpoints` keeps the layout in which Runway's SDK is
//! extracted; which of Runway's names stands for which field of ours is said by `typed` and
//! `inputs`, in the same file. What a name means on the wire is `provider::runway`'s business.

mod defaults;
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
