//! Opens the configured accounts: at the start, and again at each reload, where an account that
//! stays is the same value and only who talks to it may change.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use http::HeaderMap;
use secrecy::{ExposeSecret as _, SecretString};

use crate::config::{Access, Account as AccountConfig, Config};
use crate::domain::model::{Catalog, ProviderKind};
use crate::domain::money::UsdRate;
use crate::egress::Origin;
use crate::provider::openai::{OpenAi, Settings as OpenAiSettings};
use crate::provider::runway::{Runway, Settings as RunwaySettings};
use crate::provider::{Account, Accounts, Measured, Provider};
use crate::sandbox::{self, Sandbox};
use crate::shutdown::Shutdown;

/// Who opens accounts, and how each was opened that tasks may have.
#[derive(Debug)]
pub(super) struct Opener {
    /// What accounts of the sandbox share, where there are any.
    sandbox: Option<Sandbox>,
    /// These numbers are others' too, so that they are what they were at the start.
    create_timeout: Duration,
    image_timeout: Duration,
    usd_rate: UsdRate,
    trust_503: bool,
    creates: usize,
    polls: usize,
    opened: BTreeMap<String, Terms>,
}

/// How an account was opened.
#[derive(Clone, Debug)]
struct Terms {
    account: AccountConfig,
    version: String,
    catalog: Arc<Catalog>,
}

/// Accounts that are opened, but not in force.
#[derive(Debug)]
pub(super) struct Opened {
    /// All of them, with those that they retire.
    pub(super) accounts: Accounts,
    /// What is to happen to those that stay.
    renewals: Vec<Renewal>,
    terms: BTreeMap<String, Terms>,
    sandbox_models: Vec<(String, String)>,
}

/// An account that stays and that another is to talk to.
#[derive(Debug)]
struct Renewal {
    account: Arc<Account>,
    provider: Arc<dyn Provider>,
    /// Its key or its headers are others, so what was held against it says nothing any more.
    is_other_key: bool,
}

impl Opener {
    /// Starts what accounts of this configuration need.
    pub(super) async fn new(config: &Config, shutdown: &Shutdown) -> anyhow::Result<Self> {
        let is_sandbox = |account: &AccountConfig| matches!(account.access, Access::Sandbox);
        let sandbox = if config.routing.accounts.iter().any(is_sandbox) {
            Some(start_sandbox(&config.catalog, shutdown).await?)
        } else {
            None
        };
        Ok(Self {
            sandbox,
            create_timeout: config.submit.timeout,
            image_timeout: config.submit.image_timeout,
            usd_rate: config.runway.usd_per_credit,
            trust_503: config.submit.trust_503,
            creates: config.submit.concurrency,
            polls: config.poll.concurrency,
            opened: BTreeMap::new(),
        })
    }

    /// Opens every account of a configuration, in the place of `before`; at the start, for good.
    /// Nothing of it is in force, and nothing has changed, until [`Opener::commit`].
    pub(super) fn open(&self, config: &Config, before: &Accounts) -> anyhow::Result<Opened> {
        let (mut accounts, mut renewals, mut terms) = (Vec::new(), Vec::new(), BTreeMap::new());
        for account in &config.routing.accounts {
            let wanted = Terms {
                account: account.clone(),
                version: config.runway.api_version.clone(),
                catalog: Arc::clone(&config.catalog),
            };
            let known = self.opened.get(&account.name);
            let known = known.filter(|known| known.is_same_place(&wanted));
            let stays = known.and_then(|known| Some((known, before.get(&account.name)?)));
            match stays {
                Some((known, stays)) if known.is_same_voice(&wanted) => accounts.push(stays),
                Some((known, stays)) => {
                    accounts.push(Arc::clone(&stays));
                    renewals.push(Renewal {
                        account: stays,
                        provider: self.provider(&wanted)?,
                        is_other_key: !known.is_same_key(&wanted),
                    });
                }
                None => accounts.push(Arc::new(Account::new(
                    self.provider(&wanted)?,
                    self.creates,
                    self.polls,
                ))),
            }
            terms.insert(account.name.clone(), wanted);
        }
        Ok(Opened {
            accounts: before.succeeded_by(accounts),
            renewals,
            terms,
            sandbox_models: sandbox_models(&config.catalog),
        })
    }

    /// Puts what was opened in force and gives the accounts.
    pub(super) fn commit(&mut self, opened: Opened) -> Arc<Accounts> {
        if let Some(sandbox) = &self.sandbox {
            sandbox.add_models(&opened.sandbox_models);
        }
        for renewal in opened.renewals {
            renewal.account.renew(renewal.provider);
            if renewal.is_other_key {
                renewal.account.forget();
            }
        }
        self.opened.extend(opened.terms);
        let accounts = Arc::new(opened.accounts);
        self.opened.retain(|name, _| accounts.get(name).is_some());
        accounts
    }

    /// Whether an account of this name meant another place so far.
    pub(super) fn is_moved(&self, account: &AccountConfig) -> bool {
        self.opened
            .get(&account.name)
            .is_some_and(|known| !is_same_place(&known.account, account))
    }

