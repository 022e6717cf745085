//! A login stays on its host, whatever a registry answers: a second server records what it is shown.

mod support;

use hyper::{Request, Response};
use shipway_core::{Cancel, Context, Digest, Error, ErrorKind, FixedCredentials, Login, Result, Tag};
use shipway_oci::{BlobReader, Client, Descriptor, Distribution, Label, RawManifest, RemoteRepository};
use support::{Body, LAYER, Seen, Server, context_with, descriptor, digest, reader, reply};
use tokio::io::AsyncReadExt;

const BASIC: &str = "Basic Y2k6aHVudGVyMg==";
const CONTENT: &[u8] = b"content";

#[derive(Clone, Copy, Debug, PartialEq)]
enum Scheme {
    Basic,
    Bearer,
}

/// Answers as a registry that wants a login and then sends its clients to the attacker.
fn lure(scheme: Scheme, attacker: &str, request: &Request<()>, seen: &Seen) -> Response<Body> {
    let host = request.headers()["host"].to_str().expect("text");
    let path = request.uri().path();
    let authorization = seen.authorization.as_deref();
    if path == "/token" {
        return match authorization {
            Some(BASIC) => reply(200, &[], r#"{"token":"t0ken"}"#),
            _ => reply(401, &[], ""),
        };
    }
    let evil = format!("http://{attacker}/evil");
    let (wanted, challenge) = match scheme {
        Scheme::Basic => (BASIC, "Basic realm=\"r\"".to_owned()),
        Scheme::Bearer if path.contains("/evil-realm/") => {
            ("Bearer t0ken", format!("Bearer realm=\"{evil}/token\",service=\"s\",scope=\"x\""))
        }
        Scheme::Bearer => {
            ("Bearer t0ken", format!("Bearer realm=\"http://{host}/token\",service=\"s\",scope=\"x\""))
        }
    };
    if authorization != Some(wanted) {
        return reply(401, &[("www-authenticate", &challenge)], "");
    }
    let own = format!("/v2/{}/blobs/uploads/1", path.split('/').nth(2).unwrap_or_default());
    match (request.method().as_str(), path) {
        ("GET", _) => reply(307, &[("location", &evil)], ""),
        ("HEAD", _) => reply(404, &[], ""),
        ("POST", path) if path.contains("/evil-mount-redirect/") && seen.path.contains("mount=") => {
            reply(307, &[("location", &evil)], "")
        }
        ("POST", path) if path.contains("/evil-mount/") => reply(202, &[("location", &evil)], ""),
        ("POST", path) if path.contains("/evil-busy/") => {
            reply(202, &[("location", &format!("{evil}/busy"))], "")
        }
        ("POST", path) if path.contains("/evil-login/") => {
            reply(202, &[("location", &format!("{evil}/login"))], "")
        }
        ("POST", path) if path.contains("/evil-start/") => reply(202, &[("location", &evil)], ""),
        ("POST", _) => reply(202, &[("location", &own)], ""),
        ("PATCH", path) if path.contains("/evil-next/") => reply(202, &[("location", &evil)], ""),
        ("PATCH", _) => reply(202, &[("location", &own)], ""),
        ("PUT", path) if path.contains("/evil-redirect/") => reply(307, &[("location", &evil)], ""),
        _ => reply(201, &[], ""),
    }
}

/// Takes everything, and asks for a login where that may work.
fn attack(request: &Request<()>, _: &Seen) -> Response<Body> {
    let host = request.headers()["host"].to_str().expect("text");
    match request.method().as_str() {
        "GET" if request.uri().path() == "/evil/token" => reply(200, &[], r#"{"token":"t0ken"}"#),
        "GET" | "HEAD" => reply(401, &[("www-authenticate", "Basic realm=\"r\"")], ""),
        "PATCH" | "PUT" if request.uri().path() == "/evil/login" => {
            let challenge = format!("Bearer realm=\"http://{host}/evil/token\",service=\"s\",scope=\"x\"");
            reply(401, &[("www-authenticate", &challenge)], "")
        }
        _ if request.uri().path() == "/evil/busy" => {
            reply(503, &[("www-authenticate", "Basic realm=\"r\"")], "")
        }
        "PATCH" => reply(202, &[("location", &format!("http://{host}/evil"))], ""),
        "PUT" => reply(201, &[], ""),
        _ => reply(401, &[("www-authenticate", "Basic realm=\"r\"")], ""),
    }
}

struct Trap {
    registry: Server,
    attacker: Server,
    cx: Context,
}

impl Trap {
    async fn set(scheme: Scheme) -> Self {
        let attacker = Server::start(attack).await;
        let evil = attacker.host.clone();
        let registry = Server::start(move |request, seen| lure(scheme, &evil, request, seen)).await;
        let login = FixedCredentials::new().login(registry.host.as_str(), Login::new("ci", "hunter2"));
        Self { registry, attacker, cx: context_with(login, Cancel::new()) }
    }

    fn repository(&self, path: &str) -> RemoteRepository {
        Client::new().repository(&self.cx, &format!("{}/{path}", self.registry.host)).expect("a repository")
    }
}

#[tokio::test]
#[expect(clippy::print_stdout, reason = "the figure is what the test is for")]
async fn a_login_is_for_its_host_alone_by_both_schemes_pulling_pushing_and_mounting() {
    let (mut vectors, mut shown) = (0, 0);
    for scheme in [Scheme::Basic, Scheme::Bearer] {
        let trap = Trap::set(scheme).await;
        let blob = descriptor(LAYER, CONTENT);

        let pulled = trap.repository("evil-pull").read_blob(&blob).await.map(|_| ());
        assert_eq!(pulled.expect_err("the attacker wants a login").kind(), ErrorKind::Auth);
        let pulled = trap.repository("evil-pull").manifest(&Label::Digest(digest(b"x"))).await;
        assert_eq!(pulled.expect_err("the attacker wants a login").kind(), ErrorKind::Auth);
        assert_eq!(trap.attacker.seen().len(), 2, "{scheme:?}");

        // Signed upload places are another host's in real registries too, so content goes there.
        trap.repository("evil-start").write_blob(&blob, reader(CONTENT)).await.expect("taken");
        trap.repository("evil-start").write_new_blob(reader(CONTENT)).await.expect("taken");
        trap.repository("evil-next").write_new_blob(reader(CONTENT)).await.expect("taken");
        let methods: Vec<String> = trap.attacker.seen().into_iter().map(|seen| seen.method).collect();
        assert_eq!(methods[2..], ["PUT", "PATCH", "PUT", "PUT"], "{scheme:?}");

        let redirected = trap.repository("evil-redirect").write_blob(&blob, reader(CONTENT)).await;
        assert_eq!(redirected.expect_err("content is not redirected").kind(), ErrorKind::BadOutput);
        let manifest = trap.repository("evil-redirect").write_manifest("a/b", "{}".into(), None).await;
        assert_eq!(manifest.expect_err("a manifest is not redirected").kind(), ErrorKind::BadOutput);

        // What the upload's place is asked about how far it came, it is asked without a login too.
        let impatient = Client::builder().attempts(2).build().expect("a client");
        let busy = format!("{}/evil-busy", trap.registry.host);
        let busy = impatient.repository(&trap.cx, &busy).expect("a repository");
        assert!(busy.write_new_blob(reader(CONTENT)).await.is_err());
        assert!(busy.write_blob(&blob, reader(CONTENT)).await.is_err());

        let source = Held(trap.registry.host.clone());
        trap.repository("evil-mount").copy_blob(&blob, &source).await.expect("sent");
        trap.repository("evil-mount-redirect").copy_blob(&blob, &source).await.expect("sent to the registry");
        trap.repository("evil-start").copy_blob(&blob, &source).await.expect("sent");

        // Pulled in two ways, pushed in seven, mounted in three.
        vectors += 12;
        shown += trap.attacker.credentials();
        assert!(trap.registry.credentials() > 0, "the registry itself is shown the login");
        assert_eq!(trap.attacker.credentials(), 0, "{scheme:?}: {:?}", trap.attacker.seen());
        let bodies = trap.attacker.seen().into_iter().map(|seen| seen.body).collect::<String>();
        assert!(!bodies.contains("hunter2") && !bodies.contains("t0ken"));
    }
    println!(
        "M6: {vectors} ways by Basic and Bearer, pulling, pushing and mounting: {shown} credentials elsewhere"
    );
}

/// A repository of the registry that has the content, read without the registry.
#[derive(Debug)]
struct Held(String);

#[async_trait::async_trait]
impl Distribution for Held {
    fn place(&self) -> Option<(&str, &str)> {
        Some((&self.0, "other"))
    }

    async fn manifest(&self, _: &Label) -> Result<Option<RawManifest>> {
        Ok(None)
    }

    async fn has_blob(&self, _: &Descriptor) -> Result<bool> {
        Ok(true)
    }

    async fn read_blob(&self, _: &Descriptor) -> Result<BlobReader> {
        Ok(reader(CONTENT))
    }

    async fn write_blob(&self, _: &Descriptor, _: BlobReader) -> Result<()> {
        Err(Error::unsupported("it is only read"))
    }

    async fn write_new_blob(&self, _: BlobReader) -> Result<(Digest, u64)> {
        Err(Error::unsupported("it is only read"))
    }

    async fn write_manifest(&self, _: &str, _: bytes::Bytes, _: Option<&Tag>) -> Result<Digest> {
        Err(Error::unsupported("it is only read"))
    }
}

#[tokio::test]
async fn another_host_has_no_say_in_how_the_registry_is_logged_in_to() {
    for scheme in [Scheme::Basic, Scheme::Bearer] {
        let trap = Trap::set(scheme).await;
        let repository = trap.repository("evil-login");
        let pushed = repository.write_new_blob(reader(CONTENT)).await;
        assert_eq!(pushed.expect_err("the attacker refuses").kind(), ErrorKind::Auth, "{scheme:?}");
        let pushed = repository.write_blob(&descriptor(LAYER, CONTENT), reader(CONTENT)).await;
        assert_eq!(pushed.expect_err("the attacker refuses").kind(), ErrorKind::Auth, "{scheme:?}");
        let asked: Vec<String> = trap.attacker.seen().into_iter().map(|seen| seen.method).collect();
        assert_eq!(asked, ["PATCH", "PUT"], "{scheme:?}: no token was asked for there");
        assert_eq!(trap.attacker.credentials(), 0, "{scheme:?}");
    }
}

#[tokio::test]
async fn a_token_server_of_another_host_is_asked_without_the_login() {
    let trap = Trap::set(Scheme::Bearer).await;
    // It gives a token that anybody may have, which happens to be good.
    assert!(!trap.repository("evil-realm").has_blob(&descriptor(LAYER, b"x")).await.expect("asked"));
    let seen = trap.attacker.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].path, "/evil/token?service=s&scope=x");
    assert_eq!(trap.attacker.credentials(), 0);
}

