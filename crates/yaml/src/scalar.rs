//! What a scalar means: Go's rules, in the two forms that the field reads YAML by.

use crate::{
    document::Problem,
    node::{Node, Scalar, Style, Value},
    number,
    timestamp::Timestamp,
};

/// Whose reading of YAML counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rules {
    /// Configuration: `gopkg.in/yaml.v3` (YAML 1.2's booleans, a key twice is an error).
    Config,
    /// Manifests: `sigs.k8s.io/yaml`, by which kubectl and the API server read (YAML 1.1's booleans, the
    /// last of two equal keys counts).
    Manifest,
}

/// What a scalar means.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Resolved {
    /// Nothing.
    Null,
    /// A truth value.
    Bool(bool),
    /// An integer in the range of `i64` and `u64`.
    Integer(i128),
    /// A floating-point number; infinite and not-a-number included.
    Float(f64),
    /// A text.
    Text(String),
    /// A moment, as RFC 3339 writes it. [`Rules::Manifest`] gives the text as it is written instead.
    Timestamp(String),
}

const CORE: &str = "tag:yaml.org,2002:";

impl Scalar {
    /// Returns what the scalar means without a tag.
    #[must_use]
    pub fn resolve(&self, rules: Rules) -> Resolved {
        match self.style {
            Style::Plain => plain(&self.text, rules, true),
            _ => Resolved::Text(self.text.to_string()),
        }
    }
}

/// Returns what a scalar node means, with its tag.
pub(crate) fn resolve(node: &Node, scalar: &Scalar, rules: Rules) -> Result<Resolved, Problem> {
    let Some(tag) = &node.tag else { return Ok(scalar.resolve(rules)) };
    let problem = |what: &str| {
        Err(Problem::new(node.span.start, format!("`{}` is not a value of the tag `{what}`", scalar.text)))
    };
    let text = || Resolved::Text(scalar.text.to_string());
    // The tag that says nothing: yaml.v3 drops it, v2 takes it for a word.
    if &**tag == "!" && rules == Rules::Config {
        return Ok(scalar.resolve(rules));
    }
    let Some(kind) = tag.strip_prefix(CORE) else { return Ok(text()) };
    let found = match kind {
        "binary" => {
            return binary(&scalar.text).map_or_else(|| problem("!!binary"), |text| Ok(Resolved::Text(text)));
        }
        "str" => return Ok(text()),
        "bool" | "int" | "float" | "null" | "timestamp" => plain(&scalar.text, rules, kind == "timestamp"),
        _ => return Ok(text()),
    };
    match (kind, found) {
        ("bool", found @ Resolved::Bool(_))
        | ("int", found @ Resolved::Integer(_))
        | ("float", found @ Resolved::Float(_))
        | ("null", found @ Resolved::Null)
        | ("timestamp", found @ Resolved::Timestamp(_)) => Ok(found),
        ("timestamp", found @ Resolved::Text(_))
            if rules == Rules::Manifest && Timestamp::read(&scalar.text).is_some() =>
        {
            Ok(found)
        }
        // Go converts what fits an `int`, not larger ones.
        ("float", Resolved::Integer(value)) if i64::try_from(value).is_ok() => {
            Ok(Resolved::Float(value as f64))
        }
        _ => problem(&format!("!!{kind}")),
    }
}

/// Resolves a plain scalar (yaml.v3 and v2, resolve.go).
fn plain(text: &str, rules: Rules, dates: bool) -> Resolved {
    let as_is = || Resolved::Text(text.to_owned());
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Resolved::Null,
        "true" | "True" | "TRUE" => return Resolved::Bool(true),
        "false" | "False" | "FALSE" => return Resolved::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return Resolved::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Resolved::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Resolved::Float(f64::NEG_INFINITY),
        _ => {}
    }
    if rules == Rules::Manifest
        && let Some(value) = yaml11_bool(text)
    {
        return Resolved::Bool(value);
    }
    match text.as_bytes()[0] {
        // Go hands these to `ParseFloat` as they are, which takes `_` between digits alone.
        b'.' if underscores_between_digits(text) => {
            number::float(&text.replace('_', "")).map_or_else(as_is, Resolved::Float)
        }
        b'0'..=b'9' | b'+' | b'-' => {
            if dates && let Some(moment) = Timestamp::read(text) {
                return match rules {
                    Rules::Config => Resolved::Timestamp(moment.to_string()),
                    // "for backward compatibility reasons we set it as a string" (v2, decode.go).
                    Rules::Manifest => as_is(),
                };
            }
            number(&text.replace('_', "")).unwrap_or_else(as_is)
        }
        _ => as_is(),
    }
}

fn underscores_between_digits(text: &str) -> bool {
    let bytes = text.as_bytes();
    let digit = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit);
    bytes
        .iter()
        .enumerate()
        .all(|(at, &byte)| byte != b'_' || digit(at.checked_sub(1)) && digit(Some(at + 1)))
}

fn number(text: &str) -> Option<Resolved> {
    if let Some(value) = number::integer(text) {
        return Some(Resolved::Integer(value));
    }
    number::float(text).map(Resolved::Float)
}

/// Returns the truth value that YAML 1.1 has more words for.
fn yaml11_bool(text: &str) -> Option<bool> {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some(true),
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

/// Decodes base64 (RFC 4648, with line breaks as Go's decoder ignores them) to a text.
fn binary(text: &str) -> Option<String> {
    let digit = |byte: u8| {
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
            .iter()
            .position(|&one| one == byte)
    };
    let text: Vec<u8> = text.bytes().filter(|byte| !matches!(byte, b'\n' | b'\r')).collect();
    let padding = text.iter().rev().take_while(|&&byte| byte == b'=').count();
    if !text.len().is_multiple_of(4) || padding > 2 {
        return None;
    }
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0u32, 0);
    for &byte in &text[..text.len() - padding] {
        bits = bits << 6 | u32::try_from(digit(byte)?).ok()?;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count & 0xff) as u8);
        }
    }
    String::from_utf8(bytes).ok()
}

impl Resolved {
    /// Returns the truth value that it is where one is expected. Go takes YAML 1.1's words too then, also in quotes:
    /// "some compatibility with the 1.1 spec" (yaml.v3, decode.go).
    #[must_use]
    pub fn truth(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            Self::Text(text) => yaml11_bool(text),
            _ => None,
        }
    }

    /// Returns the integer that it is where one is expected: `1e3` is a float that is one.
    #[must_use]
    pub fn integer(&self) -> Option<i128> {
        match self {
            Self::Integer(value) => Some(*value),
            Self::Float(value) if value.fract() == 0.0 && value.abs() < 9.0e15 => Some(*value as i128),
            _ => None,
        }
    }
}

impl Node {
    /// Returns what a scalar node means, with its tag; `None` for a list or a mapping, and where text
    /// and tag do not fit.
    #[must_use]
    pub fn resolved(&self, rules: Rules) -> Option<Resolved> {
        match &self.value {
            Value::Scalar(scalar) => resolve(self, scalar, rules).ok(),
            _ => None,
        }
    }
}
