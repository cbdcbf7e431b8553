//! A slot, a form with the file last, a URI that creates accept.

use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use super::{Site, read, text};

async fn slot(site: &Site) -> Value {
    let answer = site
        .post(
            "/v1/uploads",
            &json!({"filename": "a.png", "type": "ephemeral"}),
        )
        .await;
    assert_eq!(answer.status(), 200);
    read(answer).await
}

fn fields(slot: &Value) -> Form {
    let fields = slot["fields"].as_object().expect("an object");
    fields.iter().fold(Form::new(), |form, (name, value)| {
        form.text(name.clone(), text(value))
    })
}

async fn send(site: &Site, slot: &Value, form: Form) -> u16 {
    let answer = site
        .client
        .post(text(&slot["uploadUrl"]))
        .multipart(form)
        .send()
        .await;
    answer.expect("an answer").status().as_u16()
}

fn file(bytes: usize) -> Part {
    Part::bytes(vec![7; bytes]).file_name("a.png")
}

async fn taken(site: &Site, uri: &Value) -> bool {
    let body = json!({"model": "gen4_turbo", "promptImage": uri, "ratio": "1280:720"});
    site.post("/v1/image_to_video", &body).await.status() == 200
}

#[tokio::test]
async fn an_uploaded_file_is_accepted_by_its_uri_and_an_empty_slot_is_not() {
    let site = Site::quick().await;
    let slot = slot(&site).await;
    assert!(!taken(&site, &slot["runwayUri"]).await);
    assert_eq!(
        send(&site, &slot, fields(&slot).part("file", file(2_000))).await,
        204
    );
    assert!(taken(&site, &slot["runwayUri"]).await);
    assert_eq!(
        send(&site, &slot, fields(&slot).part("file", file(2_000))).await,
        403
    );
    assert_eq!(site.sandbox.counts().uploads, 1);
}

#[tokio::test]
async fn forms_out_of_order_or_size_are_refused() {
    let site = Site::quick().await;
    let slot = slot(&site).await;
    let no_fields = Form::new().part("file", file(2_000));
    assert_eq!(send(&site, &slot, no_fields).await, 400);
    assert_eq!(send(&site, &slot, fields(&slot)).await, 400);
    assert_eq!(
        send(&site, &slot, fields(&slot).part("file", file(511))).await,
        400
    );
    let after = fields(&slot)
        .part("file", file(2_000))
        .text("metadata", "late");
    assert_eq!(send(&site, &slot, after).await, 400);
    assert!(!taken(&site, &slot["runwayUri"]).await);
}

#[tokio::test]
async fn a_slot_needs_a_file_name_with_an_extension() {
    let site = Site::quick().await;
    for body in [
        json!({}),
        json!({"filename": "ab", "type": "ephemeral"}),
        json!({"filename": "a.png"}),
    ] {
        assert_eq!(
            site.post("/v1/uploads", &body).await.status(),
            400,
            "{body}"
        );
    }
}
