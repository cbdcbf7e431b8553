//! Tests of accounts, groups and routing: what is read, and what is refused, and where.

use std::io::Write as _;

use secrecy::ExposeSecret as _;
use sha2::Digest as _;

use super::*;
use crate::config::{Config, Environment, Problems};
use crate::domain::money::Millicredits;
use crate::domain::pricing::Unit;
use crate::domain::routing::{Cap, Strategy};

/// The seeds' configuration, with the indentation that it lost on its way into their documents.
const SEEDS: &str = "\
model_list:
  - model_name: gen4-turbo
    litellm_params:
      model: runwayml/gen4_turbo
      api_key: os.environ/RUNWAYML_API_KEY
";

fn env(variables: &[(&str, &str)]) -> Environment {
    variables.iter().copied().collect()
}

pub fn usual() -> Environment {
    env(&[("KEY_A", "key_aaaa"), ("KEY_B", "key_bbbb"), ("EMPTY", "")])
}

pub fn load(text: &str, env: &Environment) -> Result<Config, Problems> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    Config::load(Some(file.path()), env, &[])
}

fn good(text: &str) -> Config {
    load(text, &usual()).unwrap_or_else(|problems| panic!("{text}\n{problems}"))
}

fn problems(text: &str) -> String {
    load(text, &usual()).expect_err(text).to_string()
}

fn names(config: &Config) -> Vec<&str> {
    let accounts = config.routing.accounts.iter();
    accounts.map(|account| &*account.name).collect()
}

fn key_of<'c>(config: &'c Config, name: &str) -> &'c str {
    let mut accounts = config.routing.accounts.iter();
    let account = accounts.find(|account| account.name == name);
    match &account.unwrap().access {
        Access::Account { api_key, .. } => api_key.expose_secret(),
        Access::Sandbox => "sandbox",
    }
}

#[test]
fn the_seeds_configuration_loads_as_it_stands() {
    let env = env(&[("RUNWAYML_API_KEY", "key_seed")]);
    let config = load(SEEDS, &env).unwrap();
    assert_eq!(names(&config), ["runwayml"]);
    assert_eq!(key_of(&config, "runwayml"), "key_seed");
    assert_eq!(config.warnings, Vec::<String>::new());
    let routes = &config.routing.routes;
    for name in ["gen4-turbo", "runwayml/gen4_turbo", "gen4_turbo", "gen4.5"] {
        let group = routes.group(name, &config.catalog);
        assert_eq!(group.expect(name).deployments[0].account, "runwayml");
    }
    let deployment = &routes.groups["gen4-turbo"].deployments[0];
    assert_eq!(deployment.id, "runwayml/gen4_turbo");
    assert_eq!(deployment.model, "gen4_turbo");
}

#[test]
fn the_seeds_configuration_elsewhere_calls_nobody_else_with_its_key() {
    let text = format!("{SEEDS}      api_base: https://gateway.example/runway/v1\n");
    let config = load(&text, &env(&[("RUNWAYML_API_KEY", "key_seed")])).unwrap();
    assert_eq!(names(&config), ["runwayml-runwayml_api_key"]);
    let routes = &config.routing.routes;
    for name in ["gen4-turbo", "runwayml/gen4_turbo"] {
        let group = routes.group(name, &config.catalog).expect(name);
        assert_eq!(group.deployments.len(), 1, "{name}");
    }
    assert!(routes.open.is_empty());
}

