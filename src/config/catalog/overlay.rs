//! Rows of an operator's own over those of a catalogue, before either has meaning.
//!
//! A row over another is a JSON merge patch (RFC 7396): what it names is replaced, what it sets to
//! null is removed, everything else stays. The two spellings of bounds (`range`, and `minimum` with
//! `maximum`) count as one, so that either replaces the other.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use super::ENDPOINT;
use crate::config::section::nearest;
use crate::domain::generation::Operation;
use crate::domain::model::ProviderKind;

/// Rows over rows, by model and operation.
#[derive(Debug, Default)]
pub struct Overlay {
    rows: BTreeMap<(String, Operation), Patch>,
}

/// What is said of one row.
#[derive(Clone, Debug, Default)]
pub struct Patch {
    /// The model whose row of the same operation is meant to begin with; `None`: the model's own,
    /// if it has one.
    pub like: Option<String>,
    /// The merge patch.
    pub fields: Map<String, Json>,
}

/// Why a row cannot be made.
#[derive(Debug)]
pub struct Baseless {
    /// Whose row.
    pub model: String,
    /// And which.
    pub operation: Operation,
    /// A sentence about its `like`.
    pub problem: String,
}

impl Overlay {
    /// Adds what is said of a row.
    pub fn add(&mut self, model: &str, operation: Operation, patch: Patch) {
        self.rows.insert((model.to_owned(), operation), patch);
    }

    /// What is said of the models of one provider.
    #[must_use]
    pub fn of(&self, provider: ProviderKind) -> Self {
        let rows = self.rows.iter();
        let own = rows.filter(|((model, _), _)| ProviderKind::of(model) == provider);
        Self {
            rows: own
                .map(|(row, patch)| (row.clone(), patch.clone()))
                .collect(),
        }
    }

    /// Leaves out what is said of a model.
    pub fn forget(&mut self, model: &str) {
        self.rows.retain(|(known, _), _| known != model);
    }

    /// Whether something is said of a row.
    pub fn covers(&self, model: &str, operation: Operation) -> bool {
        self.rows.contains_key(&(model.to_owned(), operation))
    }

    /// Whether a key of a row is said to be something, or nothing.
    pub fn sets(&self, model: &str, operation: Operation, key: &str) -> bool {
        let patch = self.rows.get(&(model.to_owned(), operation));
        patch.is_some_and(|patch| patch.fields.contains_key(key))
    }

    /// Puts every row into the catalogue file; those that have no base are told.
    pub fn apply(&self, file: &mut Json) -> Vec<Baseless> {
        let mut made = Vec::new();
        let mut baseless = Vec::new();
        for (model, operation) in self.rows.keys() {
            match self.row(file, model, *operation, MOST_STEPS) {
                Ok(row) => made.push((model, *operation, row)),
                Err(problem) => baseless.push(Baseless {
                    model: model.clone(),
                    operation: *operation,
                    problem,
                }),
            }
        }
        for (model, operation, row) in made {
            put(file, model, operation, row);
        }
        baseless
    }

    /// A row as it becomes; `steps` bounds the way over `like`, which may go in a circle.
    fn row(
        &self,
        file: &Json,
        model: &str,
        operation: Operation,
        steps: usize,
    ) -> Result<Json, String> {
        let own = written(file, model, operation);
        let patch = self.rows.get(&(model.to_owned(), operation));
        let Some(patch) = patch else {
            return own
                .cloned()
                .ok_or_else(|| self.no_base(file, model, operation));
        };
        let mut fields = Json::Object(patch.fields.clone());
        spread_ranges(&mut fields);
        let mut row = match &patch.like {
            Some(_) if steps == 0 => {
                return Err(format!(
                    "goes in a circle, or over more than {MOST_STEPS} models"
                ));
            }
            Some(other) => self.row(file, other, operation, steps - 1)?,
            None => own.cloned().unwrap_or_default(),
        };
        spread_ranges(&mut row);
        merge(&mut row, &fields);
        Ok(row)
    }

