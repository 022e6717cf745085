//! Reads the entries of a layer's tar and skips their contents. It holds one header at a time, each
//! bounded, and takes the tar apart where Go's `archive/tar` does, which runtimes extract with: two
//! readers that differ in that see different files (CVE-2026-33055).

use std::{
    collections::BTreeMap,
    io::{self, Read},
};

use shipway_core::{Error, Result};
use tar::{EntryType, Header};

use crate::{
    carry::{carry, unpack},
    layer::Device,
};

const BLOCK: usize = 512;
/// The most that an extended header may hold, as in Go's reader.
const EXTENDED: u64 = 1024 * 1024;

/// An entry of a tar archive without its content.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TarEntry {
    /// The path as it is written, which may lead anywhere.
    pub path: String,
    /// What it is.
    pub kind: TarKind,
    /// The permission bits, with setuid, setgid and sticky.
    pub mode: u32,
    /// The number of the owner.
    pub uid: u64,
    /// The number of the group.
    pub gid: u64,
    /// The size in bytes, of a regular file.
    pub size: u64,
    /// The extended attributes.
    pub xattrs: BTreeMap<String, Vec<u8>>,
}

/// What a [`TarEntry`] is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TarKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link, with its text.
    Link(String),
    /// Another name of the file at this path.
    HardLink(String),
    /// A FIFO or a device.
    Device(Device),
}

/// What came in extended headers before an entry's own.
#[derive(Default)]
struct Extended {
    path: Option<String>,
    link: Option<String>,
    size: Option<u64>,
    uid: Option<u64>,
    gid: Option<u64>,
    xattrs: BTreeMap<String, Vec<u8>>,
}

#[derive(Debug)]
pub(super) struct TarReader<R> {
    input: R,
    /// The bytes of the last entry that are left, with what fills up its last block.
    content: u64,
    /// Those of them that are its content.
    size: u64,
}

impl<R: Read> TarReader<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, content: 0, size: 0 }
    }

    pub(super) fn into_inner(self) -> R {
        self.input
    }

    /// Returns the next entry, or `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<TarEntry>> {
        let mut extended = Extended::default();
        loop {
            let skipped = io::copy(&mut self.input.by_ref().take(self.content), &mut io::sink());
            if skipped.map_err(unreadable)? != self.content {
                return Err(bad("ends within a file"));
            }
            (self.content, self.size) = (0, 0);
            let Some(block) = self.block()? else { return Ok(None) };
            if block == [0; BLOCK] {
                return match self.block()? {
                    Some(block) if block != [0; BLOCK] => Err(bad("goes on after its end")),
                    _ => Ok(None),
                };
            }
            let header = Header::from_byte_slice(&block);
            check_sum(header, &block)?;
            let kind = header.entry_type();
            match kind {
                EntryType::XHeader => {
                    let records = self.extended(header)?;
                    extended.add_records(&records)?;
                }
                // A comment on the archive; Go applies it to no entry.
                EntryType::XGlobalHeader => drop(self.extended(header)?),
                EntryType::GNULongName => extended.path = Some(text(&self.extended(header)?)),
                EntryType::GNULongLink => extended.link = Some(text(&self.extended(header)?)),
                _ => return self.entry(header, extended).map(Some),
            }
        }
    }

    /// Reads the content of the entry that `next` returned last, of which `size` is the size.
    pub(super) fn content(&mut self, size: u64) -> Result<Vec<u8>> {
        let mut content = Vec::new();
        self.input.by_ref().take(size).read_to_end(&mut content).map_err(unreadable)?;
        if content.len() as u64 != size {
            return Err(bad("ends within a file"));
        }
        self.content = self.content.saturating_sub(size);
        self.size = self.size.saturating_sub(size);
        Ok(content)
    }

    /// Reads some of what is left of that entry's content.
    pub(super) fn read_content(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.by_ref().take(self.size).read(buffer)?;
        if count == 0 && self.size > 0 && !buffer.is_empty() {
            return Err(carry(bad("ends within a file")));
        }
        self.size -= count as u64;
        self.content -= count as u64;
        Ok(count)
    }

    fn entry(&mut self, header: &Header, extended: Extended) -> Result<TarEntry> {
        let path = extended.path.unwrap_or_else(|| text(&header.path_bytes()));
        let link = || {
            let own = || header.link_name_bytes().map(|bytes| text(&bytes)).unwrap_or_default();
            extended.link.clone().unwrap_or_else(own)
        };
        let number = |number: io::Result<Option<u32>>| number.ok().flatten().unwrap_or(0);
        let (major, minor) = (number(header.device_major()), number(header.device_minor()));
        let (kind, has_content) = match header.entry_type() {
            // As tars were before they had types (Go, archive/tar, `TypeRegA`).
            EntryType::Regular if header.as_bytes()[156] == 0 && path.ends_with('/') => {
                (TarKind::Folder, true)
            }
            EntryType::Regular | EntryType::Continuous => (TarKind::File, true),
            EntryType::Directory => (TarKind::Folder, false),
            EntryType::Symlink => (TarKind::Link(link()), false),
            EntryType::Link => (TarKind::HardLink(link()), false),
            EntryType::Fifo => (TarKind::Device(Device::Fifo), false),
            EntryType::Char => (TarKind::Device(Device::Character { major, minor }), false),
            EntryType::Block => (TarKind::Device(Device::Block { major, minor }), false),
            other => {
                let kind = char::from(other.as_byte()).escape_default();
                return Err(Error::unsupported(format!("a layer holds a tar entry of type `{kind}`"))
                    .note(format!("it is `{}`", path.escape_debug())));
            }
        };
        let mut size = 0;
        if has_content {
            size = match extended.size {
                Some(size) => size,
                None => header.size().map_err(|_| bad("has a size that is no number"))?,
            };
            self.content =
                size.checked_next_multiple_of(BLOCK as u64).ok_or_else(|| bad("has a huge size"))?;
            self.size = size;
        }
        Ok(TarEntry {
            path,
            kind,
            mode: header.mode().unwrap_or(0) & 0o7777,
            uid: extended.uid.or(header.uid().ok()).unwrap_or(0),
            gid: extended.gid.or(header.gid().ok()).unwrap_or(0),
            size,
            xattrs: extended.xattrs,
        })
    }

    /// Returns the next block, or `None` at the end of the input.
    fn block(&mut self) -> Result<Option<[u8; BLOCK]>> {
        let mut block = Vec::with_capacity(BLOCK);
        self.input.by_ref().take(BLOCK as u64).read_to_end(&mut block).map_err(unreadable)?;
        match block.try_into() {
            Ok(block) => Ok(Some(block)),
            Err(block) if block.is_empty() => Ok(None),
            Err(_) => Err(bad("ends within a header")),
        }
    }

    /// Reads the content of an extended header.
    fn extended(&mut self, header: &Header) -> Result<Vec<u8>> {
        let size = header.size().map_err(|_| bad("has a size that is no number"))?;
        if size > EXTENDED {
            return Err(bad("has a header of more than 1 MiB"));
        }
        let mut content = Vec::new();
        let padded = size.next_multiple_of(BLOCK as u64);
        self.input.by_ref().take(padded).read_to_end(&mut content).map_err(unreadable)?;
        if content.len() as u64 != padded {
            return Err(bad("ends within a header"));
        }
        content.truncate(usize::try_from(size).unwrap_or(0));
        Ok(content)
    }
}

