//! An in-memory cluster as the kit's target, with writes that can be cut off.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use serde_json::{Value, json};
use shipway_cluster::{Fault, MemoryCluster, Selector, object_id};
use shipway_core::{Error, ErrorKind, ObjectId};
use shipway_testkit::DeployTarget;

#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) cluster: MemoryCluster,
    watched: Arc<Watched>,
}

/// What the deployer's calls meet.
#[derive(Debug)]
struct Watched {
    /// Whether the kit itself is calling.
    kit: AtomicBool,
    calls: AtomicU64,
    /// How many writes are still let through.
    left: AtomicU64,
    dead: AtomicBool,
}

const NO_CUT: u64 = u64::MAX;

impl Target {
    pub(crate) fn new() -> Self {
        let cluster = MemoryCluster::new();
        let watched = Arc::new(Watched {
            kit: AtomicBool::new(false),
            calls: AtomicU64::new(0),
            left: AtomicU64::new(NO_CUT),
            dead: AtomicBool::new(false),
        });
        let seen = Arc::clone(&watched);
        cluster.set_faults(move |call| {
            if seen.kit.load(Ordering::SeqCst) {
                return Fault::None;
            }
            seen.calls.fetch_add(1, Ordering::SeqCst);
            let left = seen.left.load(Ordering::SeqCst);
            if call.write.is_some() && left != NO_CUT {
                match left.checked_sub(1) {
                    Some(left) => seen.left.store(left, Ordering::SeqCst),
                    None => seen.dead.store(true, Ordering::SeqCst),
                }
            }
            match seen.dead.load(Ordering::SeqCst) {
                true => Fault::Refuse(Error::new(ErrorKind::Unavailable, "the process is dead")),
                false => Fault::None,
            }
        });
        Self { cluster, watched }
    }

    fn as_kit<T>(&self, work: impl FnOnce(&MemoryCluster) -> T) -> T {
        self.watched.kit.store(true, Ordering::SeqCst);
        let done = work(&self.cluster);
        self.watched.kit.store(false, Ordering::SeqCst);
        done
    }
}

#[async_trait]
impl DeployTarget for Target {
    async fn observe(&self) -> BTreeMap<ObjectId, Value> {
        let list = self.as_kit(|cluster| cluster.list(&Selector::new())).expect("no fault");
        let bare = |mut object: Value| {
            let id = object_id(&object).expect("an object");
            object.as_object_mut().expect("a map").remove("status");
            let metadata = object["metadata"].as_object_mut().expect("a map");
            for name in ["managedFields", "resourceVersion", "uid", "generation"] {
                metadata.remove(name);
            }
            (id, object)
        };
        list.items.into_iter().map(bare).collect()
    }

    async fn put(&self, object: &ObjectId, value: Value) {
        self.as_kit(|cluster| match cluster.get(object).expect("no fault") {
            Some(_) => cluster.update("somebody", &value),
            None => cluster.create("somebody", &value),
        })
        .expect("written");
    }

    async fn cut(&self, writes: Option<u64>) {
        self.watched.dead.store(false, Ordering::SeqCst);
        self.watched.left.store(writes.unwrap_or(NO_CUT), Ordering::SeqCst);
    }

    async fn requests(&self) -> u64 {
        self.watched.calls.load(Ordering::SeqCst)
    }

    async fn fare(&self, well: bool) {
        self.as_kit(|cluster| {
            let selector = Selector::new().kind("apps/v1", "Deployment");
            for mut object in cluster.list(&selector).expect("no fault").items {
                object["status"] = match well {
                    true => json!({
                        "observedGeneration": object["metadata"]["generation"],
                        "readyReplicas": object["spec"]["replicas"],
                    }),
                    false => json!({
                        "observedGeneration": object["metadata"]["generation"],
                        "conditions": [{"type": "Progressing", "status": "False",
                            "reason": "ProgressDeadlineExceeded"}],
                    }),
                };
                cluster.update_status("kubelet", &object).expect("written");
            }
        });
    }
}
