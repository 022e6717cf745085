//! Applies many objects, eight at a time, and says how long it takes, to a cluster that is there for it:
//! `SHIPWAY_KUBECONFIG`, and its context as the argument.

use std::{env, fs, sync::Arc, time::Instant};

use serde_json::{Value, json};
use shipway_cluster::{Api, Apply, Cluster, Selector};
use shipway_core::{Cancel, Context, Error, FixedCredentials, ObjectId, Result, RunContext, World};

const OBJECTS: usize = 1000;
const AT_ONCE: usize = 8;

#[expect(clippy::disallowed_methods, clippy::print_stdout, reason = "a program that measures")]
#[tokio::main]
async fn main() -> Result<()> {
    let name = env::args().nth(1).unwrap_or_else(|| "shipway-bed".to_owned());
    let path = env::var("SHIPWAY_KUBECONFIG").unwrap_or_default();
    let text = fs::read_to_string(path).unwrap_or_default();
    let world = World::host("/").credentials(FixedCredentials::new().cluster(name.as_str(), text));
    let cx = RunContext::new(world, "measure").context(None, None, Cancel::new());
    let cluster = Cluster::open(&cx, &name).await?;
    let namespace = format!("measure-{}", std::process::id());
    let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
    cluster.create(&cx, "measure", &object).await?;
    for what in ["new", "unchanged", "unchanged"] {
        let begun = Instant::now();
        apply_all(&cx, &cluster, &namespace).await?;
        println!("{OBJECTS} {what} objects applied, {AT_ONCE} at once: {:.2?}", begun.elapsed());
    }
    let begun = Instant::now();
    let selector = Selector::new().kind("v1", "ConfigMap").namespace(namespace.clone());
    let list = cluster.list(&cx, &selector).await?;
    println!("{} listed: {:.2?}", list.items.len(), begun.elapsed());
    cluster.delete(&cx, &ObjectId::new("v1", "Namespace", namespace), None).await
}

async fn apply_all(cx: &Context, cluster: &Cluster, namespace: &str) -> Result<()> {
    let next = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let workers: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            let (cx, cluster, next) = (cx.clone(), cluster.clone(), Arc::clone(&next));
            let namespace = namespace.to_owned();
            tokio::spawn(async move {
                loop {
                    let number = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    if number >= OBJECTS {
                        return Ok::<(), Error>(());
                    }
                    cluster.apply(&cx, "measure", &settings(&namespace, number), Apply::default()).await?;
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap_or(Ok(()))?;
    }
    Ok(())
}

fn settings(namespace: &str, number: usize) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": format!("settings-{number:04}"), "namespace": namespace,
            "labels": {"app.kubernetes.io/managed-by": "measure"}},
        "data": {"colour": "blue", "number": number.to_string(), "text": "x".repeat(300)},
    })
}
