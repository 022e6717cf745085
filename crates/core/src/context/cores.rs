//! How much runs at once.

use std::{num::NonZero, sync::OnceLock, thread::available_parallelism};

/// Returns how many threads run at once on this machine, at least 1.
///
/// It is asked once a process, as a dozen files of the kernel's are read for each answer of
/// [`available_parallelism`].
pub fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| available_parallelism().map_or(1, NonZero::get))
}
