//! What a create's body must look like, over every pair of the catalogue and for single rules.

use serde_json::{Value, json};

use super::{Site, read, text};
use crate::sandbox::contract::{Catalogue, read as check, samples};

/// Issues that the contract has with a body, without a server.
fn refusals(path: &str, body: &Value) -> Vec<Value> {
    let catalogue = Catalogue::embedded().expect("the embedded catalogue parses");
    let endpoint = catalogue.endpoint(path).expect("a known endpoint");
    let refused = check(path, endpoint, body, &|uri| uri == "runway://sandbox/known").err();
    refused
        .unwrap_or_default()
        .iter()
        .map(|issue| json!(issue))
        .collect()
}

#[test]
fn every_pair_takes_its_minimal_body_and_misses_each_required_member() {
    let catalogue = Catalogue::embedded().expect("the embedded catalogue parses");
    let mut pairs = 0;
    for (path, endpoint) in catalogue.endpoints() {
        for (name, model) in &endpoint.models {
            pairs += 1;
            let body = samples::minimal(name, model);
            assert_eq!(
                refusals(path, &json!(body)),
                [] as [Value; 0],
                "{path} {name} {body:?}"
            );
            for member in body.keys() {
                let mut less = body.clone();
                less.remove(member);
                let issues = refusals(path, &json!(less));
                assert!(
                    issues.iter().any(|issue| issue["path"][0] == json!(member)),
                    "{path} {name} without {member}: {issues:?}"
                );
            }
        }
    }
    assert_eq!(pairs, 98);
}

#[test]
fn every_pair_refuses_an_unknown_member_exactly_when_it_is_strict() {
    let catalogue = Catalogue::embedded().expect("the embedded catalogue parses");
    for (path, endpoint) in catalogue.endpoints() {
        for (name, model) in &endpoint.models {
            let mut body = samples::minimal(name, model);
            body.insert("surprise".into(), json!(1));
            assert_eq!(
                !refusals(path, &json!(body)).is_empty(),
                model.strict,
                "{path} {name}"
            );
        }
    }
}

#[tokio::test]
async fn every_pair_becomes_a_task_over_http() {
    let site = Site::slow().await;
    let catalogue = Catalogue::embedded().expect("the embedded catalogue parses");
    for (path, endpoint) in catalogue.endpoints() {
        for (name, model) in &endpoint.models {
            let answer = site.post(path, &json!(samples::minimal(name, model))).await;
            assert_eq!(answer.status(), 200, "{path} {name}");
            let body = read(answer).await;
            assert_eq!(text(&body["id"]).len(), 36);
            assert!(
                body["estimatedCost"]["credits"]
                    .as_u64()
                    .is_some_and(|credits| credits > 0)
            );
        }
    }
    assert_eq!(site.sandbox.ledger().len(), 98);
}

#[tokio::test]
async fn a_refusal_names_each_bad_member_in_the_documented_shape() {
    let site = Site::quick().await;
    let body =
        json!({"model": "gen4.5", "promptText": "", "ratio": "1:1", "duration": 11, "seed": 1.5});
    let answer = site.post("/v1/text_to_video", &body).await;
    assert_eq!(answer.status(), 400);
    let body = read(answer).await;
    assert_eq!(body["error"], "Validation of body failed");
    assert_eq!(body["docUrl"], "https://docs.dev.runwayml.com/api");
    let found: Vec<_> = body["issues"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|issue| {
            (
                text(&issue["code"]),
                text(&issue["path"][0]),
                issue["maximum"].clone(),
            )
        })
        .collect();
    let expected = [
        ("too_big", "duration", json!(10)),
        ("too_small", "promptText", Value::Null),
        ("invalid_value", "ratio", Value::Null),
        ("invalid_type", "seed", Value::Null),
    ];
    let expected = expected.map(|(code, path, most)| (code.to_owned(), path.to_owned(), most));
    assert_eq!(found, expected);
    assert!(site.sandbox.ledger().is_empty());
}

#[test]
fn as_many_outputs_are_made_as_can_be_asked_for() {
    let body = |count: u32| json!({"model": "muse_image", "promptText": "a lake", "ratio": "1600:1600", "outputCount": count});
    assert_eq!(
        refusals("/v1/text_to_image", &body(64)),
        Vec::<String>::new()
    );
    assert_eq!(refusals("/v1/text_to_image", &body(65)).len(), 1);
}

