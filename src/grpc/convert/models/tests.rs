//! A form built from `ListModels` alone: what it offers is taken, and one step beyond is not.

use std::collections::BTreeMap;

use prost_types::Value as Plain;
use tonic_types::StatusExt as _;

use super::super::{Violations, new_request};
use super::*;
use crate::config::catalog;
use crate::domain::generation::{Generation, Limits, Role};
use crate::domain::model::{Catalog, Offer};
use crate::pb::v1::input_reference::Source;
use crate::pb::v1::keyframe::Position;

const SAID: Said = Said {
    rate: UsdRate::ONE_CENT,
    max_input_bytes: 200_000_000,
};

fn embedded() -> Catalog {
    catalog::parse(catalog::EMBEDDED).unwrap()
}

fn listed(catalog: &Catalog) -> Vec<ListedModel<'_>> {
    let of = |id| ListedModel {
        name: id,
        id,
        offer: catalog.offer(id).unwrap(),
        deployments: vec![format!("test/{id}")],
    };
    catalog.ids().map(of).collect()
}

fn all(catalog: &Catalog) -> v1::ListModelsResponse {
    models(&v1::ListModelsRequest::default(), &listed(catalog), SAID).unwrap()
}

/// The fields that a request is refused for; none: it is taken.
fn refused(catalog: &Catalog, request: v1::CreateRequest) -> Vec<String> {
    let mut found = Violations::default();
    let asked = new_request(request, &mut found);
    assert!(found.is_empty(), "a form sends what can be converted");
    match Generation::new(&asked.draft, catalog, &Limits::default()) {
        Ok(_) => Vec::new(),
        Err(wrong) => wrong.into_iter().map(|invalid| invalid.field).collect(),
    }
}

/// A form for one operation of one model.
struct Form<'a> {
    model: &'a v1::Model,
    limits: &'a v1::ModelOperation,
}

