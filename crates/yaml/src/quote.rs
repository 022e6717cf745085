//! How a single value is written: plain where every reader takes it for what it is, otherwise in quotes.

use crate::{
    Rules,
    node::{Scalar, Style},
    number,
    scalar::Resolved,
};

/// Writes a scalar in one line, in the style that yaml.v3 chooses. In a flow collection (`[…]`, `{…}`) fewer
/// texts can be plain.
pub(crate) fn inline(scalar: &Scalar, tagged: bool, flow: bool) -> String {
    let text = &*scalar.text;
    match scalar.style {
        // A tag says what nothing is.
        Style::Plain if text.is_empty() && tagged => String::new(),
        Style::Plain if !tagged && scalar.resolve(Rules::Config) == Resolved::Null => "null".to_owned(),
        Style::Plain if fits_plain(text, flow) => text.to_owned(),
        _ if !tagged && fits_plain(text, flow) && is_text(text) => text.to_owned(),
        _ if is_text(text) && !needs_escapes(text) => single_quoted(text),
        _ => double_quoted(text),
    }
}

/// Writes a text in a scalar's style if that holds it.
pub(crate) fn in_style(text: &str, style: Style) -> String {
    match style {
        Style::Plain if is_plain_anywhere(text) => text.to_owned(),
        Style::DoubleQuoted => double_quoted(text),
        _ if needs_escapes(text) => double_quoted(text),
        _ => single_quoted(text),
    }
}

/// Returns how a block of text begins (`|`, `|-`, `|2+`) if the text is of several lines and can be one; its
/// lines are two columns right of what it is in.
pub(crate) fn literal(text: &str) -> Option<String> {
    let content = text.trim_end_matches('\n');
    let escapes = text.chars().any(|c| c != '\n' && c != '\t' && is_special(c));
    // Blanks at the end of a line are not seen, and lost by editors.
    let blanks = text.split('\n').any(|line| line.ends_with([' ', '\t']));
    if !text.contains('\n') || content.is_empty() || escapes || blanks {
        return None;
    }
    let indent = if text.starts_with([' ', '\t', '\n']) { "2" } else { "" };
    let end = match text.len() - content.len() {
        0 => "-",
        1 => "",
        _ => "+",
    };
    Some(format!("|{indent}{end}"))
}

/// Whether a text can stand without quotes where it is no key's part; whatever it means there.
fn fits_plain(text: &str, flow: bool) -> bool {
    let mut chars = text.chars();
    let start = match chars.next() {
        None => false,
        Some('-') => chars.next().is_some_and(|c| !c.is_whitespace()),
        Some(c) => !c.is_whitespace() && !"?:,[]{}#&*!|>'\"%@`".contains(c),
    };
    start
        && !needs_escapes(text)
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !text.contains(" #")
        && !["---", "..."].iter().any(|mark| text.starts_with(mark))
        && !(flow && text.contains([',', '[', ']', '{', '}', ':']) && !is_plain_anywhere(text))
}

/// Whether a text without quotes is a text for both rules, and no number for some other reader.
fn is_text(text: &str) -> bool {
    let scalar = Scalar { text: text.into(), style: Style::Plain };
    let is_text = |rules| matches!(scalar.resolve(rules), Resolved::Text(_));
    is_text(Rules::Config)
        && is_text(Rules::Manifest)
        && !matches!(text, "<<" | "=")
        && !number::is_yaml_float(&text.replace('_', ""))
        && !is_sexagesimal(text)
}

/// Whether a text is a number in YAML 1.1, such as `1:30` (yaml.v3, encode.go, `isBase60Float`).
fn is_sexagesimal(text: &str) -> bool {
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_' || byte == b'.');
    text.starts_with(|c: char| c.is_ascii_digit()) && text.contains(':') && text.split(':').all(digits)
}

/// Whether a text can stand without quotes anywhere, as a text for every reader.
fn is_plain_anywhere(text: &str) -> bool {
    // What begins with a digit is a number for some reader (`0o7`, `1e3`, `1:30`), but for versions.
    let start = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '_')
        || text.starts_with(|c: char| c.is_ascii_digit())
            && text.split('.').count() > 2
            && !text.contains(':');
    start
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-./:@+".contains(c))
        && !text.ends_with(':')
        && is_text(text)
}

fn needs_escapes(text: &str) -> bool {
    text.chars().any(is_special)
}

/// Whether a character is read as it is in double quotes alone, and there by its number.
fn is_special(c: char) -> bool {
    c.is_control() || matches!(c, '\u{feff}' | '\u{2028}' | '\u{2029}' | '\u{fffe}' | '\u{ffff}')
}

fn single_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

pub(crate) const HEX: [char; 16] =
    ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];

fn double_quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            c if is_special(c) => {
                quoted.push_str("\\u");
                quoted.extend([12, 8, 4, 0].map(|shift| HEX[(u32::from(c) >> shift & 15) as usize]));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
