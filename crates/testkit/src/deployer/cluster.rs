//! The in-memory cluster as a target of deployers under test.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use serde_json::{Value, json};
use shipway_cluster::{Fault, MemoryCluster, Selector, object_id};
use shipway_core::{Error, ErrorKind, ObjectId};

use super::DeployTarget;

/// A [`MemoryCluster`] that the kit looks into, cuts off, and in which it plays the controllers: it
/// reports in the status of workloads whether they are ready.
///
/// ```no_run
/// # use shipway_cluster::MemoryCluster;
/// # use shipway_core::{
/// #     Capabilities, ChangeSet, Context, Deployer, Deployment, Desired, Error, Health, Inputs, Manifests, Release, Result,
/// # };
/// # #[derive(Debug)]
/// # struct Helm(MemoryCluster);
/// # impl Helm {
/// #     fn new(cluster: MemoryCluster, _chart: &str) -> Self {
/// #         Self(cluster)
/// #     }
/// # }
/// # fn example<T>() -> Result<T> {
/// #     Err(Error::unsupported("an example"))
/// # }
/// # #[async_trait::async_trait]
/// # impl Deployer for Helm {
/// #     fn capabilities(&self) -> Capabilities {
/// #         Capabilities::new()
/// #     }
/// #     async fn inputs(&self, _cx: &Context) -> Result<Inputs> {
/// #         example()
/// #     }
/// #     async fn render(&self, _cx: &Context, _release: &Release) -> Result<Manifests> {
/// #         example()
/// #     }
/// #     async fn history(&self, _cx: &Context, _release: &str) -> Result<Vec<Deployment>> {
/// #         example()
/// #     }
/// #     async fn diff(&self, _cx: &Context, _desired: &Desired) -> Result<ChangeSet> {
/// #         example()
/// #     }
/// #     async fn apply(&self, _cx: &Context, _changes: &ChangeSet) -> Result<Deployment> {
/// #         example()
/// #     }
/// #     async fn health(&self, _cx: &Context, _deployment: &Deployment) -> Result<Health> {
/// #         example()
/// #     }
/// # }
/// use shipway_testkit::ClusterTarget;
///
/// fn main() -> std::process::ExitCode {
///     shipway_testkit::deployer(ClusterTarget::new, |target| Helm::new(target.cluster(), "charts/hello"))
///         .fixture("tests/fixtures/hello")
///         .main()
/// }
/// ```
#[derive(Clone, Debug)]
pub struct ClusterTarget {
    cluster: MemoryCluster,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    requests: u64,
    writes_left: Option<u64>,
    dead: bool,
    /// Whether the kit itself is at work, which is neither counted nor cut.
    kit: bool,
}

impl Default for ClusterTarget {
    fn default() -> Self {
        Self::new()
    }
}

impl ClusterTarget {
    /// Returns a target with an empty cluster.
    #[must_use]
    pub fn new() -> Self {
        let cluster = MemoryCluster::new();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let hook = Arc::clone(&seen);
        cluster.set_faults(move |call| locked(&hook).fault(call.write.is_some()));
        Self { cluster, seen }
    }

    /// Returns a handle to the cluster, for the deployer.
    #[must_use]
    pub fn cluster(&self) -> MemoryCluster {
        self.cluster.clone()
    }

    /// Does something that is not the deployer's doing.
    fn by_the_kit<T>(&self, work: impl FnOnce(&MemoryCluster) -> T) -> T {
        locked(&self.seen).kit = true;
        let done = work(&self.cluster);
        locked(&self.seen).kit = false;
        done
    }

    fn objects(&self) -> Vec<Value> {
        // Without a fault, which the kit does not see, a list cannot fail.
        self.by_the_kit(|cluster| cluster.list(&Selector::new())).map(|list| list.items).unwrap_or_default()
    }
}

