//! A server over several accounts, each with an upstream of its own.

use mediagen::config::{Access, Account, Config};
use mediagen::domain::model::ProviderKind;
use mediagen::domain::routing::{Deployment, Group, Policy, Routes};
use mediagen::sandbox::{self, DEFAULT_API_KEY};

use super::{TestApp, Upstream, eventually};

/// A server over several accounts: `a`, `b`, `c`… in the order of their upstreams, which are also
/// reached by the second provider's API as `openai-a`, `openai-b`…
pub struct Fleet {
    pub app: TestApp,
    /// The upstream of each account.
    pub upstreams: Vec<Upstream>,
    accounts: Vec<Account>,
}

impl Fleet {
    /// Upstreams of these kinds, and a server with these groups over them.
    pub async fn start(kinds: Vec<sandbox::Config>, groups: Vec<Group>) -> Self {
        Self::tuned(kinds, groups, |_| {}).await
    }

    /// The same, with a last word on the configuration.
    pub async fn tuned(
        kinds: Vec<sandbox::Config>,
        groups: Vec<Group>,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let mut upstreams = Vec::new();
        for kind in kinds {
            upstreams.push(Upstream::start(kind).await);
        }
        let named = NAMES.iter().zip(&upstreams);
        let both = named.flat_map(|(name, upstream)| {
            let second = format!("openai-{name}");
            [
                account(ProviderKind::Runway, name, &upstream.sandbox.base_url()),
                account(
                    ProviderKind::OpenAi,
                    &second,
                    &upstream.sandbox.openai_url(),
                ),
            ]
        });
        let down = account(ProviderKind::Runway, DOWN, "http://127.0.0.1:9");
        let accounts: Vec<Account> = both.chain([down]).collect();
        let app = TestApp::tuned(|config| {
            config.routing.accounts.clone_from(&accounts);
            config.routing.routes = routes(groups);
            change(config);
        })
        .await;
        let fleet = Self {
            app,
            upstreams,
            accounts,
        };
        fleet.asked().await;
        fleet
    }

    /// Another server on the same data, with other groups over the same accounts.
    pub async fn restart(&mut self, groups: Vec<Group>) {
        let accounts = self.accounts.clone();
        let change = |config: &mut Config| {
            config.routing.accounts = accounts;
            config.routing.routes = routes(groups);
        };
        self.app.restart_tuned(change).await;
    }

    /// Every account was asked what it may do.
    async fn asked(&self) {
        let look = || async {
            let reads = self.upstreams.iter();
            let reads: Vec<_> = reads
                .map(|upstream| upstream.sandbox.counts().organization_reads)
                .collect();
            if reads.iter().all(|reads| *reads > 0) {
                Ok(())
            } else {
                Err(reads)
            }
        };
        eventually("every account was asked", look).await;
    }

    /// How many creates each upstream took.
    pub fn taken(&self) -> Vec<usize> {
        let ledgers = self.upstreams.iter();
        ledgers
            .map(|upstream| upstream.sandbox.ledger().len())
            .collect()
    }
}

fn routes(groups: Vec<Group>) -> Routes {
    Routes {
        groups: groups.into_iter().map(|g| (g.name.clone(), g)).collect(),
        ..Routes::default()
    }
}

/// A group where these accounts serve a model.
pub fn group(name: &str, model: &str, accounts: &[&str], policy: Policy) -> Group {
    let deployments = accounts.iter().map(|account| Deployment {
        weight: 1,
        ..Deployment::of_model(account, model)
    });
    Group {
        name: name.to_owned(),
        deployments: deployments.collect(),
        policy,
    }
}

fn account(kind: ProviderKind, name: &str, base_url: &str) -> Account {
    Account {
        name: name.to_owned(),
        kind,
        access: Access::Account {
            api_key: DEFAULT_API_KEY.into(),
            base_url: base_url.parse().unwrap(),
        },
        headers: http::HeaderMap::new(),
    }
}

/// An account that nobody listens for.
pub const DOWN: &str = "down";
const NAMES: [&str; 4] = ["a", "b", "c", "d"];
