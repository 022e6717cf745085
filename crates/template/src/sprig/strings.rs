//! Functions over texts.

use gotmpl::Value;
use sha2::{Digest, Sha256};

use super::{
    ANY, Answer, Function, MAX_TEXT,
    arguments::{Arguments, shown},
    function, list, text,
};

pub(super) const ALL: &[Function] = &[
    function("trim", 1, 1, |a| text(a.text(0)?.trim())),
    function("trimAll", 2, 2, trim_all),
    function("trimall", 2, 2, trim_all),
    function("trimPrefix", 2, 2, |a| {
        let whole = a.text(1)?;
        text(whole.strip_prefix(a.text(0)?).unwrap_or(whole))
    }),
    function("trimSuffix", 2, 2, |a| {
        let whole = a.text(1)?;
        text(whole.strip_suffix(a.text(0)?).unwrap_or(whole))
    }),
    function("upper", 1, 1, |a| text(map(a.text(0)?, |c| single(c.to_uppercase(), c)))),
    function("lower", 1, 1, |a| text(map(a.text(0)?, |c| single(c.to_lowercase(), c)))),
    function("title", 1, 1, |a| text(title(a.text(0)?))),
    function("untitle", 1, 1, |a| text(untitle(a.text(0)?))),
    function("swapcase", 1, 1, |a| {
        text(map(a.text(0)?, |c| match c.is_uppercase() {
            true => single(c.to_lowercase(), c),
            false => single(c.to_uppercase(), c),
        }))
    }),
    function("hello", 0, 0, |_| text("Hello!")),
    function("wrap", 2, 2, |a| text(wrapped(a.text(1)?, a.int(0)?, "\n", false)?)),
    function("wrapWith", 3, 3, |a| text(wrapped(a.text(2)?, a.int(0)?, a.text(1)?, true)?)),
    function("repeat", 2, 2, repeat),
    function("substr", 3, 3, substr),
    function("nospace", 1, 1, |a| text(a.text(0)?.split_whitespace().collect::<String>())),
    function("trunc", 2, 2, trunc),
    function("abbrev", 2, 2, |a| abbreviate(a.text(1)?, 0, a.int(0)?)),
    function("abbrevboth", 3, 3, |a| abbreviate(a.text(2)?, a.int(0)?, a.int(1)?)),
    function("initials", 1, 1, |a| {
        text(a.text(0)?.split_whitespace().filter_map(|word| word.chars().next()).collect::<String>())
    }),
    function("contains", 2, 2, |a| Ok(Value::Bool(a.text(1)?.contains(a.text(0)?)))),
    function("hasPrefix", 2, 2, |a| Ok(Value::Bool(a.text(1)?.starts_with(a.text(0)?)))),
    function("hasSuffix", 2, 2, |a| Ok(Value::Bool(a.text(1)?.ends_with(a.text(0)?)))),
    function("quote", 0, ANY, |a| text(joined(a, |value| quoted(&shown(value))))),
    function("squote", 0, ANY, |a| text(joined(a, |value| format!("'{value}'")))),
    function("cat", 0, ANY, |a| text(joined(a, shown))),
    function("indent", 2, 2, |a| indent(a).and_then(text)),
    function("nindent", 2, 2, |a| indent(a).and_then(|indented| text(format!("\n{indented}")))),
    function("replace", 3, 3, replace),
    function("plural", 3, 3, |a| text(if a.int(2)? == 1 { a.text(0)? } else { a.text(1)? })),
    function("split", 2, 2, |a| numbered(pieces(a.text(0)?, a.text(1)?, None))),
    function("splitn", 3, 3, |a| numbered(pieces(a.text(0)?, a.text(2)?, Some(a.int(1)?)))),
    function("splitList", 2, 2, |a| Ok(list(pieces(a.text(0)?, a.text(1)?, None)))),
    function("b64enc", 1, 1, |a| text(encode(a.text(0)?.as_bytes()))),
    function("b64dec", 1, 1, |a| text(decode(a.text(0)?)?)),
    function("sha256sum", 1, 1, |a| {
        let digest = Sha256::digest(a.text(0)?.as_bytes());
        text(digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
    }),
];

fn map(whole: &str, change: impl FnMut(char) -> char) -> String {
    whole.chars().map(change).collect()
}

/// One character for one, as Go's case mapping: `ß` stays, as its capital is two.
pub(super) fn single(mut mapped: impl ExactSizeIterator<Item = char>, original: char) -> char {
    match (mapped.len(), mapped.next()) {
        (1, Some(one)) => one,
        // unicode.ToLower('İ') is `i`.
        (_, Some('i')) => 'i',
        _ => original,
    }
}

fn trim_all(a: &Arguments) -> Answer {
    let set = a.text(0)?;
    text(a.text(1)?.trim_matches(|c| set.contains(c)))
}

/// Go's `strings.Title`: a word begins after what is neither a letter, a digit nor `_`; beyond ASCII, after
/// white space alone.
fn title(whole: &str) -> String {
    let mut before = ' ';
    map(whole, |c| {
        let begins = match before.is_ascii() {
            true => !before.is_ascii_alphanumeric() && before != '_',
            false => before.is_whitespace(),
        };
        before = c;
        if begins { single(c.to_uppercase(), c) } else { c }
    })
}

fn untitle(whole: &str) -> String {
    let mut before = ' ';
    map(whole, |c| {
        let begins = before.is_whitespace();
        before = c;
        if begins { single(c.to_lowercase(), c) } else { c }
    })
}

/// Breaks lines at blanks, and words that are too long if they must be (goutils' `WrapCustom`).
fn wrapped(whole: &str, width: i64, line_end: &str, cut_words: bool) -> Result<String, String> {
    let width = usize::try_from(width).unwrap_or(1).max(1);
    let line_end = if line_end.is_empty() { "\n" } else { line_end };
    if (whole.len() / width).saturating_mul(line_end.len()) > MAX_TEXT {
        return Err(format!("more than {MAX_TEXT} bytes come out"));
    }
    let (mut out, mut rest) = (Vec::new(), whole.as_bytes());
    let blank = |bytes: &[u8], backwards: bool| match backwards {
        true => bytes.iter().rposition(|byte| *byte == b' '),
        false => bytes.iter().position(|byte| *byte == b' '),
    };
    while rest.len() > width {
        if rest[0] == b' ' {
            rest = &rest[1..];
            continue;
        }
        let (end, next) = match blank(&rest[..=width], true) {
            Some(at) => (at, at + 1),
            None if cut_words => (width, width),
            None => match blank(&rest[width..], false) {
                Some(at) => (width + at, width + at + 1),
                None => break,
            },
        };
        out.extend_from_slice(&rest[..end]);
        out.extend_from_slice(line_end.as_bytes());
        rest = &rest[next..];
    }
    out.extend_from_slice(rest);
    String::from_utf8(out).map_err(|_| "a character would be cut".to_owned())
}

fn repeat(a: &Arguments) -> Answer {
    let (count, whole) = (a.int(0)?, a.text(1)?);
    let count = usize::try_from(count).map_err(|_| format!("cannot repeat {count} times"))?;
    if whole.len().saturating_mul(count) > MAX_TEXT {
        return Err(format!("more than {MAX_TEXT} bytes come out"));
    }
    text(whole.repeat(count))
}

/// Returns the bytes from `start` to `end`, if they are text.
fn cut(whole: &str, start: usize, end: usize) -> Answer {
    match whole.get(start..end) {
        Some(part) => text(part),
        None => Err(format!("bytes {start} to {end} are not text")),
    }
}

fn substr(a: &Arguments) -> Answer {
    let (start, end, whole) = (a.int(0)?, a.int(1)?, a.text(2)?);
    let end = usize::try_from(end).ok().filter(|end| *end <= whole.len());
    match (usize::try_from(start), end) {
        (Err(_), Some(end)) => cut(whole, 0, end),
        (Err(_), None) => Err("the end is outside of the text".to_owned()),
        (Ok(start), end) => cut(whole, start, end.unwrap_or(whole.len())),
    }
}

fn trunc(a: &Arguments) -> Answer {
    let (count, whole) = (a.int(0)?, a.text(1)?);
    let size = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    match count {
        ..0 if size < whole.len() => cut(whole, whole.len() - size, whole.len()),
        0.. if size < whole.len() => cut(whole, 0, size),
        _ => text(whole),
    }
}

/// As goutils' `AbbreviateFull`.
fn abbreviate(whole: &str, offset: i64, width: i64) -> Answer {
    if width < 4 || (offset > 0 && width < 7) {
        return text(whole);
    }
    let (offset, width) =
        (usize::try_from(offset).unwrap_or(0), usize::try_from(width).unwrap_or(usize::MAX));
    let size = whole.len();
    if size <= width {
        return text(whole);
    }
    let offset = offset.min(size).min(size - (width - 3));
    let part = |start: usize, end: usize| match whole.get(start..end) {
        Some(part) => Ok(part),
        None => Err(format!("bytes {start} to {end} are not text")),
    };
    if offset <= 4 {
        return text(format!("{}...", part(0, width - 3)?));
    }
    if offset + width - 3 < size {
        return text(format!("...{}...", part(offset, offset + width - 6)?));
    }
    text(format!("...{}", part(size - (width - 3), size)?))
}

fn joined(a: &Arguments, show: impl Fn(&Value) -> String) -> String {
    let there = a.from(0).iter().filter(|value| !matches!(value, Value::Nil));
    there.map(show).collect::<Vec<_>>().join(" ")
}

/// Go's `%q`.
fn quoted(whole: &str) -> String {
    let mut out = String::from("\"");
    for c in whole.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            c if (c as u32) < 0x80 && c.is_control() => out.extend(format!("\\x{:02x}", c as u32).chars()),
            c if c.is_control() => out.extend(format!("\\u{:04x}", c as u32).chars()),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn indent(a: &Arguments) -> Result<String, String> {
    let (spaces, whole) = (a.int(0)?, a.text(1)?);
    let spaces = usize::try_from(spaces).map_err(|_| format!("cannot indent by {spaces}"))?;
    if spaces.saturating_mul(whole.matches('\n').count() + 1) > MAX_TEXT {
        return Err(format!("more than {MAX_TEXT} bytes come out"));
    }
    let pad = " ".repeat(spaces);
    Ok(format!("{pad}{}", whole.replace('\n', &format!("\n{pad}"))))
}

fn replace(a: &Arguments) -> Answer {
    let (old, new, whole) = (a.text(0)?, a.text(1)?, a.text(2)?);
    if new.len().saturating_mul(whole.matches(old).count()) > MAX_TEXT {
        return Err(format!("more than {MAX_TEXT} bytes come out"));
    }
    text(whole.replace(old, new))
}

/// Go's `strings.SplitN`.
fn pieces<'a>(separator: &str, whole: &'a str, most: Option<i64>) -> Vec<&'a str> {
    let most = match most {
        Some(0) => return Vec::new(),
        Some(most) => usize::try_from(most).unwrap_or(usize::MAX),
        None => usize::MAX,
    };
    if !separator.is_empty() {
        return whole.splitn(most, separator).collect();
    }
    // Into its characters.
    let mut pieces = Vec::new();
    let mut rest = whole;
    while let Some(c) = rest.chars().next() {
        if pieces.len() + 1 == most {
            break;
        }
        let (first, after) = rest.split_at(c.len_utf8());
        pieces.push(first);
        rest = after;
    }
    if !rest.is_empty() {
        pieces.push(rest);
    }
    pieces
}

