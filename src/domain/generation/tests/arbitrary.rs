//! Arbitrary drafts.

use proptest::prelude::*;

use super::*;

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        any::<f64>().prop_map(Value::Number),
        "(auto|prores|\\PC{0,8})".prop_map(Value::String),
    ];
    leaf.prop_recursive(4, 16, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
            proptest::collection::btree_map("(uri|multiPrompt|duration|[a-z]{1,3})", inner, 0..4)
                .prop_map(Value::Object),
        ]
    })
}

fn inputs() -> impl Strategy<Value = DraftInput> {
    let source = prop_oneof![
        Just(DraftSource::Missing),
        "(https://example.com/a.(jpg|mp4|mp3|)|runway://[a-z]{8}|\\PC{0,12})"
            .prop_map(DraftSource::Url),
        prop_oneof![Just(JPEG), Just(MP4), Just(&b""[..])]
            .prop_map(|bytes| DraftSource::Data(Bytes::from_static(bytes))),
        "[a-z]{0,4}".prop_map(DraftSource::Upload),
    ];
    let role = proptest::sample::select(&Role::ALL[..]);
    (
        source,
        "(|image/jpeg|video/mp4|\\PC{0,6})",
        role,
        "(|lake|\\PC{0,5})",
        "(|||human|x)",
        proptest::option::weighted(0.1, any::<f64>()),
    )
        .prop_map(
            |(source, content_type, role, tag, subject, moment)| DraftInput {
                source,
                content_type,
                role,
                tag,
                subject,
                keyframe: moment.map(|seconds| Keyframe {
                    moment: Some(Moment::Seconds(seconds)),
                    ..Keyframe::default()
                }),
                measured: Measured::default(),
            },
        )
}

fn drafts() -> impl Strategy<Value = Draft> {
    let models: Vec<String> = embedded()
        .ids()
        .map(str::to_owned)
        .chain([String::new(), "runwayml/new".into(), "nope".into()])
        .collect();
    let names = "(duration|ratio|seed|promptText|providerSettings|mode|outputFormat|voice|keyframes|[a-z]{1,4})";
    let operations = Operation::ALL
        .map(Some)
        .into_iter()
        .chain([None; 14])
        .collect::<Vec<_>>();
    let first = (
        proptest::sample::select(models),
        "(|a lake|\\PC{0,20})",
        proptest::collection::vec(inputs(), 0..4),
        proptest::option::of(0_u32..20),
        "(|1280x720|16:9|adaptive|\\PC{0,10})",
    );
    let second = (
        proptest::option::of(0_u32..5),
        proptest::option::of(any::<u64>()),
        proptest::option::of(any::<bool>()),
        "(|rain)",
        proptest::sample::select(operations),
        proptest::collection::btree_map(names, values(), 0..3),
    );
    (first, second).prop_map(|(first, second)| {
        let (model, prompt, inputs, seconds, size) = first;
        let (count, seed, audio, negative_prompt, operation, options) = second;
        let optional = (seconds, count, seed, audio);
        let (seconds, count, seed, audio) = optional;
        Draft {
            model,
            prompt,
            inputs,
            seconds,
            size,
            count,
            seed,
            audio,
            negative_prompt,
            operation,
            output: audio.and_then(|audio| audio.then_some(Media::Video)),
            options,
            default_seconds: None,
            options_are_texts: seed.is_some(),
        }
    })
}

/// Drafts with little wrong in them, so that many are taken.
fn tame() -> impl Strategy<Value = Draft> {
    let models: Vec<String> = embedded().ids().map(str::to_owned).collect();
    let role = proptest::sample::select(&Role::ALL[..]);
    let input = ("https://example.com/a(.jpg|.mp4|.mp3|)", role).prop_map(|(address, role)| {
        url(
            &address,
            if address.ends_with('a') {
                role
            } else {
                Role::Unspecified
            },
        )
    });
    let inputs = proptest::collection::vec(input, 0..3);
    (
        proptest::sample::select(models),
        inputs,
        proptest::option::weighted(0.1, 1_u32..12),
    )
        .prop_map(|(model, inputs, seconds)| Draft {
            seconds,
            ..with(&model, inputs)
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_draft_makes_it_panic_and_a_refusal_always_says_why(
        draft in prop_oneof![drafts(), tame()]
    ) {
        match check(&draft) {
            Ok(generation) => {
                prop_assert_eq!(generation.inputs.len(), draft.inputs.len());
                let asked: Vec<_> =
                    generation.inputs.iter().map(|input| (input.role, input.media())).collect();
                let spec = embedded().spec(&generation.model, generation.operation).expect("chosen");
                prop_assert!(spec.place(&asked).iter().all(Result::is_ok), "still has a place for each");
            }
            Err(found) => {
                prop_assert!(!found.is_empty());
                prop_assert!(found.iter().all(|invalid| !invalid.field.is_empty() && !invalid.problem.is_empty()));
            }
        }
    }

    #[test]
    fn equal_drafts_have_equal_fingerprints_and_others_do_not(one in drafts(), two in drafts()) {
        let print = |draft: &Draft| fingerprint(draft, &BTreeMap::new(), None, 0, "");
        prop_assert_eq!(print(&one), print(&one.clone()));
        let same = format!("{one:?}") == format!("{two:?}");
        prop_assert_eq!(print(&one) == print(&two), same);
    }
}