#[test]
fn both_spellings_mean_the_same() {
    let own = "
model_list:
  - {model_name: a, model: runwayml/gen4_turbo, api_key: os.environ/KEY_A, id: one, weight: 3,
     base_url: 'https://gateway.example', rpm: 6, max_in_flight: 4, price: {per_second: 0.05}}
  - {model_name: b, model: gen4.5, api_key: os.environ/KEY_A, base_url: 'https://gateway.example/v1'}
routing: {strategy: latency-based, fallbacks: {a: [b]}, aliases: {c: a}, allowed_fails: 7, cooldown: 1m}
";
    let theirs = "
model_list:
  - model_name: a
    litellm_params: {model: runwayml/gen4_turbo, api_key: os.environ/KEY_A, weight: 3, rpm: 6,
      api_base: 'https://gateway.example', max_parallel_requests: 4}
    model_info: {id: one, output_cost_per_second: 5e-2, mode: video_generation}
  - model_name: b
    litellm_params: {model: gen4.5, api_key: os.environ/KEY_A, base_url: 'https://gateway.example/v1'}
router_settings: {routing_strategy: latency-based-routing, fallbacks: [{a: [b]}], cooldown_time: 60,
  model_group_alias: {c: {model: a, hidden: true}}}
litellm_settings: {allowed_fails: 7}
";
    let (own, theirs) = (good(own), good(theirs));
    assert_eq!(own.routing.routes, theirs.routing.routes);
    assert_eq!(names(&own), names(&theirs));
    assert_eq!(theirs.warnings, Vec::<String>::new());
    let routes = own.routing.routes;
    let deployment = &routes.groups["a"].deployments[0];
    assert_eq!((&*deployment.id, deployment.weight), ("one", 3));
    assert_eq!(deployment.rpm, Some(6));
    assert_eq!(deployment.max_in_flight, Cap::AtMost(4));
    let price = deployment.price.as_ref().unwrap();
    assert_eq!(price.parts[0].unit, Unit::OutputSecond);
    let amount = price.parts[0].rates[0].amount.unwrap();
    assert_eq!(amount.price, Millicredits(5_000));
    assert_eq!(routes.policy.strategy, Strategy::LatencyBased);
    assert_eq!(routes.groups["a"].policy.fallbacks, ["b"]);
    assert_eq!(routes.groups["b"].policy.fallbacks, Vec::<String>::new());
    assert_eq!(routes.aliases["c"], "a");
    assert_eq!(routes.breaker.allowed_fails, 7);
    assert_eq!(routes.breaker.cooldown, std::time::Duration::from_mins(1));
}

#[test]
fn an_account_is_called_after_what_outlives_its_key() {
    let text = "
model_list:
  - {model_name: a, model: runwayml/gen4.5, api_key: os.environ/KEY_A}
  - {model_name: a, model: runwayml/gen4.5, api_key: key_aaaa}
  - {model_name: a, model: runwayml/gen4.5, api_key: os.environ/KEY_A, base_url: 'https://other.example'}
  - {model_name: a, model: runwayml/gen4.5, api_key: key_cccc}
  - {model_name: s, model: openai/sora-2, api_key: os.environ/KEY_A}
  - {model_name: s, model: sora-2, provider: openai, api_key: os.environ/KEY_A}
";
    let rotated = env(&[("KEY_A", "key_rotated"), ("OTHER", "x")]);
    let (before, after) = (good(text), load(text, &rotated).unwrap());
    let (before, after) = (names(&before), names(&after));
    assert_eq!(before.len(), 4, "one key at one address is one account");
    assert_eq!(before[0], "runwayml-key_a");
    assert!(before[1].starts_with("runwayml-key_a-"), "{before:?}");
    assert!(before[2].starts_with("runwayml-"), "{before:?}");
    assert_eq!(before[3], "openai-key_a");
    assert_eq!(after[0], before[0]);
    assert_eq!(after[2], before[1]);
}

#[test]
fn the_account_of_the_runway_section_stays_beside_others_when_it_has_a_key_of_its_own() {
    let list = "model_list: [{model_name: a, model: runwayml/gen4.5, api_key: os.environ/KEY_A}]\n";
    assert_eq!(names(&good(list)), ["runwayml-key_a"]);
    let config = good(&format!("{list}runway: {{api_key: os.environ/KEY_B}}"));
    assert_eq!(names(&config), ["runwayml-key_a", "runwayml"]);
    let open = &config.routing.routes.open[&ProviderKind::Runway];
    assert_eq!(*open, ["runwayml"]);
    let config = good(&format!(
        "{list}runway: {{api_key: key_aaaa, headers: {{x-a: b}}}}"
    ));
    assert_eq!(names(&config), ["runwayml"], "one account, by its own name");
    assert_eq!(config.routing.accounts[0].headers.len(), 1);
    let closed = format!("{list}runway: {{api_key: key_bbbb}}\nrouting: {{serve_catalog: false}}");
    assert!(good(&closed).routing.routes.open.is_empty());
}

