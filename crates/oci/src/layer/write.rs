//! Makes a layer in one pass: one thread reads the files and hashes the tar, others compress its
//! members. All wait for the slowest, so that little is held in memory.

use std::{
    path::Path,
    sync::mpsc::{Receiver, Sender, channel, sync_channel},
    thread::{Builder, Scope, ScopedJoinHandle},
};

use bytes::Bytes;
use libdeflater::CompressionLvl;
use shipway_core::{Context, Digest, Error, ErrorKind, Result, Stage};
use tokio::sync::{mpsc, oneshot};

use super::{
    entry::{Content, LayerEntry, arrange},
    header::{BLOCK, header_blocks, padding},
    members::{Compression, CompressionFormat, MEMBER, Members},
    pieces::Pieces,
    stream::{LayerReader, LayerStream},
};
use crate::thread::Threaded;

/// Begins to make a layer of these entries, in any order.
///
/// The same entries, contents and level give the same bytes. Folders that are not named are not made:
/// a runtime uses those of the layers below. Files are opened when their turn comes, never through a
/// link and never outside their root.
///
/// ```
/// use shipway_core::{Cancel, RunContext, World};
/// use shipway_oci::{Compression, Layout, LayerEntry, write_layer};
///
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("layout");
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let cx = RunContext::new(World::host("/"), "example").context(None, None, Cancel::new());
/// let entries = vec![LayerEntry::folder("etc"), LayerEntry::bytes("etc/motd", "hello\n")];
/// let layer = write_layer(&cx, entries, Compression::default())?;
/// let summary = layer.write_to(&Layout::new(cx.disk().clone(), path)).await?;
/// assert_eq!(summary.uncompressed, 2560);
/// # Ok::<_, shipway_core::Error>(())
/// # }).unwrap();
/// ```
///
/// # Errors
/// `Config` when a path has a wrong form, is there twice or is below something that is no folder, or
/// the level is none of the format's; `Unavailable` when there is no thread to be had. What is wrong with files, the stream says.
pub fn write_layer(cx: &Context, entries: Vec<LayerEntry>, compression: Compression) -> Result<LayerStream> {
    compression.check()?;
    let entries = arrange(entries)?;
    let (mut made, mut threads) = (Vec::new(), Vec::new());
    for _ in 0..compression.threads.max(1) {
        let (send, pieces) = mpsc::channel(1);
        made.push(send);
        threads.push(pieces);
    }
    let (end, ended) = oneshot::channel();
    let cx = cx.clone();
    let tar = Threaded::begin("shipway-layer", move || {
        let tar = make(&cx, &entries, compression, made);
        // A reader that is gone asked for no more.
        let _ = end.send(match &tar {
            Ok(_) => Ok(()),
            Err(error) => Err(error.report().clone().into()),
        });
        tar
    })?;
    let reader = Box::pin(LayerReader::new(threads, ended));
    Ok(LayerStream { reader, media_type: compression.media_type(), tar })
}

type Out = mpsc::Sender<Result<Bytes>>;

/// Returns digest and size of the tar.
fn make(
    cx: &Context,
    entries: &[LayerEntry],
    compression: Compression,
    threads: Vec<Out>,
) -> Result<(Digest, u64)> {
    let kept = Pieces::new(cx, compression);
    let kept = &kept;
    std::thread::scope(|scope| {
        let mut members = Vec::new();
        let (send_free, free) = channel();
        for out in threads {
            let (send_member, member) = sync_channel(0);
            members.push(send_member);
            let send_free = send_free.clone();
            spawn(scope, move || compress(compression, kept, &member, &out, &send_free))?;
        }
        write_tar(cx, entries, Members::new(members, free))
    })
}

fn spawn<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    work: impl FnOnce() -> T + Send + 'scope,
) -> Result<ScopedJoinHandle<'scope, T>> {
    Builder::new().name("shipway-layer".to_owned()).spawn_scoped(scope, work).map_err(|error| {
        Error::new(ErrorKind::Unavailable, "cannot start a thread to make a layer").source(error)
    })
}

fn compress(how: Compression, kept: &Pieces, members: &Receiver<Vec<u8>>, out: &Out, free: &Sender<Vec<u8>>) {
    let mut compressor = match Compressor::new(how) {
        Ok(compressor) => compressor,
        Err(error) => {
            // Nobody takes it when a thread beside this one has failed.
            let _ = out.blocking_send(Err(error));
            return;
        }
    };
    for mut member in members {
        let key = kept.key(&member);
        let found = key.as_deref().and_then(|key| kept.load(key));
        let new = found.is_none();
        let piece = found.map_or_else(|| compressor.compress(&member), |piece| Ok(Bytes::from(piece)));
        member.clear();
        // The last ones are not needed any more.
        let _ = free.send(member);
        let to_keep = piece.as_ref().ok().filter(|_| new).cloned();
        if out.blocking_send(piece).is_err() {
            return;
        }
        // While it is on its way.
        if let (Some(key), Some(piece)) = (key, to_keep) {
            kept.store(&key, &piece);
        }
    }
}

