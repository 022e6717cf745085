//! Merging a configuration into an object, and taking fields out of one.
//!
//! The rules are those of `sigs.k8s.io/structured-merge-diff`, the reference implementation that the
//! API server uses; the order of merged lists is its `typed/merge.go`'s.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::Value;
use shipway_core::Result;

use crate::{
    field_set::FieldSet,
    path::{Element, FieldPath},
    schema::{ListType, Schema},
};

/// Returns the object with the configuration laid over it. Both have been checked: their lists' items
/// have keys, and none is there twice.
pub(crate) fn merge(schema: &Schema, live: &Value, config: &Value) -> Result<Value> {
    value(schema, &mut Vec::new(), live, config)
}

fn value<'a>(schema: &Schema, at: &mut Vec<&'a str>, live: &Value, config: &'a Value) -> Result<Value> {
    match (live, config) {
        (Value::Object(live), Value::Object(config)) if !schema.is_atomic_map(at) => {
            let mut merged = live.clone();
            for (name, config) in config {
                at.push(name);
                let below = match live.get(name) {
                    Some(live) => value(schema, at, live, config)?,
                    None => config.clone(),
                };
                at.pop();
                merged.insert(name.clone(), below);
            }
            Ok(Value::Object(merged))
        }
        (Value::Array(live), Value::Array(config)) => match schema.list(at) {
            ListType::Atomic => Ok(Value::Array(config.clone())),
            kind => Ok(Value::Array(items(schema, at, kind, live, config)?)),
        },
        _ => Ok(config.clone()),
    }
}

fn items<'a>(
    schema: &Schema,
    at: &mut Vec<&'a str>,
    kind: ListType,
    live: &[Value],
    config: &'a [Value],
) -> Result<Vec<Value>> {
    let keys = |items: &[Value]| items.iter().map(|item| kind.element(item)).collect::<Result<Vec<_>>>();
    let (live_keys, config_keys) = (keys(live)?, keys(config)?);
    let live_by_key: BTreeMap<&Element, &Value> = live_keys.iter().zip(live).collect();
    let wanted: BTreeSet<&Element> = config_keys.iter().collect();
    // The items of both, in the configuration's order, which they will have.
    let mut shared: VecDeque<&Element> =
        config_keys.iter().filter(|key| live_by_key.contains_key(key)).collect();
    let mut done = BTreeSet::new();
    let mut merged = Vec::new();
    let mut one = |index: usize| -> Result<Value> {
        match (live_by_key.get(&config_keys[index]), kind) {
            (Some(live), ListType::Map { atomic_items: false, .. }) => {
                value(schema, at, live, &config[index])
            }
            _ => Ok(config[index].clone()),
        }
    };
    let (mut l, mut r) = (0, 0);
    while l < live.len() || r < config.len() {
        if l < live.len() && r < config.len() {
            if live_keys[l] == config_keys[r] {
                merged.push(one(r)?);
                done.insert(&config_keys[r]);
                shared.pop_front();
                (l, r) = (l + 1, r + 1);
                continue;
            }
            // An item of both whose turn has not come.
            if wanted.contains(&live_keys[l]) && shared.front().is_some_and(|next| **next != live_keys[l]) {
                l += 1;
                continue;
            }
        }
        if l < live.len() {
            if !wanted.contains(&live_keys[l]) {
                merged.push(live[l].clone());
                l += 1;
                continue;
            }
            if done.contains(&live_keys[l]) {
                l += 1;
            }
        }
        if r < config.len() {
            merged.push(one(r)?);
            done.insert(&config_keys[r]);
            if shared.front() == Some(&&config_keys[r]) {
                shared.pop_front();
            }
            r += 1;
        }
    }
    Ok(merged)
}

/// Takes the field out of the object, and with it the maps and lists that it leaves empty, unless
/// somebody owns those.
pub(crate) fn remove(schema: &Schema, object: &mut Value, path: &FieldPath, owned: &FieldSet) {
    take(schema, &mut Vec::new(), object, path.elements(), 0, owned);
}

/// Returns whether what is left is empty and nobody's.
fn take<'a>(
    schema: &Schema,
    names: &mut Vec<&'a str>,
    value: &mut Value,
    path: &'a [Element],
    depth: usize,
    owned: &FieldSet,
) -> bool {
    let Some(element) = path.get(depth) else { return false };
    let last = depth + 1 == path.len();
    let empty = match (value, element) {
        (Value::Object(map), Element::Field(name)) => {
            let gone = match map.get_mut(name) {
                None => return false,
                Some(_) if last => true,
                Some(below) => {
                    names.push(name);
                    take(schema, names, below, path, depth + 1, owned)
                }
            };
            gone && map.remove(name).is_some() && map.is_empty()
        }
        (Value::Array(items), _) => {
            let kind = schema.list(names);
            let found = items.iter().position(|item| kind.element(item).is_ok_and(|key| key == *element));
            let Some(index) = found else { return false };
            if last {
                items.remove(index);
            } else {
                // An item goes only by itself, never because it was left empty.
                take(schema, names, &mut items[index], path, depth + 1, owned);
            }
            items.is_empty()
        }
        _ => false,
    };
    empty && depth > 0 && !owned.contains(&FieldPath::new(path[..depth].iter().cloned()))
}
