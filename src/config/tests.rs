//! Tests of the whole configuration: layers, rules between keys, and what a problem says.

use std::fmt::Write as _;
use std::io::Write as _;

use secrecy::ExposeSecret as _;

use super::*;
use crate::domain::money::UsdRate;

const KEY: &str = "key_0123456789abcdef";

fn env(variables: &[(&str, &str)]) -> Environment {
    variables.iter().copied().collect()
}

fn with_key() -> Environment {
    env(&[("RUNWAYML_API_SECRET", KEY)])
}

fn load_file(text: &str, env: &Environment) -> Result<Config, Problems> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    Config::load(Some(file.path()), env, &[])
}

fn own_account(config: &Config) -> (secrecy::SecretString, url::Url) {
    match &config.routing.accounts[..] {
        [
            Account {
                access: Access::Account { api_key, base_url },
                ..
            },
        ] => (api_key.clone(), base_url.clone()),
        other => panic!("one account, not {other:?}"),
    }
}

fn problems(text: &str, env: &Environment) -> String {
    load_file(text, env).expect_err(text).to_string()
}

#[test]
fn the_defaults_and_a_key_are_a_whole_configuration() {
    let config = Config::load(None, &with_key(), &[]).unwrap();
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:50051");
    assert_eq!(config.server.max_create_bytes, 16 << 20);
    assert_eq!(config.poll.interval, Duration::from_secs(5));
    assert_eq!(config.retention.records, 90 * DAY);
    assert_eq!(config.archive.max_bytes, None);
    assert_eq!(config.store.path, config.data_dir.join("mediagen.db"));
    assert_eq!(config.warnings, Vec::<String>::new());
    let (api_key, base_url) = own_account(&config);
    assert_eq!(api_key.expose_secret(), KEY);
    assert_eq!(base_url.as_str(), "https://api.dev.runwayml.com/");
    assert_eq!(config.runway.usd_per_credit, UsdRate(10_000));
}

#[test]
fn threads_are_counted_within_bounds() {
    let threads = |text: &str| {
        let file = format!("server: {{worker_threads: {text}}}");
        load_file(&file, &with_key()).map(|config| config.server.worker_threads)
    };
    assert_eq!(threads("null").ok(), Some(None));
    assert_eq!(threads("1").ok(), Some(Some(1)));
    for wrong in ["0", "1025", "two", "-1", "\"\""] {
        let said = threads(wrong).expect_err(wrong).to_string();
        let expected = "server.worker_threads";
        assert!(
            said.contains(expected) && said.contains("1 to 1024"),
            "{said}"
        );
    }
}

#[test]
fn the_price_of_a_credit_is_read_exactly() {
    let rate = |text: &str| {
        let config = load_file(&format!("runway: {{usd_per_credit: {text}}}"), &with_key());
        config.map(|config| config.runway.usd_per_credit.0)
    };
    for (text, micros) in [("0.0125", 12_500), ("0.000001", 1), ("1000", 1_000_000_000)] {
        assert_eq!(rate(text).unwrap(), micros, "{text}");
    }
    for text in [
        "0",
        "0.0",
        "-0.01",
        "0.0000001",
        "1000.000001",
        "null",
        "a lot",
    ] {
        let told = rate(text).expect_err(text).to_string();
        assert!(told.contains("runway.usd_per_credit"), "{told}");
    }
}

#[test]
fn every_key_of_the_structs_is_in_the_defaults() {
    let lines: Vec<_> = DEFAULTS
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .collect();
    let mut tested = 0;
    for line in lines.iter().filter(|line| line.contains(':')) {
        let without = DEFAULTS.replacen(&format!("{line}\n"), "", 1);
        let Ok(tree) = Node::parse("default.yaml", &without) else {
            continue;
        }; // a section's head
        let report = Report::default();
        Section::root(&tree, &report, |root| Config::read(root, &with_key()));
        assert!(report.finish(()).is_err(), "`{line}` is read by nothing");
        tested += 1;
    }
    assert!(tested > 60, "{tested}");
}

#[test]
fn every_key_of_the_defaults_has_a_comment() {
    let mut before = "";
    for line in DEFAULTS.lines() {
        let is_key = !line.trim_start().starts_with('#') && line.contains(": ");
        assert!(!is_key || before.trim_start().starts_with("# "), "{line}");
        before = line;
    }
}

#[test]
fn file_gives_way_to_variables_and_they_to_flags() {
    let text = "server: { listen: '127.0.0.1:1' }\nsubmit: { concurrency: 1, max_attempts: 1 }\n";
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let env = env(&[
        ("RUNWAYML_API_SECRET", KEY),
        ("MEDIAGEN_LISTEN", "127.0.0.1:2"),
        ("MEDIAGEN_SUBMIT_CONCURRENCY", "2"),
    ]);
    let flags = [Setting::new("--listen", "server.listen", "127.0.0.1:3")];
    let config = Config::load(Some(file.path()), &env, &flags).unwrap();
    assert_eq!(config.server.listen.port(), 3);
    assert_eq!(config.submit.concurrency, 2);
    assert_eq!(config.submit.max_attempts, 1);
}

