//! Watching a real cluster: one stream of changes over however many requests it takes.

use std::{collections::BTreeMap, collections::VecDeque, fmt, sync::Arc, time::Duration};

use kube::core::response::Status;
use serde::Deserialize;
use serde_json::Value;
use shipway_core::{Context, Error, ErrorKind, ObjectId, Result};

use super::{
    Cluster,
    failure::{Asked, failed},
    lines::{Line, Lines},
    objects::name_kind,
    request::{Call, part_of},
    target,
};
use crate::{
    api::Api,
    object::object_id,
    selector::Selector,
    store::List,
    watch::{Happened, WatchEvent},
};

/// How much later than the API server we end a request of a watch, if it does not: this, and a quarter of the
/// request's time.
const SLACK: Duration = Duration::from_secs(1);

/// The longest pause before a request that follows one without an event.
const PAUSE: Duration = Duration::from_millis(500);

/// The most bytes of an event: the largest object that there is, with its owners.
const LIMIT: usize = 16 << 20;

/// A watch of a real cluster; see [`Cluster::watch`].
pub struct ClusterWatch {
    cluster: Cluster,
    cx: Context,
    selector: Selector,
    path: String,
    asked: Asked,
    version: String,
    /// The objects as they were seen last, against which a new list is compared.
    known: BTreeMap<ObjectId, Arc<Value>>,
    lines: Option<Open>,
    ready: VecDeque<WatchEvent>,
}

/// A request of the watch.
struct Open {
    lines: Lines,
    /// When it ends at the latest.
    until: Duration,
    /// Whether nothing came yet.
    silent: bool,
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    happened: String,
    object: Value,
}

impl Cluster {
    /// Returns a watch of what happens to the objects that the selector takes after a list of them.
    ///
    /// It goes on over connections that break and servers that restart. When the cluster has forgotten what
    /// happened since, it is listed again, and the difference comes as events.
    ///
    /// # Errors
    /// `Config` when the selector names no kind; `NotFound` when the cluster has no such kind.
    pub async fn watch(&self, cx: &Context, selector: &Selector, from: &List) -> Result<ClusterWatch> {
        let (path, asked) = self.path_of_selector(cx, "watch", selector).await?;
        let known = from.items.iter().map(|item| Ok((object_id(item)?, Arc::new(item.clone()))));
        Ok(ClusterWatch {
            cluster: self.clone(),
            cx: cx.clone(),
            selector: selector.clone(),
            path,
            asked,
            version: from.resource_version.clone(),
            known: known.collect::<Result<_>>()?,
            lines: None,
            ready: VecDeque::new(),
        })
    }
}

impl ClusterWatch {
    /// Returns the next event, and waits for it if it has not happened yet. May be dropped while it waits;
    /// nothing is lost then.
    ///
    /// # Errors
    /// `Cancelled` and `Timeout` when the context must not go on; `Unavailable` when the API server cannot be
    /// reached for as long as the cluster's options say; the next call goes on then.
    pub async fn next(&mut self) -> Result<WatchEvent> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(event);
            }
            let cx = self.cx.clone();
            tokio::select! {
                biased;
                stopped = cx.stopped() => return Err(stopped),
                step = self.step() => step?,
            }
        }
    }

    /// Reads a line, or begins anew.
    async fn step(&mut self) -> Result<()> {
        let Some(open) = &mut self.lines else { return self.open().await };
        let left = open.until.saturating_sub(self.cx.clock().elapsed());
        let line = tokio::select! {
            biased;
            line = open.lines.next() => line,
            () = self.cx.clock().sleep(left) => Ok(None),
        };
        match line {
            Ok(Some(Line::Whole(line))) => {
                open.silent = false;
                self.event(&line).await
            }
            // It ended, broke off, or is longer than any event: what was not read comes again.
            _ => {
                let silent = open.silent;
                self.lines = None;
                if silent { self.cx.sleep(part_of(PAUSE)).await } else { Ok(()) }
            }
        }
    }

    async fn open(&mut self) -> Result<()> {
        let time = self.cluster.options().watch;
        let seconds = time.as_secs().max(1).to_string();
        let labels = target::labels(&self.selector);
        let query = [
            ("watch", "true"),
            ("allowWatchBookmarks", "true"),
            ("resourceVersion", self.version.as_str()),
            ("timeoutSeconds", seconds.as_str()),
            ("labelSelector", labels.as_str()),
        ];
        let call = Call::get(target::with_query(&self.path, &query), self.asked.clone());
        match self.cluster.stream(&self.cx, &call).await {
            Ok(body) => {
                let until = self.cx.clock().elapsed() + time + time / 4 + SLACK;
                self.lines = Some(Open { lines: Lines::new(body, LIMIT), until, silent: true });
                Ok(())
            }
            // 410: the version is too old.
            Err(error) if error.kind() == ErrorKind::Conflict => self.list_again().await,
            Err(error) => Err(error),
        }
    }

    async fn event(&mut self, line: &[u8]) -> Result<()> {
        let Ok(Event { happened, mut object }) = serde_json::from_slice(line) else {
            return Err(Error::bad_output(format!("{}: an event is not JSON", self.asked.cannot())));
        };
        let version = object["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned();
        let happened = match happened.as_str() {
            "ADDED" => Happened::Added,
            "MODIFIED" => Happened::Modified,
            "DELETED" => Happened::Deleted,
            "BOOKMARK" => {
                self.version = version;
                return Ok(());
            }
            _ => return self.refused(object).await,
        };
        if let Some((api_version, kind)) = &self.selector.kind {
            name_kind(&mut object, api_version, kind);
        }
        self.version = version;
        self.keep(happened, object)
    }

    /// An `ERROR` event, whose object is a `Status`.
    async fn refused(&mut self, status: Value) -> Result<()> {
        self.lines = None;
        let status = serde_json::from_value(status).unwrap_or_else(|_| Status::failure("", ""));
        match status.code {
            410 => self.list_again().await,
            // Of the moment; if it is not, the next request says so.
            429 | 500..=599 => self.cx.sleep(part_of(PAUSE)).await,
            code => Err(failed(&self.asked, code, &status)),
        }
    }

    async fn list_again(&mut self) -> Result<()> {
        let list = self.cluster.list(&self.cx, &self.selector).await?;
        self.lines = None;
        self.version = list.resource_version;
        let mut gone = self.known.clone();
        for object in list.items {
            let id = object_id(&object)?;
            let before = gone.remove(&id);
            let version = |object: &Value| object.pointer("/metadata/resourceVersion").cloned();
            let uid = |object: &Value| object.pointer("/metadata/uid").cloned();
            match before {
                Some(before) if version(&before) == version(&object) => {}
                Some(before) if uid(&before) != uid(&object) => {
                    self.keep(Happened::Deleted, before.as_ref().clone())?;
                    self.keep(Happened::Added, object)?;
                }
                Some(_) => self.keep(Happened::Modified, object)?,
                None => self.keep(Happened::Added, object)?,
            }
        }
        gone.into_values().try_for_each(|object| self.keep(Happened::Deleted, object.as_ref().clone()))
    }

    fn keep(&mut self, happened: Happened, object: Value) -> Result<()> {
        let (id, object) = (object_id(&object)?, Arc::new(object));
        match happened {
            Happened::Deleted => self.known.remove(&id),
            _ => self.known.insert(id, Arc::clone(&object)),
        };
        self.ready.push_back(WatchEvent { happened, object, resource_version: self.version.clone() });
        Ok(())
    }
}

impl fmt::Debug for ClusterWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterWatch").field("path", &self.path).field("version", &self.version).finish()
    }
}
