//! What is known from earlier runs: snapshots of inputs, and the results that were recorded under
//! their fingerprints.

mod content;
mod foreign;
mod results;
mod snapshot;
mod sources;
mod store;
mod through;

pub(crate) use self::results::{Declaration, Known, Results};
pub use self::{
    snapshot::Snapshot,
    store::{Cache, MemoryCache},
    through::WrittenThrough,
};
