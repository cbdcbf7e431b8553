//! Holds a value against the catalogue: types, lists, bounds, nesting.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::catalogue::{Field, Model};
use super::issue::Issue;
use super::media_uri;

/// What a media URI may name beyond its shape: the uploads that exist.
pub type KnowsUpload<'a> = &'a dyn Fn(&str) -> bool;

/// A walk over one body.
pub struct Check<'a> {
    knows_upload: KnowsUpload<'a>,
    path: Vec<Value>,
    issues: Vec<Issue>,
}

/// Everything the catalogue has against `body`.
pub fn body(model: &Model, body: &Map<String, Value>, knows_upload: KnowsUpload<'_>) -> Vec<Issue> {
    let mut check = Check {
        knows_upload,
        path: Vec::new(),
        issues: Vec::new(),
    };
    check.members(&model.fields, body);
    if model.strict {
        let known = |key: &str| key == "model" || model.fields.contains_key(key);
        let extra: Vec<_> = body
            .keys()
            .map(String::as_str)
            .filter(|key| !known(key))
            .collect();
        if !extra.is_empty() {
            check.issues.push(Issue::unknown_keys(&extra));
        }
    }
    check.issues
}

impl Check<'_> {
    fn members(&mut self, fields: &BTreeMap<String, Field>, object: &Map<String, Value>) {
        for (name, field) in fields {
            self.path.push(json!(name));
            match object.get(name) {
                Some(value) => self.value(field, value),
                None if field.required => {
                    self.issues
                        .push(Issue::wrong_type(&self.path, expected(field), None));
                }
                None => {}
            }
            self.path.pop();
        }
    }

    fn value(&mut self, field: &Field, value: &Value) {
        if let Some(branches) = &field.any_of {
            self.union(branches, value);
        } else if let Some(values) = &field.values {
            self.listed(values, value);
        } else if let Some(members) = &field.object {
            self.object(members, value);
        } else if let Some(element) = &field.array_of {
            self.array(element, value);
        } else if field.is_untyped_object() {
            self.untyped(value);
        } else {
            self.scalar(field.kind.as_deref().unwrap_or("string"), value);
        }
        self.bounds(field, value);
    }

    /// The branch with the fewest complaints speaks; none of the right JSON type is `invalid_union`.
    fn union(&mut self, branches: &[Field], value: &Value) {
        let before = self.issues.len();
        let mut best: Option<Vec<Issue>> = None;
        for branch in branches.iter().filter(|branch| may_be(branch, value)) {
            self.value(branch, value);
            let found = self.issues.split_off(before);
            if best.as_ref().is_none_or(|best| found.len() < best.len()) {
                best = Some(found);
            }
        }
        match best {
            Some(issues) => self.issues.extend(issues),
            None => self.issues.push(Issue::no_branch(&self.path)),
        }
    }

    fn listed(&mut self, values: &[Value], value: &Value) {
        if !values.contains(value) {
            self.issues.push(Issue::not_listed(&self.path, values));
        }
    }

    fn object(&mut self, members: &BTreeMap<String, Field>, value: &Value) {
        match value {
            Value::Object(object) => self.members(members, object),
            other => self
                .issues
                .push(Issue::wrong_type(&self.path, "object", Some(other))),
        }
    }

    /// An object of which the catalogue knows only that it is one. All that the documents show in
    /// such places are `{uri, position?}`, so a `uri` in it is held to the shape of one.
    fn untyped(&mut self, value: &Value) {
        let members = BTreeMap::new();
        self.object(&members, value);
        if let Some(uri) = value.get("uri") {
            self.path.push(json!("uri"));
            self.value(&Field::default(), uri);
            self.path.pop();
        }
    }

    fn array(&mut self, element: &Field, value: &Value) {
        let Value::Array(items) = value else {
            self.issues
                .push(Issue::wrong_type(&self.path, "array", Some(value)));
            return;
        };
        for (index, item) in items.iter().take(MAX_ITEMS_LOOKED_AT).enumerate() {
            self.path.push(json!(index));
            self.value(element, item);
            self.path.pop();
        }
    }

    fn scalar(&mut self, kind: &str, value: &Value) {
        let fits = match kind {
            "integer" => is_integer(value),
            "number" => value.is_number(),
            "boolean" => value.is_boolean(),
            _ => value.is_string(),
        };
        if !fits {
            let expected = if kind == "integer" { "int" } else { kind };
            self.issues
                .push(Issue::wrong_type(&self.path, expected, Some(value)));
        }
    }

    fn bounds(&mut self, field: &Field, value: &Value) {
        match value {
            Value::Number(number) => {
                let range = field.range.filter(|_| field.object.is_none());
                let least = field.minimum.or(range.map(|r| r[0]));
                let most = field.maximum.or(range.map(|r| r[1]));
                self.within("number", number.as_f64().unwrap_or(f64::NAN), least, most);
            }
            Value::String(text) => self.text(field, text),
            Value::Array(items) => {
                let (least, most) = (field.min_items, field.max_items);
                self.within(
                    "array",
                    count(items.len()),
                    least.map(count),
                    most.map(count),
                );
            }
            _ => {}
        }
    }

    fn text(&mut self, field: &Field, text: &str) {
        let units = count(text.encode_utf16().count());
        self.within(
            "string",
            units,
            field.min_length.map(count),
            field.max_length.map(count),
        );
        let is_text = field.values.is_none() && field.any_of.is_none();
        if is_text
            && (field.max_data_uri_mb.is_some() || media_uri::is_media(&self.path))
            && let Err(problem) = media_uri::check(&self.path, text, self.knows_upload)
        {
            self.issues.push(Issue::rule(&self.path, problem));
        }
    }

    fn within(&mut self, origin: &str, number: f64, least: Option<f64>, most: Option<f64>) {
        if let Some(most) = most.filter(|most| number > *most) {
            self.issues.push(Issue::too_big(&self.path, origin, most));
        }
        if let Some(least) = least.filter(|least| number < *least) {
            self.issues
                .push(Issue::too_small(&self.path, origin, least));
        }
    }
}

/// Whether the branch is of the value's JSON type, so that its complaints are worth reading.
fn may_be(branch: &Field, value: &Value) -> bool {
    if let Some(values) = &branch.values {
        return values.contains(value);
    }
    match value {
        Value::Object(_) => branch.object.is_some() || branch.is_untyped_object(),
        Value::Array(_) => branch.array_of.is_some(),
        Value::String(_) => branch.kind.as_deref() == Some("string"),
        Value::Number(_) => matches!(branch.kind.as_deref(), Some("integer" | "number")),
        Value::Bool(_) => branch.kind.as_deref() == Some("boolean"),
        Value::Null => false,
    }
}

fn expected(field: &Field) -> &str {
    if field.object.is_some() || field.is_untyped_object() {
        "object"
    } else if field.array_of.is_some() {
        "array"
    } else {
        field.kind.as_deref().unwrap_or("nonoptional")
    }
}

/// JSON has one kind of number: `5.0` is an integer to the provider.
fn is_integer(value: &Value) -> bool {
    value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|number| number.fract() == 0.0)
}

/// Lengths stay far below 2^52: bodies are at most a few megabytes.
#[expect(
    clippy::cast_precision_loss,
    reason = "lengths of one body are far below 2^52"
)]
fn count(length: usize) -> f64 {
    length as f64
}

/// No list of the catalogue takes more; a longer one is refused for its length.
const MAX_ITEMS_LOOKED_AT: usize = 64;
