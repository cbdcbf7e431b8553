//! The models that are known: which name means which, and what each does.

use std::collections::{BTreeMap, BTreeSet};

use super::near::distance;
use super::{ProviderKind, Spec};
use crate::domain::generation::Operation;

/// What one model does: its operations with what each takes.
pub type Offer = BTreeMap<Operation, Spec>;

/// Every model of a provider, and the names under which callers may ask for them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Catalog {
    /// How a provider-qualified name begins, as in `runwayml/`.
    pub prefix: String,
    /// What is meant when no model is named.
    pub default_model: String,
    /// What is meant when no model is named and an image is given.
    pub default_image_model: String,
    /// What is meant when no model is named and the call makes images alone.
    pub default_model_of_images: String,
    offers: BTreeMap<String, Offer>,
    /// What is not offered any more, for tasks that were made while it was.
    hidden: BTreeMap<String, Offer>,
    pass_through: Offer,
    names: BTreeMap<String, String>,
    /// Of providers whose ids stand here qualified: how their ids begin, and how to ask models that
    /// the catalogue lacks.
    joined: BTreeMap<String, Offer>,
    /// Whose models are not offered, but for those in `deployed`.
    unserved: Vec<ProviderKind>,
    /// Models of such providers that are offered all the same, whether or not the catalogue has them.
    deployed: BTreeSet<String>,
}

/// The model that a name means.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolved<'a> {
    /// The provider's id of it.
    pub id: String,
    /// What it does.
    pub offer: &'a Offer,
    /// Whether the catalogue knows it; otherwise everything is passed through.
    pub known: bool,
}

/// A name that means no model, with the names that are nearest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownModel {
    /// At most three names.
    pub nearest: Vec<String>,
    /// Whether it names a model that is not offered.
    pub hidden: bool,
}

impl Catalog {
    /// A catalogue of these models; `pass_through` says how to ask models that it lacks.
    pub fn new(prefix: &str, offers: BTreeMap<String, Offer>, pass_through: Offer) -> Self {
        Self {
            prefix: prefix.into(),
            offers,
            pass_through,
            ..Self::default()
        }
    }

    /// Adds the catalogue of another provider, whose ids all begin with its prefix. Its defaults are
    /// left out.
    pub fn join(&mut self, other: Self) {
        self.offers.extend(other.offers);
        self.joined.insert(other.prefix, other.pass_through);
    }

