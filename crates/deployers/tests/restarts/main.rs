//! F6: an API server that is killed in the middle of things and comes back. A program of its own, of one test: cargo runs
//! programs one after the other, so that nobody else misses the API server.
#![cfg(feature = "kubernetes")]
#![expect(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods, reason = "a test")]

#[expect(dead_code, reason = "other programs need more of it")]
#[path = "../../../../tests/support/cluster.rs"]
mod cluster;
#[expect(dead_code, reason = "other programs need more of it")]
#[path = "../../../../tests/support/proxy.rs"]
mod proxy;
#[path = "../../../../tests/support/skip.rs"]
mod skip;
#[expect(dead_code, reason = "other programs need more of it")]
#[path = "../kubectl/stage.rs"]
mod stage;

use std::{
    collections::BTreeSet,
    env,
    process::Command,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use proxy::{Asked, Fault, Proxy};
use serde_json::json;
use shipway_cluster::{Api, Happened, Selector};
use shipway_core::{Deployer, ErrorKind, Phase};
use stage::{Stage, context, settings, told};
use tokio::{sync::Notify, task::block_in_place};

/// Has the bed do something with the API server.
fn bed(program: &str, task: &str) {
    let begun = Instant::now();
    let output =
        block_in_place(|| Command::new(program).args(["bed", task, "kube-apiserver"]).output().unwrap());
    assert!(output.status.success(), "{task}: {}", String::from_utf8_lossy(&output.stderr));
    println!("{task}: {:.1} s", begun.elapsed().as_secs_f32());
}

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

/// Holds what is applied after two objects, until it is let go.
fn hold_the_third(proxy: &Proxy) -> Arc<Notify> {
    let free = Arc::new(Notify::new());
    let (hold, applied) = (Arc::clone(&free), Mutex::new(0));
    proxy.set(move |asked: &Asked| {
        let mut applied = applied.lock().unwrap();
        *applied += usize::from(asked.applies());
        if asked.applies() && *applied == 3 { Fault::Hold(Arc::clone(&hold)) } else { Fault::None }
    });
    free
}

/// Goes on as another process of the run.
async fn ends_right(stage: &mut Stage, proxy: &Proxy, changes: &shipway_core::ChangeSet, colour: &str) {
    let (_, name) = cluster::kubeconfig().unwrap();
    stage.cx = context(&name, &proxy.kubeconfig(), &stage.folder);
    let done =
        stage.kubectl.apply(&stage.cx, changes).await.unwrap_or_else(|error| panic!("{}", told(&error)));
    assert_eq!(stage.changes().await.unwrap(), [""; 0]);
    assert_eq!(stage.history().await[0], done.revision);
    assert_eq!(stage.holder().await, None);
    for name in NAMES {
        assert_eq!(stage.get(&stage.id(name)).await.unwrap()["data"], json!({"colour": colour}));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_is_killed_and_comes_back_is_gone_on_with() {
    let test = "an_api_server_that_is_killed_and_comes_back_is_gone_on_with";
    let Ok(program) = env::var("SHIPWAY_BED_PROGRAM") else {
        return skip::skip(test, "the bed: SHIPWAY_BED_PROGRAM");
    };
    let Some((mut stage, proxy)) = Stage::behind_a_proxy(test).await else { return };

    // It comes back in time.
    stage.write(&NAMES.map(|name| settings(name, "blue")));
    let changes = stage.plan().await.unwrap();
    let selector = Selector::new().kind("v1", "ConfigMap").namespace(stage.bed.namespace.as_str());
    let list = stage.bed.cluster.list(&stage.bed.cx, &selector).await.unwrap();
    let mut watch = stage.bed.cluster.watch(&stage.bed.cx, &selector, &list).await.unwrap();
    let free = hold_the_third(&proxy);
    let applying = tokio::spawn({
        let (kubectl, cx, changes) = (stage.kubectl.clone(), stage.cx.clone(), changes.clone());
        async move { kubectl.apply(&cx, &changes).await }
    });
    proxy.stuck().await;
    bed(&program, "kill");
    free.notify_one();
    bed(&program, "start");
    match applying.await.unwrap() {
        Ok(done) => println!("revision {} was applied all the same", done.revision),
        // It took longer than anybody is sure of a lease.
        Err(error) => {
            assert!(error.may_retry() || error.kind() == ErrorKind::Conflict, "{}", told(&error));
            println!("it is gone on with: {}", told(&error));
        }
    }
    proxy.mend();
    ends_right(&mut stage, &proxy, &changes, "blue").await;

    // Who watched has missed nothing, and sees what comes.
    let mut missing = BTreeSet::from(NAMES);
    while !missing.is_empty() {
        let event = tokio::time::timeout(Duration::from_secs(30), watch.next()).await.unwrap().unwrap();
        let name = event.object["metadata"]["name"].as_str().unwrap();
        if name != "kube-root-ca.crt" {
            assert_eq!(event.happened, Happened::Added, "{name}");
            assert!(missing.remove(name), "{name} came twice");
        }
    }

    // It stays away for longer than one waits, and another process goes on.
    stage.write(&NAMES.map(|name| settings(name, "red")));
    let changes = stage.plan().await.unwrap();
    let free = hold_the_third(&proxy);
    let applying = tokio::spawn({
        let (kubectl, cx, changes) =
            (stage.kubectl.clone(), stage.cx.within(Some(Duration::from_secs(3))), changes.clone());
        async move { kubectl.apply(&cx, &changes).await }
    });
    proxy.stuck().await;
    bed(&program, "kill");
    free.notify_one();
    let error = applying.await.unwrap().unwrap_err();
    assert!(error.may_retry() || error.kind() == ErrorKind::Timeout, "{}", told(&error));
    assert!(told(&error).contains(&proxy.address()), "{}", told(&error));
    proxy.mend();
    bed(&program, "start");
    ends_right(&mut stage, &proxy, &changes, "red").await;
    let mut changed = BTreeSet::from(NAMES);
    while !changed.is_empty() {
        let event = tokio::time::timeout(Duration::from_secs(30), watch.next()).await.unwrap().unwrap();
        let name = event.object["metadata"]["name"].as_str().unwrap();
        if event.object["data"]["colour"] == "red" {
            assert_eq!(event.happened, Happened::Modified, "{name}");
            assert!(changed.remove(name), "{name} came twice");
        }
    }
    let known = stage.kubectl.history(&stage.cx, "shop").await.unwrap();
    let (kubectl, cx, live) = (stage.kubectl.clone(), stage.cx.clone(), known[0].clone());
    bed(&program, "kill");
    let looking = tokio::spawn(async move { kubectl.health(&cx, &live).await });
    bed(&program, "start");
    assert_eq!(looking.await.unwrap().unwrap().phase, Phase::Healthy);
    stage.down().await;
}
