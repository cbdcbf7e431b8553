//! The models that a key may ask for, by every name.

use serde_json::json;

use crate::harness::TestApp;
use crate::harness::http;

#[tokio::test]
async fn every_listed_model_is_found_by_each_of_its_names() {
    let app = TestApp::start().await;
    let list = http::get(app.address, "/v1/models").await.json();
    assert_eq!(list["object"], "list");
    let models = list["data"].as_array().unwrap();
    assert!(models.len() > 30, "{}", models.len());
    for model in models {
        assert_eq!(
            (&model["object"], &model["owned_by"]),
            (&json!("model"), &json!("runwayml"))
        );
        assert!(model["created"].is_i64() && !model["operations"].as_array().unwrap().is_empty());
    }
    let turbo = models
        .iter()
        .find(|model| model["id"] == "gen4_turbo")
        .unwrap();
    assert_eq!(turbo["makes"], json!(["video"]));
    for name in ["gen4_turbo", "runwayml/gen4_turbo"] {
        for prefix in ["/v1", ""] {
            let found = http::get(app.address, &format!("{prefix}/models/{name}")).await;
            assert_eq!((found.status.as_u16(), &found.json()), (200, turbo));
        }
    }
}