#[test]
fn named_accounts_serve_the_catalogue_unless_told_otherwise() {
    let text = "
accounts:
  one: {provider: runwayml, api_key: os.environ/KEY_A, headers: {x-a: os.environ/KEY_B}}
  two: {provider: runwayml, api_key: os.environ/KEY_B, serve_catalog: false}
  three: {provider: openai, api_key: key_aaaa}
model_list:
  - {model_name: a, model: runwayml/gen4.5, account: two}
  - {model_name: a, model: sora-2, account: three}
";
    let config = good(text);
    let routes = &config.routing.routes;
    assert_eq!(routes.open[&ProviderKind::Runway], ["one"]);
    assert_eq!(routes.open[&ProviderKind::OpenAi], ["three"]);
    assert_eq!(routes.groups["a"].deployments[1].model, "openai/sora-2");
    let one = &config.routing.accounts[0];
    assert_eq!(
        (&*one.name, &one.headers["x-a"].to_str().unwrap()),
        ("one", &"key_bbbb")
    );
    let Access::Account { base_url, .. } = &config.routing.accounts[1].access else {
        panic!("an account");
    };
    assert_eq!(base_url.as_str(), "https://api.openai.com/");
}

#[test]
fn a_wildcard_opens_its_account_to_the_whole_catalogue() {
    for (name, model) in [("runwayml/*", "runwayml/*"), ("'*'", "runwayml/*")] {
        let text = format!(
            "model_list: [{{model_name: {name}, model: '{model}', api_key: os.environ/KEY_A}}]"
        );
        let config = good(&text);
        let routes = &config.routing.routes;
        assert_eq!(routes.open[&ProviderKind::Runway], ["runwayml-key_a"]);
        assert!(routes.group("gen4.5", &config.catalog).is_some());
        assert!(routes.groups.is_empty());
    }
    let everything = "model_list: [{model_name: '*', litellm_params: {model: '*'}}]";
    let config = load(everything, &env(&[("RUNWAYML_API_SECRET", "key_aaaa")])).unwrap();
    assert_eq!(
        config.routing.routes.open[&ProviderKind::Runway],
        ["runwayml"]
    );
    assert!(problems(everything).contains("RUNWAYML_API_SECRET"));
}

#[test]
fn the_sandbox_needs_no_keys_and_keeps_accounts_apart() {
    let text = format!(
        "sandbox: true\n{SEEDS}  - {{model_name: b, model: gen4.5, api_key: os.environ/NOT_THERE}}
  - {{model_name: b, model: openai/sora-2}}
  - {{model_name: b, model: gen4.5, account: mine}}
accounts: {{mine: {{provider: runwayml}}, other: {{provider: runwayml}}}}
"
    );
    let config = load(&text, &Environment::default()).unwrap();
    let expected = [
        "mine",
        "other",
        "runwayml-runwayml_api_key",
        "runwayml-not_there",
        "openai",
        "sandbox",
    ];
    assert_eq!(names(&config), expected);
    let mut accounts = config.routing.accounts.iter();
    assert!(accounts.all(|account| matches!(account.access, Access::Sandbox)));
}

#[test]
fn the_floor_of_polls_looks_at_every_account_of_runway() {
    let text = |base: &str, model: &str| {
        format!(
            "poll: {{interval: 40ms}}\nmodel_list:
  - {{model_name: a, model: gen4.5, api_key: key_aaaa, base_url: 'http://127.0.0.1:9'}}
  - {{model_name: a, model: {model}, api_key: key_aaaa, base_url: '{base}'}}"
        )
    };
    let away = problems(&text("https://gateway.example", "gen4.5"));
    assert!(away.contains("poll.interval: 40ms is too often"), "{away}");
    good(&text("http://localhost:8", "gen4.5"));
    good(&text("https://gateway.example", "openai/sora-2"));
}

#[test]
fn ids_are_told_apart_and_given_ones_are_kept() {
    let text = "
model_list:
  - {model_name: a, model: gen4.5, api_key: os.environ/KEY_A}
  - {model_name: b, model: gen4.5, api_key: os.environ/KEY_A}
  - {model_name: b, model: gen4.5, api_key: os.environ/KEY_A, id: 'runwayml-key_a/gen4.5#2'}
";
    let routes = good(text).routing.routes;
    let ids = |group: &str| -> Vec<String> {
        let deployments = routes.groups[group].deployments.iter();
        deployments.map(|one| one.id.clone()).collect()
    };
    assert_eq!(ids("a"), ["runwayml-key_a/gen4.5"]);
    assert_eq!(
        ids("b"),
        ["runwayml-key_a/gen4.5#3", "runwayml-key_a/gen4.5#2"]
    );
}

