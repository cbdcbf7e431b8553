//! Tests of `keys`, `keys_file` and `tenants`: what is taken, and what a problem says.

use std::path::PathBuf;

use serde_json::json;
use tempfile::TempDir;

use super::super::{Config, Environment, Problems};
use super::file::{self, KeysFileError};
use super::*;
use crate::domain::caller::{Budget, TenantLimits};
use crate::domain::money::Millicredits;
use crate::domain::webhook::Secret;

const SECRET: &str = "sk-a-very-secret-key-of-alice";

/// A folder with a configuration and, perhaps, a keys file beside it.
struct Folder {
    dir: TempDir,
}

impl Folder {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn load(&self, text: &str) -> Result<Config, Problems> {
        let file = self.write("mediagen.yaml", text);
        let env: Environment = [
            ("RUNWAYML_API_SECRET", "key_0123456789abcdef".to_owned()),
            ("MEDIAGEN_DATA_DIR", self.dir.path().display().to_string()),
            ("ALICE_KEY", SECRET.to_owned()),
            ("EMPTY", String::new()),
        ]
        .into_iter()
        .collect();
        Config::load(Some(&file), &env, &[])
    }

    fn callers(&self, text: &str) -> Callers {
        self.load(text).unwrap().callers
    }

    fn problems(&self, text: &str) -> String {
        self.load(text).map(drop).expect_err(text).to_string()
    }
}

fn one(text: &str) -> Key {
    let callers = Folder::new().callers(text);
    assert_eq!(callers.keys.len(), 1);
    callers.keys[0].clone()
}

#[test]
fn without_keys_none_is_needed() {
    let callers = Folder::new().callers("");
    assert!(!callers.is_key_needed());
    let Limits {
        tenants,
        any_tenant,
        budgets,
        ..
    } = callers.limits;
    assert!(tenants.is_empty() && budgets.is_empty());
    assert_eq!(any_tenant, TenantLimits::default());
}

#[test]
fn a_key_is_known_by_its_digest_however_it_is_given() {
    let folder = Folder::new();
    let file = folder.write("secret", &format!("{SECRET}\n"));
    let ways = [
        format!("key: {SECRET}"),
        "key: os.environ/ALICE_KEY".to_owned(),
        format!("key_file: {}", file.display()),
        format!("sha256: '{}'", hex::encode(digest(SECRET))),
        format!("sha256: 'sha256:{}'", hex::encode_upper(digest(SECRET))),
    ];
    for way in ways {
        let key = one(&format!("keys: [{{id: alice, {way}}}]"));
        assert_eq!(key.sha256, digest(SECRET), "{way}");
        assert_eq!(key.tenant, TenantId::local());
        assert_eq!(key.models, AllowedModels::All);
        assert_eq!(key.scopes, [Scope::Create, Scope::Read]);
        assert_eq!((key.expires, key.revoked), (None, None));
        assert_eq!(key.limits, KeyLimits::default());
    }
}

