//! A folder's lock, which keeps out other processes and others in this one alike.

use std::{io, os::fd::OwnedFd, path::Path};

use rustix::{
    fs::{FlockOperation, Mode, OFlags, flock, open},
    io::{Errno, retry_on_intr},
};

/// The file that is locked, empty and never removed: whoever waits for it would wait for another one.
const FILE: &str = ".lock";

/// A lock on a folder, whatever name the folder was reached by; it ends with this value, or with the
/// process.
#[derive(Debug)]
pub(crate) struct FolderLock {
    _file: OwnedFd,
}

impl FolderLock {
    /// Waits for the lock. Blocking: hold it no longer than a piece of blocking work lasts.
    pub(crate) fn wait(folder: &Path) -> io::Result<Self> {
        Ok(Self::take(folder, FlockOperation::LockExclusive)?)
    }

    /// Returns the lock, or `None` while another has it.
    pub(crate) fn now(folder: &Path) -> io::Result<Option<Self>> {
        match Self::take(folder, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => Ok(None),
            taken => Ok(Some(taken?)),
        }
    }

    fn take(folder: &Path, how: FlockOperation) -> Result<Self, Errno> {
        // To be written, because NFS locks no other files so; not through a link to somebody else's.
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = open(folder.join(FILE), flags, Mode::from_raw_mode(0o666))?;
        retry_on_intr(|| flock(&file, how))?;
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_has_the_lock_by_whatever_name_and_it_ends_with_the_value() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(".", &link).unwrap();
        let held = FolderLock::wait(folder.path()).unwrap();
        assert!(FolderLock::now(&link).unwrap().is_none());
        drop(held);
        let _held = FolderLock::now(&link).unwrap().expect("free again");
        assert!(FolderLock::now(folder.path()).unwrap().is_none());
        assert!(FolderLock::wait(&folder.path().join("gone")).is_err());
    }
}