impl Extended {
    /// Adds PAX records, `<length of it all> <key>=<value>\n` each.
    fn add_records(&mut self, mut records: &[u8]) -> Result<()> {
        while !records.is_empty() {
            let (key, value, rest) = split_record(records).ok_or_else(|| bad("has a broken PAX record"))?;
            records = rest;
            let number = || text(value).parse().map_err(|_| bad("has a PAX number that is none"));
            match key {
                _ if key.starts_with(b"GNU.sparse.") => {
                    return Err(Error::unsupported("a layer holds a sparse file")
                        .hint("make the image with a tar that writes files whole"));
                }
                // An empty value means the header's own (POSIX, pax, "pax Extended Header").
                _ if value.is_empty() => {}
                b"path" => self.path = Some(text(value)),
                b"linkpath" => self.link = Some(text(value)),
                b"size" => self.size = Some(number()?),
                b"uid" => self.uid = Some(number()?),
                b"gid" => self.gid = Some(number()?),
                _ => {
                    // As Docker, containerd and star write extended attributes.
                    if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                        self.xattrs.insert(text(name), value.to_vec());
                    }
                }
            }
        }
        Ok(())
    }
}

fn split_record(records: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = records.iter().take(8).position(|&byte| byte == b' ')?;
    let length: usize = std::str::from_utf8(&records[..space]).ok()?.parse().ok()?;
    let record = records.get(space + 1..length)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|&byte| byte == b'=')?;
    Some((&record[..equals], &record[equals + 1..], &records[length..]))
}

fn check_sum(header: &Header, block: &[u8; BLOCK]) -> Result<()> {
    // POSIX, pax, "ustar Interchange Format": the sum counts its own field, 148 to 155, as spaces.
    let sum: u32 = block
        .iter()
        .enumerate()
        .map(|(i, &byte)| u32::from(if (148..156).contains(&i) { b' ' } else { byte }))
        .sum();
    if header.cksum().ok() == Some(sum) { Ok(()) } else { Err(bad("has a header with a wrong sum")) }
}

/// Returns text up to the first NUL; what is not UTF-8 in it is replaced.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

fn bad(problem: &str) -> Error {
    Error::bad_output(format!("a layer's tar {problem}"))
}

/// Returns why a layer cannot be read.
pub(super) fn unreadable(error: io::Error) -> Error {
    match error.kind() {
        // A decoder's word for content that is not its format, or ends too early.
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
            Error::bad_output("a layer cannot be decompressed").source(error)
        }
        _ => unpack(error, "read a layer"),
    }
}
