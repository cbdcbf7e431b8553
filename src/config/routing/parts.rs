//! What an account is made of, from wherever it is said: the account itself, an entry of
//! `model_list`, the section `runway`, or a provider's usual variables.

use http::HeaderMap;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::config::access::{Access, parse_base_url};
use crate::config::env::Environment;
use crate::config::runway::Own;
use crate::config::secret::{self, Secret, Told};
use crate::config::section::Section;
use crate::domain::model::ProviderKind;

/// Where keys and addresses come from that are not said in place.
pub struct Sources<'o> {
    /// The section `runway`.
    pub own: &'o Own,
    /// The variables.
    pub env: &'o Environment,
    /// Whether every account is the sandbox of this process, so that no key is needed.
    pub sandbox: bool,
}

/// What an account is made of: where it is, and its key.
pub struct Parts {
    /// Whose API it speaks.
    pub kind: ProviderKind,
    /// Where it is.
    pub base: String,
    /// Its key.
    pub key: Secret,
    /// The two as they are used.
    pub access: Access,
}

/// Where an entry of `model_list` says which account it is of.
pub struct Inline<'s> {
    /// Whose API it speaks.
    pub kind: ProviderKind,
    /// The section that holds `api_key` and `api_key_file`.
    pub key: &'s Section<'s>,
    /// The section and key of the address, when one is given.
    pub base: Option<(&'s Section<'s>, &'static str)>,
    /// Its further headers, when some are given.
    pub headers: Option<HeaderMap>,
}

impl Sources<'_> {
    /// The account of the section `runway`; `None`: it has no key, or a problem was reported.
    pub fn own_parts(&self) -> Option<Parts> {
        if self.sandbox {
            return Some(Parts::in_sandbox(ProviderKind::Runway, "", Secret::none()));
        }
        let key = self.own.key.as_ref().ok()?.clone()?;
        let base = self.own.base_url.clone()?;
        Some(Parts::new(ProviderKind::Runway, base, key))
    }

    /// What an account is made of; with `defaults` what is not given is that of its provider.
    pub fn parts(&self, inline: &Inline<'_>, defaults: bool) -> Result<Parts, Told> {
        let section = inline.key;
        if self.sandbox {
            let key = section.spelled("api_key");
            let file = section.spelled("api_key_file");
            let base = inline.base.and_then(|(section, key)| section.spelled(key));
            let key = Secret {
                text: key.or(file).unwrap_or_default().into(),
                variable: section.variable("api_key").map(str::to_owned),
            };
            return Ok(Parts::in_sandbox(
                inline.kind,
                base.unwrap_or_default(),
                key,
            ));
        }
        let base = self.base(inline);
        let key = match secret::read(section, "api_key", "api_key_file")? {
            Some(key) => key,
            None if defaults => self.usual_key(inline)?,
            None => {
                let text = "is missing: the account's key, or os.environ/NAME, or `api_key_file`";
                section.wrong("api_key", text);
                return Err(Told);
            }
        };
        Ok(Parts::new(inline.kind, base?, key))
    }

    fn usual_key(&self, inline: &Inline<'_>) -> Result<Secret, Told> {
        let wrong = |variable: &str| {
            let text = format!(
                "is missing: the account's key, or os.environ/NAME, or `account` with a name of \
                 `accounts`, or set {variable}"
            );
            inline.key.wrong("api_key", &text);
            Told
        };
        match inline.kind {
            ProviderKind::Runway => {
                let key = self.own.key.as_ref().map_err(|told| *told)?;
                key.clone().ok_or_else(|| wrong("RUNWAYML_API_SECRET"))
            }
            ProviderKind::OpenAi => {
                let text = self.env.get(OPENAI_KEY).ok_or_else(|| wrong(OPENAI_KEY))?;
                secret::check(text.trim()).map_err(|problem| {
                    let text = format!("the API key in {OPENAI_KEY} {problem}");
                    inline.key.wrong("api_key", &text);
                    Told
                })?;
                Ok(Secret {
                    text: text.trim().into(),
                    variable: Some(OPENAI_KEY.to_owned()),
                })
            }
        }
    }

    fn base(&self, inline: &Inline<'_>) -> Result<Url, Told> {
        if let Some((section, key)) = inline.base {
            let text = section.optional(key).ok_or(Told)?;
            return parse_base_url(&text).map_err(|problem| {
                section.wrong(key, problem);
                Told
            });
        }
        match inline.kind {
            ProviderKind::Runway => self.own.base_url.clone().ok_or(Told),
            ProviderKind::OpenAi => {
                let variable = OPENAI_BASES
                    .iter()
                    .find(|name| self.env.get(name).is_some());
                let text = variable.and_then(|name| self.env.get(name));
                parse_base_url(text.unwrap_or(OPENAI_BASE)).map_err(|problem| {
                    let name = variable.copied().unwrap_or_default();
                    inline
                        .key
                        .wrong("base_url", &format!("the URL in {name} {problem}"));
                    Told
                })
            }
        }
    }
}

impl Parts {
    fn new(kind: ProviderKind, base_url: Url, key: Secret) -> Self {
        Self {
            kind,
            base: base_url.to_string(),
            access: Access::Account {
                api_key: key.text.clone(),
                base_url,
            },
            key,
        }
    }

    fn in_sandbox(kind: ProviderKind, base: &str, key: Secret) -> Self {
        Self {
            kind,
            base: base.to_owned(),
            key,
            access: Access::Sandbox,
        }
    }

    /// The same for the same key at the same address.
    pub fn identity(&self) -> [u8; 32] {
        let key = self.key.text.expose_secret();
        hash(&[self.kind.as_str(), &self.base, key])
    }
}

impl Secret {
    fn none() -> Self {
        Self {
            text: SecretString::default(),
            variable: None,
        }
    }
}

/// One sum of several texts.
pub fn hash(parts: &[&str]) -> [u8; 32] {
    let mut sum = Sha256::new();
    for part in parts {
        sum.update(part.as_bytes());
        sum.update([0]);
    }
    sum.finalize().into()
}

const OPENAI_KEY: &str = "OPENAI_API_KEY";
const OPENAI_BASES: [&str; 2] = ["OPENAI_BASE_URL", "OPENAI_API_BASE"];
const OPENAI_BASE: &str = "https://api.openai.com/v1";
