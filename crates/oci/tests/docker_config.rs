//! Logins of a Docker configuration: the file, helpers that are programs, and hosts that ask.

mod support;

use std::{os::unix::fs::PermissionsExt, path::Path, sync::Arc};

use hyper::StatusCode;
use shipway_core::{
    Cancel, Context, ErrorKind, FixedCredentials, Level, Login, LoginKind, Record, RunContext, SecretId,
    World,
};
use shipway_oci::{Client, Distribution, DockerConfig, HostOptions};
use support::{LAYER, Server, descriptor, reply};
use tempfile::TempDir;

/// A helper that notes what it is asked and answers with a script's words.
#[expect(clippy::disallowed_methods, reason = "the test makes a program")]
fn helper(folder: &Path, name: &str, script: &str) {
    let path = folder.join(format!("docker-credential-{name}"));
    let log = folder.join("asked").display().to_string();
    let text = format!("#!/bin/sh\nread -r server\necho \"$1 $server\" >> {log}\n{script}\n");
    std::fs::write(&path, text).expect("written");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("executable");
}

#[expect(clippy::disallowed_methods, reason = "the test looks at the real disk")]
fn asked(folder: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(folder.join("asked")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[expect(clippy::disallowed_methods, reason = "the test writes what is read")]
fn bed(config: &serde_json::Value) -> (TempDir, Context, Arc<Record>) {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("config.json"), config.to_string()).expect("written");
    let path = format!("{}:/usr/bin:/bin", folder.path().display());
    let credentials = DockerConfig::new("config.json").beside(
        FixedCredentials::new().secret("npm", "s3cret").login("beside.example", Login::new("a", "b")),
    );
    let sink = Arc::new(Record::new());
    let world = World::host(folder.path())
        .credentials(credentials)
        .env([("PATH".to_owned(), path)])
        .sink(Arc::clone(&sink) as _);
    let cx = RunContext::new(world, "test").context(None, None, Cancel::new());
    (folder, cx, sink)
}

#[tokio::test]
async fn a_helper_is_asked_only_for_hosts_in_use_and_once_a_while() {
    let (folder, cx, sink) = bed(&serde_json::json!({
        "auths": { "plain.example": { "auth": "dXNlcjpwdw==" } },
        "credHelpers": {
            "right.example": "right", "token.example": "token", "none.example": "none",
            "broken.example": "broken", "odd.example": "odd", "endless.example": "endless",
            "missing.example": "missing", "docker.io": "right", "https://index.docker.io/v1/": "hub"
        }
    }));
    let right = r#"echo '{"ServerURL":"x","Username":"ci","Secret":"hunter2"}'"#;
    for (name, script) in [
        ("right", right),
        ("token", r#"echo '{"Username":"<token>","Secret":"refresh"}'"#),
        ("none", "echo 'credentials not found in native keychain'; exit 1"),
        ("broken", "echo hunter3; echo 'no key' >&2; exit 2"),
        ("odd", "echo '\"hunter3\"'"),
        ("endless", "exec cat /dev/zero"),
        ("hub", r#"echo '{"Username":"hub","Secret":"pw"}'"#),
    ] {
        helper(folder.path(), name, script);
    }
    let login = async |host: &str| cx.login(host).await;
    let found = login("right.example").await.expect("asked").expect("there");
    assert_eq!(
        (found.username.as_str(), found.password.expose(), found.kind),
        ("ci", "hunter2", LoginKind::Password)
    );
    login("right.example").await.expect("known");
    assert_eq!(asked(folder.path()), ["get right.example"]);
    let token = login("token.example").await.expect("asked").expect("there");
    assert_eq!((token.password.expose(), token.kind), ("refresh", LoginKind::IdentityToken));
    assert!(login("none.example").await.expect("asked").is_none());
    for (host, kind) in [
        ("broken.example", ErrorKind::ToolFailed),
        ("odd.example", ErrorKind::BadOutput),
        ("endless.example", ErrorKind::BadOutput),
        ("missing.example", ErrorKind::MissingTool),
    ] {
        let error = login(host).await.expect_err(host);
        assert_eq!(error.kind(), kind, "{error:?}");
        assert!(!format!("{error:?}").contains("hunter3"), "{error:?}");
    }
    assert_eq!(login("docker.io").await.expect("asked").expect("there").username, "hub");
    assert!(asked(folder.path()).contains(&"get https://index.docker.io/v1/".to_owned()));

    // No helper is for these.
    let before = asked(folder.path()).len();
    assert_eq!(login("plain.example").await.expect("read").expect("there").username, "user");
    assert_eq!(login("beside.example").await.expect("read").expect("there").username, "a");
    assert!(login("unknown.example").await.expect("read").is_none());
    assert_eq!(asked(folder.path()).len(), before);
    let npm = SecretId::parse("npm").expect("an id");
    assert_eq!(cx.secret(&npm).await.expect("there").expose(), "s3cret");
    assert_eq!(cx.cluster("prod").await.expect_err("none").kind(), ErrorKind::NotFound);

    // What was given is hidden from then on.
    cx.message(Level::Info, "it is hunter2 and refresh");
    let all = format!("{:?}", sink.events());
    assert!(!all.contains("it is hunter2") && !all.contains("refresh"), "{all}");
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the test takes the file away")]
async fn without_the_file_there_are_no_logins_but_those_beside_it() {
    let (folder, cx, _) = bed(&serde_json::json!({}));
    std::fs::remove_file(folder.path().join("config.json")).expect("removed");
    assert!(cx.login("r.example").await.expect("nothing is wrong").is_none());
    assert_eq!(cx.login("beside.example").await.expect("asked").expect("there").username, "a");
    // What is there and cannot be read is wrong.
    std::fs::create_dir(folder.path().join("config.json")).expect("made");
    assert!(cx.login("other.example").await.is_err());
}

#[tokio::test]
async fn an_identity_token_is_shown_to_the_token_server_that_belongs_to_the_host() {
    // Takes the form of a refresh token and gives a token for it.
    let token_server = |good: &'static str| {
        Server::start(move |request, seen| {
            match (request.method().as_str(), seen.body.contains("refresh_token=refresh")) {
                ("POST", true) if seen.body.contains("grant_type=refresh_token") => {
                    reply(200, &[], format!(r#"{{"token":"","access_token":"{good}"}}"#))
                }
                ("GET", _) => reply(200, &[], r#"{"token":"anonymous"}"#),
                _ => reply(401, &[], ""),
            }
        })
    };
    let own = token_server("good").await;
    let evil = token_server("evil").await;
    for (realm, options, wanted, fine) in [
        (&own, HostOptions::new().token_server(format!("http://{}", own.host)), "good", true),
        (&own, HostOptions::new(), "good", false),
        (&evil, HostOptions::new().token_server(format!("http://{}", own.host)), "evil", false),
    ] {
        let realm_url = format!("http://{}/token", realm.host);
        let registry = Server::start(move |_, seen| match seen.authorization.as_deref() {
            Some(token) if token == format!("Bearer {wanted}") => reply(404, &[], ""),
            _ => {
                let challenge =
                    format!("Bearer realm=\"{realm_url}\",service=\"s\",scope=\"repository:web:pull\"");
                let mut refusal = reply(200, &[("www-authenticate", &challenge)], "");
                *refusal.status_mut() = StatusCode::UNAUTHORIZED;
                refusal
            }
        })
        .await;
        let (_folder, cx, _) = bed(&serde_json::json!({
            "auths": { registry.host.clone(): { "identitytoken": "refresh" } }
        }));
        let client = Client::builder().host(registry.host.as_str(), options).build().expect("a client");
        let repository = client.repository(&cx, &format!("{}/web", registry.host)).expect("a repository");
        let answer = repository.has_blob(&descriptor(LAYER, b"x")).await;
        assert_eq!(answer.is_ok(), fine, "{answer:?}");
        if !fine {
            assert_eq!(answer.expect_err("refused").kind(), ErrorKind::Auth);
        }
    }
    let leaked = evil
        .seen()
        .iter()
        .filter(|seen| seen.body.contains("refresh") || seen.authorization.is_some())
        .count();
    assert_eq!(leaked, 0);
    let asked: Vec<String> =
        own.seen().into_iter().filter(|seen| seen.method == "POST").map(|seen| seen.body).collect();
    assert_eq!(
        asked,
        [
            "grant_type=refresh_token&client_id=shipway&service=s&scope=repository%3Aweb%3Apull&refresh_token=refresh"
        ]
    );
}
