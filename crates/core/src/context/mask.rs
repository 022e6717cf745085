//! Hides secrets in everything that leaves a run: one place, so that no output can forget it.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{PoisonError, RwLock},
};

/// What a secret is replaced by.
pub(crate) const MASK: &str = "***";

/// The values to hide; grows only.
#[derive(Default)]
pub(crate) struct Masks(RwLock<Values>);

#[derive(Default)]
struct Values {
    all: BTreeSet<String>,
    /// The same by how they begin, so that a text is looked through once, however many there are.
    by_start: HashMap<[u8; START], Vec<String>>,
    /// Those that are shorter than that.
    short: Vec<String>,
    /// Of each pair of bytes, whether a value begins with it: nearly all of a text is passed over by this alone.
    pairs: Pairs,
}

/// A bit for each pair of bytes; none until the first is set.
#[derive(Default)]
struct Pairs(Vec<u64>);

impl Pairs {
    /// Notes how a value begins.
    fn add(&mut self, value: &[u8]) {
        self.0.resize(1 << 10, 0);
        let (first, seconds) = match *value {
            [] => return,
            [first] => (first, 0..=u8::MAX),
            [first, second, ..] => (first, second..=second),
        };
        for second in seconds {
            let pair = usize::from(first) << 8 | usize::from(second);
            self.0[pair >> 6] |= 1 << (pair & 63);
        }
    }

    /// Returns whether a value may begin where the text does.
    fn may_begin(&self, text: &[u8]) -> bool {
        let [first, second, ..] = *text else { return true };
        let pair = usize::from(first) << 8 | usize::from(second);
        self.0.get(pair >> 6).is_some_and(|bits| bits & 1 << (pair & 63) != 0)
    }
}

const START: usize = 4;
/// A line of a secret that is shorter hides nothing of its own: it would hide half of all output.
const LINE: usize = 8;
/// Nor does a shorter piece of a longer text in base64.
const PIECE: usize = 8;

impl std::fmt::Debug for Masks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Masks")
    }
}

impl Masks {
    /// Hides this value from now on, whole and each of its longer lines (output comes line by line),
    /// and both as tools show them: quoted as JSON, in a URL, in base64 and in hexadecimal digits.
    pub(crate) fn add(&self, secret: &str) {
        let lines = secret.lines().map(str::trim).filter(|line| line.len() >= LINE);
        // A secret that was read from a file often ends with a line end, which base64 encodes too.
        let values: BTreeSet<&str> = lines.chain([secret, secret.trim()]).collect();
        let mut hidden = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for value in values.into_iter().filter(|value| !value.trim().is_empty()) {
            if !hidden.all.contains(value) {
                forms(value).into_iter().for_each(|form| hidden.add(form));
            }
        }
    }

    /// Returns the text with every secret hidden, or `None` where there was nothing to hide.
    pub(crate) fn hide(&self, text: &str) -> Option<String> {
        let values = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut hidden: Option<String> = None;
        // Secrets that overlap are hidden together, so that no end of one is left beside the other.
        let mut shown = 0;
        for at in 0..text.len() {
            let Some(end) = values.longest(&text.as_bytes()[at..]).map(|length| at + length) else {
                continue;
            };
            let hidden = hidden.get_or_insert_default();
            if at >= shown {
                hidden.push_str(&text[shown..at]);
                hidden.push_str(MASK);
            }
            shown = shown.max(end);
        }
        if let Some(hidden) = &mut hidden {
            hidden.push_str(&text[shown..]);
        }
        hidden
    }

    /// Returns how many bytes at the end of a text may be the beginning of a secret that goes on.
    pub(crate) fn begun(&self, text: &str) -> usize {
        let values = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let begun = |value: &String| {
            let longest = value.len().saturating_sub(1).min(text.len());
            (1..=longest).rev().find(|length| text.as_bytes().ends_with(&value.as_bytes()[..*length]))
        };
        values.all.iter().filter_map(begun).max().unwrap_or(0)
    }
}

impl Values {
    fn add(&mut self, value: String) {
        if self.all.insert(value.clone()) {
            self.pairs.add(value.as_bytes());
            match value.as_bytes().first_chunk() {
                Some(start) => self.by_start.entry(*start).or_default().push(value),
                None => self.short.push(value),
            }
        }
    }

    /// Returns the length of the longest value with which the text begins.
    fn longest(&self, text: &[u8]) -> Option<usize> {
        if !self.pairs.may_begin(text) {
            return None;
        }
        let long = text.first_chunk().and_then(|start| self.by_start.get(start));
        let values = long.into_iter().flatten().chain(&self.short);
        values.filter(|value| text.starts_with(value.as_bytes())).map(String::len).max()
    }
}

