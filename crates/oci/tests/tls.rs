//! TLS with authorities and certificates of our own, on a server that is one.

mod support;

use std::sync::Arc;

use http_body_util::Full;
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{RootCertStore, ServerConfig, server::WebPkiClientVerifier};
use shipway_core::ErrorKind;
use shipway_oci::{Client, Distribution, HostOptions};
use support::{LAYER, context, descriptor};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).expect("names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a certificate")
}

fn issued(authority: &Authority) -> (rcgen::Certificate, KeyPair) {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec!["localhost".to_owned()]).expect("names");
    (params.signed_by(&key, authority).expect("a certificate"), key)
}

/// A registry on `localhost` that has every blob; with `clients`, only for those that this authority
/// knows.
async fn serve(authority: &Authority, clients: Option<&Authority>) -> String {
    let (certificate, key) = issued(authority);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("versions");
    let config = match clients {
        Some(clients) => {
            let mut roots = RootCertStore::empty();
            roots.add(clients.der().clone()).expect("a root");
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
            config.with_client_cert_verifier(verifier.build().expect("a verifier"))
        }
        None => config.with_no_client_auth(),
    };
    let key = key.serialize_der().try_into().expect("a key");
    let config = config.with_single_cert(vec![certificate.der().clone()], key).expect("a configuration");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let host = format!("localhost:{}", listener.local_addr().expect("an address").port());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let service = service_fn(async |_: Request<Incoming>| {
                    Ok::<_, std::convert::Infallible>(Response::new(Full::<bytes::Bytes>::default()))
                });
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    host
}

async fn reaches(client: &Client, host: &str) -> shipway_core::Result<bool> {
    let repository = client.repository(&context(), &format!("{host}/web")).expect("a repository");
    repository.has_blob(&descriptor(LAYER, b"")).await
}

#[tokio::test]
async fn an_authority_is_trusted_where_the_embedder_says_so() {
    let (ours, other) = (authority(), authority());
    let host = serve(&ours, None).await;
    let secure = || HostOptions::new().tls();

    let client = Client::builder().host(&host, secure().authority(ours.pem())).build().expect("a client");
    assert!(reaches(&client, &host).await.expect("trusted"));
    let client = Client::builder().host(&host, secure()).authority(ours.pem()).build().expect("a client");
    assert!(reaches(&client, &host).await.expect("trusted"));

    let elsewhere = HostOptions::new().authority(ours.pem());
    for client in [
        Client::builder().host(&host, secure()),
        Client::builder().host(&host, secure().authority(other.pem())),
        // What is trusted for one host is not for another.
        Client::builder().host(&host, secure()).host("other.example", elsewhere),
    ] {
        let client = client.build().expect("a client");
        let error = tokio::time::timeout(std::time::Duration::from_secs(2), reaches(&client, &host));
        let error = error.await.expect("at once").expect_err("not trusted");
        assert_eq!((error.kind(), error.may_retry()), (ErrorKind::Unavailable, false), "{error:?}");
        assert!(error.report().causes.iter().any(|cause| cause.contains("certificate")), "{error:?}");
    }
    // A certificate is for a name.
    let by_address = host.replace("localhost", "127.0.0.1");
    let client =
        Client::builder().host(&by_address, secure().authority(ours.pem())).build().expect("a client");
    assert!(reaches(&client, &by_address).await.is_err());
}

#[tokio::test]
async fn a_certificate_of_ours_is_shown_to_its_host() {
    let (ours, clients) = (authority(), authority());
    let host = serve(&ours, Some(&clients)).await;
    let options = || HostOptions::new().tls().authority(ours.pem());
    let (certificate, key) = issued(&clients);
    let known = options().identity(certificate.pem(), key.serialize_pem());
    let client = Client::builder().host(&host, known).build().expect("a client");
    assert!(reaches(&client, &host).await.expect("known"));
    let client = Client::builder().host(&host, options()).attempts(1).build().expect("a client");
    assert!(reaches(&client, &host).await.is_err());
}
