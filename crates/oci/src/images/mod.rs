//! The door to images over registries and layouts: find, copy, join.

mod copy;
mod join;
mod stores;

pub use self::stores::Stores;