    /// The same without the models that nobody serves: those of providers that are not among `open`,
    /// unless the model itself is among `deployed`. They are not offered and not passed through, but
    /// what they take is still known.
    #[must_use]
    pub fn served_by<'d>(
        &self,
        open: &[ProviderKind],
        deployed: impl IntoIterator<Item = &'d str>,
    ) -> Self {
        let mut rest = self.clone();
        let is_closed = |id: &str| !open.contains(&ProviderKind::of(id));
        let deployed = deployed.into_iter().filter(|id| is_closed(id));
        rest.deployed = deployed.map(str::to_owned).collect();
        let is_away = |id: &str| is_closed(id) && !rest.deployed.contains(id);
        let away = self.offers.keys().filter(|id| is_away(id));
        let away: Vec<&String> = away.collect();
        let names = self.names.iter().filter(|(_, id)| !is_away(id));
        let names = names.map(|(name, id)| (name.clone(), id.clone())).collect();
        rest.names = names;
        for id in away {
            rest.hide(id);
        }
        let mut closed = ProviderKind::ALL.to_vec();
        closed.retain(|kind| !open.contains(kind));
        rest.unserved = closed;
        rest
    }

    /// Lets callers ask for a model by another name; the id may be one that the catalogue lacks.
    pub fn name(&mut self, name: impl Into<String>, id: impl Into<String>) {
        self.names.insert(name.into(), id.into());
    }

    /// Hides a model, bare and qualified: callers are told that it is not offered, and it is not
    /// passed through. Says whether it was known.
    pub fn hide(&mut self, id: &str) -> bool {
        let offer = self.offers.remove(id);
        let known = offer.is_some();
        self.hidden
            .entry(id.to_owned())
            .or_default()
            .extend(offer.unwrap_or_default());
        known
    }

    /// Hides one operation of a model; with its last operation the model. Says whether it was known.
    pub fn hide_operation(&mut self, id: &str, operation: Operation) -> bool {
        let Some(offer) = self.offers.get_mut(id) else {
            return false;
        };
        let Some(spec) = offer.remove(&operation) else {
            return false;
        };
        if offer.is_empty() {
            self.offers.remove(id);
        }
        self.hidden
            .entry(id.to_owned())
            .or_default()
            .insert(operation, spec);
        true
    }

    /// Whether a text can be a model's id.
    pub fn is_id(text: &str) -> bool {
        (1..=LONGEST_ID).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
    }

    /// Every name that is not an id, with the id that it means, in order.
    pub fn names(&self) -> impl Iterator<Item = (&str, &str)> {
        self.names
            .iter()
            .map(|(name, id)| (name.as_str(), id.as_str()))
    }

    /// The provider's ids of the models, in order.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.offers.keys().map(String::as_str)
    }

    /// What a model does, by the provider's id of it.
    pub fn offer(&self, id: &str) -> Option<&Offer> {
        self.offers.get(id)
    }

    /// What a model does; one that the catalogue lacks may do anything.
    pub fn offer_or_pass_through(&self, id: &str) -> &Offer {
        self.offers.get(id).unwrap_or_else(|| self.pass_through(id))
    }

    /// What a model takes for an operation, hidden or not; one that the catalogue lacks takes
    /// anything.
    pub fn spec(&self, id: &str, operation: Operation) -> Option<&Spec> {
        let known = self.offers.get(id).and_then(|offer| offer.get(&operation));
        let hidden = self.hidden.get(id).and_then(|offer| offer.get(&operation));
        known
            .or(hidden)
            .or_else(|| self.pass_through(id).get(&operation))
    }

    /// Whether the catalogue itself says what a model takes for an operation, hidden or not.
    pub fn is_known(&self, id: &str, operation: Operation) -> bool {
        let offers = [self.offers.get(id), self.hidden.get(id)];
        let mut offers = offers.into_iter().flatten();
        offers.any(|offer| offer.contains_key(&operation))
    }

    /// The model that a caller's name means: a configured name first, then a bare id, then a
    /// qualified id, which need not be known.
    pub fn resolve(&self, name: &str) -> Result<Resolved<'_>, UnknownModel> {
        if let Some(id) = self.names.get(name) {
            return Ok(self.resolved(id));
        }
        let bare = name.strip_prefix(&self.prefix);
        let id = bare
            .filter(|bare| self.joined(bare).is_none())
            .unwrap_or(name);
        let joined = self.joined(id);
        let qualified = id != name || joined.is_some_and(|(prefix, _)| id != prefix);
        let away = self.unserved.contains(&ProviderKind::of(id)) && !self.deployed.contains(id);
        let passed_through = qualified && Self::is_id(id) && !self.hidden.contains_key(id) && !away;
        if self.offers.contains_key(id) || passed_through {
            return Ok(self.resolved(id));
        }
        Err(UnknownModel {
            nearest: self.nearest(id),
            hidden: self.hidden.contains_key(id) || (away && qualified),
        })
    }

    /// The two ways to write one name: bare, and with the provider's prefix. A name that stands here
    /// qualified has one way.
    pub fn spellings(&self, name: &str) -> [String; 2] {
        if self.joined(name).is_some() {
            return [name.to_owned(), name.to_owned()];
        }
        let bare = name.strip_prefix(&self.prefix).unwrap_or(name);
        [bare.to_owned(), format!("{}{bare}", self.prefix)]
    }

    /// The other provider that an id names.
    fn joined(&self, id: &str) -> Option<(&String, &Offer)> {
        let mut others = self.joined.iter();
        others.find(|(prefix, _)| id.starts_with(*prefix))
    }

    /// What models of the id's provider may do that the catalogue lacks.
    fn pass_through(&self, id: &str) -> &Offer {
        self.joined(id)
            .map_or(&self.pass_through, |(_, pass_through)| pass_through)
    }

    fn resolved(&self, id: &str) -> Resolved<'_> {
        let known = self.offers.get(id);
        Resolved {
            id: id.to_owned(),
            offer: known.unwrap_or_else(|| self.pass_through(id)),
            known: known.is_some(),
        }
    }

    fn nearest(&self, name: &str) -> Vec<String> {
        let name: Vec<char> = name.to_lowercase().chars().take(LONGEST_ID).collect();
        let known = self.names.keys().chain(self.offers.keys());
        let letters = |known: &str| -> Vec<char> { known.to_lowercase().chars().collect() };
        let mut near: Vec<(usize, &String)> = known
            .map(|known| {
                // Who leaves the provider out means the model all the same.
                let bare = self.joined(known);
                let bare = bare.and_then(|(prefix, _)| known.strip_prefix(prefix.as_str()));
                let bare = bare.map_or(usize::MAX, |bare| distance(&name, &letters(bare)));
                (distance(&name, &letters(known)).min(bare), known)
            })
            .filter(|(distance, known)| *distance <= FARTHEST.max(known.len() / 3))
            .collect();
        near.sort();
        near.dedup();
        near.into_iter()
            .take(MOST_SUGGESTED)
            .map(|(_, known)| known.clone())
            .collect()
    }
}