impl Form<'_> {
    /// What must be there, and nothing else.
    fn least(&self) -> v1::CreateRequest {
        let limits = self.limits;
        let mut request = v1::CreateRequest {
            model: self.model.name.clone(),
            operation: limits.operation,
            ..v1::CreateRequest::default()
        };
        // Rules are for people: one who reads that a prompt may be needed writes one.
        let wanted = |prompt: &&v1::PromptLimits| {
            prompt.required || limits.rules.iter().any(|rule| rule.contains("is needed"))
        };
        if let Some(prompt) = limits.prompt.as_ref().filter(wanted) {
            request.prompt = "a".repeat(prompt.min_utf16_units.max(1) as usize);
        }
        let mut places = BTreeMap::new();
        for input in limits.inputs.iter().filter(|input| input.min_count > 0) {
            places.entry(&input.place).or_insert(input);
        }
        request.input_references = places.values().map(|input| reference(input, 0)).collect();
        let needed = limits.options.iter().filter(|option| option.required);
        request.provider_options = Some(Struct {
            fields: needed
                .map(|option| (option.name.clone(), sample(option)))
                .collect(),
        });
        request
    }

    /// The least, changed.
    fn with(&self, change: impl FnOnce(&mut v1::CreateRequest)) -> v1::CreateRequest {
        let mut request = self.least();
        change(&mut request);
        request
    }

    fn with_option(&self, name: &str, value: Plain) -> v1::CreateRequest {
        self.with(|request| {
            let options = request.provider_options.get_or_insert_default();
            options.fields.insert(name.to_owned(), value);
        })
    }

    /// Nothing but inputs of one role, as many as said, beside what other places need.
    fn with_inputs(&self, input: &v1::InputLimits, count: u32) -> v1::CreateRequest {
        self.with(|request| {
            let others = self
                .limits
                .inputs
                .iter()
                .filter(|other| other.min_count > 0 && other.place != input.place);
            let mut places = BTreeMap::new();
            for other in others {
                places.entry(&other.place).or_insert(other);
            }
            request.input_references = places.values().map(|other| reference(other, 0)).collect();
            let inputs = (0..count).map(|_| reference(input, 0));
            request.input_references.extend(inputs);
        })
    }

    /// Everything that the limits allow at their edges.
    fn taken(&self) -> Vec<(String, v1::CreateRequest)> {
        let limits = self.limits;
        let mut tried = vec![("least".to_owned(), self.least())];
        let mut add = |name: &str, request| tried.push((name.to_owned(), request));
        if let Some(most) = limits.prompt.as_ref().map(|prompt| prompt.max_utf16_units) {
            let prompt = "ä".repeat(if most == 0 { 100 } else { most as usize });
            add("prompt", self.with(|request| request.prompt = prompt));
        }
        for size in limits.size.iter().flat_map(|size| &size.allowed) {
            add("size", self.with(|request| request.size.clone_from(size)));
        }
        for seconds in limits.duration.iter().flat_map(lengths) {
            add(
                "seconds",
                self.with(|request| request.seconds = Some(seconds)),
            );
        }
        let counts = limits.allowed_counts.iter().chain([&limits.max_count]);
        for count in counts.filter(|count| **count > 0) {
            add("count", self.with(|request| request.count = Some(*count)));
        }
        if limits.takes_seed {
            add("seed", self.with(|request| request.seed = Some(7)));
        }
        if limits.takes_audio {
            add("audio", self.with(|request| request.audio = Some(true)));
        }
        if limits.negative_prompt.is_some() {
            add(
                "negative",
                self.with(|request| request.negative_prompt = "rain".into()),
            );
        }
        for input in &limits.inputs {
            for kind in 0..input.kinds.len() {
                let most = if input.max_count == 0 {
                    2
                } else {
                    input.max_count
                };
                let mut request = self.with_inputs(input, most);
                for given in request
                    .input_references
                    .iter_mut()
                    .rev()
                    .take(most as usize)
                {
                    *given = reference(input, kind);
                }
                add(&format!("input {}", input.place), request);
            }
        }
        for option in &limits.options {
            for value in edges(option) {
                add(
                    &format!("option {}", option.name),
                    self.with_option(&option.name, value),
                );
            }
        }
        tried
    }

    /// One step beyond each limit, with the field that must be named.
    fn beyond(&self) -> Vec<(String, v1::CreateRequest)> {
        let limits = self.limits;
        let mut tried: Vec<(String, v1::CreateRequest)> = Vec::new();
        let mut add = |field: &str, request| tried.push((field.to_owned(), request));
        match limits.prompt.as_ref() {
            None => add("prompt", self.with(|request| request.prompt = "a".into())),
            Some(prompt) => {
                if prompt.required {
                    add("prompt", self.with(|request| request.prompt.clear()));
                }
                if prompt.min_utf16_units > 1 {
                    add("prompt", self.with(|request| request.prompt = "a".into()));
                }
                if prompt.max_utf16_units > 0 {
                    let long = "a".repeat(prompt.max_utf16_units as usize + 1);
                    add("prompt", self.with(|request| request.prompt = long));
                }
            }
        }
        if limits.size.as_ref().is_none_or(|size| !size.open) {
            add("size", self.with(|request| request.size = "7x7".into()));
        }
        for seconds in outside(limits.duration.as_ref()) {
            add(
                "seconds",
                self.with(|request| request.seconds = Some(seconds)),
            );
        }
        let count = limits.max_count.max(1) + 1;
        add("count", self.with(|request| request.count = Some(count)));
        if !limits.takes_seed {
            add("seed", self.with(|request| request.seed = Some(7)));
        }
        if !limits.takes_audio {
            add("audio", self.with(|request| request.audio = Some(true)));
        }
        if limits.negative_prompt.is_none() {
            add(
                "negative_prompt",
                self.with(|request| request.negative_prompt = "x".into()),
            );
        }
        self.add_inputs_beyond(&mut add);
        for option in &limits.options {
            let field = format!("provider_options.{}", option.name);
            for value in wrong_values(option) {
                add(&field, self.with_option(&option.name, value));
            }
            if option.required {
                let without = |request: &mut v1::CreateRequest| {
                    let options = request.provider_options.get_or_insert_default();
                    options.fields.remove(&option.name);
                };
                add(&field, self.with(without));
            }
        }
        if limits.unknown_options() == v1::UnknownOptions::Refused {
            let request = self.with_option("nobodyKnowsIt", text_value("a"));
            add("provider_options.nobodyKnowsIt", request);
        }
        tried
    }

    fn add_inputs_beyond(&self, add: &mut impl FnMut(&str, v1::CreateRequest)) {
        let limits = self.limits;
        for input in limits.inputs.iter().filter(|input| input.max_count > 0) {
            let one_more = self.with_inputs(input, input.max_count + 1);
            add("input_references", one_more);
        }
        for input in limits.inputs.iter().filter(|input| input.min_count > 0) {
            let without = self.with_inputs(input, 0);
            add("input_references", without);
        }
        for named in Role::ALL.map(role) {
            let listed = limits.inputs.iter().any(|input| input.role() == named);
            // A single input without a role goes wherever its kind is taken.
            if !listed && named != v1::Role::Unspecified {
                let input = v1::InputLimits {
                    role: named as i32,
                    kinds: vec![v1::MediaKind::Image as i32],
                    ..v1::InputLimits::default()
                };
                let given = reference(&input, 0);
                add(
                    "input_references",
                    self.with(|request| request.input_references.push(given)),
                );
            }
        }
    }
}

