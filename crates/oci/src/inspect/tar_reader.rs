//! Reads the entries of a layer's tar and skips their contents. It holds one header at a time, each
//! bounded, and takes the tar apart where Go's `archive/tar` does, which runtimes extract with: two
//! readers that differ in that see different files (CVE-2026-33055).

use std::{
    collections::BTreeMap,
    io::{self, Read},
};

use shipway_core::{Error, Result};

use super::tar_header::{BLOCK, Header, text};
use crate::{
    carry::{carry, unpack},
    layer::Device,
};

/// The most that an extended header may hold, as in Go's reader.
const EXTENDED: i64 = 1024 * 1024;

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

/// What came before an entry's own header. A later PAX header takes the place of an earlier one, and GNU's
/// names come before both; so it is in Go's reader, whatever their order.
#[derive(Default)]
struct Extended {
    pax: BTreeMap<Vec<u8>, Vec<u8>>,
    path: Vec<u8>,
    link: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct TarReader<R> {
    input: R,
    /// The bytes of the last entry's content that are left.
    content: u64,
    /// What fills up its last block.
    padding: u64,
}

impl<R: Read> TarReader<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, content: 0, padding: 0 }
    }

    pub(super) fn into_inner(self) -> R {
        self.input
    }

    /// Returns the next entry, or `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<TarEntry>> {
        let mut extended = Extended::default();
        loop {
            if self.skip(self.content)? != self.content {
                return Err(bad("ends within a file"));
            }
            // It may be missing at the end of the archive.
            self.skip(self.padding)?;
            (self.content, self.padding) = (0, 0);
            let Some(block) = self.block()? else { return Ok(None) };
            if block == [0; BLOCK] {
                return match self.block()? {
                    Some(block) if block != [0; BLOCK] => Err(bad("goes on after its end")),
                    _ => Ok(None),
                };
            }
            let header = Header::read(&block).map_err(bad)?;
            if header.size < 0 && !matches!(header.kind, b'1'..=b'6') {
                return Err(bad("has a size below nothing"));
            }
            match header.kind {
                b'x' => extended.pax = records(&self.extended(&header)?)?,
                // A comment on the archive. To Go it is an entry of its own, so that what came before it is
                // about nothing.
                b'g' => {
                    records(&self.extended(&header)?)?;
                    extended = Extended::default();
                }
                b'L' => extended.path = text(&self.extended(&header)?).to_vec(),
                b'K' => extended.link = text(&self.extended(&header)?).to_vec(),
                _ => return self.entry(header, extended).map(Some),
            }
        }
    }

    fn skip(&mut self, bytes: u64) -> Result<u64> {
        io::copy(&mut self.input.by_ref().take(bytes), &mut io::sink()).map_err(unreadable)
    }

    /// Reads some of what is left of the content of the entry that `next` returned last.
    pub(super) fn read_content(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.by_ref().take(self.content).read(buffer)?;
        if count == 0 && self.content > 0 && !buffer.is_empty() {
            return Err(carry(bad("ends within a file")));
        }
        self.content -= count as u64;
        Ok(count)
    }

    fn entry(&mut self, mut header: Header, extended: Extended) -> Result<TarEntry> {
        let mut xattrs = BTreeMap::new();
        header.apply(extended.pax, &mut xattrs)?;
        for (own, gnu) in [(&mut header.path, extended.path), (&mut header.link, extended.link)] {
            if !gnu.is_empty() {
                *own = gnu;
            }
        }
        let (path, link) = (words(&header.path), words(&header.link));
        let device = || -> Result<(u32, u32)> {
            let number = |number: i64| u32::try_from(number).map_err(|_| bad("has a device of no number"));
            Ok((number(header.device.0)?, number(header.device.1)?))
        };
        let kind = match header.kind {
            // As tars were before they had types (Go, archive/tar, `TypeRegA`).
            0 if path.ends_with('/') => TarKind::Folder,
            0 | b'0' | b'7' => TarKind::File,
            b'5' => TarKind::Folder,
            b'2' => TarKind::Link(link),
            b'1' => TarKind::HardLink(link),
            b'6' => TarKind::Device(Device::Fifo),
            b'3' => device().map(|(major, minor)| TarKind::Device(Device::Character { major, minor }))?,
            b'4' => device().map(|(major, minor)| TarKind::Device(Device::Block { major, minor }))?,
            other => {
                let kind = char::from(other).escape_default();
                return Err(Error::unsupported(format!("a layer holds a tar entry of type `{kind}`"))
                    .note(format!("it is `{}`", path.escape_debug())));
            }
        };
        let owner = |number: i64| u64::try_from(number).map_err(|_| bad("has an owner of no number"));
        // Nothing else has content, whatever its header says.
        let size = if kind == TarKind::File { header.size } else { 0 };
        self.begin_content(size)?;
        Ok(TarEntry {
            path,
            kind,
            mode: (header.mode & 0o7777) as u32,
            uid: owner(header.uid)?,
            gid: owner(header.gid)?,
            size: self.content,
            xattrs,
        })
    }

    fn begin_content(&mut self, size: i64) -> Result<()> {
        self.content = u64::try_from(size).map_err(|_| bad("has a size below nothing"))?;
        self.padding = self.content.next_multiple_of(BLOCK as u64) - self.content;
        Ok(())
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
        if header.size > EXTENDED {
            return Err(bad("has a header of more than 1 MiB"));
        }
        self.begin_content(header.size)?;
        let mut content = Vec::new();
        self.input.by_ref().take(self.content).read_to_end(&mut content).map_err(unreadable)?;
        if content.len() as u64 != self.content {
            return Err(bad("ends within a header"));
        }
        self.content = 0;
        Ok(content)
    }
}