#[test]
fn a_wrong_file_is_told_with_place_and_key() {
    let table = [
        (
            "serve: {}",
            ":1: serve: is no such key; did you mean `server`?",
        ),
        (
            "poll:\n  intervall: 5s",
            ":2: poll.intervall: is no such key; did you mean `poll.interval`?",
        ),
        (
            "poll:\n  interval: soon",
            ":2: poll.interval: `soon` is no duration",
        ),
        (
            "poll:\n  interval: 2s",
            ":2: poll.interval: 2s is too often",
        ),
        ("poll: 5", ":1: poll: holds keys of its own"),
        ("data_dir: [a]", ":1: data_dir: takes one value"),
        (
            "download: { chunk: 2MiB }",
            "download.chunk: 2MiB is out of bounds: 4KiB to 64KiB",
        ),
        (
            "archive: { concurrency: 0 }",
            "archive.concurrency: 0 is out of bounds: 1 to 256",
        ),
        (
            "archive: { max_bytes: 1MiB }",
            "is less than archive.max_output_bytes",
        ),
        (
            "retention: { records: 1d }",
            "retention.records: is shorter than retention.content",
        ),
        (
            "submit: { trust_503: maybe }",
            "`maybe` is none of: true, false, 1, 0",
        ),
        (
            "submit: { on_unknown_outcome: retry }",
            "`retry` is none of: fail, hold, resubmit",
        ),
        (
            "submit: { unknown_deadline: 90s }",
            "submit.window + submit.timeout + 60s, which is 1m35s",
        ),
        (
            "server: { tls: { cert: c.pem } }",
            "server.tls.key: is missing",
        ),
        (
            "server: { tls: { client_ca: c.pem } }",
            "needs server.tls.cert",
        ),
        (
            "server: { download_drain: 37s }",
            "is longer than server.drain_timeout",
        ),
        (
            "server: { listen: '50051' }",
            "server.listen: `50051` is no address and port",
        ),
        (
            "runway: { base_url: 'http://example.com' }",
            "must begin with https://",
        ),
        (
            "runway: { headers: { Authorization: x } }",
            "mediagen sets itself",
        ),
        ("log: { filter: 'a=b=c' }", "log.filter: is no filter"),
        ("log: { format: null }", "log.format: needs a value"),
    ];
    for (text, expected) in table {
        let told = problems(text, &with_key());
        assert!(told.contains(expected), "{text}\n{told}");
    }
}

#[test]
fn all_problems_are_told_at_once() {
    let told = load_file(
        "poll: { interval: x, concurrency: 0 }\nwatch: { bogus: 1 }",
        &with_key(),
    );
    let told = told.unwrap_err();
    assert_eq!(told.0.len(), 3, "{told}");
}

#[test]
fn what_is_no_yaml_is_refused_with_its_line_and_without_its_text() {
    let deep = "[".repeat(500);
    let mut bomb = "a0: &a0 [x, x]\n".to_owned();
    for level in 1..40 {
        let below = level - 1;
        writeln!(bomb, "a{level}: &a{level} [*a{below}, *a{below}]").unwrap();
    }
    let tabs = "server:\n\tlisten: s3cret";
    let twice = "poll: {}\npoll: {}";
    for text in [tabs, "a: 'unclosed s3cret", twice, &deep, &bomb] {
        let told = problems(text, &with_key());
        assert!(!told.contains("s3cret"), "{told}");
    }
    assert!(problems(&"#".repeat(1 << 21), &with_key()).contains("larger than 1MiB"));
    assert!(
        load_file("\u{feff}poll:\n", &with_key()).is_ok(),
        "a BOM and an empty section are fine"
    );
    assert!(load_file("", &with_key()).is_ok());
}

#[test]
fn what_the_parser_refuses_is_told_in_words_that_help() {
    let (mut deep, mut crowd) = (String::new(), String::new());
    for level in 0..20 {
        writeln!(deep, "{}a:", " ".repeat(level)).unwrap();
    }
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let below = vec![format!("*a{}", level - 1); 9].join(", ");
        writeln!(bomb, "a{level}: &a{level} [{below}]").unwrap();
    }
    for key in 0..30_000 {
        writeln!(crowd, "k{key}: 1").unwrap();
    }
    for (text, expected) in [
        ("poll: {}\npoll: {}", ":2: the key `poll` is given twice"),
        (
            "model_list: &a\n  - *a",
            ":2: an anchor holds an alias of itself",
        ),
        (
            "poll: &a\n  <<: *a",
            ":2: an anchor holds an alias of itself",
        ),
        (&*bomb, "aliases stand for more than is read"),
        (&*deep, "is nested deeper"),
        ("poll: {}\n---\npoll: {}", "holds several documents"),
        (&*crowd, "holds more than is read"),
        ("- a\n- b", ":1: must hold sections and keys by name"),
        ("poll", ":1: must hold sections and keys by name"),
    ] {
        let told = problems(text, &with_key());
        assert!(told.contains(expected), "{told}");
        assert!(told.contains("has 1 problem"), "{told}");
    }
}

