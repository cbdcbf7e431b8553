//! Tests of accounts, groups and routing: what is read, and what is refused, and where.

use std::io::Write as _;

use secrecy::ExposeSecret as _;

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

fn usual() -> Environment {
    env(&[("KEY_A", "key_aaaa"), ("KEY_B", "key_bbbb"), ("EMPTY", "")])
}

fn load(text: &str, env: &Environment) -> Result<Config, Problems> {
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
