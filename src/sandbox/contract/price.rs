//! Credits by the rates of `runway/api.md` §6, in a reading of its own: the service's estimates are
//! held against these, so nothing is shared with its price rules.
//!
//! Where §6 gives no rate one is invented, above zero: 10 credits per second of video, 5 per image,
//! 1 per second of sound. A source or reference that says no length plays [`SOURCE_SECONDS`] with
//! [`SOURCE_FPS`] frames each second; none has more than four megapixels.

use serde_json::{Map, Value};

use super::catalogue::Output;
use super::order::Order;
use super::source::Source;

/// What `order` costs when its output plays so many `seconds`.
pub fn credits(order: &Order, prompt: &str, body: &Map<String, Value>, seconds: f64) -> u32 {
    let bill = Bill {
        order,
        body,
        seconds,
    };
    let amount = match order.output {
        Output::Video => bill.video(),
        Output::Image => bill.image() * f64::from(order.count),
        Output::Audio => bill.audio(prompt) * f64::from(order.count),
    };
    whole(amount.max(minimum(&order.model)))
}

struct Bill<'a> {
    order: &'a Order,
    body: &'a Map<String, Value>,
    seconds: f64,
}

impl Bill<'_> {
    /// Credits of one video.
    fn video(&self) -> f64 {
        let seconds = self.seconds;
        let model = self.order.model.as_str();
        match model {
            "gen4.5" => (12.0 + self.format()) * seconds,
            "aleph2" => (28.0 + self.format()) * self.source(),
            "gen4_turbo" | "act_two" => 5.0 * seconds,
            "veo3.1" => self.sound(40.0, 20.0) * seconds,
            "veo3.1_fast" => self.sound(15.0, 10.0) * seconds,
            "seedance2" => self.by_size([36.0, 36.0, 40.0, 150.0]) * seconds,
            "seedance2_fast" => 29.0 * seconds,
            "seedance2_mini" => 16.0 * seconds,
            "seedance2_5" => {
                let output = self.by_size([20.0, 30.0, 68.0, 68.0]) * seconds;
                let input = self.by_size([10.0, 15.0, 34.0, 34.0]);
                output + input * (self.prompt_video() + self.reference_videos())
            }
            "hailuo3" => {
                let rate = self.by_size([10.0, 10.0, 15.0, 15.0]);
                let references = f64::from(self.count("references") + self.unplaced());
                rate * (seconds + self.reference_videos()) + 2.0 * references
            }
            "happyhorse_1_0" => self.by_size([15.0, 15.0, 30.0, 30.0]) * seconds,
            "gemini_omni_flash" if self.body.contains_key("videoUri") => {
                11.0 * self.source() + f64::from(self.count("references"))
            }
            "gemini_omni_flash" => {
                10.0 * seconds + f64::from(u8::from(self.body.contains_key("promptImage")))
            }
            "grok_imagine_1_5" => {
                let rate = match self.word("resolution") {
                    Some("480p") => 10.0,
                    Some("1080p") => 29.0,
                    _ => 16.0,
                };
                rate * seconds + f64::from(self.count("references"))
            }
            "ruby" => 20.0 * self.source(),
            "magnific_video_upscaler_creative" => {
                let of_frame = match self.word("resolution") {
                    Some("720p" | "1k") => 0.7,
                    Some("4k") => 1.2,
                    _ => 0.9,
                };
                of_frame * self.frames()
            }
            _ => 10.0 * seconds,
        }
    }

    /// Credits of one picture.
    fn image(&self) -> f64 {
        let (width, height) = self.order.size;
        let large = |above: u64, low: f64, high: f64| if self.area() > above { high } else { low };
        let references = f64::from(self.count("referenceImages"));
        let quality = self.word("quality");
        match self.order.model.as_str() {
            "gen4_image" if width.min(height) == 720 => 5.0,
            "gen4_image" => 8.0,
            "gen4_image_turbo" => 2.0,
            "gemini_image3_pro" => large(8_000_000, 20.0, 40.0),
            "seedream5_pro" => large(2_000_000, 5.0, 9.0),
            "seedream5_lite" => 4.0,
            "bria_fibo_1_5" => large(2_000_000, 5.0, 10.0),
            "muse_image" => 1.0,
            "ideogram_4_0" => match quality {
                Some("low") => 4.0,
                Some("high") => 11.0,
                _ => 7.0,
            },
            "ideogram_4_5" => match quality {
                Some("very_low") => 1.0,
                Some("low") => 4.0,
                Some("high") => 25.0,
                _ => 8.0,
            },
            // 1 to 41, by what is not told.
            "gpt_image_2" => match quality {
                Some("low") => 1.0,
                Some("medium") => 11.0,
                _ => 41.0,
            },
            "gpt_image_2_5_flare" | "gpt_image_2_5_sunburst" => 8.0 + references,
            "grok_imagine_image_2" => {
                let less = if quality == Some("low") { 2.0 } else { 0.0 };
                large(2_000_000, 5.0, 7.0) - less + references
            }
            _ => 5.0,
        }
    }

    /// Credits of one sound.
    fn audio(&self, prompt: &str) -> f64 {
        let chars = f64::from(u32::try_from(prompt.chars().count()).unwrap_or(u32::MAX));
        match self.order.model.as_str() {
            "eleven_multilingual_v2" | "eleven_v3" | "eleven_v4" => (chars / 50.0).max(1.0),
            "eleven_text_to_sound_v2" => 2.0,
            "eleven_voice_isolation" => self.source() / 6.0,
            "eleven_voice_dubbing" => self.source() / 2.0,
            "eleven_multilingual_sts_v2" => self.source() / 3.0,
            "seed_audio" => self.seconds / 4.0,
            _ => self.seconds,
        }
    }

    /// What a format other than MP4 adds to each second.
    fn format(&self) -> f64 {
        match self.word("outputFormat") {
            None | Some("mp4") => 0.0,
            Some("prores" | "png_sequence") => 5.0,
            Some(_) if self.area() > 4_000_000 => 40.0,
            Some(_) => 20.0,
        }
    }

    /// Sound is on unless it is switched off.
    fn sound(&self, on: f64, off: f64) -> f64 {
        let silent = self.body.get("audio") == Some(&Value::Bool(false));
        if silent { off } else { on }
    }

    /// The rate at 480p, 720p, 1080p and 4K, told by the number of pixels; a draft is one at 480p.
    fn by_size(&self, [small, medium, full, large]: [f64; 4]) -> f64 {
        match self.area() {
            _ if self.body.get("draft") == Some(&Value::Bool(true)) => small,
            0..600_000 => small,
            600_000..1_500_000 => medium,
            1_500_000..5_000_000 => full,
            _ => large,
        }
    }

    /// Seconds of the source.
    fn source(&self) -> f64 {
        Source::of_body(self.body).map_or(SOURCE_SECONDS, |source| source.seconds)
    }

    /// Pictures of the source.
    fn frames(&self) -> f64 {
        let counted = Source::of_body(self.body).and_then(|source| source.frames);
        counted.unwrap_or_else(|| SOURCE_FPS * self.source())
    }

    /// Seconds of the prompt video, where there is one.
    fn prompt_video(&self) -> f64 {
        self.body.get("promptVideo").map_or(0.0, plays)
    }

    /// Seconds of all reference videos.
    fn reference_videos(&self) -> f64 {
        let videos = self.body.get("referenceVideos").and_then(Value::as_array);
        let lengths = videos.into_iter().flatten();
        lengths
            .map(|video| video.get("uri").map_or(SOURCE_SECONDS, plays))
            .sum()
    }

    /// Images of an array of prompt images that are no frames, so references.
    fn unplaced(&self) -> u32 {
        let images = self.body.get("promptImage").and_then(Value::as_array);
        let images = images.into_iter().flatten();
        number(
            images
                .filter(|image| image.get("position").is_none())
                .count(),
        )
    }

    fn area(&self) -> u64 {
        u64::from(self.order.size.0) * u64::from(self.order.size.1)
    }

    fn count(&self, member: &str) -> u32 {
        number(
            self.body
                .get(member)
                .and_then(Value::as_array)
                .map_or(0, Vec::len),
        )
    }

    fn word(&self, member: &str) -> Option<&str> {
        self.body.get(member)?.as_str()
    }
}

