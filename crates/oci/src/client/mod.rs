//! The client of registries: streams in both directions, bounds whatever comes, and keeps every
//! credential on the host that it is for.

mod answer;
mod auth;
mod exchange;
mod hosts;
mod pull;
mod push;
mod repository;
mod transfer;

use std::sync::{Arc, OnceLock};

use reqwest::Url;
use shipway_core::{Context, Error, ErrorKind, Result};

pub use self::repository::RemoteRepository;

/// A client of registries; clones share its connections.
///
/// Logins come from [`Context::login`] when a registry asks for one, each for exactly its host as
/// references name it (`docker.io` for Docker Hub). Plain HTTP is spoken with loopback addresses only.
/// No proxy is used. Certificates are those that the system trusts.
#[derive(Clone, Debug, Default)]
pub struct Client(Arc<Transports>);

/// One transport for plain HTTP, and one for TLS, whose certificates are read when it is first needed.
#[derive(Debug, Default)]
struct Transports {
    plain: OnceLock<reqwest::Client>,
    secure: OnceLock<reqwest::Client>,
}

impl Client {
    /// Returns a client; nothing is read or connected before it is used.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns a repository, `[host[:port]/]path`, as this context's task may reach it.
    ///
    /// # Errors
    /// `Config` when it is not the name of a repository.
    pub fn repository(&self, cx: &Context, repository: &str) -> Result<RemoteRepository> {
        RemoteRepository::new(self, cx, repository)
    }

    /// Returns the transport for a URL.
    fn transport(&self, url: &Url) -> Result<reqwest::Client> {
        let (cell, secure) =
            if url.scheme() == "https" { (&self.0.secure, true) } else { (&self.0.plain, false) };
        if let Some(transport) = cell.get() {
            return Ok(transport.clone());
        }
        let transport = transport(secure)?;
        Ok(cell.get_or_init(|| transport).clone())
    }
}

fn transport(secure: bool) -> Result<reqwest::Client> {
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| {
        Error::new(ErrorKind::Unavailable, "cannot set up TLS")
            .retry(false)
            .hint("see whether the system has certificates of authorities that it trusts")
            .source(error)
    };
    // The provider is given here, because a default for the whole process is the embedder's choice.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(error.into()))?;
    let tls = if secure {
        let verifier =
            rustls_platform_verifier::Verifier::new(provider).map_err(|error| failed(error.into()))?;
        tls.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
    } else {
        // Trusts nobody: this transport never sees an `https` URL.
        tls.with_root_certificates(rustls::RootCertStore::empty())
    };
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls.with_no_client_auth())
        .https_only(secure)
        // The environment's proxies are not ours to use, and redirects are followed where it is known
        // which host may see a credential.
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .connect_timeout(transfer::CONNECT_TIMEOUT)
        .user_agent(concat!("shipway/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| failed(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::print_stdout, reason = "a part that is skipped says so")]
    fn both_transports_are_made_without_a_default_provider() {
        for scheme in ["http", "https"] {
            let url = Url::parse(&format!("{scheme}://localhost/")).expect("a URL");
            if let Err(error) = Client::new().transport(&url) {
                assert_eq!((scheme, error.to_string().as_str()), ("https", "cannot set up TLS"));
                println!("skipped: needs certificates that the system trusts");
            }
        }
        assert!(rustls::crypto::CryptoProvider::get_default().is_none());
    }
}
