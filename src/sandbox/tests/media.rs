//! The files themselves: what their headers say is what was asked for.

use serde_json::{Value, json};

use super::{Site, read, text};

async fn made(site: &Site, path: &str, body: &Value) -> Vec<u8> {
    let answer = site.post(path, body).await;
    assert_eq!(answer.status(), 200, "{body}");
    let id = text(&read(answer).await["id"]);
    let answer = site
        .client
        .get(site.output(&id).await)
        .send()
        .await
        .expect("an answer");
    answer.bytes().await.expect("a body").to_vec()
}

/// The payload of the first box of that name, searched at any depth.
fn mp4_box(file: &[u8], name: [u8; 4]) -> &[u8] {
    let at = file
        .windows(4)
        .position(|window| window == name)
        .expect("the box exists");
    let length = u32::from_be_bytes(file[at - 4..at].try_into().expect("four bytes"));
    &file[at + 4..at - 4 + length as usize]
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

#[tokio::test]
async fn a_film_has_the_size_and_length_asked_for_and_starts_fast() {
    let site = Site::quick().await;
    for (ratio, seconds, width, height) in [
        ("864:496", 4, 864, 496),
        ("1470:630", 7, 1470, 630),
        ("496:864", 5, 496, 864),
    ] {
        let body =
            json!({"model": "seedance2", "promptText": "x", "ratio": ratio, "duration": seconds});
        let file = made(&site, "/v1/text_to_video", &body).await;
        let header = mp4_box(&file, *b"mvhd");
        assert_eq!(word(header, 16), seconds * word(header, 12), "{ratio}");
        let track = mp4_box(&file, *b"tkhd");
        let pixels = |from_end: usize| word(track, track.len() - from_end) >> 16;
        assert_eq!((pixels(8), pixels(4)), (width, height));
        let frames = word(mp4_box(&file, *b"stsz"), 8);
        assert_eq!(frames, seconds * 24);
        let place = |name: &[u8; 4]| file.windows(4).position(|window| window == name);
        assert!(place(b"moov") < place(b"mdat"));
        assert!(file.len() < 6_000_000, "{} bytes", file.len());
    }
}

#[tokio::test]
async fn a_picture_has_the_size_asked_for() {
    let site = Site::quick().await;
    let body = json!({"model": "gen4_image", "promptText": "a lake", "ratio": "1168:880"});
    let file = made(&site, "/v1/text_to_image", &body).await;
    let mut reader = png::Decoder::new(std::io::Cursor::new(&file))
        .read_info()
        .expect("a PNG");
    assert_eq!((reader.info().width, reader.info().height), (1168, 880));
    let mut pixels = vec![0; reader.output_buffer_size().expect("a size")];
    reader.next_frame(&mut pixels).expect("the pixels decode");
}

#[tokio::test]
async fn a_sound_has_the_length_asked_for() {
    let site = Site::quick().await;
    let model = "eleven_text_to_sound_v2";
    let body = json!({"model": model, "promptText": "waves", "duration": 2.5});
    let file = made(&site, "/v1/sound_effect", &body).await;
    assert_eq!(&file[..4], b"RIFF");
    assert_eq!(file.len(), 44 + 5 * 16_000);
}

#[tokio::test]
async fn each_piece_of_a_task_has_a_url_of_its_own() {
    let site = Site::quick().await;
    let body = json!({
        "model": "gpt_image_2", "promptText": "a lake", "ratio": "1920:1088", "outputCount": 3,
    });
    let id = text(&read(site.post("/v1/text_to_image", &body).await).await["id"]);
    let task = site.task(&id).await;
    let urls: Vec<_> = task["output"]
        .as_array()
        .expect("a list")
        .iter()
        .map(text)
        .collect();
    assert_eq!(urls.len(), 3);
    for url in urls {
        assert_eq!(
            site.client
                .head(url)
                .send()
                .await
                .expect("an answer")
                .status(),
            200
        );
    }
}