#[test]
fn a_key_has_all_that_is_said_of_it() {
    let key = one("
runway: {usd_per_credit: 0.02}
keys:
  - id: team-a.1
    key: os.environ/ALICE_KEY
    tenant: team-a
    models: [gen4.5, 'runwayml/gen4_turbo']
    scopes: [operate, read, read]
    expires: 2026-12-31
    revoked: 2026-06-01T12:00:00+02:00
    limits: {requests_per_minute: 60, tasks_in_flight: 5, streams: 7, usd_per_day: 0.5, credits_per_month: 100}
");
    assert_eq!(key.tenant.as_str(), "team-a");
    let models = ["gen4.5", "runwayml/gen4_turbo"].map(str::to_owned);
    assert_eq!(key.models, AllowedModels::Only(models.into()));
    assert_eq!(key.scopes, [Scope::Operate, Scope::Read]);
    let new_year = 1_798_761_600_000;
    assert_eq!(key.expires, Some(Timestamp(new_year)));
    assert_eq!(key.revoked, Some(Timestamp(1_780_308_000_000)));
    let budget = Budget {
        day: Some(Millicredits(25_000)),
        month: Some(Millicredits(100_000)),
    };
    let limits = KeyLimits {
        requests_per_minute: Some(60),
        tasks_in_flight: Some(5),
        streams: Some(7),
        budget,
    };
    assert_eq!(key.limits, limits);
}

#[test]
fn litellms_names_are_taken() {
    let key = one(&format!(
        "keys: [{{id: a, key: {SECRET}, rpm_limit: 10, max_parallel_requests: 3, max_budget: 10.5, \
         budget_duration: 30d}}]"
    ));
    assert_eq!(key.limits.requests_per_minute, Some(10));
    assert_eq!(key.limits.tasks_in_flight, Some(3));
    assert_eq!(key.limits.budget.month, Some(Millicredits(1_050_000)));
    assert_eq!(key.limits.budget.day, None);
}

#[test]
fn budgets_go_where_they_are_checked() {
    let folder = Folder::new();
    let callers = folder.callers(&format!(
        "keys: [{{id: a, key: {SECRET}, limits: {{credits_per_day: 3}}}}, {{id: b, key: {SECRET}b}}]"
    ));
    let day = callers.limits.budget(Some(&KeyId::new("a"))).day;
    assert_eq!(day, Some(Millicredits(3_000)));
    assert_eq!(callers.limits.budgets.len(), 1);
}

#[test]
fn a_dollar_that_no_whole_credit_makes_is_rounded_down() {
    let key = one(&format!(
        "{{runway: {{usd_per_credit: 0.03}}, keys: [{{id: a, key: {SECRET}, limits: {{usd_per_day: 1}}}}]}}"
    ));
    assert_eq!(key.limits.budget.day, Some(Millicredits(33_333)));
}

/// An entry, what of it is wrong, and a word of what is said about it.
const BAD_ENTRIES: &[(&str, &str, &str)] = &[
    ("id: a", "keys[0].key", "is missing"),
    ("key: KEY", "keys[0].id", "is missing"),
    ("id: a b, key: KEY", "keys[0].id", "1 to 64 letters"),
    ("id: 12, key: KEY", "keys[0].id", "quotes"),
    ("id: a, key: KEY, sha256: x", "keys[0].key", "only one"),
    ("id: a, key: 12345678", "keys[0].key", "quotes"),
    ("id: a, key: ''", "keys[0].key", "is empty"),
    ("id: a, key: 'x KEY'", "keys[0].key", "spaces"),
    ("id: a, key: [KEY]", "keys[0].key", "one value"),
    (
        "id: a, key: os.environ/NONE",
        "keys[0].key",
        "NONE is not set",
    ),
    (
        "id: a, key: os.environ/EMPTY",
        "keys[0].key",
        "EMPTY is not set",
    ),
    (
        "id: a, key_file: /none/such",
        "keys[0].key_file",
        "cannot be read",
    ),
    ("id: a, sha256: KEY", "keys[0].sha256", "64 hex digits"),
    ("id: a, key: KEY, tenant: ''", "keys[0].tenant", "1 to 64"),
    (
        "id: a, key: KEY, tennant: x",
        "keys[0].tennant",
        "`keys[0].tenant`",
    ),
    (
        "id: a, key: KEY, models: []",
        "keys[0].models",
        "not be empty",
    ),
    (
        "id: a, key: KEY, models: [{a: b}]",
        "keys[0].models",
        "list",
    ),
    (
        "id: a, key: KEY, scopes: [admin]",
        "keys[0].scopes",
        "create, read, operate",
    ),
    (
        "id: a, key: KEY, expires: soon",
        "keys[0].expires",
        "2026-12-31",
    ),
    (
        "id: a, key: KEY, expires: 2026-02-30",
        "keys[0].expires",
        "2026-12-31",
    ),
    (
        "id: a, key: KEY, limits: 5",
        "keys[0].limits",
        "keys of its own",
    ),
    (
        "id: a, key: KEY, limits: {rpm: 5}",
        "keys[0].limits.rpm",
        "no such key",
    ),
    (
        "id: a, key: KEY, limits: {streams: 0}",
        "keys[0].limits.streams",
        "from 1 to",
    ),
    (
        "id: a, key: KEY, limits: {streams: -1}",
        "keys[0].limits.streams",
        "from 1 to",
    ),
    (
        "id: a, key: KEY, limits: {usd_per_day: -1}",
        "keys[0].limits.usd_per_day",
        "dollars",
    ),
    (
        "id: a, key: KEY, limits: {usd_per_day: 99999999}",
        "keys[0].limits.usd_per_day",
        "at most",
    ),
    (
        "id: a, key: KEY, limits: {usd_per_day: 1, credits_per_day: 1}",
        "keys[0].limits.credits_per_day",
        "give one",
    ),
    (
        "id: a, key: KEY, rpm_limit: 1, limits: {requests_per_minute: 1}",
        "keys[0].rpm_limit",
        "give one",
    ),
    (
        "id: a, key: KEY, max_budget: 1",
        "keys[0].budget_duration",
        "1d",
    ),
    (
        "id: a, key: KEY, max_budget: 1, budget_duration: 7d",
        "keys[0].budget_duration",
        "1d",
    ),
    (
        "id: a, key: KEY, budget_duration: 1d",
        "keys[0].budget_duration",
        "max_budget",
    ),
];

#[test]
fn every_bad_entry_is_named_and_no_secret_is_shown() {
    let folder = Folder::new();
    for (entry, field, says) in BAD_ENTRIES {
        let entry = entry.replace("KEY", SECRET);
        let told = folder.problems(&format!("keys:\n  - {{{entry}}}\n"));
        let line = format!("mediagen.yaml:2: {field}: ");
        assert!(
            told.contains(&line) && told.contains(says),
            "{entry}: {told}"
        );
        assert!(!told.contains(SECRET), "{told}");
    }
    for (text, says) in [
        ("keys: {a: b}", "must be a list"),
        ("keys: [5]", "keys of its own"),
        ("tenants: [a]", "names of tenants"),
        ("tenants: {a b: {}}", "a tenant's name"),
        ("tenants: {a: {max_queue: 1}}", "`tenants.a.max_queued`"),
        ("tenants: {a: {max_queued: 0}}", "from 1 to"),
        ("tenants: {a: {suspended: perhaps}}", "true or false"),
        ("tenants: {a: 5}", "keys of its own"),
        ("keys_file: /", "cannot be"),
    ] {
        let told = folder.problems(text);
        assert!(told.contains(says), "{text}: {told}");
    }
}

#[test]
fn no_two_keys_share_a_name_or_a_secret() {
    let folder = Folder::new();
    let other = format!("{SECRET}-2");
    let told = folder.problems(&format!(
        "keys:\n  - {{id: a, key: {SECRET}}}\n  - {{id: a, key: {other}}}\n  - {{id: c, key: {SECRET}}}\n"
    ));
    assert!(
        told.contains("mediagen.yaml:3: keys[1].id: is the name of another key, at"),
        "{told}"
    );
    assert!(
        told.contains("mediagen.yaml:4: keys[2].key: is the same key as `a`"),
        "{told}"
    );
    assert!(!told.contains(SECRET));
    folder.write("keys.yaml", &format!("- {{id: b, key: {SECRET}}}\n"));
    let told = folder.problems(&format!("keys: [{{id: a, key: {SECRET}}}]"));
    assert!(
        told.contains("keys.yaml:1: keys_file[0].key: is the same key as `a`"),
        "{told}"
    );
}

#[test]
fn tenants_inherit_what_they_do_not_say() {
    let limits = Folder::new()
        .callers(
            "tenants:\n  default: {max_in_flight: 20, max_queued: 100}\n  a: {max_in_flight: null}\n  \
             b: {suspended: true, max_queued: 5}\n",
        )
        .limits;
    let of = |name: &str| limits.tenant(&TenantId::named(name)).clone();
    let expect = |max_in_flight, max_queued, suspended| crate::domain::caller::TenantLimits {
        max_in_flight,
        max_queued,
        suspended,
    };
    assert_eq!(of("a"), expect(None, Some(100), false));
    assert_eq!(of("b"), expect(Some(20), Some(5), true));
    assert_eq!(of("any"), expect(Some(20), Some(100), false));
}

#[test]
fn a_short_key_is_taken_with_a_warning() {
    let config = Folder::new()
        .load("keys: [{id: master, key: sk-1234}]")
        .unwrap();
    assert!(
        config
            .warnings
            .iter()
            .any(|told| told.contains("`master` is short"))
    );
    assert!(!config.warnings.iter().any(|told| told.contains("sk-1234")));
}

#[test]
fn an_address_that_others_reach_may_be_open_where_keys_are_needed() {
    let folder = Folder::new();
    let open = "server: {listen: '0.0.0.0:0'}";
    assert!(folder.problems(open).contains("mediagen keys create"));
    let keyed = format!("{{{open}, keys: [{{id: a, key: {SECRET}}}]}}");
    let config = folder.load(&keyed).unwrap();
    assert!(
        config
            .warnings
            .iter()
            .any(|told| told.contains("plain text")),
        "{:?}",
        config.warnings
    );
    let path = folder.path("none.yaml");
    let named = format!("{{{open}, keys_file: {}}}", path.display());
    let config = folder.load(&named).unwrap();
    assert!(config.callers.is_key_needed());
    assert!(
        config
            .warnings
            .iter()
            .any(|told| told.contains("holds nothing"))
    );
}

fn reread(callers: &Callers) -> Result<Callers, Problems> {
    let (new, read) = callers.reread();
    assert!(read.is_ok() || new.keys == callers.keys);
    read.map(|()| new)
}

#[test]
fn a_bad_keys_file_revokes_its_own_keys_and_changes_nothing_else() {
    const WHEN: &str = "2026-11-22T10:00:00Z";
    let folder = Folder::new();
    let settings = format!("keys: [{{id: own, key: {SECRET}}}]");
    let entry = |id: &str, text: &str| json!({"id": id, "sha256": hex::encode(digest(text))});
    let with = |mut entry: serde_json::Value, name: &str, value: serde_json::Value| {
        entry[name] = value;
        entry
    };
    let write = |entries: serde_json::Value| folder.write("keys.yaml", &entries.to_string());
    let good = json!([entry("a", "a"), entry("b", "b"), entry("c", "c")]);
    write(good.clone());
    let callers = folder.callers(&settings);
    let revoked = |entry| with(entry, "revoked", WHEN.into());
    write(json!([
        // The configuration has this key, and only it can take it back.
        revoked(entry("own", SECRET)),
        with(revoked(entry("a", "a")), "scopes", json!(["nonsense"])),
        // Another key than the one of that name.
        revoked(entry("b", "another")),
        with(entry("c", "c"), "scopes", json!(["operate"])),
        entry("new", "new"),
    ]));
    let (new, read) = callers.reread();
    let told = read.unwrap_err().to_string();
    assert!(told.contains("is the name of another key"), "{told}");
    let mut expected = callers.keys.clone();
    expected[1].revoked = Some(Timestamp(1_795_341_600_000));
    assert!(new.keys == expected, "{:?}", new.keys);
    // The file that is good again has the last word.
    write(good);
    let (again, read) = new.reread();
    assert!(read.is_ok() && again.keys == callers.keys);
}

#[test]
fn the_keys_file_is_read_in_all_its_forms_and_again_when_asked() {
    let folder = Folder::new();
    let file = folder.path("k.json");
    let settings = format!(
        "{{keys_file: {}, keys: [{{id: own, key: {SECRET}}}]}}",
        file.display()
    );
    let entry = |id: &str| json!({"id": id, "sha256": hex::encode(digest(id)), "tenant": "t"});
    let ids = |callers: &Callers| -> Vec<String> {
        callers.keys.iter().map(|key| key.id.to_string()).collect()
    };
    std::fs::write(&file, json!([entry("a"), entry("b")]).to_string()).unwrap();
    let callers = folder.callers(&settings);
    assert_eq!(ids(&callers), ["own", "a", "b"]);
    std::fs::write(&file, json!({"keys": [entry("c")], "more": 1}).to_string()).unwrap();
    let callers = reread(&callers).unwrap();
    assert_eq!(ids(&callers), ["own", "c"]);
    for bad in [
        "",
        "keys: [",
        "keys: 5",
        "[{id: own, key: aaaaaaaaaaaaaaaaaaaaaaaaa}]",
        "[{id: x}]",
    ] {
        std::fs::write(&file, bad).unwrap();
        let told = reread(&callers).expect_err(bad).to_string();
        assert!(told.contains("k.json"), "{bad}: {told}");
    }
    std::fs::remove_file(&file).unwrap();
    assert!(
        reread(&callers)
            .unwrap_err()
            .to_string()
            .contains("is gone")
    );
    std::fs::write(&file, "[]").unwrap();
    assert_eq!(ids(&reread(&callers).unwrap()), ["own"]);
}

#[test]
fn ten_thousand_keys_are_read_and_no_more() {
    let (folder, env) = (Folder::new(), Environment::default());
    let many = |count: usize| {
        let one = |number: usize| {
            let mut one = entry(&format!("key-number-{number}"));
            one.insert("tenant".to_owned(), format!("tenant-{number}").into());
            serde_json::Value::Object(one)
        };
        let keys: Vec<_> = (0..count).map(one).collect();
        folder.write("keys.json", &json!({ "keys": keys }).to_string())
    };
    assert_eq!(file::list(&many(10_000), &env).unwrap().len(), 10_000);
    let told = file::list(&many(10_001), &env).unwrap_err().to_string();
    assert!(told.contains("more than 10000 keys"), "{told}");
}

fn entry(id: &str) -> serde_json::Map<String, serde_json::Value> {
    let sha256 = hex::encode(digest(id));
    json!({"id": id, "sha256": sha256, "limits": {"streams": 5}, "models": ["a", "b"]})
        .as_object()
        .unwrap()
        .clone()
}

#[test]
fn the_file_is_changed_whole_and_keeps_what_it_holds() {
    for name in ["keys.yaml", "keys.json"] {
        let (folder, env) = (Folder::new(), Environment::default());
        let path = folder.path(name);
        file::add(&path, entry("first"), &env).unwrap();
        let odd = format!("[{{id: \"12\", key: {SECRET}, note: \"a: 'b' # c\\n\"}}]");
        std::fs::write(&path, &odd).unwrap();
        file::add(&path, entry("new"), &env).unwrap();
        let keys = file::list(&path, &env).unwrap();
        assert_eq!(
            keys.iter().map(|key| key.id.as_str()).collect::<Vec<_>>(),
            ["12", "new"]
        );
        assert_eq!(keys[0].sha256, digest(SECRET));
        assert_eq!(keys[1].limits.streams, Some(5));
        file::revoke(&path, "12", "2026-11-22T10:00:00Z").unwrap();
        file::revoke(&path, "12", "2027-01-01T00:00:00Z").unwrap();
        let keys = file::list(&path, &env).unwrap();
        assert_eq!(keys[0].revoked, Some(Timestamp(1_795_341_600_000)));
        assert_eq!(keys[1].revoked, None);
        let unknown = file::revoke(&path, "none", "2026-11-22T10:00:00Z");
        assert!(
            matches!(unknown, Err(KeysFileError::Unknown(_))),
            "{unknown:?}"
        );
        let twice = file::add(&path, entry("new"), &env);
        assert!(matches!(twice, Err(KeysFileError::Wrong(_))), "{twice:?}");
        assert_eq!(file::list(&path, &env).unwrap().len(), 2);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }
}

#[test]
fn many_who_change_the_file_at_once_lose_nothing() {
    let folder = Folder::new();
    let path = folder.path("keys.yaml");
    std::thread::scope(|scope| {
        for number in 0..16 {
            let path = &path;
            scope.spawn(move || {
                file::add(path, entry(&format!("k{number}")), &Environment::default()).unwrap();
            });
        }
    });
    assert_eq!(
        file::list(&path, &Environment::default()).unwrap().len(),
        16
    );
}

#[test]
fn a_key_in_a_broken_file_can_still_be_revoked() {
    let folder = Folder::new();
    let text = format!("[{{id: a, key: {SECRET}, scopes: [nonsense]}}]");
    let path = folder.write("keys.yaml", &text);
    let env = Environment::default();
    assert!(file::add(&path, entry("b"), &env).is_err());
    file::revoke(&path, "a", "2026-11-22T10:00:00Z").unwrap();
    assert!(std::fs::read_to_string(&path).unwrap().contains("revoked"));
    std::fs::write(&path, json!([entry("a"), entry("a")]).to_string()).unwrap();
    file::revoke(&path, "a", "2026-11-22T10:00:00Z").unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.matches("revoked").count(), 2, "{text}");
}

