//! Git's packets (gitprotocol-common, "pkt-line"): four hexadecimal digits that say the length, and that many
//! bytes less four.

use shipway_core::{Error, Result};

/// A packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packet<'a> {
    /// The end of a section.
    Flush,
    /// Something said.
    Data(&'a [u8]),
}

/// Reads packets, one after another.
#[derive(Debug)]
pub(super) struct Packets<'a>(pub(super) &'a [u8]);

impl<'a> Packets<'a> {
    /// Returns the next packet, or nothing at the end.
    ///
    /// # Errors
    /// `BadOutput` when there is something else than a packet.
    pub(super) fn next(&mut self) -> Result<Option<Packet<'a>>> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let broken = || Error::bad_output("the git server sent something else than git's protocol");
        let digits = self.0.get(..4).and_then(|digits| std::str::from_utf8(digits).ok());
        let digits = digits.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let length = digits.and_then(|digits| usize::from_str_radix(digits, 16).ok()).ok_or_else(broken)?;
        if length == 0 {
            self.0 = &self.0[4..];
            return Ok(Some(Packet::Flush));
        }
        let data = self.0.get(4..length).ok_or_else(broken)?;
        self.0 = &self.0[length..];
        Ok(Some(Packet::Data(data)))
    }
}

/// Writes a packet.
pub(super) fn write(out: &mut Vec<u8>, data: &[u8]) {
    out.extend(format!("{:04x}", data.len() + 4).into_bytes());
    out.extend(data);
}

/// Ends a section.
pub(super) fn flush(out: &mut Vec<u8>) {
    out.extend(b"0000");
}

/// Returns what a server said, for people: without what a terminal would take for a command.
pub(super) fn said(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let shown: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(500).collect();
    shown.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_read_as_they_were_written() {
        let mut out = Vec::new();
        write(&mut out, b"want");
        flush(&mut out);
        write(&mut out, b"");
        assert_eq!(out, b"0008want00000004");
        let mut packets = Packets(&out);
        assert_eq!(packets.next().expect("fine"), Some(Packet::Data(b"want")));
        assert_eq!(packets.next().expect("fine"), Some(Packet::Flush));
        assert_eq!(packets.next().expect("fine"), Some(Packet::Data(b"")));
        assert_eq!(packets.next().expect("fine"), None);
        for broken in [&b"000"[..], b"<html>", b"0003", b"0001", b"ffffabc", b"+008want", b"0008wan"] {
            assert!(Packets(broken).next().is_err(), "{broken:?}");
        }
        assert_eq!(said(b"\x1b[31mno\r\n"), "[31mno");
    }
}
