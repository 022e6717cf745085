//! Tar archives as the engine takes and gives them (POSIX pax, GNU tar).

use bytes::{Bytes, BytesMut};
use shipway_core::{Error, Result};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::pipe::carried;

const BLOCK: usize = 512;

/// The most bytes of a long name or of a pax header.
const NAMES: u64 = 1024 * 1024;

/// The two blocks of nothing that end an archive.
pub(crate) const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

/// Returns the header of a regular file with a short name (ustar).
pub(crate) fn file_header(name: &str, mode: u32, owner: (u32, u32), size: u64) -> Bytes {
    let mut header = [0; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &name.as_bytes()[..name.len().min(100)]);
    put(100, format!("{mode:07o}").as_bytes());
    put(108, format!("{:07o}", owner.0 & 0o7_777_777).as_bytes());
    put(116, format!("{:07o}", owner.1 & 0o7_777_777).as_bytes());
    if size < 1 << 33 {
        put(124, format!("{size:011o}").as_bytes());
    } else {
        // GNU: the first bit set, then the number in the last bytes.
        put(124, &[0x80, 0, 0, 0]);
        put(128, &size.to_be_bytes());
    }
    put(136, b"00000000000");
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    Bytes::copy_from_slice(&header)
}

/// Returns what fills the last block of a file of this size.
pub(crate) fn padding(size: u64) -> &'static [u8] {
    const NOTHING: [u8; BLOCK] = [0; BLOCK];
    &NOTHING[..(size.next_multiple_of(BLOCK as u64) - size) as usize]
}

/// What an entry of an archive is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ArchiveKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link with this text.
    Link(String),
    /// The same file as an earlier entry with this path.
    HardLink(String),
    /// A device, a FIFO, or what is not known here.
    Other,
}

/// An entry of an archive; its content comes next. Paths are as they are written: nothing is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ArchiveEntry {
    /// The path.
    pub path: String,
    /// What it is.
    pub kind: ArchiveKind,
    /// The permission bits, with setuid, setgid and sticky.
    pub mode: u32,
    /// The count of bytes of its content.
    pub size: u64,
}

/// Reads an archive entry by entry, from a stream that cannot be trusted.
#[derive(Debug)]
pub struct ArchiveReader<R> {
    from: R,
    /// What is left of the present entry's content, and of its last block.
    left: u64,
    padding: u64,
}

impl<R: AsyncRead + Unpin> ArchiveReader<R> {
    /// Returns a reader at the archive's beginning.
    pub fn new(from: R) -> Self {
        Self { from, left: 0, padding: 0 }
    }

    /// Returns the next entry, or `None` at the end; what is left of the one before is skipped.
    ///
    /// # Errors
    /// `BadOutput` when it is no archive; `Unavailable` when it is cut off.
    pub async fn next(&mut self) -> Result<Option<ArchiveEntry>> {
        let (mut long_path, mut long_link, mut long_size) = (None, None, None);
        loop {
            while self.read().await?.is_some() {}
            let Some(header) = self.header().await? else {
                // Whoever sends it is heard to the end, so that a cut is noticed.
                tokio::io::copy(&mut self.from, &mut tokio::io::sink()).await.map_err(cut)?;
                return Ok(None);
            };
            let size = match long_size {
                Some(size) if !matches!(header[156], b'x' | b'g' | b'L' | b'K') => size,
                _ => number(&header[124..136])?,
            };
            self.left = size;
            self.padding = size.checked_next_multiple_of(BLOCK as u64).ok_or_else(wrong)? - size;
            match header[156] {
                b'x' => {
                    let pax = self.whole(NAMES).await?;
                    for (name, value) in records(&pax)? {
                        match name {
                            "path" => long_path = Some(value.to_owned()),
                            "linkpath" => long_link = Some(value.to_owned()),
                            "size" => long_size = Some(value.parse().map_err(|_| wrong())?),
                            _ => {}
                        }
                    }
                }
                b'g' => {
                    self.whole(NAMES).await?;
                }
                b'L' => long_path = Some(text(&self.whole(NAMES).await?)?),
                b'K' => long_link = Some(text(&self.whole(NAMES).await?)?),
                kind => {
                    let path = match long_path {
                        Some(path) => path,
                        None => short_path(&header)?,
                    };
                    let link = match long_link {
                        Some(link) => link,
                        None => text(&header[157..257])?,
                    };
                    let kind = match kind {
                        b'0' | 0 if path.ends_with('/') => ArchiveKind::Folder,
                        b'0' | 0 => ArchiveKind::File,
                        b'1' => ArchiveKind::HardLink(link),
                        b'2' => ArchiveKind::Link(link),
                        b'5' => ArchiveKind::Folder,
                        _ => ArchiveKind::Other,
                    };
                    let mode = number(&header[100..108])?;
                    let mode = u32::try_from(mode & 0o7777).unwrap_or_default();
                    return Ok(Some(ArchiveEntry { path, kind, mode, size }));
                }
            }
        }
    }

    /// Returns the next piece of the present entry's content, or `None` at its end.
    pub async fn read(&mut self) -> Result<Option<Bytes>> {
        if self.left > 0 {
            let mut piece = BytesMut::with_capacity(self.left.min(64 * 1024) as usize);
            if (&mut self.from).take(self.left.min(64 * 1024)).read_buf(&mut piece).await.map_err(cut)? == 0 {
                return Err(cut(std::io::ErrorKind::UnexpectedEof.into()));
            }
            self.left -= piece.len() as u64;
            return Ok(Some(piece.freeze()));
        }
        if self.padding > 0 {
            let mut rest = [0; BLOCK];
            let padding = std::mem::take(&mut self.padding) as usize;
            self.from.read_exact(&mut rest[..padding]).await.map_err(cut)?;
        }
        Ok(None)
    }

