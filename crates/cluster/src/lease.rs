//! One at a time: a lease of a cluster (`coordination.k8s.io`), which at most one holder has.
//!
//! As in client-go (`tools/leaderelection`), nobody compares clocks: who waits takes a lease over when it
//! has not changed for its duration by the waiting side's own clock; who holds it is sure of it for less
//! than that, counted from before the request that renewed it was sent. Each write has the version that
//! was read as its precondition.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use shipway_core::{Context, Error, ErrorKind, ObjectId, Result};

use crate::api::Api;

/// Who writes leases, as field managers have names.
const MANAGER: &str = "shipway-lease";

/// The longest pause between two looks at a lease that somebody else holds.
const POLL: Duration = Duration::from_secs(2);

/// The pause after somebody else was faster.
const QUICK: Duration = Duration::from_millis(50);

/// How often a write is repeated that somebody else's was in the way of.
const ATTEMPTS: usize = 5;

/// A wish for a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeaseRequest {
    /// The namespace of the lease.
    pub namespace: String,
    /// The name of the lease.
    pub name: String,
    /// Who wants it, by a name that nobody else has, such as a run's id. Who has this name already holds it.
    pub holder: String,
    /// After how long it is free when its holder does not renew it; whole seconds, 15 by default.
    pub duration: Duration,
    /// How long to wait for it; twice the duration by default.
    pub patience: Duration,
}

impl LeaseRequest {
    /// Returns the wish for a lease.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>, holder: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
            holder: holder.into(),
            duration: Duration::from_secs(15),
            patience: Duration::from_secs(30),
        }
    }

    /// Sets after how long it is free when its holder does not renew it.
    #[must_use]
    pub fn duration(mut self, duration: Duration) -> Self {
        self.duration = duration;
        self
    }

    /// Sets how long to wait for it.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    fn id(&self) -> ObjectId {
        ObjectId::new("coordination.k8s.io/v1", "Lease", self.name.as_str()).namespace(self.namespace.clone())
    }
}

/// A lease that is held until [`Lease::release`], or until it is not renewed in time.
#[derive(Debug)]
pub struct Lease {
    api: Arc<dyn Api>,
    request: LeaseRequest,
    /// The object as we wrote it.
    object: Value,
    /// Until when nobody else can have it.
    sure: Duration,
}

impl Lease {
    /// Waits until the lease is ours.
    ///
    /// # Errors
    /// `Conflict` when somebody else holds it for longer than we wait; `Config` when the duration is less
    /// than a second.
    pub async fn acquire(cx: &Context, api: &Arc<dyn Api>, request: &LeaseRequest) -> Result<Self> {
        if request.duration < Duration::from_secs(1) || request.holder.is_empty() {
            return Err(Error::config(format!("{} cannot be held so", request.id()))
                .hint("a lease has a holder, and a duration of at least a second"));
        }
        let mut lease = Self {
            api: Arc::clone(api),
            request: request.clone(),
            object: Value::Null,
            sure: Duration::ZERO,
        };
        let end = cx.clock().elapsed() + request.patience;
        let mut seen: Option<(String, Duration)> = None;
        loop {
            let found = api.get(cx, &request.id()).await?;
            let now = cx.clock().elapsed();
            let (mut pause, mut by) = (POLL.min(request.duration / 5), String::new());
            let free = match &found {
                None => true,
                Some(found) => {
                    let version = version(found);
                    let since = match &seen {
                        Some((known, since)) if known == version => *since,
                        _ => now,
                    };
                    seen = Some((version.to_owned(), since));
                    holder(found).clone_into(&mut by);
                    by.is_empty() || by == request.holder || now - since >= duration(found)
                }
            };
            if free {
                if lease.write(cx, found).await? {
                    return Ok(lease);
                }
                // Somebody was faster.
                pause = QUICK;
            }
            if now >= end {
                return Err(Error::conflict(format!("{} is held by `{by}`", request.id()))
                    .hint("wait until its holder has ended; one that is gone loses it by itself"));
            }
            let held = |stopped: Error| match by.is_empty() {
                true => stopped,
                false => stopped.note(format!("{} is held by `{by}`", request.id())),
            };
            cx.sleep(pause).await.map_err(held)?;
        }
    }

    /// Returns whether nobody else can hold the lease now.
    #[must_use]
    pub fn is_sure(&self, cx: &Context) -> bool {
        cx.clock().elapsed() < self.sure
    }

    /// Returns the version of the cluster at which the lease was taken or renewed last: what was read before
    /// it may be of another holder.
    #[must_use]
    pub fn resource_version(&self) -> &str {
        version(&self.object)
    }

