//! Tests of files that mean harm: each is refused quickly, in few words, and without its secrets.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use super::tests::{load, usual};

/// An entry's account and model; the key must never be told.
const ENTRY: &str = "model: gen4.5, api_key: s3cret";

fn rows(count: usize, row: impl Fn(usize) -> String) -> String {
    (0..count).map(row).collect()
}

/// Forty levels, each of which holds the one below twice.
fn bombs() -> [(&'static str, String); 2] {
    let list = rows(40, |level| match level.checked_sub(1) {
        None => "a0: &a0 [s3cret, s3cret]\n".to_owned(),
        Some(below) => format!("a{level}: &a{level} [*a{below}, *a{below}]\n"),
    });
    let map = rows(40, |level| match level.checked_sub(1) {
        None => "m0: &m0 {k: s3cret}\n".to_owned(),
        Some(below) => format!("m{level}: &m{level} {{<<: *m{below}, k{level}: *m{below}}}\n"),
    });
    [("a bomb of aliases", list), ("a bomb of merges", map)]
}

/// What is hard to read.
fn texts() -> Vec<(&'static str, String)> {
    let long = "n".repeat(900_000);
    let digits = "9".repeat(900_000);
    let entry = |fields: &str| format!("model_list: [{{{fields}}}]");
    vec![
        (
            "a mapping in itself",
            "model_list: &a [{model_name: x, litellm_params: *a}]".into(),
        ),
        (
            "a merge of itself",
            "accounts: &a {x: {<<: *a, api_key: s3cret}}".into(),
        ),
        (
            "too deep",
            format!("model_list: {}s3cret", "[".repeat(5_000)),
        ),
        (
            "deep sections",
            rows(5_000, |n| format!("{}a:\n", " ".repeat(n))),
        ),
        (
            "large",
            format!("model_list: [] #{}", "s3cret".repeat(300_000)),
        ),
        ("a long key", format!("{long}: s3cret")),
        (
            "a long name",
            entry(&format!("model_name: {long}, {ENTRY}")),
        ),
        (
            "a long model",
            entry(&format!("model_name: a, model: {long}, api_key: s3cret")),
        ),
        (
            "a long number",
            entry(&format!("model_name: a, {ENTRY}, weight: {digits}")),
        ),
        (
            "control characters",
            "\"model\\e[31m_list\": [{model_name: \"a\\e[2J\"}]".into(),
        ),
        ("nearly UTF-8", "model_list: [\u{0}\u{feff}]".into()),
        (
            "two documents",
            format!("model_list: []\n---\n{}", entry(ENTRY)),
        ),
        (
            "a tag",
            "model_list: !!python/object/apply:os.system [s3cret]".into(),
        ),
    ]
}

/// What is hard to follow.
fn crowds() -> Vec<(&'static str, String)> {
    let listed = |count| rows(count, |n| format!("  - {{model_name: g{n}, {ENTRY}}}\n"));
    let groups = format!("model_list:\n{}", listed(500));
    let inside = rows(9_000, |n| format!("  num_retriez{n}: s3cret\n"));
    let free = rows(9_000, |n| format!("      output_cost{n}: s3cret\n"));
    let accounts = |n| format!("  a{n}: {{provider: runwayml, api_key: s3cret{n}}}\n");
    let circle = rows(500, |n| format!("    g{n}: [g{}]\n", (n + 1) % 500));
    let names = rows(30, |n| format!("g{n}, "));
    let all = rows(500, |n| format!("    g{n}: [{names}]\n"));
    let nobody = rows(5_000, |n| format!("    h{n}: [i{n}]\n"));
    let aliases = rows(5_000, |n| format!("    h{n}: h{}\n", n + 1));
    vec![
        (
            "unknown keys",
            rows(9_000, |n| format!("router_settingz{n}: s3cret\n")),
        ),
        ("unknown keys inside", format!("router_settings:\n{inside}")),
        (
            "free keys",
            format!("model_list:\n  - model_name: a\n    model_info:\n{free}"),
        ),
        ("many entries", format!("model_list:\n{}", listed(1_001))),
        (
            "many accounts",
            format!("accounts:\n{}", rows(300, accounts)),
        ),
        (
            "a long circle",
            format!("{groups}routing:\n  fallbacks:\n{circle}"),
        ),
        (
            "all to all",
            format!("{groups}routing:\n  fallbacks:\n{all}"),
        ),
        (
            "nobody",
            format!("{groups}routing:\n  fallbacks:\n{nobody}"),
        ),
        (
            "aliases of aliases",
            format!("{groups}routing:\n  aliases:\n{aliases}"),
        ),
    ]
}

/// How long this thread has worked: other programs run beside it.
fn worked() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).expect("a thread works for no negative time")
}

#[test]
fn hostile_files_are_refused_in_under_a_second_and_their_secrets_kept() {
    for (what, text) in bombs().into_iter().chain(texts()).chain(crowds()) {
        let begun = worked();
        let told = load(&text, &usual()).expect_err(what).to_string();
        let took = worked().saturating_sub(begun);
        assert!(took < Duration::from_secs(1), "{what} takes {took:?}");
        assert!(!told.contains("s3cret"), "{what}: {told}");
        assert!(told.len() < 60_000, "{what}: {} bytes", told.len());
        assert!(!told.contains('\u{1b}'), "{what}: {told}");
    }
}
