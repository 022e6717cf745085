//! The life of a release in a real cluster.

use serde_json::json;
use shipway_cluster::{Api, Apply, managers};
use shipway_core::{Deployer, Desired, ErrorKind};

use crate::{
    cluster::kubeconfig,
    stage::{Stage, context, settings, told},
};

#[tokio::test]
async fn a_release_lives_and_goes_and_another_process_goes_on() {
    let Some(stage) = Stage::up("a_release_lives_and_goes_and_another_process_goes_on").await else { return };
    stage.write(&[settings("one", "blue"), settings("two", "blue")]);
    assert_eq!(stage.changes().await.unwrap(), ["create one", "create two", "create shipway.shop.v1"]);
    assert_eq!(stage.maps().await, [""; 0], "a diff changes nothing");
    let first = stage.release().await.unwrap();
    assert_eq!(stage.changes().await.unwrap(), [""; 0], "there is nothing to do");
    stage.reach(Desired::Settled(first.clone())).await.unwrap();

    // Another process, by the cluster alone.
    let (text, name) = kubeconfig().unwrap();
    let other = context(&name, &text, &stage.folder);
    let known = stage.kubectl.history(&other, "shop").await.unwrap();
    assert_eq!(known, std::slice::from_ref(&first));

    stage.write(&[settings("one", "red"), settings("three", "red")]);
    assert_eq!(stage.changes().await.unwrap(), ["update one", "create three", "create shipway.shop.v2"]);
    let second = stage.release().await.unwrap();
    assert_eq!(
        stage.maps().await,
        ["one", "three", "two"],
        "what went stays until the release has proved itself"
    );
    stage.reach(Desired::Settled(second)).await.unwrap();
    assert_eq!(stage.maps().await, ["one", "three"]);
    assert_eq!(stage.history().await, ["2", "1"]);

    let back = stage.reach(Desired::Restored(first.clone())).await.unwrap();
    assert_eq!(back.manifests, first.manifests);
    assert_eq!(stage.maps().await, ["one", "two"]);
    assert_eq!(stage.get(&stage.id("one")).await.unwrap()["data"], json!({"colour": "blue"}));

    let changes = stage.kubectl.diff(&other, &Desired::Absent(known[0].clone())).await.unwrap();
    stage.kubectl.apply(&other, &changes).await.unwrap();
    assert_eq!(stage.maps().await, [""; 0]);
    assert_eq!(stage.history().await, [""; 0]);
    assert_eq!(stage.get(&stage.bed.id("v1", "Secret", "shipway.shop")).await, None);
    stage.down().await;
}

#[tokio::test]
async fn what_somebody_else_owns_is_named_and_never_forced() {
    let Some(stage) = Stage::up("what_somebody_else_owns_is_named_and_never_forced").await else { return };
    let cluster = &stage.bed.cluster;
    stage.write(&[settings("one", "blue")]);
    stage.release().await.unwrap();
    // A field of ours that somebody edited.
    let mut edited = stage.get(&stage.id("one")).await.unwrap();
    edited["data"]["colour"] = "green".into();
    cluster.update(&stage.cx, "kubectl-edit", &edited).await.unwrap();
    let error = stage.changes().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(told(&error).contains("kubectl-edit") && told(&error).contains("colour"), "{}", told(&error));
    assert_eq!(stage.get(&stage.id("one")).await.unwrap()["data"]["colour"], "green");

    // A whole object that was there before.
    stage.write(&[settings("theirs", "blue")]);
    let theirs = stage.bed.settings("theirs", json!({"colour": "grey"}));
    cluster.apply(&stage.cx, "argocd-controller", &theirs, Apply::default()).await.unwrap();
    let error = stage.changes().await.unwrap_err();
    assert!(
        told(&error).contains("is not this release's") && told(&error).contains("argocd-controller"),
        "{error:?}"
    );

    // The world that moves between the look and the write.
    stage.write(&[settings("one", "green"), settings("fresh", "blue")]);
    let manifests = stage.render().await;
    let changes = stage.diff(&Desired::Released { manifests, share: 100 }).await.unwrap();
    let fresh = stage.bed.settings("fresh", json!({"colour": "grey"}));
    cluster.apply(&stage.cx, "somebody", &fresh, Apply::default()).await.unwrap();
    let error = stage.kubectl.apply(&stage.cx, &changes).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(stage.get(&stage.id("fresh")).await.unwrap()["data"]["colour"], "grey");
    stage.down().await;
}

