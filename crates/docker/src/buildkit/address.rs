//! Where a buildkitd listens, and the connection to it.

use std::{error::Error as _, fmt, io, sync::Arc};

use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use shipway_core::{Error, ErrorKind, Result, Secret};
use tokio_rustls::TlsConnector;

use crate::{
    Endpoint,
    exchange::{Wire, dial},
};

/// Where a buildkitd listens.
///
/// ```
/// use shipway_docker::{BuildkitAddress, BuildkitTls};
///
/// let local = BuildkitAddress::new("unix:///run/buildkit/buildkitd.sock")?;
/// let remote = BuildkitAddress::new("tcp://builds.example:1234")?.tls(BuildkitTls::default());
/// # let _ = (local, remote);
/// # Ok::<(), shipway_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct BuildkitAddress {
    endpoint: Endpoint,
    tls: Option<BuildkitTls>,
}

/// How TLS is spoken to a buildkitd.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct BuildkitTls {
    /// The authorities that are trusted, in PEM; the system's when absent.
    pub authority: Option<String>,
    /// Our certificate, with those that it was issued by, and its key, in PEM.
    pub identity: Option<(String, Secret)>,
    /// The name in the certificate of buildkitd; the address' own when absent.
    pub server_name: Option<String>,
}

impl fmt::Debug for BuildkitTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BuildkitTls").field("server_name", &self.server_name).finish_non_exhaustive()
    }
}

impl BuildkitAddress {
    /// Returns the buildkitd at `unix:///path` or `tcp://host:port`.
    ///
    /// # Errors
    /// `Config` when the address has another form.
    pub fn new(endpoint: &str) -> Result<Self> {
        let endpoint = endpoint.parse().map_err(|_| {
            Error::config(format!("`{endpoint}` is not an address of a buildkitd"))
                .hint("write `unix:///run/buildkit/buildkitd.sock` or `tcp://host:1234`")
        })?;
        Ok(Self { endpoint, tls: None })
    }

    /// Speaks TLS to it.
    #[must_use]
    pub fn tls(mut self, tls: BuildkitTls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Connects.
    pub(super) async fn connect(&self) -> Result<Box<dyn Wire>> {
        let wire = dial(&self.endpoint).await.map_err(|error| self.unreachable(error))?;
        let Some(tls) = &self.tls else { return Ok(wire) };
        let name = tls.server_name.clone().unwrap_or_else(|| self.host());
        let name = ServerName::try_from(name.clone())
            .map_err(|_| Error::config(format!("`{name}` is no name of a server")))?;
        let connector = TlsConnector::from(Arc::new(tls.config()?));
        match connector.connect(name, wire).await {
            Ok(wire) => Ok(Box::new(wire)),
            Err(error) => Err(self.refused(&error)),
        }
    }

    fn host(&self) -> String {
        match &self.endpoint {
            Endpoint::Tcp(address) => {
                let host = address.rsplit_once(':').map_or(address.as_str(), |(host, _)| host);
                host.trim_start_matches('[').trim_end_matches(']').to_owned()
            }
            Endpoint::Unix(_) => "localhost".to_owned(),
        }
    }

    fn unreachable(&self, error: io::Error) -> Error {
        let denied = error.kind() == io::ErrorKind::PermissionDenied;
        let kind = if denied { ErrorKind::Auth } else { ErrorKind::Unavailable };
        Error::new(kind, format!("cannot reach buildkitd at `{self}`")).source(error).hint(if denied {
            "run with the right to use its socket"
        } else {
            "start it, or name the address at which it listens"
        })
    }

    fn refused(&self, error: &io::Error) -> Error {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        let text = format!("cannot speak TLS with buildkitd at `{self}`");
        match inner {
            Some(rustls::Error::InvalidMessage(_)) => Error::new(ErrorKind::Unavailable, text)
                .note(error.to_string())
                .hint("it may listen without TLS"),
            // What TLS refuses today it refuses in a second too.
            Some(_) => self.distrusted(&error.to_string()),
            None => Error::new(ErrorKind::Unavailable, text).note(error.to_string()),
        }
    }

    /// Returns the error for a connection that was lost.
    pub(super) fn lost(&self, error: &hyper::Error) -> Error {
        let cause = error.source().map_or_else(|| error.to_string(), ToString::to_string);
        // A server says after the handshake that it does not trust our certificate; of that error only the
        // text comes through HTTP/2.
        if self.tls.is_some() && cause.contains("fatal alert") {
            return self.distrusted(&cause);
        }
        Error::new(ErrorKind::Unavailable, format!("the connection to buildkitd at `{self}` was lost"))
            .note(cause)
            .hint(match self.tls {
                Some(_) => "see whether it still runs",
                None => "see whether it still runs, and whether it wants TLS",
            })
    }

    fn distrusted(&self, why: &str) -> Error {
        Error::new(ErrorKind::Auth, format!("cannot speak TLS with buildkitd at `{self}`"))
            .note(why)
            .hint("see whether `tls` has the authority of its certificate, and a certificate that it trusts")
    }
}

impl fmt::Display for BuildkitAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.endpoint.fmt(f)
    }
}

