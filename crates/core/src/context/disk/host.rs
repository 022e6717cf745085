//! The machine's disk.

use std::{fs, io, io::Read, os::unix::fs::MetadataExt, path::Path};

use rustix::{
    fs::{AtFlags, CWD, FlockOperation, Mode, OFlags, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT},
    io::{Errno, retry_on_intr},
};

use super::{Disk, DiskEntry, DiskFile, DiskLock};

/// The machine's disk.
#[derive(Clone, Copy, Debug, Default)]
pub struct HostDisk;

#[expect(clippy::disallowed_methods, reason = "this is the door")]
impl Disk for HostDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(fs::File::create_new(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        // A FIFO must not block the one who opens it; a regular file ignores the flag.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = fs::File::from(rustix::fs::open(path, flags, Mode::empty())?);
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
        }
        Ok(Box::new(file))
    }

    fn entry(&self, path: &Path) -> io::Result<Option<DiskEntry>> {
        match fs::symlink_metadata(path) {
            Ok(metadata) => {
                let used = i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec());
                Ok(Some(DiskEntry { size: metadata.len(), used }))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn touch(&self, path: &Path) -> io::Result<()> {
        let moment = |tv_nsec| Timespec { tv_sec: 0, tv_nsec };
        let times = Timestamps { last_access: moment(UTIME_OMIT), last_modification: moment(UTIME_NOW) };
        Ok(rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<DiskLock>> {
        // To be written, because NFS locks no other files so; not through a link to somebody else's.
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        loop {
            let file = fs::File::from(rustix::fs::open(path, flags, Mode::from_raw_mode(0o666))?);
            match retry_on_intr(|| rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)) {
                Err(Errno::WOULDBLOCK) => return Ok(None),
                taken => taken?,
            }
            // Who had it may have removed the file after it was opened here, and somebody else locked a new one.
            let (own, there) = (file.metadata()?, fs::symlink_metadata(path));
            match there {
                Ok(there) if (there.dev(), there.ino()) == (own.dev(), own.ino()) => {
                    return Ok(Some(DiskLock::new(file)));
                }
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        fs::File::open(path)?.sync_all()
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut names = Vec::new();
        for entry in entries {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }
}

impl DiskFile for fs::File {
    fn sync(&mut self) -> io::Result<()> {
        self.sync_all()
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the test looks at the real disk")]
mod tests {
    use super::*;

    #[test]
    fn one_has_a_lock_and_a_touch_is_seen() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a");
        let held = HostDisk.lock(&path).expect("made").expect("free");
        assert!(HostDisk.lock(&path).expect("there").is_none());
        drop(held);
        assert!(HostDisk.lock(&path).expect("there").is_some());
        let used = || HostDisk.entry(&path).expect("known").expect("there").used;
        let long_ago = fs::FileTimes::new().set_modified(std::time::UNIX_EPOCH);
        fs::File::open(&path).expect("opened").set_times(long_ago).expect("set");
        assert_eq!(used(), 0);
        HostDisk.touch(&path).expect("touched");
        assert!(used() > 0);
    }

    #[test]
    fn a_lock_whose_file_is_removed_is_still_one_at_a_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a");
        let holders = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|threads| {
            for _ in 0..3 {
                threads.spawn(|| {
                    let mut taken = 0;
                    while taken < 30 {
                        let Some(held) = HostDisk.lock(&path).expect("made") else { continue };
                        taken += 1;
                        assert_eq!(holders.fetch_add(1, std::sync::atomic::Ordering::SeqCst), 0);
                        std::thread::yield_now();
                        holders.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                        HostDisk.remove(&path).expect("removed");
                        drop(held);
                    }
                });
            }
        });
    }
}