/// An input of the role, of one of its kinds.
fn reference(input: &v1::InputLimits, kind: usize) -> v1::InputReference {
    let content_type = match v1::MediaKind::try_from(input.kinds[kind]).unwrap() {
        v1::MediaKind::Video => "video/mp4",
        v1::MediaKind::Audio => "audio/mpeg",
        _ => "image/png",
    };
    let keyframe = (input.role() == v1::Role::Keyframe).then(|| v1::Keyframe {
        position: Some(Position::Fraction(0.5)),
        ..v1::Keyframe::default()
    });
    v1::InputReference {
        source: Some(Source::Url("https://example.com/a".to_owned())),
        content_type: content_type.to_owned(),
        role: input.role,
        keyframe,
        ..v1::InputReference::default()
    }
}

fn lengths(limits: &v1::DurationLimits) -> Vec<u32> {
    let ends = [limits.min_seconds, limits.max_seconds];
    let ends = ends.into_iter().filter(|end| *end > 0);
    let all = limits.allowed_seconds.iter().copied().chain(ends);
    all.chain(limits.default_seconds).collect()
}

fn outside(limits: Option<&v1::DurationLimits>) -> Vec<u32> {
    let Some(limits) = limits else {
        return vec![5];
    };
    let mut outside = Vec::new();
    if limits.min_seconds > 1 {
        outside.push(limits.min_seconds - 1);
    }
    if limits.max_seconds > 0 {
        outside.push(limits.max_seconds + 1);
    }
    let within = limits.min_seconds..=limits.max_seconds;
    let listed = &limits.allowed_seconds;
    outside.extend(within.filter(|s| !listed.is_empty() && !listed.contains(s)));
    outside
}

fn plain(kind: Kind) -> Plain {
    Plain { kind: Some(kind) }
}

fn text_value(text: &str) -> Plain {
    plain(Kind::StringValue(text.to_owned()))
}

/// A value that an option takes.
fn sample(limits: &v1::OptionLimits) -> Plain {
    edges(limits).remove(0)
}

/// Values at the edges of what an option takes.
fn edges(limits: &v1::OptionLimits) -> Vec<Plain> {
    if !limits.allowed.is_empty() {
        return limits.allowed.clone();
    }
    if !limits.alternatives.is_empty() {
        return limits.alternatives.iter().flat_map(edges).collect();
    }
    let ends = || limits.minimum.into_iter().chain(limits.maximum);
    let numbers = || ends().chain([limits.minimum.or(limits.maximum).unwrap_or(5.0)]);
    let long = |count: f64| count.to_string().parse::<usize>().unwrap();
    match limits.json_type.as_str() {
        "boolean" => [true, false]
            .map(|flag| plain(Kind::BoolValue(flag)))
            .into(),
        "integer" | "number" => numbers().map(|n| plain(Kind::NumberValue(n))).collect(),
        "string" => {
            let lengths = ends().map(long).chain([limits.minimum.map_or(3, long)]);
            // Texts that hold addresses are named so.
            let is_address = limits.name.ends_with("Uri") || limits.name == "uri";
            let text = |length| {
                if is_address {
                    "https://example.com/a".to_owned()
                } else {
                    "a".repeat(length)
                }
            };
            lengths.map(|length| text_value(&text(length))).collect()
        }
        "array" => {
            let item = sample(limits.item.as_ref().unwrap());
            let lengths = ends()
                .map(long)
                .chain([limits.minimum.map_or(1, long).max(1)]);
            let list = |length| prost_types::ListValue {
                values: vec![item.clone(); length],
            };
            lengths
                .map(|length| plain(Kind::ListValue(list(length))))
                .collect()
        }
        "object" => {
            let fields = limits
                .fields
                .iter()
                .map(|field| (field.name.clone(), sample(field)));
            vec![plain(Kind::StructValue(Struct {
                fields: fields.collect(),
            }))]
        }
        _ => vec![text_value("https://example.com/a")],
    }
}

