//! F7: two who apply the same release at once.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use shipway_cluster::{Api, Apply};
use shipway_core::{Context, Deployer, ErrorKind};

use crate::{
    cluster::kubeconfig,
    proxy::{Asked, Fault, Proxy},
    stage::{Stage, context_of, settings, told},
};

/// Returns what a run sees that reaches the cluster through a proxy of its own.
async fn run(name: &str, stage: &Stage) -> (Context, Proxy) {
    let (text, context) = kubeconfig().unwrap();
    let proxy = Proxy::start(&text, &context).await;
    (context_of(name, &context, &proxy.kubeconfig(), &stage.folder), proxy)
}

const NAMES: [&str; 4] = ["one", "two", "three", "four"];

/// Returns the colours of all objects: one, if they are of one release.
async fn colours(stage: &Stage) -> BTreeSet<String> {
    let mut colours = BTreeSet::new();
    for name in NAMES {
        let object = stage.get(&stage.id(name)).await.unwrap_or_default();
        colours.insert(object["data"]["colour"].as_str().unwrap_or("none").to_owned());
    }
    colours
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_at_once_one_applies_and_the_other_is_told() {
    let test = "of_two_at_once_one_applies_and_the_other_is_told";
    let Some(mut stage) = Stage::up(test).await else { return };
    let kubectl = stage.kubectl.clone();
    let mut runs = Vec::new();
    for colour in ["blue", "red"] {
        stage.write(&NAMES.map(|name| settings(name, colour)));
        let (cx, proxy) = run(colour, &stage).await;
        stage.cx = cx.clone();
        let changes = stage.plan().await.unwrap();
        proxy.take();
        // Slow enough that the other meets it.
        proxy.set(|asked: &Asked| {
            if asked.applies() { Fault::Delay(std::time::Duration::from_millis(300)) } else { Fault::None }
        });
        runs.push((cx, proxy, changes));
    }
    let [(first, one, blue), (second, two, red)] = runs.as_slice() else { unreachable!() };
    let (blue, red) = tokio::join!(kubectl.apply(first, blue), kubectl.apply(second, red));
    let (winner, loser, refused) = match (blue, red) {
        (Ok(_), Err(error)) => ("blue", two, error),
        (Err(error), Ok(_)) => ("red", one, error),
        other => panic!("{other:?}"),
    };
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    assert!(told(&refused).contains("revision 1 of release `shop` became another"), "{}", told(&refused));
    assert_eq!(colours(&stage).await, BTreeSet::from([winner.to_owned()]));
    assert_eq!(loser.take().iter().filter(|asked| asked.applies()).count(), 0, "it wrote nothing");
    assert_eq!(stage.history().await, ["1"]);
    assert_eq!(stage.holder().await, None);
    stage.down().await;
}

/// Returns a lease that somebody took a moment ago.
fn lease(stage: &Stage, holder: &str, seconds: u64) -> Value {
    json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": "shipway.shop", "namespace": stage.bed.namespace},
        "spec": {"holderIdentity": holder, "leaseDurationSeconds": seconds, "renewTime": "2026-01-01T00:00:00.000000Z"}})
}

#[tokio::test]
async fn a_lease_is_waited_for_and_taken_from_who_is_gone() {
    let Some(stage) = Stage::up("a_lease_is_waited_for_and_taken_from_who_is_gone").await else { return };
    let cluster = &stage.bed.cluster;
    stage.write(&[settings("one", "blue")]);
    let changes = stage.plan().await.unwrap();
    cluster.create(&stage.cx, "test", &lease(&stage, "gone", 2)).await.unwrap();
    let begun = std::time::Instant::now();
    stage.kubectl.apply(&stage.cx, &changes).await.unwrap();
    assert!(begun.elapsed() >= std::time::Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(stage.holder().await, None);

    // Who is there renews it, and is named to who cannot wait.
    let theirs = lease(&stage, "somebody", 15);
    let force = Apply { force: true, ..Apply::default() };
    cluster.apply(&stage.cx, "test", &theirs, force).await.unwrap();
    stage.write(&[settings("one", "red")]);
    let changes = stage.plan().await.unwrap();
    let impatient = stage.cx.within(Some(std::time::Duration::from_secs(2)));
    let error = stage.kubectl.apply(&impatient, &changes).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(told(&error).contains("`somebody`"), "{}", told(&error));
    assert_eq!(stage.get(&stage.id("one")).await.unwrap()["data"]["colour"], "blue");
    assert_eq!(stage.holder().await.as_deref(), Some("somebody"));
    stage.down().await;
}
