//! A target in memory, as simple as a target can be: objects by identity, and a power switch.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use serde_json::Value;
use shipway_core::{Error, ErrorKind, ObjectId, Result};
use shipway_testkit::DeployTarget;

/// Objects on a shelf; clones are the same shelf.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shelf(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    objects: BTreeMap<ObjectId, Value>,
    requests: u64,
    writes_left: Option<u64>,
    dead: bool,
    well: bool,
}

impl Shelf {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn request(&self, writes: bool) -> Result<MutexGuard<'_, Inner>> {
        let mut inner = self.inner();
        inner.requests += 1;
        if writes {
            match &mut inner.writes_left {
                Some(0) => inner.dead = true,
                Some(left) => *left -= 1,
                None => {}
            }
        }
        if inner.dead {
            return Err(Error::new(ErrorKind::Unavailable, "the connection was cut"));
        }
        Ok(inner)
    }

    pub(crate) fn get(&self, object: &ObjectId) -> Result<Option<Value>> {
        Ok(self.request(false)?.objects.get(object).cloned())
    }

    pub(crate) fn all(&self) -> Result<Vec<ObjectId>> {
        Ok(self.request(false)?.objects.keys().cloned().collect())
    }

    /// Puts an object there, or takes it away.
    pub(crate) fn set(&self, object: &ObjectId, value: Option<Value>) -> Result<()> {
        let mut inner = self.request(true)?;
        match value {
            Some(value) => inner.objects.insert(object.clone(), value),
            None => inner.objects.remove(object),
        };
        Ok(())
    }

    pub(crate) fn well(&self) -> Result<bool> {
        Ok(self.request(false)?.well)
    }
}

#[async_trait]
impl DeployTarget for Shelf {
    async fn observe(&self) -> BTreeMap<ObjectId, Value> {
        self.inner().objects.clone()
    }

    async fn put(&self, object: &ObjectId, value: Value) {
        self.inner().objects.insert(object.clone(), value);
    }

    async fn cut(&self, writes: Option<u64>) {
        let mut inner = self.inner();
        inner.writes_left = writes;
        inner.dead = false;
    }

    async fn requests(&self) -> u64 {
        self.inner().requests
    }

    async fn fare(&self, well: bool) {
        self.inner().well = well;
    }
}
