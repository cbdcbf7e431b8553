//! A walk over every endpoint and model of the catalogue file: the least and the most that a model
//! takes must become a body that a strict reader of the same file accepts, and one step outside any
//! bound must be refused by us, naming the field.
//!
//! The reader here is written from the file's format alone, apart from `config::catalog`.

mod drafts;
mod outside;
mod reader;
mod sandboxed;

use serde_json::Value as Json;

use self::drafts::pairs;
use self::outside::outside;
use self::reader::issues;
use super::translate::body;
use crate::config::catalog;
use crate::domain::generation::{Draft, Generation, InvalidField, Limits};
use crate::domain::model::Catalog;
use crate::domain::value::Value;

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

fn embedded() -> Catalog {
    catalog::parse(catalog::EMBEDDED).unwrap()
}

fn submit(draft: &Draft, catalog: &Catalog) -> Result<Json, Vec<InvalidField>> {
    let generation = Generation::new(draft, catalog, &Limits::default())?;
    let uris: Vec<String> = (0..generation.inputs.len())
        .map(|index| format!("runway://uploads/{index}"))
        .collect();
    let body = body(&generation, &uris, catalog);
    for uri in &uris {
        let written = body.to_string().matches(&format!("\"{uri}\"")).count();
        assert_eq!(written, 1, "{uri} in {body}");
    }
    Ok(body)
}

fn refused(found: &[InvalidField], field: &str) -> bool {
    found.iter().any(|invalid| invalid.field == field)
}
