//! Trees as JSON, as the readers' own conversion makes it.

use std::collections::HashMap;

use serde_json::{Map, Number, Value as Json};

use crate::{
    Resolved, Rules,
    document::Problem,
    merge,
    node::{Node, Value},
    scalar::resolve,
};

/// Converts a tree, merge keys included.
pub(crate) fn to_json(node: &Node, rules: Rules) -> Result<Json, Problem> {
    convert(&merge::merged(node, rules)?, rules)
}

fn convert(node: &Node, rules: Rules) -> Result<Json, Problem> {
    match &node.value {
        Value::Scalar(scalar) => match resolve(node, scalar, rules)? {
            Resolved::Null => Ok(Json::Null),
            Resolved::Bool(value) => Ok(Json::Bool(value)),
            Resolved::Integer(value) => Ok(Json::Number(integer(value))),
            Resolved::Float(value) => float(value).map(Json::Number).ok_or_else(|| {
                Problem::new(
                    node.span.start,
                    format!("`{}` is a number that JSON has no form for", scalar.text),
                )
                .hint("write it in quotes if it is a text")
            }),
            Resolved::Text(text) | Resolved::Timestamp(text) => Ok(Json::String(text)),
        },
        Value::Sequence(items) => items.iter().map(|item| convert(item, rules)).collect(),
        Value::Mapping(entries) => {
            let mut map = Map::new();
            let mut written: HashMap<String, &Node> = HashMap::new();
            for (key, value) in entries {
                let name = key_text(key, rules)?;
                if let Some(other) = written.insert(name.clone(), key) {
                    // Go's maps have no order, so which of the two is left there is chance.
                    return Err(Problem::new(key.span.start, format!("two keys are `{name}` in JSON")).hint(
                        format!(
                            "the other is in line {}; write one of them in quotes, or remove it",
                            other.span.start.line
                        ),
                    ));
                }
                map.insert(name, convert(value, rules)?);
            }
            Ok(Json::Object(map))
        }
    }
}

fn integer(value: i128) -> Number {
    match i64::try_from(value) {
        Ok(value) => value.into(),
        Err(_) => u64::try_from(value).unwrap_or(u64::MAX).into(),
    }
}

/// Go writes a float without a fraction as an integer (encoding/json, `floatEncoder`).
fn float(value: f64) -> Option<Number> {
    if value.fract() == 0.0 && value.abs() < 9.0e15 && !(value == 0.0 && value.is_sign_negative()) {
        return Some((value as i64).into());
    }
    Number::from_f64(value)
}

/// Returns the key's text in JSON (sigs.k8s.io/yaml, `convertToJSONableObject`).
fn key_text(key: &Node, rules: Rules) -> Result<String, Problem> {
    let Value::Scalar(scalar) = &key.value else {
        return Err(Problem::new(key.span.start, format!("a key is {}", key.kind())));
    };
    match resolve(key, scalar, rules)? {
        Resolved::Text(text) | Resolved::Timestamp(text) => Ok(text),
        Resolved::Bool(value) => Ok(value.to_string()),
        Resolved::Integer(value) if i64::try_from(value).is_ok() => Ok(value.to_string()),
        Resolved::Float(value) => Ok(short(value)),
        Resolved::Null | Resolved::Integer(_) => {
            Err(Problem::new(key.span.start, format!("`{}` cannot be a key", scalar.text))
                .hint("write it in quotes if it is a text"))
        }
    }
}

/// Formats as Go's `strconv.FormatFloat(value, 'g', -1, 32)`.
fn short(value: f64) -> String {
    let value = value as f32;
    if value.is_nan() {
        return ".nan".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    // The shortest digits that are this number, with the exponent that decides the form.
    let text = format!("{value:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    // The shortest form takes 6 for the precision (strconv/ftoa.go).
    if (-4..6).contains(&exponent) {
        return format!("{value}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}
