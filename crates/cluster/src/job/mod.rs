//! A job of one pod: work that is done once in a cluster, from its making to its removal.
//!
//! It is a `Job` and not a bare pod so that the cluster itself ends and removes it when whoever made it is
//! gone: `activeDeadlineSeconds` and `ttlSecondsAfterFinished` are the job's, and its pod and its secret are
//! owned by it.

mod objects;
mod pod;
mod transfer;
mod wait;

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};
use shipway_core::{Context, Error, ErrorKind, ObjectId, Result};

pub use self::{
    objects::{JobObject, job_secret, literal},
    pod::Ended,
    transfer::PodFiles,
};
use crate::{api::Api, kubernetes::Cluster, selector::Selector};

/// Who writes the objects.
const MANAGER: &str = "shipway";

/// The label by which the job's controller marks its pods.
const LABEL: &str = "batch.kubernetes.io/job-name";

/// How often it is looked whether something is gone.
const LOOK: Duration = Duration::from_millis(100);

/// The longest that a pod may take to be gone: its own grace, and a busy node.
const GONE: Duration = Duration::from_secs(60);

/// For how long who is stopped waits for what is being made.
const PATIENCE: Duration = Duration::from_secs(5);

/// A job of one pod, with a secret if it has one; removed when this is dropped, if it was not removed before.
#[derive(Debug)]
pub struct PodJob {
    cluster: Cluster,
    /// Without cancellation: what was made is removed in any case.
    cleanup: Context,
    job: ObjectId,
    uid: String,
    secret: Option<(ObjectId, String)>,
    removed: bool,
}

impl PodJob {
    /// Makes a job and the secret that its pod waits for, which the job owns. One of the same name that runs
    /// or has succeeded is taken over, as is its secret: a name must say all that decides the work. One that
    /// failed is made anew.
    ///
    /// Who stops meanwhile does not leave behind what the cluster makes.
    ///
    /// # Errors
    /// What the cluster says; `Cancelled` and `Timeout` when the context must not go on.
    pub async fn open(cx: &Context, cluster: &Cluster, job: Value, secret: Option<Value>) -> Result<Self> {
        let (cluster, cleanup) = (cluster.clone(), cx.for_cleanup());
        let mut made = tokio::spawn(async move { Self::make(cluster, cleanup, job, secret).await });
        let stopped = tokio::select! {
            biased;
            made = &mut made => {
                return made.map_err(|error| Error::internal("making a job failed").source(error))?;
            }
            stopped = cx.stopped() => stopped,
        };
        // What is made is removed before it is said that it was stopped; later, where the cluster is slow.
        let removing = async {
            if let Ok(Ok(job)) = made.await {
                let _ = job.remove().await;
            }
        };
        tokio::select! {
            () = removing => {}
            () = cx.clock().sleep(PATIENCE) => {}
        }
        Err(stopped)
    }

    async fn make(cluster: Cluster, cx: Context, job: Value, secret: Option<Value>) -> Result<Self> {
        let id = crate::object_id(&job)?;
        let there = loop {
            // Where the answer was lost, what is there may be an earlier one of the same content.
            let there = match cluster.create(&cx, MANAGER, &job).await {
                Err(error) if error.kind() == ErrorKind::Conflict => cluster.get(&cx, &id).await?,
                made => Some(made?),
            };
            let Some(there) = there else { continue };
            if there["metadata"]["deletionTimestamp"].is_null() && !has_failed(&there) {
                break there;
            }
            Self::at(cluster.clone(), cx.clone(), id.clone(), &there)?.remove().await?;
        };
        let mut opened = Self::at(cluster, cx, id, &there)?;
        if let Some(secret) = secret {
            opened.secret = Some(opened.own(secret).await?);
        }
        Ok(opened)
    }

    fn at(cluster: Cluster, cleanup: Context, job: ObjectId, there: &Value) -> Result<Self> {
        let uid = uid(there)?;
        Ok(Self { cluster, cleanup, job, uid, secret: None, removed: false })
    }

