//! Deployers: what brings a release to a target, watches it and goes back.

mod memory;

pub use self::memory::{Memory, MemoryConfig};
