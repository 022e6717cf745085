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
    fill(&mut done, entries, rules)?;
    // Most mappings are small, and there may be many.
    done.entries.shrink_to_fit();
    Ok(done.entries)
}

/// Puts a mapping's entries there, and at once those that it merges: a result of each of many mappings that merge one
/// another would be copied from one to the next.
fn fill(done: &mut Keys, entries: &[(Node, Node)], rules: Rules) -> Result<(), Problem> {
    done.mappings += 1;
    let own = done.mappings;
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
                    // What is written counts more than what is merged, and the first of several more than the next.
                    done.put(merged(key, rules)?, merged(value, rules)?, rules, |earlier| earlier == own)?;
                }
            }
            merge.map_or(Ok(()), |value| merge_in(done, value, rules))
        }
        // yaml.v2 goes through the entries as they stand, and each overwrites what was there.
        Rules::Manifest => entries.iter().try_for_each(|(key, value)| {
            if is_merge(key) {
                return merge_in(done, value, rules);
            }
            done.put(merged(key, rules)?, merged(value, rules)?, rules, |_| true)
        }),
    }
}

fn merge_in(done: &mut Keys, value: &Node, rules: Rules) -> Result<(), Problem> {
    let mut one = |node: &Node| match &node.value {
        Value::Mapping(entries) => fill(done, entries, rules),
        _ => Err(Problem::new(node.span.start, "a merge key (`<<`) needs a mapping, or a list of mappings")
            .hint("write an alias of a mapping, such as `<<: *defaults`")),
    };
    match (&value.value, rules) {
        // The first of a list counts most in both; the one that overwrites goes through it from its end.
        (Value::Sequence(items), Rules::Manifest) => items.iter().rev().try_for_each(one),
        (Value::Sequence(items), Rules::Config) => items.iter().try_for_each(one),
        _ => one(value),
    }
}

/// Whether a key is `<<` and not a text that looks so.
fn is_merge(key: &Node) -> bool {
    let Value::Scalar(scalar) = &key.value else { return false };
    let tag = key.tag.as_deref();
    &*scalar.text == "<<"
        && (tag == Some("tag:yaml.org,2002:merge") || tag.is_none() && scalar.style == Style::Plain)
}

/// Entries by what their keys mean.
#[derive(Default)]
struct Keys {
    entries: Entries,
    /// Where each is, and the number of the mapping that put it there.
    places: HashMap<String, (usize, usize)>,
    /// How many mappings put entries there so far.
    mappings: usize,
}

impl Keys {
    /// Puts an entry there; in the place of an earlier one with the same key if that may be replaced, by the number
    /// of the mapping that it came from.
    fn put(
        &mut self,
        key: Node,
        value: Node,
        rules: Rules,
        replaces: impl FnOnce(usize) -> bool,
    ) -> Result<(), Problem> {
        let name = identity(&key, rules)?;
        match self.places.get(&name) {
            None => {
                self.places.insert(name, (self.entries.len(), self.mappings));
                self.entries.push((key, value));
            }
            Some(&(place, earlier)) if replaces(earlier) => self.entries[place] = (key, value),
            Some(_) => {}
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
