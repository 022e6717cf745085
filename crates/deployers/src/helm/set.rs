//! Lines of `--set` (helm: `pkg/strvals`), laid over values here, so that what they say stands on no command line.

use serde_json::{Map, Value};
use shipway_core::{Error, Result};

/// helm's `MaxIndex` and `MaxNestedNameLevel`.
const MOST_ITEMS: usize = 65_536;
const DEEPEST: usize = 30;

/// What becomes of a text that a line gives.
pub(super) type Read<'a> = &'a dyn Fn(&str) -> Result<Value>;

/// Lays a line such as `a.b=1,list[0]=x,names={a,b}` over values.
///
/// # Errors
/// `Config` when it is no such line; the text itself is not told, since it may be a secret.
pub(super) fn set(line: &str, values: &mut Map<String, Value>, read: Read<'_>) -> Result<()> {
    let mut parser = Parser { rest: line.chars().collect::<Vec<_>>().into_iter().peekable(), read };
    while parser.rest.peek().is_some() {
        parser.key(values, 0)?;
    }
    Ok(())
}

/// Returns the value that a text means (`typedVal`): a whole number, a truth, nothing, or the text.
pub(super) fn typed(text: &str) -> Result<Value> {
    Ok(match text.to_ascii_lowercase().as_str() {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        "null" => Value::Null,
        "0" => 0.into(),
        _ if text.starts_with('0') => text.into(),
        _ => text.parse::<i64>().map_or_else(|_| text.into(), Value::from),
    })
}

struct Parser<'a> {
    rest: std::iter::Peekable<std::vec::IntoIter<char>>,
    read: Read<'a>,
}

impl Parser<'_> {
    /// Returns what stands before one of these, and which of them ended it; `\` takes the next as it is.
    fn until(&mut self, stops: &[char]) -> (String, Option<char>) {
        let mut text = String::new();
        while let Some(next) = self.rest.next() {
            match next {
                next if stops.contains(&next) => return (text, Some(next)),
                '\\' => text.extend(self.rest.next()),
                next => text.push(next),
            }
        }
        (text, None)
    }

    fn key(&mut self, values: &mut Map<String, Value>, depth: usize) -> Result<()> {
        let (name, stop) = self.until(&['=', '[', ',', '.']);
        match stop {
            Some('=') => {
                let value = self.value()?;
                put(values, name, value);
            }
            Some('[') => {
                let index = self.index()?;
                let list = match values.get_mut(&name).map(Value::take) {
                    None => Vec::new(),
                    Some(Value::Array(list)) => list,
                    Some(_) => return Err(wrong(format!("`{name}` is no list"))),
                };
                let list = self.item(list, index, depth)?;
                put(values, name, list.into());
            }
            Some('.') => {
                if depth == DEEPEST {
                    return Err(wrong(format!("a name has more than {DEEPEST} levels")));
                }
                let mut inner = match values.get_mut(&name).map(Value::take) {
                    None => Map::new(),
                    Some(Value::Object(inner)) => inner,
                    Some(_) => return Err(wrong(format!("`{name}` holds no names"))),
                };
                self.key(&mut inner, depth + 1)?;
                put(values, name, inner.into());
            }
            _ => return Err(wrong(format!("`{name}` has no value"))),
        }
        Ok(())
    }

    fn index(&mut self) -> Result<usize> {
        let (text, stop) = self.until(&[']']);
        let index = text.parse::<usize>().ok().filter(|index| stop.is_some() && *index <= MOST_ITEMS);
        index.ok_or_else(|| wrong(format!("`{text}` is no place in a list")))
    }

    fn item(&mut self, mut list: Vec<Value>, index: usize, depth: usize) -> Result<Vec<Value>> {
        if depth == DEEPEST {
            return Err(wrong(format!("a name has more than {DEEPEST} levels")));
        }
        if list.len() <= index {
            list.resize(index + 1, Value::Null);
        }
        let (text, stop) = self.until(&['[', '.', '=']);
        if !text.is_empty() {
            return Err(wrong(format!("`{text}` stands after a place in a list")));
        }
        let old = list.get_mut(index).map(Value::take).unwrap_or_default();
        let new = match stop {
            Some('=') => self.value()?,
            Some('[') => {
                let inner = self.index()?;
                let old = match old {
                    Value::Array(old) => old,
                    Value::Null => Vec::new(),
                    _ => return Err(wrong("an item is no list")),
                };
                self.item(old, inner, depth + 1)?.into()
            }
            Some('.') => {
                let mut inner = if let Value::Object(old) = old { old } else { Map::new() };
                self.key(&mut inner, depth + 1)?;
                inner.into()
            }
            _ => return Err(wrong("a place in a list has no value")),
        };
        if let Some(place) = list.get_mut(index) {
            *place = new;
        }
        Ok(list)
    }

    /// Reads what stands after `=`: a text, or a list in braces.
    fn value(&mut self) -> Result<Value> {
        match self.rest.peek() {
            // helm sets nothing else there, whatever reads values.
            None => return Ok("".into()),
            Some('{') => {}
            Some(_) => {
                let (text, _) = self.until(&[',']);
                return (self.read)(&text);
            }
        }
        self.rest.next();
        let mut list = Vec::new();
        loop {
            let (text, stop) = self.until(&[',', '}']);
            if stop.is_none() {
                return Err(wrong("a list does not end with `}`"));
            }
            list.push((self.read)(&text)?);
            if stop == Some('}') {
                if self.rest.peek() == Some(&',') {
                    self.rest.next();
                }
                return Ok(list.into());
            }
        }
    }
}

