//! A thousand objects in a cluster: the bare requests, eight at once, and what the deployer `kubectl` takes for the same.

use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    time::Instant,
};

use serde_json::{Value, json};
use shipway::{
    Cancel, Context, Deployer, Desired, FixedCredentials, Manifest, Manifests, ObjectId, Release, RunContext,
    cluster::{Api, Apply, Cluster},
    deployers::Kubectl,
};

/// What goes to an API server at once, as in the deployer.
const AT_ONCE: usize = 8;

/// How often an unchanged release is applied: the median counts.
const ROUNDS: usize = 5;

type Times = Vec<(&'static str, f64)>;

/// Measures it with a context of a kubeconfig, in namespaces that are removed again, and writes the objects to a
/// file for others.
pub(crate) fn run(kubeconfig: &Path, context: &str, count: usize, manifests: &Path) -> Times {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(measure(kubeconfig, context, count, manifests))
}

async fn measure(kubeconfig: &Path, name: &str, count: usize, manifests: &Path) -> Times {
    let text = fs::read_to_string(kubeconfig).expect("a kubeconfig");
    let world = shipway::host("/").credentials(FixedCredentials::new().cluster(name, text));
    let run = RunContext::new(world, "bench");
    let cx = run.context(None, None, Cancel::new());
    let cluster = Cluster::open(&cx, name).await.expect("a cluster");
    let mut times = Vec::new();
    let took = |begun: Instant| begun.elapsed().as_secs_f64();

    let [bare, ours] = ["bare", "ours"].map(|name| format!("bench-{name}-{}", std::process::id()));
    for namespace in [&bare, &ours] {
        let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
        cluster.create(&cx, "bench", &object).await.expect("a namespace");
    }
    // The first request finds out where objects are.
    cluster.get(&cx, &ObjectId::new("v1", "ConfigMap", "none").namespace(bare.clone())).await.expect("read");
    for name in ["bare requests, new", "bare requests, again"] {
        let begun = Instant::now();
        apply_all(&cx, &cluster, &bare, count).await;
        times.push((name, took(begun)));
    }

    let release = |changed: usize| {
        let object = |index: usize| {
            let object = object(&ours, index, if index < changed { "red" } else { "blue" });
            let id = ObjectId::new("v1", "ConfigMap", format!("settings-{index}")).namespace(ours.clone());
            Manifest::new(id, object.to_string())
        };
        let objects: Vec<Manifest> = (0..count).map(object).collect();
        Desired::Released { manifests: Manifests::new(Release::new("bench")).objects(objects), share: 100 }
    };
    let kubectl = Kubectl::new(name).namespace(ours.as_str());
    let mut again = Vec::new();
    for round in 0..=ROUNDS {
        let begun = Instant::now();
        let changes = kubectl.diff(&cx, &release(0)).await.expect("seen");
        kubectl.apply(&cx, &changes).await.expect("applied");
        match round {
            0 => times.push(("diff and apply, new", took(begun))),
            _ => again.push(took(begun)),
        }
    }
    again.sort_by(f64::total_cmp);
    times.push(("diff and apply, again", again[ROUNDS / 2]));
    let begun = Instant::now();
    let changes = kubectl.diff(&cx, &release(10.min(count))).await.expect("seen");
    times.push(("diff of which 10 differ", took(begun)));
    assert_eq!(changes.changes.len(), 10.min(count) + 1, "ten objects and the record");

    // As others read it: all as it is but for ten.
    let Desired::Released { manifests: ten, .. } = release(10) else { unreachable!("just made") };
    let texts: Vec<&str> = ten.objects.iter().map(|manifest| &*manifest.text).collect();
    fs::write(manifests, texts.join("\n---\n")).expect("written");
    times
}

async fn apply_all(cx: &Context, cluster: &Cluster, namespace: &str, count: usize) {
    let next = AtomicUsize::new(0);
    let worker = || async {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= count {
                break;
            }
            let object = object(namespace, index, "blue");
            cluster.apply(cx, "bare", &object, Apply::default()).await.expect("applied");
        }
    };
    // On one thread they wait for the server all the same.
    let [a, b, c, d, e, f, g, h]: [_; AT_ONCE] = std::array::from_fn(|_| worker());
    tokio::join!(a, b, c, d, e, f, g, h);
}

fn object(namespace: &str, index: usize, colour: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": format!("settings-{index}"), "namespace": namespace, "labels": {"app": "bench"}},
        "data": {"colour": colour, "index": index.to_string(), "text": "some words ".repeat(30)},
    })
}
