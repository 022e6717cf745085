//! One look at how a release fares in a cluster.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use serde_json::Value;
use shipway_cluster::{
    Api, Cluster, LogOptions, Selector,
    health::{self, Logs, Trouble},
};
use shipway_core::{Context, Deployment, ErrorKind, Health, ObjectId, Phase, Result};

use crate::{
    releases::{Eyes, Live, Look, hide_secrets, pause},
    workload::other_image,
};

/// From when on the pods of what does not work yet are looked at: before that, hardly any has had the time to fail.
const PODS: Duration = Duration::from_secs(2);

/// From when on the events about it are asked for, where nothing else says that something is wrong. The API server has to
/// go through all those of a namespace for each question.
const EVENTS: Duration = Duration::from_secs(4);

/// How many lines of a container's log are shown.
const LAST_LINES: u64 = 10;

/// What the kubelet gives as the log of a container that it has removed (`kuberuntime_container.go`).
const FORGOTTEN: &str = "unable to retrieve container logs for ";

/// Looks at objects of a cluster.
#[derive(Debug)]
pub(crate) struct Watcher {
    pub(crate) cluster: Cluster,
    pub(crate) tolerate: bool,
}

#[async_trait]
impl Eyes for Watcher {
    async fn look(
        &self,
        cx: &Context,
        id: &ObjectId,
        desired: &Value,
        now: Option<&Value>,
        since: Duration,
    ) -> Result<Look> {
        let Some(now) = now else {
            return Ok(Look::Failed(vec!["it is not there any more".to_owned()]));
        };
        if let Some(other) = other_image(desired, now) {
            return Ok(Look::Failed(vec![other]));
        }
        let status = health::status(now, cx.clock().now());
        match status.phase {
            health::Phase::Current => {
                let mut reasons = Vec::new();
                // What ends by itself is current also when it ended badly.
                let itself = if is_pod(id) { std::slice::from_ref(now) } else { &[] };
                let troubles = itself.iter().flat_map(|pod| health::explain(pod, itself, &[]));
                for trouble in troubles.filter(|one| one.ends_waiting(self.tolerate)) {
                    reasons.push(trouble.text.clone());
                    reasons.extend(self.last_lines(cx, &trouble).await?);
                }
                return Ok(if reasons.is_empty() { Look::Healthy } else { Look::Failed(reasons) });
            }
            health::Phase::Terminating => {
                return Ok(Look::Failed(vec![format!("it is being removed: {}", status.message)]));
            }
            _ => {}
        }
        let troubles = self.troubles(cx, id, now, since).await?;
        let gives_up = status.phase == health::Phase::Failed
            || troubles.iter().any(|one| one.ends_waiting(self.tolerate));
        let mut lines = vec![status.message];
        for trouble in &troubles {
            lines.push(trouble.text.clone());
            lines.extend(self.last_lines(cx, trouble).await?);
        }
        Ok(if gives_up { Look::Failed(lines) } else { Look::Progressing(lines) })
    }
}

impl Watcher {
    /// Looks at every object of a deployment, and at the pods and events of those that are not there yet.
    pub(crate) async fn health(
        &self,
        cx: &Context,
        deployment: &Deployment,
        objects: &[(ObjectId, Value)],
        there: &Live,
    ) -> Result<Health> {
        // What was applied by a clock that is ahead is looked at as what takes long.
        let since = cx.clock().now().0.checked_sub(deployment.at.0).map_or(EVENTS, Duration::from_millis);
        let (mut waits, mut failures) = (Vec::new(), Vec::new());
        for (id, desired) in objects {
            let lines = |lines: Vec<String>| lines.into_iter().map(move |line| format!("{id}: {line}"));
            match self.look(cx, id, desired, there.get(id), since).await? {
                Look::Healthy => {}
                Look::Progressing(reasons) => waits.extend(lines(reasons)),
                Look::Failed(reasons) => failures.extend(lines(reasons)),
            }
        }
        if !(failures.is_empty() && waits.is_empty()) {
            // What containers print may be what they are given.
            hide_secrets(cx, objects.iter().map(|(id, object)| (id, object)));
            let lines = failures.iter_mut().chain(&mut waits);
            lines.for_each(|line| *line = cx.masked(line));
        }
        Ok(match (failures.is_empty(), waits.is_empty()) {
            (false, _) => Health::new(Phase::Failed).waiting_for(failures),
            (true, false) => Health::new(Phase::Progressing).waiting_for(waits).again(pause(since)),
            (true, true) => Health::new(Phase::Healthy),
        })
    }

