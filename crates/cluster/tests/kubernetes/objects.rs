//! Objects of a real API server.

use std::time::Duration;

use serde_json::{Value, json};
use shipway_cluster::{Api, Apply, Cluster, Happened, Lease, LeaseRequest, Options, Selector};
use shipway_core::{ErrorKind, ObjectId};

use crate::{
    bed::{Bed, context, kubeconfig},
    suite,
};

#[tokio::test]
async fn a_real_cluster_answers_as_the_one_in_memory() {
    let Some(bed) = Bed::up("a_real_cluster_answers_as_the_one_in_memory").await else { return };
    suite::run(&suite::Bench { cx: &bed.cx, api: &bed.cluster, namespace: &bed.namespace }).await;
    bed.down().await;
}

#[tokio::test]
async fn what_is_not_there_is_said() {
    let Some(bed) = Bed::up("what_is_not_there_is_said").await else { return };
    let (cx, cluster) = (&bed.cx, &bed.cluster);
    let refused = async |config: Value| {
        cluster.apply(cx, "test", &config, Apply::default()).await.expect_err("refused")
    };

    let error = refused(json!({"apiVersion": "v1", "kind": "ConfigMop", "metadata": {"name": "a"}})).await;
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(error.report().hint.as_deref(), Some("did you mean `ConfigMap`?"));
    let error =
        refused(json!({"apiVersion": "no.such/v1", "kind": "Thing", "metadata": {"name": "a"}})).await;
    assert!(error.to_string().contains("no kind `Thing` in `no.such/v1`"), "{error}");
    assert_eq!(cluster.served(cx, "no.such", Some("v1"), "Thing").await.expect("an answer"), None);
    let thing = ObjectId::new("no.such/v1", "Thing", "a");
    assert_eq!(cluster.get(cx, &thing).await.expect("an answer"), None);
    cluster.delete(cx, &thing, None).await.expect("not there");

    let mut config = bed.settings("a", json!({}));
    config["metadata"]["namespace"] = "no-such-namespace".into();
    let error = refused(config).await;
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("there is no namespace `no-such-namespace`"), "{error}");
    let error = refused(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}})).await;
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (ErrorKind::Config, "ConfigMap a has no namespace")
    );

    let mut config = bed.settings("a", json!({}));
    config["dota"] = json!({});
    let error = refused(config).await;
    assert!(error.kind() == ErrorKind::Config && format!("{error:?}").contains("dota"), "{error:?}");
    bed.down().await;
}

#[tokio::test]
async fn a_kind_is_known_as_soon_as_its_definition_is() {
    let Some(bed) = Bed::up("a_kind_is_known_as_soon_as_its_definition_is").await else { return };
    let group = format!("{}.example.com", bed.namespace);
    let version = format!("{group}/v1");
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("things.{group}")},
        "spec": {
            "group": group, "scope": "Namespaced", "names": {"plural": "things", "kind": "Thing"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object", "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}}}}}],
        },
    });
    assert_eq!(bed.cluster.served(&bed.cx, &group, Some("v1"), "Thing").await.expect("an answer"), None);
    bed.apply(&definition).await;
    let id = ObjectId::new("apiextensions.k8s.io/v1", "CustomResourceDefinition", format!("things.{group}"));
    let established = |object: &Value| {
        let conditions = object["status"]["conditions"].as_array();
        conditions.into_iter().flatten().any(|one| one["type"] == "Established" && one["status"] == "True")
    };
    bed.until(&id, established).await;
    let thing = json!({"apiVersion": version, "kind": "Thing",
        "metadata": {"name": "a", "namespace": bed.namespace}, "spec": {"size": 1}});
    // Established is a little before served (kubernetes/kubernetes#100441), which is for its deployer to
    // wait for: until then, the kind is not there.
    let mut made = bed.cluster.apply(&bed.cx, "test", &thing, Apply::default()).await;
    for _ in 0..100 {
        if made.as_ref().is_err_and(|error| error.kind() == ErrorKind::NotFound) {
            tokio::time::sleep(Duration::from_millis(50)).await;
            made = bed.cluster.apply(&bed.cx, "test", &thing, Apply::default()).await;
        }
    }
    assert_eq!(made.expect("applied")["spec"]["size"], 1);
    let mut wrong = thing.clone();
    wrong["spec"]["size"] = "large".into();
    let error = bed.cluster.apply(&bed.cx, "test", &wrong, Apply::default()).await.expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Config, "{error:?}");
    bed.cluster.delete(&bed.cx, &id, None).await.expect("removed");
    bed.down().await;
}

#[tokio::test]
async fn a_list_of_many_pages_is_whole() {
    let Some(bed) = Bed::up("a_list_of_many_pages_is_whole").await else { return };
    for begin in (0..1100).step_by(20) {
        let applying: Vec<_> = (begin..begin + 20)
            .map(|number| {
                let (cx, cluster) = (bed.cx.clone(), bed.cluster.clone());
                let config =
                    bed.settings(&format!("many-{number:04}"), json!({"number": number.to_string()}));
                tokio::spawn(async move { cluster.apply(&cx, "test", &config, Apply::default()).await })
            })
            .collect();
        for one in applying {
            one.await.expect("ends").expect("applied");
        }
    }
    let selector =
        Selector::new().kind("v1", "ConfigMap").namespace(bed.namespace.clone()).label("test", "yes");
    let list = bed.cluster.list(&bed.cx, &selector).await.expect("a list");
    assert_eq!(list.items.len(), 1100);
    assert!(list.items.iter().all(|item| item["kind"] == "ConfigMap" && item["apiVersion"] == "v1"));
    bed.down().await;
}