/// Longest id of a model that is passed through.
const LONGEST_ID: usize = 128;
/// Most names that are suggested.
const MOST_SUGGESTED: usize = 3;
/// Greatest edit distance of a suggestion, for short names.
const FARTHEST: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn catalog() -> Catalog {
        let offers = ["gen4.5", "gen4_turbo", "veo3.1"].map(|id| (id.to_owned(), Offer::new()));
        Catalog::new("runwayml/", offers.into(), Offer::new())
    }

    #[test]
    fn a_name_is_an_id_bare_or_qualified_or_configured() {
        let mut catalog = catalog();
        catalog.name("fast", "gen4_turbo");
        catalog.name("next", "gen9");
        for (name, id, known) in [
            ("gen4.5", "gen4.5", true),
            ("runwayml/gen4.5", "gen4.5", true),
            ("fast", "gen4_turbo", true),
            ("next", "gen9", false),
            ("runwayml/gen9", "gen9", false),
        ] {
            let resolved = catalog.resolve(name).expect(name);
            assert_eq!(
                (resolved.id.as_str(), resolved.known),
                (id, known),
                "{name}"
            );
        }
    }

    #[test]
    fn a_hidden_model_is_unknown_by_every_name_but_still_has_its_specification() {
        let mut catalog = catalog();
        let spec = spec();
        let offer = Offer::from([
            (Operation::TextToVideo, spec.clone()),
            (Operation::ImageToVideo, spec.clone()),
        ]);
        catalog.offers.insert("veo3.1".to_owned(), offer);
        assert!(catalog.hide("gen4.5"));
        assert!(!catalog.hide("gen9"), "was not known");
        for name in ["gen4.5", "runwayml/gen4.5", "gen9", "runwayml/gen9"] {
            let unknown = catalog.resolve(name).expect_err(name);
            assert!(!unknown.nearest.contains(&"gen4.5".to_owned()), "{name}");
            assert!(unknown.hidden, "{name}");
        }
        assert!(catalog.hide_operation("veo3.1", Operation::ImageToVideo));
        assert!(!catalog.hide_operation("veo3.1", Operation::ImageToVideo));
        let offer = catalog.resolve("runwayml/veo3.1").unwrap().offer;
        assert_eq!(offer.keys().collect::<Vec<_>>(), [&Operation::TextToVideo]);
        assert_eq!(catalog.spec("veo3.1", Operation::ImageToVideo), Some(&spec));
        assert!(catalog.hide_operation("veo3.1", Operation::TextToVideo));
        assert!(catalog.resolve("runwayml/veo3.1").is_err());
    }

    fn spec() -> Spec {
        Spec {
            typed: super::super::Typed::default(),
            slots: Vec::new(),
            options: BTreeMap::new(),
            extras: super::super::Extras::Refused,
            rules: Vec::new(),
            price: None,
        }
    }

    fn joined() -> Catalog {
        let mut catalog = catalog();
        let offers = [("openai/sora-2".to_owned(), Offer::new())];
        let any = Offer::from([(Operation::TextToVideo, spec())]);
        catalog.join(Catalog::new("openai/", offers.into(), any));
        catalog
    }

    #[test]
    fn a_joined_catalogue_is_asked_by_qualified_names_alone() {
        let catalog = joined();
        for (name, known) in [("openai/sora-2", true), ("openai/wan-9", false)] {
            let resolved = catalog.resolve(name).expect(name);
            assert_eq!((&*resolved.id, resolved.known), (name, known));
        }
        assert_eq!(catalog.resolve("openai/wan-9").unwrap().offer.len(), 1);
        assert!(
            catalog
                .spec("openai/wan-9", Operation::TextToVideo)
                .is_some()
        );
        assert!(catalog.spec("gen9", Operation::TextToVideo).is_none());
        let nearest = |name| catalog.resolve(name).expect_err(name).nearest;
        assert_eq!(nearest("sora-2"), ["openai/sora-2"]);
        assert_eq!(nearest("sora2"), ["openai/sora-2"]);
        for name in ["openai/", "runwayml/openai/sora-9", "openai/a b"] {
            assert!(catalog.resolve(name).is_err(), "{name}");
        }
        let name = "openai/sora-2".to_owned();
        assert_eq!(catalog.spellings(&name), [name.clone(), name]);
    }

    #[test]
    fn what_nobody_serves_is_not_offered_but_still_understood() {
        let mut catalog = joined();
        catalog.offers.insert(
            "openai/sora-2".into(),
            Offer::from([(Operation::TextToVideo, spec())]),
        );
        catalog.name("dream", "openai/sora-2");
        let runway = catalog.served_by(&[ProviderKind::Runway], []);
        for name in ["openai/sora-2", "openai/wan-9", "dream"] {
            let unknown = runway.resolve(name).expect_err(name);
            assert_eq!(unknown.hidden, name != "dream", "{name}");
            assert!(!unknown.nearest.iter().any(|near| near.contains("openai")));
        }
        assert!(runway.ids().all(|id| !id.contains('/')));
        assert!(
            runway
                .spec("openai/sora-2", Operation::TextToVideo)
                .is_some()
        );
        let openai = catalog.served_by(&[ProviderKind::OpenAi], []);
        assert!(openai.resolve("dream").is_ok() && openai.resolve("openai/wan-9").is_ok());
        assert!(openai.resolve("gen4.5").is_err() && openai.resolve("runwayml/gen9").is_err());
        assert_eq!(catalog.served_by(&ProviderKind::ALL, ["gen4.5"]), catalog);
    }

    #[test]
    fn of_a_provider_that_is_not_open_the_models_that_are_deployed_are_offered() {
        let mut catalog = catalog();
        catalog.name("fast", "gen4_turbo");
        catalog.name("best", "gen4.5");
        let served = catalog.served_by(&[], ["gen4_turbo", "gen9"]);
        for name in ["gen4_turbo", "runwayml/gen4_turbo", "fast", "runwayml/gen9"] {
            assert!(served.resolve(name).is_ok(), "{name}");
        }
        for name in ["gen4.5", "runwayml/gen4.5", "best", "runwayml/gen8"] {
            assert!(served.resolve(name).is_err(), "{name}");
        }
        assert_eq!(served.ids().collect::<Vec<_>>(), ["gen4_turbo"]);
    }

    #[test]
    fn an_unknown_bare_name_is_answered_with_the_nearest() {
        let nearest = |name| catalog().resolve(name).expect_err(name).nearest;
        assert_eq!(nearest("gen4-turbo"), ["gen4_turbo"]);
        assert_eq!(nearest("Gen45"), ["gen4.5"]);
        assert!(nearest("stable-diffusion-xl").is_empty());
        assert!(!catalog().resolve("gen9").unwrap_err().hidden);
        assert!(catalog().resolve("runwayml/").is_err());
        assert!(catalog().resolve("runwayml/a b").is_err());
        assert!(catalog().resolve(&"x".repeat(100_000)).is_err());
    }
}
