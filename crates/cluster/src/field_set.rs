//! Sets of field paths, and their form as Kubernetes' `FieldsV1`.

use std::collections::{BTreeSet, btree_set};

use serde_json::{Map, Value};
use shipway_core::{Error, Result};

use crate::path::{Element, FieldPath};

/// The fields that somebody owns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSet(BTreeSet<FieldPath>);

impl FieldSet {
    /// Returns whether the path is in the set.
    #[must_use]
    pub fn contains(&self, path: &FieldPath) -> bool {
        self.0.contains(path)
    }

    /// Returns whether a field that `path` leads to, or something inside it, is in the set.
    #[must_use]
    pub fn contains_within(&self, path: &FieldPath) -> bool {
        // Paths below `path` are sorted right after it.
        self.0.range(path..).next().is_some_and(|next| path.holds(next))
    }

    /// Returns whether nothing is in the set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the paths in their order.
    pub fn iter(&self) -> btree_set::Iter<'_, FieldPath> {
        self.0.iter()
    }

    pub(crate) fn insert(&mut self, path: FieldPath) {
        self.0.insert(path);
    }

    pub(crate) fn retain(&mut self, keep: impl FnMut(&FieldPath) -> bool) {
        self.0.retain(keep);
    }

    /// Returns the set as `FieldsV1`: nested maps by element, with `.` for a path that is itself in
    /// the set and has others below it.
    #[must_use]
    pub fn to_v1(&self) -> Value {
        let mut root = Map::new();
        for path in &self.0 {
            let mut at = &mut root;
            for element in path.elements() {
                let next = at.entry(element.to_v1()).or_insert_with(|| Map::new().into());
                let Value::Object(next) = next else { unreachable!("only objects are put in") };
                at = next;
            }
            // The item of a list carries the mark even where nothing is below it yet.
            if matches!(path.elements().last(), Some(Element::Key(_))) || !at.is_empty() {
                at.insert(".".to_owned(), Map::new().into());
            }
        }
        Value::Object(root)
    }

    /// Returns the set that a `FieldsV1` means.
    ///
    /// # Errors
    /// `BadOutput` when it does not have the form.
    pub fn from_v1(fields: &Value) -> Result<Self> {
        let mut set = Self::default();
        let root = object(fields)?;
        for (name, below) in root {
            collect(&mut set, &mut FieldPath::default(), name, below)?;
        }
        Ok(set)
    }
}

impl FromIterator<FieldPath> for FieldSet {
    fn from_iter<I: IntoIterator<Item = FieldPath>>(paths: I) -> Self {
        Self(paths.into_iter().collect())
    }
}

impl Extend<FieldPath> for FieldSet {
    fn extend<I: IntoIterator<Item = FieldPath>>(&mut self, paths: I) {
        self.0.extend(paths);
    }
}

fn collect(set: &mut FieldSet, path: &mut FieldPath, name: &str, below: &Value) -> Result<()> {
    let below = object(below)?;
    if name == "." {
        set.insert(path.clone());
        return Ok(());
    }
    path.push(Element::from_v1(name)?);
    if below.is_empty() {
        set.insert(path.clone());
    }
    for (name, below) in below {
        collect(set, path, name, below)?;
    }
    path.pop();
    Ok(())
}

fn object(value: &Value) -> Result<&Map<String, Value>> {
    value.as_object().ok_or_else(|| Error::bad_output(format!("`{value}` in `fieldsV1` is not an object")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_set_survives_fields_v1() {
        let v1 = json!({
            "f:metadata": {"f:labels": {"f:app": {}}},
            "f:spec": {"f:containers": {"k:{\"name\":\"web\"}": {".": {}, "f:image": {}, "f:name": {}}}},
        });
        let set = FieldSet::from_v1(&v1).expect("valid");
        assert_eq!(set.iter().count(), 4);
        assert_eq!(set.to_v1(), v1);
        let containers = FieldPath::of_fields(["spec", "containers"]);
        assert!(set.contains_within(&containers) && !set.contains(&containers));
        assert!(!set.contains_within(&FieldPath::of_fields(["spec", "contain"])));
        assert!(FieldSet::from_v1(&json!({"f:a": 1})).is_err());
    }
}
