//! F6: an API server that is busy, breaks off or says that it has not done what it has, in the middle of everything.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use shipway_cluster::{Api, Apply};
use shipway_core::{Deployer, Deployment, ErrorKind, Phase};
use tokio::sync::Notify;

use crate::{
    cluster::kubeconfig,
    proxy::{Asked, Fault, Proxy},
    skip::skip,
    stage::{Stage, settings, told, workload},
};

const TEST: &str = "what_breaks_off_is_asked_again_and_done_once";

/// Lets every request meet this at first, and go through when it comes again.
fn once_each(proxy: &Proxy, fault: &Fault) {
    let (seen, fault) = (Mutex::new(BTreeSet::new()), fault.clone());
    proxy.set(move |asked: &Asked| {
        let key = (asked.method.clone(), asked.path.clone(), asked.query.clone(), asked.body.clone());
        if seen.lock().unwrap().insert(key) { fault.clone() } else { Fault::None }
    });
}

/// Writes a release of this colour, of which a controller has something to do.
fn write(stage: &Stage, colour: &str) {
    let image = format!("registry.example/shop:{colour}");
    let (name, text) = workload("web", &image, &json!({}));
    let mut object: Value = serde_json::from_str(&text).unwrap();
    object["spec"]["replicas"] = 0.into();
    stage.write(&[settings("one", colour), (name, object.to_string())]);
}

async fn is_healthy(stage: &Stage, deployment: &Deployment) {
    let begun = Instant::now();
    loop {
        let health = stage.kubectl.health(&stage.cx, deployment).await.unwrap();
        match health.phase {
            Phase::Healthy => return,
            Phase::Progressing if begun.elapsed() < Duration::from_secs(60) => {}
            _ => panic!("{health:?}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn meets_each(fault: Fault) {
    let (stage, proxy) = Stage::behind_a_proxy(TEST).await.unwrap();
    for (revision, colour) in [(1, "blue"), (2, "red")] {
        write(&stage, colour);
        once_each(&proxy, &fault);
        let changes = stage.plan().await.unwrap();
        once_each(&proxy, &fault);
        let deployment = stage.kubectl.apply(&stage.cx, &changes).await.unwrap_or_else(|error| {
            panic!("{fault:?}: {}\n{:#?}", told(&error), lines(&proxy));
        });
        once_each(&proxy, &fault);
        is_healthy(&stage, &deployment).await;
        once_each(&proxy, &fault);
        assert_eq!(stage.history().await[0], revision.to_string(), "{fault:?}");
        proxy.mend();
        assert_eq!(stage.changes().await.unwrap(), [""; 0], "{fault:?}");
        // Each was done once: two writes would be two generations.
        let web = stage.get(&stage.bed.id("apps/v1", "Deployment", "web")).await.unwrap();
        assert_eq!(web["metadata"]["generation"], revision, "{fault:?}");
        assert_eq!(stage.holder().await, None, "{fault:?}");
    }
    stage.down().await;
}

fn lines(proxy: &Proxy) -> Vec<String> {
    proxy.take().iter().map(|asked| format!("{} {}?{}", asked.method, asked.path, asked.query)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_off_is_asked_again_and_done_once() {
    if kubeconfig().is_none() {
        return skip(TEST, "a cluster: SHIPWAY_KUBECONFIG");
    }
    let busy = [429, 500, 502, 503, 504].map(Fault::Answer);
    let lost = [500, 503, 504].map(Fault::Answered);
    let cut = [Fault::Refuse, Fault::Lose, Fault::Cut];
    let all = busy.into_iter().chain(lost).chain(cut).map(meets_each);
    stream::iter(all).for_each_concurrent(4, |one| one).await;
}

#[tokio::test]
async fn who_asks_for_time_gets_it() {
    let Some((stage, proxy)) = Stage::behind_a_proxy("who_asks_for_time_gets_it").await else { return };
    stage.write(&[settings("one", "blue")]);
    let changes = stage.plan().await.unwrap();
    let asked = Mutex::new(0);
    proxy.set(move |request: &Asked| {
        let mut asked = asked.lock().unwrap();
        *asked += usize::from(request.applies());
        if request.applies() && *asked == 1 { Fault::Busy(429, 2) } else { Fault::None }
    });
    let begun = Instant::now();
    stage.kubectl.apply(&stage.cx, &changes).await.unwrap();
    assert!(begun.elapsed() > Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(lines(&proxy).iter().filter(|line| line.starts_with("PATCH")).count(), 2);
    stage.down().await;
}

/// Applies what the folder has while somebody else does something between the look and the write.
async fn interrupted(stage: &Stage, proxy: &Proxy, theirs: Value) -> shipway_core::Error {
    let changes = stage.plan().await.unwrap();
    let (free, held) = (Arc::new(Notify::new()), Mutex::new(false));
    let hold = Arc::clone(&free);
    proxy.set(move |asked: &Asked| {
        let first = asked.applies() && !std::mem::replace(&mut *held.lock().unwrap(), asked.applies());
        if first { Fault::Hold(Arc::clone(&hold)) } else { Fault::None }
    });
    let applying = stage.kubectl.apply(&stage.cx, &changes);
    let meddling = async {
        proxy.stuck().await;
        let how = Apply { force: true, ..Apply::default() };
        stage.bed.cluster.apply(&stage.bed.cx, "somebody", &theirs, how).await.unwrap();
        free.notify_one();
    };
    let (applied, ()) = tokio::join!(applying, meddling);
    proxy.mend();
    applied.unwrap_err()
}

#[tokio::test]
async fn who_was_faster_by_a_moment_is_named_and_not_overruled() {
    let test = "who_was_faster_by_a_moment_is_named_and_not_overruled";
    let Some((stage, proxy)) = Stage::behind_a_proxy(test).await else { return };
    stage.write(&[settings("one", "blue")]);
    // An object that is new.
    let error = interrupted(&stage, &proxy, stage.bed.settings("one", json!({"colour": "grey"}))).await;
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(told(&error).contains("it is `somebody`'s"), "{}", told(&error));
    assert_eq!(stage.get(&stage.id("one")).await.unwrap()["data"]["colour"], "grey");

    // One that is there already.
    stage.write(&[settings("two", "blue")]);
    stage.release().await.unwrap();
    stage.write(&[settings("two", "red")]);
    let error = interrupted(&stage, &proxy, stage.bed.settings("two", json!({"colour": "grey"}))).await;
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(
        told(&error).contains("`.data.colour` of ConfigMap") && told(&error).contains("`somebody`"),
        "{}",
        told(&error)
    );
    assert_eq!(stage.get(&stage.id("two")).await.unwrap()["data"]["colour"], "grey");

    // What they change besides is no conflict.
    stage.write(&[settings("two", "grey"), settings("three", "blue")]);
    stage.release().await.unwrap();
    stage.write(&[settings("three", "red")]);
    let theirs = stage.bed.settings("three", json!({"theirs": "yes"}));
    let changes = stage.plan().await.unwrap();
    stage.bed.cluster.apply(&stage.bed.cx, "somebody", &theirs, Apply::default()).await.unwrap();
    stage.kubectl.apply(&stage.cx, &changes).await.unwrap();
    let three = stage.get(&stage.id("three")).await.unwrap();
    assert_eq!(three["data"], json!({"colour": "red", "theirs": "yes"}));
    stage.down().await;
}
