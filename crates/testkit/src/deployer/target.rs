//! What the kit needs to see of a deployer's target, and to do to it.

use std::{collections::BTreeMap, fmt::Debug};

use async_trait::async_trait;
use serde_json::Value;
use shipway_core::ObjectId;

/// The target of a deployer under test: something in memory, or a real one that the author clears.
#[async_trait]
pub trait DeployTarget: Debug + Send + Sync + 'static {
    /// Returns every object that is there, also the deployer's own records, without what is unlike
    /// from one target to the next or changes by itself: versions, ids, times and status.
    async fn observe(&self) -> BTreeMap<ObjectId, Value>;

    /// Writes an object, whole, as somebody else than the deployer would, and by force.
    async fn put(&self, object: &ObjectId, value: Value);

    /// Lets the deployer's next writes through, this many, and fails those after them and every later
    /// request, as if its process had died; `None` lets everything through again.
    async fn cut(&self, writes: Option<u64>);

    /// Returns how many requests of the deployer the target has answered or failed.
    async fn requests(&self) -> u64;

    /// Lets all that runs in the target do well, or badly.
    async fn fare(&self, well: bool);
}
