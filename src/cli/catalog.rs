//! `mediagen catalog`: catalogue files compared, checked, shown and refreshed, without a server.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::{Value as Json, json};

use super::failure::{Exit, Failure};
use super::serve::config_file;
use super::show;
use crate::config::Environment;
use crate::config::catalog::diff::diff;
use crate::config::catalog::document::Document;
use crate::config::catalog::{self, CatalogErrors};
use crate::domain::generation::Operation;

/// What is to be done with catalogues.
#[derive(Args, Clone, Debug)]
pub struct CatalogArgs {
    #[command(subcommand)]
    command: CatalogCommand,
}

#[derive(Clone, Debug, Subcommand)]
enum CatalogCommand {
    /// Shows what changed between two catalogues; exits with 1 when they differ, with 2 on trouble
    Diff(DiffArgs),
    /// Reads a catalogue as a server would, and tells everything that is wrong with it
    Check(CheckArgs),
    /// Prints the catalogue that a server would work with, in a form that can be its file
    Show(ShowArgs),
    /// Puts newly extracted endpoints into a catalogue, keeps what is ours, and prints the result
    Update(UpdateArgs),
}

#[derive(Args, Clone, Debug)]
struct DiffArgs {
    /// The catalogue before
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// The catalogue after
    #[arg(value_name = "NEW", default_value = EMBEDDED)]
    new: PathBuf,
    /// Writes one JSON object per difference
    #[arg(long)]
    json: bool,
}

#[derive(Args, Clone, Debug)]
struct CheckArgs {
    /// The catalogue
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

#[derive(Args, Clone, Debug)]
struct ShowArgs {
    /// Only the rows of this model, by its id, bare or qualified, or by an alias
    #[arg(value_name = "MODEL")]
    model: Option<String>,
    /// The YAML file of the server's settings [env: MEDIAGEN_CONFIG]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Args, Clone, Debug)]
struct UpdateArgs {
    /// The catalogue to refresh
    #[arg(value_name = "BASE")]
    base: PathBuf,
    /// The new endpoints: a JSON object by path, or a file that holds one as `endpoints`
    #[arg(value_name = "ENDPOINTS")]
    endpoints: PathBuf,
}

impl CatalogArgs {
    /// Whether an error should be JSON too.
    pub fn wants_json(&self) -> bool {
        matches!(&self.command, CatalogCommand::Diff(args) if args.json)
    }
}

/// `catalog`.
pub fn run(args: &CatalogArgs, env: &Environment) -> Result<(), Failure> {
    match &args.command {
        CatalogCommand::Diff(args) => compare(args),
        CatalogCommand::Check(args) => check(args),
        CatalogCommand::Show(args) => print(args, env),
        CatalogCommand::Update(args) => update(args),
    }
}

fn compare(args: &DiffArgs) -> Result<(), Failure> {
    let (old, new) = (read(&args.old)?.to_json(), read(&args.new)?.to_json());
    let changes = diff(&old, &new);
    for change in &changes {
        if args.json {
            show::json(&change.to_json())?;
        } else {
            show::line(&show::printable(&change.to_string()))?;
        }
    }
    if changes.is_empty() {
        Ok(())
    } else {
        Err(Failure::new(Exit::Other, ""))
    }
}

fn check(args: &CheckArgs) -> Result<(), Failure> {
    let wrong = |errors: CatalogErrors| Failure::new(Exit::Configuration, errors.to_string());
    let catalog = catalog::parse(&text(&args.file)?).map_err(wrong)?;
    let models = catalog.ids().count();
    let rows: usize = catalog
        .ids()
        .filter_map(|id| catalog.offer(id))
        .map(std::collections::BTreeMap::len)
        .sum();
    show::line(&format!("good      {models} models, {rows} rows"))
}

fn print(args: &ShowArgs, env: &Environment) -> Result<(), Failure> {
    let file = config_file(args.config.as_ref(), env);
    let effective = catalog::effective(file.as_deref(), env)?;
    for warning in &effective.warnings {
        tracing::warn!("{warning}");
    }
    let Some(name) = &args.model else {
        return write(&effective.file);
    };
    let unknown = || {
        Failure::new(
            Exit::NotFound,
            format!("{name} is no model of the catalogue"),
        )
    };
    let resolved = effective.catalog.resolve(name).map_err(|_| unknown())?;
    let rows: serde_json::Map<String, Json> = Operation::ALL
        .into_iter()
        .filter_map(|operation| {
            let path = format!("/v1/{operation}");
            let mut files = [&effective.file, &effective.joined].into_iter();
            let row =
                files.find_map(|file| file["endpoints"][&path]["models"].get(&resolved.id))?;
            Some((path, json!({ "models": { (resolved.id.as_str()): row } })))
        })
        .collect();
    if rows.is_empty() {
        return Err(unknown());
    }
    write(&json!({ "endpoints": rows }))
}

/// As a catalogue file is laid out: a line for each field.
fn write(file: &Json) -> Result<(), Failure> {
    show::line(Document::from(file).write().trim_end())
}

fn update(args: &UpdateArgs) -> Result<(), Failure> {
    let (base, fresh) = (read(&args.base)?, read(&args.endpoints)?);
    let wrong = |errors: CatalogErrors| Failure::new(Exit::Usage, errors.to_string());
    let updated = catalog::update(&base, &fresh).map_err(wrong)?;
    show::line(updated.write().trim_end())
}

fn read(path: &Path) -> Result<Document, Failure> {
    let wrong = |errors: CatalogErrors| {
        let problem = errors.0.first().map(ToString::to_string);
        let problem = problem.unwrap_or_default();
        Failure::new(Exit::Usage, format!("{}: {problem}", path.display()))
    };
    catalog::document(&text(path)?).map_err(wrong)
}

fn text(path: &Path) -> Result<String, Failure> {
    if path == Path::new(EMBEDDED) || path == Path::new("-") {
        return Ok(catalog::EMBEDDED.to_owned());
    }
    catalog::read_file(path)
        .map_err(|problem| Failure::new(Exit::Usage, format!("{} {problem}", path.display())))
}

/// What stands for the catalogue that is compiled in.
const EMBEDDED: &str = "embedded";
