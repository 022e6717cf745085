//! What was done to a disk.

use std::{fmt, path::PathBuf, sync::Arc};

/// A file, whatever it is called by now.
pub(super) type FileNumber = usize;

#[derive(Clone, Debug)]
pub(super) enum Operation {
    Create { path: PathBuf, file: FileNumber },
    Write { path: PathBuf, file: FileNumber, bytes: Arc<[u8]> },
    Sync { path: PathBuf, file: FileNumber },
    Touch { path: PathBuf, file: FileNumber },
    Rename { from: PathBuf, to: PathBuf, file: FileNumber },
    SyncFolder { path: PathBuf },
    Remove { path: PathBuf },
    CreateFolder { path: PathBuf },
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create { path, .. } => write!(f, "create {}", path.display()),
            Self::Write { path, bytes, .. } => write!(f, "write {} bytes to {}", bytes.len(), path.display()),
            Self::Sync { path, .. } => write!(f, "sync {}", path.display()),
            Self::Touch { path, .. } => write!(f, "touch {}", path.display()),
            Self::Rename { from, to, .. } => write!(f, "rename {} to {}", from.display(), to.display()),
            Self::SyncFolder { path } => write!(f, "sync folder {}", path.display()),
            Self::Remove { path } => write!(f, "remove {}", path.display()),
            Self::CreateFolder { path } => write!(f, "create folder {}", path.display()),
        }
    }
}