/// Values that an option does not take.
fn wrong_values(limits: &v1::OptionLimits) -> Vec<Plain> {
    if !limits.allowed.is_empty() {
        return vec![text_value("nobody lists this")];
    }
    let beyond: Vec<f64> = limits
        .minimum
        .map(|least| least - 1.0)
        .into_iter()
        .chain(limits.maximum.map(|most| most + 1.0))
        .collect();
    let other = plain(Kind::NumberValue(5.0));
    match limits.json_type.as_str() {
        "integer" | "number" => {
            let numbers = beyond.into_iter().map(|n| plain(Kind::NumberValue(n)));
            numbers.chain([text_value("many")]).collect()
        }
        "string" => {
            let most = limits
                .maximum
                .map(|most| most.to_string().parse::<usize>().unwrap());
            let long = most.map(|most| text_value(&"a".repeat(most + 1)));
            long.into_iter().chain([other]).collect()
        }
        "boolean" | "array" | "object" => vec![other],
        _ => Vec::new(),
    }
}

#[test]
fn what_a_form_offers_is_taken() {
    let catalog = embedded();
    let page = all(&catalog);
    let (mut tried, mut forms, mut wrong) = (0, 0, Vec::new());
    for model in &page.models {
        for limits in &model.operations {
            forms += 1;
            for (name, request) in (Form { model, limits }).taken() {
                tried += 1;
                let found = refused(&catalog, request);
                // A rule between fields may ask for a second one; the rest of the form is right.
                let is_rule = !limits.rules.is_empty() && name != "least";
                if !found.is_empty() && !is_rule {
                    let operation = limits.operation().as_str_name();
                    wrong.push(format!("{} {operation} {name}: {found:?}", model.name));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(forms, 98);
    assert!(tried > 1_500, "{tried}");
}

#[test]
fn one_step_beyond_any_limit_is_refused_by_name() {
    let catalog = embedded();
    let page = all(&catalog);
    let (mut tried, mut wrong) = (0, Vec::new());
    for model in &page.models {
        for limits in &model.operations {
            for (field, request) in (Form { model, limits }).beyond() {
                tried += 1;
                let found = refused(&catalog, request);
                if !found.iter().any(|found| found.starts_with(&field)) {
                    let operation = limits.operation().as_str_name();
                    wrong.push(format!("{} {operation} {field}: {found:?}", model.name));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(tried > 1_500, "{tried}");
}

#[test]
fn the_whole_catalogue_is_one_small_page_in_order() {
    let catalog = embedded();
    let page = all(&catalog);
    assert_eq!(page.next_page_token, "");
    assert!(page.encoded_len() < 256 << 10, "{}", page.encoded_len());
    let names: Vec<&str> = page
        .models
        .iter()
        .map(|model| model.name.as_str())
        .collect();
    assert!(names.is_sorted() && names.len() == catalog.ids().count());
    for model in &page.models {
        assert_ne!(
            model.output_kind(),
            v1::MediaKind::Unspecified,
            "{}",
            model.name
        );
        assert_eq!(model.deployments, [format!("test/{}", model.name)]);
    }
}

#[test]
fn defaults_are_those_that_are_sent_or_known_of_the_provider() {
    let catalog = embedded();
    let page = all(&catalog);
    let first = |name: &str| {
        let model = page.models.iter().find(|model| model.name == name);
        model.unwrap().operations[0].clone()
    };
    assert_eq!(first("veo3.1").default_audio, Some(true));
    assert_eq!(first("gen4.5").default_audio, None, "takes none");
    let upscaler = first("magnific_video_upscaler_creative");
    assert_eq!(upscaler.size.unwrap().default, "2k");
    let edited = first("aleph2").size.unwrap();
    assert!(edited.open && edited.allowed.contains(&"21:9".to_owned()));
    for model in &page.models {
        for limits in &model.operations {
            // Neither is sent where it is not required, so one is not told without the other.
            let length = limits
                .options
                .iter()
                .find(|option| option.name == "duration");
            let told = length.and_then(|option| option.default.clone());
            let whole = limits
                .duration
                .as_ref()
                .and_then(|limits| limits.default_seconds);
            assert!(told.is_none() || whole.is_some(), "{}", model.name);
        }
    }
}

#[test]
fn an_operation_chooses_models_and_an_unknown_one_is_refused() {
    let catalog = embedded();
    let listed = listed(&catalog);
    let ask = |operation: i32, page_token: &str| {
        let page_token = page_token.to_owned();
        models(
            &v1::ListModelsRequest {
                operation,
                page_token,
            },
            &listed,
            SAID,
        )
    };
    let page = ask(v1::Operation::VoiceDubbing as i32, "").unwrap();
    assert_eq!(page.models.len(), 1);
    let page = ask(v1::Operation::ImageToVideo as i32, "").unwrap();
    assert_eq!(page.models.len(), 25);
    for model in &page.models {
        assert_eq!(model.operations.len(), 1);
        assert_eq!(model.operations[0].operation(), v1::Operation::ImageToVideo);
    }
    let reason = |status: tonic::Status| {
        status
            .get_error_details()
            .error_info()
            .unwrap()
            .reason
            .clone()
    };
    for number in [-1, 99] {
        assert_eq!(reason(ask(number, "").unwrap_err()), "FIELD_INVALID");
    }
    for token in ["a b", "ü", &"x".repeat(200)] {
        assert_eq!(
            reason(ask(0, token).unwrap_err()),
            "PAGE_TOKEN_INVALID",
            "{token}"
        );
    }
}

#[test]
fn an_answer_that_would_be_too_large_comes_in_pages() {
    let values: Vec<String> = (0..5_000).map(|n| format!("\"{n:08}\"")).collect();
    let mut rows = Vec::new();
    for model in 0..200 {
        let values = values.join(",");
        rows.push(format!(
            "\"m{model:03}\": {{\"x\": {{\"enum\": [{values}]}}}}"
        ));
    }
    let text = catalog::EMBEDDED.replacen(
        "\"models\": {",
        &format!("\"models\": {{{},", rows.join(",")),
        1,
    );
    let catalog = catalog::parse(&text).unwrap();
    let listed = listed(&catalog);
    let (mut names, mut page_token, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let request = v1::ListModelsRequest {
            operation: 0,
            page_token,
        };
        let page = models(&request, &listed, SAID).unwrap();
        assert!(page.encoded_len() < 4 << 20, "{}", page.encoded_len());
        names.extend(page.models.into_iter().map(|model| model.name));
        pages += 1;
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    let expected: Vec<&str> = catalog.ids().collect();
    assert_eq!(names, expected);
    assert!(pages > 2, "{pages}");
}

#[test]
fn another_name_says_whose_it_is_and_a_passed_through_model_has_open_limits() {
    let catalog = embedded();
    let offer: &Offer = catalog.offer_or_pass_through("gen9");
    let named = ListedModel {
        name: "next",
        id: "gen9",
        offer,
        deployments: Vec::new(),
    };
    let page = models(&v1::ListModelsRequest::default(), &[named], SAID).unwrap();
    let model = &page.models[0];
    assert_eq!(
        (model.name.as_str(), model.alias_of.as_str()),
        ("next", "gen9")
    );
    assert_eq!(model.operations.len(), Operation::ALL.len());
    assert_eq!(model.output_kind(), v1::MediaKind::Unspecified);
    let video = &model.operations[0];
    assert!(video.size.as_ref().unwrap().open && video.prices.is_empty());
}

#[test]
fn prices_are_listed_with_their_dollars() {
    let catalog = embedded();
    let page = all(&catalog);
    let model = page
        .models
        .iter()
        .find(|model| model.name == "gen4.5")
        .unwrap();
    let first = &model.operations[0].prices[0];
    assert_eq!(first.unit(), v1::PriceUnit::OutputSecond);
    assert_eq!(
        (first.millicredits, first.usd_micros),
        (Some(12_000), Some(120_000))
    );
    for model in &page.models {
        for (limits, spec) in model
            .operations
            .iter()
            .zip(catalog.offer(&model.name).unwrap().values())
        {
            assert_eq!(
                limits.prices.is_empty(),
                spec.price.is_none(),
                "{}",
                model.name
            );
        }
    }
}
