//! Reads the layers of an image into the tree of its files, streaming and within limits.

use std::io::{self, Cursor, Read};

use bytes::{Buf, Bytes, BytesMut};
use flate2::read::MultiGzDecoder;
use shipway_core::{Error, Result};
use tokio::{io::AsyncReadExt as _, sync::mpsc};

use super::{
    tar_reader::{TarReader, unreadable},
    tree::{FoundFile, Tree},
};
use crate::{Descriptor, Distribution, carry::carry, thread::Threaded};

/// How much of an image is read before it is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The decompressed bytes of all layers; 32 GiB by default.
    pub bytes: u64,
    /// The entries of all layers; a million by default.
    pub entries: u64,
}

impl Limits {
    /// Sets the most decompressed bytes.
    #[must_use]
    pub fn bytes(mut self, bytes: u64) -> Self {
        self.bytes = bytes;
        self
    }

    /// Sets the most entries.
    #[must_use]
    pub fn entries(mut self, entries: u64) -> Self {
        self.entries = entries;
        self
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 32 << 30, entries: 1_000_000 }
    }
}

/// The files of an image, as a container would see them; read once, asked often.
#[derive(Debug)]
pub struct ImageFiles(Tree);

impl ImageFiles {
    /// Reads the layers, the lowest first, without keeping any content.
    ///
    /// # Errors
    /// `BadOutput` when a layer is malformed, has paths with `..`, or goes beyond the limits. Layers are plain,
    /// or compressed with gzip or zstd.
    pub async fn read(
        repository: &dyn Distribution,
        layers: &[Descriptor],
        mut limits: Limits,
    ) -> Result<Self> {
        let mut tree = Tree::new();
        for layer in layers {
            (tree, limits) =
                read_layer(repository, layer, move |chunks| apply_layer(tree, limits, chunks)).await?;
        }
        Ok(Self(tree))
    }

    /// Returns the file at a path from the image's root, following links, or `None` when there is none.
    ///
    /// # Errors
    /// `BadOutput` when links lead in a circle.
    pub fn find(&self, path: &str) -> Result<Option<FoundFile>> {
        self.0.find(path, true)
    }

    /// Returns the file at a path from the image's root, or `None` when there is none; a link at its
    /// end is the answer and not followed.
    ///
    /// # Errors
    /// `BadOutput` when links lead in a circle.
    pub fn entry(&self, path: &str) -> Result<Option<FoundFile>> {
        self.0.find(path, false)
    }

    /// Returns the names in the folder at a path, following links, sorted, or `None` when there is no
    /// folder.
    ///
    /// # Errors
    /// `BadOutput` when links lead in a circle.
    pub fn names(&self, folder: &str) -> Result<Option<Vec<&str>>> {
        self.0.names(folder)
    }

    /// Returns all that is in the image but its root, by path; links are not followed.
    pub fn walk(&self) -> impl Iterator<Item = FoundFile> {
        self.0.all()
    }

    /// Returns the text of the link at a path, or `None` when there is none; no link is followed.
    #[must_use]
    pub fn link(&self, path: &str) -> Option<&str> {
        self.0.link(path.trim_matches('/'))
    }
}

/// Returns the file at a path in these layers, the lowest first, or `None` when there is none.
///
/// To ask more than once, use [`ImageFiles`].
///
/// # Errors
/// As [`ImageFiles::read`] and [`ImageFiles::find`].
pub async fn find_file(
    repository: &dyn Distribution,
    layers: &[Descriptor],
    path: &str,
) -> Result<Option<FoundFile>> {
    ImageFiles::read(repository, layers, Limits::default()).await?.find(path)
}

const CHUNK: usize = 64 * 1024;

/// Reads a layer to its end by `work`, which has a thread of its own.
pub(super) async fn read_layer<T: Send + 'static>(
    repository: &dyn Distribution,
    layer: &Descriptor,
    work: impl FnOnce(Chunks) -> Result<T> + Send + 'static,
) -> Result<T> {
    feed_layer(repository, layer, work)
        .await
        .map_err(|error| error.note(format!("it is the layer `{}`", layer.digest)))
}