#[test]
fn what_has_the_shape_of_a_key_is_in_no_problem_wherever_it_stands() {
    let runways = format!("key_{}", "5ecret".repeat(20));
    let ours = "mg_5ecret5ecret5ecret5ecret";
    for secret in [&*runways, "key_letters-alone-and-5ecret", "sk-5ecret", ours] {
        for text in [
            format!("{secret}: 1"),
            format!("log: {{format: {secret}}}"),
            format!("submit: {{max_attempts: {secret}}}"),
            format!("archive: {{max_bytes: '{secret} and more'}}"),
            format!("routing: {{strategy: {secret}}}"),
            format!("routing: {{fallbacks: {{a: [{secret}]}}}}"),
            format!("models: {{{secret}: {{alias: {secret}}}}}"),
            format!("tenants: {{team: {{{secret}: 1}}}}"),
            format!("{secret}: 1\n{secret}: 2"),
        ] {
            let told = problems(&text, &with_key());
            assert!(!told.contains("5ecret"), "{text}\n{told}");
        }
    }
    let letters = format!("key_{}", "abcdef".repeat(20));
    let told = problems(&format!("{letters}: 1"), &with_key());
    assert!(!told.contains("abcdef"), "{told}");
    let told = problems("litellm_settings: {key_generation_setting: 1}", &with_key());
    assert!(
        told.contains("mean `litellm_settings.key_generation_settings`"),
        "{told}"
    );
}

#[test]
fn others_reach_it_only_with_client_certificates_or_by_plain_words() {
    let open = "server: { listen: '0.0.0.0:50051' }";
    assert!(problems(open, &with_key()).contains("--allow-insecure"));
    let tls_only = "server: { listen: '[::]:1', tls: { cert: c, key: k } }";
    assert!(problems(tls_only, &with_key()).contains("nothing would say who they are"));
    let mutual = "server: { listen: '[::]:1', tls: { cert: c, key: k, client_ca: a } }";
    assert!(load_file(mutual, &with_key()).is_ok());
    let worded = "server: { listen: '0.0.0.0:50051', allow_insecure: true }";
    assert!(load_file(worded, &with_key()).unwrap().warnings[0].contains("may spend your credits"));
}

#[test]
fn without_key_or_sandbox_both_ways_out_are_told() {
    let told = Config::load(None, &Environment::default(), &[])
        .unwrap_err()
        .to_string();
    assert!(
        told.contains("RUNWAYML_API_SECRET") && told.contains("--sandbox"),
        "{told}"
    );
    let empty = Config::load(None, &env(&[("RUNWAYML_API_KEY", "")]), &[])
        .unwrap_err()
        .to_string();
    assert!(
        empty.contains("RUNWAYML_API_KEY is set, but empty"),
        "{empty}"
    );
    let sandbox = Config::load(None, &env(&[("MEDIAGEN_SANDBOX", "true")]), &[]).unwrap();
    assert!(sandbox.runway.is_sandbox());
    assert!(sandbox.poll.interval < Duration::from_secs(1));
}

#[test]
fn a_key_that_cannot_be_one_is_refused_by_its_place_alone() {
    for key in [
        "  ",
        "key_ab cd",
        "your-api-key",
        "<key>",
        "key_xxxxxxxx",
        "ключ",
    ] {
        let told = Config::load(None, &env(&[("RUNWAYML_API_KEY", key)]), &[])
            .unwrap_err()
            .to_string();
        assert!(told.contains("RUNWAYML_API_KEY"), "{told}");
        assert!(
            !told.contains(&format!("{}\n", key.trim())) || key.trim().is_empty(),
            "{told}"
        );
    }
    let told = problems(
        "runway: { api_key: changeme-s3cret }",
        &Environment::default(),
    );
    assert!(
        told.contains("runway.api_key") && !told.contains("s3cret"),
        "{told}"
    );
    let shown = format!("{:?}", Config::load(None, &with_key(), &[]).unwrap());
    assert!(!shown.contains(KEY), "{shown}");
}

#[test]
fn key_and_base_come_from_the_first_place_that_has_them() {
    let env = env(&[
        ("RUNWAYML_API_SECRET", "first"),
        ("RUNWAYML_API_KEY", "second"),
        ("RUNWAYML_API_BASE", "http://127.0.0.1:9/v1/"),
    ]);
    let config = load_file("poll: { interval: 10ms }", &env).unwrap();
    let (api_key, base_url) = own_account(&config);
    assert_eq!(api_key.expose_secret(), "first");
    assert_eq!(base_url.as_str(), "http://127.0.0.1:9/");
    let own = "runway: { api_key: zeroth, base_url: 'https://gateway.example/runway/v1' }";
    let (api_key, base_url) = own_account(&load_file(own, &env).unwrap());
    assert_eq!(api_key.expose_secret(), "zeroth");
    assert_eq!(base_url.as_str(), "https://gateway.example/runway");
}
