//! What these tests do with their cluster besides.

use std::time::{Duration, Instant};

use serde_json::Value;
use shipway_cluster::{Api, Apply};
use shipway_core::ObjectId;

use crate::bed::Bed;

impl Bed {
    pub(crate) async fn apply(&self, config: &Value) -> Value {
        self.cluster.apply(&self.cx, "test", config, Apply::default()).await.expect("applied")
    }

    /// Waits until something of an object is so.
    pub(crate) async fn until(&self, id: &ObjectId, is_so: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let object = self.cluster.get(&self.cx, id).await.expect("read");
            if let Some(object) = object.as_ref().filter(|object| is_so(object)) {
                return object.clone();
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "{id} is not so: {object:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}