#[test]
fn groups_and_default_fallbacks_go_over_the_rules_for_all() {
    let text = "
model_list:
  - {model_name: a, model: gen4.5, api_key: os.environ/KEY_A}
  - {model_name: b, model: gen4.5, api_key: os.environ/KEY_B}
  - {model_name: c, model: gen4.5, api_key: os.environ/KEY_B, max_cost: 1.5}
groups:
  a: {strategy: cost-based, retry_failed_tasks: 2, max_queued: 9}
  b: {fallbacks: [a]}
routing: {fallbacks: {'*': [c]}, retry_failed_tasks: 1}
";
    let routes = good(text).routing.routes;
    let policy = |name: &str| routes.groups[name].policy.clone();
    assert_eq!(policy("a").strategy, Strategy::CostBased);
    assert_eq!(
        (
            policy("a").retry_failed_tasks,
            policy("b").retry_failed_tasks
        ),
        (2, 1)
    );
    assert_eq!(policy("a").max_queued, Some(9));
    assert_eq!(
        (policy("a").fallbacks, policy("b").fallbacks),
        (vec!["c".into()], vec!["a".into()])
    );
    assert!(policy("c").fallbacks.is_empty(), "the last resort has none");
    assert_eq!(routes.policy.fallbacks, ["c"]);
    let cost = routes.groups["c"].deployments[0].max_cost;
    assert_eq!(cost, Some(Millicredits(150_000)));
}

#[test]
fn a_model_of_the_catalogue_becomes_a_group_when_something_is_said_of_it() {
    let text = "
runway: {api_key: os.environ/KEY_A}
groups: {gen4.5: {strategy: cost-based, fallbacks: [gen4_turbo]}}
";
    let config = good(text);
    let routes = &config.routing.routes;
    for name in ["gen4.5", "runwayml/gen4.5"] {
        let group = routes.group(name, &config.catalog).expect(name);
        assert_eq!(group.policy.strategy, Strategy::CostBased, "{name}");
        assert_eq!(group.policy.fallbacks, ["gen4_turbo"]);
    }
}

#[test]
fn a_master_key_is_a_key_that_may_do_everything() {
    let text = "runway: {api_key: key_aaaa}\ngeneral_settings: {master_key: os.environ/KEY_B}";
    let config = good(text);
    let [key] = &config.callers.keys[..] else {
        panic!("one key");
    };
    assert_eq!(key.id.as_str(), "master");
    assert_eq!(key.sha256, *sha2::Sha256::digest("key_bbbb"));
    assert_eq!(key.scopes.len(), 3);
    assert!(!format!("{config:?}").contains("key_bbbb"));
}

#[test]
fn what_is_not_honoured_is_named_with_its_line_and_nothing_else() {
    let text = "runway: {api_key: key_aaaa}
litellm_settings: {drop_params: true, cache_params: {password: canary}}
router_settings:
  num_retries: 3
  timeout: 30
  content_policy_fallbacks: [{a: [b]}]
  redis_password: os.environ/NOT_THERE
  enable_pre_call_checks: true
general_settings: {database_url: 'postgres://canary'}
environment_variables: {SECRET: canary}
";
    let warnings = good(text).warnings.join("\n");
    for expected in [
        ":2: litellm_settings.drop_params: is not honoured",
        ":2: litellm_settings.cache_params: is not honoured",
        ":4: router_settings.num_retries: is not honoured",
        ":5: router_settings.timeout: is not honoured",
        ":6: router_settings.content_policy_fallbacks: is not honoured: a moderated request",
        ":7: router_settings.redis_password: is not honoured",
        ":9: general_settings.database_url: is not honoured",
        ":10: environment_variables: is not honoured",
    ] {
        assert!(warnings.contains(expected), "{expected}\n{warnings}");
    }
    assert!(
        !warnings.contains("canary") && !warnings.contains("pre_call"),
        "{warnings}"
    );
}

