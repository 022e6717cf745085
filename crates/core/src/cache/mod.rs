//! What is known from earlier runs: snapshots of inputs, and the results that were recorded under
//! their fingerprints.

mod content;
mod snapshot;
mod store;

pub use self::{
    snapshot::Snapshot,
    store::{Cache, Declaration, MemoryCache, Record},
};