    fn no_base(&self, file: &Json, model: &str, operation: Operation) -> String {
        let of_file = models(file, operation).into_iter().flatten();
        let ours = self.rows.keys().filter(|(_, known)| *known == operation);
        let known: Vec<&str> = of_file
            .map(|(name, _)| name.as_str())
            .chain(ours.map(|(name, _)| name.as_str()))
            .collect();
        match nearest(model, &known) {
            Some(near) => format!("no model `{model}` does {operation}; did you mean `{near}`?"),
            None => format!("no model `{model}` does {operation}"),
        }
    }
}

/// Applies a merge patch. The recursion is bounded by the patch's own depth, which its reader bounds.
pub fn merge(target: &mut Json, patch: &Json) {
    let Json::Object(patch) = patch else {
        target.clone_from(patch);
        return;
    };
    if !target.is_object() {
        *target = Json::Object(Map::new());
    }
    let Json::Object(target) = target else { return };
    for (name, value) in patch {
        if value.is_null() {
            target.remove(name);
        } else {
            merge(target.entry(name.clone()).or_insert(Json::Null), value);
        }
    }
}

/// Spells `range` as `minimum` and `maximum`, except beside a list or an object, where it says
/// something else. The recursion is bounded by the reader of the text.
fn spread_ranges(json: &mut Json) {
    match json {
        Json::Array(items) => items.iter_mut().for_each(spread_ranges),
        Json::Object(fields) => {
            fields.values_mut().for_each(spread_ranges);
            let is_other = fields.contains_key("array_of") || fields.contains_key("object");
            let ends = match fields.get("range") {
                Some(Json::Null) => [Json::Null, Json::Null],
                Some(Json::Array(ends)) if !is_other && ends.iter().all(Json::is_number) => {
                    match &ends[..] {
                        [least, greatest] => [least.clone(), greatest.clone()],
                        _ => return,
                    }
                }
                _ => return,
            };
            fields.remove("range");
            for (name, end) in ["minimum", "maximum"].into_iter().zip(ends) {
                fields.insert(name.to_owned(), end);
            }
        }
        _ => {}
    }
}

/// The rows of an endpoint, by model.
pub fn models(file: &Json, operation: Operation) -> Option<&Map<String, Json>> {
    file.get("endpoints")?
        .get(format!("{ENDPOINT}{operation}"))?
        .get("models")?
        .as_object()
}

fn written<'a>(file: &'a Json, model: &str, operation: Operation) -> Option<&'a Json> {
    models(file, operation)?.get(model)
}

/// Sets a row, and makes the way to it where the file lacks it.
fn put(file: &mut Json, model: &str, operation: Operation, row: Json) {
    let endpoint = format!("{ENDPOINT}{operation}");
    let frame = serde_json::json!({
        "endpoints": { endpoint.as_str(): { "models": { model: {} } } }
    });
    merge(file, &frame);
    let path = ["endpoints", &endpoint, "models", model];
    let mut place = Some(file);
    for step in path {
        place = place.and_then(|json| json.get_mut(step));
    }
    if let Some(place) = place {
        *place = row;
    }
}