    /// Who talks to an account.
    fn provider(&self, terms: &Terms) -> anyhow::Result<Arc<dyn Provider>> {
        let account = &terms.account;
        let (base_url, key) = match (&account.access, &self.sandbox) {
            (Access::Account { api_key, base_url }, _) => (base_url.to_string(), api_key.clone()),
            (Access::Sandbox, Some(sandbox)) => {
                let base_url = match account.kind {
                    ProviderKind::Runway => sandbox.base_url(),
                    ProviderKind::OpenAi => sandbox.openai_url(),
                };
                (base_url, SecretString::from(sandbox::DEFAULT_API_KEY))
            }
            (Access::Sandbox, None) => anyhow::bail!("the sandbox takes a restart"),
        };
        let provider = self.speak(terms, base_url, key);
        provider.with_context(|| format!("the account `{}`", account.name))
    }

    fn speak(
        &self,
        terms: &Terms,
        base_url: String,
        key: SecretString,
    ) -> anyhow::Result<Arc<dyn Provider>> {
        let account = &terms.account;
        match account.kind {
            ProviderKind::Runway => {
                let mut settings = RunwaySettings::new(&account.name, base_url, key);
                settings.version.clone_from(&terms.version);
                settings.create_timeout = self.create_timeout;
                settings.trust_503 = self.trust_503;
                settings.extra_headers = extra_headers(&account.headers);
                let runway = Runway::new(settings, Arc::clone(&terms.catalog))?;
                Ok(Arc::new(Measured(runway)))
            }
            ProviderKind::OpenAi => {
                let mut settings = OpenAiSettings::new(&account.name, base_url, key);
                settings.create_timeout = self.create_timeout;
                settings.image_timeout = self.image_timeout;
                settings.extra_headers = extra_headers(&account.headers);
                settings.usd_rate = self.usd_rate;
                let openai = OpenAi::new(settings, Arc::clone(&terms.catalog))?;
                Ok(Arc::new(Measured(openai)))
            }
        }
    }
}

impl Terms {
    fn is_same_place(&self, other: &Self) -> bool {
        is_same_place(&self.account, &other.account)
    }

    /// Whether the same is said with the same key: nothing needs to be opened again.
    fn is_same_voice(&self, other: &Self) -> bool {
        self.is_same_key(other) && self.version == other.version && self.catalog == other.catalog
    }

    fn is_same_key(&self, other: &Self) -> bool {
        let (one, other) = (&self.account, &other.account);
        let is_same = match (&one.access, &other.access) {
            (Access::Account { api_key: one, .. }, Access::Account { api_key: other, .. }) => {
                one.expose_secret() == other.expose_secret()
            }
            (Access::Sandbox, Access::Sandbox) => true,
            (Access::Account { .. }, Access::Sandbox)
            | (Access::Sandbox, Access::Account { .. }) => false,
        };
        is_same && one.headers == other.headers
    }
}

/// Whether two accounts have their tasks at the same place.
fn is_same_place(one: &AccountConfig, other: &AccountConfig) -> bool {
    let is_same = match (&one.access, &other.access) {
        (
            Access::Account { base_url: one, .. },
            Access::Account {
                base_url: other, ..
            },
        ) => one == other,
        (Access::Sandbox, Access::Sandbox) => true,
        (Access::Account { .. }, Access::Sandbox) | (Access::Sandbox, Access::Account { .. }) => {
            false
        }
    };
    is_same && one.kind == other.kind
}

/// The loopback origins that outputs may come from, of retired accounts too.
pub(super) fn origins(accounts: &Accounts) -> Vec<Origin> {
    let all = accounts.all().chain(accounts.retired());
    all.filter_map(|account| account.provider().output_origin())
        .collect()
}

fn extra_headers(headers: &HeaderMap) -> Vec<(String, SecretString)> {
    let text = headers
        .iter()
        .filter_map(|(name, value)| Some((name, value.to_str().ok()?)));
    text.map(|(name, value)| (name.to_string(), SecretString::from(value)))
        .collect()
}

/// Every pair of an endpoint's path and a model: a sandbox takes those that the configuration adds
/// as well.
fn sandbox_models(catalog: &Catalog) -> Vec<(String, String)> {
    let offers = catalog
        .ids()
        .filter_map(|id| Some((id, catalog.offer(id)?)));
    let pairs = offers.flat_map(|(id, offer)| {
        offer
            .keys()
            .map(move |operation| (format!("/v1/{operation}"), id.to_owned()))
    });
    pairs.collect()
}

/// A sandbox outlives the service's drain: submits still run to a recorded outcome.
async fn start_sandbox(catalog: &Catalog, shutdown: &Shutdown) -> anyhow::Result<Sandbox> {
    let life = Shutdown::new();
    let settings = sandbox::Config {
        extra_models: sandbox_models(catalog),
        ..sandbox::Config::default()
    };
    let sandbox = Sandbox::start(settings, &life).await;
    let sandbox = sandbox.context("the sandbox cannot start")?;
    let (service, own) = (shutdown.clone(), life.clone());
    life.spawn(async move {
        service.draining().await;
        service.finished().await;
        own.stop();
    });
    Ok(sandbox)
}
