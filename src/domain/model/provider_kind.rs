//! Which provider a model is of.

/// A provider that we know how to talk to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProviderKind {
    /// `RunwayML`'s developer API. Its models' ids stand in the catalogue as they are.
    #[default]
    Runway,
    /// Any server that speaks `OpenAI`'s video and image API. Its models' ids stand in the
    /// catalogue with `openai/` before them, so that they meet no other provider's.
    OpenAi,
}

impl ProviderKind {
    /// Every provider.
    pub const ALL: [Self; 2] = [Self::Runway, Self::OpenAi];

    /// The name in configurations, and before the `/` of a qualified model.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Runway => "runwayml",
            Self::OpenAi => "openai",
        }
    }

    /// The provider of a model, by the catalogue's id of it.
    pub fn of(id: &str) -> Self {
        match id.split_once('/') {
            Some(("openai", _)) => Self::OpenAi,
            _ => Self::Runway,
        }
    }
}
