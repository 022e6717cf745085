//! The logs of all pods that a selector takes, through restarts, new pods and broken connections.

mod cursor;
mod reader;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::Value;
use shipway_core::{Context, Level, Result};
use tokio::{sync::watch, task::JoinSet};

use self::{cursor::Cursor, reader::Reader};
use super::Cluster;
use crate::{api::Api, selector::Selector, watch::Happened};

/// A line of a container's log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TailLine {
    /// The pod.
    pub pod: String,
    /// The container.
    pub container: String,
    /// When it was written, as RFC 3339 has it.
    pub at: String,
    /// The line.
    pub text: String,
}

/// From where on logs are wanted; by default from the beginning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TailOptions {
    /// Only lines from this moment on, as RFC 3339 has it.
    pub since: Option<String>,
    /// Of what is there already, only so many lines of each container.
    pub lines: Option<u64>,
}

impl TailOptions {
    /// Returns options for all lines.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes only lines from this moment on.
    #[must_use]
    pub fn since(mut self, moment: impl Into<String>) -> Self {
        self.since = Some(moment.into());
        self
    }

    /// Takes of what is there already only so many lines of each container.
    #[must_use]
    pub fn lines(mut self, lines: u64) -> Self {
        self.lines = Some(lines);
        self
    }
}

/// What hears the lines.
type Sink = Arc<dyn Fn(TailLine) + Send + Sync>;

/// The readers of the pods' logs, and what tells them of their pods.
#[derive(Default)]
struct Readers {
    pods: BTreeMap<String, (watch::Sender<Arc<Value>>, BTreeSet<String>)>,
    tasks: JoinSet<()>,
}

impl Cluster {
    /// Hands over the lines of all containers of all pods that the selector takes, those to come too, until
    /// cancellation is asked for.
    ///
    /// Lines of one container come in their order, each once, over connections that break and containers
    /// that restart. What the kubelet has thrown away before it was read, because the log was rotated while
    /// the connection was broken or the container restarted twice, is not there to be read.
    ///
    /// # Errors
    /// `Auth` when pods may not be listed; `Timeout` at the context's deadline.
    pub async fn tail(
        &self,
        cx: &Context,
        selector: &Selector,
        options: &TailOptions,
        sink: impl Fn(TailLine) + Send + Sync + 'static,
    ) -> Result<()> {
        let sink: Sink = Arc::new(sink);
        let selector = selector.clone().kind("v1", "Pod");
        let list = self.list(cx, &selector).await?;
        let mut watch = self.watch(cx, &selector, &list).await?;
        let mut readers = Readers::default();
        for pod in list.items {
            readers.pod(self, cx, Arc::new(pod), options, &sink);
        }
        // Of pods to come, all is new.
        let all = TailOptions { since: options.since.clone(), lines: None };
        loop {
            tokio::select! {
                _ = cx.cancel().requested() => return Ok(()),
                Some(_) = readers.tasks.join_next() => {}
                event = watch.next() => match event {
                    Ok(event) if event.happened == Happened::Deleted => readers.gone(&event.object),
                    Ok(event) => readers.pod(self, cx, event.object, &all, &sink),
                    Err(error) if error.may_retry() => {
                        cx.message(Level::Warning, format!("logs are behind: {error}"));
                    }
                    Err(_) if cx.cancel().state().is_some() => return Ok(()),
                    Err(error) => return Err(error),
                },
            }
        }
    }
}

impl Readers {
    /// Tells the readers of a pod how it is now, and begins those that are missing.
    fn pod(&mut self, cluster: &Cluster, cx: &Context, pod: Arc<Value>, options: &TailOptions, sink: &Sink) {
        let text = |field: &str| pod["metadata"][field].as_str().unwrap_or_default().to_owned();
        let (uid, namespace, name) = (text("uid"), text("namespace"), text("name"));
        let (now, begun) =
            self.pods.entry(uid).or_insert_with(|| (watch::Sender::new(Arc::clone(&pod)), BTreeSet::new()));
        now.send_replace(Arc::clone(&pod));
        for container in containers(&pod) {
            if begun.insert(container.to_owned()) {
                let reader = Reader {
                    cluster: cluster.clone(),
                    cx: cx.clone(),
                    pod: now.subscribe(),
                    namespace: namespace.clone(),
                    name: name.clone(),
                    container: container.to_owned(),
                    cursor: Cursor::new(options.since.clone()),
                    lines: options.lines,
                    sink: Arc::clone(sink),
                };
                self.tasks.spawn(reader.run());
            }
        }
    }

    /// Lets the readers of a pod end when they have read what there is.
    fn gone(&mut self, pod: &Value) {
        self.pods.remove(pod["metadata"]["uid"].as_str().unwrap_or_default());
    }
}

/// Returns the names of a pod's containers, of all sorts.
fn containers(pod: &Value) -> impl Iterator<Item = &str> {
    ["initContainers", "containers", "ephemeralContainers"]
        .into_iter()
        .filter_map(|sort| pod["spec"][sort].as_array())
        .flatten()
        .filter_map(|container| container["name"].as_str())
}