struct Compressor {
    format: Format,
    /// As long as the longest member can become.
    bound: usize,
    /// Buffers of pieces that were taken, to be filled again: new ones for each would be given back to the system
    /// and cleared by it each time.
    free: Receiver<Vec<u8>>,
    taken: Sender<Vec<u8>>,
}

/// A piece in a buffer that goes back when it was taken.
struct Filled {
    buffer: Vec<u8>,
    size: usize,
    taken: Sender<Vec<u8>>,
}

impl AsRef<[u8]> for Filled {
    fn as_ref(&self) -> &[u8] {
        &self.buffer[..self.size]
    }
}

impl Drop for Filled {
    fn drop(&mut self) {
        // The last ones are not needed any more.
        let _ = self.taken.send(std::mem::take(&mut self.buffer));
    }
}

enum Format {
    Gzip(libdeflater::Compressor),
    Zstd(zstd::bulk::Compressor<'static>),
}

impl Compressor {
    fn new(how: Compression) -> Result<Self> {
        let wrong = || Error::internal(format!("there is no compression level {}", how.level));
        let level = i32::from(how.level);
        let (format, bound) = match how.format {
            CompressionFormat::Gzip => {
                let level = CompressionLvl::new(level).map_err(|_| wrong())?;
                let mut compressor = libdeflater::Compressor::new(level);
                let bound = compressor.gzip_compress_bound(MEMBER);
                (Format::Gzip(compressor), bound)
            }
            CompressionFormat::Zstd => {
                let compressor = zstd::bulk::Compressor::new(level).map_err(|error| wrong().source(error))?;
                (Format::Zstd(compressor), zstd::zstd_safe::compress_bound(MEMBER))
            }
        };
        let (taken, free) = channel();
        Ok(Self { format, bound, free, taken })
    }

    fn compress(&mut self, member: &[u8]) -> Result<Bytes> {
        let mut buffer = self.free.try_recv().unwrap_or_else(|_| vec![0; self.bound]);
        let size = match &mut self.format {
            Format::Gzip(compressor) => {
                compressor.gzip_compress(member, &mut buffer).map_err(|error| failed().source(error))?
            }
            Format::Zstd(compressor) => compressor
                .compress_to_buffer(member, buffer.as_mut_slice())
                .map_err(|error| failed().source(error))?,
        };
        Ok(Bytes::from_owner(Filled { buffer, size, taken: self.taken.clone() }))
    }
}

fn failed() -> Error {
    Error::internal("cannot compress a layer")
}

fn write_tar(cx: &Context, entries: &[LayerEntry], mut members: Members) -> Result<(Digest, u64)> {
    for entry in entries {
        let header = header_blocks(entry);
        let padding = padding(entry.size());
        let span = entry.size().saturating_add((header.len() + padding) as u64);
        members.begin(&entry.path, span)?;
        members.write(&header)?;
        match &entry.content {
            Content::File { root, path, size } => copy_file(cx, root, path, *size, &mut members)?,
            Content::Bytes(bytes) => members.write(bytes)?,
            Content::Folder | Content::Link(_) | Content::HardLink(_) | Content::Device(_) => go_on(cx)?,
        }
        members.write(&[0; BLOCK][..padding])?;
        members.end(span)?;
    }
    // POSIX, pax, "ustar Interchange Format": two blocks of zeros end an archive.
    members.write(&[0; 2 * BLOCK])?;
    members.finish()
}

fn copy_file(cx: &Context, root: &Path, path: &str, size: u64, members: &mut Members) -> Result<()> {
    let place = || cx.path(root).join(path);
    let changed = |how: &str| {
        Error::conflict(format!("`{}` {how} while the layer was made", place().display()))
            .hint("build again once nothing writes to it")
    };
    let mut file = cx.files().open(cx, root, path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => changed("went away").source(error),
        _ => error,
    })?;
    if file.entry.size != size {
        return Err(changed("changed its size"));
    }
    let mut left = size;
    while left > 0 {
        go_on(cx)?;
        let read =
            members.read(&mut file.reader, left)?.map_err(|error| Error::io("read", &place(), error))?;
        if read == 0 {
            return Err(changed("shrank"));
        }
        left -= read as u64;
    }
    match file.reader.read(&mut [0]) {
        Ok(0) => Ok(()),
        Ok(_) => Err(changed("grew")),
        Err(error) => Err(Error::io("read", &place(), error)),
    }
}

/// Returns an error once the task must stop at once.
fn go_on(cx: &Context) -> Result<()> {
    match cx.cancel().state() {
        Some((Stage::Forced, reason)) => return Err(Error::cancelled(reason.to_string())),
        Some((Stage::Requested, _)) | None => {}
    }
    match cx.deadline() {
        Some(deadline) if cx.clock().elapsed() >= deadline => {
            Err(Error::timeout("the task's deadline passed"))
        }
        _ => Ok(()),
    }
}
