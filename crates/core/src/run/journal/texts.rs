//! Long texts, which a journal holds once: a reference stands for each in the entries that have it; pure.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::{
    Map, Serializer, Value,
    ser::{CharEscape, CompactFormatter, Formatter},
};

/// Longer texts, in bytes, are kept by what they are.
pub(super) const LONG: usize = 1024;

/// How deep an entry may be nested: serde_json reads 127 levels, and a reference adds one.
const DEEPEST: usize = 120;

/// The one key of an object that stands for a text. Another object with such a key alone gets one more `$`.
const REFERENCE: &str = "$text";

/// Returns what a text is known by.
pub(super) fn name_of(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

/// Returns the JSON of what has nothing to be taken out, as most has; `None` of what is to be looked through for it.
pub(super) fn plain(value: &impl Serialize) -> serde_json::Result<Option<String>> {
    let mut json = Vec::new();
    match value.serialize(&mut Serializer::with_formatter(&mut json, Plain::default())) {
        Ok(()) => Ok(String::from_utf8(json).ok()),
        // Nothing else fails to be written here.
        Err(error) if error.is_io() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Stops at a long text, at the end of a key like a reference's, and deep within.
#[derive(Default)]
struct Plain {
    depth: usize,
    /// The bytes of the text at hand.
    length: usize,
}

impl Plain {
    fn deeper(&mut self) -> io::Result<()> {
        self.depth += 1;
        if self.depth < DEEPEST - 1 { Ok(()) } else { Err(io::ErrorKind::Unsupported.into()) }
    }

    fn longer(&mut self, bytes: usize) -> io::Result<()> {
        self.length += bytes;
        if self.length <= LONG { Ok(()) } else { Err(io::ErrorKind::Unsupported.into()) }
    }
}

impl Formatter for Plain {
    fn begin_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.deeper()?;
        CompactFormatter.begin_array(writer)
    }

    fn end_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth -= 1;
        CompactFormatter.end_array(writer)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.deeper()?;
        CompactFormatter.begin_object(writer)
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth -= 1;
        CompactFormatter.end_object(writer)
    }

    fn begin_string<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.length = 0;
        CompactFormatter.begin_string(writer)
    }

    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, text: &str) -> io::Result<()> {
        self.longer(text.len())?;
        if text.ends_with(REFERENCE) {
            return Err(io::ErrorKind::Unsupported.into());
        }
        CompactFormatter.write_string_fragment(writer, text)
    }

    fn write_char_escape<W: ?Sized + Write>(&mut self, writer: &mut W, escape: CharEscape) -> io::Result<()> {
        self.longer(1)?;
        CompactFormatter.write_char_escape(writer, escape)
    }
}

/// Puts a reference in the place of every long text, and hands the text to `keep` with its name; `None` if it is
/// nested too deep to be read again.
pub(super) fn take_out(value: &mut Value, keep: &mut impl FnMut(String, String)) -> Option<()> {
    take_out_below(value, keep, DEEPEST)
}

