//! Compressed pieces of layers, kept by what was compressed: where one file of many changed, its piece is made
//! again and the others are read. A layer is the same bytes with and without.

use std::sync::Arc;

use shipway_core::{Context, DiskCache};

use super::members::{Compression, CompressionFormat};

/// The form of layers: which bytes a list of files becomes, before they are compressed and in which members.
///
/// It is part of every key that layers, their pieces and images are found again by, and grows when another version
/// makes other bytes of the same files.
pub const LAYER_FORM: &str = "2";

/// The version of libdeflate, which does not tell its own; another one may make other bytes of the same.
const LIBDEFLATE: &str = "1.26.1";

/// The least that a member holds that is kept: compressing less takes about as long as a look at the disk.
const LEAST: usize = 64 * 1024;

/// The pieces that were made before, if they are kept anywhere. What goes wrong with them is as if they were not there.
#[derive(Debug)]
pub(super) struct Pieces {
    cache: Option<Arc<DiskCache>>,
    /// All that decides what a member becomes, besides its content.
    maker: String,
}

impl Pieces {
    pub(super) fn new(cx: &Context, how: Compression) -> Self {
        let compressor = match how.format {
            CompressionFormat::Gzip => format!("libdeflate {LIBDEFLATE}"),
            CompressionFormat::Zstd => format!("zstd {}", zstd::zstd_safe::version_string()),
        };
        let maker =
            format!("layer piece {LAYER_FORM} {} level {} by {compressor}", how.format.as_str(), how.level);
        Self { cache: cx.cache().cloned(), maker }
    }

    /// Returns the key of what a member becomes, if that is worth keeping.
    pub(super) fn key(&self, member: &[u8]) -> Option<String> {
        let worth = self.cache.is_some() && member.len() >= LEAST;
        worth.then(|| format!("{} of {}", self.maker, blake3::hash(member).to_hex()))
    }

    pub(super) fn load(&self, key: &str) -> Option<Vec<u8>> {
        self.cache.as_ref()?.load(key).ok().flatten()
    }

    pub(super) fn store(&self, key: &str, piece: &[u8]) {
        if let Some(cache) = &self.cache {
            // Without it the next build takes longer, and is none the worse.
            let _ = cache.store(key, piece);
        }
    }
}

#[cfg(test)]
mod tests {
    use shipway_core::{Cancel, HostDisk, RunContext, World};

    use super::*;

    #[test]
    fn a_key_says_all_that_decides_the_bytes() {
        let world = World::host("/").cache(DiskCache::new(Arc::new(HostDisk), "/none"));
        let cx = RunContext::new(world, "test").context(None, None, Cancel::new());
        let member = vec![0; LEAST];
        let key = |how| Pieces::new(&cx, how).key(&member).expect("worth it");
        let hash = blake3::hash(&member).to_hex();
        let gzip = key(Compression::gzip(1));
        assert_eq!(
            gzip,
            format!("layer piece {LAYER_FORM} gzip level 1 by libdeflate {LIBDEFLATE} of {hash}")
        );
        let zstd = key(Compression::zstd(3));
        let version = zstd::zstd_safe::version_string();
        assert_eq!(zstd, format!("layer piece {LAYER_FORM} zstd level 3 by zstd {version} of {hash}"));
        assert_eq!(Pieces::new(&cx, Compression::gzip(1)).key(&member[1..]), None);
    }

    #[test]
    fn the_version_of_libdeflate_is_the_one_that_is_built() {
        let lock = include_str!("../../../../Cargo.lock");
        let entry = format!("name = \"libdeflate-sys\"\nversion = \"{LIBDEFLATE}\"\n");
        assert!(lock.contains(&entry), "libdeflate is another one: say so in `LIBDEFLATE`");
    }
}
