//! F9: k of n objects were applied, for every k, and then it was over.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use shipway_cluster::{Api, Apply};
use shipway_core::{Deployer, Desired};

use crate::{
    cluster::kubeconfig,
    proxy::{Asked, Fault, Proxy},
    skip::skip,
    stage::{Stage, context, settings, told},
};

const TEST: &str = "what_was_applied_in_part_is_finished_or_put_back";

/// How many objects the second release writes: all that the first has but `old`, and `fresh`.
const OBJECTS: usize = 6;

/// How long an apply may take that comes to nothing.
const PATIENCE: Duration = Duration::from_secs(3);

fn object(version: &str, kind: &str, name: &str, more: &Value) -> (&'static str, String) {
    let mut object = json!({"apiVersion": version, "kind": kind, "metadata": {"name": name}});
    for (field, value) in more.as_object().unwrap() {
        object[field] = value.clone();
    }
    (Box::leak(format!("{name}.json").into_boxed_str()), object.to_string())
}

/// Returns the manifests of a release of this colour.
pub(crate) fn manifests(colour: &str, own: &str) -> Vec<(&'static str, String)> {
    let labels = json!({"app": "shop"});
    let port = |name: &str, port: u16| json!({"name": name, "port": port});
    let ports = if colour == "blue" {
        json!([port("http", 80)])
    } else {
        json!([port("http", 81), port("admin", 82)])
    };
    let container = json!({"name": "main", "image": format!("registry.example/shop:{colour}")});
    let pod = json!({"metadata": {"labels": labels}, "spec": {"containers": [container]}});
    vec![
        settings("one", colour),
        settings("two", colour),
        settings(own, colour),
        object("v1", "Secret", "key", &json!({"stringData": {"colour": colour}})),
        object("v1", "Service", "web", &json!({"spec": {"selector": labels, "ports": ports}})),
        object(
            "apps/v1",
            "Deployment",
            "app",
            &json!({"spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": pod}}),
        ),
    ]
}

/// Gives others a part of objects of the release, and an object.
async fn others(stage: &Stage) {
    let metadata = |name: &str| json!({"name": name, "namespace": stage.bed.namespace, "labels": {"theirs": "yes"}, "annotations": {"their": "note"}});
    let config = [
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata("one"), "data": {"theirs": "grey"}}),
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata("key")}),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata("web"),
            "spec": {"ports": [{"port": 9000, "name": "theirs"}]}}),
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata("app"),
            "spec": {"minReadySeconds": 3}}),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata("foreign"), "data": {"colour": "grey"}}),
    ];
    for config in config {
        stage.bed.cluster.apply(&stage.cx, "somebody", &config, Apply::default()).await.unwrap();
    }
}

/// Lets this many objects be written, and breaks what is written after them, the mark that all is there included.
fn only(proxy: &Proxy, most: usize, fault: &Fault) {
    let (written, fault) = (Arc::new(Mutex::new(BTreeSet::new())), fault.clone());
    proxy.set(move |asked: &Asked| {
        let mut written = written.lock().unwrap();
        if asked.applies() && (written.contains(&asked.path) || written.len() < most) {
            written.insert(asked.path.clone());
            return Fault::None;
        }
        let marks = asked.method == "PUT" && asked.is_about("secrets") && written.len() == most;
        if asked.applies() || marks && most == OBJECTS { fault.clone() } else { Fault::None }
    });
}

/// Releases what the folder has, breaks it after so many objects, and returns the change set.
async fn break_after(stage: &Stage, proxy: &Proxy, most: usize, fault: &Fault) -> shipway_core::ChangeSet {
    let changes = stage.plan().await.unwrap();
    assert_eq!(changes.changes.len(), OBJECTS + 1, "{changes:#?}");
    only(proxy, most, fault);
    let error = stage.kubectl.apply(&stage.cx.within(Some(PATIENCE)), &changes).await.unwrap_err();
    assert!(error.may_retry() || error.to_string().contains("deadline"), "{}", told(&error));
    proxy.mend();
    // Nobody waits for who is gone.
    assert_eq!(stage.holder().await, None);
    changes
}

async fn broken_after(most: usize, fault: Fault) {
    let place = format!("{most} of {OBJECTS}, {fault:?}");
    let (mut stage, proxy) = Stage::behind_a_proxy(TEST).await.unwrap();
    stage.write(&manifests("blue", "old"));
    let first = stage.release().await.unwrap();
    stage.reach(Desired::Settled(first.clone())).await.unwrap();
    others(&stage).await;
    let before = stage.objects().await;
    assert_eq!(before.len(), OBJECTS + 1, "{place}");

    // It is put back: what is ours, as it was, and nothing else.
    stage.write(&manifests("red", "fresh"));
    break_after(&stage, &proxy, most, &fault).await;
    if most > 0 {
        assert_ne!(stage.objects().await, before, "{place}");
    }
    let known = stage.kubectl.history(&stage.cx, "shop").await.unwrap();
    let earlier = known.into_iter().find(|known| known.manifests == first.manifests).unwrap();
    stage.reach(Desired::Restored(earlier)).await.unwrap();
    let after = stage.objects().await;
    for name in before.keys().chain(after.keys()) {
        assert_eq!(after.get(name), before.get(name), "{place}: {name}");
    }

    // It is finished, by another process with the same changes.
    let changes = break_after(&stage, &proxy, most, &fault).await;
    let (_, name) = kubeconfig().unwrap();
    stage.cx = context(&name, &proxy.kubeconfig(), &stage.folder);
    let done = stage.kubectl.apply(&stage.cx, &changes).await.unwrap();
    assert_eq!(stage.changes().await.unwrap(), [""; 0], "{place}");
    assert_eq!(stage.history().await[0], done.revision, "{place}");
    stage.reach(Desired::Settled(done)).await.unwrap();
    let after = stage.objects().await;
    let names = |objects: &std::collections::BTreeMap<String, Value>| -> Vec<String> {
        objects.keys().map(|name| name.replace("old", "fresh")).collect()
    };
    let (mut is, mut was) = (names(&after), names(&before));
    is.sort();
    was.sort();
    assert_eq!(is, was, "{place}");
    assert_eq!(after["ConfigMap one"]["data"], json!({"colour": "red", "theirs": "grey"}), "{place}");
    assert_eq!(after["ConfigMap foreign"], before["ConfigMap foreign"], "{place}");
    assert_eq!(after["Service web"]["spec"]["ports"].as_array().unwrap().len(), 3, "{place}");
    assert_eq!(after["Deployment app"]["spec"]["minReadySeconds"], 3, "{place}");
    stage.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_applied_in_part_is_finished_or_put_back() {
    if kubeconfig().is_none() {
        return skip(TEST, "a cluster: SHIPWAY_KUBECONFIG");
    }
    let faults = [Fault::Answer(500), Fault::Refuse, Fault::Lose];
    let all = faults.iter().flat_map(|fault| (0..=OBJECTS).map(|most| broken_after(most, fault.clone())));
    // They wait for most of the time.
    stream::iter(all).for_each_concurrent(11, |one| one).await;
}
