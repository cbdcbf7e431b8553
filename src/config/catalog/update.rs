//! A new extraction of Runway's endpoints under what is ours: how a catalogue is refreshed.

use super::document::Document;
use super::{CatalogErrors, wrong};

/// The catalogue `base` with the endpoints of `fresh`.
///
/// What is ours stays: every key beside `endpoints`, each endpoint's `pass_through`, and the keys
/// of a row that begin with `_`, where the row is still there. What `fresh` says itself goes
/// before. Order is that of `base`; what is new comes after it.
pub fn update(base: &Document, fresh: &Document) -> Result<Document, CatalogErrors> {
    let fresh = fresh.get("endpoints").unwrap_or(fresh);
    let looks_so = |(path, endpoint): &(String, Document)| {
        path.starts_with(super::ENDPOINT) && endpoint.get("models").is_some()
    };
    if fresh.members().is_empty() || !fresh.members().iter().all(looks_so) {
        let problem = "the new endpoints must be an object of `/v1/…`, each with its `models`";
        return Err(CatalogErrors(vec![wrong("endpoints", problem)]));
    }
    let members = base.members().iter().map(|(name, member)| {
        let member = if name == "endpoints" {
            ordered(member, fresh, endpoint)
        } else {
            member.clone()
        };
        (name.clone(), member)
    });
    Ok(Document::Map(members.collect()))
}

/// The members of `fresh` in the order of `base`, each joined with its own old one.
fn ordered(
    base: &Document,
    fresh: &Document,
    join: impl Fn(Option<&Document>, &Document) -> Document,
) -> Document {
    let kept = base.members().iter().map(|(name, _)| name);
    let new = fresh.members().iter().map(|(name, _)| name);
    let new = new.filter(|name| base.get(name).is_none());
    let members = kept.chain(new).filter_map(|name| {
        let member = join(base.get(name), fresh.get(name)?);
        Some((name.clone(), member))
    });
    Document::Map(members.collect())
}

fn endpoint(old: Option<&Document>, new: &Document) -> Document {
    let nothing = Document::Map(Vec::new());
    let models = ordered(
        old.and_then(|old| old.get("models")).unwrap_or(&nothing),
        new.get("models").unwrap_or(&nothing),
        |old, new| row(old.unwrap_or(&nothing), new),
    );
    let mut members: Vec<(String, Document)> = Vec::new();
    for name in ["output", "pass_through"] {
        let theirs_first = if name == "output" {
            [Some(new), old]
        } else {
            [old, Some(new)]
        };
        let member = theirs_first
            .into_iter()
            .flatten()
            .find_map(|one| one.get(name));
        members.extend(member.map(|member| (name.to_owned(), member.clone())));
    }
    members.push(("models".to_owned(), models));
    Document::Map(members)
}

/// Runway's fields as they are now and ours as they were, in the order of the old row; new fields
/// come after the old ones.
fn row(old: &Document, new: &Document) -> Document {
    let kept = old.members().iter().filter_map(|(name, old)| {
        let ours = Some(old).filter(|_| name.starts_with('_'));
        let member = new.get(name).or(ours)?;
        Some((name.clone(), member.clone()))
    });
    let mut members: Vec<(String, Document)> = kept.collect();
    let is_theirs = |(name, _): &(String, Document)| !name.starts_with('_');
    let end = members
        .iter()
        .rposition(is_theirs)
        .map_or(0, |last| last + 1);
    let fresh = new.members().iter();
    let fresh = fresh.filter(|(name, _)| old.get(name).is_none());
    members.splice(end..end, fresh.cloned());
    Document::Map(members)
}

#[cfg(test)]
mod tests {
    use super::super::{EMBEDDED, parse};
    use super::*;

    fn embedded() -> Document {
        Document::parse(EMBEDDED).unwrap()
    }

    /// The endpoints as an extraction gives them: nothing of ours.
    fn extraction() -> Document {
        let endpoints = embedded().get("endpoints").unwrap().members().to_vec();
        let bare = endpoints.into_iter().map(|(path, endpoint)| {
            let rows = endpoint.get("models").unwrap().members().iter().rev();
            let rows = rows.map(|(model, row)| {
                let fields = row
                    .members()
                    .iter()
                    .filter(|(name, _)| !name.starts_with('_'));
                (model.clone(), Document::Map(fields.cloned().collect()))
            });
            let output = endpoint.get("output").unwrap().clone();
            let rows = Document::Map(rows.collect());
            let endpoint = vec![("output".to_owned(), output), ("models".to_owned(), rows)];
            (path, Document::Map(endpoint))
        });
        Document::Map(bare.collect())
    }

    #[test]
    fn the_same_endpoints_again_change_nothing() {
        let updated = update(&embedded(), &extraction()).unwrap();
        assert!(updated == embedded());
    }

    #[test]
    fn fields_and_models_come_and_go_and_ours_stay() {
        let text = extraction().write();
        let fresh = text
            .replacen(
                "\"gen4.5\": {",
                "\"gen5\": {\"promptText\": {\"type\": \"string\"}}, \"gen4.5\": {",
                1,
            )
            .replacen("\"act_two\"", "\"act_three\"", 1)
            .replacen("\"proresProfile\"", "\"profile\"", 1);
        let fresh = Document::parse(&fresh).unwrap();
        let updated = update(&embedded(), &fresh).unwrap();
        let row = |operation: &str, model: &str| {
            let endpoints = updated.get("endpoints").unwrap();
            let models = endpoints.get(operation).unwrap().get("models").unwrap();
            models.get(model).cloned()
        };
        assert!(row("/v1/text_to_video", "gen5").is_some());
        assert!(row("/v1/character_performance", "act_two").is_none());
        let performance = row("/v1/character_performance", "act_three").unwrap();
        assert!(
            performance
                .members()
                .iter()
                .all(|(name, _)| !name.starts_with('_'))
        );
        let changed = row("/v1/text_to_video", "gen4.5").unwrap();
        assert!(changed.get("_strict").is_some() && changed.get("_rules").is_some());
        assert!(changed.get("profile").is_some() && changed.get("proresProfile").is_none());
        parse(&updated.write()).unwrap();
    }

    #[test]
    fn what_is_no_extraction_is_refused() {
        for text in [
            "{}",
            "[]",
            "5",
            r#"{"/v1/text_to_video": {}}"#,
            r#"{"models": {}}"#,
        ] {
            let fresh = Document::parse(text).unwrap();
            assert!(update(&embedded(), &fresh).is_err(), "{text}");
        }
    }
}