#[test]
fn prompt_length_is_counted_in_utf16_units() {
    let body = |prompt: &str| json!({"model": "veo3.1", "promptText": prompt, "ratio": "1280:720"});
    assert!(refusals("/v1/text_to_video", &body(&"語".repeat(1_000))).is_empty());
    assert!(refusals("/v1/text_to_video", &body(&"🜂".repeat(500))).is_empty());
    assert_eq!(
        refusals("/v1/text_to_video", &body(&"🜂".repeat(501))).len(),
        1
    );
}

#[test]
fn media_uris_have_one_of_three_shapes() {
    let png = |bytes: usize| format!("data:image/png;base64,{}", "A".repeat(bytes));
    let long = format!("https://example.com/{}", "a".repeat(2_048));
    let (fits, too_large) = (png(5_242_856), png(5_242_860));
    let cases = [
        ("https://example.com/a.png", true),
        ("http://example.com/a.png", false),
        ("https://127.0.0.1/a.png", false),
        ("https://[::1]/a.png", false),
        (long.as_str(), false),
        ("ftp://example.com/a.png", false),
        ("a lake", false),
        ("runway://sandbox/known", true),
        ("runway://sandbox/other", false),
        ("data:image/png;base64,AAAA", true),
        ("data:image/gif;base64,AAAA", false),
        ("data:video/mp4;base64,AAAA", false),
        ("data:image/png;base64,!!!!", false),
        ("data:image/png,AAAAAAAAAA", false),
        (fits.as_str(), true),
        (too_large.as_str(), false),
    ];
    for (uri, taken) in cases {
        let body = json!({"model": "gen4_turbo", "promptImage": uri, "ratio": "1280:720"});
        let shown: String = uri.chars().take(40).collect();
        assert_eq!(
            refusals("/v1/image_to_video", &body).is_empty(),
            taken,
            "{shown}"
        );
        let listed = json!([{"uri": uri, "position": "first"}]);
        let body = json!({"model": "gen4_turbo", "promptImage": listed, "ratio": "1280:720"});
        assert_eq!(
            refusals("/v1/image_to_video", &body).is_empty(),
            taken,
            "{shown} in a list"
        );
    }
}

#[test]
fn nested_members_and_counts_are_checked() {
    let with = |extra: Value| {
        let mut body = json!({"model": "seedance2", "promptText": "a lake"});
        body.as_object_mut()
            .expect("an object")
            .extend(extra.as_object().expect("an object").clone());
        refusals("/v1/text_to_video", &body)
    };
    let image = json!({"uri": "https://example.com/a.png"});
    assert!(with(json!({"duration": "auto", "references": [image]})).is_empty());
    assert_eq!(with(json!({"duration": "long"})).len(), 1);
    assert_eq!(with(json!({"duration": 3})).len(), 1);
    assert_eq!(
        with(json!({"references": vec![image; 10]}))[0]["maximum"],
        9
    );
    let path = &with(json!({"references": [{"uri": 5}]}))[0]["path"];
    assert_eq!(*path, json!(["references", 0, "uri"]));
    assert_eq!(
        with(json!({"referenceAudio": [{"type": "video", "uri": "https://example.com/a"}]})).len(),
        1
    );
}

#[test]
fn an_object_of_unknown_members_is_taken_as_one_and_its_uri_is_checked() {
    let video = |item: Value| {
        let body = json!({"model": "kling_4", "promptText": "a lake", "referenceVideos": [item]});
        refusals("/v1/text_to_video", &body).len()
    };
    let image = |item: Value| {
        let body = json!({"model": "kling_4", "promptImage": [item]});
        refusals("/v1/image_to_video", &body).len()
    };
    let uri = "https://example.com/a";
    assert_eq!(video(json!({"uri": uri})), 0);
    assert_eq!(image(json!({"uri": uri, "position": "last"})), 0);
    for wrong in [json!(uri), json!({"uri": 5}), json!({"uri": "ftp://a"})] {
        assert_eq!(video(wrong.clone()), 1, "{wrong}");
        assert_eq!(image(wrong.clone()), 1, "{wrong}");
    }
}

#[test]
fn bodies_that_are_no_objects_or_name_no_model_are_refused() {
    for body in [
        json!(null),
        json!([]),
        json!("x"),
        json!({}),
        json!({"model": 5}),
        json!({"model": "gen9"}),
    ] {
        assert_eq!(refusals("/v1/text_to_video", &body).len(), 1, "{body}");
    }
}
