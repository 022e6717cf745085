//! A buildkitd that is played here: what is said of one that does not answer as it must, and TLS.

use std::{convert::Infallible, io, pin::Pin, sync::Arc, task::Poll};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::{
    HeaderMap, Request, Response,
    body::{Body, Frame, Incoming},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, pem::PemObject};
use shipway_core::{Cancel, CancelReason, ErrorKind, RunContext, Secret, Stage, World};
use shipway_docker::{Buildkit, BuildkitAddress, BuildkitTls, SolveSpec};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

use crate::context;

/// What a call is answered with: the bytes of its body, and the status after it, if there is one.
type Answers = fn(&str) -> (Vec<u8>, Option<(&'static str, &'static str)>);

async fn serve(wire: impl AsyncRead + AsyncWrite + Unpin, answers: Answers) {
    let service = service_fn(move |request: Request<Incoming>| async move {
        let path = request.uri().path().to_owned();
        if path.ends_with("/Session") || answers(&path).0 == b"silence" {
            // Until the other side goes.
            let _ = request.into_body().collect().await;
            std::future::pending::<()>().await;
        }
        let (bytes, status) = answers(&path);
        // What claims to be as long as that does not come.
        let endless = bytes.starts_with(HUGE);
        let mut frames = vec![Frame::data(Bytes::from(bytes))];
        if let (Some((code, text)), false) = (status, endless) {
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", code.parse().unwrap());
            trailers.insert("grpc-message", text.parse().unwrap());
            frames.push(Frame::trailers(trailers));
        }
        Ok::<_, Infallible>(Response::new(Frames(frames.into_iter(), endless)))
    });
    let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    let _ = builder.serve_connection(TokioIo::new(wire), service).await;
}

/// Frames, and whether nothing comes after them, not even an end.
struct Frames(std::vec::IntoIter<Frame<Bytes>>, bool);

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.0.next() {
            Some(frame) => Poll::Ready(Some(Ok(frame))),
            None if self.1 => Poll::Pending,
            None => Poll::Ready(None),
        }
    }
}

/// Starts one, and returns its address.
async fn start(answers: Answers) -> BuildkitAddress {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("tcp://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((wire, _)) = listener.accept().await {
            tokio::spawn(serve(wire, answers));
        }
    });
    BuildkitAddress::new(&address).unwrap()
}

fn framed(message: &[u8]) -> Vec<u8> {
    let mut framed = vec![0];
    framed.extend((message.len() as u32).to_be_bytes());
    framed.extend_from_slice(message);
    framed
}

/// The beginning of a message of 4 GiB.
const HUGE: &[u8] = b"\0\xff\xff\xff\xff";

const OK: Option<(&str, &str)> = Some(("0", ""));

/// `InfoResponse` with a version.
fn info(_: &str) -> (Vec<u8>, Option<(&'static str, &'static str)>) {
    (framed(b"\x0a\x09\x12\x07v0.31.2"), OK)
}

#[tokio::test]
async fn its_version_is_read_and_what_is_none_is_said() {
    let cx = context();
    let buildkit = Buildkit::connect(&cx, &start(info).await).await.unwrap();
    assert_eq!(buildkit.version(&cx).await.unwrap(), "v0.31.2");
    for (answers, kind) in [
        ((|_| (Vec::new(), Some(("14", "away")))) as Answers, ErrorKind::Unavailable),
        (|_| (framed(b"\x0a\x09"), OK), ErrorKind::BadOutput),
        (|_| (framed(b"\x0a\x00"), None), ErrorKind::BadOutput),
        (|_| (HUGE.to_vec(), OK), ErrorKind::BadOutput),
        (|_| (b"<html>".to_vec(), None), ErrorKind::BadOutput),
        (|_| (Vec::new(), OK), ErrorKind::BadOutput),
    ] {
        let buildkit = Buildkit::connect(&cx, &start(answers).await).await.unwrap();
        let error = buildkit.version(&cx).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error:?}");
    }
    let old = start(|_| (Vec::new(), Some(("12", "unknown method")))).await;
    assert_eq!(Buildkit::connect(&cx, &old).await.unwrap().version(&cx).await.unwrap(), "");
}

