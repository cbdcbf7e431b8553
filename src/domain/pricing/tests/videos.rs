//! Videos: one row per priced endpoint, model and variation.

use super::*;
use Operation::{
    CharacterPerformance, ImageToVideo, TextToVideo, VideoToHdr, VideoToVideo, VideoUpscale,
};
use Role::{
    Character, FirstFrame, LastFrame, Performance, Reference, ReferenceAudio, ReferenceVideo,
    SourceVideo, Unspecified,
};

/// An image-to-video request with a single picture.
fn moving(model: &str) -> Ask {
    ask(ImageToVideo, model).input(Unspecified)
}

#[test]
fn runways_own_video_models() {
    let gen45 = || ask(TextToVideo, "gen4.5");
    let from_image = || moving("gen4.5").seconds(5);
    let with = |format| gen45().seconds(5).text("outputFormat", format);
    check(vec![
        (gen45().seconds(5), Some(60)),
        (gen45().seconds(2), Some(24)),
        (gen45().seconds(10), Some(120)),
        // Five seconds are what is sent when nothing is said.
        (gen45(), Some(60)),
        (with("mp4"), Some(60)),
        (with("prores"), Some(85)),
        (with("png_sequence"), Some(85)),
        // Every size of this model is under 4 MP.
        (with("hdr10"), Some(160)),
        (with("hlg"), Some(160)),
        (with("sdr_rec709_10bit"), Some(160)),
        (with("hdr_pq_12bit_master"), Some(160)),
        (with("hdr_prores"), Some(160)),
        (with("hdr_png_sequence"), Some(160)),
        (with("hdr_exr_sequence"), Some(160)),
        (with("hdr_exr_acescg_sequence_1_3"), Some(160)),
        (with("hdr_exr_acescg_sequence_2_0"), Some(160)),
        (from_image(), Some(60)),
        (from_image().size("1584x672"), Some(60)),
        (from_image().text("outputFormat", "prores"), Some(85)),
        (moving("gen4_turbo").seconds(5), Some(25)),
        (moving("gen4_turbo").seconds(2), Some(10)),
        (moving("gen4_turbo"), Some(50)),
    ]);
}

#[test]
fn models_that_work_on_a_video() {
    let edit = |ms| ask(VideoToVideo, "aleph2").lasting_at(SourceVideo, ms, (1280, 720));
    let large = |ms| ask(VideoToVideo, "aleph2").lasting_at(SourceVideo, ms, (3840, 2160));
    let act = || ask(CharacterPerformance, "act_two").input(Character);
    let hdr = |size| ask(VideoToHdr, "ruby").lasting_at(SourceVideo, 2500, size);
    check(vec![
        (edit(5000), Some(140)),
        (edit(2000), Some(56)),
        (edit(2500), Some(70)),
        (ask(VideoToVideo, "aleph2").input(SourceVideo), Some(840)),
        (edit(5000).text("outputFormat", "mp4"), Some(140)),
        (edit(5000).text("outputFormat", "prores"), Some(165)),
        (edit(5000).text("outputFormat", "png_sequence"), Some(165)),
        (
            edit(5000).text("outputFormat", "sdr_rec709_10bit"),
            Some(240),
        ),
        (
            large(5000).text("outputFormat", "sdr_rec709_10bit"),
            Some(340),
        ),
        (large(5000), Some(140)),
        (
            ask(VideoToVideo, "aleph2")
                .lasting(SourceVideo, 5000)
                .text("outputFormat", "sdr_rec709_10bit"),
            Some(340),
        ),
        // The size that is asked for goes before the size of the source.
        (
            edit(5000)
                .size("3840x2160")
                .text("outputFormat", "sdr_rec709_10bit"),
            Some(340),
        ),
        (
            large(5000)
                .size("1280x720")
                .text("outputFormat", "sdr_rec709_10bit"),
            Some(240),
        ),
        (act().lasting(Performance, 4000), Some(20)),
        (act().lasting(Performance, 4001), Some(25)),
        (act().input(Performance), Some(150)),
        (hdr((1920, 1080)), Some(50)),
        (hdr((3840, 2160)), Some(100)),
        // Of unknown size it may be large, of unknown length as long as is taken.
        (
            ask(VideoToHdr, "ruby").lasting(SourceVideo, 2500),
            Some(100),
        ),
        (ask(VideoToHdr, "ruby").input(SourceVideo), Some(1200)),
    ]);
}

