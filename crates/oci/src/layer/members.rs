//! Cuts a tar into members of about 1 MiB, each of which is compressed alone, so that several
//! threads can work on one layer. Several gzip members one after the other are one gzip file (RFC
//! 1952, section 2.2), and several zstd frames one zstd file (RFC 8878, section 3.1).

use std::{
    io::{self, Read},
    sync::mpsc::{Receiver, SyncSender},
};

use libdeflater::crc32;
use serde::{Deserialize, Serialize};
use shipway_core::{Digest, Error, Result, cores};

use crate::{digest::Hasher, media};

/// How a layer is compressed. Format and level are part of what decides its digest, the count of
/// threads is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Compression {
    /// The format; gzip by default.
    pub format: CompressionFormat,
    /// The level: of libdeflate for gzip, 1 to 12, 6 by default; of zstd 1 to 19, 3 by default.
    pub level: u8,
    /// The count of threads that compress; by default as many as the machine has, but at most 4.
    pub threads: usize,
}

/// The format of a compressed layer; in JSON `gzip` or `zstd`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum CompressionFormat {
    /// gzip (RFC 1952), which everything reads.
    #[default]
    Gzip,
    /// zstd (RFC 8878): quicker and smaller; containerd reads it from 1.5 on, Docker from 23 on.
    Zstd,
}

impl CompressionFormat {
    /// Returns its name, as in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}

impl Compression {
    /// Returns gzip at this level, 1 (quick) to 12 (small).
    #[must_use]
    pub fn gzip(level: u8) -> Self {
        Self { level, ..Self::default() }
    }

    /// Returns this format at its usual level.
    #[must_use]
    pub fn of(format: CompressionFormat) -> Self {
        match format {
            CompressionFormat::Gzip => Self::gzip(6),
            CompressionFormat::Zstd => Self::zstd(3),
        }
    }

    /// Returns zstd at this level, 1 (quick) to 19 (small).
    #[must_use]
    pub fn zstd(level: u8) -> Self {
        Self { format: CompressionFormat::Zstd, level, ..Self::default() }
    }

    /// Sets the level.
    #[must_use]
    pub fn level(mut self, level: u8) -> Self {
        self.level = level;
        self
    }

    /// Sets the count of threads.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Returns the media type of a layer that is compressed so.
    #[must_use]
    pub fn media_type(&self) -> &'static str {
        match self.format {
            CompressionFormat::Gzip => media::LAYER_GZIP,
            CompressionFormat::Zstd => media::LAYER_ZSTD,
        }
    }

    /// Refuses a level that the format has not.
    ///
    /// # Errors
    /// `Config`, with the levels that there are.
    pub fn check(&self) -> Result<()> {
        let most = match self.format {
            CompressionFormat::Gzip => 12,
            CompressionFormat::Zstd => 19,
        };
        if (1..=most).contains(&self.level) {
            return Ok(());
        }
        Err(Error::config(format!("there is no compression level {}", self.level))
            .hint(format!("the levels of {} are 1 (quick) to {most} (small)", self.format.as_str())))
    }
}

impl Default for Compression {
    fn default() -> Self {
        let threads = cores().min(4);
        Self { format: CompressionFormat::Gzip, level: 6, threads }
    }
}

/// The most that a member holds.
pub(super) const MEMBER: usize = 1024 * 1024;

/// Takes the bytes of the tar and hands members out, to each thread in turn.
///
/// Where a member ends depends on the list of files alone: small files are grouped, a large file
/// has members of its own, beginning with its header.
#[derive(Debug)]
pub(super) struct Members {
    buffer: Vec<u8>,
    hasher: Hasher,
    threads: Vec<SyncSender<Vec<u8>>>,
    /// Buffers of members that were compressed, to be filled again.
    free: Receiver<Vec<u8>>,
    next: usize,
}

impl Members {
    pub(super) fn new(threads: Vec<SyncSender<Vec<u8>>>, free: Receiver<Vec<u8>>) -> Self {
        Self { buffer: Vec::with_capacity(MEMBER), hasher: Hasher::new(), threads, free, next: 0 }
    }

    /// Begins an entry that takes `span` bytes with its header.
    pub(super) fn begin(&mut self, path: &str, span: u64) -> Result<()> {
        let held = self.buffer.len();
        let full = span > (MEMBER - held) as u64;
        // Where groups end by the file's name alone, a file that grew moves only the groups up to
        // the next such name, and all later members stay the same bytes.
        let marked = held >= MEMBER / 2 && crc32(path.as_bytes()).is_multiple_of(16);
        if held > 0 && (full || marked) { self.cut() } else { Ok(()) }
    }

    /// Ends an entry, of which `span` must be what was said at its beginning.
    pub(super) fn end(&mut self, span: u64) -> Result<()> {
        if span > MEMBER as u64 && !self.buffer.is_empty() { self.cut() } else { Ok(()) }
    }

    pub(super) fn write(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(MEMBER - self.buffer.len()));
            self.buffer.extend_from_slice(now);
            bytes = later;
            self.cut_when_full()?;
        }
        Ok(())
    }

    /// Reads at most `limit` bytes into the member under way; 0 at the end of the content.
    ///
    /// The outer error is of the layer, the inner one of the content.
    pub(super) fn read(&mut self, content: &mut dyn Read, limit: u64) -> Result<io::Result<usize>> {
        let room = limit.min((MEMBER - self.buffer.len()) as u64);
        let read = content.take(room).read_to_end(&mut self.buffer);
        self.cut_when_full()?;
        Ok(read)
    }

    /// Ends the tar and returns its digest and size.
    pub(super) fn finish(mut self) -> Result<(Digest, u64)> {
        if !self.buffer.is_empty() {
            self.cut()?;
        }
        Ok(self.hasher.finish())
    }

    fn cut_when_full(&mut self) -> Result<()> {
        if self.buffer.len() == MEMBER { self.cut() } else { Ok(()) }
    }

    fn cut(&mut self) -> Result<()> {
        // New ones for each member would scatter over the arenas of the allocator, and be cleared each time.
        let free = self.free.try_recv().unwrap_or_else(|_| Vec::with_capacity(MEMBER));
        let member = std::mem::replace(&mut self.buffer, free);
        self.hasher.update(&member);
        let thread = self.next % self.threads.len();
        self.next += 1;
        // The threads end early only when nobody takes what they make.
        self.threads[thread].send(member).map_err(|_| Error::cancelled("the layer was not read to its end"))
    }
}
