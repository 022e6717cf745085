//! Taggers for Shipway: a fixed tag, and the digest of all inputs.

mod fixed;
mod input_digest;

pub use self::{
    fixed::{Fixed, FixedConfig},
    input_digest::{InputDigest, InputDigestConfig},
};