#[test]
fn a_model_of_a_key_that_nobody_serves_is_warned_of() {
    let text = "\
routing: {aliases: {fast: gen4_turbo}}
keys:
  - {id: a, key: sk-a-key-of-the-tests-1, models: [gen4.5, runwayml/gen4_turbo, fast, gen4-turbo]}
  - {id: b, key: sk-a-key-of-the-tests-2, models: ['*', nothing]}
  - {id: c, key: sk-a-key-of-the-tests-3, models: [fast]}
";
    let warnings = Folder::new().load(text).unwrap().warnings;
    let told = "the API key `a` may ask for `gen4-turbo`, which nobody serves; \
                did you mean `gen4_turbo`?";
    assert_eq!(warnings, [told]);
}

const HOOK: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn hooked(webhook: &str) -> String {
    format!(
        "webhooks: {{allow: ['http://10.0.0.1:9000']}}\n\
         keys: [{{id: a, key: os.environ/ALICE_KEY, webhook: {webhook}}}]"
    )
}

#[test]
fn a_key_may_have_a_receiver_and_secrets_of_its_own() {
    let folder = Folder::new();
    let file = folder.write("secret", &format!("{HOOK}\n"));
    let own = Secret::parse(HOOK).unwrap();
    for (written, url, secrets) in [
        (
            "{url: 'https://hooks.example.com/a'}",
            Some("https://hooks.example.com/a"),
            0,
        ),
        (
            "{url: 'http://10.0.0.1:9000/a?b=c'}",
            Some("http://10.0.0.1:9000/a?b=c"),
            0,
        ),
        (&*format!("{{secret: {HOOK}}}"), None, 1),
        (&*format!("{{secret: '{HOOK} {HOOK}'}}"), None, 2),
        (&*format!("{{secret_file: '{}'}}", file.display()), None, 1),
        ("{}", None, 0),
        ("null", None, 0),
    ] {
        let callers = folder.callers(&hooked(written));
        let webhook = &callers.keys[0].webhook;
        assert_eq!(webhook.url.as_deref(), url, "{written}");
        assert_eq!(webhook.secrets, vec![own.clone(); secrets], "{written}");
        let told = &callers.limits.webhooks;
        assert_eq!(told.url_of(Some(&KeyId::new("a"))), url, "{written}");
        let is_said = url.is_some() || secrets > 0;
        assert_eq!(told.keys.len(), usize::from(is_said), "{written}");
    }
}