    /// Returns all of the present entry's content, at most `limit` bytes.
    pub async fn whole(&mut self, limit: u64) -> Result<Vec<u8>> {
        if self.left > limit {
            return Err(Error::bad_output(format!("a file of the archive has more than {limit} bytes")));
        }
        let mut content = Vec::new();
        while let Some(piece) = self.read().await? {
            content.extend_from_slice(&piece);
        }
        Ok(content)
    }

    async fn header(&mut self) -> Result<Option<[u8; BLOCK]>> {
        let mut header = [0; BLOCK];
        if self.from.read(&mut header[..1]).await.map_err(cut)? == 0 {
            return Err(Error::bad_output("the archive has no end").note("it was cut off"));
        }
        self.from.read_exact(&mut header[1..]).await.map_err(cut)?;
        if header.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let said = number(&header[148..156])?;
        let sum =
            |range: std::ops::Range<usize>| header[range].iter().map(|byte| u64::from(*byte)).sum::<u64>();
        if sum(0..148) + sum(156..BLOCK) + 8 * u64::from(b' ') != said {
            return Err(wrong());
        }
        Ok(Some(header))
    }
}

fn cut(error: std::io::Error) -> Error {
    carried(error, "read the archive to its end")
}

fn wrong() -> Error {
    Error::bad_output("the archive is no tar archive")
}

/// Reads a number: octal digits, or after a set first bit the bytes of it (GNU).
fn number(field: &[u8]) -> Result<u64> {
    if field[0] & 0x80 != 0 {
        let (high, low) = field.split_at(field.len() - 8);
        if high[0] != 0x80 || high[1..].iter().any(|byte| *byte != 0) {
            return Err(wrong());
        }
        return Ok(low.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)));
    }
    let digits = field.split(|byte| *byte == 0).next().unwrap_or_default();
    let digits = std::str::from_utf8(digits).map_err(|_| wrong())?.trim();
    if digits.is_empty() { Ok(0) } else { u64::from_str_radix(digits, 8).map_err(|_| wrong()) }
}

fn text(field: &[u8]) -> Result<String> {
    let text = field.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8(text.to_vec()).map_err(|_| wrong())
}

fn short_path(header: &[u8; BLOCK]) -> Result<String> {
    let name = text(&header[..100])?;
    let prefix = if &header[257..263] == b"ustar\0" { text(&header[345..500])? } else { String::new() };
    Ok(if prefix.is_empty() { name } else { format!("{prefix}/{name}") })
}

/// Reads the records of a pax header: `LENGTH NAME=VALUE\n`, the length of it all.
fn records(mut pax: &[u8]) -> Result<Vec<(&str, &str)>> {
    let mut records = Vec::new();
    while !pax.is_empty() {
        let blank = pax.iter().position(|byte| *byte == b' ').ok_or_else(wrong)?;
        let length = std::str::from_utf8(&pax[..blank]).ok().and_then(|digits| digits.parse::<usize>().ok());
        let length = length.filter(|length| *length > blank + 1 && *length <= pax.len()).ok_or_else(wrong)?;
        let record =
            std::str::from_utf8(&pax[blank + 1..length]).ok().and_then(|text| text.strip_suffix('\n'));
        // What is not text is no name that we read.
        if let Some(pair) = record.and_then(|record| record.split_once('=')) {
            records.push(pair);
        }
        pax = &pax[length..];
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive_of(name: &str, content: &[u8]) -> Vec<u8> {
        let size = content.len() as u64;
        [&file_header(name, 0o400, (7, 8), size), content, padding(size), &END].concat()
    }

    #[tokio::test]
    async fn what_is_written_is_read() {
        let archive = archive_of("a", b"content");
        let mut reader = ArchiveReader::new(archive.as_slice());
        let entry = reader.next().await.unwrap().unwrap();
        let expected = ArchiveEntry { path: "a".to_owned(), kind: ArchiveKind::File, mode: 0o400, size: 7 };
        assert_eq!(entry, expected);
        assert_eq!(reader.whole(7).await.unwrap(), b"content");
        assert_eq!(reader.next().await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_cut_or_wrong_archive_is_an_error() {
        let archive = archive_of("a", b"content");
        let mut spoiled = archive.to_vec();
        spoiled[0] = b'b';
        let mut endless = archive.to_vec();
        endless[124..136].copy_from_slice(&[0xff; 12]);
        for bytes in [&archive[..100], &archive[..515], &archive[..1024], &spoiled, &endless, b""] {
            let mut reader = ArchiveReader::new(bytes);
            let mut last = reader.next().await;
            while let Ok(Some(_)) = last {
                last = reader.next().await;
            }
            assert!(last.is_err(), "{} bytes", bytes.len());
        }
    }

    #[test]
    fn records_of_a_pax_header_are_read_by_their_length() {
        assert_eq!(records(b"12 path=a=b\n11 size=12\n").unwrap(), [("path", "a=b"), ("size", "12")]);
        for bad in [&b"99 path=a\n"[..], b"x", b"2 ", b"0 a=b\n"] {
            assert!(records(bad).is_err());
        }
    }
}
