//! Images of Dockerfiles and of options, built into a layout and read back.
#![expect(clippy::unwrap_used, reason = "a test may")]
#![expect(clippy::disallowed_methods, reason = "tests prepare their sources and look at what came out")]
#![expect(unreachable_pub, reason = "the tests share a module")]

mod bases;
mod dockerfile;
mod options;
mod refused;
#[expect(dead_code, reason = "each test uses a part of it")]
#[path = "../support/mod.rs"]
mod support;

use shipway_builders::NativeConfig;

fn none() -> NativeConfig {
    NativeConfig::default()
}