#[test]
fn upscaled_videos_are_charged_by_the_frame() {
    let frames = |frames| {
        let measured = Measured {
            duration_ms: Some(3000),
            frames: Some(frames),
            ..Measured::default()
        };
        ask(VideoUpscale, "magnific_video_upscaler_creative").measured(SourceVideo, measured)
    };
    check(vec![
        (frames(90).size("720p"), Some(63)),
        (frames(90).size("1k"), Some(63)),
        (frames(90).size("2k"), Some(81)),
        (frames(90).size("4k"), Some(108)),
        // 2k is what is made when nothing is said.
        (frames(90), Some(81)),
        (frames(1).size("1k"), Some(1)),
        (frames(2).size("1k"), Some(2)),
        (frames(90).option("fpsBoost", Value::Bool(false)), Some(81)),
        // How many frames a boost makes is not documented.
        (frames(90).option("fpsBoost", Value::Bool(true)), None),
        (
            ask(VideoUpscale, "magnific_video_upscaler_creative").lasting(SourceVideo, 3000),
            None,
        ),
    ]);
}

#[test]
fn veo_costs_by_its_sound() {
    let mut rows = Vec::new();
    for (model, loud, silent) in [("veo3.1", 40, 20), ("veo3.1_fast", 15, 10)] {
        for ask in [ask(TextToVideo, model), moving(model)] {
            rows.extend([
                (ask.clone().seconds(8), Some(8 * loud)),
                (ask.clone().seconds(4).audio(true), Some(4 * loud)),
                (ask.clone().seconds(8).audio(false), Some(8 * silent)),
                (ask.clone().seconds(6).audio(false), Some(6 * silent)),
                (ask.clone(), Some(8 * loud)),
                (
                    ask.option("duration", Value::Int(6)).audio(false),
                    Some(6 * silent),
                ),
            ]);
        }
    }
    rows.push((ask(TextToVideo, "veo3.1").seconds(8), Some(320)));
    rows.push((
        ask(TextToVideo, "veo3.1").seconds(8).audio(false),
        Some(160),
    ));
    check(rows);
}

#[test]
fn seedance_2_costs_by_its_size() {
    let mut rows = Vec::new();
    let asks = |model| {
        [
            ask(TextToVideo, model),
            moving(model),
            ask(VideoToVideo, model).input(SourceVideo),
        ]
    };
    for ask in asks("seedance2") {
        rows.extend([
            (ask.clone().seconds(5).size("864x496"), Some(180)),
            (ask.clone().seconds(5).size("1280x720"), Some(180)),
            (ask.clone().seconds(5).size("1920x1080"), Some(200)),
            (ask.clone().seconds(5).size("2206x946"), Some(200)),
            (ask.clone().seconds(5).size("3840x1646"), Some(750)),
            (ask.clone().seconds(5).size("3840x3840"), Some(750)),
            (ask.clone().size("1280x720"), Some(540)),
            (
                ask.clone().text("duration", "auto").size("1280x720"),
                Some(540),
            ),
            // Any size may come of none.
            (ask.clone().seconds(5), Some(750)),
            (ask.seconds(5).audio(false).size("1280x720"), Some(180)),
        ]);
    }
    for ask in asks("seedance2_fast") {
        rows.push((ask.clone().seconds(5), Some(145)));
        rows.push((ask, Some(435)));
    }
    for ask in asks("seedance2_mini") {
        rows.push((ask.clone().seconds(4), Some(64)));
        rows.push((ask.clone().seconds(5), Some(80)));
        rows.push((ask.text("duration", "auto"), Some(240)));
    }
    check(rows);
}

#[test]
fn seedance_2_5_costs_by_its_size_and_its_videos() {
    let words = || ask(TextToVideo, "seedance2_5");
    let video = |ms| ask(VideoToVideo, "seedance2_5").lasting(SourceVideo, ms);
    check(vec![
        (words().seconds(5).size("854x480"), Some(100)),
        (words().seconds(4).size("854x480"), Some(80)),
        (words().seconds(5).size("1280x720"), Some(150)),
        (words().seconds(5).size("1920x1080"), Some(340)),
        (words().seconds(5), Some(340)),
        (words().size("1280x720"), Some(900)),
        (words().size("1280x720").text("duration", "auto"), Some(900)),
        // A draft is a preview at 480p.
        (
            words()
                .seconds(5)
                .size("1920x1080")
                .option("draft", Value::Bool(true)),
            Some(100),
        ),
        (
            words()
                .seconds(5)
                .size("1280x720")
                .option("draft", Value::Bool(false)),
            Some(150),
        ),
        // What an enhanced draft costs is not documented.
        (
            words().prompt(String::new()).text("draftTaskId", "a draft"),
            None,
        ),
        (
            words()
                .seconds(5)
                .size("1280x720")
                .lasting(ReferenceVideo, 3000)
                .lasting(ReferenceVideo, 2500),
            Some(150 + 6 * 15),
        ),
        (
            words()
                .seconds(5)
                .size("1280x720")
                .lasting(ReferenceVideo, 3000)
                .input(ReferenceVideo),
            None,
        ),
        (moving("seedance2_5").seconds(5).size("854x480"), Some(100)),
        (
            moving("seedance2_5").seconds(5).size("1920x1080"),
            Some(340),
        ),
        (video(4000).seconds(5).size("854x480"), Some(140)),
        (video(4000).seconds(5).size("1280x720"), Some(210)),
        (video(4000).seconds(5).size("1920x1080"), Some(476)),
        (
            video(4000)
                .seconds(5)
                .size("1920x1080")
                .option("draft", Value::Bool(true)),
            Some(140),
        ),
        (
            video(4000).text("mode", "edit").text("duration", "auto"),
            Some(30 * 68 + 4 * 34),
        ),
        (
            ask(VideoToVideo, "seedance2_5")
                .input(SourceVideo)
                .seconds(5)
                .size("1280x720"),
            None,
        ),
    ]);
}

