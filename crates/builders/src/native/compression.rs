//! How layers are compressed, as the options say it.

use serde::{Deserialize, Serialize};
use shipway_oci::{Compression, CompressionFormat};

/// How the layers that [`Native`](super::Native) makes are compressed.
///
/// Part of what decides an image's digest, and so of the key that builds are found again by.
///
/// ```
/// use shipway_builders::{LayerCompression, NativeConfig};
///
/// let quick = NativeConfig::default().compression(LayerCompression::gzip().level(1));
/// let small: NativeConfig =
///     serde_json::from_str(r#"{"compression": {"format": "zstd", "level": 9}}"#)?;
/// assert_eq!(small.compression, Some(LayerCompression::zstd().level(9)));
/// # let _ = quick;
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct LayerCompression {
    /// The format: `gzip`, which everything reads, by default, or `zstd`.
    pub format: CompressionFormat,
    /// The level: of `gzip` 1 (quick) to 12 (small), 6 by default; of `zstd` 1 to 19, 3 by default.
    pub level: Option<u8>,
}

impl LayerCompression {
    /// Returns gzip.
    #[must_use]
    pub fn gzip() -> Self {
        Self { format: CompressionFormat::Gzip, level: None }
    }

    /// Returns zstd, which containerd reads from 1.5 on and Docker from 23 on.
    #[must_use]
    pub fn zstd() -> Self {
        Self { format: CompressionFormat::Zstd, level: None }
    }

    /// Sets the level.
    #[must_use]
    pub fn level(mut self, level: u8) -> Self {
        self.level = Some(level);
        self
    }
}

impl From<LayerCompression> for Compression {
    fn from(wanted: LayerCompression) -> Self {
        let usual = Self::of(wanted.format);
        wanted.level.map_or(usual, |level| usual.level(level))
    }
}
