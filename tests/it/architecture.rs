//! The house rules that no compiler checks: who may name whom, what the domain may not touch, and
//! how long a file may be.
//!
//! Read from the sources themselves: every `crate::module` that is written outside tests. `main.rs`
//! and `lib.rs` only put the house together.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Who may name whom. A module that is not in this table is refused: put it here, and say in
/// ARCHITECTURE.md what it is for. Anything may use `shutdown`, the one home of spawned tasks.
const MAY_USE: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("clock", &[]),
    ("telemetry", &["domain", "clock"]),
    ("shutdown", &[]),
    ("aside", &[]),
    ("pb", &[]),
    ("config", &["domain"]),
    ("egress", &["domain", "telemetry", "aside"]),
    ("provider", &["domain", "telemetry", "egress"]),
    ("store", &["domain", "telemetry"]),
    ("archive", &["domain", "telemetry", "egress"]),
    ("media", &["domain", "archive"]),
    (
        "service",
        &[
            "domain",
            "store",
            "provider",
            "archive",
            "egress",
            "media",
            "clock",
            "telemetry",
        ],
    ),
    (
        "worker",
        &[
            "domain",
            "store",
            "provider",
            "archive",
            "egress",
            "media",
            "clock",
            "telemetry",
        ],
    ),
    ("auth", &["domain", "config", "clock"]),
    (
        "grpc",
        &["service", "domain", "auth", "telemetry", "pb", "aside"],
    ),
    ("openai", &["service", "domain", "auth", "telemetry"]),
    ("admin", &["service", "domain", "auth", "telemetry"]),
    ("sandbox", &["clock"]),
    (
        "app",
        &[
            "admin",
            "archive",
            "aside",
            "auth",
            "clock",
            "config",
            "domain",
            "egress",
            "grpc",
            "openai",
            "provider",
            "sandbox",
            "service",
            "store",
            "telemetry",
            "worker",
        ],
    ),
    (
        "cli",
        &[
            "config",
            "app",
            "auth",
            "sandbox",
            "domain",
            "pb",
            "telemetry",
            "clock",
        ],
    ),
];

