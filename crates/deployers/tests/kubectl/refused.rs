//! What is refused before anything changes.

use std::time::{Duration, Instant};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use shipway_cluster::Api;
use shipway_core::{Context, Desired, Error, ErrorKind};
use shipway_deployers::Kubectl;

use crate::{
    cluster::kubeconfig,
    stage::{Stage, context, settings, told},
};

/// All that a release of config maps takes: of which group, which kind, and what with it.
const RIGHTS: [(&str, &str, &[&str]); 3] = [
    ("", "configmaps", &["get", "list", "create", "patch", "delete"]),
    ("", "secrets", &["get", "list", "create", "update", "delete"]),
    ("coordination.k8s.io", "leases", &["get", "create", "update", "delete"]),
];

/// Returns the context of somebody who has all rights in the namespace that a release takes, but for one.
async fn somebody_without(stage: &Stage, verb: &str, plural: &str) -> Context {
    let (cluster, cx) = (&stage.bed.cluster, &stage.bed.cx);
    let name = format!("no-{verb}-{plural}");
    let own = |kind: &str, version: &str| json!({"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": stage.bed.namespace}});
    let rules: Vec<Value> = RIGHTS
        .iter()
        .map(|(group, kind, verbs)| {
            let verbs: Vec<_> = verbs.iter().filter(|has| *kind != plural || **has != verb).collect();
            json!({"apiGroups": [group], "resources": [kind], "verbs": verbs})
        })
        .collect();
    let group = "rbac.authorization.k8s.io";
    let mut role = own("Role", &format!("{group}/v1"));
    role["rules"] = rules.into();
    let mut binding = own("RoleBinding", &format!("{group}/v1"));
    binding["roleRef"] = json!({"apiGroup": group, "kind": "Role", "name": name});
    binding["subjects"] = json!([{"kind": "ServiceAccount", "name": name, "namespace": stage.bed.namespace}]);
    let mut token = own("Secret", "v1");
    token["type"] = "kubernetes.io/service-account-token".into();
    token["metadata"]["annotations"] = json!({"kubernetes.io/service-account.name": name});
    for object in [own("ServiceAccount", "v1"), role, binding, token] {
        cluster.create(cx, "test", &object).await.unwrap();
    }
    let begun = Instant::now();
    let token = loop {
        let secret = stage.get(&stage.bed.id("v1", "Secret", &name)).await.unwrap();
        if let Some(token) = secret["data"]["token"].as_str() {
            break String::from_utf8(STANDARD.decode(token).unwrap()).unwrap();
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "no token of {name}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let (text, name) = kubeconfig().unwrap();
    context(&name, &with_token(&text, &token), &stage.folder)
}

/// Returns the kubeconfig with a token for who one is.
fn with_token(kubeconfig: &str, token: &str) -> String {
    let documents = shipway_yaml::parse("kubeconfig", kubeconfig).unwrap();
    let mut kubeconfig = documents[0].to_json(shipway_yaml::Rules::Manifest).unwrap();
    for user in kubeconfig["users"].as_array_mut().unwrap() {
        user["user"] = json!({ "token": token });
    }
    kubeconfig.to_string()
}

/// Returns how it is refused, once the API server knows of the role.
async fn refusal(stage: &Stage, desired: &Desired, says: &str) -> Error {
    let begun = Instant::now();
    loop {
        let error = match stage.diff(desired).await {
            Ok(changes) => panic!("`{says}` is not said: {:#?}", changes.changes),
            Err(error) => error,
        };
        if told(&error).contains(says) || begun.elapsed() > Duration::from_secs(5) {
            return error;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn what_one_may_not_do_is_refused_before_anything_changes() {
    let test = "what_one_may_not_do_is_refused_before_anything_changes";
    let Some(mut stage) = Stage::up(test).await else { return };
    let all = stage.cx.clone();
    // A release of which something changes, comes and goes.
    stage.write(&[settings("one", "blue"), settings("two", "blue")]);
    let first = stage.release().await.unwrap();
    stage.write(&[settings("one", "red"), settings("three", "red")]);
    let released = Desired::Released { manifests: stage.render().await, share: 100 };
    let says = |verb: &str, plural: &str| {
        let kind = match plural {
            "configmaps" => "ConfigMap",
            _ => "Secret",
        };
        format!("you may not {verb} a {kind} in namespace")
    };
    for (verb, plural, desired, says) in [
        // The dry run of what changes needs it, too.
        ("patch", "configmaps", released.clone(), "grant `patch` of `configmaps`".to_owned()),
        ("create", "configmaps", released.clone(), says("create", "configmaps")),
        ("create", "secrets", released.clone(), says("create", "secrets")),
        ("update", "secrets", released.clone(), says("update", "secrets")),
        ("delete", "configmaps", Desired::Absent(first.clone()), says("delete", "configmaps")),
        ("delete", "secrets", Desired::Absent(first.clone()), says("delete", "secrets")),
        ("list", "configmaps", released.clone(), "grant `list` of `configmaps`".to_owned()),
        ("list", "secrets", released.clone(), "grant `list` of `secrets`".to_owned()),
    ] {
        let before = stage.objects().await;
        stage.cx = somebody_without(&stage, verb, plural).await;
        let error = refusal(&stage, &desired, &says).await;
        stage.cx = all.clone();
        assert_eq!(error.kind(), ErrorKind::Auth, "{verb} {plural}: {}", told(&error));
        assert!(told(&error).contains(&says), "{verb} {plural}: {}", told(&error));
        let mut after = stage.objects().await;
        after.retain(|name, _| !name.starts_with("Secret no-"));
        let before: Vec<_> = before.iter().filter(|(name, _)| !name.starts_with("Secret no-")).collect();
        assert_eq!(after.iter().collect::<Vec<_>>(), before, "{verb} {plural}");
        assert_eq!(stage.history().await, ["1"], "{verb} {plural}");
    }
    // All of it together is enough.
    stage.cx = somebody_without(&stage, "nothing", "at-all").await;
    let begun = Instant::now();
    let done = loop {
        match stage.reach(released.clone()).await {
            Err(error) if error.kind() == ErrorKind::Auth && begun.elapsed() < Duration::from_secs(5) => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            done => break done.unwrap(),
        }
    };
    stage.reach(Desired::Settled(done.clone())).await.unwrap();
    stage.reach(Desired::Absent(done)).await.unwrap();
    stage.down().await;
}

#[tokio::test]
async fn what_has_no_cluster_or_no_kind_is_refused_before_anything_changes() {
    let test = "what_has_no_cluster_or_no_kind_is_refused_before_anything_changes";
    let Some(mut stage) = Stage::up(test).await else { return };
    let (text, name) = kubeconfig().unwrap();
    stage.write(&[settings("one", "blue")]);
    let known = stage.kubectl.clone();
    for (context_name, text, kind, says) in [
        ("elsewhere".to_owned(), text.clone(), ErrorKind::NotFound, "elsewhere"),
        (
            name.clone(),
            text.replace(&format!("\"{name}\""), "\"elsewhere\""),
            ErrorKind::Config,
            "has no context",
        ),
    ] {
        stage.kubectl =
            Kubectl::new(context_name.as_str()).namespace(stage.bed.namespace.as_str()).manifests(["k8s"]);
        let (all, configured) = (stage.cx.clone(), context(&name, &text, &stage.folder));
        stage.cx = configured;
        let error = stage.changes().await.unwrap_err();
        stage.cx = all;
        assert_eq!(error.kind(), kind, "{}", told(&error));
        assert!(told(&error).contains(says), "{}", told(&error));
    }
    stage.kubectl = known;
    let nothing = json!({"apiVersion": "no.such/v1", "kind": "Thing", "metadata": {"name": "a"}});
    stage.write(&[settings("one", "blue"), ("z.json", nothing.to_string())]);
    let error = stage.changes().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(told(&error).contains("no kind `Thing` in `no.such/v1`"), "{}", told(&error));
    assert!(stage.objects().await.is_empty());
    stage.down().await;
}