#[test]
fn entries_for_something_else_are_left_out_and_leave_no_holes() {
    let text = "
model_list:
  - {model_name: a, model: gen4.5, api_key: os.environ/KEY_A}
  - {model_name: chat, litellm_params: {model: azure/gpt, api_key: os.environ/NOT_THERE}}
  - {model_name: talk, litellm_params: {model: openai/gpt}, model_info: {mode: chat}}
  - {model_name: words, litellm_params: {model: gpt-4o, api_key: os.environ/NOT_THERE}}
router_settings: {fallbacks: [{a: [chat]}, {talk: [a]}], model_group_alias: {x: talk}}
";
    let config = good(text);
    assert_eq!(config.routing.routes.groups.len(), 1);
    assert!(config.routing.routes.aliases.is_empty());
    assert_eq!(config.warnings.len(), 6, "{:#?}", config.warnings);
    let nothing_left = "model_list: [{model_name: c, litellm_params: {model: azure/gpt}}]";
    assert!(problems(nothing_left).contains("there is no API key"));
}

#[test]
fn every_mistake_is_refused_with_its_path_and_the_way_out() {
    let entry = "{model_name: a, model: gen4.5, api_key: key_aaaa";
    let with = |rest: &str| format!("model_list:\n  - {entry}}}\n{rest}");
    let only = |fields: &str| format!("model_list:\n  - {{{fields}}}");
    let table = [
        (only("model: gen4.5, api_key: key_aaaa"), ":2: model_list[0].model_name: is missing"),
        (only("model_name: '', model: gen4.5, api_key: k1"), "model_list[0].model_name: is no name"),
        (only("model_name: a, api_key: k1"), "model_list[0].model: is missing"),
        (only("model_name: a, model: gen4.6, api_key: k1"), "`gen4.6` is no model of the catalogue; near it are gen4.5"),
        (only("model_name: a, model: runway/gen4.5, api_key: k1"), "did you mean `runwayml`?"),
        (only("model_name: a, model: gen4.5"), "model_list[0].api_key: is missing"),
        (only("model_name: a, model: openai/sora-2"), "set OPENAI_API_KEY"),
        (only("model_name: a, model: gen4.5, api_key: your-key"), "model_list[0].api_key is a placeholder"),
        (only("model_name: a, model: gen4.5, api_key: os.environ/NOT_THERE"), "model_list[0].api_key: the variable NOT_THERE is not set"),
        (only("model_name: a, model: gen4.5, api_key: os.environ/EMPTY"), "the variable EMPTY is empty"),
        (only("model_name: a, model: gen4.5, api_key_file: /nowhere/at/all"), "model_list[0].api_key_file: /nowhere/at/all cannot be read"),
        (only("model_name: a, model: gen4.5, api_key: k1, base_url: 'http://far.example'"), "model_list[0].base_url: must begin with https://"),
        (only("model_name: a, litellm_params: {model: gen4.5, api_key: k1, api_base: 'https://u:p@far.example'}"), "model_list[0].litellm_params.api_base: must not hold a user"),
        (only("model_name: a, model: gen4.5, api_key: k1, api_bse: x"), "model_list[0].api_bse: is no such key"),
        (only("model_name: a, litellm_params: {model: gen4.5, api_key: k1, wieght: 1}"), "did you mean `model_list[0].litellm_params.weight`?"),
        (only("model_name: a, model: gen4.5, api_key: k1, weight: -1"), "model_list[0].weight: `-1` is no whole number"),
        (only("model_name: a, model: gen4.5, api_key: k1, max_in_flight: some"), "neither auto nor unlimited"),
        (only("model_name: a, model: gen4.5, api_key: k1, max_cost: much"), "model_list[0].max_cost: `much` is no amount"),
        (only("model_name: a, model: gen4.5, api_key: k1, price: {per_secnd: 1}"), "did you mean `model_list[0].price.per_second`?"),
        (only("model_name: a, model: gen4.5, litellm_params: {model: gen4.5}, api_key: k1"), "says what model_list[0].model says"),
        (only("model_name: a, model: gen4.5, account: nobody"), "model_list[0].account: is no account of `accounts`"),
        (only("model_name: mine, model: 'runwayml/*', api_key: k1"), "call it `runwayml/*`"),
        (only("model_name: a, model: gen4.5, api_key: k1, weight: 0"), ":2: model_list[0].weight: every weight of `a` is 0"),
        ("model_list: {a: b}".into(), "model_list: takes a list"),
        ("model_list: [5]".into(), "model_list[0]: holds keys of its own"),
        (with("  - {model_name: b, model: gen4.5, api_key: k1, id: x}\n  - {model_name: b, model: gen4.5, api_key: k1, id: x}"), ":4: model_list[2].id: is the id of model_list[1] too"),
        (with("routing: {fallbacks: {a: [a]}}"), ":3: routing.fallbacks.a[0]: leads in a circle: `a` and back to `a`"),
        (with("  - {model_name: b, model: gen4.5, api_key: k1}\nrouter_settings: {fallbacks: [{a: [b]}, {b: [a]}]}"), "leads in a circle: `a` to `b` and back to `a`"),
        (with("routing: {fallbacks: {a: [bb]}}"), "routing.fallbacks.a[0]: nobody serves `bb`"),
        (with("routing: {fallbacks: {a: [gen4_turbo]}}"), "`gen4_turbo` is in the catalogue, but no account serves it"),
        (with("routing: {fallbacks: {nobody: [a]}}"), "routing.fallbacks.nobody: nobody serves `nobody`"),
        (with("routing: {fallbacks: {a: [gen4.5]}}\ngroups: {a: {fallbacks: []}}"), "has fallbacks elsewhere too"),
        (with("routing: {fallbacks: 5}"), "routing.fallbacks: takes a group's name"),
        (with("routing: {aliases: {b: c}}"), "routing.aliases.b: nobody serves `c`"),
        (with("routing: {aliases: {a: gen4.5}}"), "routing.aliases.a: is the name of a group"),
        (with("routing: {aliases: {b: c, c: a}}"), "routing.aliases.b: leads to another alias"),
        (with("groups: {aa: {strategy: cost-based}}"), "groups.aa: nobody serves `aa`"),
        (with("groups: {a: {retry_failed_tasks: 6}}"), "groups.a.retry_failed_tasks: `6` is no whole number from 0 to 5"),
        (with("routing: {strategy: fastest}"), "routing.strategy: `fastest` is none of: most-room"),
        (with("routing: {cooldown: 2d}"), "routing.cooldown: 2d is out of bounds"),
        (with("routing: {serve_catalog: perhaps}"), "routing.serve_catalog: `perhaps` is none of"),
        (with("router_settings: {num_retrys: 1}"), "did you mean `router_settings.num_retries`?"),
        (with("litellm_settings: {drop_parms: true}"), "did you mean `litellm_settings.drop_params`?"),
        (with("general_settings: {masterkey: x}"), "did you mean `general_settings.master_key`?"),
        (with("general_settings: {master_key: os.environ/NOT_THERE}"), "general_settings.master_key: the variable NOT_THERE is not set"),
        (with("general_settings: {master_key: sk-1234}\nkeys: [{id: master, key: sk-5678}]"), "keys[0].id: is the name of another key, at general_settings.master_key"),
        (with("general_settings: {master_key: sk-1234}\nkeys: [{id: a, key: sk-1234}]"), "keys[0].key: is the same key as `master`, at general_settings.master_key"),
        (with("router_setings: {}"), "did you mean `router_settings`?"),
        ("accounts: {a: {provider: runwayml, api_key: key_aaaa}, b: {provider: runwayml, api_key: os.environ/KEY_A}}".into(), "accounts.b.api_key: is the key of accounts.a at the same address"),
        ("accounts: {a: {api_key: key_aaaa}}".into(), "accounts.a.provider: is missing"),
        ("accounts: {a: {provider: runwayml}}".into(), "accounts.a.api_key: is missing"),
        ("accounts: {a b: {provider: runwayml, api_key: key_aaaa}}".into(), "is no name for an account"),
        ("accounts: {a: {provider: runwayml, api_key: key_aaaa, headers: {authorization: x}}}".into(), "accounts.a.headers.authorization: is a header that mediagen sets itself"),
        ("accounts: {runwayml: {provider: runwayml, api_key: key_aaaa}}\nrunway: {api_key: key_bbbb}".into(), "accounts.runwayml: is what the account of the section `runway` is called"),
    ];
    let one = "the configuration has 1 problem\n";
    let wrong: Vec<String> = table
        .iter()
        .map(|(text, expected)| (text, expected, problems(text)))
        .filter(|(_, expected, told)| !told.contains(**expected) || !told.starts_with(one))
        .map(|(text, expected, told)| format!("{text}\n{expected}\n{told}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
