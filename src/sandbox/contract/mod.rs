//! The contract of a create as the sandbox reads it: the catalogue, and the rules only prose states.

mod catalogue;
mod check;
mod issue;
mod media_uri;
mod order;
mod price;
mod rules;
mod source;

#[cfg(test)]
pub mod samples;

use serde_json::{Map, Value, json};

pub use catalogue::{Catalogue, Endpoint, Output};
pub use check::KnowsUpload;
pub use issue::Issue;
pub use order::{GENERATION_PATHS, MAX_PROMPT_KEPT, Order};

/// Reads a body for one endpoint: the order it places, or everything that is wrong with it.
pub fn read(
    path: &str,
    endpoint: &Endpoint,
    body: &Value,
    knows_upload: KnowsUpload<'_>,
) -> Result<Order, Vec<Issue>> {
    let Value::Object(body) = body else {
        return Err(vec![Issue::wrong_type(&[], "object", Some(body))]);
    };
    let name = model_name(body)?;
    let model = endpoint
        .models
        .get(name)
        .ok_or_else(|| vec![unknown_model(endpoint)])?;
    let mut issues = check::body(model, body, knows_upload);
    if issues.is_empty() {
        issues = rules::check(path, name, body);
    }
    if issues.is_empty() {
        Ok(Order::of(path, endpoint.output, (name, model), body))
    } else {
        Err(issues)
    }
}

fn model_name(body: &Map<String, Value>) -> Result<&str, Vec<Issue>> {
    let path = [json!("model")];
    match body.get("model") {
        Some(Value::String(name)) => Ok(name),
        other => Err(vec![Issue::wrong_type(&path, "string", other)]),
    }
}

fn unknown_model(endpoint: &Endpoint) -> Issue {
    let names: Vec<_> = endpoint.models.keys().map(|name| json!(name)).collect();
    Issue::not_listed(&[json!("model")], &names)
}
