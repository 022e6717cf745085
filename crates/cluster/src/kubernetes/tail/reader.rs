//! The reader of one container's log, from its first instance to the last.

use std::{sync::Arc, time::Duration};

use serde_json::Value;
use shipway_core::{Context, ErrorKind, Result};
use tokio::sync::watch;

use super::{Sink, TailLine, cursor::Cursor};
use crate::kubernetes::{Cluster, LogOptions, lines::Line};

/// How long after the end of a stream the log is opened again, so that the pod's status is not behind.
const PAUSE: Duration = Duration::from_secs(1);

/// Reads the log of one container of one pod.
pub(super) struct Reader {
    pub(super) cluster: Cluster,
    pub(super) cx: Context,
    /// The pod as it is now; ends when it is gone.
    pub(super) pod: watch::Receiver<Arc<Value>>,
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) container: String,
    pub(super) cursor: Cursor,
    /// How much is wanted of what is there already.
    pub(super) lines: Option<u64>,
    pub(super) sink: Sink,
}

/// One run of a container: each restart is another.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Instance {
    id: String,
    ended: bool,
}

impl Reader {
    pub(super) async fn run(mut self) {
        // The instance that is being read, and whether all of it was.
        let mut current: Option<(String, bool)> = None;
        loop {
            let container = self.container.clone();
            let done = current.clone().filter(|(_, whole)| *whole).map(|(id, _)| id);
            let next =
                |pod: &Arc<Value>| instance(pod, &container).filter(|one| Some(&one.id) != done.as_ref());
            let pod = match self.pod.wait_for(|pod| next(pod).is_some()).await {
                Ok(pod) => Arc::clone(&pod),
                // The pod is gone, and its logs with it.
                Err(_) => return,
            };
            let Some(now) = next(&pod) else { continue };
            if let Some((id, false)) = &current
                && *id != now.id
                && previous(&pod, &self.container) == Some(id)
            {
                // It restarted before all was read.
                let options = LogOptions::new().timestamps().previous();
                let _ = self.read(options, true).await;
            }
            let mut options = LogOptions::new().timestamps().follow();
            options.tail = self.lines.filter(|_| self.cursor.is_new());
            let read = self.read(options, now.ended).await;
            if read.as_ref().is_err_and(|error| error.kind() == ErrorKind::NotFound) {
                return;
            }
            // Only what had ended before its log was opened is read whole at the log's end.
            let whole = now.ended && read.is_ok();
            current = Some((now.id, whole));
            if !whole && self.cx.sleep(PAUSE).await.is_err() {
                return;
            }
        }
    }

    /// Hands over what is new in the log until it ends; `last` says whether nothing follows its end.
    async fn read(&mut self, mut options: LogOptions, last: bool) -> Result<()> {
        options.since = self.cursor.reopen();
        let container = Some(self.container.as_str());
        let mut logs = self.cluster.logs(&self.cx, &self.namespace, &self.name, container, &options).await?;
        while let Some(line) = logs.line().await? {
            let line = match line {
                // Where the connection was closed in the middle of a line, it comes again whole.
                Line::Last(_) if !last => continue,
                Line::Whole(line) | Line::Part(line) | Line::Last(line) => line,
            };
            if let Some((at, text)) = self.cursor.take(&String::from_utf8_lossy(&line)) {
                (self.sink)(TailLine {
                    pod: self.name.clone(),
                    container: self.container.clone(),
                    at: at.to_owned(),
                    text: text.to_owned(),
                });
            }
        }
        Ok(())
    }
}

/// Returns the container's status, of whatever sort it is.
fn status<'a>(pod: &'a Value, container: &str) -> Option<&'a Value> {
    ["initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"]
        .into_iter()
        .filter_map(|sort| pod["status"][sort].as_array())
        .flatten()
        .find(|status| status["name"] == container)
}

/// Returns the instance whose log there is now.
fn instance(pod: &Value, container: &str) -> Option<Instance> {
    let status = status(pod, container)?;
    let (state, last) = (&status["state"], &status["lastState"]);
    // While it waits to be started again, the log is still that of the last one.
    let ended = [state, last].into_iter().find_map(|state| state["terminated"]["containerID"].as_str());
    if state.get("running").is_some() {
        let id = status["containerID"].as_str()?.to_owned();
        return Some(Instance { id, ended: false });
    }
    ended.filter(|id| !id.is_empty()).map(|id| Instance { id: id.to_owned(), ended: true })
}

/// Returns the instance before the present one.
fn previous<'a>(pod: &'a Value, container: &str) -> Option<&'a String> {
    match &status(pod, container)?["lastState"]["terminated"]["containerID"] {
        Value::String(id) => Some(id),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_instance_is_known_by_its_id() {
        let pod = |state: Value, last: Value| {
            json!({"status": {"containerStatuses": [
                {"name": "b"}, {"name": "a", "containerID": "c2", "state": state, "lastState": last}]}})
        };
        let ended = |id: &str| json!({"terminated": {"containerID": id}});
        let table = [
            (pod(json!({"waiting": {}}), json!({})), None),
            (pod(json!({"running": {}}), json!({})), Some(("c2", false))),
            (pod(json!({"running": {}}), ended("c1")), Some(("c2", false))),
            (pod(ended("c2"), ended("c1")), Some(("c2", true))),
            // CrashLoopBackOff.
            (pod(json!({"waiting": {}}), ended("c2")), Some(("c2", true))),
            (json!({}), None),
        ];
        for (pod, expected) in table {
            let expected = expected.map(|(id, ended)| Instance { id: id.to_owned(), ended });
            assert_eq!(instance(&pod, "a"), expected, "{pod}");
        }
        assert_eq!(previous(&pod(json!({}), ended("c1")), "a").map(String::as_str), Some("c1"));
        assert_eq!(instance(&pod(json!({"running": {}}), json!({})), "b"), None);
    }
}
