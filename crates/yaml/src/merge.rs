//! Merge keys and equal keys: where the two readers differ most.

use std::collections::HashMap;

use crate::{
    Resolved, Rules,
    document::Problem,
    node::{Node, Style, Value},
    scalar::resolve,
};

/// Returns the node with every merge key replaced by what it stands for, and no key twice.
pub(crate) fn merged(node: &Node, rules: Rules) -> Result<Node, Problem> {
    let value = match &node.value {
        Value::Scalar(scalar) => Value::Scalar(scalar.clone()),
        Value::Sequence(items) => {
            Value::Sequence(items.iter().map(|item| merged(item, rules)).collect::<Result<_, _>>()?)
        }
        Value::Mapping(entries) => Value::Mapping(mapping(entries, rules)?),
    };
    Ok(Node { value, tag: node.tag.clone(), span: node.span, alias: node.alias })
}

type Entries = Vec<(Node, Node)>;

fn mapping(entries: &[(Node, Node)], rules: Rules) -> Result<Entries, Problem> {
    let mut done = Keys::default();
    match rules {
        Rules::Config => {
            let mut written: HashMap<&str, &Node> = HashMap::new();
            let mut merge = None;
            for (key, value) in entries {
                // Keys are compared as they are written: `1` and `01` are two (decode.go, `uniqueKeys`).
                if let Some(text) = key.text()
                    && let Some(first) = written.insert(text, key)
                {
                    return Err(Problem::new(key.span.start, format!("the key `{text}` comes twice")).hint(
                        format!("it is already in line {}; remove one of the two", first.span.start.line),
                    ));
                }
                if is_merge(key) {
                    merge = Some(value);
                } else {
                    done.put(merged(key, rules)?, merged(value, rules)?, rules, Twice::Replace)?;
                }
            }
            // What is written counts more than what is merged, and the first of several more than the next.
            if let Some(value) = merge {
                merge_in(&mut done, value, rules, Twice::Keep)?;
            }
        }
        // yaml.v2 goes through the entries as they stand, and each overwrites what was there.
        Rules::Manifest => {
            for (key, value) in entries {
                if is_merge(key) {
                    merge_in(&mut done, value, rules, Twice::Replace)?;
                } else {
                    done.put(merged(key, rules)?, merged(value, rules)?, rules, Twice::Replace)?;
                }
            }
        }
    }
    Ok(done.entries)
}

fn merge_in(done: &mut Keys, value: &Node, rules: Rules, twice: Twice) -> Result<(), Problem> {
    let wrong = |node: &Node| {
        Problem::new(node.span.start, "a merge key (`<<`) needs a mapping, or a list of mappings")
            .hint("write an alias of a mapping, such as `<<: *defaults`")
    };
    let mut one = |node: &Node| -> Result<(), Problem> {
        let Value::Mapping(entries) = &node.value else { return Err(wrong(node)) };
        for (key, value) in mapping(entries, rules)? {
            done.put(key, value, rules, twice)?;
        }
        Ok(())
    };
    match &value.value {
        Value::Mapping(_) => one(value),
        // The first of a list counts most in both; the one that overwrites goes through it from its end.
        Value::Sequence(items) if twice == Twice::Replace => items.iter().rev().try_for_each(one),
        Value::Sequence(items) => items.iter().try_for_each(one),
        Value::Scalar(_) => Err(wrong(value)),
    }
}

/// Whether a key is `<<` and not a text that looks so.
fn is_merge(key: &Node) -> bool {
    let Value::Scalar(scalar) = &key.value else { return false };
    let tag = key.tag.as_deref();
    &*scalar.text == "<<"
        && (tag == Some("tag:yaml.org,2002:merge") || tag.is_none() && scalar.style == Style::Plain)
}

/// Which of two equal keys counts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Twice {
    Keep,
    Replace,
}

/// Entries by what their keys mean.
#[derive(Default)]
struct Keys {
    entries: Entries,
    places: HashMap<String, usize>,
}

impl Keys {
    fn put(&mut self, key: Node, value: Node, rules: Rules, twice: Twice) -> Result<(), Problem> {
        let name = identity(&key, rules)?;
        match self.places.get(&name) {
            None => {
                self.places.insert(name, self.entries.len());
                self.entries.push((key, value));
            }
            Some(&place) => match twice {
                Twice::Keep => {}
                Twice::Replace => self.entries[place] = (key, value),
            },
        }
        Ok(())
    }
}

/// Returns a text that two keys have in common when they are the same key.
fn identity(key: &Node, rules: Rules) -> Result<String, Problem> {
    Ok(match &key.value {
        Value::Scalar(scalar) => match resolve(key, scalar, rules)? {
            Resolved::Text(text) => format!("t{text}"),
            other => format!("{other:?}"),
        },
        _ => {
            return Err(Problem::new(key.span.start, format!("a key is {}", key.kind()))
                .hint("a key is a text; `{{ … }}` without quotes is read as a mapping"));
        }
    })
}
