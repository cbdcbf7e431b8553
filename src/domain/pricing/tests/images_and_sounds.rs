//! Images and sounds: one row per priced endpoint, model and variation.

use super::*;
use Operation::{
    SoundEffect, SpeechToSpeech, TextToImage, TextToSpeech, VoiceDubbing, VoiceIsolation,
};
use Role::{Reference, SourceAudio, SourceVideo};

#[test]
fn images_cost_by_the_piece() {
    let image = |model: &str| ask(TextToImage, model);
    let sized = |model: &str, size: &str| ask(TextToImage, model).size(size);
    let quality = |model: &str, quality: &str| ask(TextToImage, model).text("quality", quality);
    let mut rows = vec![
        (image("gen4_image"), Some(8)),
        // Foreign sizes are 1920:1080 and 1080:1920 here.
        (sized("gen4_image", "1792x1024"), Some(8)),
        (sized("gen4_image", "1024x1792"), Some(8)),
        (image("gen4_image_turbo").input(Reference), Some(2)),
        (image("gemini_2.5_flash"), Some(5)),
        (sized("gemini_image3_pro", "1024x1024"), Some(20)),
        (sized("gemini_image3_pro", "2048x2048"), Some(20)),
        (sized("gemini_image3_pro", "2304x1856"), Some(20)),
        (sized("gemini_image3_pro", "4096x4096"), Some(40)),
        (sized("gemini_image3_pro", "6336x2688"), Some(40)),
        (sized("gemini_image3_pro", "4096x4096").count(4), Some(160)),
        (sized("seedream5_pro", "1024x1024"), Some(5)),
        (sized("seedream5_pro", "auto_1k"), Some(5)),
        (sized("seedream5_pro", "2720x1530"), Some(9)),
        (sized("seedream5_pro", "auto_2k"), Some(9)),
        (sized("seedream5_pro", "2048x2048").count(3), Some(27)),
        (image("seedream5_lite"), Some(4)),
        (image("seedream5_lite").count(4), Some(16)),
        (image("gpt_image_2"), Some(41)),
        (quality("gpt_image_2", "low").count(10), Some(410)),
        (image("muse_image"), Some(1)),
        (image("muse_image").count(2), Some(2)),
        (sized("bria_fibo_1_5", "1024x1024"), Some(5)),
        (sized("bria_fibo_1_5", "2048x2048"), Some(10)),
        (sized("bria_fibo_1_5", "1152x2048"), Some(10)),
        (quality("ideogram_4_0", "low"), Some(4)),
        (quality("ideogram_4_0", "medium"), Some(7)),
        (quality("ideogram_4_0", "high"), Some(11)),
        (image("ideogram_4_0"), Some(11)),
        (quality("ideogram_4_0", "low").count(2), Some(8)),
        (quality("ideogram_4_5", "very_low"), Some(1)),
        (quality("ideogram_4_5", "low"), Some(4)),
        (quality("ideogram_4_5", "medium"), Some(8)),
        (quality("ideogram_4_5", "high"), Some(25)),
        (image("ideogram_4_5"), Some(25)),
    ];
    for (size, credits) in [
        ("1280x720", 5),
        ("720x1280", 5),
        ("720x720", 5),
        ("960x720", 5),
        ("720x960", 5),
        ("1680x720", 5),
        ("1024x1024", 8),
        ("1080x1080", 8),
        ("1168x880", 8),
        ("1360x768", 8),
        ("1440x1080", 8),
        ("1080x1440", 8),
        ("1808x768", 8),
        ("1920x1080", 8),
        ("1080x1920", 8),
        ("2112x912", 8),
    ] {
        rows.push((sized("gen4_image", size), Some(credits)));
    }
    check(rows);
}

#[test]
fn sounds() {
    let speak =
        |model: &str, length: usize| ask(TextToSpeech, model).voice().prompt("a".repeat(length));
    let isolate = || ask(VoiceIsolation, "eleven_voice_isolation");
    let dub = || ask(VoiceDubbing, "eleven_voice_dubbing").text("targetLang", "de");
    let revoice = || ask(SpeechToSpeech, "eleven_multilingual_sts_v2").voice();
    let mut rows = vec![
        (ask(SoundEffect, "eleven_text_to_sound_v2"), Some(2)),
        (
            ask(SoundEffect, "eleven_text_to_sound_v2").seconds(30),
            Some(2),
        ),
        (isolate().lasting(SourceAudio, 6000), Some(1)),
        (isolate().lasting(SourceAudio, 6001), Some(2)),
        (isolate().lasting(SourceAudio, 60_000), Some(10)),
        (isolate().input(SourceAudio), None),
        (dub().lasting(SourceAudio, 2000), Some(1)),
        (dub().lasting(SourceAudio, 7000), Some(4)),
        (dub().input(SourceAudio), None),
        (revoice().lasting(SourceAudio, 3000), Some(1)),
        (revoice().lasting(SourceAudio, 10_000), Some(4)),
        (revoice().lasting(SourceVideo, 9000), Some(3)),
        (revoice().input(SourceAudio), None),
        // How long it speaks is not known before.
        (ask(TextToSpeech, "seed_audio"), None),
        (ask(SoundEffect, "seed_audio"), None),
    ];
    for model in ["eleven_multilingual_v2", "eleven_v3"] {
        rows.extend([
            (speak(model, 1), Some(1)),
            (speak(model, 50), Some(1)),
            (speak(model, 51), Some(2)),
            (speak(model, 1000), Some(20)),
        ]);
    }
    check(rows);
}
