//! How gix's errors become ours.

use std::path::Path;

use shipway_core::{Error, ErrorKind};

/// Returns an error about a repository: what was to be done, and where.
pub(crate) fn failed(
    kind: ErrorKind,
    action: &str,
    path: &Path,
    source: impl std::error::Error + Send + Sync + 'static,
) -> Error {
    Error::new(kind, format!("cannot {action} `{}`", path.display())).source(source)
}
