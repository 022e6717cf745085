//! Checksums, and base 32.

use sha2::{Digest, Sha512};

use super::{Function, function, text};

pub(super) const ALL: &[Function] = &[
    function("sha1sum", 1, 1, |a| text(hex(sha1(a.text(0)?.as_bytes())))),
    function("sha512sum", 1, 1, |a| text(hex(Sha512::digest(a.text(0)?.as_bytes())))),
    function("adler32sum", 1, 1, |a| text(adler32(a.text(0)?.as_bytes()).to_string())),
    function("b32enc", 1, 1, |a| text(encode(a.text(0)?.as_bytes()))),
    function("b32dec", 1, 1, |a| text(decode(a.text(0)?)?)),
];

fn hex(bytes: impl IntoIterator<Item = u8>) -> String {
    bytes.into_iter().map(|byte| format!("{byte:02x}")).collect()
}

/// SHA-1 (RFC 3174): a name for what is in a text, and no proof of it.
fn sha1(bytes: &[u8]) -> [u8; 20] {
    let mut state = [0x6745_2301_u32, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
    let mut padded = bytes.to_vec();
    padded.push(0x80);
    padded.resize(padded.len().next_multiple_of(64), 0);
    if bytes.len() % 64 >= 56 {
        padded.resize(padded.len() + 64, 0);
    }
    let end = padded.len() - 8;
    padded[end..].copy_from_slice(&(bytes.len() as u64 * 8).to_be_bytes());
    for block in padded.chunks(64) {
        let mut words = [0_u32; 80];
        for (word, four) in words.iter_mut().zip(block.chunks(4)) {
            *word = four.iter().fold(0, |word, byte| word << 8 | u32::from(*byte));
        }
        for at in 16..80 {
            words[at] = (words[at - 3] ^ words[at - 8] ^ words[at - 14] ^ words[at - 16]).rotate_left(1);
        }
        let [mut a, mut b, mut c, mut d, mut e] = state;
        for (at, word) in words.into_iter().enumerate() {
            let (mixed, constant) = match at {
                0..20 => (b & c | !b & d, 0x5a82_7999),
                20..40 => (b ^ c ^ d, 0x6ed9_eba1),
                40..60 => (b & c | b & d | c & d, 0x8f1b_bcdc),
                _ => (b ^ c ^ d, 0xca62_c1d6_u32),
            };
            let next = a.rotate_left(5).wrapping_add(mixed).wrapping_add(e).wrapping_add(constant);
            (e, d, c, b, a) = (d, c, b.rotate_left(30), a, next.wrapping_add(word));
        }
        for (sum, part) in state.iter_mut().zip([a, b, c, d, e]) {
            *sum = sum.wrapping_add(part);
        }
    }
    let mut out = [0; 20];
    for (four, word) in out.chunks_mut(4).zip(state) {
        four.copy_from_slice(&word.to_be_bytes());
    }
    out
}

/// Adler-32 (RFC 1950).
fn adler32(bytes: &[u8]) -> u32 {
    let (low, high) = bytes.iter().fold((1_u32, 0_u32), |(low, high), byte| {
        let low = (low + u32::from(*byte)) % 65_521;
        (low, (high + low) % 65_521)
    });
    high << 16 | low
}

const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// Base 32 (RFC 4648, section 6).
fn encode(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.chunks(5) {
        let bits = (0..5).fold(0_u64, |bits, at| bits << 8 | u64::from(chunk.get(at).copied().unwrap_or(0)));
        let digits = (chunk.len() * 8).div_ceil(5);
        for position in 0..8 {
            let digit = (bits >> (35 - 5 * position)) & 31;
            out.push(if position < digits { char::from(ALPHABET[digit as usize]) } else { '=' });
        }
    }
    out
}

fn decode(encoded: &str) -> Result<String, String> {
    let broken = || "the text is not base 32".to_owned();
    let digits = encoded.trim_end_matches('=');
    let rest = digits.len() % 8;
    if !encoded.len().is_multiple_of(8) || encoded.len() - digits.len() > 6 || [1, 3, 6].contains(&rest) {
        return Err(broken());
    }
    let (mut bits, mut count, mut out) = (0_u32, 0, Vec::new());
    for digit in digits.bytes() {
        let value = ALPHABET.iter().position(|known| *known == digit).ok_or_else(broken)?;
        bits = (bits << 5 | u32::try_from(value).unwrap_or(0)) & 0xffff;
        count += 5;
        if count >= 8 {
            count -= 8;
            out.push(u8::try_from(bits >> count & 0xff).unwrap_or(0));
        }
    }
    String::from_utf8(out).map_err(|_| "what was encoded is not UTF-8".to_owned())
}
