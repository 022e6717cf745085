//! Hides secrets in everything that leaves a run: one place, so that no output can forget it.

use std::sync::RwLock;

/// What a secret is replaced by.
pub(crate) const MASK: &str = "***";

/// The values to hide; grows only.
#[derive(Default)]
pub(crate) struct Masks(RwLock<Vec<String>>);

impl std::fmt::Debug for Masks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Masks")
    }
}

impl Masks {
    /// Hides this value from now on: whole, each of its longer lines (output comes line by line) and
    /// in base64, as Kubernetes and HTTP show it.
    pub(crate) fn add(&self, secret: &str) {
        let mut values = self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        let lines = secret.lines().map(str::trim).filter(|line| line.len() >= 8);
        for value in lines.chain([secret.trim()]) {
            for form in [value.to_owned(), base64(value.as_bytes())] {
                if !value.is_empty() && !values.contains(&form) {
                    values.push(form);
                }
            }
        }
        // A secret that contains another is hidden whole.
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
    }

    /// Returns the text with every secret hidden, or `None` where there was nothing to hide.
    pub(crate) fn hide(&self, text: &str) -> Option<String> {
        let values = self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut hidden: Option<String> = None;
        for value in values.iter() {
            let present = hidden.as_deref().unwrap_or(text);
            if present.contains(value.as_str()) {
                hidden = Some(present.replace(value.as_str(), MASK));
            }
        }
        hidden
    }
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group =
            chunk.iter().fold(0, |group, &byte| group << 8 | usize::from(byte)) << (8 * (3 - chunk.len()));
        for index in 0..4 {
            let symbol = ALPHABET[group >> (18 - 6 * index) & 63];
            text.push(if index <= chunk.len() { char::from(symbol) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_hidden_whole_by_line_and_in_base64() {
        let masks = Masks::default();
        masks.add("hunter2");
        masks.add("-----BEGIN KEY-----\nabcdefgh12345678\n");
        for (text, hidden) in [
            ("password=hunter2!", "password=***!"),
            ("aHVudGVyMg==", "***"),
            ("x abcdefgh12345678 y", "x *** y"),
            ("nothing", "nothing"),
        ] {
            assert_eq!(masks.hide(text).as_deref().unwrap_or(text), hidden);
        }
    }

    #[test]
    fn base64_is_as_specified() {
        // RFC 4648, section 10.
        for (plain, encoded) in [("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
    }
}
