//! What the `model` of an entry means: a model of a provider, or many.

use super::litellm_keys::PROVIDERS;
use crate::config::section::{nearest, shortened};
use crate::domain::model::{Catalog, ProviderKind, likely};

/// What an entry's `model` means.
pub enum Target {
    /// A model, by the catalogue's id of it.
    Model(ProviderKind, String),
    /// Every model of a provider.
    All(ProviderKind),
    /// Every model of every provider.
    Everything,
    /// A model of a provider that mediagen does not speak to.
    Elsewhere,
    /// A bare name like none of the catalogue, with what is wrong about it: LiteLLM's callers write
    /// models for chat so.
    Stranger(String),
}

/// Reads a model; `said` is the provider that is said beside it. A problem is a sentence.
pub fn read(text: &str, said: Option<ProviderKind>, catalog: &Catalog) -> Result<Target, String> {
    if text == "*" {
        return Ok(said.map_or(Target::Everything, Target::All));
    }
    if !Catalog::is_id(text) {
        return Err("is no model's name: 1 to 128 letters without spaces".to_owned());
    }
    let (provider, rest) = text.split_once('/').unwrap_or(("", text));
    let kind = ProviderKind::ALL
        .into_iter()
        .find(|kind| kind.as_str() == provider);
    match kind {
        Some(kind) if rest == "*" => Ok(Target::All(kind)),
        Some(_) if rest.contains('*') => Err("a `*` stands for a whole name".to_owned()),
        Some(ProviderKind::OpenAi) => of_openai(text, catalog),
        None if said == Some(ProviderKind::OpenAi) => of_openai(&format!("openai/{text}"), catalog),
        None if PROVIDERS.contains(&provider) => Ok(Target::Elsewhere),
        Some(ProviderKind::Runway) | None => of_runway(text, provider, catalog),
    }
}

fn of_openai(id: &str, catalog: &Catalog) -> Result<Target, String> {
    let id = match catalog.resolve(id) {
        Ok(resolved) => resolved.id,
        Err(unknown) if unknown.hidden => return Err("is hidden by `models`".to_owned()),
        Err(_) => id.to_owned(),
    };
    Ok(Target::Model(ProviderKind::OpenAi, id))
}

fn of_runway(text: &str, provider: &str, catalog: &Catalog) -> Result<Target, String> {
    let unknown = match catalog.resolve(text) {
        Ok(resolved) => {
            let kind = ProviderKind::of(&resolved.id);
            return Ok(Target::Model(kind, resolved.id));
        }
        Err(unknown) => unknown,
    };
    let text = shortened(text);
    Err(match nearest(provider, &["runwayml", "openai"]) {
        _ if unknown.hidden => format!("`{text}` is hidden by `models`"),
        Some(near) if !provider.is_empty() => {
            let provider = shortened(provider);
            format!("`{provider}` is no provider that is spoken to; did you mean `{near}`?")
        }
        _ if provider.is_empty() && likely(&text, catalog.ids()).is_none() => {
            let problem = format!(
                "`{text}` is no model of the catalogue; write runwayml/<model> or openai/<model>"
            );
            return Ok(Target::Stranger(problem));
        }
        _ => {
            let near = unknown.nearest.join(", ");
            format!("`{text}` is no model of the catalogue; near it are {near}")
        }
    })
}