impl BuildkitTls {
    /// Checks what is given, for the options of whoever is given it.
    ///
    /// # Errors
    /// `Config` for what is not PEM.
    pub fn check(&self) -> Result<()> {
        self.config().map(drop)
    }

    fn config(&self) -> Result<rustls::ClientConfig> {
        let failed = |error: rustls::Error| {
            Error::new(ErrorKind::Unavailable, "cannot set up TLS").retry(false).source(error)
        };
        // The provider is given here, because a default for the whole process is the embedder's choice.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(failed)?;
        let tls = match &self.authority {
            Some(authority) => {
                let mut trusted = rustls::RootCertStore::empty();
                for certificate in certificates(authority)? {
                    trusted.add(certificate).map_err(|error| wrong("authority").source(error))?;
                }
                tls.with_root_certificates(trusted)
            }
            None => {
                let verifier = rustls_platform_verifier::Verifier::new(provider).map_err(failed)?;
                tls.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
            }
        };
        let mut tls = match &self.identity {
            Some((chain, key)) => {
                // What is wrong with a key is not told: it could show of it.
                let key = PrivateKeyDer::from_pem_slice(key.expose().as_bytes())
                    .map_err(|_| wrong("key of our certificate"))?;
                tls.with_client_auth_cert(certificates(chain)?, key)
                    .map_err(|_| wrong("key of our certificate"))?
            }
            None => tls.with_no_client_auth(),
        };
        tls.alpn_protocols = vec![b"h2".to_vec()];
        Ok(tls)
    }
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<std::result::Result<_, _>>()
        .map_err(|error| wrong("certificate").source(error))?;
    if found.is_empty() { Err(wrong("certificate")) } else { Ok(found) }
}

fn wrong(what: &str) -> Error {
    Error::config(format!("the {what} for buildkitd's TLS is not one in PEM"))
        .hint("give a PEM file: `-----BEGIN CERTIFICATE-----` and so on")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_host_for_the_certificate() {
        for (address, host) in [
            ("tcp://builds.example:1234", "builds.example"),
            ("tcp://[::1]:1234", "::1"),
            ("unix:///run/b.sock", "localhost"),
        ] {
            assert_eq!(BuildkitAddress::new(address).unwrap().host(), host);
        }
        for wrong in ["builds.example:1234", "docker-container://x", "tcp://x"] {
            let error = BuildkitAddress::new(wrong).unwrap_err();
            assert!(error.report().to_string().contains("buildkitd"), "{error:?}");
        }
    }

    #[test]
    fn what_is_not_pem_is_refused_and_not_shown() {
        let authority = BuildkitTls { authority: Some("nothing".to_owned()), ..BuildkitTls::default() };
        assert_eq!(authority.check().unwrap_err().kind(), ErrorKind::Config);
        let certified = rcgen::generate_simple_self_signed(["b.example".to_owned()]).unwrap();
        let identity = Some((certified.cert.pem(), Secret::from("-----BEGIN canary")));
        let error = BuildkitTls { identity, ..BuildkitTls::default() }.check().unwrap_err();
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    }
}