async fn feed_layer<T: Send + 'static>(
    repository: &dyn Distribution,
    layer: &Descriptor,
    work: impl FnOnce(Chunks) -> Result<T> + Send + 'static,
) -> Result<T> {
    let mut content = repository.read_blob(layer).await?;
    let (send, chunks) = mpsc::channel(4);
    let chunks = Chunks { chunks, now: Bytes::new(), ended: false };
    let work = Threaded::begin("shipway-inspect", move || work(chunks))?;
    loop {
        let mut chunk = BytesMut::with_capacity(CHUNK);
        let message = match content.read_buf(&mut chunk).await {
            Ok(0) => Message::End,
            Ok(_) => Message::Bytes(chunk.freeze()),
            Err(error) => Message::Failed(error),
        };
        let last = !matches!(message, Message::Bytes(_));
        // It takes no more when it found what is wrong.
        if send.send(message).await.is_err() || last {
            break;
        }
    }
    work.wait().await
}

enum Message {
    Bytes(Bytes),
    Failed(io::Error),
    End,
}

fn apply_layer(mut tree: Tree, mut limits: Limits, chunks: Chunks) -> Result<(Tree, Limits)> {
    let mut tar = open_tar(chunks, limits)?;
    tree.begin_layer();
    while let Some(entry) = tar.next()? {
        limits.entries = limits.entries.checked_sub(1).ok_or_else(|| beyond("files"))?;
        tree.apply(entry)?;
    }
    limits.bytes = finish(tar)?;
    Ok((tree, limits))
}

/// A layer's tar, which fails where it holds more than is allowed.
pub(super) type LayerTar = TarReader<Limited<Box<dyn Read + Send>>>;

pub(super) fn open_tar(chunks: Chunks, limits: Limits) -> Result<LayerTar> {
    Ok(TarReader::new(Limited { input: decompress(chunks)?, left: limits.bytes }))
}

/// Reads what comes after the tar's end, and returns how many bytes are still allowed.
pub(super) fn finish(tar: LayerTar) -> Result<u64> {
    // As containerd does: what comes there is not looked at, but must be there and whole.
    let mut rest = tar.into_inner();
    io::copy(&mut rest, &mut io::sink()).map_err(unreadable)?;
    Ok(rest.left)
}

/// The largest window of a zstd frame that is read, as a power of two: 32 MiB, which the best level of
/// BuildKit's encoder uses. A frame that wants more wants memory.
const ZSTD_WINDOW: u32 = 25;

/// Tells the compression by the content, as containerd does: media types are not to be relied upon.
pub(super) fn decompress(mut compressed: impl Read + Send + 'static) -> Result<Box<dyn Read + Send>> {
    let mut start = Vec::new();
    compressed.by_ref().take(4).read_to_end(&mut start).map_err(unreadable)?;
    let gzip = start.starts_with(&[0x1f, 0x8b]);
    // A frame, or one that is to be skipped (RFC 8878, sections 3.1.1 and 3.1.2).
    let zstd = matches!(*start, [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18]);
    let whole = Read::chain(Cursor::new(start), compressed);
    if zstd {
        let mut decoder = zstd::stream::read::Decoder::new(whole).map_err(unreadable)?;
        decoder.window_log_max(ZSTD_WINDOW).map_err(unreadable)?;
        return Ok(Box::new(Zstd(decoder)));
    }
    Ok(if gzip { Box::new(MultiGzDecoder::new(whole)) } else { Box::new(whole) })
}

/// A zstd decoder whose own errors are told from those of its input.
struct Zstd<R: io::BufRead>(zstd::stream::read::Decoder<'static, R>);

impl<R: io::BufRead> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(|error| match error.get_ref() {
            Some(inner) if !inner.is::<Error>() => io::Error::new(io::ErrorKind::InvalidData, error),
            _ => error,
        })
    }
}

pub(super) fn beyond(what: &str) -> Error {
    Error::bad_output(format!("the image's layers have more {what} than is allowed"))
        .hint("a small layer that holds this much is an attack; if it is not, raise the limits")
}

/// Reads what is sent.
pub(super) struct Chunks {
    chunks: mpsc::Receiver<Message>,
    now: Bytes,
    ended: bool,
}

impl Read for Chunks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.now.is_empty() && !self.ended {
            match self.chunks.blocking_recv() {
                Some(Message::Bytes(bytes)) => self.now = bytes,
                Some(Message::End) => self.ended = true,
                Some(Message::Failed(error)) => return Err(error),
                None => return Err(carry(Error::cancelled("the layer was not read to its end"))),
            }
        }
        let count = self.now.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.now[..count]);
        self.now.advance(count);
        Ok(count)
    }
}

/// Fails where more comes than is allowed.
#[derive(Debug)]
pub(super) struct Limited<R> {
    pub(super) input: R,
    pub(super) left: u64,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        self.left = self.left.checked_sub(count as u64).ok_or_else(|| carry(beyond("bytes")))?;
        Ok(count)
    }
}
