//! The client for upload slots: addresses that a provider names, to which a form is posted.

use std::fmt;
use std::time::Duration;

use reqwest::Client;

use super::resolver::{self, Guarded, Realm};
use super::target::Target;
use super::{EgressError, Origin, check_coding, client, transport};

/// The client. It also accepts the loopback origins that it is made with.
pub struct Uploads {
    public: Client,
    loopback: Client,
    allowed: Vec<Origin>,
}

impl Uploads {
    /// A client.
    ///
    /// # Errors
    /// When the system has no sound TLS.
    pub fn new(allowed: impl IntoIterator<Item = Origin>) -> Result<Self, EgressError> {
        let build = |realm, https_only| {
            let resolver = Guarded::new(realm, resolver::system());
            client(resolver, https_only, LONGEST_SILENCE)
        };
        Ok(Self {
            public: build(Realm::Public, true)?,
            loopback: build(Realm::Loopback, false)?,
            allowed: allowed.into_iter().collect(),
        })
    }

    /// Posts a form; the answer's body is not read. `timeout` bounds the whole.
    pub async fn post(
        &self,
        url: &str,
        form: reqwest::multipart::Form,
        timeout: Duration,
    ) -> Result<(), EgressError> {
        let (client, url) = match Target::parse(url, &self.allowed)? {
            Target::Public(url) => (&self.public, url),
            Target::Loopback(url) => (&self.loopback, url),
        };
        let request = client.post(url).timeout(timeout).multipart(form);
        let answer = request.send().await.map_err(transport)?;
        if answer.status().is_redirection() {
            return Err(EgressError::Refused("the server redirects"));
        }
        check_coding(answer.headers())?;
        if answer.status().is_success() {
            return Ok(());
        }
        Err(EgressError::Http(answer.status().as_u16()))
    }
}

impl fmt::Debug for Uploads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Uploads")
            .field("allowed", &self.allowed)
            .finish_non_exhaustive()
    }
}

/// Longest silence of a server: the answer comes after the whole form was sent, so each call's own
/// timeout is what bounds it.
const LONGEST_SILENCE: Duration = Duration::from_mins(10);