impl Header {
    /// Applies PAX records.
    fn apply(
        &mut self,
        records: BTreeMap<Vec<u8>, Vec<u8>>,
        xattrs: &mut BTreeMap<String, Vec<u8>>,
    ) -> Result<()> {
        for (key, value) in records {
            let number = || words(&value).parse().map_err(|_| bad("has a PAX number that is none"));
            match key.as_slice() {
                key if key.starts_with(b"GNU.sparse.") => {
                    return Err(Error::unsupported("a layer holds a sparse file")
                        .hint("make the image with a tar that writes files whole"));
                }
                // An empty value means the header's own (POSIX, pax, "pax Extended Header").
                _ if value.is_empty() => {}
                b"path" => self.path = value,
                b"linkpath" => self.link = value,
                b"size" => self.size = number()?,
                b"uid" => self.uid = number()?,
                b"gid" => self.gid = number()?,
                b"mtime" | b"atime" | b"ctime" if !is_time(&words(&value)) => {
                    return Err(bad("has a PAX time that is none"));
                }
                key => {
                    // As Docker, containerd and star write extended attributes.
                    if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                        xattrs.insert(words(name), value);
                    }
                }
            }
        }
        Ok(())
    }
}

/// Returns whether this is a time: seconds, and a fraction of them.
fn is_time(text: &str) -> bool {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    seconds.parse::<i64>().is_ok() && fraction.bytes().all(|byte| byte.is_ascii_digit())
}

/// Reads PAX records, `<length of it all> <key>=<value>\n` each; of several for one key, the last counts.
fn records(mut text: &[u8]) -> Result<BTreeMap<Vec<u8>, Vec<u8>>> {
    let mut records = BTreeMap::new();
    while !text.is_empty() {
        let (key, value, rest) = split_record(text).ok_or_else(|| bad("has a broken PAX record"))?;
        // Go, archive/tar, `validPAXRecord`.
        let names = matches!(key, b"path" | b"linkpath" | b"uname" | b"gname");
        if key.is_empty() || if names { value } else { key }.contains(&0) {
            return Err(bad("has a PAX record with a NUL, or without a key"));
        }
        records.insert(key.to_vec(), value.to_vec());
        text = rest;
    }
    Ok(records)
}

fn split_record(records: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = records.iter().take(8).position(|&byte| byte == b' ')?;
    let length: usize = std::str::from_utf8(&records[..space]).ok()?.parse().ok()?;
    let record = records.get(space + 1..length)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|&byte| byte == b'=')?;
    Some((&record[..equals], &record[equals + 1..], &records[length..]))
}

/// Returns bytes as text; what is not UTF-8 in them is replaced.
fn words(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
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
