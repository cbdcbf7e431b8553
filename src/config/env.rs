//! The environment, read once and passed down, so that tests can bring their own.
//!
//! Every key of the configuration has a variable: `MEDIAGEN_` and its path in capitals, joined by
//! `_`; some have a shorter name too. `RUNWAYML_…` variables are those of Runway's own SDKs. An
//! empty variable counts as not set.

use std::collections::BTreeMap;
use std::fmt;

use super::section::nearest;

/// The variables that begin with `MEDIAGEN_`, `RUNWAYML_` or `OTEL_`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// Reads the process's environment.
    pub fn read() -> Self {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
            .map(|(name, value)| (name, value.to_string_lossy().into_owned()))
            .collect()
    }

    /// A variable's value; `None` when it is not set or empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// Whether a variable is set, though perhaps to nothing.
    pub fn is_set(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The value that a key of the configuration has here, with the name of the variable.
    pub fn setting(&self, path: &str) -> Option<(String, &str)> {
        let short = SHORT
            .iter()
            .filter(|(_, of)| *of == path)
            .map(|(name, _)| (*name).to_owned());
        std::iter::once(long_name(path))
            .chain(short)
            .find_map(|name| {
                let value = self.get(&name)?;
                Some((name, value))
            })
    }

    /// A sentence for every `MEDIAGEN_…` variable that nothing reads. They are not refused, because
    /// a cluster sets variables of its own for a service of this name.
    pub fn unread(&self, paths: &[String]) -> Vec<String> {
        let mut known: Vec<String> = paths.iter().map(|path| long_name(path)).collect();
        known.extend(SHORT.iter().map(|(name, _)| (*name).to_owned()));
        known.extend(CLIENT.iter().map(|name| (*name).to_owned()));
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let unread = self
            .0
            .keys()
            .filter(|name| name.starts_with(PREFIX) && !known.contains(&name.as_str()));
        let sentence = |name: &String| match nearest(name, &known) {
            Some(near) => format!("{name} is not read; did you mean {near}?"),
            None => format!("{name} is not read"),
        };
        unread.map(sentence).collect()
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        let ours = |name: &String| FAMILIES.iter().any(|start| name.starts_with(start));
        let pairs = variables
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()));
        Self(pairs.filter(|(name, _)| ours(name)).collect())
    }
}

/// Names only: a value may be a key.
impl fmt::Debug for Environment {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_set().entries(self.0.keys()).finish()
    }
}

fn long_name(path: &str) -> String {
    format!("{PREFIX}{}", path.to_uppercase().replace('.', "_"))
}

const PREFIX: &str = "MEDIAGEN_";
/// How the names begin that are looked at.
const FAMILIES: [&str; 3] = [PREFIX, "RUNWAYML_", "OTEL_"];

/// Shorter names and what they stand for.
const SHORT: [(&str, &str); 7] = [
    ("MEDIAGEN_LISTEN", "server.listen"),
    ("MEDIAGEN_ALLOW_INSECURE", "server.allow_insecure"),
    ("MEDIAGEN_TLS_CERT", "server.tls.cert"),
    ("MEDIAGEN_TLS_KEY", "server.tls.key"),
    ("MEDIAGEN_TLS_CLIENT_CA", "server.tls.client_ca"),
    ("MEDIAGEN_ON_UNKNOWN_OUTCOME", "submit.on_unknown_outcome"),
    ("MEDIAGEN_LOG", "log.filter"),
];

/// What is read beside the configuration: where its file is, and the client's options.
const CLIENT: [&str; 5] = [
    "MEDIAGEN_CONFIG",
    "MEDIAGEN_SERVER",
    "MEDIAGEN_CA",
    "MEDIAGEN_CLIENT_CERT",
    "MEDIAGEN_CLIENT_KEY",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_its_long_name_and_perhaps_a_short_one() {
        let env: Environment = [
            ("MEDIAGEN_LISTEN", "a"),
            ("MEDIAGEN_POLL_INTERVAL", "b"),
            ("MEDIAGEN_DATA_DIR", ""),
        ]
        .into_iter()
        .collect();
        assert_eq!(
            env.setting("server.listen"),
            Some(("MEDIAGEN_LISTEN".into(), "a"))
        );
        assert_eq!(
            env.setting("poll.interval"),
            Some(("MEDIAGEN_POLL_INTERVAL".into(), "b"))
        );
        assert_eq!(env.setting("data_dir"), None, "empty counts as not set");
    }

    #[test]
    fn a_variable_that_nothing_reads_is_told_and_its_value_is_not() {
        let env: Environment = [("MEDIAGEN_LISTN", "s3cret"), ("HOME", "/")]
            .into_iter()
            .collect();
        let told = env.unread(&["server.listen".into()]);
        assert_eq!(
            told,
            ["MEDIAGEN_LISTN is not read; did you mean MEDIAGEN_LISTEN?"]
        );
        assert!(!format!("{env:?}").contains("s3cret"));
    }
}
