//! Media: inline where short, uploaded where long, never sent astray.

use std::io::ErrorKind;

use futures_util::{StreamExt, stream};

use super::*;

fn media(content: &'static [u8], size_bytes: u64) -> Media {
    Media::new("image/png", size_bytes, move || {
        stream::iter(
            content
                .chunks(1000)
                .map(|chunk| Ok(Bytes::from_static(chunk))),
        )
        .boxed()
    })
}

async fn uri(runway: &Runway, media: &Media, data_uri_limit: usize) -> Result<String, Rejection> {
    Uploader {
        client: &runway.client,
        uploads: &runway.uploads,
        data_uri_limit,
    }
    .place(media)
    .await
    .map(|placed| {
        let is_data = placed.uri.starts_with("data:");
        assert_eq!(placed.lasts.is_none(), is_data, "{}", placed.uri);
        let day = Duration::from_hours(24);
        assert!(
            placed
                .lasts
                .is_none_or(|lasts| lasts < day && lasts > day / 2)
        );
        placed.uri
    })
}

#[tokio::test]
async fn short_media_become_a_data_uri_and_need_no_request() {
    let server = Server::saying("").await;
    let runway = server.runway();
    let uri_of = |content, size, limit| {
        let media = media(content, size);
        let runway = &runway;
        async move { uri(runway, &media, limit).await }
    };
    assert_eq!(
        uri_of(b"abcd", 4, 30).await.unwrap(),
        "data:image/png;base64,YWJjZA=="
    );
    for (content, size) in [(&b"abcd"[..], 3), (b"abcd", 5), (b"", 1)] {
        let error = uri_of(content, size, 100).await.unwrap_err();
        assert_eq!(error.kind, RejectionKind::NotSent);
    }
    assert!(server.requests().is_empty());
    assert_eq!(
        uri_of(b"abcd", 4, 29).await.unwrap_err().kind,
        RejectionKind::NotSent
    );
    assert_eq!(
        server.requests().len(),
        1,
        "beyond the limit a slot is asked for"
    );
    let huge = uri_of(b"", 200_000_001, 10).await.unwrap_err();
    assert_eq!(huge.kind, RejectionKind::Caller);
}

static CONTENT: [u8; 5000] = [b'z'; 5000];

/// A server that gives slots pointing at `store`, or at itself.
async fn slots(store: impl Fn(u16) -> String + Send + Sync + 'static) -> Server {
    let port = Arc::new(Mutex::new(0));
    let own = port.clone();
    let server = Server::new(move |request| {
        if !request.starts_with("POST /v1/uploads ") {
            return Act::Say(http("204 No Content", "", ""));
        }
        let url = store(*own.lock().unwrap());
        let body = format!(
            r#"{{"uploadUrl":"{url}","fields":{{"key":"k1","policy":"p1"}},"runwayUri":"runway://u1"}}"#
        );
        Act::Say(json("200 OK", &body))
    })
    .await;
    *port.lock().unwrap() = server.port;
    server
}

#[tokio::test]
async fn long_media_are_uploaded_with_the_file_last_and_without_the_key() {
    let server = slots(|own| format!("http://127.0.0.1:{own}/bucket?sig=1")).await;
    let media = media(&CONTENT, 5000);
    assert_eq!(
        uri(&server.runway(), &media, 100).await.unwrap(),
        "runway://u1"
    );
    let [slot, upload] = &server.requests()[..] else {
        panic!()
    };
    assert!(
        slot.contains(r#"{"filename":"input.png","type":"ephemeral"}"#),
        "{slot}"
    );
    assert!(
        upload.starts_with("POST /bucket?sig=1 ")
            && !upload.to_lowercase().contains("authorization")
    );
    let at = |needle: &str| {
        upload
            .find(needle)
            .unwrap_or_else(|| panic!("{needle} in {upload}"))
    };
    assert!(
        at("name=\"key\"") < at("name=\"policy\"") && at("name=\"policy\"") < at("name=\"file\"")
    );
    assert!(at("content-length: ") < at("zzzz") && upload.contains("Content-Type: image/png"));
    assert_eq!(upload.matches('z').count(), 5000);
}

#[tokio::test]
async fn an_upload_goes_to_the_public_or_to_our_own_origin_only() {
    let other = Server::saying("").await;
    let elsewhere = format!("http://127.0.0.1:{}/bucket", other.port);
    for url in [
        elsewhere,
        "https://169.254.169.254/x".to_owned(),
        "file:///etc/passwd".to_owned(),
    ] {
        let server = slots(move |_| url.clone()).await;
        let error = uri(&server.runway(), &media(&CONTENT, 5000), 100)
            .await
            .unwrap_err();
        assert_eq!(error.kind, RejectionKind::NotSent);
        assert!(error.message.contains("refused"), "{}", error.message);
    }
    assert!(other.requests().is_empty());
}

#[tokio::test]
async fn a_refused_slot_says_whose_fault_it_is() {
    for (answer, expected) in [
        (json("429 Slow", "{}"), RejectionKind::Quota),
        (json("401 No", "{}"), RejectionKind::Account),
        (json("503 Busy", "{}"), RejectionKind::Unavailable),
        (
            json(
                "200 OK",
                r#"{"uploadUrl":"x","fields":{},"runwayUri":"https://x"}"#,
            ),
            RejectionKind::NotSent,
        ),
        (json("200 OK", "{}"), RejectionKind::NotSent),
    ] {
        let server = Server::saying(answer).await;
        let error = uri(&server.runway(), &media(&CONTENT, 5000), 100)
            .await
            .unwrap_err();
        assert_eq!(error.kind, expected);
    }
}

#[tokio::test]
async fn an_unreadable_input_is_not_sent() {
    let server = slots(|own| format!("http://127.0.0.1:{own}/bucket")).await;
    let broken = Media::new("image/png", 9000, || {
        stream::iter([Ok(Bytes::from_static(b"x")), Err(ErrorKind::Other.into())]).boxed()
    });
    for limit in [100, 1_000_000] {
        let error = uri(&server.runway(), &broken, limit).await.unwrap_err();
        assert_eq!(error.kind, RejectionKind::NotSent);
    }
}
