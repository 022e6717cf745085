//! Tars block by block, also such as no tool writes.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};

pub(crate) const FILE: u8 = b'0';
pub(crate) const HARD: u8 = b'1';
pub(crate) const LINK: u8 = b'2';
pub(crate) const CHAR: u8 = b'3';
pub(crate) const BLOCK: u8 = b'4';
pub(crate) const FOLDER: u8 = b'5';
pub(crate) const FIFO: u8 = b'6';
pub(crate) const CONTIGUOUS: u8 = b'7';

/// An entry of a tar. What does not fit into its header is written as GNU tar writes it.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) kind: u8,
    pub(crate) link: String,
    pub(crate) mode: u32,
    pub(crate) owner: (u32, u32),
    pub(crate) content: Vec<u8>,
    /// Records of a PAX header before it.
    pub(crate) pax: Vec<(String, String)>,
}

pub(crate) fn entry(name: &str, kind: u8, text: &str) -> Entry {
    let linked = matches!(kind, HARD | LINK);
    let (link, content) = if linked { (text.to_owned(), Vec::new()) } else { (String::new(), text.into()) };
    let mode = if matches!(kind, FOLDER) { 0o755 } else { 0o644 };
    Entry { name: name.to_owned(), kind, link, mode, owner: (0, 0), content, pax: Vec::new() }
}

impl Entry {
    pub(crate) fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    pub(crate) fn owner(mut self, user: u32, group: u32) -> Self {
        self.owner = (user, group);
        self
    }

    pub(crate) fn pax(mut self, key: &str, value: &str) -> Self {
        self.pax.push((key.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        if !self.pax.is_empty() {
            bytes.extend(extended(b'x', &records(&self.pax)));
        }
        for (kind, text) in [(b'L', &self.name), (b'K', &self.link)] {
            if text.len() > 100 {
                bytes.extend(extended(kind, format!("{text}\0").as_bytes()));
            }
        }
        let size = self.content.len() as u64;
        let mut block = header(self.name.as_bytes(), self.kind, self.link.as_bytes(), self.mode, size);
        block[108..116].copy_from_slice(format!("{:07o}\0", self.owner.0).as_bytes());
        block[116..124].copy_from_slice(format!("{:07o}\0", self.owner.1).as_bytes());
        sum(&mut block);
        bytes.extend(block);
        bytes.extend(padded(&self.content));
        bytes
    }
}

/// Returns a header, with the sum right.
pub(crate) fn header(name: &[u8], kind: u8, link: &[u8], mode: u32, size: u64) -> [u8; 512] {
    let mut block = [0; 512];
    let mut set = |at: usize, most: usize, text: &[u8]| {
        let length = text.len().min(most);
        block[at..at + length].copy_from_slice(&text[..length]);
    };
    set(0, 100, name);
    set(100, 8, format!("{mode:07o}").as_bytes());
    set(108, 8, b"0000000");
    set(116, 8, b"0000000");
    set(124, 12, format!("{size:011o}").as_bytes());
    set(136, 12, b"00000000000");
    set(156, 1, &[kind]);
    set(157, 100, link);
    set(257, 8, b"ustar\x0000");
    sum(&mut block);
    block
}

/// Makes the sum of a header right.
pub(crate) fn sum(block: &mut [u8; 512]) {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

/// Returns a header whose size field holds these bytes.
pub(crate) fn sized(name: &str, field: [u8; 12]) -> Vec<u8> {
    let mut block = header(name.as_bytes(), FILE, b"", 0o644, 0);
    block[124..136].copy_from_slice(&field);
    sum(&mut block);
    block.to_vec()
}

pub(crate) fn padded(content: &[u8]) -> Vec<u8> {
    let mut padded = content.to_vec();
    padded.resize(content.len().next_multiple_of(512), 0);
    padded
}

/// Returns a header that is about the next entry, with its content.
pub(crate) fn extended(kind: u8, content: &[u8]) -> Vec<u8> {
    let block = header(b"about the next", kind, b"", 0o644, content.len() as u64);
    [block.to_vec(), padded(content)].concat()
}

/// Returns PAX records (POSIX, pax, "pax Extended Header"): each begins with the length of it all.
pub(crate) fn records(records: &[(String, String)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (key, value) in records {
        let rest = key.len() + value.len() + 3;
        let mut length = rest + 1;
        while length != rest + length.to_string().len() {
            length = rest + length.to_string().len();
        }
        bytes.extend(format!("{length} {key}={value}\n").into_bytes());
    }
    bytes
}

/// Returns the blocks with the two empty ones that end a tar.
pub(crate) fn ended(blocks: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = blocks.concat();
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

pub(crate) fn tar(entries: &[Entry]) -> Vec<u8> {
    ended(&entries.iter().map(Entry::bytes).collect::<Vec<_>>())
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
