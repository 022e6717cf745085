#![doc = include_str!("../README.md")]

// The facade is all of core under one name; plug-ins keep their families' names.
pub use shipway_core::*;

pub use shipway_builders as builders;
pub use shipway_cluster as cluster;
pub use shipway_deployers as deployers;
pub use shipway_oci as oci;
pub use shipway_taggers as taggers;

/// Returns a catalog of every kind of plug-in in this package.
///
/// ```
/// let kinds = shipway::catalog().kinds();
/// assert_eq!(kinds["builder"], ["native"]);
/// assert_eq!(kinds["tagger"], ["fixed", "inputDigest"]);
/// assert_eq!(kinds["deployer"], ["memory"]);
/// ```
#[must_use]
pub fn catalog() -> Catalog {
    Catalog::new()
        .with_builder::<builders::NativeConfig>()
        .with_tagger::<taggers::FixedConfig>()
        .with_tagger::<taggers::InputDigestConfig>()
        .with_deployer::<deployers::MemoryConfig>()
}

/// Returns this machine's world around a folder of sources, with the door to images in registries and
/// layouts.
///
/// No credentials, an empty environment, and events are dropped: hand these over with
/// [`World::credentials`], [`World::env`] and [`World::sink`].
pub fn host(root: impl Into<std::path::PathBuf>) -> World {
    World::host(root).images(oci::Stores::new())
}
