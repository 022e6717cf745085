//! Defaults, choices, conversions and dicts.

use std::{collections::BTreeMap, sync::Arc};

use gotmpl::Value;

use super::{
    ANY, Answer, Function,
    arguments::{Arguments, is_empty, shown},
    function, list, text,
};

pub(super) const ALL: &[Function] = &[
    function("default", 1, ANY, |a| {
        let given = a.any(1);
        Ok(if is_empty(given) { a.any(0) } else { given }.clone())
    }),
    function("empty", 1, 1, |a| Ok(Value::Bool(is_empty(a.any(0))))),
    function("coalesce", 0, ANY, |a| {
        Ok(a.from(0).iter().find(|value| !is_empty(value)).cloned().unwrap_or(Value::Nil))
    }),
    function("all", 0, ANY, |a| Ok(Value::Bool(!a.from(0).iter().any(is_empty)))),
    function("any", 0, ANY, |a| Ok(Value::Bool(!a.from(0).iter().all(is_empty)))),
    function("ternary", 3, 3, |a| Ok(a.any(if a.flag(2)? { 0 } else { 1 }).clone())),
    function("fail", 1, 1, |a| Err(a.text(0)?.to_owned())),
    function("toString", 1, 1, |a| text(shown(a.any(0)))),
    function("kindOf", 1, 1, |a| text(kind(a.any(0)))),
    function("kindIs", 2, 2, |a| Ok(Value::Bool(kind(a.any(1)) == a.text(0)?))),
    function("typeOf", 1, 1, |a| text(type_of(a.any(0)))),
    function("typeIs", 2, 2, |a| Ok(Value::Bool(type_of(a.any(1)) == a.text(0)?))),
    function("typeIsLike", 2, 2, |a| Ok(Value::Bool(type_of(a.any(1)) == a.text(0)?))),
    function("deepCopy", 1, 1, |a| Ok(a.any(0).clone())),
    function("mustDeepCopy", 1, 1, |a| Ok(a.any(0).clone())),
    function("deepEqual", 2, 2, |a| Ok(Value::Bool(a.any(0) == a.any(1)))),
    function("dict", 0, ANY, |a| {
        let pairs = a.from(0).chunks(2);
        Ok(dict(pairs.map(|pair| (shown(&pair[0]).into(), pair.get(1).cloned().unwrap_or(Value::from(""))))))
    }),
    function("get", 2, 2, |a| Ok(a.dict(0)?.get(a.text(1)?).cloned().unwrap_or(Value::from("")))),
    function("hasKey", 2, 2, |a| Ok(Value::Bool(a.dict(0)?.contains_key(a.text(1)?)))),
    // In order; in Go they come in another each time.
    function("keys", 0, ANY, |a| {
        let mut keys = Vec::new();
        for index in 0..a.0.len() {
            keys.extend(a.dict(index)?.keys().map(|key| Value::from(Arc::clone(key))));
        }
        Ok(Value::from(keys))
    }),
    function("values", 1, 1, |a| Ok(list(a.dict(0)?.values().cloned()))),
    function("pick", 1, ANY, |a| filtered(a, true)),
    function("omit", 1, ANY, |a| filtered(a, false)),
    function("dig", 3, ANY, dig),
    function("pluck", 1, ANY, |a| {
        let key = a.text(0)?;
        let mut found = Vec::new();
        for index in 1..a.0.len() {
            found.extend(a.dict(index)?.get(key).cloned());
        }
        Ok(Value::from(found))
    }),
];

/// The name of Go's kind.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Nil => "invalid",
        Value::Bool(_) => "bool",
        Value::Int(_) => "int",
        Value::Uint(_) => "uint64",
        Value::Float(_) => "float64",
        Value::String(_) => "string",
        Value::List(_) => "slice",
        Value::Map(_) => "map",
        Value::Function(_) => "func",
    }
}

/// The name of Go's type, as far as values here know it.
fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Nil => "<nil>",
        Value::List(_) => "[]interface {}",
        Value::Map(_) => "map[string]interface {}",
        other => kind(other),
    }
}

fn dict(pairs: impl Iterator<Item = (Arc<str>, Value)>) -> Value {
    Value::from(pairs.collect::<BTreeMap<_, _>>())
}

fn filtered(a: &Arguments, keep: bool) -> Answer {
    let mut named = Vec::new();
    for index in 1..a.0.len() {
        named.push(a.text(index)?);
    }
    let pairs = a.dict(0)?.iter().filter(|(key, _)| named.contains(&key.as_ref()) == keep);
    Ok(dict(pairs.map(|(key, value)| (Arc::clone(key), value.clone()))))
}

/// `dig "a" "b" default dict`.
fn dig(a: &Arguments) -> Answer {
    let last = a.0.len() - 1;
    let mut found = a.any(last);
    a.dict(last)?;
    for index in 0..last - 1 {
        let key = a.text(index)?;
        match found {
            Value::Map(map) => match map.get(key) {
                Some(value) => found = value,
                None => return Ok(a.any(last - 1).clone()),
            },
            _ => return Err(format!("there is no dict to look for `{key}` in")),
        }
    }
    Ok(found.clone())
}
