//! TLS as a kubeconfig describes it, on a server that is one.

use std::sync::Arc;

use base64::{Engine, prelude::BASE64_STANDARD};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{RootCertStore, ServerConfig, server::WebPkiClientVerifier};
use serde_json::{Value, json};
use shipway_cluster::{Api, Cluster};
use shipway_core::ErrorKind;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

use crate::{
    id,
    server::{context, kubeconfig, quick},
};

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).expect("names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a certificate")
}

fn issued(authority: &Authority, name: &str) -> (rcgen::Certificate, KeyPair) {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec![name.to_owned()]).expect("names");
    (params.signed_by(&key, authority).expect("a certificate"), key)
}

/// A server of the name `api.internal` that has nothing, for those that the authority knows.
async fn serve(authority: &Authority) -> u16 {
    let (certificate, key) = issued(authority, "api.internal");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).expect("a root");
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(&provider));
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_client_cert_verifier(verifier.build().expect("a verifier"))
        .with_single_cert(vec![certificate.der().clone()], key.serialize_der().try_into().expect("a key"))
        .expect("a configuration");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut bytes = [0; 4096];
            let _ = stream.read(&mut bytes).await;
            let _ =
                stream.write_all(b"HTTP/1.1 404 X\r\nconnection: close\r\ncontent-length: 0\r\n\r\n").await;
            let _ = stream.shutdown().await;
        }
    });
    port
}

#[tokio::test]
async fn both_sides_show_their_certificates() {
    let (ours, other) = (authority(), authority());
    let port = serve(&ours).await;
    let pem = |text: String| Value::from(BASE64_STANDARD.encode(text));
    let (certificate, key) = issued(&ours, "somebody");
    let (foreign, foreign_key) = issued(&other, "somebody");
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("ca.pem"), ours.pem()).expect("written");
    let good_user = json!({"client-certificate-data": pem(certificate.pem()), "client-key-data": pem(key.serialize_pem())});
    let foreign_user = json!({"client-certificate-data": pem(foreign.pem()), "client-key-data": pem(foreign_key.serialize_pem())});
    let name = "api.internal";
    let table = [
        (
            "known to each other",
            json!({"certificate-authority-data": pem(ours.pem()), "tls-server-name": name}),
            &good_user,
            true,
        ),
        (
            "an authority in a file",
            json!({"certificate-authority": folder.path().join("ca.pem"), "tls-server-name": name}),
            &good_user,
            true,
        ),
        ("nobody vouches", json!({"insecure-skip-tls-verify": true}), &good_user, true),
        (
            "another authority",
            json!({"certificate-authority-data": pem(other.pem()), "tls-server-name": name}),
            &good_user,
            false,
        ),
        ("another name", json!({"certificate-authority-data": pem(ours.pem())}), &good_user, false),
        ("the system's authorities", json!({"tls-server-name": name}), &good_user, false),
        ("a user of another authority", json!({"insecure-skip-tls-verify": true}), &foreign_user, false),
        ("no user", json!({"insecure-skip-tls-verify": true}), &json!({}), false),
    ];
    for (what, mut cluster, user, fine) in table {
        cluster["server"] = format!("https://127.0.0.1:{port}").into();
        let mut config = kubeconfig(1);
        config["clusters"][0]["cluster"] = cluster;
        config["users"][0]["user"] = user.clone();
        let cx = context(&config.to_string());
        let options = quick().patience(std::time::Duration::from_millis(50));
        let cluster = Cluster::open_with(&cx, "test", options).await.expect(what);
        let answer = cluster.get(&cx, &id()).await;
        match fine {
            true => assert_eq!(answer.expect(what), None, "{what}"),
            // A machine without any authorities cannot set up TLS with them.
            false => {
                let kind = answer.expect_err(what).kind();
                assert!([ErrorKind::Unavailable, ErrorKind::Config].contains(&kind), "{what}: {kind}");
            }
        }
    }
    assert!(
        rustls::crypto::CryptoProvider::get_default().is_none(),
        "the process's provider is its own choice"
    );
}