#[test]
fn partners_video_models() {
    let hailuo = || ask(TextToVideo, "hailuo3").seconds(6);
    let small = || hailuo().size("768p");
    let flash = || ask(TextToVideo, "gemini_omni_flash");
    let grok = || ask(TextToVideo, "grok_imagine_1_5").seconds(6);
    let horse = || ask(TextToVideo, "happyhorse_1_0").seconds(5);
    check(vec![
        (small(), Some(60)),
        (hailuo().size("2k"), Some(90)),
        (hailuo().size("2K"), Some(90)),
        (hailuo(), Some(90)),
        (ask(TextToVideo, "hailuo3").size("768P"), Some(150)),
        (small().input(Reference).input(Reference), Some(64)),
        (small().lasting(ReferenceVideo, 4000), Some(100)),
        (small().input(ReferenceVideo), None),
        (small().input(Reference).input(ReferenceAudio), Some(62)),
        (
            ask(ImageToVideo, "hailuo3")
                .input(FirstFrame)
                .input(LastFrame)
                .seconds(6)
                .size("2k"),
            Some(90),
        ),
        (
            ask(ImageToVideo, "hailuo3")
                .input(Reference)
                .seconds(6)
                .size("768p"),
            Some(62),
        ),
        // A single picture may be taken as a reference.
        (moving("hailuo3").seconds(6).size("768p"), Some(62)),
        (
            ask(VideoToVideo, "hailuo3")
                .lasting(SourceVideo, 5000)
                .seconds(6)
                .size("2k"),
            Some(165),
        ),
        (horse().size("1280x720"), Some(75)),
        (horse().size("1662x1248"), Some(150)),
        (horse(), Some(150)),
        (moving("happyhorse_1_0").seconds(5).size("720p"), Some(75)),
        (moving("happyhorse_1_0").seconds(5).size("1080P"), Some(150)),
        (moving("happyhorse_1_0").size("720p"), Some(225)),
        (flash().seconds(5), Some(50)),
        (flash(), Some(100)),
        (moving("gemini_omni_flash").seconds(5), Some(51)),
        (
            ask(ImageToVideo, "gemini_omni_flash")
                .input(FirstFrame)
                .seconds(5),
            Some(51),
        ),
        (
            ask(VideoToVideo, "gemini_omni_flash").lasting(SourceVideo, 5000),
            Some(55),
        ),
        (
            ask(VideoToVideo, "gemini_omni_flash")
                .lasting(SourceVideo, 5000)
                .input(Reference)
                .input(Reference),
            Some(57),
        ),
        (
            ask(VideoToVideo, "gemini_omni_flash").lasting(SourceVideo, 2500),
            Some(33),
        ),
        (
            ask(VideoToVideo, "gemini_omni_flash").input(SourceVideo),
            None,
        ),
        (grok().size("480p"), Some(60)),
        (grok().size("720p"), Some(96)),
        (grok().size("1080p"), Some(174)),
        (grok(), Some(174)),
        (grok().size("720p").input(Reference), Some(97)),
        (
            grok().size("720p").input(Reference).input(ReferenceAudio),
            Some(98),
        ),
        (ask(TextToVideo, "grok_imagine_1_5").size("720p"), None),
        (moving("grok_imagine_1_5").seconds(6).size("480p"), Some(60)),
        (
            moving("grok_imagine_1_5").seconds(6).size("1080p"),
            Some(174),
        ),
    ]);
}
