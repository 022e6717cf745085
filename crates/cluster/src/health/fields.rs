//! Fields of objects as Go's `unstructured` reads them: what is not there is no mistake, and what is of another type
//! is one for some readers and nothing for others.

use serde_json::Value;

/// A field is of a wrong type.
#[derive(Debug)]
pub(super) struct Wrong(pub(super) String);

impl Wrong {
    fn new(path: &[&str], wanted: &str) -> Self {
        Self(format!("`.{}` is not {wanted}", path.join(".")))
    }
}

/// A condition of an object's status (`BasicCondition`).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Condition<'a> {
    pub(super) kind: &'a str,
    pub(super) status: &'a str,
    pub(super) reason: &'a str,
    pub(super) message: &'a str,
}

/// Returns a field; `None` when a map before it is not there (`NestedFieldNoCopy`).
fn field<'a>(object: &'a Value, path: &[&str]) -> Result<Option<&'a Value>, Wrong> {
    let mut at = object;
    for (index, name) in path.iter().enumerate() {
        at = match at {
            Value::Null => return Ok(None),
            Value::Object(map) => match map.get(*name) {
                Some(value) => value,
                None => return Ok(None),
            },
            _ => return Err(Wrong::new(&path[..index], "a mapping")),
        };
    }
    Ok(Some(at))
}

/// Returns a text that must be one if it is there (`NestedString`).
pub(super) fn text<'a>(object: &'a Value, path: &[&str]) -> Result<Option<&'a str>, Wrong> {
    let Some(value) = field(object, path)? else { return Ok(None) };
    value.as_str().map(Some).ok_or_else(|| Wrong::new(path, "a text"))
}

/// Returns an integer that must be one if it is there (`NestedInt64`).
pub(super) fn integer(object: &Value, path: &[&str]) -> Result<Option<i64>, Wrong> {
    let Some(value) = field(object, path)? else { return Ok(None) };
    value.as_i64().map(Some).ok_or_else(|| Wrong::new(path, "an integer"))
}

/// Returns a text, or what stands for anything else (`GetStringField`).
pub(super) fn text_or<'a>(object: &'a Value, path: &[&str], or: &'a str) -> &'a str {
    text(object, path).ok().flatten().unwrap_or(or)
}

/// Returns an integer, or what stands for anything else (`GetIntField`).
pub(super) fn integer_or(object: &Value, path: &[&str], or: i64) -> i64 {
    integer(object, path).ok().flatten().unwrap_or(or)
}

/// Returns the conditions of an object's status (`GetObjectWithConditions`).
pub(super) fn conditions(object: &Value) -> Result<Vec<Condition<'_>>, Wrong> {
    const PATH: [&str; 2] = ["status", "conditions"];
    let items = match field(object, &PATH)? {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(items)) => items,
        Some(_) => return Err(Wrong::new(&PATH, "a list")),
    };
    let of = |item| {
        let word = |name| match field(item, &[name])? {
            None | Some(Value::Null) => Ok(""),
            Some(Value::String(text)) => Ok(text.as_str()),
            Some(_) => Err(Wrong::new(&PATH, "a list of conditions")),
        };
        Ok(Condition {
            kind: word("type")?,
            status: word("status")?,
            reason: word("reason")?,
            message: word("message")?,
        })
    };
    items.iter().map(of).collect()
}