fn put(values: &mut Map<String, Value>, name: String, value: Value) {
    if !name.is_empty() {
        values.insert(name, value);
    }
}

fn wrong(what: impl Into<String>) -> Error {
    Error::config(what.into())
        .hint("write it as for helm's `--set`: `name=value`, `a.b=1`, `list[0]=x`, `list={a,b}`; `\\` before `,` and `.`")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn laid(over: Value, lines: &[&str]) -> Result<Value> {
        let Value::Object(mut values) = over else { panic!("a mapping") };
        for line in lines {
            set(line, &mut values, &typed)?;
        }
        Ok(values.into())
    }

    #[test]
    fn lines_mean_what_helm_makes_of_them() {
        for (over, lines, expected) in [
            (
                json!({}),
                &["a=1,b=true,c=null,d=0,e=01,f=1.5,g=-3"][..],
                json!({"a": 1, "b": true, "c": null, "d": 0, "e": "01", "f": "1.5", "g": -3}),
            ),
            (json!({}), &["a.b.c=x"], json!({"a": {"b": {"c": "x"}}})),
            (json!({"a": {"k": 1}}), &["a.b=x", "a.b=y"], json!({"a": {"k": 1, "b": "y"}})),
            (json!({}), &["l={a,2,true}"], json!({"l": ["a", 2, true]})),
            (json!({}), &["l={}"], json!({"l": [""]})),
            (json!({}), &["l={a,b},x=1"], json!({"l": ["a", "b"], "x": 1})),
            (json!({}), &["l[1].n=a"], json!({"l": [null, {"n": "a"}]})),
            (json!({"l": [{"n": 1, "m": 2}]}), &["l[0].n=5"], json!({"l": [{"n": 5, "m": 2}]})),
            (json!({}), &["l[0][1]=a"], json!({"l": [[null, "a"]]})),
            (json!({}), &[r"a\.b=c\,d"], json!({"a.b": "c,d"})),
            (
                json!({}),
                &[r#"nodeSelector.kubernetes\.io/role=master"#],
                json!({"nodeSelector": {"kubernetes.io/role": "master"}}),
            ),
            (json!({}), &["a="], json!({"a": ""})),
            (json!({}), &["a=b=c"], json!({"a": "b=c"})),
            (json!({}), &["a=TRUE,b=Null"], json!({"a": true, "b": null})),
            (json!({}), &["a=9223372036854775808"], json!({"a": "9223372036854775808"})),
        ] {
            assert_eq!(laid(over, lines).expect("a line"), expected, "{lines:?}");
        }
    }

    #[test]
    fn what_is_no_line_is_refused_without_its_value() {
        for line in ["a", "a.b", "a[x]=1", "a[99999999]=1", "l={a", "l[0]x=1", "s.t=secret"] {
            let error = laid(json!({"s": "text"}), &[line]).expect_err(line).report().to_string();
            assert!(!error.contains("secret") && error.contains("--set"), "{error}");
        }
        let deep = format!("{}a=1", "a.".repeat(10_000));
        assert!(laid(json!({}), &[&deep]).is_err());
        let deep = format!("a{}=1", "[0]".repeat(10_000));
        assert!(laid(json!({}), &[&deep]).is_err());
    }
}
