//! The connections to registries: one set for plain HTTP, one for TLS, whose certificates are read when
//! it is first needed.

use std::sync::{Arc, OnceLock};

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use shipway_core::{Error, ErrorKind, Result};

use super::transfer::CONNECT_TIMEOUT;

/// Connections that trust the same.
#[derive(Debug)]
pub(super) struct Transports {
    authorities: Vec<CertificateDer<'static>>,
    identity: Option<Identity>,
    plain: OnceLock<reqwest::Client>,
    secure: OnceLock<reqwest::Client>,
}

/// What we show to a host of ourselves.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: Arc<PrivateKeyDer<'static>>,
}

impl Transports {
    pub(super) fn new(authorities: Vec<CertificateDer<'static>>, identity: Option<Identity>) -> Self {
        Self { authorities, identity, plain: OnceLock::new(), secure: OnceLock::new() }
    }

    /// Returns the connections for a scheme.
    pub(super) fn get(&self, scheme: &str) -> Result<reqwest::Client> {
        let cell = if scheme == "https" { &self.secure } else { &self.plain };
        if let Some(transport) = cell.get() {
            return Ok(transport.clone());
        }
        let transport = self.make(scheme == "https")?;
        Ok(cell.get_or_init(|| transport).clone())
    }

    fn make(&self, secure: bool) -> Result<reqwest::Client> {
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
            let authorities = self.authorities.iter().cloned();
            let verifier = rustls_platform_verifier::Verifier::new_with_extra_roots(authorities, provider)
                .map_err(|error| failed(error.into()))?;
            tls.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
        } else {
            // Trusts nobody: this transport never sees an `https` URL.
            tls.with_root_certificates(rustls::RootCertStore::empty())
        };
        let tls = match &self.identity {
            Some(Identity { chain, key }) if secure => tls
                .with_client_auth_cert(chain.clone(), key.clone_key())
                .map_err(|error| failed(error.into()))?,
            _ => tls.with_no_client_auth(),
        };
        reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .https_only(secure)
            // The environment's proxies are not ours to use, and redirects are followed where it is known
            // which host may see a credential.
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .connect_timeout(CONNECT_TIMEOUT)
            .user_agent(concat!("shipway/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| failed(error.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::print_stdout, reason = "a part that is skipped says so")]
    fn both_transports_are_made_without_a_default_provider() {
        for scheme in ["http", "https"] {
            if let Err(error) = Transports::new(Vec::new(), None).get(scheme) {
                assert_eq!((scheme, error.to_string().as_str()), ("https", "cannot set up TLS"));
                println!("skipped: needs certificates that the system trusts");
            }
        }
        assert!(rustls::crypto::CryptoProvider::get_default().is_none());
    }
}
