//! What the embedder says about registries: how each host is spoken to, and whom to trust.

use std::{collections::BTreeMap, sync::Arc};

use reqwest::Url;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use shipway_core::{Error, Result, Secret};

use super::{
    Client, Inner,
    again::ATTEMPTS,
    hosts::{base_url, is_loopback, same_origin},
    transports::{Identity, Transports},
};

/// How one registry's host is spoken to, where that is another way than by default.
///
/// ```
/// use shipway_oci::{Client, HostOptions};
///
/// let client = Client::builder()
///     .host("registry.internal:5000", HostOptions::new().plain_http())
///     .host("registry.example", HostOptions::new().token_server("https://login.example"))
///     .build()?;
/// # drop(client);
/// # Ok::<_, shipway_core::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct HostOptions {
    /// Whether it is spoken to without TLS; by default loopback hosts alone are.
    pub plain_http: Option<bool>,
    /// Certificates of authorities that are trusted for this host, besides the system's, in PEM.
    pub authorities: Vec<String>,
    /// The certificates and the key that we show to this host, in PEM.
    pub identity: Option<(String, Secret)>,
    /// Servers, `https://host[:port]`, that may see this host's login to give tokens for it, besides
    /// itself. `http://` is for loopback alone, and for a host that is itself spoken to so.
    pub token_servers: Vec<String>,
}

impl HostOptions {
    /// Returns what holds by default.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Speaks plain HTTP: what is sent and the login can be read and changed on the way.
    #[must_use]
    pub fn plain_http(mut self) -> Self {
        self.plain_http = Some(true);
        self
    }

    /// Speaks TLS, also where the host is this machine.
    #[must_use]
    pub fn tls(mut self) -> Self {
        self.plain_http = Some(false);
        self
    }

    /// Trusts the authorities with these certificates, in PEM, for this host, besides the system's.
    #[must_use]
    pub fn authority(mut self, pem: impl Into<String>) -> Self {
        self.authorities.push(pem.into());
        self
    }

    /// Shows a certificate, with those that it was issued by, to this host; all in PEM.
    #[must_use]
    pub fn identity(mut self, certificates: impl Into<String>, key: impl Into<Secret>) -> Self {
        self.identity = Some((certificates.into(), key.into()));
        self
    }

    /// Shows this host's login to a server, `https://host[:port]`, where it names that one for tokens.
    #[must_use]
    pub fn token_server(mut self, url: impl Into<String>) -> Self {
        self.token_servers.push(url.into());
        self
    }
}

/// Makes a [`Client`].
#[derive(Clone, Debug)]
pub struct ClientBuilder {
    hosts: BTreeMap<String, HostOptions>,
    authorities: Vec<String>,
    attempts: u32,
}

impl ClientBuilder {
    pub(super) fn new() -> Self {
        Self { hosts: BTreeMap::new(), authorities: Vec::new(), attempts: ATTEMPTS }
    }

    /// Sets how a host, `host[:port]` as references name it, is spoken to.
    #[must_use]
    pub fn host(mut self, host: impl Into<String>, options: HostOptions) -> Self {
        self.hosts.insert(host.into().to_lowercase(), options);
        self
    }

    /// Trusts the authorities with these certificates, in PEM, for all hosts, besides the system's.
    #[must_use]
    pub fn authority(mut self, pem: impl Into<String>) -> Self {
        self.authorities.push(pem.into());
        self
    }

    /// Sets how often a request is sent when a registry is too busy for it or the connection breaks; 8
    /// by default, 1 at least.
    #[must_use]
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts.max(1);
        self
    }

    /// Returns the client; nothing is read or connected before it is used.
    ///
    /// # Errors
    /// `Config` when a host, a URL or a certificate has a wrong form.
    pub fn build(self) -> Result<Client> {
        let general = certificates(&self.authorities)?;
        let mut hosts = BTreeMap::new();
        for (name, options) in self.hosts {
            let of = |error: Error| error.note(format!("in the options for the host `{name}`"));
            let host = Host::new(&name, &options, &general).map_err(of)?;
            hosts.insert(name, host);
        }
        let transports = Transports::new(general, None);
        Ok(Client(Arc::new(Inner {
            hosts,
            transports,
            attempts: self.attempts,
            listing: tokio::sync::Mutex::default(),
        })))
    }
}

