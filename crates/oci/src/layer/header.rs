//! The header blocks of a tar entry: ustar (POSIX.1-1988), with a PAX record (POSIX.1-2001) for each
//! value that ustar cannot hold, and only for those.

use tar::{EntryType, Header};

use super::entry::{Content, Device, LayerEntry};

/// The size of a tar block.
pub(super) const BLOCK: usize = 512;
/// The largest numbers in 7 and in 11 octal digits.
const MAX_ID: u64 = 0o777_7777;
const MAX_NUMBER: u64 = 0o777_7777_7777;

/// Returns the count of bytes that fills up the last block of a content of this size.
pub(super) fn padding(size: u64) -> usize {
    let over = usize::try_from(size % BLOCK as u64).expect("less than a block");
    (BLOCK - over) % BLOCK
}

/// Returns the header blocks of an entry.
pub(super) fn header_blocks(entry: &LayerEntry) -> Vec<u8> {
    let (kind, path, link) = match &entry.content {
        Content::File { .. } | Content::Bytes(_) => (EntryType::Regular, entry.path.clone(), ""),
        // Go's and GNU's tar end a folder's name so, and some readers go by it.
        Content::Folder => (EntryType::Directory, format!("{}/", entry.path), ""),
        Content::Link(text) => (EntryType::Symlink, entry.path.clone(), text.as_str()),
        Content::HardLink(target) => (EntryType::Link, entry.path.clone(), target.as_str()),
        Content::Device(Device::Fifo) => (EntryType::Fifo, entry.path.clone(), ""),
        Content::Device(Device::Character { .. }) => (EntryType::Char, entry.path.clone(), ""),
        Content::Device(Device::Block { .. }) => (EntryType::Block, entry.path.clone(), ""),
    };
    let mut records = Vec::new();
    let mut header = new_header(kind, entry.mode & 0o7777, entry.size());
    let ustar = header.as_ustar_mut().expect("made as ustar");
    match split(&path) {
        Some((prefix, name)) if path.is_ascii() => {
            ustar.prefix[..prefix.len()].copy_from_slice(prefix);
            ustar.name[..name.len()].copy_from_slice(name);
        }
        _ => {
            record(&mut records, "path", path.as_bytes());
            fill(&mut ustar.name, &path);
        }
    }
    if let Content::Device(Device::Character { major, minor } | Device::Block { major, minor }) =
        entry.content
    {
        // Linux's numbers fit into the field's seven octal digits but for 24-bit minors, which nobody has.
        ustar.dev_major[..7].copy_from_slice(format!("{:07o}", major & 0o777_7777).as_bytes());
        ustar.dev_minor[..7].copy_from_slice(format!("{:07o}", minor & 0o777_7777).as_bytes());
    }
    fill(&mut ustar.linkname, link);
    if !link.is_ascii() || link.len() > ustar.linkname.len() {
        record(&mut records, "linkpath", link.as_bytes());
    }
    // Beside the record, the header's field holds the same number in GNU's base 256, so that readers
    // of either agree about where the next entry begins.
    header.set_uid(entry.uid);
    header.set_gid(entry.gid);
    header.set_mtime(entry.mtime);
    for (key, value, max) in [
        ("uid", entry.uid, MAX_ID),
        ("gid", entry.gid, MAX_ID),
        ("mtime", entry.mtime, MAX_NUMBER),
        ("size", entry.size(), MAX_NUMBER),
    ] {
        if value > max {
            record(&mut records, key, value.to_string().as_bytes());
        }
    }
    // As Docker, containerd and star write them.
    for (name, value) in &entry.xattrs {
        record(&mut records, &format!("SCHILY.xattr.{name}"), value);
    }
    header.set_cksum();

    let mut blocks = Vec::with_capacity(BLOCK);
    if !records.is_empty() {
        let mut extended = new_header(EntryType::XHeader, 0o644, records.len() as u64);
        fill(&mut extended.as_ustar_mut().expect("made as ustar").name, "PaxHeaders.0");
        extended.set_cksum();
        blocks.extend_from_slice(extended.as_bytes());
        records.resize(records.len() + padding(records.len() as u64), 0);
        blocks.extend_from_slice(&records);
    }
    blocks.extend_from_slice(header.as_bytes());
    blocks
}

fn new_header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

/// Returns the path as ustar's prefix and name, if it fits.
fn split(path: &str) -> Option<(&[u8], &[u8])> {
    let bytes = path.as_bytes();
    if bytes.len() <= 100 {
        return Some((b"", bytes));
    }
    let fits = |&at: &usize| bytes[at] == b'/' && at <= 155 && (1..=100).contains(&(bytes.len() - at - 1));
    let at = (1..bytes.len() - 1).rev().find(fits)?;
    Some((&bytes[..at], &bytes[at + 1..]))
}

/// Puts as much of the text into the field as fits: for readers that know no PAX.
fn fill(field: &mut [u8], text: &str) {
    for (slot, byte) in field.iter_mut().zip(text.bytes().filter(u8::is_ascii)) {
        *slot = byte;
    }
}

/// Adds a PAX record, `<length of it all> <key>=<value>\n`.
fn record(records: &mut Vec<u8>, key: &str, value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest;
    // The length counts its own digits.
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    records.extend_from_slice(format!("{length} {key}=").as_bytes());
    records.extend_from_slice(value);
    records.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_counts_its_own_length() {
        for (size, start) in [(1, "8 "), (2, "9 "), (3, "11 "), (91, "99 "), (92, "101 ")] {
            let mut records = Vec::new();
            record(&mut records, "abc", "x".repeat(size).as_bytes());
            assert!(records.starts_with(start.as_bytes()), "{}", String::from_utf8_lossy(&records));
            assert_eq!(records.len().to_string(), start.trim_end());
        }
    }

    #[test]
    fn pax_comes_only_when_ustar_cannot_hold_it() {
        let long = format!("{}/{}", "d".repeat(155), "f".repeat(100));
        for (entry, blocks) in [
            (LayerEntry::bytes("a", "x"), 1),
            (LayerEntry::bytes("f".repeat(100), ""), 1),
            (LayerEntry::bytes(long.clone(), ""), 1),
            (LayerEntry::folder(long), 3),
            (LayerEntry::bytes("f".repeat(101), ""), 3),
            (LayerEntry::bytes("é", ""), 3),
            (LayerEntry::link("a", "t".repeat(100)), 1),
            (LayerEntry::link("a", "t".repeat(101)), 3),
            (LayerEntry::bytes("a", "").owner(MAX_ID, MAX_ID).mtime(MAX_NUMBER), 1),
            (LayerEntry::bytes("a", "").owner(MAX_ID + 1, 0), 3),
            (LayerEntry::bytes("a", "").xattrs([("user.a".to_owned(), vec![0, 1])].into()), 3),
            (LayerEntry::hard_link("b", "a"), 1),
            (LayerEntry::device("b", Device::Character { major: 1, minor: 3 }), 1),
            (LayerEntry::file("a", std::path::Path::new("/"), "a", MAX_NUMBER), 1),
            (LayerEntry::file("a", std::path::Path::new("/"), "a", MAX_NUMBER + 1), 3),
        ] {
            assert_eq!(header_blocks(&entry).len(), blocks * BLOCK, "{entry:?}");
        }
    }
}
