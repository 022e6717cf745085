//! Functions over lists.

use gotmpl::Value;

use super::{
    ANY, Answer, Function, MAX_ITEMS, MAX_TEXT,
    arguments::{Arguments, is_empty, number, shown},
    function, list, text,
};

pub(super) const ALL: &[Function] = &[
    function("list", 0, ANY, |a| Ok(list(a.from(0).iter().cloned()))),
    function("tuple", 0, ANY, |a| Ok(list(a.from(0).iter().cloned()))),
    function("first", 1, 1, |a| Ok(a.list(0)?.first().cloned().unwrap_or(Value::Nil))),
    function("last", 1, 1, |a| Ok(a.list(0)?.last().cloned().unwrap_or(Value::Nil))),
    function("rest", 1, 1, |a| Ok(list(a.list(0)?.iter().skip(1).cloned()))),
    function("initial", 1, 1, |a| {
        let items = a.list(0)?;
        Ok(list(items.iter().take(items.len().saturating_sub(1)).cloned()))
    }),
    function("append", 2, 2, |a| grown(a.list(0)?, std::slice::from_ref(a.any(1)))),
    function("push", 2, 2, |a| grown(a.list(0)?, std::slice::from_ref(a.any(1)))),
    function("prepend", 2, 2, |a| grown(std::slice::from_ref(a.any(1)), a.list(0)?)),
    function("concat", 0, ANY, |a| {
        let mut all = Vec::new();
        for index in 0..a.0.len() {
            all.extend_from_slice(a.list(index)?);
        }
        grown(&all, &[])
    }),
    function("reverse", 1, 1, |a| Ok(list(a.list(0)?.iter().rev().cloned()))),
    function("uniq", 1, 1, |a| {
        let mut unique: Vec<Value> = Vec::new();
        for item in a.list(0)? {
            if !unique.contains(item) {
                unique.push(item.clone());
            }
        }
        Ok(Value::from(unique))
    }),
    function("compact", 1, 1, |a| Ok(list(a.list(0)?.iter().filter(|item| !is_empty(item)).cloned()))),
    function("without", 1, ANY, |a| {
        Ok(list(a.list(0)?.iter().filter(|item| !a.from(1).contains(item)).cloned()))
    }),
    function("has", 2, 2, |a| match a.any(1) {
        Value::Nil => Ok(Value::Bool(false)),
        _ => Ok(Value::Bool(a.list(1)?.contains(a.any(0)))),
    }),
    function("slice", 1, 3, |a| {
        let items = a.list(0)?;
        let end = if a.0.len() > 2 { bound(a.any(2)) } else { items.len() };
        let start = if a.0.len() > 1 { bound(a.any(1)) } else { 0 };
        match items.get(start..end) {
            Some(part) => Ok(list(part.iter().cloned())),
            None => Err(format!("{start} to {end} is outside of a list of {}", items.len())),
        }
    }),
    function("chunk", 2, 2, |a| match usize::try_from(a.int(0)?) {
        Ok(size @ 1..) => Ok(list(a.list(1)?.chunks(size).map(|part| list(part.iter().cloned())))),
        _ => Err("a chunk has at least one item".to_owned()),
    }),
    function("toStrings", 1, 1, |a| Ok(list(texts(a.any(0))))),
    function("sortAlpha", 1, 1, |a| {
        let mut sorted = texts(a.any(0));
        sorted.sort();
        Ok(list(sorted))
    }),
    function("join", 2, 2, join),
];

fn bound(value: &Value) -> usize {
    usize::try_from(number(value)).unwrap_or(usize::MAX)
}

fn grown(front: &[Value], back: &[Value]) -> Answer {
    if front.len() + back.len() > MAX_ITEMS {
        return Err(format!("more than {MAX_ITEMS} items come out"));
    }
    Ok(list(front.iter().chain(back).cloned()))
}

/// Sprig's `strslice`.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Nil => Vec::new(),
        Value::List(items) => items.iter().filter(|item| !matches!(item, Value::Nil)).map(shown).collect(),
        other => vec![shown(other)],
    }
}

fn join(a: &Arguments) -> Answer {
    let (separator, texts) = (a.text(0)?, texts(a.any(1)));
    let size = texts.iter().map(String::len).sum::<usize>() + separator.len().saturating_mul(texts.len());
    if size > MAX_TEXT {
        return Err(format!("more than {MAX_TEXT} bytes come out"));
    }
    text(texts.join(separator))
}
