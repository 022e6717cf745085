//! Uploads under way: content that comes in one or more requests, hashed as it is written.

use std::{
    collections::{BTreeMap, hash_map::RandomState},
    hash::{BuildHasher, Hasher as _},
    io,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use hyper::StatusCode;
use shipway_core::{Digest, DiskFile};
use tokio::time::Instant;

use super::{answer::Refusal, store::Store};
use crate::Hasher;

/// The most uploads at once; each holds a file open.
const MOST: usize = 256;

type Open = BTreeMap<String, Arc<tokio::sync::Mutex<Upload>>>;

/// The uploads of a registry. They live in this process only; those that nobody finished are removed
/// with it.
#[derive(Debug)]
pub(super) struct Uploads {
    store: Store,
    open: Mutex<Open>,
    count: AtomicU64,
    salt: RandomState,
}

impl Uploads {
    pub(super) fn new(store: Store) -> Self {
        Self { store, open: Mutex::default(), count: AtomicU64::new(0), salt: RandomState::new() }
    }

    /// Begins an upload, of this digest if it is known yet, and returns its id. Blocking.
    ///
    /// Where there are too many, the one that nobody has written to for longest makes room.
    pub(super) fn begin(&self, repository: &str, digest: Option<&Digest>) -> Result<String, Refusal> {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let mut salted = self.salt.build_hasher();
        salted.write_u64(count);
        let id = format!("{count}-{:016x}", salted.finish());
        let path = self.store.upload(&id);
        let file = self.store.disk().create(&path)?;
        let upload = Upload {
            store: self.store.clone(),
            repository: repository.to_owned(),
            path,
            file: Some(file),
            hasher: digest.map_or_else(Hasher::new, Hasher::like),
            algorithm: digest.map_or("sha256", Digest::algorithm).to_owned(),
            kept: false,
            used: Instant::now(),
        };
        let mut open = self.lock();
        let idle = if open.len() < MOST {
            None
        } else {
            let Some(idlest) = idlest(&open) else {
                let message = format!("{MOST} uploads are being written to");
                return Err(Refusal::new(StatusCode::TOO_MANY_REQUESTS, "TOOMANYREQUESTS", message));
            };
            open.remove(&idlest)
        };
        open.insert(id.clone(), Arc::new(tokio::sync::Mutex::new(upload)));
        drop(open);
        // Its file is removed while nobody waits for that.
        drop(idle);
        Ok(id)
    }

    /// Returns an upload of a repository, once no other request writes to it.
    pub(super) async fn get(
        &self,
        repository: &str,
        id: &str,
    ) -> Result<tokio::sync::OwnedMutexGuard<Upload>, Refusal> {
        let upload = self.lock().get(id).cloned().ok_or_else(Refusal::upload_unknown)?;
        let mut upload = upload.lock_owned().await;
        // Another request may have ended it meanwhile.
        let open = upload.file.is_some() && self.lock().contains_key(id);
        if !open || upload.repository != repository {
            return Err(Refusal::upload_unknown());
        }
        upload.used = Instant::now();
        Ok(upload)
    }

    /// Forgets an upload, whose file goes with it unless it became a blob.
    pub(super) fn forget(&self, id: &str) {
        self.lock().remove(id);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the upload that nobody has used for longest; none while all are in use.
fn idlest(open: &Open) -> Option<String> {
    let idle = open.iter().filter_map(|(id, upload)| Some((upload.try_lock().ok()?.used, id)));
    idle.min().map(|(_, id)| id.clone())
}

/// Content that is coming.
pub(super) struct Upload {
    store: Store,
    repository: String,
    path: PathBuf,
    /// None once the upload has ended: the file may be a blob then, which nobody writes to.
    file: Option<Box<dyn DiskFile>>,
    hasher: Hasher,
    algorithm: String,
    kept: bool,
    used: Instant,
}

impl Upload {
    /// Returns how much has come.
    pub(super) fn size(&self) -> u64 {
        self.hasher.size()
    }

    /// Writes what comes next. Blocking.
    pub(super) fn write(&mut self, pieces: &[Bytes]) -> io::Result<()> {
        let file = self.file.as_mut().ok_or_else(ended)?;
        for piece in pieces {
            file.write_all(piece)?;
            self.hasher.update(piece);
        }
        self.used = Instant::now();
        Ok(())
    }

    /// Ends the upload, and makes what has come a blob if that is its digest. Blocking.
    pub(super) fn finish(&mut self, digest: &Digest) -> Result<(), Refusal> {
        let mut file = self.file.take().ok_or_else(ended)?;
        file.sync()?;
        drop(file);
        let found = if self.algorithm == digest.algorithm() {
            self.hasher.clone().finish().0
        } else {
            self.hash_again(digest)?
        };
        if found != *digest {
            return Err(Refusal::digest_invalid(format!("the content has digest `{found}`, not `{digest}`")));
        }
        self.store.keep_upload(&self.repository, &self.path, digest)?;
        self.kept = true;
        Ok(())
    }

    /// The algorithm is known only at the end: an upload begins with the canonical one.
    fn hash_again(&self, digest: &Digest) -> io::Result<Digest> {
        let mut file = self.store.disk().open(&self.path)?;
        let mut hasher = Hasher::like(digest);
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok(hasher.finish().0),
                read => hasher.update(&buffer[..read]),
            }
        }
    }
}

fn ended() -> io::Error {
    io::Error::other("the upload has ended")
}

impl Drop for Upload {
    fn drop(&mut self) {
        if !self.kept {
            // What stays after a failure here is removed when the folder is next opened.
            let _ = self.store.disk().remove(&self.path);
        }
    }
}

impl std::fmt::Debug for Upload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upload").field("path", &self.path).field("size", &self.size()).finish_non_exhaustive()
    }
}