/// A file of `src`, without its tests.
struct Source {
    path: PathBuf,
    /// The top-level module it belongs to.
    module: String,
    lines: Vec<(usize, String)>,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    walk(&root, &mut found);
    assert!(found.len() > 100, "only {} files", found.len());
    let read = |path: PathBuf| {
        let inside = path.strip_prefix(&root).unwrap();
        let first = inside
            .components()
            .next()
            .unwrap()
            .as_os_str()
            .to_str()
            .unwrap();
        let module = first.trim_end_matches(".rs").to_owned();
        let lines = without_tests(&fs::read_to_string(&path).unwrap());
        Source {
            path,
            module,
            lines,
        }
    };
    found
        .into_iter()
        .map(read)
        .filter(|source| !matches!(&*source.module, "main" | "lib"))
        .collect()
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    let test_only = test_modules(folder);
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if name == "tests" || test_only.contains(&name) {
            continue;
        }
        if path.is_dir() {
            walk(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

/// The modules that `mod.rs` declares under `#[cfg(test)]`.
fn test_modules(folder: &Path) -> Vec<String> {
    let text = fs::read_to_string(folder.join("mod.rs")).unwrap_or_default();
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let declared = lines.windows(2).filter(|pair| pair[0] == "#[cfg(test)]");
    let name = |pair: &[&str]| {
        let rest = pair[1]
            .trim_start_matches("pub ")
            .trim_start_matches("pub(super) ");
        Some(rest.strip_prefix("mod ")?.strip_suffix(';')?.to_owned())
    };
    declared.filter_map(name).collect()
}

/// Numbered lines of code: comments and inline test modules, which stand last, are left out.
fn without_tests(text: &str) -> Vec<(usize, String)> {
    let lines: Vec<&str> = text.lines().collect();
    let tests = lines.windows(2).position(|pair| {
        pair[0].trim() == "#[cfg(test)]"
            && pair[1].trim_start().starts_with("mod ")
            && pair[1].ends_with('{')
    });
    let body = &lines[..tests.unwrap_or(lines.len())];
    let code = |line: &&str| !line.trim_start().starts_with("//");
    let numbered = (1..).zip(body).filter(|(_, line)| code(line));
    numbered
        .map(|(number, line)| (number, (*line).to_owned()))
        .collect()
}

/// The top-level modules that a piece of code names: `crate::a::…` and `crate::{a::…, b}`.
fn named(code: &str) -> Vec<String> {
    let mut names = Vec::new();
    for rest in code.split("crate::").skip(1) {
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            let end = group.find(|letter| {
                depth += i32::from(letter == '{') - i32::from(letter == '}');
                depth < 0
            });
            names.extend(members(&group[..end.unwrap_or(group.len())]));
        } else {
            names.push(word(rest));
        }
    }
    names
}

/// The first words of a group's members, at its own depth.
fn members(group: &str) -> Vec<String> {
    let (mut depth, mut start, mut found) = (0, 0, Vec::new());
    for (at, letter) in group.char_indices() {
        depth += i32::from(letter == '{') - i32::from(letter == '}');
        if letter == ',' && depth == 0 {
            found.push(word(group[start..at].trim_start()));
            start = at + 1;
        }
    }
    found.push(word(group[start..].trim_start()));
    found.retain(|name| !name.is_empty());
    found
}

fn word(text: &str) -> String {
    let end = text.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
    text[..end.unwrap_or(text.len())].to_owned()
}

#[test]
fn names_are_read_out_of_every_form_of_a_path() {
    let code = "use crate::a::B; crate::c::d(); use crate::{e::{F, g}, h, i::j as k};";
    assert_eq!(named(code), ["a", "c", "e", "h", "i"]);
}

#[test]
fn every_module_names_only_those_that_it_may() {
    let table: BTreeMap<&str, &[&str]> = MAY_USE.iter().copied().collect();
    let mut wrong = Vec::new();
    for source in sources() {
        let Some(allowed) = table.get(&*source.module) else {
            wrong.push(format!(
                "{} is in no row of the table",
                source.path.display()
            ));
            continue;
        };
        let code: Vec<&str> = source.lines.iter().map(|(_, line)| &**line).collect();
        for name in named(&code.join("\n")) {
            let own = name == source.module || (name == "shutdown" && source.module != "domain");
            if !own && !allowed.contains(&&*name) {
                let line = source.lines.iter().find(|(_, line)| line.contains(&name));
                let line = line.map_or(0, |(number, _)| *number);
                wrong.push(format!("{}:{line} names {name}", source.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_domain_touches_no_clock_no_socket_no_disk_and_no_wire_format() {
    let outside = [
        "tokio",
        "reqwest",
        "hyper",
        "tonic",
        "prost",
        "axum",
        "rusqlite",
        "object_store",
        "serde",
        "serde_json",
        "tracing",
        "rand",
        "jiff",
        "std::fs",
        "std::net",
        "std::env",
        "std::io",
        "std::time::SystemTime",
        "std::time::Instant",
        "async fn",
    ];
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| source.module == "domain") {
        for (number, line) in &source.lines {
            let names = |name: &&&str| {
                let used = if name.contains("::") || name.contains(' ') {
                    (**name).to_owned()
                } else {
                    format!("{name}::")
                };
                line.match_indices(&*used).any(|(at, _)| {
                    let before = line[..at].chars().next_back();
                    !before.is_some_and(|letter| {
                        letter.is_alphanumeric() || letter == '_' || letter == ':'
                    })
                })
            };
            if let Some(name) = outside.iter().find(names) {
                wrong.push(format!("{}:{number} uses {name}", source.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn each_outside_world_has_one_home() {
    let homes = [
        ("rusqlite", &["store"][..]),
        ("object_store", &["archive"]),
        ("reqwest", &["egress", "provider"]),
        ("tonic", &["grpc", "cli", "pb", "telemetry"]),
        ("prost", &["grpc", "cli", "pb"]),
        ("prost_types", &["grpc", "cli", "pb"]),
    ];
    let mut wrong = Vec::new();
    for source in sources() {
        for (name, allowed) in homes {
            let used = format!("{name}::");
            let found = source.lines.iter().find(|(_, line)| {
                line.match_indices(&used).any(|(at, _)| {
                    let before = line[..at].chars().next_back();
                    !before.is_some_and(|letter| {
                        letter.is_alphanumeric() || letter == '_' || letter == ':'
                    })
                })
            });
            if let (Some((number, _)), false) = (found, allowed.contains(&&*source.module)) {
                wrong.push(format!("{}:{number} uses {name}", source.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_file_is_longer_than_one_can_read_and_each_says_what_it_is() {
    let mut wrong = Vec::new();
    for source in sources() {
        let length = source.lines.last().map_or(0, |(number, _)| *number);
        if length > LONGEST_FILE {
            wrong.push(format!("{} has {length} lines", source.path.display()));
        }
        if !fs::read_to_string(&source.path).unwrap().starts_with("//!") {
            wrong.push(format!("{} does not say what it is", source.path.display()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Lines of a file without its tests.
const LONGEST_FILE: usize = 450;
