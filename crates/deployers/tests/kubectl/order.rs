//! What comes when: waves, what is being removed, and definitions whose objects are others'.

use std::time::Duration;

use serde_json::{Value, json};
use shipway_cluster::{Api, Apply};
use shipway_core::{Desired, ErrorKind, Verb};

use crate::{
    skip::skip,
    stage::{Stage, settings, told},
};

const WAVE: &str = "argocd.argoproj.io/sync-wave";

fn in_wave(mut object: Value, wave: &str) -> String {
    object["metadata"]["annotations"] = json!({ WAVE: wave });
    object.to_string()
}

fn config_map(name: &str, wave: &str) -> String {
    in_wave(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}), wave)
}

fn pod(name: &str, image: &str, script: &str, wave: &str) -> String {
    let container = json!({"name": "main", "image": image, "command": ["sh", "-c", script],
        "readinessProbe": {"exec": {"command": ["test", "-e", "/ready"]}, "periodSeconds": 1}});
    let spec =
        json!({"restartPolicy": "Never", "terminationGracePeriodSeconds": 0, "containers": [container]});
    in_wave(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}), wave)
}

#[tokio::test]
async fn a_wave_begins_when_the_one_before_works_and_not_when_it_failed() {
    let test = "a_wave_begins_when_the_one_before_works_and_not_when_it_failed";
    let Ok(registry) = std::env::var("SHIPWAY_KUBE_REGISTRY") else {
        return skip(test, "a registry of the cluster: SHIPWAY_KUBE_REGISTRY");
    };
    let Some(stage) = Stage::up(test).await else { return };
    let image = format!("{registry}/bases/busybox:local");
    stage.write(&[
        ("a.json", config_map("last", "2")),
        ("b.json", pod("works", &image, "sleep 1; touch /ready; sleep 600", "-1")),
        ("c.json", config_map("next", "0")),
    ]);
    stage.release().await.unwrap();
    let version = async |id| -> u64 {
        let object = stage.get(&id).await.expect("there");
        // Of an object that nobody writes again it is when it was made.
        object["metadata"]["resourceVersion"].as_str().and_then(|text| text.parse().ok()).unwrap()
    };
    let works = stage.bed.id("v1", "Pod", "works");
    assert_eq!(stage.get(&works).await.unwrap()["status"]["phase"], "Running");
    // The pod was written for the last time when it became ready.
    assert!(version(works).await < version(stage.id("next")).await);
    assert!(version(stage.id("next")).await < version(stage.id("last")).await);

    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key"},
        "stringData": {"key": "the very secret key"}});
    stage.write(&[
        ("a.json", config_map("never", "2")),
        ("b.json", pod("fails", &image, "echo it is the very secret key; exit 3", "1")),
        ("c.json", secret.to_string()),
    ]);
    let error = stage.release().await.unwrap_err();
    assert!(error.kind() == ErrorKind::Unhealthy && told(&error).contains("fails"), "{}", told(&error));
    assert!(!told(&error).contains("very secret") && told(&error).contains("it is"), "{}", told(&error));
    assert_eq!(stage.get(&stage.id("never")).await, None);
    stage.down().await;
}

#[tokio::test]
async fn what_is_being_removed_is_waited_for_and_made_anew() {
    let Some(stage) = Stage::up("what_is_being_removed_is_waited_for_and_made_anew").await else { return };
    let id = stage.id("held");
    let mut held = stage.bed.settings("held", json!({}));
    held["metadata"]["finalizers"] = json!(["test.example/hold"]);
    stage.bed.cluster.apply(&stage.cx, "holder", &held, Apply::default()).await.unwrap();
    stage.bed.cluster.delete(&stage.cx, &id, None).await.unwrap();
    stage.write(&[settings("held", "red")]);
    let manifests = stage.render().await;
    let changes = stage.diff(&Desired::Released { manifests, share: 100 }).await.unwrap();
    let shown = changes.changes.iter().find(|change| change.object.name == "held").unwrap();
    assert!(shown.verb == Verb::Create && shown.diff.starts_with("# it is made anew"), "{}", shown.diff);
    let let_go = async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        held["metadata"]["finalizers"] = json!([]);
        stage.bed.cluster.apply(&stage.cx, "holder", &held, Apply::default()).await.unwrap();
    };
    let (applied, ()) = tokio::join!(stage.release(), let_go);
    applied.unwrap();
    let made = stage.get(&id).await.unwrap();
    assert_eq!(
        (&made["data"], &made["metadata"]["deletionTimestamp"]),
        (&json!({"colour": "red"}), &Value::Null)
    );
    stage.down().await;
}

#[tokio::test]
async fn a_definition_stays_while_it_has_objects_of_others() {
    let Some(stage) = Stage::up("a_definition_stays_while_it_has_objects_of_others").await else { return };
    let group = format!("{}.example", stage.bed.namespace);
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("ships.{group}")},
        "spec": {"group": group, "scope": "Namespaced", "names": {"kind": "Ship", "plural": "ships"},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]},
    });
    let ship = |name: &str| {
        json!({"apiVersion": format!("{group}/v1"), "kind": "Ship",
            "metadata": {"name": name, "namespace": stage.bed.namespace}})
    };
    stage.write(&[("a.json", definition.to_string()), ("b.json", ship("ours").to_string())]);
    let deployment = stage.release().await.unwrap();
    stage.bed.cluster.apply(&stage.cx, "other", &ship("theirs"), Apply::default()).await.unwrap();
    stage.reach(Desired::Absent(deployment.clone())).await.unwrap();
    let id = |name: &str| stage.bed.id(&format!("{group}/v1"), "Ship", name);
    assert_eq!(stage.get(&id("ours")).await, None);
    assert!(stage.get(&id("theirs")).await.is_some());

    // Once it is needed by nothing else it goes, and is gone when that is said.
    let deployment = stage.release().await.unwrap();
    stage.bed.cluster.delete(&stage.cx, &id("theirs"), None).await.unwrap();
    stage.reach(Desired::Absent(deployment)).await.unwrap();
    let definition = shipway_core::ObjectId::new(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        format!("ships.{group}"),
    );
    assert_eq!(stage.get(&definition).await, None);
    stage.down().await;
}
