//! The logs of a release's pods.

use std::collections::BTreeSet;

use async_trait::async_trait;
use futures_util::future::try_join_all;
use serde_json::Value;
use shipway_cluster::{Api, Cluster, LogOptions, Selector, TailOptions};
use shipway_core::{Context, Deployment, ErrorKind, LogReader, LogRequest, Result, Stream};

use super::{INSTANCE, Kubectl};
use crate::releases::{MANAGED_BY, MANAGER};

#[async_trait]
impl LogReader for Kubectl {
    async fn read(&self, cx: &Context, deployment: &Deployment, request: &LogRequest) -> Result<()> {
        let cluster = self.cluster(cx).await?;
        let objects = &deployment.manifests.objects;
        // Pods are where what makes them is; objects without a namespace are in the deployer's.
        let namespaces: BTreeSet<&str> = objects
            .iter()
            .map(|manifest| manifest.object.namespace.as_deref())
            .map(|namespace| namespace.unwrap_or_else(|| self.namespace_in(&cluster)))
            .collect();
        let release = &deployment.manifests.release.name;
        let pods = |namespace: &str| {
            // Labels that a rendered release gives to all that it has, pods' templates too.
            Selector::new()
                .kind("v1", "Pod")
                .namespace(namespace)
                .label(MANAGED_BY, MANAGER)
                .label(INSTANCE, release.as_str())
        };
        let each = namespaces.into_iter().map(|namespace| {
            let (cluster, selector) = (&cluster, pods(namespace));
            async move {
                if request.follow {
                    follow(cx, cluster, &selector, request).await
                } else {
                    read(cx, cluster, &selector, request).await
                }
            }
        });
        try_join_all(each).await.map(drop)
    }
}

fn say(cx: &Context, pod: &str, container: &str, text: &str) {
    cx.output(Stream::Stdout, &format!("[{pod} {container}] {text}"));
}

async fn follow(cx: &Context, cluster: &Cluster, pods: &Selector, request: &LogRequest) -> Result<()> {
    let mut options = TailOptions::new();
    options.since = request.since.map(|since| since.to_string());
    options.lines = request.lines;
    let told = cx.clone();
    cluster.tail(cx, pods, &options, move |line| say(&told, &line.pod, &line.container, &line.text)).await
}

/// Reads what there is: one container after the other, so that each log stands together.
async fn read(cx: &Context, cluster: &Cluster, pods: &Selector, request: &LogRequest) -> Result<()> {
    let mut options = LogOptions::new();
    options.since = request.since.map(|since| since.to_string());
    options.tail = request.lines;
    for pod in cluster.list(cx, pods).await?.items {
        let text = |field: &str| pod["metadata"][field].as_str().unwrap_or_default();
        let (namespace, name) = (text("namespace"), text("name"));
        for container in containers(&pod) {
            let mut logs = match cluster.logs(cx, namespace, name, Some(&container), &options).await {
                Ok(logs) => logs,
                // A container that has not begun has printed nothing, nor has a pod that is gone.
                Err(error) if [ErrorKind::Unavailable, ErrorKind::NotFound].contains(&error.kind()) => {
                    continue;
                }
                Err(error) => return Err(error),
            };
            while let Some(line) = logs.next().await? {
                say(cx, name, &container, &line);
            }
        }
    }
    Ok(())
}

/// Returns the names of a pod's containers, those first that run first.
fn containers(pod: &Value) -> Vec<String> {
    ["initContainers", "containers"]
        .into_iter()
        .filter_map(|sort| pod["spec"][sort].as_array())
        .flatten()
        .filter_map(|container| container["name"].as_str().map(str::to_owned))
        .collect()
}