    /// Returns what keeps an object from its end, as it tells itself, its pods and the events about it: no more of these
    /// than it takes, as hundreds of releases may be waited for at once.
    async fn troubles(
        &self,
        cx: &Context,
        id: &ObjectId,
        now: &Value,
        since: Duration,
    ) -> Result<Vec<Trouble>> {
        if since < PODS && health::explain(now, &[], &[]).is_empty() {
            return Ok(Vec::new());
        }
        let pods = self.pods(cx, id, now).await?;
        if since < EVENTS && health::explain(now, &pods, &[]).is_empty() {
            return Ok(Vec::new());
        }
        let uid = now["metadata"]["uid"].as_str();
        let mut events = self.cluster.events(cx, id, uid).await?;
        let mut asked = BTreeMap::new();
        for pod in &pods {
            let metadata = &pod["metadata"];
            let named = |api_version: &str, kind: &str, of: &Value| {
                let name = of["name"].as_str().unwrap_or_default();
                let id = ObjectId::new(api_version, kind, name);
                metadata["namespace"]
                    .as_str()
                    .map_or(id.clone(), |namespace| id.namespace(namespace.to_owned()))
            };
            asked.insert(named("v1", "Pod", metadata), metadata["uid"].as_str());
            // A quota or an admission refuses the pods of the set between the two.
            for owner in metadata["ownerReferences"].as_array().into_iter().flatten() {
                let (api_version, kind) = (owner["apiVersion"].as_str(), owner["kind"].as_str());
                if owner["uid"].as_str() != uid
                    && let (Some(api_version), Some(kind)) = (api_version, kind)
                {
                    asked.insert(named(api_version, kind, owner), owner["uid"].as_str());
                }
            }
        }
        for (id, uid) in asked {
            events.extend(self.cluster.events(cx, &id, uid).await?);
        }
        Ok(health::explain(now, &pods, &events))
    }

    /// Returns the pods of a workload, or the object itself where it is one.
    async fn pods(&self, cx: &Context, id: &ObjectId, now: &Value) -> Result<Vec<Value>> {
        if is_pod(id) {
            return Ok(vec![now.clone()]);
        }
        let Some(labels) =
            now["spec"]["selector"]["matchLabels"].as_object().filter(|labels| !labels.is_empty())
        else {
            return Ok(Vec::new());
        };
        let mut selector = Selector::new().kind("v1", "Pod");
        if let Some(namespace) = &id.namespace {
            selector = selector.namespace(namespace.clone());
        }
        for (name, value) in labels {
            selector = selector.label(name.as_str(), value.as_str().unwrap_or_default());
        }
        Ok(self.cluster.list(cx, &selector).await?.items)
    }

    /// Returns the last lines that a container wrote, where they tell why: of the run that is meant, or, where the node has
    /// forgotten that one meanwhile, of the other.
    async fn last_lines(&self, cx: &Context, trouble: &Trouble) -> Result<Vec<String>> {
        let Some(of) = &trouble.logs_of else { return Ok(Vec::new()) };
        for previous in [of.previous, !of.previous] {
            let lines = self.lines(cx, of, previous).await?;
            if !lines.iter().all(|line| line.starts_with(FORGOTTEN)) {
                let named = |line| format!("{}/{}> {line}", of.pod, of.container);
                return Ok(lines.into_iter().map(named).collect());
            }
        }
        Ok(Vec::new())
    }

    async fn lines(&self, cx: &Context, of: &Logs, previous: bool) -> Result<Vec<String>> {
        let mut options = LogOptions::new().tail(LAST_LINES);
        if previous {
            options = options.previous();
        }
        let namespace = of.namespace.as_deref().unwrap_or("default");
        let mut lines = Vec::new();
        let read = async {
            let mut log = self.cluster.logs(cx, namespace, &of.pod, Some(&of.container), &options).await?;
            while let Some(line) = log.next().await? {
                lines.push(line);
            }
            Ok::<(), shipway_core::Error>(())
        };
        match read.await {
            Ok(()) => Ok(lines),
            Err(error) if matches!(error.kind(), ErrorKind::Cancelled | ErrorKind::Internal) => Err(error),
            // The container may be gone, or its log not ours to read: the trouble is told without it.
            Err(_) => Ok(lines),
        }
    }
}

fn is_pod(id: &ObjectId) -> bool {
    (id.api_version.as_str(), id.kind.as_str()) == ("v1", "Pod")
}