/// `_0`, `_1` and so on.
fn numbered(pieces: Vec<&str>) -> Answer {
    let pieces = pieces.into_iter().enumerate();
    Ok(Value::from(
        pieces
            .map(|(index, piece)| (format!("_{index}"), Value::from(piece)))
            .collect::<std::collections::BTreeMap<String, Value>>(),
    ))
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Base64 (RFC 4648, section 4).
fn encode(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for position in 0..4 {
            let digit = (bits >> (18 - 6 * position)) & 63;
            out.push(if position > chunk.len() { '=' } else { char::from(ALPHABET[digit as usize]) });
        }
    }
    out
}

fn decode(encoded: &str) -> Result<String, String> {
    let broken = || "the text is not base64".to_owned();
    let digits = encoded.trim_end_matches('=');
    if !encoded.len().is_multiple_of(4) || encoded.len() - digits.len() > 2 {
        return Err(broken());
    }
    let (mut bits, mut count, mut out) = (0_u32, 0, Vec::new());
    for digit in digits.bytes() {
        let value = ALPHABET.iter().position(|known| *known == digit).ok_or_else(broken)?;
        bits = (bits << 6 | u32::try_from(value).unwrap_or(0)) & 0xff_ffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push(u8::try_from(bits >> count & 0xff).unwrap_or(0));
        }
    }
    String::from_utf8(out).map_err(|_| "what was encoded is not UTF-8".to_owned())
}
