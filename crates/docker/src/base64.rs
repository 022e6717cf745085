//! Base64, as far as an engine's answers need it.

use shipway_core::{Error, Result};

/// Returns the bytes of a text in base64 (RFC 4648, section 4).
pub(crate) fn from_base64(text: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut group, mut bits) = (0_u32, 0);
    for c in text.trim_end_matches('=').bytes() {
        let symbol = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return Err(wrong()),
        };
        group = group << 6 | u32::from(symbol);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((group >> bits) as u8);
            group &= (1 << bits) - 1;
        }
    }
    Ok(bytes)
}

fn wrong() -> Error {
    Error::bad_output("the engine's message is not in base64")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_in_the_alphabet_is_an_error() {
        assert_eq!(from_base64("Zm9vYg==").unwrap(), b"foob");
        assert!(from_base64("a-b").is_err());
    }
}