#[tokio::test]
async fn nobody_there_and_somebody_else_are_unavailable() {
    let cx = context();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("tcp://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = Buildkit::connect(&cx, &BuildkitAddress::new(&address).unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let text = error.report().to_string();
    assert!(text.contains(&address) && text.contains("start it"), "{text}");
}

#[tokio::test]
async fn a_build_says_what_it_failed_of_and_a_stopped_one_ends() {
    let cx = context();
    let solve = |answers: Answers| async move {
        let address = start(answers).await;
        let buildkit = Buildkit::connect(&context(), &address).await.unwrap();
        buildkit.solve(&context(), &SolveSpec::new("Dockerfile", "r.example/web:1")).await
    };
    let error = solve(|path| match path {
        "/moby.buildkit.v1.Control/Solve" => {
            (Vec::new(), Some(("2", "process \"/bin/sh -c x\" did not complete: exit code: 7%0Amore")))
        }
        _ => (Vec::new(), OK),
    })
    .await
    .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ToolFailed);
    let text = error.report().to_string();
    assert!(text.contains("exit code: 7\n") && text.contains("more"), "{text}");
    // No digest, and one that is none.
    for answer in [(|_| (framed(b""), OK)) as Answers, |_| (framed(b"\x0a\x03\x0a\x01x"), OK)] {
        assert_eq!(solve(answer).await.unwrap_err().kind(), ErrorKind::BadOutput);
    }

    let cancel = Cancel::new();
    let stopped = RunContext::new(World::host("/"), "stop").context(None, None, cancel.clone());
    let address = start(|_| (b"silence".to_vec(), None)).await;
    let buildkit = Buildkit::connect(&cx, &address).await.unwrap();
    let stopping = async {
        tokio::task::yield_now().await;
        cancel.escalate(Stage::Forced, CancelReason::Asked);
    };
    let spec = SolveSpec::new("Dockerfile", "r.example/web:1");
    let (built, ()) = tokio::join!(buildkit.solve(&stopped, &spec), stopping);
    assert_eq!(built.unwrap_err().kind(), ErrorKind::Cancelled);
}

/// An authority, and a certificate and key that it issued for a name.
struct Issued {
    authority: String,
    certificate: String,
    key: String,
}

fn issue(name: &str) -> Issued {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&key).unwrap();
    let issuer = Issuer::new(params, key);
    let own = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new([name.to_owned()]).unwrap().signed_by(&own, &issuer).unwrap();
    Issued { authority: authority.pem(), certificate: certificate.pem(), key: own.serialize_pem() }
}

/// Starts one with TLS, which wants certificates of this authority if it wants any.
async fn start_secure(server: &Issued, clients: Option<&Issued>) -> String {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match clients {
        Some(clients) => {
            let mut roots = rustls::RootCertStore::empty();
            roots.add(PemObject::from_pem_slice(clients.authority.as_bytes()).unwrap()).unwrap();
            builder.with_client_cert_verifier(
                rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                    .build()
                    .unwrap(),
            )
        }
        None => builder.with_no_client_auth(),
    };
    let chain = vec![PemObject::from_pem_slice(server.certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(server.key.as_bytes()).unwrap();
    let mut config = builder.with_single_cert(chain, key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("tcp://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((wire, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let wire = acceptor.accept(wire).await?;
                serve(wire, info).await;
                Ok::<_, io::Error>(())
            });
        }
    });
    address
}

#[tokio::test]
async fn tls_is_for_both_sides_and_says_who_is_not_trusted() {
    let (server, client) = (issue("builds.example"), issue("client.example"));
    let address = start_secure(&server, Some(&client)).await;
    let tls = |authority: &Issued, identity: Option<&Issued>, name: Option<&str>| {
        let mut tls = BuildkitTls::default();
        tls.authority = Some(authority.authority.clone());
        tls.identity = identity.map(|own| (own.certificate.clone(), Secret::from(own.key.clone())));
        tls.server_name = name.map(str::to_owned);
        tls
    };
    let cx = context();
    let ask = |tls: BuildkitTls| {
        let (cx, address) = (cx.clone(), BuildkitAddress::new(&address).unwrap().tls(tls));
        async move { Buildkit::connect(&cx, &address).await?.version(&cx).await }
    };
    let name = Some("builds.example");
    assert_eq!(ask(tls(&server, Some(&client), name)).await.unwrap(), "v0.31.2");
    for (what, tls) in [
        ("another authority", tls(&client, Some(&client), name)),
        ("another name", tls(&server, Some(&client), None)),
        ("no certificate of ours", tls(&server, None, name)),
        ("a certificate that is not trusted", tls(&server, Some(&server), name)),
    ] {
        let error = ask(tls).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Auth, "{what}: {error:?}");
        assert!(error.report().to_string().contains("TLS"), "{what}: {error:?}");
    }
    // One side alone speaks it.
    let plain = BuildkitAddress::new(&address).unwrap();
    let error = match Buildkit::connect(&cx, &plain).await {
        Ok(buildkit) => buildkit.version(&cx).await.unwrap_err(),
        Err(error) => error,
    };
    assert!(error.report().to_string().contains("TLS"), "{error:?}");
    let secure = start(info).await.tls(tls(&server, None, name));
    let error = Buildkit::connect(&cx, &secure).await.unwrap_err();
    assert!(error.report().to_string().contains("TLS"), "{error:?}");
}
