//! Where results are recorded.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    sync::{Mutex, PoisonError},
};

use async_trait::async_trait;

use super::Snapshot;
use crate::{Fingerprint, Inputs, Output, Result, value::value};

value! {
    /// A result and the inputs that it was made of.
    pub struct Record {
        /// The inputs.
        pub snapshot: Snapshot,
        /// What was made.
        pub output: Output,
        ;
    }
}

value! {
    /// A declaration that was slow to make, and what it was made from.
    pub struct Declaration {
        /// The snapshot of its [`Inputs::listed_by`].
        pub listed_by: Snapshot,
        /// The declaration.
        pub inputs: Inputs,
        ;
    }
}

/// Keeps results by what made them and from what. It may forget anything at any time.
///
/// A `maker` is a text that names the task across runs: its kind, part and target.
#[async_trait]
pub trait Cache: Debug + Send + Sync + 'static {
    /// Returns the result that the maker recorded under this fingerprint.
    async fn get(&self, maker: &str, fingerprint: &Fingerprint) -> Result<Option<Record>>;

    /// Returns the maker's newest result, to tell what changed since.
    async fn newest(&self, maker: &str) -> Result<Option<Record>>;

    /// Records a result, under its snapshot's fingerprint and as the newest.
    async fn put(&self, maker: &str, record: Record) -> Result<()>;

    /// Returns the declaration that was kept for the maker.
    async fn declaration(&self, maker: &str) -> Result<Option<Declaration>>;

    /// Keeps a declaration for the maker, instead of an earlier one.
    async fn keep_declaration(&self, maker: &str, declaration: Declaration) -> Result<()>;
}

/// A cache that lasts as long as the process.
#[derive(Debug, Default)]
pub struct MemoryCache(Mutex<Makers>);

type Makers = BTreeMap<String, Kept>;

#[derive(Debug, Default)]
struct Kept {
    records: BTreeMap<Fingerprint, Record>,
    newest: Option<Fingerprint>,
    declaration: Option<Declaration>,
}

impl MemoryCache {
    /// Returns an empty cache.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn with<T>(&self, maker: &str, look: impl FnOnce(&mut Kept) -> T) -> T {
        let mut makers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        look(makers.entry(maker.to_owned()).or_default())
    }
}

#[async_trait]
impl Cache for MemoryCache {
    async fn get(&self, maker: &str, fingerprint: &Fingerprint) -> Result<Option<Record>> {
        Ok(self.with(maker, |kept| kept.records.get(fingerprint).cloned()))
    }

    async fn newest(&self, maker: &str) -> Result<Option<Record>> {
        Ok(self.with(maker, |kept| kept.records.get(kept.newest.as_ref()?).cloned()))
    }

    async fn put(&self, maker: &str, record: Record) -> Result<()> {
        self.with(maker, |kept| {
            let fingerprint = record.snapshot.fingerprint();
            kept.newest = Some(fingerprint.clone());
            kept.records.insert(fingerprint, record);
        });
        Ok(())
    }

    async fn declaration(&self, maker: &str) -> Result<Option<Declaration>> {
        Ok(self.with(maker, |kept| kept.declaration.clone()))
    }

    async fn keep_declaration(&self, maker: &str, declaration: Declaration) -> Result<()> {
        self.with(maker, |kept| kept.declaration = Some(declaration));
        Ok(())
    }
}