/// Seconds of the media at an address.
fn plays(uri: &Value) -> f64 {
    let source = uri.as_str().and_then(Source::of_uri);
    source.map_or(SOURCE_SECONDS, |source| source.seconds)
}

fn minimum(model: &str) -> f64 {
    match model {
        "aleph2" => 56.0,
        "seedance2_mini" => 64.0,
        "seedance2_5" => 80.0,
        "seed_audio" => 5.0,
        _ => 1.0,
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Amounts are small and positive. What is a whole number but for rounding is not lifted above it.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "1 ..= 100 × 600 × 12"
)]
fn whole(amount: f64) -> u32 {
    (amount - 1e-6).ceil() as u32
}

/// How long a source or a reference is taken to play that does not say it.
const SOURCE_SECONDS: f64 = 5.0;
/// Its frames each second.
const SOURCE_FPS: f64 = 30.0;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sandbox::contract::{Catalogue, read};

    /// What a body costs at most, and in the end.
    fn price(path: &str, body: &Value) -> (u32, u32) {
        let catalogue = Catalogue::embedded().expect("the embedded catalogue parses");
        let endpoint = catalogue.endpoint(path).expect("a known endpoint");
        let order = read(path, endpoint, body, &|_| true).expect("a valid body");
        (order.credits, order.cost)
    }

    #[test]
    fn videos_cost_what_the_rate_page_says() {
        let (words, image) = ("/v1/text_to_video", "/v1/image_to_video");
        let (uri, film) = ("https://example.com/a.jpg", "https://example.com/a.mp4");
        let gen45 = |more: Value| {
            with(
                json!({"model": "gen4.5", "promptText": "a", "duration": 5, "ratio": "1280:720"}),
                more,
            )
        };
        let seedance = |more: Value| with(json!({"model": "seedance2_5", "promptText": "a"}), more);
        let veo = |more: Value| {
            with(
                json!({"model": "veo3.1", "promptText": "a", "ratio": "1280:720"}),
                more,
            )
        };
        let hailuo = |more: Value| with(json!({"model": "hailuo3", "promptText": "a"}), more);
        let omni = json!({"model": "gemini_omni_flash", "promptImage": uri, "duration": 4});
        for (path, body, credits) in [
            (words, gen45(json!({})), 60),
            (words, gen45(json!({"outputFormat": "prores"})), 85),
            (words, gen45(json!({"outputFormat": "hdr10"})), 160),
            (words, veo(json!({})), 320),
            (words, veo(json!({"duration": 4, "audio": false})), 80),
            (
                words,
                seedance(json!({"ratio": "640:640", "duration": 4})),
                80,
            ),
            (
                words,
                seedance(json!({"ratio": "1920:1080", "duration": 10})),
                680,
            ),
            (
                words,
                seedance(
                    json!({"ratio": "1280:720", "duration": 10, "referenceVideos": [{"type": "video", "uri": film}]}),
                ),
                375,
            ),
            (
                words,
                hailuo(json!({"resolution": "2k", "duration": 6})),
                90,
            ),
            (
                words,
                hailuo(
                    json!({"references": [{"uri": uri}, {"uri": uri}], "referenceVideos": [{"type": "video", "uri": film}]}),
                ),
                104,
            ),
            (image, omni, 41),
            (
                image,
                json!({"model": "gen4_turbo", "promptImage": uri, "ratio": "1280:720"}),
                25,
            ),
            (
                "/v1/video_to_video",
                json!({"model": "gemini_omni_flash", "promptText": "a", "videoUri": film, "references": [{"uri": uri}]}),
                56,
            ),
            (
                "/v1/video_to_video",
                json!({"model": "aleph2", "videoUri": film}),
                140,
            ),
            (
                "/v1/video_to_hdr",
                json!({"model": "ruby", "videoUri": film}),
                100,
            ),
            (
                "/v1/video_upscale",
                json!({"model": "magnific_video_upscaler_creative", "videoUri": film, "resolution": "1k"}),
                105,
            ),
        ] {
            assert_eq!(price(path, &body), (credits, credits), "{body}");
        }
        let auto = seedance(json!({"ratio": "1280:720", "duration": "auto"}));
        assert_eq!(
            price(words, &auto),
            (900, 150),
            "the unused part comes back"
        );
    }

    #[test]
    fn pictures_and_sounds_cost_what_the_rate_page_says() {
        let picture = |model: &str, ratio: &str, more: Value| {
            let body = json!({"model": model, "promptText": "a", "ratio": ratio});
            price("/v1/text_to_image", &with(body, more)).0
        };
        for (ratio, credits) in [
            ("1280:720", 5),
            ("720:960", 5),
            ("1680:720", 5),
            ("1024:1024", 8),
            ("1920:1080", 8),
            ("1808:768", 8),
        ] {
            assert_eq!(picture("gen4_image", ratio, json!({})), credits, "{ratio}");
        }
        assert_eq!(picture("gemini_image3_pro", "2048:2048", json!({})), 20);
        assert_eq!(
            picture("gemini_image3_pro", "4096:4096", json!({"outputCount": 4})),
            160
        );
        assert_eq!(
            picture("ideogram_4_5", "1024:1024", json!({"quality": "very_low"})),
            1
        );
        assert_eq!(
            picture("seedream5_pro", "auto_2k", json!({"outputCount": 3})),
            27
        );
        let speech = json!({"model": "eleven_multilingual_v2", "promptText": "a".repeat(101), "voice": {"type": "runway-preset", "presetId": "Maya"}});
        assert_eq!(price("/v1/text_to_speech", &speech).0, 3);
    }

    fn with(mut body: Value, more: Value) -> Value {
        if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
            body.extend(more);
        }
        body
    }
}
