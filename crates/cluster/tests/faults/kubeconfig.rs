//! What a kubeconfig may say, and what is done of it.

use std::{fs, path::Path};

use serde_json::{Value, json};
use shipway_cluster::{Api, Cluster, Options};
use shipway_core::{Cancel, Context, ErrorKind, FixedCredentials, RunContext, World};

use crate::{
    id,
    server::{Reply, Server, context, good, kubeconfig, quick},
    settings,
};

async fn opened(kubeconfig: &Value) -> shipway_core::Result<Cluster> {
    Cluster::open_with(&context(&kubeconfig.to_string()), "test", quick()).await
}

fn with_user(mut kubeconfig: Value, user: Value) -> Value {
    kubeconfig["users"][0]["user"] = user;
    kubeconfig
}

#[tokio::test]
async fn a_context_is_named_and_never_guessed() {
    let cx = context(&kubeconfig(1).to_string());
    let error = Cluster::open(&cx, "tset").await.expect_err("another name");
    assert_eq!(error.kind(), ErrorKind::Config);
    assert_eq!(error.report().hint.as_deref(), Some("did you mean `test`?"));
    assert_eq!(Cluster::open(&cx, "production").await.expect_err("unknown").kind(), ErrorKind::NotFound);
    let cluster = Cluster::open(&cx, "test").await.expect("opened without connecting");
    assert_eq!((cluster.context(), cluster.namespace()), ("test", "shop"));
    assert!(!format!("{cluster:?}").contains("canary"));
}

#[tokio::test]
async fn a_kubeconfig_that_is_wrong_is_refused_without_its_secrets() {
    let base = || kubeconfig(1);
    let mut table = vec![("canary: [".to_owned(), "not valid")];
    let mut add = |change: &dyn Fn(&mut Value), text: &'static str| {
        let mut config = base();
        change(&mut config);
        table.push((config.to_string(), text));
    };
    add(&|c| c["users"][0]["user"]["token"] = json!({"canary": 1}), "not valid");
    add(&|c| c["users"] = json!([]), "names user `u`");
    add(&|c| c["clusters"] = json!([]), "names cluster `c`");
    add(&|c| c["contexts"] = json!([]), "no context `test`");
    add(&|c| c["clusters"][0]["cluster"]["server"] = "ftp://u:canary@h".into(), "`server`");
    add(&|c| c["clusters"][0]["cluster"]["server"] = Value::Null, "`server`");
    add(&|c| c["clusters"][0]["cluster"]["proxy-url"] = "canary".into(), "`proxy-url`");
    add(
        &|c| c["clusters"][0]["cluster"]["certificate-authority-data"] = "canary".into(),
        "certificate-authority",
    );
    add(
        &|c| c["users"][0]["user"]["client-certificate-data"] = "Y2FuYXJ5".into(),
        "one of client certificate",
    );
    add(&|c| c["users"][0]["user"]["token"] = "canary\ncanary".into(), "cannot be sent");
    add(&|c| c["users"][0]["user"]["auth-provider"] = json!({"name": "gcp"}), "`auth-provider` `gcp`");
    add(&|c| c["users"][0]["user"]["client-key"] = "/no/such/file".into(), "/no/such/file");
    for (text, expected) in table {
        let error = Cluster::open(&context(&text), "test").await.expect_err(expected);
        let report = format!("{error:?}");
        assert!(report.contains(expected) && !report.contains("canary"), "{text}: {report}");
    }
}

/// A world with a program that prints a token, another one each time.
fn world_of_programs(folder: &Path, kubeconfig: &Value) -> Context {
    let script = "#!/bin/sh\nset -e\ncd \"$FOLDER\"\necho run >> runs\nprintf '%s' \"$KUBERNETES_EXEC_INFO\" > info\n\
        printf '{\"kind\":\"ExecCredential\",\"status\":{\"token\":\"canary-%s\"}}' $(wc -l < runs)\n";
    fs::write(folder.join("login"), script).expect("written");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(folder.join("login"), mode).expect("set");
    let credentials = FixedCredentials::new().cluster("test", kubeconfig.to_string());
    let world =
        World::host(folder).credentials(credentials).env([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]);
    RunContext::new(world, "test").context(None, None, Cancel::new())
}