    /// Makes a secret that goes with the job, and returns which it is.
    async fn own(&self, mut secret: Value) -> Result<(ObjectId, String)> {
        secret["metadata"]["ownerReferences"] = json!([{
            "apiVersion": self.job.api_version, "kind": self.job.kind, "name": self.job.name,
            "uid": self.uid, "controller": true,
        }]);
        let id = crate::object_id(&secret)?;
        loop {
            match self.cluster.create(&self.cleanup, MANAGER, &secret).await {
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                made => return Ok((id, uid(&made?)?)),
            }
            let there = self.cluster.get(&self.cleanup, &id).await?.unwrap_or_default();
            if is_owned(&there, &self.uid) && there["metadata"]["deletionTimestamp"].is_null() {
                return Ok((id, uid(&there)?));
            }
            // That of an earlier job of this name, which the cluster has not removed yet.
            self.cluster.delete(&self.cleanup, &id, there["metadata"]["uid"].as_str()).await?;
            self.cleanup.sleep(LOOK).await?;
        }
    }

    /// Returns the cluster that it is in.
    #[must_use]
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    fn namespace(&self) -> &str {
        self.job.namespace.as_deref().unwrap_or_default()
    }

    fn pods(&self) -> Selector {
        Selector::new().kind("v1", "Pod").namespace(self.namespace()).label(LABEL, self.job.name.as_str())
    }

    /// Removes the job with its pod and its secret, and returns when they are gone.
    ///
    /// # Errors
    /// What the cluster says; `Timeout` when the pod does not go.
    pub async fn remove(mut self) -> Result<()> {
        self.removed = true;
        self.left().clear().await
    }

    fn left(&self) -> Left {
        Left {
            cluster: self.cluster.clone(),
            cx: self.cleanup.clone(),
            job: self.job.clone(),
            uid: self.uid.clone(),
            secret: self.secret.clone(),
            pods: self.pods(),
        }
    }
}

impl Drop for PodJob {
    fn drop(&mut self) {
        if let (false, Ok(runtime)) = (self.removed, tokio::runtime::Handle::try_current()) {
            let left = self.left();
            runtime.spawn(async move {
                // What cannot be removed now, the cluster removes after the job's time.
                let _ = left.clear().await;
            });
        }
    }
}

/// What is to be removed of a job.
struct Left {
    cluster: Cluster,
    cx: Context,
    job: ObjectId,
    uid: String,
    secret: Option<(ObjectId, String)>,
    pods: Selector,
}

impl Left {
    async fn clear(&self) -> Result<()> {
        // First of all, so that its controller makes no other pod.
        self.delete(&self.job, &self.uid).await?;
        if let Some((secret, uid)) = &self.secret {
            self.delete(secret, uid).await?;
        }
        let end = self.cx.clock().elapsed() + GONE;
        let mut told = BTreeSet::new();
        loop {
            let mut pods = self.cluster.list(&self.cx, &self.pods).await?.items;
            pods.retain(|pod| is_owned(pod, &self.uid));
            if pods.is_empty() && self.is_gone().await? {
                return Ok(());
            }
            for pod in pods {
                let uid = uid(&pod)?;
                if !told.contains(&uid) {
                    self.delete(&crate::object_id(&pod)?, &uid).await?;
                    told.insert(uid);
                }
            }
            if self.cx.clock().elapsed() > end {
                return Err(Error::timeout(format!("{} and its pod do not go within {GONE:?}", self.job))
                    .hint("see whether the pod's node is there"));
            }
            self.cx.sleep(LOOK).await?;
        }
    }

    /// Removes this very object: another one of its name is somebody else's.
    async fn delete(&self, id: &ObjectId, uid: &str) -> Result<()> {
        match self.cluster.delete(&self.cx, id, Some(uid)).await {
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(()),
            deleted => deleted,
        }
    }

    /// Returns whether the job itself is gone: removed in the background, it may stay for a moment.
    async fn is_gone(&self) -> Result<bool> {
        let there = self.cluster.get(&self.cx, &self.job).await?;
        Ok(there.is_none_or(|there| there["metadata"]["uid"] != self.uid.as_str()))
    }
}

fn uid(object: &Value) -> Result<String> {
    let uid = object["metadata"]["uid"].as_str().map(ToOwned::to_owned);
    uid.ok_or_else(|| Error::bad_output("an object of the cluster has no uid"))
}

/// Returns whether an object is owned by the one with this uid.
fn is_owned(object: &Value, uid: &str) -> bool {
    object["metadata"]["ownerReferences"][0]["uid"] == uid
}

/// Returns whether a job failed, which is final.
fn has_failed(job: &Value) -> bool {
    let conditions = job["status"]["conditions"].as_array();
    let is = |one: &Value| ["Failed", "FailureTarget"].iter().any(|kind| one["type"] == *kind);
    conditions.into_iter().flatten().any(|one| is(one) && one["status"] == "True")
}
