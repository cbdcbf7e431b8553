//! Credits by the rates of `runway/api.md` §6 where they are known.
//!
//! Unknown models: 10 credits per second of video, 5 per image, 1 per second of sound. Surcharges
//! for references and formats are left out: the service must not compute the bill itself.

use serde_json::{Map, Value};

use super::catalogue::Output;
use super::order::Order;

/// The most that `order` can cost.
pub fn credits(order: &Order, prompt: &str, body: &Map<String, Value>) -> u32 {
    let amount = match order.output {
        Output::Video => video(order, body) * order.seconds,
        Output::Image => image(order) * f64::from(order.count),
        Output::Audio => audio(order, prompt) * f64::from(order.count),
    };
    whole(amount.max(minimum(&order.model)))
}

/// Credits per second.
fn video(order: &Order, body: &Map<String, Value>) -> f64 {
    let area = u64::from(order.size.0) * u64::from(order.size.1);
    let by_size = |small: f64, full: f64, large: f64| match area {
        0..1_500_000 => small,
        1_500_000..4_000_000 => full,
        _ => large,
    };
    let silent = body.get("audio") == Some(&Value::Bool(false));
    match order.model.as_str() {
        "gen4.5" => 12.0,
        "gen4_turbo" | "act_two" => 5.0,
        "aleph2" => 28.0,
        "veo3.1" => {
            if silent {
                20.0
            } else {
                40.0
            }
        }
        "veo3.1_fast" => {
            if silent {
                10.0
            } else {
                15.0
            }
        }
        "seedance2" => by_size(36.0, 40.0, 150.0),
        "seedance2_fast" => 29.0,
        "seedance2_mini" => 16.0,
        "seedance2_5" => {
            if area < 600_000 {
                20.0
            } else {
                by_size(30.0, 68.0, 68.0)
            }
        }
        "hailuo3" => by_size(10.0, 15.0, 15.0),
        "happyhorse_1_0" => by_size(15.0, 30.0, 30.0),
        "grok_imagine_1_5" => {
            if area < 600_000 {
                10.0
            } else {
                by_size(16.0, 29.0, 29.0)
            }
        }
        "ruby" => by_size(20.0, 20.0, 40.0),
        _ => 10.0,
    }
}

/// Credits per picture.
fn image(order: &Order) -> f64 {
    let area = u64::from(order.size.0) * u64::from(order.size.1);
    let large = |area_above: u64, low: f64, high: f64| if area > area_above { high } else { low };
    match order.model.as_str() {
        "gen4_image" => large(1_100_000, 5.0, 8.0),
        "gen4_image_turbo" => 2.0,
        "gemini_image3_pro" => large(8_000_000, 20.0, 40.0),
        "seedream5_pro" => large(1_500_000, 5.0, 9.0),
        "seedream5_lite" => 4.0,
        "bria_fibo_1_5" => large(1_500_000, 5.0, 10.0),
        "muse_image" => 1.0,
        "ideogram_4_0" => 7.0,
        "ideogram_4_5" => 8.0,
        _ => 5.0,
    }
}

/// Credits per sound.
fn audio(order: &Order, prompt: &str) -> f64 {
    let chars = f64::from(u32::try_from(prompt.chars().count()).unwrap_or(u32::MAX));
    match order.model.as_str() {
        "eleven_multilingual_v2" | "eleven_v3" | "eleven_v4" => (chars / 50.0).max(1.0),
        "eleven_text_to_sound_v2" => 2.0,
        "eleven_voice_isolation" => order.seconds / 6.0,
        "eleven_voice_dubbing" => order.seconds / 2.0,
        "eleven_multilingual_sts_v2" => order.seconds / 3.0,
        "seed_audio" => order.seconds / 4.0,
        _ => order.seconds,
    }
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

/// Amounts are small and positive.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "1 ..= 150 × 60 × 10"
)]
fn whole(amount: f64) -> u32 {
    amount.ceil() as u32
}