#[tokio::test]
async fn a_credential_program_runs_only_where_it_was_allowed() {
    let folder = tempfile::tempdir().expect("a folder");
    let token = |n: usize| format!("Bearer canary-{n}");
    let server = Server::start(move |seen, number| {
        // The first token expires after one answer.
        let good_one = token(if number == 0 { 1 } else { 2 });
        if seen.headers.get("authorization") == Some(&good_one) {
            good(&settings())
        } else {
            Reply::Whole(401, Vec::new(), String::new())
        }
    })
    .await;
    let exec = json!({"exec": {
        "apiVersion": "client.authentication.k8s.io/v1", "command": folder.path().join("login"), "args": ["x"],
        "env": [{"name": "FOLDER", "value": folder.path()}], "provideClusterInfo": true}});
    let config = with_user(server.kubeconfig(), exec);
    let cx = world_of_programs(folder.path(), &config);
    let error = Cluster::open(&cx, "test").await.expect_err("not allowed");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(format!("{error:?}").contains("Options::credential_programs"), "{error:?}");
    assert!(!folder.path().join("runs").exists());

    let cluster = Cluster::open_with(&cx, "test", quick().credential_programs(true)).await.expect("opened");
    assert!(!folder.path().join("runs").exists(), "nothing runs before it is needed");
    for _ in 0..3 {
        cluster.get(&cx, &id()).await.expect("let in");
    }
    // Once at first, and once when its token was not taken any more.
    assert_eq!(fs::read_to_string(folder.path().join("runs")).expect("ran"), "run\nrun\n");
    let info = fs::read_to_string(folder.path().join("info")).expect("told");
    let info: Value = serde_json::from_str(&info).expect("JSON");
    assert_eq!(info["spec"]["cluster"]["server"], config["clusters"][0]["cluster"]["server"]);
    assert_eq!(cx.masked("the canary-2 sings"), "the *** sings");
}

#[tokio::test]
async fn a_token_file_is_read_again_when_its_token_is_not_taken() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("token");
    fs::write(&path, "one\n").expect("written");
    let server = Server::start(|seen, number| {
        let expected = if number == 0 { "Bearer one" } else { "Bearer two" };
        let let_in = seen.headers.get("authorization").is_some_and(|header| header == expected);
        if let_in { good(&settings()) } else { Reply::Whole(401, Vec::new(), String::new()) }
    })
    .await;
    let config = with_user(server.kubeconfig(), json!({"tokenFile": path}));
    let cx = context(&config.to_string());
    let cluster = Cluster::open_with(&cx, "test", quick()).await.expect("opened");
    cluster.get(&cx, &id()).await.expect("let in");
    fs::write(&path, "two\n").expect("written");
    cluster.get(&cx, &id()).await.expect("let in");
    fs::write(&path, "three\n").expect("written");
    cluster.get(&cx, &id()).await.expect("still let in by what it knows");
}

#[tokio::test]
async fn passwords_and_other_identities_are_sent() {
    let server = Server::start(|_, _| good(&settings())).await;
    let user = json!({"username": "me", "password": "canary", "as": "you", "as-groups": ["a", "b"],
        "as-user-extra": {"some/key": ["x"]}});
    let cluster = opened(&with_user(server.kubeconfig(), user)).await.expect("opened");
    cluster.get(&server.context(), &id()).await.expect("there");
    let headers = &server.requests()[0].headers;
    assert_eq!(headers["authorization"], "Basic bWU6Y2FuYXJ5");
    assert_eq!(
        (headers["impersonate-user"].as_str(), headers["impersonate-extra-some%2fkey"].as_str()),
        ("you", "x")
    );
}

#[tokio::test]
async fn a_proxy_is_the_kubeconfigs() {
    // A tunnel would be asked for by CONNECT; the script sees whatever comes first.
    let proxy = Server::start(|_, _| Reply::Bytes("HTTP/1.1 403 X\r\n\r\n".to_owned())).await;
    let mut config = kubeconfig(1);
    config["clusters"][0]["cluster"]["server"] = "http://cluster.invalid:6443".into();
    config["clusters"][0]["cluster"]["proxy-url"] =
        format!("http://me:canary@127.0.0.1:{}", proxy.port).into();
    let cx = context(&config.to_string());
    let options = Options::new().patience(std::time::Duration::from_millis(100));
    let cluster = Cluster::open_with(&cx, "test", options).await.expect("opened");
    let error = cluster.get(&cx, &id()).await.expect_err("the proxy refuses");
    assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    let seen = &proxy.requests()[0];
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("CONNECT", "cluster.invalid:6443"));
    assert_eq!(seen.headers["proxy-authorization"], "Basic bWU6Y2FuYXJ5");
}
