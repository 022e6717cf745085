//! How much runs at once.

use std::{num::NonZero, sync::OnceLock, thread::available_parallelism};

/// Returns how many threads run at once on this machine. It is asked once a process: to answer, a dozen files of
/// the kernel's are read.
pub(crate) fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| available_parallelism().map_or(1, NonZero::get))
}
