//! One process at a time works on a release: a Lease of the release's name says whose turn it is.

use std::{sync::Arc, time::Duration};

use shipway_cluster::{Api, Lease, LeaseRequest};
use shipway_core::{Context, ObjectId, Result};

/// The longest that giving a lease back may take.
const GIVING_BACK: Duration = Duration::from_secs(5);

/// The right to work on a release.
#[derive(Debug)]
pub(crate) struct Turn {
    api: Arc<dyn Api>,
    id: ObjectId,
    lease: Lease,
}

impl Turn {
    /// Returns the Lease of a release.
    pub(crate) fn id(namespace: &str, release: &str) -> ObjectId {
        ObjectId::new("coordination.k8s.io/v1", "Lease", format!("shipway.{release}"))
            .namespace(namespace.to_owned())
    }

    /// Waits for the turn; a run that is gone on with has it still.
    ///
    /// # Errors
    /// `NotFound` where there is no such namespace; `Conflict` where somebody else has it for too long.
    pub(crate) async fn take(
        cx: &Context,
        api: &Arc<dyn Api>,
        namespace: &str,
        release: &str,
    ) -> Result<Self> {
        let id = Self::id(namespace, release);
        let task = cx.task().map_or(String::new(), |task| format!("/{task}"));
        let request = LeaseRequest::new(namespace, id.name.as_str(), format!("{}{task}", cx.run_id()));
        let lease = Lease::acquire(cx, api, &request).await?;
        Ok(Self { api: Arc::clone(api), id, lease })
    }

    /// Does the work, and gives the turn back; where the release is gone by then, its Lease goes as well.
    pub(crate) async fn work<T>(
        mut self,
        cx: &Context,
        gone: bool,
        work: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        let done = self.lease.hold(cx, work).await;
        // Also where this must stop, so that nobody waits for who is gone; what is not given back is free after its
        // duration.
        let _ = self.lease.release(&cx.for_cleanup().within(Some(GIVING_BACK))).await;
        if gone && done.is_ok() {
            let _ = self.api.delete(cx, &self.id, None).await;
        }
        done
    }
}