#[test]
fn what_is_wrong_with_a_keys_webhook_is_told_by_name_and_shows_no_secret() {
    let folder = Folder::new();
    for (written, name) in [
        ("{url: 'http://10.0.0.2:9000/a'}", "webhook.url"),
        ("{url: 'https://10.0.0.1/a'}", "webhook.url"),
        ("{url: os.environ/EMPTY}", "webhook.url"),
        ("{secret: whsec_c2VjcmV0LW9mLWhvb2tz}", "webhook.secret"),
        ("{secret: ''}", "webhook.secret"),
        ("{secret_file: /nowhere/c2VjcmV0}", "webhook.secret_file"),
        (
            &*format!("{{secret: '{}'}}", [HOOK; 5].join(" ")),
            "webhook.secret",
        ),
        (
            &*format!("{{secret: {HOOK}, secret_file: /a}}"),
            "webhook.secret",
        ),
        ("{urls: x}", "webhook.urls"),
        ("https://hooks.example.com", "webhook"),
    ] {
        let told = folder
            .load(&hooked(written))
            .expect_err(written)
            .to_string();
        assert!(told.contains(name), "{written}: {told}");
        assert!(!told.contains("whsec_c2") && !told.contains(HOOK), "{told}");
    }
    for allow in ["['http://10.0.0.1:9000/a']", "[hooks.internal]", "[{}]"] {
        let told = folder.load(&format!("webhooks: {{allow: {allow}}}"));
        let told = told.expect_err(allow).to_string();
        assert!(told.contains("webhooks.allow"), "{told}");
    }
}
