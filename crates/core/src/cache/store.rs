//! Where what can be made again is kept.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    sync::{Mutex, PoisonError},
};

use async_trait::async_trait;
use bytes::Bytes;

use crate::{Context, DiskCache, Error, Result};

/// Keeps bytes under keys. It may forget anything at any time, and never gives other bytes than those that were put
/// under the key last.
///
/// A key is any text; what is put under one is at most some megabytes.
#[async_trait]
pub trait Cache: Debug + Send + Sync + 'static {
    /// Returns what was put under the key.
    ///
    /// # Errors
    /// Whatever keeps it from looking; who asks may go on as if there were nothing.
    async fn get(&self, cx: &Context, key: &str) -> Result<Option<Bytes>>;

    /// Puts bytes under the key, instead of what was there.
    ///
    /// # Errors
    /// Whatever keeps it from keeping them; who puts may go on without.
    async fn put(&self, cx: &Context, key: &str, value: Bytes) -> Result<()>;
}

/// A cache that lasts as long as the process, without bounds.
#[derive(Debug, Default)]
pub struct MemoryCache(Mutex<BTreeMap<String, Bytes>>);

impl MemoryCache {
    /// Returns an empty cache.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl Cache for MemoryCache {
    async fn get(&self, _cx: &Context, key: &str) -> Result<Option<Bytes>> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned())
    }

    async fn put(&self, _cx: &Context, key: &str, value: Bytes) -> Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned(), value);
        Ok(())
    }
}

#[async_trait]
impl Cache for DiskCache {
    async fn get(&self, cx: &Context, key: &str) -> Result<Option<Bytes>> {
        let (this, key) = (self.clone(), key.to_owned());
        // It is never closed.
        let _slot = self.slots.acquire().await;
        cx.blocking(move |_| {
            let found = this.load(&key).map_err(|error| Error::io("read", this.folder(), error))?;
            Ok(found.map(Bytes::from))
        })
        .await
    }

    async fn put(&self, cx: &Context, key: &str, value: Bytes) -> Result<()> {
        let (this, key) = (self.clone(), key.to_owned());
        // It is never closed.
        let _slot = self.slots.acquire().await;
        cx.blocking(move |_| {
            this.store(&key, &value).map_err(|error| Error::io("write", this.folder(), error))
        })
        .await
    }
}
