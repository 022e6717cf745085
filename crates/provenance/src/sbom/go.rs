//! The modules of a Go program, which it has in itself (Go, debug/buildinfo).

use super::{
    Package,
    packages::{in_steps, word},
};
use crate::materials::encoded;

/// Where it begins, at a multiple of 16 bytes.
const MAGIC: &[u8] = b"\xff Go buildinf:";
/// What stands before and after the list of modules.
const FENCE: usize = 16;
/// The head: the magic, the size of pointers, flags, and room.
const HEAD: usize = 32;
/// The flag of texts that are in place, which they are since Go 1.18.
const INLINE: u8 = 2;
/// The most bytes that it may have.
const MOST: usize = 4 * 1024 * 1024;

/// Looks through a program as it flows by, in pieces of a multiple of 16 bytes but for the last.
#[derive(Debug, Default)]
pub(super) struct GoSearch {
    /// From the head on, once it was found.
    found: Vec<u8>,
}

impl GoSearch {
    pub(super) fn see(&mut self, piece: &[u8]) {
        if self.found.is_empty() {
            // The head is aligned and the magic shorter than that, so no piece's end cuts it.
            let head = piece.chunks(16).position(|chunk| {
                chunk.starts_with(MAGIC) && chunk.get(15).is_some_and(|flags| flags & INLINE != 0)
            });
            if let Some(head) = head {
                self.found.extend_from_slice(&piece[head * 16..]);
            }
        } else if self.found.len() < MOST {
            self.found.extend_from_slice(piece);
        }
    }

    /// Returns the modules.
    pub(super) fn modules(&self, path: &str) -> Vec<(String, Package)> {
        self.parse(path).unwrap_or_default()
    }

    fn parse(&self, path: &str) -> Option<Vec<(String, Package)>> {
        let (version, rest) = text(self.found.get(HEAD..)?)?;
        let (list, _) = text(rest)?;
        let version = std::str::from_utf8(version).ok()?.strip_prefix("go")?;
        let version = version.split(' ').next()?;
        let mut modules = vec![("stdlib".to_owned(), version.to_owned())];
        let list = list.get(FENCE..list.len().checked_sub(FENCE)?).unwrap_or_default();
        for line in std::str::from_utf8(list).ok()?.lines() {
            let mut fields = line.split('\t');
            let (kind, name, version) = (fields.next(), fields.next(), fields.next());
            let (Some(name), Some(version)) = (name, version) else { continue };
            match kind {
                Some("mod" | "dep") => modules.push((name.to_owned(), version.to_owned())),
                // What is there in the place of the one before.
                Some("=>") => {
                    modules.pop();
                    modules.push((name.to_owned(), version.to_owned()));
                }
                _ => {}
            }
        }
        let package = |(name, version): (String, String)| {
            let (name, version) = (word(&name)?, word(&version)?);
            let purl = format!("pkg:golang/{}@{}", in_steps(&name.to_lowercase()), encoded(&version));
            Some((purl, Package { name, version, path: path.to_owned() }))
        };
        Some(modules.into_iter().filter_map(package).collect())
    }
}

/// Returns a text with its length before it, and what comes after it.
fn text(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (mut length, mut at) = (0_u64, 0);
    loop {
        let byte = *bytes.get(at)?;
        length |= u64::from(byte & 0x7f).checked_shl(7 * at as u32)?;
        at += 1;
        if byte & 0x80 == 0 {
            break;
        }
    }
    bytes.get(at..)?.split_at_checked(usize::try_from(length).ok()?)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A program that has only what says how it was built.
    pub(in crate::sbom) fn program(list: &str) -> Vec<u8> {
        let mut bytes = vec![0; 4096];
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&[8, INLINE]);
        bytes.resize(bytes.len() + 16, 0);
        let list = format!("{}{list}{}", "x".repeat(FENCE), "y".repeat(FENCE));
        for text in ["go1.22.1 X:nocoverageredesign", &list] {
            let mut length = text.len();
            while length >= 0x80 {
                bytes.push(length as u8 | 0x80);
                length >>= 7;
            }
            bytes.push(length as u8);
            bytes.extend_from_slice(text.as_bytes());
        }
        bytes.resize(bytes.len() + 100, 0);
        bytes
    }

    fn purls(bytes: &[u8]) -> Vec<String> {
        let mut search = GoSearch::default();
        bytes.chunks(4096).for_each(|piece| search.see(piece));
        search.modules("/p").into_iter().map(|(purl, _)| purl).collect()
    }

    #[test]
    fn modules_are_read_and_those_in_the_place_of_others() {
        let list = "path\texample.com/cmd\nmod\texample.com/cmd\t(devel)\t\ndep\tgithub.com/Pkg/errors\tv0.9.1\th1:x=\n\
            dep\ta.example/b\tv1.0.0\n=>\tb.example/b\tv1.0.1\th1:y=\nbuild\t-ldflags=-s\n";
        assert_eq!(
            purls(&program(list)),
            [
                "pkg:golang/stdlib@1.22.1",
                "pkg:golang/example.com/cmd@%28devel%29",
                "pkg:golang/github.com/pkg/errors@v0.9.1",
                "pkg:golang/b.example/b@v1.0.1",
            ]
        );
    }

    #[test]
    fn what_is_cut_or_lies_about_its_length_is_nothing() {
        let whole = program("mod\ta.example/a\tv1\n");
        assert_eq!(purls(&whole).len(), 2);
        for cut in [0, 4096, 4100, 4112, 4128, 4130, 4160] {
            assert_eq!(purls(&whole[..cut]), [""; 0], "{cut}");
        }
        let mut long = whole;
        long[4096 + HEAD..].fill(0xff);
        assert_eq!(purls(&long), [""; 0]);
    }
}
