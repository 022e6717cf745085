//! Values as JSON, as Go's package `encoding/json` writes and reads them.

use std::{collections::BTreeMap, sync::Arc};

use gotmpl::Value;

use super::{Answer, Function, MAX_ITEMS, function, list, text};

pub(super) const ALL: &[Function] = &[
    function("toJson", 1, 1, |a| text(json(a.any(0), true, None))),
    function("mustToJson", 1, 1, |a| text(json(a.any(0), true, None))),
    function("toPrettyJson", 1, 1, |a| text(json(a.any(0), true, Some(0)))),
    function("mustToPrettyJson", 1, 1, |a| text(json(a.any(0), true, Some(0)))),
    function("toRawJson", 1, 1, |a| text(json(a.any(0), false, None))),
    function("mustToRawJson", 1, 1, |a| text(json(a.any(0), false, None))),
    // What is no JSON is nothing; `mustFromJson` says that it is wrong.
    function("fromJson", 1, 1, |a| Ok(parsed(a.text(0)?).unwrap_or(Value::Nil))),
    function("mustFromJson", 1, 1, |a| parsed(a.text(0)?)),
];

/// The reader bounds how deep values lie in each other.
fn parsed(whole: &str) -> Answer {
    // A value takes more room than its text does: `[[],[],[]]`.
    if whole.bytes().filter(|byte| matches!(byte, b',' | b'[' | b'{')).count() > MAX_ITEMS {
        return Err(format!("more than {MAX_ITEMS} items come out"));
    }
    // The error would show what is there.
    serde_json::from_str(whole).map(value).map_err(|_| "the text is not JSON".to_owned())
}

/// Every number is one with a fraction, as in Go.
/// Returns what a template sees of a value.
pub(crate) fn value(json: serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Nil,
        serde_json::Value::Bool(flag) => Value::Bool(flag),
        serde_json::Value::Number(number) => number.as_f64().map_or(Value::Nil, Value::Float),
        serde_json::Value::String(text) => Value::from(text),
        serde_json::Value::Array(items) => list(items.into_iter().map(value)),
        serde_json::Value::Object(entries) => {
            let entries = entries.into_iter().map(|(key, entry)| (Arc::from(key), value(entry)));
            Value::from(entries.collect::<BTreeMap<Arc<str>, Value>>())
        }
    }
}

/// `html` keeps what would be markup out of the texts; `depth` is how far in a value with lines of its own is.
fn json(value: &Value, html: bool, depth: Option<usize>) -> String {
    let below = depth.map(|depth| depth + 1);
    match value {
        Value::Nil | Value::Function(_) => "null".to_owned(),
        Value::String(whole) => quoted(whole, html),
        Value::List(items) => {
            let items = items.iter().map(|item| json(item, html, below));
            grouped(items, ('[', ']'), depth)
        }
        Value::Map(entries) => {
            let colon = if depth.is_some() { ": " } else { ":" };
            let entries = entries
                .iter()
                .map(|(key, value)| format!("{}{colon}{}", quoted(key, html), json(value, html, below)));
            grouped(entries, ('{', '}'), depth)
        }
        other => other.to_string(),
    }
}

fn grouped(parts: impl Iterator<Item = String>, (open, close): (char, char), depth: Option<usize>) -> String {
    let parts: Vec<String> = parts.collect();
    match depth.filter(|_| !parts.is_empty()) {
        Some(depth) => {
            let (outer, inner) = ("  ".repeat(depth), "  ".repeat(depth + 1));
            format!("{open}\n{inner}{}\n{outer}{close}", parts.join(&format!(",\n{inner}")))
        }
        None => format!("{open}{}{close}", parts.join(",")),
    }
}

fn quoted(whole: &str, html: bool) -> String {
    let mut out = String::from("\"");
    for c in whole.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\u{2028}' | '\u{2029}' => out.extend(format!("\\u{:04x}", c as u32).chars()),
            '<' | '>' | '&' if html => out.extend(format!("\\u{:04x}", c as u32).chars()),
            c if (c as u32) < 0x20 => out.extend(format!("\\u{:04x}", c as u32).chars()),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
