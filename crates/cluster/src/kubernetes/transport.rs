//! The connections to an API server: HTTP/1.1, kept open and used again, over our own TLS.
//!
//! `kube`'s own stack is not used: it installs a TLS provider for the whole process, takes proxies from the
//! environment, reads tokens and runs credential programs past the context, and limits nothing.

use std::{sync::Arc, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderMap, HeaderValue, Request, Uri, header};
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{
        Client as Pool,
        connect::{
            Connect, HttpConnector,
            proxy::{SocksV5, Tunnel},
        },
    },
    rt::{TokioExecutor, TokioTimer},
};
use kube::{
    Client,
    client::{Body, middleware::BaseUriLayer},
};
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    sign::{CertifiedKey, SingleCertAndKey},
};
use shipway_core::{Error, ErrorKind, Result};
use tower::{Layer, ServiceExt};
use tower_http::decompression::DecompressionLayer;

use super::{
    config::{Endpoint, Identity, Trust},
    credential::Authorization,
};

/// The longest that one address is tried for.
const CONNECT: Duration = Duration::from_secs(10);

/// How long a connection is idle before its other end is asked whether it is still there.
const KEEPALIVE: Duration = Duration::from_secs(20);

/// How long a connection is kept for the next request.
const IDLE: Duration = Duration::from_secs(90);

/// Returns the client; connects to nobody yet.
pub(super) fn client(endpoint: &Endpoint, authorization: Arc<Authorization>) -> Result<Client> {
    let Some(proxy) = &endpoint.proxy else {
        return Ok(over(secure(endpoint, plain())?, endpoint, authorization));
    };
    match proxy.scheme_str() {
        Some("socks5") => {
            Ok(over(secure(endpoint, SocksV5::new(proxy.clone(), plain()))?, endpoint, authorization))
        }
        Some("https") => {
            // The proxy's certificate is for its own name, and it is not shown ours.
            let tls = tls(&Trust::System, None)?;
            let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_only().enable_http1();
            let tunnel = tunnel(proxy, connector.wrap_connector(plain()));
            Ok(over(secure(endpoint, tunnel)?, endpoint, authorization))
        }
        _ => Ok(over(secure(endpoint, tunnel(proxy, plain()))?, endpoint, authorization)),
    }
}

fn plain() -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_connect_timeout(Some(CONNECT));
    connector.set_keepalive(Some(KEEPALIVE));
    connector.set_keepalive_interval(Some(KEEPALIVE));
    connector.set_keepalive_retries(Some(3));
    connector.set_nodelay(true);
    connector
}

fn tunnel<C>(proxy: &Uri, connector: C) -> Tunnel<C> {
    let tunnel = Tunnel::new(proxy.clone(), connector);
    let user = proxy.authority().and_then(|authority| authority.as_str().rsplit_once('@'));
    let header = user
        .and_then(|(user, _)| HeaderValue::from_str(&format!("Basic {}", BASE64_STANDARD.encode(user))).ok());
    match header {
        Some(header) => tunnel.with_auth(header),
        None => tunnel,
    }
}

fn secure<C>(endpoint: &Endpoint, connector: C) -> Result<HttpsConnector<C>> {
    let tls = if endpoint.server.scheme_str() == Some("https") {
        tls(&endpoint.trust, endpoint.identity.as_ref())?
    } else {
        // Trusts nobody: it never sees an `https` URL.
        tls(&Trust::Authorities(Vec::new()), None)?
    };
    let builder = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
    let builder = match &endpoint.server_name {
        Some(name) => {
            let name = ServerName::try_from(name.clone()).map_err(|_| {
                Error::config(format!("the `tls-server-name` `{name}` in the kubeconfig is not a name"))
            })?;
            builder.with_server_name_resolver(FixedServerNameResolver::new(name))
        }
        None => builder,
    };
    Ok(builder.enable_http1().wrap_connector(connector))
}

fn over<C>(connector: C, endpoint: &Endpoint, authorization: Arc<Authorization>) -> Client
where
    C: Connect + Clone + Send + Sync + 'static,
{
    let pool: Pool<C, Body> = Pool::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .build(connector);
    let headers = endpoint.headers.clone();
    let service = pool.map_request(move |request| with_headers(request, &headers, &authorization));
    let service = DecompressionLayer::new().gzip(endpoint.compression).layer(service);
    Client::new(BaseUriLayer::new(endpoint.server.clone()).layer(service), endpoint.namespace.clone())
}

fn with_headers(mut request: Request<Body>, own: &HeaderMap, authorization: &Authorization) -> Request<Body> {
    const AGENT: HeaderValue = HeaderValue::from_static(concat!("shipway/", env!("CARGO_PKG_VERSION")));
    let headers = request.headers_mut();
    headers.insert(header::USER_AGENT, AGENT);
    if let Some(value) = authorization.header() {
        headers.insert(header::AUTHORIZATION, value);
    }
    for (name, value) in own {
        headers.append(name, value.clone());
    }
    request
}

fn tls(trust: &Trust, identity: Option<&Identity>) -> Result<ClientConfig> {
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| {
        Error::new(ErrorKind::Config, "cannot set up TLS for the cluster")
            .hint("see whether the certificates and the key in the kubeconfig belong together")
            .source(error)
    };
    // The provider is given here, because a default for the whole process is the embedder's choice.
    let provider = Arc::new(ring::default_provider());
    let tls = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(error.into()))?;
    let signer = provider.key_provider;
    let tls = match trust {
        Trust::System => {
            let verifier = rustls_platform_verifier::Verifier::new(provider);
            let verifier = verifier.map_err(|error| failed(error.into()))?;
            tls.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
        }
        Trust::Authorities(authorities) => {
            let mut roots = RootCertStore::empty();
            for authority in authorities {
                roots.add(authority.clone()).map_err(|error| failed(error.into()))?;
            }
            tls.with_root_certificates(roots)
        }
        Trust::Anybody => tls.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider))),
    };
    match identity {
        Some((chain, key)) => {
            let key = signer.load_private_key(key.clone_key()).map_err(|error| failed(error.into()))?;
            // Not `with_client_auth_cert`: it refuses certificates of X.509's first version, which `openssl x509`
            // makes, and API servers take.
            let known = SingleCertAndKey::from(CertifiedKey::new(chain.clone(), key));
            Ok(tls.with_client_cert_resolver(Arc::new(known)))
        }
        None => Ok(tls.with_no_client_auth()),
    }
}

/// Takes every certificate, as `insecure-skip-tls-verify` says.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
