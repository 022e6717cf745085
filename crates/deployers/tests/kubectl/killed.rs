//! F1 on a real cluster: a process that is killed (`kill -9`) at requests that it sends, and another one that goes on.

use std::{
    env, fs,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream};
use serde_json::json;
use shipway_core::{
    Cancel, Deploy, Desired, DiskJournal, Driver, FixedCredentials, HostDisk, Journal, Pipeline, Release,
    Report, RunOutcome, Watch, World,
};
use shipway_deployers::Kubectl;

use crate::{
    cluster::kubeconfig,
    proxy::{Asked, Fault, Proxy},
    stage::{Stage, settings},
};

/// In it, the process is one that is killed: the namespace that it releases to.
const NAMESPACE: &str = "SHIPWAY_TEST_NAMESPACE";
/// The folder with its manifests and its journal, and `kubeconfig`.
const FOLDER: &str = "SHIPWAY_TEST_FOLDER";

fn pipeline(context: &str, namespace: &str) -> Pipeline {
    let kubectl = Kubectl::new(context).namespace(namespace).manifests(["k8s"]);
    let watch = Watch::new(Duration::from_millis(50), Duration::from_secs(60));
    Pipeline::new("shop").deploy(Deploy::new(Release::new("shop"), Arc::new(kubectl)).watch(watch))
}

fn driver(folder: &Path, context: &str, kubeconfig: &str) -> Driver {
    let world = World::host(folder).credentials(FixedCredentials::new().cluster(context, kubeconfig));
    Driver::new(world).journal(journal(folder))
}

fn journal(folder: &Path) -> Arc<DiskJournal> {
    Arc::new(DiskJournal::new(Arc::new(HostDisk), folder.join("runs")))
}

/// What the process does that is killed; without its variable it is no test.
#[tokio::test]
async fn the_process_that_is_killed() {
    let (Ok(namespace), Ok(folder)) = (env::var(NAMESPACE), env::var(FOLDER)) else { return };
    let folder = Path::new(&folder);
    let (_, context) = kubeconfig().unwrap();
    let text = fs::read_to_string(folder.join("kubeconfig")).unwrap();
    let run = driver(folder, &context, &text);
    run.run(&pipeline(&context, &namespace), &Cancel::new()).await.unwrap().into_result().unwrap();
}

/// Starts the process.
fn process(stage: &Stage, proxy: &Proxy) -> Child {
    let folder = stage.folder.path();
    fs::write(folder.join("kubeconfig"), proxy.kubeconfig()).unwrap();
    Command::new(env::current_exe().unwrap())
        .args(["--exact", "killed::the_process_that_is_killed"])
        .env(NAMESPACE, &stage.bed.namespace)
        .env(FOLDER, folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Goes on with what was killed, or begins anew where nothing was written down, or where another run is to.
async fn go_on(stage: &Stage, proxy: &Proxy, anew: bool) -> Report {
    let folder = stage.folder.path();
    let (_, context) = kubeconfig().unwrap();
    let (journal, driver) = (journal(folder), driver(folder, &context, &proxy.kubeconfig()));
    let pipeline = pipeline(&context, &stage.bed.namespace);
    let mut run = None;
    for known in journal.runs().await.unwrap() {
        if !anew && !journal.read(&known).await.unwrap().is_empty() {
            run = Some(known);
        }
    }
    let report = match run {
        Some(run) => driver.resume(&pipeline, &run, &Cancel::new()).await,
        None => driver.run(&pipeline, &Cancel::new()).await,
    };
    report.unwrap()
}

/// The moment at which the process is killed.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// Never.
    None,
    /// At this request, before it is done.
    Before(usize),
    /// At this request, after it was done.
    After(usize),
}

fn manifests(colour: &str, own: &str) -> Vec<(&'static str, String)> {
    let mut files = crate::partial::manifests(colour, own);
    files.push(settings("more", colour));
    files
}

/// Releases twice, the second time in a process that is killed at a moment, and has its run or another one go on; returns
/// the process's requests.
async fn killed_at(moment: Moment, anew: bool) -> Vec<Asked> {
    let test = "a_process_that_is_killed_at_any_request_is_gone_on_with";
    let Some((stage, proxy)) = Stage::behind_a_proxy(test).await else { return Vec::new() };
    stage.write(&manifests("blue", "old"));
    let first = stage.release().await.unwrap();
    stage.reach(Desired::Settled(first)).await.unwrap();
    stage.write(&manifests("red", "fresh"));
    proxy.take();
    let count = Mutex::new(0);
    proxy.set(move |_: &Asked| {
        let mut count = count.lock().unwrap();
        *count += 1;
        match moment {
            Moment::Before(at) if *count == at => Fault::Silence,
            Moment::After(at) if *count == at => Fault::Mute,
            _ => Fault::None,
        }
    });
    let mut process = process(&stage, &proxy);
    let ended = async {
        loop {
            if let Some(status) = process.try_wait().unwrap() {
                return Some(status);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let ended = tokio::select! {
        ended = ended => ended,
        () = proxy.stuck() => None,
    };
    let asked = proxy.take();
    match ended {
        Some(status) => assert!(status.success(), "{moment:?}: {status}"),
        None => {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }
    proxy.mend();
    let report = go_on(&stage, &proxy, anew).await;
    assert_eq!(report.outcome, RunOutcome::Succeeded, "{moment:?}: {report}");
    assert_eq!(stage.changes().await.unwrap(), [""; 0], "{moment:?}");
    let objects = stage.objects().await;
    let names: Vec<&str> = objects.keys().map(String::as_str).collect();
    let expected = [
        "ConfigMap fresh",
        "ConfigMap more",
        "ConfigMap one",
        "ConfigMap two",
        "Deployment app",
        "Secret key",
        "Service web",
    ];
    assert_eq!(names, expected, "{moment:?}");
    assert_eq!(objects["ConfigMap one"]["data"], json!({"colour": "red"}), "{moment:?}");
    assert_eq!(stage.history().await, ["2", "1"], "{moment:?}");
    assert_eq!(stage.holder().await, None, "{moment:?}");
    stage.down().await;
    asked
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_killed_at_any_request_is_gone_on_with() {
    let whole = killed_at(Moment::None, false).await;
    if whole.is_empty() {
        return;
    }
    let mut moments = Vec::new();
    for (index, asked) in whole.iter().enumerate() {
        // All writes, and some of what is only asked.
        if asked.writes() {
            moments.extend([Moment::Before(index + 1), Moment::After(index + 1)]);
        } else if index % 7 == 0 {
            moments.push(Moment::Before(index + 1));
        }
    }
    let count = moments.len();
    let applies = whole.iter().position(Asked::applies).unwrap();
    // Another run waits until the lease of who is gone is free.
    let taken_over = async {
        let begun = Instant::now();
        killed_at(Moment::After(applies + 1), true).await;
        assert!(begun.elapsed() > Duration::from_secs(14), "{:?}", begun.elapsed());
    };
    let gone_on_with =
        stream::iter(moments).for_each_concurrent(6, async |moment| drop(killed_at(moment, false).await));
    tokio::join!(gone_on_with, taken_over);
    println!("F1: killed at {count} of {} requests to a real cluster", whole.len());
}
