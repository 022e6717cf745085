//! The client of registries: streams in both directions, bounds whatever comes, goes on where a
//! connection broke, and keeps every credential on the host that it is for.

mod again;
mod answer;
mod auth;
mod exchange;
mod hosts;
mod options;
mod pull;
mod push;
mod referrers;
mod repository;
mod sending;
mod tape;
mod transfer;
mod transports;
mod upload;

use std::{collections::BTreeMap, sync::Arc};

use reqwest::Url;
use shipway_core::{Context, Result};

use self::{
    hosts::{base_url, same_origin},
    options::Host,
    transports::Transports,
};
pub use self::{
    options::{ClientBuilder, HostOptions},
    repository::RemoteRepository,
};

/// A client of registries; clones share its connections.
///
/// Logins come from [`Context::login`] when a registry asks for one, each for exactly its host as
/// references name it (`docker.io` for Docker Hub). Plain HTTP is spoken with loopback addresses and with
/// the hosts that the embedder says ([`HostOptions::plain_http`]). No proxy is used. Certificates are
/// those that the system trusts, and those that the embedder gives.
///
/// Where a registry is too busy (408, 429, 500, 502, 503, 504) or a connection breaks, the request is
/// sent again, up to 8 times ([`ClientBuilder::attempts`]) and never beyond the task's deadline;
/// `Retry-After` is honoured up to a minute.
///
/// Content that goes either way goes on where it broke off, if the registry can say how far it came
/// (docker-registry 2 cannot, of a request that broke off). Else it is sent from its beginning, if that is
/// still to be had: from the other repository of [`Distribution::copy_blob`](crate::Distribution::copy_blob),
/// or from the last 12 MiB, which are kept of each push. If not, the push fails with an error that may be tried
/// again.
#[derive(Clone, Debug)]
pub struct Client(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    hosts: BTreeMap<String, Host>,
    transports: Transports,
    attempts: u32,
    /// Held while a list of referrers is read and written, which registries do not do in one step.
    listing: tokio::sync::Mutex<()>,
}

impl Default for Client {
    fn default() -> Self {
        let transports = Transports::new(Vec::new(), None);
        let (hosts, attempts, listing) = (BTreeMap::new(), again::ATTEMPTS, tokio::sync::Mutex::default());
        Self(Arc::new(Inner { hosts, transports, attempts, listing }))
    }
}

impl Client {
    /// Returns a client; nothing is read or connected before it is used.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns what makes a client that does some things in another way than by default.
    #[must_use]
    pub fn builder() -> ClientBuilder {
        ClientBuilder::new()
    }

    /// Returns a repository, `[host[:port]/]path`, as this context's task may reach it.
    ///
    /// # Errors
    /// `Config` when it is not the name of a repository.
    pub fn repository(&self, cx: &Context, repository: &str) -> Result<RemoteRepository> {
        RemoteRepository::new(self, cx, repository)
    }

    /// Returns the URL that a host's paths are below.
    fn base(&self, host: &str) -> Result<Url> {
        match self.0.hosts.get(host) {
            Some(host) => Ok(host.base.clone()),
            None => base_url(host, None),
        }
    }

    /// Returns the transport for a URL. What is said about a host counts for it alone, so also not for
    /// those that it sends us on to.
    fn transport(&self, url: &Url) -> Result<reqwest::Client> {
        let own = self.0.hosts.values().filter(|host| same_origin(&host.base, url));
        let transports = own.filter_map(|host| host.transports.as_ref()).next();
        transports.unwrap_or(&self.0.transports).get(url.scheme())
    }

    /// Returns whether the embedder named a server that may see this host's login.
    fn is_token_server(&self, host: &str, realm: &Url) -> bool {
        self.0.hosts.get(host).is_some_and(|host| host.is_token_server(realm))
    }
}