fn take_out_below(value: &mut Value, keep: &mut impl FnMut(String, String), levels: usize) -> Option<()> {
    let levels = levels.checked_sub(1)?;
    match value {
        Value::String(text) if text.len() > LONG => {
            let (name, text) = (name_of(text), std::mem::take(text));
            *value = Value::Object(Map::from_iter([(REFERENCE.to_owned(), name.as_str().into())]));
            keep(name, text);
        }
        Value::Array(values) => {
            values.iter_mut().try_for_each(|value| take_out_below(value, keep, levels))?;
        }
        Value::Object(fields) => {
            fields.values_mut().try_for_each(|value| take_out_below(value, keep, levels))?;
            if let Some(key) = like_a_reference(fields) {
                rename_only_key(fields, format!("${key}"));
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    Some(())
}

/// Puts each text in the place of its reference; `None` if there is no such text. What serde_json has read is
/// not nested too deep.
pub(super) fn put_back(value: &mut Value, text: &mut impl FnMut(&str) -> Option<String>) -> Option<()> {
    match value {
        Value::Array(values) => values.iter_mut().try_for_each(|value| put_back(value, text))?,
        Value::Object(fields) => match like_a_reference(fields) {
            Some(key) if key == REFERENCE => *value = text(fields[REFERENCE].as_str()?)?.into(),
            like => {
                fields.values_mut().try_for_each(|value| put_back(value, text))?;
                if let Some(key) = like {
                    rename_only_key(fields, key[1..].to_owned());
                }
            }
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    Some(())
}

/// Returns the key of an object that has this one alone, if it is a reference's with any number of `$`.
fn like_a_reference(fields: &Map<String, Value>) -> Option<String> {
    let key = fields.keys().next().filter(|_| fields.len() == 1)?;
    (key.ends_with(REFERENCE) && key.trim_start_matches('$') == &REFERENCE[1..]).then(|| key.clone())
}

fn rename_only_key(fields: &mut Map<String, Value>, key: String) {
    *fields = std::mem::take(fields).into_iter().map(|(_, value)| (key.clone(), value)).collect();
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// Any JSON, with texts around the limit and keys that look like a reference's.
    pub(in super::super) fn json() -> impl Strategy<Value = Value> {
        let text = prop_oneof![
            ".{0,8}",
            prop_oneof![Just(LONG - 1), Just(LONG), Just(LONG + 1)].prop_map(|length| "x".repeat(length)),
            Just("\u{0}\n\u{2028}é".repeat(300)),
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            text.prop_map(Value::from),
        ];
        let key =
            prop_oneof![Just("$text"), Just("$$text"), Just("$$$text"), Just("text"), Just("$"), Just("a")];
        leaf.prop_recursive(4, 24, 4, move |inner| {
            let object =
                proptest::collection::btree_map(key.clone().prop_map(str::to_owned), inner.clone(), 0..3);
            prop_oneof![
                proptest::collection::vec(inner, 0..4).prop_map(Value::from),
                object.prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_json_comes_back(value in json()) {
            let mut texts = BTreeMap::new();
            let mut out = value.clone();
            take_out(&mut out, &mut |name, text| { texts.insert(name, text); }).expect("not deep");
            let mut read: Value = serde_json::from_str(&out.to_string()).expect("JSON");
            prop_assert!(texts.iter().all(|(name, text)| text.len() > LONG && *name == name_of(text)));
            put_back(&mut read, &mut |name| texts.get(name).cloned()).expect("all there");
            prop_assert_eq!(&read, &value);
            match plain(&value).expect("JSON") {
                Some(json) => {
                    prop_assert_eq!(&out, &value, "there was nothing to be taken out");
                    prop_assert_eq!(json, value.to_string());
                }
                None => prop_assert!(value.to_string().contains("$text") || !texts.is_empty()),
            }
        }
    }

    #[test]
    fn what_cannot_be_read_again_is_refused() {
        let nested = |levels: usize| (1..levels).fold(json!("x".repeat(2000)), |inner, _| json!([inner]));
        let mut deepest = nested(DEEPEST);
        take_out(&mut deepest, &mut |_, _| {}).expect("not too deep");
        let _: Value = serde_json::from_str(&deepest.to_string()).expect("can be read");
        assert!(take_out(&mut nested(DEEPEST + 1), &mut |_, _| {}).is_none());
        let empty = |levels: usize| (0..levels).fold(json!(null), |inner, _| json!([inner]));
        assert!(plain(&empty(DEEPEST - 2)).expect("JSON").is_some());
        assert!(plain(&empty(DEEPEST - 1)).expect("JSON").is_none(), "looked at again");
        for bad in [json!({"$text": 1}), json!({"$text": "unknown"}), json!([{"a": {"$text": null}}])] {
            assert!(put_back(&mut bad.clone(), &mut |_| None).is_none(), "{bad}");
        }
    }
}
