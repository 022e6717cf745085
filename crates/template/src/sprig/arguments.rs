//! The arguments of a function, by the types that sprig's signatures ask for.

use std::{collections::BTreeMap, sync::Arc};

use gotmpl::Value;

/// Arguments; their count is right.
pub(crate) struct Arguments<'a>(pub(crate) &'a [Value]);

impl<'a> Arguments<'a> {
    pub(crate) fn any(&self, index: usize) -> &'a Value {
        self.0.get(index).unwrap_or(&Value::Nil)
    }

    pub(crate) fn from(&self, index: usize) -> &'a [Value] {
        self.0.get(index..).unwrap_or_default()
    }

    /// An argument of type `string`, which takes nothing else.
    pub(crate) fn text(&self, index: usize) -> Result<&'a str, String> {
        match self.any(index) {
            Value::String(text) => Ok(text),
            other => Err(wrong(index, "a text", other)),
        }
    }

    /// An argument of type `int`, which takes no text.
    pub(crate) fn int(&self, index: usize) -> Result<i64, String> {
        match self.any(index) {
            Value::Int(number) => Ok(*number),
            other => Err(wrong(index, "a whole number", other)),
        }
    }

    pub(crate) fn flag(&self, index: usize) -> Result<bool, String> {
        match self.any(index) {
            Value::Bool(flag) => Ok(*flag),
            other => Err(wrong(index, "`true` or `false`", other)),
        }
    }

    pub(crate) fn list(&self, index: usize) -> Result<&'a [Value], String> {
        match self.any(index) {
            Value::List(items) => Ok(items),
            other => Err(wrong(index, "a list", other)),
        }
    }

    pub(crate) fn dict(&self, index: usize) -> Result<&'a BTreeMap<Arc<str>, Value>, String> {
        match self.any(index) {
            Value::Map(map) => Ok(map),
            other => Err(wrong(index, "a dict", other)),
        }
    }
}

/// Says what the argument is and not its value, which may be a secret out of the environment.
fn wrong(index: usize, wanted: &str, got: &Value) -> String {
    let got = match got {
        Value::Nil => "nothing",
        Value::Bool(_) => "`true` or `false`",
        Value::Int(_) | Value::Uint(_) | Value::Float(_) => "a number",
        Value::String(_) => "a text",
        Value::List(_) => "a list",
        Value::Map(_) => "a dict",
        Value::Function(_) => "a function",
    };
    format!("argument {} must be {wanted}, and is {got}", index + 1)
}

/// What counts as nothing (sprig's `empty`).
pub(crate) fn is_empty(value: &Value) -> bool {
    !value.is_truthy()
}

/// The text of anything (sprig's `strval`).
pub(crate) fn shown(value: &Value) -> String {
    value.to_string()
}

/// A number of anything, 0 of what is none (sprig's `toInt64`, by spf13/cast).
pub(crate) fn number(value: &Value) -> i64 {
    match value {
        Value::Int(number) => *number,
        Value::Uint(number) => i64::try_from(*number).unwrap_or(0),
        #[expect(clippy::cast_possible_truncation, reason = "as Go's conversion cuts it")]
        Value::Float(number) => *number as i64,
        Value::Bool(flag) => i64::from(*flag),
        Value::String(text) => parse_number(text),
        _ => 0,
    }
}

/// A number with a fraction of anything, 0 of what is none (sprig's `toFloat64`).
pub(crate) fn fraction(value: &Value) -> f64 {
    match value {
        Value::Float(number) => *number,
        Value::String(text) => text.parse().unwrap_or(0.0),
        #[expect(clippy::cast_precision_loss, reason = "as Go's conversion rounds it")]
        other => number(other) as f64,
    }
}

/// Go's `strconv.ParseInt` of base 0, after `cast` took the zeros off the front and an end of `.0`.
fn parse_number(text: &str) -> i64 {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let trimmed = match digits.split_once('.') {
        Some((whole, zeros)) if zeros.bytes().all(|byte| byte == b'0') => whole,
        _ => digits,
    };
    let trimmed = trimmed.trim_start_matches('0');
    if trimmed.is_empty() || !trimmed.bytes().all(|byte| byte.is_ascii_digit()) {
        return 0;
    }
    trimmed.parse::<i64>().map_or(0, |number| sign * number)
}