/// What holds for one host.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) base: Url,
    token_servers: Vec<Url>,
    /// None where the general one will do.
    pub(super) transports: Option<Transports>,
}

impl Host {
    fn new(name: &str, options: &HostOptions, general: &[CertificateDer<'static>]) -> Result<Self> {
        let base = base_url(name, options.plain_http)?;
        // The login is to be no less safe on its way there than on its way to the registry.
        let is_safe = |url: &Url| match url.scheme() {
            "https" => true,
            "http" => base.scheme() == "http" || is_loopback(url),
            _ => false,
        };
        let token_server = |url: &String| match Url::parse(url) {
            Ok(url) if url.path() == "/" && is_safe(&url) => Ok(url),
            _ => Err(Error::config(format!("`{url}` is not the URL of a token server"))
                .hint("write `https://` and its host, without a path")),
        };
        let token_servers = options.token_servers.iter().map(token_server).collect::<Result<_>>()?;
        let mut authorities = certificates(&options.authorities)?;
        let identity = options.identity.as_ref().map(|(chain, key)| identity(chain, key)).transpose()?;
        let own = !authorities.is_empty() || identity.is_some();
        authorities.extend_from_slice(general);
        Ok(Self { base, token_servers, transports: own.then(|| Transports::new(authorities, identity)) })
    }

    /// Returns whether the embedder named this server as one that may see the host's login.
    pub(super) fn is_token_server(&self, realm: &Url) -> bool {
        self.token_servers.iter().any(|server| same_origin(server, realm))
    }
}

fn certificates(pems: &[String]) -> Result<Vec<CertificateDer<'static>>> {
    let mut found = Vec::new();
    for pem in pems {
        let before = found.len();
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            found.push(certificate.map_err(|error| wrong("a certificate is not PEM").source(error))?);
        }
        if found.len() == before {
            return Err(wrong("there is no certificate in what is to be trusted"));
        }
    }
    Ok(found)
}

fn identity(chain: &str, key: &Secret) -> Result<Identity> {
    let chain = certificates(&[chain.to_owned()])?;
    // What is wrong with a key is not told: it could show of it.
    let key = PrivateKeyDer::from_pem_slice(key.expose().as_bytes())
        .map_err(|_| wrong("the key of our certificate is not PEM"))?;
    Ok(Identity { chain, key: Arc::new(key) })
}

fn wrong(what: &str) -> Error {
    Error::config(what).hint("give the text of a PEM file: `-----BEGIN CERTIFICATE-----` and so on")
}

#[cfg(test)]
mod tests {
    use shipway_core::ErrorKind;

    use super::*;

    #[test]
    fn what_has_a_wrong_form_is_refused_and_names_the_host() {
        let pem = "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n";
        for options in [
            HostOptions::new().authority("nothing"),
            HostOptions::new().authority(pem),
            HostOptions::new().identity("nothing", "nothing"),
            HostOptions::new().token_server("login.example"),
            HostOptions::new().token_server("https://login.example/path"),
            HostOptions::new().token_server("http://login.example"),
        ] {
            let error = Client::builder().host("R.example", options).build().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.report().notes.iter().any(|note| note.contains("`r.example`")), "{error:?}");
        }
        for options in [
            HostOptions::new().token_server("http://127.0.0.1:5001"),
            HostOptions::new().plain_http().token_server("http://login.example"),
        ] {
            assert!(Client::builder().host("r.example", options).build().is_ok());
        }
        assert!(Client::builder().authority("nothing").build().is_err());
        assert!(Client::builder().host("no host", HostOptions::new()).build().is_err());
    }
}
