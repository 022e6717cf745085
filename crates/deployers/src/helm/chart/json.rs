//! JSON as Go writes it, for what is compared by its bytes.

use serde::Serialize;
use serde_json::Value;

/// Writes a value as Go does, which keeps JSON out of the way of HTML.
pub(super) fn go_json(value: &impl Serialize) -> String {
    let text = serde_json::to_string(value).expect("plain data with text keys");
    let mut written = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => written.push_str("\\u003c"),
            '>' => written.push_str("\\u003e"),
            '&' => written.push_str("\\u0026"),
            '\u{2028}' => written.push_str("\\u2028"),
            '\u{2029}' => written.push_str("\\u2029"),
            c => written.push(c),
        }
    }
    written
}

/// Returns a value with the keys of its objects in order, as Go writes maps: whether `serde_json` does depends on a
/// feature that another crate may set.
pub(super) fn sorted(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.into_iter().collect();
            fields.sort_by(|one, other| one.0.cmp(&other.0));
            Value::Object(fields.into_iter().map(|(key, value)| (key, sorted(value))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}