/// Most models that lead from a row to the one it begins with.
const MOST_STEPS: usize = 8;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_merge_patch_replaces_removes_and_leaves_alone() {
        // The cases of RFC 7396, appendix A.
        for (target, patch, expected) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (
                json!({"a": "b"}),
                json!({"b": "c"}),
                json!({"a": "b", "b": "c"}),
            ),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (
                json!({"a": "b", "b": "c"}),
                json!({"a": null}),
                json!({"b": "c"}),
            ),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (
                json!({"a": {"b": "c"}}),
                json!({"a": {"b": "d", "c": null}}),
                json!({"a": {"b": "d"}}),
            ),
            (
                json!({"a": [{"b": "c"}]}),
                json!({"a": [1]}),
                json!({"a": [1]}),
            ),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"a": "b"}), json!(["c"]), json!(["c"])),
            (json!({"a": "foo"}), json!(null), json!(null)),
            (json!({"a": "foo"}), json!("bar"), json!("bar")),
            (
                json!({"e": null}),
                json!({"a": 1}),
                json!({"e": null, "a": 1}),
            ),
            (
                json!([1, 2]),
                json!({"a": "b", "c": null}),
                json!({"a": "b"}),
            ),
            (
                json!({}),
                json!({"a": {"bb": {"ccc": null}}}),
                json!({"a": {"bb": {}}}),
            ),
        ] {
            let mut merged = target.clone();
            merge(&mut merged, &patch);
            assert_eq!(merged, expected, "{target} {patch}");
        }
    }

    #[test]
    fn either_spelling_of_bounds_replaces_the_other() {
        let row = |field: Json, patch: Json| {
            let mut file =
                json!({"endpoints": {"/v1/text_to_video": {"models": {"a": {"x": field}}}}});
            let fields = json!({"x": patch}).as_object().unwrap().clone();
            let mut overlay = Overlay::default();
            overlay.add("a", Operation::TextToVideo, Patch { like: None, fields });
            overlay.apply(&mut file);
            file["endpoints"]["/v1/text_to_video"]["models"]["a"]["x"].clone()
        };
        for (field, patch, expected) in [
            (
                json!({"range": [2, 10]}),
                json!({"maximum": 20}),
                json!({"minimum": 2, "maximum": 20}),
            ),
            (
                json!({"minimum": 2, "maximum": 10}),
                json!({"range": [3, 4]}),
                json!({"minimum": 3, "maximum": 4}),
            ),
            (json!({"range": [2, 10]}), json!({"range": null}), json!({})),
            (
                json!({"array_of": 1, "range": [2, 10]}),
                json!({}),
                json!({"array_of": 1, "range": [2, 10]}),
            ),
        ] {
            assert_eq!(
                row(field.clone(), patch.clone()),
                expected,
                "{field} {patch}"
            );
        }
    }

    fn like(other: &str) -> Patch {
        Patch {
            like: Some(other.to_owned()),
            ..Patch::default()
        }
    }

    #[test]
    fn a_row_begins_with_another_as_that_is_configured() {
        let operation = Operation::TextToVideo;
        let mut file = json!({"endpoints": {"/v1/text_to_video": {"models": {
            "a": {"x": {"type": "string", "maxLength": 5}, "y": {"type": "boolean"}}
        }}}});
        let mut overlay = Overlay::default();
        let changed = json!({"x": {"maxLength": 9}}).as_object().unwrap().clone();
        let fields = changed.clone();
        overlay.add("a", operation, Patch { like: None, fields });
        overlay.add("b", operation, like("a"));
        overlay.add(
            "c",
            operation,
            Patch {
                like: Some("b".into()),
                fields: changed,
            },
        );
        overlay.add("d", Operation::ImageToVideo, Patch::default());
        assert!(overlay.apply(&mut file).is_empty());
        let row = |model: &str| file["endpoints"]["/v1/text_to_video"]["models"][model].clone();
        let expected = json!({"x": {"type": "string", "maxLength": 9}, "y": {"type": "boolean"}});
        assert_eq!(
            [row("a"), row("b"), row("c")],
            [&expected; 3].map(Clone::clone)
        );
        assert_eq!(
            file["endpoints"]["/v1/image_to_video"],
            json!({"models": {"d": {}}})
        );
    }

    #[test]
    fn a_row_without_a_base_and_one_in_a_circle_are_told() {
        let operation = Operation::TextToVideo;
        let mut file = json!({"endpoints": {}});
        let mut overlay = Overlay::default();
        overlay.add("one", operation, like("another"));
        overlay.add("round", operation, like("round"));
        overlay.add("there", operation, like("back"));
        overlay.add("back", operation, like("there"));
        let told: Vec<String> = overlay
            .apply(&mut file)
            .into_iter()
            .map(|baseless| format!("{}: {}", baseless.model, baseless.problem))
            .collect();
        assert_eq!(told.len(), 4);
        assert!(
            told[1].contains("no model `another` does text_to_video"),
            "{told:?}"
        );
        assert!(
            told[2].contains("circle") && told[3].contains("circle"),
            "{told:?}"
        );
    }
}
