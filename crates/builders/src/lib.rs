//! Builders for Shipway: [`Native`] makes images without a daemon.

mod dockerfile;
mod native;

pub use self::native::{FileCopy, ImageSettings, Mode, Native, NativeConfig, Owner, Prepare};