#[tokio::test]
async fn a_watch_goes_on_over_its_requests() {
    // Each request lasts a second.
    let options = Options::new().watch(Duration::from_secs(1));
    let Some(bed) = Bed::up_with("a_watch_goes_on_over_its_requests", options).await else { return };
    bed.apply(&bed.settings("there", json!({"a": "1"}))).await;
    let selector =
        Selector::new().kind("v1", "ConfigMap").namespace(bed.namespace.clone()).label("test", "yes");
    let list = bed.cluster.list(&bed.cx, &selector).await.expect("a list");
    let mut watch = bed.cluster.watch(&bed.cx, &selector, &list).await.expect("a watch");
    let mut expected = Vec::new();
    for number in 0..6 {
        let name = format!("new-{number}");
        bed.apply(&bed.settings(&name, json!({}))).await;
        expected.push((Happened::Added, name));
        tokio::time::sleep(Duration::from_millis(600)).await;
        if number == 3 {
            bed.apply(&bed.settings("there", json!({"a": "2"}))).await;
            expected.push((Happened::Modified, "there".to_owned()));
            let id = bed.id("v1", "ConfigMap", "new-0");
            bed.cluster.delete(&bed.cx, &id, None).await.expect("removed");
            expected.push((Happened::Deleted, "new-0".to_owned()));
        }
    }
    let mut seen = Vec::new();
    while seen.len() < expected.len() {
        let event = tokio::time::timeout(Duration::from_secs(20), watch.next()).await.expect("in time");
        let event = event.expect("an event");
        seen.push((event.happened, event.object["metadata"]["name"].as_str().expect("a name").to_owned()));
    }
    assert_eq!(seen, expected);
    bed.down().await;
}

#[tokio::test]
async fn a_lease_is_one_holders() {
    let Some(bed) = Bed::up("a_lease_is_one_holders").await else { return };
    let api: std::sync::Arc<dyn Api> = std::sync::Arc::new(bed.cluster.clone());
    let request = |holder: &str| {
        LeaseRequest::new(&bed.namespace, "release", holder)
            .duration(Duration::from_secs(2))
            .patience(Duration::from_secs(10))
    };
    let mut first = Lease::acquire(&bed.cx, &api, &request("a")).await.expect("ours");
    first.renew(&bed.cx).await.expect("renewed");
    let error = Lease::acquire(&bed.cx, &api, &request("b").patience(Duration::ZERO)).await;
    assert_eq!(error.expect_err("held").kind(), ErrorKind::Conflict);
    // Given back, it is free at once; kept without a word, after its time.
    first.release(&bed.cx).await.expect("given back");
    let second = Lease::acquire(&bed.cx, &api, &request("b").patience(Duration::ZERO)).await.expect("ours");
    let mut third = Lease::acquire(&bed.cx, &api, &request("c")).await.expect("ours after a while");
    assert!(third.is_sure(&bed.cx) && !second.is_sure(&bed.cx));
    let value = third.hold(&bed.cx, async { Ok(1) }).await.expect("done");
    assert_eq!(value, 1);
    second.release(&bed.cx).await.expect("no matter");
    third.renew(&bed.cx).await.expect("still ours");
    bed.down().await;
}

#[tokio::test]
async fn a_user_without_rights_hears_which_are_missing() {
    let Some(bed) = Bed::up("a_user_without_rights_hears_which_are_missing").await else { return };
    let (text, name) = kubeconfig().expect("there is one");
    // The same server, as somebody whom nobody gave anything.
    let mut config: Value = serde_json::from_str(&text).expect("the bed's kubeconfig is JSON");
    config["users"][0]["user"]["as"] = "nobody@example.com".into();
    let cx = context(&name, &config.to_string());
    let cluster = Cluster::open(&cx, &name).await.expect("opened");
    let error = cluster.apply(&cx, "test", &bed.settings("a", json!({})), Apply::default()).await;
    let error = error.expect_err("forbidden");
    assert_eq!(error.kind(), ErrorKind::Auth);
    let report = format!("{error:?}");
    for part in ["nobody@example.com", "`patch` of `configmaps`", bed.namespace.as_str()] {
        assert!(report.contains(part), "{report}");
    }
    // A user that the server does not know at all.
    config["users"][0]["user"] = json!({"token": "canary-token"});
    let cx = context(&name, &config.to_string());
    let cluster = Cluster::open(&cx, &name).await.expect("opened");
    let error = cluster.get(&cx, &bed.id("v1", "ConfigMap", "a")).await.expect_err("unknown");
    assert_eq!(error.kind(), ErrorKind::Auth);
    assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    // An authority that did not sign the server's certificate.
    let mut config: Value = serde_json::from_str(&text).expect("JSON");
    let cluster = config["clusters"][0]["cluster"].as_object_mut().expect("a cluster");
    cluster.remove("certificate-authority-data");
    let cx = context(&name, &config.to_string());
    let cluster = Cluster::open(&cx, &name).await.expect("opened");
    let error = cluster.get(&cx, &bed.id("v1", "ConfigMap", "a")).await.expect_err("not trusted");
    assert!(!error.may_retry() && error.kind() == ErrorKind::Unavailable, "{error:?}");
    bed.down().await;
}