fn locked(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Seen {
    fn fault(&mut self, write: bool) -> Fault {
        if self.kit {
            return Fault::None;
        }
        self.requests += 1;
        if write {
            match &mut self.writes_left {
                Some(0) => self.dead = true,
                Some(left) => *left -= 1,
                None => {}
            }
        }
        if self.dead {
            return Fault::Refuse(Error::new(
                ErrorKind::Unavailable,
                "the connection to the cluster was cut",
            ));
        }
        Fault::None
    }
}

/// What the API server and controllers write by themselves, or make unlike in every cluster.
const OWN_METADATA: [&str; 5] =
    ["creationTimestamp", "generation", "managedFields", "resourceVersion", "uid"];

#[async_trait]
impl DeployTarget for ClusterTarget {
    async fn observe(&self) -> BTreeMap<ObjectId, Value> {
        let mut observed = BTreeMap::new();
        for mut object in self.objects() {
            let Ok(id) = object_id(&object) else { continue };
            if let Some(fields) = object.as_object_mut() {
                fields.remove("status");
            }
            if let Some(metadata) = object.pointer_mut("/metadata").and_then(Value::as_object_mut) {
                metadata.retain(|name, _| !OWN_METADATA.contains(&name.as_str()));
            }
            observed.insert(id, object);
        }
        observed
    }

    async fn put(&self, object: &ObjectId, value: Value) {
        const SOMEBODY: &str = "somebody-else";
        let _ = self.by_the_kit(|cluster| match cluster.get(object) {
            Ok(Some(_)) => cluster.update(SOMEBODY, &value),
            _ => cluster.create(SOMEBODY, &value),
        });
    }

    async fn cut(&self, writes: Option<u64>) {
        let mut seen = locked(&self.seen);
        seen.writes_left = writes;
        seen.dead = false;
    }

    async fn requests(&self) -> u64 {
        locked(&self.seen).requests
    }

    async fn fare(&self, well: bool) {
        for mut object in self.objects() {
            let kind = object.get("kind").and_then(Value::as_str).unwrap_or_default();
            if !["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"].contains(&kind) {
                continue;
            }
            object["status"] = status(&object, well);
            // The version may have moved only by the deployer, which is not at work now.
            let _ = self.by_the_kit(|cluster| cluster.update_status("kube-controller-manager", &object));
        }
    }
}

/// Returns the status of a workload as its controller reports it (Kubernetes API, `DeploymentStatus`).
fn status(workload: &Value, well: bool) -> Value {
    let generation = workload.pointer("/metadata/generation").cloned().unwrap_or(json!(1));
    let wanted = workload.pointer("/spec/replicas").and_then(Value::as_u64).unwrap_or(1);
    let ready = if well { wanted } else { 0 };
    let word = |holds: bool| if holds { "True" } else { "False" };
    let (reason, message) = if well {
        ("NewReplicaSetAvailable", "all replicas are ready")
    } else {
        ("ProgressDeadlineExceeded", "no replica became ready")
    };
    json!({
        "observedGeneration": generation,
        "replicas": wanted,
        "updatedReplicas": wanted,
        "readyReplicas": ready,
        "availableReplicas": ready,
        "unavailableReplicas": wanted - ready,
        "conditions": [
            {"type": "Available", "status": word(well), "reason": reason, "message": message},
            {"type": "Progressing", "status": word(well), "reason": reason, "message": message},
        ],
    })
}

#[cfg(test)]
mod tests {
    use shipway_cluster::Apply;

    use super::*;

    fn deployment() -> Value {
        json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "hello", "namespace": "default"},
            "spec": {"replicas": 2},
        })
    }

    #[tokio::test]
    async fn what_the_cluster_writes_by_itself_is_not_observed() {
        let target = ClusterTarget::new();
        target.cluster().apply("shipway", &deployment(), Apply::default()).expect("applied");
        target.fare(true).await;
        let observed: Vec<Value> = target.observe().await.into_values().collect();
        assert_eq!(observed, [deployment()]);
        assert_eq!(target.requests().await, 1);
    }

    #[tokio::test]
    async fn the_deployer_is_cut_off_and_the_kit_is_not() {
        let target = ClusterTarget::new();
        let cluster = target.cluster();
        target.cut(Some(1)).await;
        cluster.apply("shipway", &deployment(), Apply::default()).expect("let through");
        assert!(cluster.list(&Selector::new()).is_ok());
        assert!(cluster.apply("shipway", &deployment(), Apply::default()).is_err());
        assert!(cluster.list(&Selector::new()).is_err(), "a dead process does not read either");
        let id = object_id(&deployment()).expect("an object");
        let mut theirs = deployment();
        theirs["spec"]["replicas"] = json!(7);
        target.put(&id, theirs.clone()).await;
        assert_eq!(target.observe().await.get(&id), Some(&theirs));
        target.cut(None).await;
        assert!(cluster.list(&Selector::new()).is_ok());
    }

    #[tokio::test]
    async fn the_kit_plays_the_controllers() {
        let target = ClusterTarget::new();
        let cluster = target.cluster();
        cluster.apply("shipway", &deployment(), Apply::default()).expect("applied");
        let id = object_id(&deployment()).expect("an object");
        for (well, ready) in [(false, 0), (true, 2)] {
            target.fare(well).await;
            let live = cluster.get(&id).expect("read").expect("there");
            assert_eq!(live.pointer("/status/readyReplicas"), Some(&json!(ready)));
            assert_eq!(live.pointer("/status/observedGeneration"), live.pointer("/metadata/generation"));
        }
    }
}