#[tokio::test]
async fn a_host_that_looks_like_the_one_of_a_login_is_not_it() {
    let attacker = Server::start(attack).await;
    let (name, port) = attacker.host.split_once(':').expect("a port");
    let login = || Login::new("ci", "hunter2");
    let mut credentials = FixedCredentials::new().login(name, login());
    for host in [
        format!("{name}:{}", &port[..port.len() - 1]),
        format!("{name}:{port}0"),
        format!("localhost:{port}"),
    ] {
        credentials = credentials.login(host, login());
    }
    let cx = context_with(credentials, Cancel::new());
    let repository = Client::new().repository(&cx, &format!("{}/web", attacker.host)).expect("a repository");
    let error = repository.has_blob(&descriptor(LAYER, b"x")).await.expect_err("there is no login");
    assert_eq!(error.kind(), ErrorKind::Auth);
    assert!(error.report().hint.as_deref().is_some_and(|hint| hint.contains(&attacker.host)));
    assert_eq!(attacker.credentials(), 0);
}

#[tokio::test]
async fn a_login_that_is_not_good_is_one_auth_error_and_a_token_is_used_again() {
    let registry = Server::start(|_, _| reply(401, &[("www-authenticate", "Basic realm=\"r\"")], "")).await;
    let login = FixedCredentials::new().login(registry.host.as_str(), Login::new("ci", "wrong"));
    let cx = context_with(login, Cancel::new());
    let repository = Client::new().repository(&cx, &format!("{}/web", registry.host)).expect("a repository");
    let error = repository.has_blob(&descriptor(LAYER, b"x")).await.expect_err("refused");
    assert_eq!((error.kind(), error.may_retry()), (ErrorKind::Auth, false));
    assert!(!format!("{error:?}").contains("wrong"), "{error:?}");
    assert_eq!(registry.seen().len(), 2);

    let trap = Trap::set(Scheme::Bearer).await;
    let repository = trap.repository("web");
    for _ in 0..3 {
        assert!(!repository.has_blob(&descriptor(LAYER, b"x")).await.expect("asked"));
    }
    let tokens = trap.registry.seen().iter().filter(|seen| seen.path.starts_with("/token")).count();
    assert_eq!(tokens, 1);
}