#[tokio::test]
async fn what_kubectl_applied_from_a_client_is_adopted() {
    let Some(stage) = Stage::up("what_kubectl_applied_from_a_client_is_adopted").await else { return };
    let mut theirs = stage.bed.settings("one", json!({"colour": "grey", "old": "1"}));
    theirs["metadata"]["annotations"] = json!({"kubectl.kubernetes.io/last-applied-configuration": "{}"});
    stage.bed.cluster.create(&stage.cx, "kubectl-client-side-apply", &theirs).await.unwrap();
    stage.write(&[settings("one", "blue")]);
    assert_eq!(stage.changes().await.unwrap(), ["update one", "create shipway.shop.v1"]);
    stage.release().await.unwrap();
    let object = stage.get(&stage.id("one")).await.unwrap();
    assert_eq!(object["data"], json!({"colour": "blue"}), "what is not in the manifests went");
    assert_eq!(object["metadata"].get("annotations"), None);
    let owners: Vec<String> = managers(&object).unwrap().into_iter().map(|owner| owner.manager).collect();
    assert!(owners.iter().all(|owner| owner == "shipway"), "{owners:?}");
    assert_eq!(stage.changes().await.unwrap(), [""; 0]);
    stage.down().await;
}

#[tokio::test]
async fn a_kind_and_its_objects_come_in_one_release() {
    let Some(stage) = Stage::up("a_kind_and_its_objects_come_in_one_release").await else { return };
    let group = format!("{}.example.org", stage.bed.namespace);
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("things.{group}")},
        "spec": {
            "group": group, "scope": "Namespaced", "names": {"plural": "things", "kind": "Thing"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object", "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}}}}}],
        },
    });
    // Before its definition, as files are sorted.
    let thing = json!({"apiVersion": format!("{group}/v1"), "kind": "Thing", "metadata": {"name": "a"}, "spec": {"size": 1}});
    stage.write(&[("a.json", thing.to_string()), ("b.json", definition.to_string())]);
    let deployment = stage.release().await.unwrap();
    let id = stage.bed.id(&format!("{group}/v1"), "Thing", "a");
    assert_eq!(stage.get(&id).await.unwrap()["spec"]["size"], 1);
    assert_eq!(stage.changes().await.unwrap(), [""; 0]);
    stage.reach(Desired::Absent(deployment)).await.unwrap();
    assert_eq!(stage.get(&id).await, None);
    // A kind that nobody defines.
    stage.write(&[(
        "a.json",
        json!({"apiVersion": "no.such/v1", "kind": "Thing", "metadata": {"name": "a"}}).to_string(),
    )]);
    let error = stage.changes().await.unwrap_err();
    assert!(told(&error).contains("no kind `Thing` in `no.such/v1`"), "{}", told(&error));
    stage.down().await;
}

#[tokio::test]
async fn a_release_makes_the_namespace_that_its_records_are_in() {
    let Some(mut stage) = Stage::up("a_release_makes_the_namespace_that_its_records_are_in").await else {
        return;
    };
    let own = format!("{}-own", stage.bed.namespace);
    let (_, name) = kubeconfig().unwrap();
    stage.kubectl = shipway_deployers::Kubectl::new(name).namespace(own.as_str()).manifests(["k8s"]);
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": own}});
    stage.write(&[settings("a", "blue"), ("z.json", namespace.to_string())]);
    let deployment = stage.release().await.unwrap();
    assert_eq!(stage.history().await, ["1"]);
    stage.reach(Desired::Absent(deployment)).await.unwrap();
    stage.down().await;
}