/// Returns a value in all the forms in which output may have it.
fn forms(value: &str) -> Vec<String> {
    let bytes = value.as_bytes();
    let quoted = serde_json::Value::from(value).to_string();
    let mut forms = vec![value.to_owned(), quoted[1..quoted.len() - 1].to_owned()];
    for digits in [b"0123456789ABCDEF", b"0123456789abcdef"] {
        let pair = |byte: u8| [byte >> 4, byte & 15].map(|digit| char::from(digits[usize::from(digit)]));
        forms.push(bytes.iter().copied().flat_map(pair).collect());
        // RFC 3986, section 2.1.
        let mut encoded = String::new();
        for &byte in bytes {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                encoded.push(byte.into());
            } else {
                encoded.push('%');
                encoded.extend(pair(byte));
            }
        }
        forms.push(encoded);
    }
    let whole = base64(bytes);
    let mut in_base64 = vec![whole.trim_end_matches('=').to_owned(), whole];
    // Inside a longer text that is encoded, such as a docker config's `auth`, a value begins at any of
    // three places of a group; the characters that its neighbours have a part in are not its own.
    for before in 0..3 {
        let padded = [&vec![0; before], bytes].concat();
        let own = (before * 8).div_ceil(6)..padded.len() * 8 / 6;
        if own.len() >= PIECE {
            in_base64.push(base64(&padded)[own].to_owned());
        }
    }
    // Tools break what they encode into lines, of which each is output of its own (RFC 2045, section 6.8, and
    // RFC 7468, section 2).
    for width in [76, 64] {
        let lines = in_base64[0].as_bytes().chunks(width).filter(|line| line.len() >= PIECE);
        let lines: Vec<String> = lines.map(|line| String::from_utf8_lossy(line).into_owned()).collect();
        in_base64.extend(if lines.len() > 1 { lines } else { Vec::new() });
    }
    for form in in_base64 {
        // RFC 4648, section 5: for URLs.
        forms.push(form.replace('+', "-").replace('/', "_"));
        forms.push(form);
    }
    forms
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
            ("hunter2hunter2", "******"),
            ("aHVudGVyMgo=", "***o="),
            ("nothing", "nothing"),
        ] {
            assert_eq!(masks.hide(text).as_deref().unwrap_or(text), hidden);
        }
    }

    #[test]
    fn secrets_of_any_length_are_found_wherever_they_stand() {
        for secret in ["%", "%&", "%&!", "%&!~", "%&!~%"] {
            let masks = Masks::default();
            assert_eq!(masks.hide(secret), None);
            masks.add(secret);
            for (before, after) in [("", ""), ("a", ""), ("", "b"), ("a", "b"), ("é", "ü")] {
                let hidden = masks.hide(&format!("{before}{secret}{after}"));
                assert_eq!(hidden, Some(format!("{before}***{after}")), "{secret}");
            }
            assert_eq!(masks.hide("a & b"), None);
        }
    }

    #[test]
    fn secrets_are_hidden_in_the_forms_that_tools_show() {
        let masks = Masks::default();
        masks.add("p@ss\"wo?rd>\n");
        for (text, hidden) in [
            (r#"{"password":"p@ss\"wo?rd>"}"#, r#"{"password":"***"}"#),
            ("https://ci:p%40ss%22wo%3Frd%3E@host/", "https://ci:***@host/"),
            ("https://ci:p%40ss%22wo%3frd%3e@host/", "https://ci:***@host/"),
            ("70407373 7040737322776f3f72643e", "70407373 ***"),
            // With the line end, without it, unpadded, and for URLs.
            ("cEBzcyJ3bz9yZD4K", "***"),
            ("cEBzcyJ3bz9yZD4=", "***"),
            ("cEBzcyJ3bz9yZD4", "***"),
        ] {
            assert_eq!(masks.hide(text).as_deref().unwrap_or(text), hidden);
        }
        // `ci:` and two other names before it: all three places of a group.
        for text in ["ci:", "bot:", "robot:"] {
            let encoded = base64(format!("{text}p@ss\"wo?rd>\",").as_bytes());
            let hidden = masks.hide(&encoded).expect("hidden");
            assert!(hidden.contains(MASK) && hidden.len() + 10 < encoded.len(), "{encoded}: {hidden}");
        }
    }

    #[test]
    fn a_long_secret_is_hidden_in_base64_that_is_broken_into_lines() {
        let masks = Masks::default();
        let secret = "a token that is longer than one line of base64 is and goes on for another, and then for one more";
        masks.add(secret);
        let encoded = base64(secret.as_bytes());
        for width in [76, 64] {
            let lines: Vec<&str> = encoded
                .as_bytes()
                .chunks(width)
                .map(|line| std::str::from_utf8(line).expect("ASCII"))
                .collect();
            assert!(lines.len() > 1);
            for line in lines {
                let hidden = masks.hide(line).unwrap_or_default();
                assert!(hidden.trim_end_matches('=') == MASK, "{line}: {hidden}");
            }
        }
    }

    #[test]
    fn secrets_that_overlap_are_hidden_together() {
        let masks = Masks::default();
        masks.add("left-middle");
        masks.add("middle-right");
        assert_eq!(masks.hide("(left-middle-right)").as_deref(), Some("(***)"));
        assert_eq!(masks.hide("é left-middle, é middle-right").as_deref(), Some("é ***, é ***"));
    }

    #[test]
    fn the_lines_of_a_long_secret_are_all_hidden() {
        let masks = Masks::default();
        let secrets: Vec<String> = (0..2_000).map(|i| format!("{i:04}-secret")).collect();
        masks.add(&secrets.join("\n"));
        for secret in &secrets {
            assert_eq!(masks.hide(&format!("the {secret}!")).as_deref(), Some("the ***!"));
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
