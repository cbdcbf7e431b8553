//! What holds of every model, whatever is asked of it.

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::domain::generation::{Input, InputSource};
use crate::domain::model::{dimensions, nearest};

/// Every model of whose price nothing is documented.
const UNPRICED: &[&str] = &[
    "bria_fibo_edit_1_5",
    "eleven_v4",
    "enhance_frame_rate",
    "gemini_image3.1_flash",
    "gemini_image3.1_flash_lite",
    "gemini_omni_flash_1.1",
    "gpt_image_2_5_flare",
    "gpt_image_2_5_sunburst",
    "grok_imagine_1_5_lite",
    "grok_imagine_image_2",
    "h3_max",
    "kling2.5_turbo_pro",
    "kling3.0_4k",
    "kling3.0_pro",
    "kling3.0_standard",
    "klingO3_4k",
    "klingO3_pro",
    "klingO3_standard",
    "kling_4",
    "magnific_precision_upscaler_v2",
    "mirelo_sfx_2_0",
    "nano_banana_2.1",
    "recraft_v4_1_flash",
    "recraft_v4_1_vector",
    "seedream5_flash",
    "wan3",
    "wan3_prime",
];

fn pairs() -> Vec<(String, Operation)> {
    let catalog = embedded();
    let of = |id: &str| {
        let operations = catalog.offer(id).unwrap().keys();
        operations
            .map(|operation| (id.to_owned(), *operation))
            .collect::<Vec<_>>()
    };
    catalog.ids().flat_map(of).collect()
}

#[test]
fn a_price_is_known_exactly_where_it_is_documented() {
    let priced = pairs()
        .into_iter()
        .filter(|(id, operation)| is_priced(embedded().spec(id, *operation).unwrap()));
    let unlisted = pairs()
        .into_iter()
        .filter(|(id, _)| !UNPRICED.contains(&id.as_str()));
    assert_eq!(priced.collect::<Vec<_>>(), unlisted.collect::<Vec<_>>());
    for model in UNPRICED {
        assert!(embedded().offer(model).is_some(), "{model}");
    }
    let unknown = embedded().spec("a model of tomorrow", Operation::TextToVideo);
    assert!(!is_priced(unknown.unwrap()));
}

/// The nearest of a model's sizes, with its prices.
fn chosen(spec: &Spec, wanted: (u32, u32)) -> &str {
    nearest(wanted, spec.sizes(), 0.0, |size| at_size(spec, size)).unwrap()
}

fn at_size(spec: &Spec, size: &str) -> Option<Millicredits> {
    let (param, size) = spec.size(size)?;
    spec.price.as_ref()?.at_size(&param.name, &size)
}

/// How far a size is from another as a product of ratios, which needs no logarithm.
fn stretch(size: &str, wanted: (u32, u32)) -> Option<f64> {
    let (width, height) = dimensions(size)?;
    let ratio = |one: u32, two: u32| f64::from(one.max(two)) / f64::from(one.min(two));
    Some(ratio(width, wanted.0) * ratio(height, wanted.1))
}

#[test]
fn the_nearest_size_of_every_image_model_is_nearest_and_of_equals_the_cheapest() {
    let sides = || (256..2600).step_by(192);
    let grid = sides().flat_map(|width| sides().map(move |height| (width, height)));
    let wanted: Vec<(u32, u32)> = [(1792, 1024), (1024, 1792)]
        .into_iter()
        .chain(grid)
        .collect();
    let mut decided_by_price = 0;
    for (id, operation) in pairs() {
        if operation != Operation::TextToImage {
            continue;
        }
        let spec = embedded().spec(&id, operation).unwrap();
        for wanted in &wanted {
            let size = chosen(spec, *wanted);
            let far = |size: &&str| stretch(size, *wanted);
            let least = spec.sizes().iter().filter_map(far).fold(f64::MAX, f64::min);
            let near = |size: &&str| far(size).is_some_and(|far| far < least * (1.0 + 1e-9));
            let equals: Vec<&str> = spec.sizes().into_iter().filter(|size| near(size)).collect();
            assert!(equals.contains(&size), "{id} {wanted:?}: {size}");
            let prices: Option<Vec<_>> = equals.iter().map(|size| at_size(spec, size)).collect();
            if let Some(prices) = prices {
                let cheapest = prices.iter().min().copied();
                assert_eq!(at_size(spec, size), cheapest, "{id} {wanted:?}: {size}");
                decided_by_price += usize::from(prices.iter().max().copied() > cheapest);
            }
        }
    }
    assert!(
        decided_by_price > 10,
        "{decided_by_price} ties with several prices"
    );
}

