//! The entries of a zip archive in memory (PKWARE, APPNOTE 6.3), read as a hostile one: nothing is believed about
//! sizes, and what is unpacked counts against a budget.

use std::io::Read;

use flate2::read::DeflateDecoder;

/// The most entries that are looked at.
const MOST: usize = 200_000;

/// An archive.
#[derive(Debug)]
pub(super) struct Zip<'a> {
    bytes: &'a [u8],
    directory: &'a [u8],
}

/// An entry of an archive.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    pub(super) name: &'a str,
    method: u16,
    packed: usize,
    at: usize,
}

impl<'a> Zip<'a> {
    /// Finds an archive's directory, which is at its end.
    pub(super) fn open(bytes: &'a [u8]) -> Option<Self> {
        const END: &[u8] = b"PK\x05\x06";
        // After it only a comment may come.
        let from = bytes.len().saturating_sub(22 + 65_535);
        let at = from + bytes.get(from..)?.windows(4).rposition(|window| window == END)?;
        let (size, start) = (long(bytes, at + 12)?, long(bytes, at + 16)?);
        let directory = bytes.get(start..start.checked_add(size)?)?;
        Some(Self { bytes, directory })
    }

    /// Returns the entries that have names.
    pub(super) fn entries(&self) -> Vec<Entry<'a>> {
        let (mut entries, mut at) = (Vec::new(), 0);
        while entries.len() < MOST && self.directory.get(at..at + 4) == Some(b"PK\x01\x02") {
            let Some((entry, next)) = self.entry(at) else { break };
            entries.extend(entry);
            at = next;
        }
        entries
    }

    fn entry(&self, at: usize) -> Option<(Option<Entry<'a>>, usize)> {
        let field = |offset| short(self.directory, at + offset);
        let (name, extra, comment) = (field(28)?, field(30)?, field(32)?);
        let name_at = at + 46;
        let next = name_at + usize::from(name) + usize::from(extra) + usize::from(comment);
        let name = self.directory.get(name_at..name_at + usize::from(name))?;
        let entry = Entry {
            name: std::str::from_utf8(name).unwrap_or_default(),
            method: field(10)?,
            packed: long(self.directory, at + 20)?,
            at: long(self.directory, at + 42)?,
        };
        Some((Some(entry).filter(|entry| !entry.name.is_empty()), next))
    }

    /// Unpacks an entry; `None` when it is damaged, encrypted, packed in another way, or larger than what is left of
    /// the budget.
    pub(super) fn unpack(&self, entry: &Entry<'_>, budget: &mut u64) -> Option<Vec<u8>> {
        let head = self.bytes.get(entry.at..)?;
        if head.get(..4) != Some(b"PK\x03\x04") || short(head, 6)? & 1 != 0 {
            return None;
        }
        let start = 30 + usize::from(short(head, 26)?) + usize::from(short(head, 28)?);
        let packed = head.get(start..start.checked_add(entry.packed)?)?;
        let mut content = Vec::new();
        let read = match entry.method {
            0 => packed.take(*budget + 1).read_to_end(&mut content),
            8 => DeflateDecoder::new(packed).take(*budget + 1).read_to_end(&mut content),
            _ => return None,
        };
        *budget = budget.checked_sub(content.len() as u64).or_else(|| {
            *budget = 0;
            None
        })?;
        read.ok().map(|_| content)
    }
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

fn long(bytes: &[u8], at: usize) -> Option<usize> {
    let number = u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?);
    usize::try_from(number).ok()
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::DeflateEncoder};

    use super::*;

    /// Writes an archive, with every second entry packed.
    pub(in crate::sbom) fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let (mut bytes, mut directory) = (Vec::new(), Vec::new());
        for (number, (name, content)) in entries.iter().enumerate() {
            let mut packed = content.to_vec();
            let method = if number % 2 == 0 { 0_u16 } else { 8 };
            if method == 8 {
                let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
                encoder.write_all(content).unwrap();
                packed = encoder.finish().unwrap();
            }
            let at = bytes.len() as u32;
            let (length, size) = (name.len() as u16, packed.len() as u32);
            bytes.extend_from_slice(b"PK\x03\x04\x14\0\0\0");
            bytes.extend_from_slice(&method.to_le_bytes());
            bytes.extend_from_slice(&[0; 8]);
            bytes.extend([size, content.len() as u32].map(u32::to_le_bytes).concat());
            bytes.extend([length, 0].map(u16::to_le_bytes).concat());
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(&packed);
            directory.extend_from_slice(b"PK\x01\x02\x14\0\x14\0\0\0");
            directory.extend_from_slice(&method.to_le_bytes());
            directory.extend_from_slice(&[0; 8]);
            directory.extend([size, content.len() as u32].map(u32::to_le_bytes).concat());
            directory.extend([length, 0, 0, 0, 0, 0, 0].map(u16::to_le_bytes).concat());
            directory.extend_from_slice(&at.to_le_bytes());
            directory.extend_from_slice(name.as_bytes());
        }
        let (start, size, count) = (bytes.len() as u32, directory.len() as u32, entries.len() as u16);
        bytes.extend_from_slice(&directory);
        bytes.extend_from_slice(b"PK\x05\x06\0\0\0\0");
        bytes.extend([count, count].map(u16::to_le_bytes).concat());
        bytes.extend([size, start].map(u32::to_le_bytes).concat());
        bytes.extend_from_slice(&[0, 0]);
        bytes
    }

    #[test]
    fn entries_are_unpacked_within_the_budget() {
        let bytes = archive(&[("a/b", b"stored"), ("c", &[7; 10_000])]);
        let zip = Zip::open(&bytes).expect("an archive");
        let entries = zip.entries();
        assert_eq!(entries.iter().map(|entry| entry.name).collect::<Vec<_>>(), ["a/b", "c"]);
        let mut budget = 10_010;
        assert_eq!(zip.unpack(&entries[0], &mut budget).as_deref(), Some(&b"stored"[..]));
        assert_eq!(zip.unpack(&entries[1], &mut budget).map(|content| content.len()), Some(10_000));
        assert_eq!((budget, zip.unpack(&entries[1], &mut budget)), (4, None));
        assert_eq!(budget, 0);
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_changed_is_read_without_harm(at in 0..200_usize, byte: u8, end in 0..300_usize) {
            let mut bytes = archive(&[("META-INF/x", b"one"), ("y", b"two two two two")]);
            let at = at % bytes.len();
            bytes[at] = byte;
            bytes.truncate(bytes.len().min(end.max(1)));
            if let Some(zip) = Zip::open(&bytes) {
                for entry in zip.entries() {
                    let _ = zip.unpack(&entry, &mut 1000);
                }
            }
        }
    }
}
