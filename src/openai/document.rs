//! `/openapi.json`: this face, described.
//!
//! The document is written by hand. A test here holds its paths against [`super::rows`] and those beside
//! them, and its schemas against what is written; tests over real sockets hold every answer against it.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method};

use super::files::Base;
use super::{Face, Route};

pub(super) fn rows() -> Vec<Route> {
    vec![Route::new(Method::GET, "/openapi.json", get(shown))]
}

async fn shown(State(_): State<Face>, base: Base) -> Response {
    let kind = HeaderValue::from_static("application/json");
    let headers = [
        (CONTENT_TYPE, kind),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    (headers, at(&base.to_string())).into_response()
}

/// The document of a server that is reached here.
fn at(base: &str) -> String {
    let url = serde_json::Value::from(base).to_string();
    DOCUMENT.replacen(ANYWHERE, &format!(r#""url": {url}"#), 1)
}

const DOCUMENT: &str = include_str!("openapi.json");
/// What stands in it for the server's address.
const ANYWHERE: &str = r#""url": "/""#;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::super::object::Video;
    use super::*;
    use crate::domain::money::UsdRate;
    use crate::domain::task::samples::{failure, task};
    use crate::domain::task::{Progress, State as Standing};

    fn document() -> Value {
        serde_json::from_str(DOCUMENT).unwrap()
    }

    fn names(value: &Value) -> BTreeSet<&str> {
        value
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect()
    }

    /// A path as both may write it: without `/v1`.
    fn plain(path: &str) -> String {
        path.strip_prefix("/v1").unwrap_or(path).to_owned()
    }

    #[test]
    fn every_call_is_described_and_no_other() {
        use super::super::observed::BESIDE;
        let rows = super::super::rows();
        let rows = rows
            .iter()
            .map(|row| (row.method.to_string(), plain(row.path)));
        let beside = BESIDE.map(|path| ("GET".to_owned(), path.to_owned()));
        let served: BTreeSet<(String, String)> = rows.chain(beside).collect();
        let document = document();
        let mut described = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            let methods = names(item);
            for method in methods.iter().filter(|name| **name != "parameters") {
                // Whatever answers GET answers HEAD.
                if !(*method == "head" && methods.contains("get")) {
                    described.insert((method.to_uppercase(), plain(path)));
                }
            }
        }
        let missing: Vec<_> = served.difference(&described).collect();
        let invented: Vec<_> = described.difference(&served).collect();
        assert!(missing.is_empty(), "not described: {missing:?}");
        assert!(invented.is_empty(), "not served: {invented:?}");
    }

    #[test]
    fn every_member_of_a_video_is_described_and_no_other() {
        let mut failed = task(1);
        failed.state = Standing::Failed(failure());
        let shown = Video::of(&failed, Progress::default(), UsdRate::ONE_CENT);
        let shown = serde_json::to_value(shown).unwrap();
        let document = document();
        let schemas = &document["components"]["schemas"];
        for (schema, value) in [
            ("Video", &shown),
            ("Usage", &shown["usage"]),
            ("TaskError", &shown["error"]),
        ] {
            let schema = &schemas[schema];
            assert_eq!(names(&schema["properties"]), names(value));
            let required = schema["required"].as_array().unwrap().iter();
            let required: BTreeSet<&str> = required.filter_map(Value::as_str).collect();
            assert_eq!(required, names(value), "nothing is left out");
        }
    }

    #[test]
    fn every_kind_of_error_is_described() {
        use super::super::Kind;
        let document = document();
        let error = &document["components"]["schemas"]["Error"];
        let kinds = error["properties"]["type"]["enum"].as_array().unwrap();
        let kinds: BTreeSet<&str> = kinds.iter().filter_map(Value::as_str).collect();
        let ours = [
            Kind::InvalidRequest,
            Kind::Authentication,
            Kind::Permission,
            Kind::Idempotency,
            Kind::RateLimit,
            Kind::Quota,
            Kind::NotSupported,
            Kind::Server,
        ];
        assert_eq!(kinds, ours.map(Kind::as_str).into());
    }

    /// The schemas that a schema is made of, each with its place.
    fn parts<'a>(place: &str, schema: &'a Value) -> Vec<(String, &'a Value)> {
        let mut found = Vec::new();
        for (word, value) in schema.as_object().unwrap() {
            let values: Vec<(String, &Value)> = match (word.as_str(), value) {
                ("properties", Value::Object(members)) => members
                    .iter()
                    .map(|(name, value)| (name.clone(), value))
                    .collect(),
                ("oneOf" | "allOf", Value::Array(all)) => {
                    all.iter().map(|value| (word.clone(), value)).collect()
                }
                ("items" | "additionalProperties", Value::Object(_)) => vec![(word.clone(), value)],
                _ => Vec::new(),
            };
            for (name, value) in values {
                let place = format!("{place}.{name}");
                found.extend(parts(&place, value));
                found.push((place, value));
            }
        }
        found
    }

    /// Generators of clients give up on objects without a name, and on lists of values with null among
    /// them; they make a member with a default one that must be sent.
    #[test]
    fn every_schema_is_one_that_clients_can_be_made_of() {
        let document = document();
        for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
            let mut all = parts(name, schema);
            all.push((name.clone(), schema));
            for (place, schema) in all {
                let is_named = !place.contains('.') || place == format!("{name}.allOf");
                let is_unnamed_object = schema["properties"].is_object() && !is_named;
                assert!(!is_unnamed_object, "{place} is an object without a name");
                assert!(schema["default"].is_null(), "{place} has a default");
                let of_texts = schema["enum"].is_null() || schema["type"] == "string";
                assert!(of_texts, "{place} lists values that are not texts");
            }
        }
    }

    /// A client that was made of the description drops an answer of no kind that it knows.
    #[test]
    fn a_file_is_of_a_kind_that_clients_can_read() {
        let document = document();
        let mut files = 0;
        for item in document["paths"].as_object().unwrap().values() {
            let answers = item["get"]["responses"].as_object();
            for answer in answers.into_iter().flat_map(|answers| answers.values()) {
                let content = &answer["content"];
                if content["*/*"].is_object() {
                    files += 1;
                    assert!(content["application/octet-stream"].is_object(), "{answer}");
                }
            }
        }
        assert_eq!(
            files, 4,
            "two ways to a file, each to the whole and to a part"
        );
    }

    #[test]
    fn the_form_has_the_members_that_json_has() {
        let document = document();
        let schemas = &document["components"]["schemas"];
        let mut json = names(&schemas["Creation"]["properties"]);
        json.extend(names(&schemas["CreateVideo"]["allOf"][1]["properties"]));
        assert_eq!(names(&schemas["CreateVideoForm"]["properties"]), json);
    }

    #[test]
    fn the_server_is_named_as_it_is_reached() {
        let base = "https://media.example.com/a\"b";
        let shown: Value = serde_json::from_str(&at(base)).unwrap();
        assert_eq!(shown["servers"][0]["url"], base);
        assert_eq!(shown["openapi"], "3.1.0");
    }
}
