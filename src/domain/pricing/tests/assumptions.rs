//! What estimates say that they took for granted.

use super::*;
use Operation::{ImageToVideo, TextToVideo, VideoToHdr, VideoToVideo};
use Role::{SourceVideo, Unspecified};

fn told(ask: &Ask) -> Vec<String> {
    let generation = ask.generation();
    let spec = embedded().spec(&generation.model, generation.operation);
    assumptions(&generation, spec.expect("is offered"))
}

#[test]
fn what_was_left_open_is_told_and_what_was_said_is_not() {
    let moving = || ask(ImageToVideo, "gen4_turbo").input(Unspecified);
    let edit = || ask(VideoToVideo, "aleph2");
    let rows: Vec<(Ask, &[&str])> = vec![
        (moving().seconds(5), &[]),
        (ask(TextToVideo, "gen4.5"), &[]),
        (
            moving(),
            &["assumed the greatest length of gen4_turbo, 10 s"],
        ),
        (edit().lasting_at(SourceVideo, 5000, (1280, 720)), &[]),
        (edit().lasting_at(SourceVideo, 5000, (3840, 2160)), &[]),
        (
            edit().input(SourceVideo),
            &["assumed the longest source video, 30 s"],
        ),
        (
            ask(VideoToHdr, "ruby").lasting(SourceVideo, 2500),
            &["assumed the dearest size of the source video"],
        ),
        (
            edit()
                .lasting(SourceVideo, 2500)
                .text("outputFormat", "sdr_rec709_10bit"),
            &["assumed the dearest size of the source video"],
        ),
        (
            ask(TextToVideo, "grok_imagine_1_5").seconds(6),
            &["assumed the dearest size"],
        ),
        (
            ask(ImageToVideo, "happyhorse_1_0")
                .input(Unspecified)
                .size("720p"),
            &["assumed the greatest length of happyhorse_1_0, 15 s"],
        ),
    ];
    for (ask, expected) in rows {
        assert_eq!(told(&ask), expected, "{:?}", ask.0);
    }
}

#[test]
fn an_unknown_price_assumes_nothing() {
    let ask = ask(TextToVideo, "wan3");
    assert_eq!((ask.estimate(), told(&ask).len()), (None, 0));
}