#[tokio::test]
async fn a_registry_cannot_send_us_just_anywhere() {
    for location in
        ["http://169.254.169.254/latest/meta-data", "file:///etc/passwd", "http://r.example/x", "::"]
    {
        let registry = Server::start(move |_, _| reply(307, &[("location", location)], "")).await;
        let cx = context_with(FixedCredentials::new(), Cancel::new());
        let repository =
            Client::new().repository(&cx, &format!("{}/web", registry.host)).expect("a repository");
        let error = repository.has_blob(&descriptor(LAYER, b"x")).await.expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::BadOutput, "{location}: {error:?}");
    }
    // Round and round.
    let registry = Server::start(|_, _| reply(307, &[("location", "/v2/again")], "")).await;
    let cx = context_with(FixedCredentials::new(), Cancel::new());
    let repository = Client::new().repository(&cx, &format!("{}/web", registry.host)).expect("a repository");
    let error = repository.has_blob(&descriptor(LAYER, b"x")).await.expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::BadOutput);
    assert_eq!(registry.seen().len(), 6);
    // A redirect that is fine is followed.
    let registry = Server::start(|request, _| match request.uri().path() {
        "/there" => reply(200, &[], CONTENT),
        _ => reply(302, &[("location", "/there")], ""),
    })
    .await;
    let repository = Client::new().repository(&cx, &format!("{}/web", registry.host)).expect("a repository");
    let mut content = repository.read_blob(&descriptor(LAYER, CONTENT)).await.expect("there");
    let mut read = Vec::new();
    content.read_to_end(&mut read).await.expect("read");
    assert_eq!(read, CONTENT);
}
