//! Versions, preconditions, lists, watches and faults.

use serde_json::{Value, json};
use shipway_cluster::{Apply, Fault, Happened, MemoryCluster, Operation, Selector, object_id};
use shipway_core::{Error, ErrorKind};

fn pod(name: &str, app: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "b", "labels": {"app": app}}})
}

#[test]
fn updates_and_deletes_ask_for_what_was_seen() {
    let cluster = MemoryCluster::new();
    let first = cluster.create("one", &pod("a", "x")).expect("new").object;
    assert_eq!(cluster.create("one", &pod("a", "x")).expect_err("twice").kind(), ErrorKind::Conflict);
    let mut seen = first.clone();
    seen["metadata"]["labels"]["app"] = "y".into();
    cluster.update("one", &seen).expect("as seen");
    let stale = cluster.update("one", &seen).expect_err("not as seen");
    assert_eq!(stale.kind(), ErrorKind::Conflict);
    assert_eq!(cluster.update("one", &pod("z", "x")).expect_err("not there").kind(), ErrorKind::NotFound);

    let id = object_id(&first).expect("an id");
    let uid = first["metadata"]["uid"].as_str().expect("a uid");
    assert_eq!(cluster.delete(&id, Some("other")).expect_err("another").kind(), ErrorKind::Conflict);
    assert!(cluster.delete(&id, Some(uid)).expect("deleted").is_some());
    assert_eq!(cluster.delete(&id, Some(uid)).expect("deleted twice"), None);
    let again = cluster.create("one", &pod("a", "x")).expect("new").object;
    assert_ne!(again["metadata"]["uid"], first["metadata"]["uid"]);
}

#[tokio::test]
async fn a_watch_goes_on_from_a_list_and_sees_the_selection_alone() {
    let cluster = MemoryCluster::new();
    cluster.create("one", &pod("a", "x")).expect("new");
    cluster.create("one", &pod("b", "y")).expect("new");
    let selector = Selector::new().kind("v1", "Pod").namespace("b").label("app", "x");
    let list = cluster.list(&selector).expect("listed");
    assert_eq!(list.items.len(), 1);
    let mut watch = cluster.watch(&selector, &list.resource_version).expect("a version");
    assert_eq!(watch.next_now().expect("fine"), None);
    let waiting = tokio::spawn(async move {
        let mut seen = Vec::new();
        for _ in 0..3 {
            let event = watch.next().await.expect("an event");
            seen.push((
                event.happened,
                event.object["metadata"]["name"].as_str().unwrap_or_default().to_owned(),
            ));
        }
        seen
    });
    tokio::task::yield_now().await;
    cluster.create("one", &pod("c", "y")).expect("outside");
    cluster.update("one", &pod("b", "x")).expect("comes in");
    cluster.update("one", &pod("a", "z")).expect("goes out");
    cluster.delete(&object_id(&pod("b", "x")).expect("an id"), None).expect("deleted");
    let expected = [(Happened::Added, "b"), (Happened::Deleted, "a"), (Happened::Deleted, "b")];
    assert_eq!(waiting.await.expect("ends"), expected.map(|(happened, name)| (happened, name.to_owned())));
}

#[tokio::test]
async fn a_watch_from_what_is_forgotten_says_so() {
    let cluster = MemoryCluster::with_history(2);
    let mut late = cluster.watch(&Selector::new(), "0").expect("a version");
    for name in ["a", "b", "c"] {
        cluster.create("one", &pod(name, "x")).expect("new");
    }
    let error = late.next().await.expect_err("too old");
    assert_eq!(error.kind(), ErrorKind::Conflict);
    let mut watch = cluster.watch(&Selector::new(), "1").expect("a version");
    assert_eq!(watch.next().await.expect("remembered").object["metadata"]["name"], "b");
}

#[test]
fn faults_refuse_lose_and_move_the_world() {
    let cluster = MemoryCluster::new();
    let away = || Error::new(ErrorKind::Unavailable, "the API server is away");
    cluster.set_faults(move |call| match call.write {
        Some(2) => Fault::Refuse(away()),
        Some(3) => Fault::Lose(away()),
        _ => Fault::None,
    });
    cluster.create("one", &pod("a", "x")).expect("the first write");
    assert!(cluster.create("one", &pod("b", "x")).is_err());
    assert!(cluster.create("one", &pod("c", "x")).is_err());
    let names = |cluster: &MemoryCluster| -> Vec<String> {
        let items = cluster.list(&Selector::new()).expect("listed").items;
        items.iter().map(|item| item["metadata"]["name"].as_str().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(names(&cluster), ["a", "c"]);

    let mover = cluster.clone();
    cluster.set_faults(move |call| {
        if call.operation == Operation::Apply {
            mover.update("somebody", &pod("a", "moved")).expect("moved");
        }
        Fault::None
    });
    assert!(cluster.apply("two", &pod("a", "x"), Apply::default()).is_err());
    cluster.clear_faults();
    assert_eq!(names(&cluster), ["a", "c"]);
}