#[test]
fn foreign_sizes_and_ties_of_gen4_image() {
    let spec = embedded()
        .spec("gen4_image", Operation::TextToImage)
        .unwrap();
    for (wanted, expected) in [
        ((1792, 1024), "1920:1080"),
        ((1024, 1792), "1080:1920"),
        // A factor of 1.8 away from both 720:1280 for 5 credits and 1080:1920 for 8.
        ((600, 1920), "720:1280"),
    ] {
        assert_eq!(chosen(spec, wanted), expected, "{wanted:?}");
    }
    assert!(at_size(spec, "1080:1920") > at_size(spec, "720:1280"));
    // A price can prefer the size with more pixels: 1680 × 720 is of the cheaper class.
    assert!(at_size(spec, "1360:768") > at_size(spec, "1680:720"));
}

fn inputs() -> impl Strategy<Value = Input> {
    let measured = (
        option::of(any::<u64>()),
        option::of(any::<u32>()),
        option::of(any::<u32>()),
        option::of(any::<u64>()),
    );
    (select(&Role::ALL[..]), measured).prop_map(|(role, (duration_ms, width, height, frames))| {
        Input {
            source: InputSource::Url("https://example.com/a".into()),
            content_type: String::new(),
            role,
            tag: String::new(),
            subject: String::new(),
            keyframe: None,
            measured: Measured {
                duration_ms,
                width,
                height,
                frames,
            },
        }
    })
}

fn values() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        any::<f64>().prop_map(Value::Number),
        "(auto|prores|mp4|high|1080p|2k|9:0|1280:720|\\PC{0,8})".prop_map(Value::String),
        Just(Value::Null),
    ]
}

/// Requests that no check has passed: a price must not depend on one.
fn generations() -> impl Strategy<Value = Generation> {
    let names = "(duration|ratio|resolution|quality|outputCount|outputFormat|draft|draftTaskId|fpsBoost|audio)";
    let sizes: Vec<String> = pairs()
        .into_iter()
        .flat_map(|(id, operation)| {
            let spec = embedded().spec(&id, operation).unwrap();
            spec.sizes()
                .into_iter()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .chain([String::new(), "0:0".into(), "999999:999999".into()])
        .collect();
    (
        select(pairs()),
        vec(inputs(), 0..4),
        (option::of(any::<u32>()), option::of(any::<u32>())),
        option::of(select(sizes)),
        option::of(any::<bool>()),
        btree_map(names, values(), 0..4),
        "\\PC{0,60}",
    )
        .prop_map(
            |((model, operation), inputs, (seconds, count), size, audio, options, prompt)| {
                Generation {
                    operation,
                    model,
                    prompt,
                    negative_prompt: String::new(),
                    inputs,
                    seconds,
                    size,
                    count,
                    seed: None,
                    audio,
                    options,
                    notes: Vec::new(),
                }
            },
        )
}

fn price(generation: &Generation) -> Option<Millicredits> {
    let spec = embedded().spec(&generation.model, generation.operation);
    estimate(generation, spec.unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn an_estimate_is_whole_credits_above_zero_or_unknown(generation in generations()) {
        let price = price(&generation);
        prop_assert!(price.is_none_or(|price| price.0 > 0 && price.0 % 1000 == 0), "{price:?}");
        if UNPRICED.contains(&generation.model.as_str()) {
            prop_assert_eq!(price, None);
        }
    }

    #[test]
    fn longer_never_costs_less(
        mut generation in generations(),
        one in 1_u32..100_000,
        two in 1_u32..100_000,
    ) {
        generation.seconds = Some(one.min(two));
        generation.count = Some(1);
        let short = price(&generation);
        generation.seconds = Some(one.max(two));
        let long = price(&generation);
        prop_assert_eq!(short.is_some(), long.is_some());
        prop_assert!(short <= long, "{:?} {:?}", short, long);
    }

    #[test]
    fn knowing_less_never_costs_less(generation in generations()) {
        let known = price(&generation);
        let mut unknown = generation;
        for input in &mut unknown.inputs {
            input.measured.width = None;
        }
        if let (Some(known), Some(unknown)) = (known, price(&unknown)) {
            prop_assert!(known <= unknown, "{:?} {:?}", known, unknown);
        }
    }
}