    /// Renews the lease.
    ///
    /// # Errors
    /// `Conflict` when it is somebody else's; others when it cannot be reached, and then it is still ours
    /// for as long as [`Lease::is_sure`] says.
    pub async fn renew(&mut self, cx: &Context) -> Result<()> {
        let mut known = self.object.clone();
        for _ in 0..ATTEMPTS {
            if holder(&known) != self.request.holder {
                self.sure = Duration::ZERO;
                return Err(lost(&self.request));
            }
            if self.write(cx, Some(known)).await? {
                return Ok(());
            }
            // It may be ours all the same: the answer to our last write was lost.
            known = self.api.get(cx, &self.request.id()).await?.unwrap_or_default();
        }
        Err(Error::new(ErrorKind::Unavailable, format!("{} changes all the time", self.request.id())))
    }

    /// Does the work while the lease is renewed, and drops it when the lease is lost.
    ///
    /// # Errors
    /// What the work says; `Conflict` when the lease was lost before the work ended.
    pub async fn hold<T>(&mut self, cx: &Context, work: impl Future<Output = Result<T>> + Send) -> Result<T> {
        let mut work = std::pin::pin!(work);
        let request = self.request.clone();
        loop {
            let left = self.sure.saturating_sub(cx.clock().elapsed());
            let renewing = async {
                cx.clock().sleep(request.duration / 4).await;
                match self.renew(cx).await {
                    Err(error) if error.kind() == ErrorKind::Conflict => Err(error),
                    // It is tried again until nobody can be sure any more.
                    _ => Ok(()),
                }
            };
            tokio::select! {
                biased;
                // First, so that no step of the work begins when somebody else may have the lease.
                () = cx.clock().sleep(left) => return Err(lost(&request)),
                done = &mut work => return done,
                renewed = renewing => renewed?,
            }
        }
    }

    /// Gives the lease back, so that nobody has to wait for it; fine if it is somebody else's by now.
    ///
    /// # Errors
    /// When it cannot be reached; then it is free after its duration.
    pub async fn release(mut self, cx: &Context) -> Result<()> {
        self.sure = Duration::ZERO;
        let mut known = self.object.take();
        for _ in 0..ATTEMPTS {
            if holder(&known) != self.request.holder {
                break;
            }
            if let Some(spec) = known["spec"].as_object_mut() {
                spec.remove("holderIdentity");
            }
            match self.api.update(cx, MANAGER, &prepared(known)).await {
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                Err(error) if error.kind() == ErrorKind::NotFound => break,
                Err(error) => return Err(error),
                Ok(_) => break,
            }
            known = self.api.get(cx, &self.request.id()).await?.unwrap_or_default();
        }
        Ok(())
    }

    /// Makes the lease ours, if it is as we know it; returns whether it was.
    async fn write(&mut self, cx: &Context, known: Option<Value>) -> Result<bool> {
        let begun = cx.clock().elapsed();
        // The moments are for people, who see them with `kubectl`.
        let now = cx.clock().now().to_string().replace('Z', "000Z");
        let new = known.is_none();
        let before = known.as_ref().map(version).unwrap_or_default().to_owned();
        let id = self.request.id();
        let mut object = prepared(known.unwrap_or_else(|| {
            json!({"apiVersion": id.api_version, "kind": id.kind,
                "metadata": {"name": id.name, "namespace": id.namespace}, "spec": {}})
        }));
        let spec = &mut object["spec"];
        if spec["holderIdentity"] != self.request.holder.as_str() {
            let transitions = spec["leaseTransitions"].as_u64().unwrap_or(0);
            spec["leaseTransitions"] = (transitions + u64::from(!new)).into();
            spec["acquireTime"] = now.as_str().into();
        }
        spec["holderIdentity"] = self.request.holder.as_str().into();
        spec["leaseDurationSeconds"] = self.request.duration.as_secs().into();
        spec["renewTime"] = now.into();
        let written = match new {
            true => self.api.create(cx, MANAGER, &object).await,
            false => self.api.update(cx, MANAGER, &object).await,
        };
        match written {
            Ok(object) => {
                // Who waits sees a new version, not a new moment: without one, nothing was renewed.
                if version(&object) != before {
                    self.sure = begun + self.request.duration * 3 / 4;
                }
                self.object = object;
                Ok(true)
            }
            // Somebody else wrote or removed it since; what is new and has no namespace is never written.
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(false),
            Err(error) if error.kind() == ErrorKind::NotFound && !new => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Returns the object as an update takes it, with its version as the precondition.
fn prepared(mut object: Value) -> Value {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("managedFields");
    }
    object
}

fn lost(request: &LeaseRequest) -> Error {
    Error::conflict(format!("{} was lost while it was held", request.id()))
        .note("it could not be renewed in time, or somebody else took it")
        .hint("plan again")
}

fn version(object: &Value) -> &str {
    object["metadata"]["resourceVersion"].as_str().unwrap_or_default()
}

fn holder(object: &Value) -> &str {
    object["spec"]["holderIdentity"].as_str().unwrap_or_default()
}

/// Returns after how long its holder loses the lease; without a word, at once.
fn duration(object: &Value) -> Duration {
    Duration::from_secs(object["spec"]["leaseDurationSeconds"].as_u64().unwrap_or(0))
}
