//! The leaves of an object: what field ownership is counted in.

use std::collections::BTreeMap;

use serde_json::Value;
use shipway_core::{Error, Result};

use crate::{
    field_set::FieldSet,
    object::object_id,
    path::{Element, FieldPath},
    schema::{ListType, Schema},
};

/// What a path leads to: a value, or (`None`) the item of a list, which is owned apart from what it holds.
pub(crate) type Leaves<'a> = BTreeMap<FieldPath, Option<&'a Value>>;

/// Returns the values of an object by the smallest parts that can have an owner each: scalars, lists
/// and maps that are replaced as a whole, and empty maps. What identifies the object and
/// what the API server writes into its metadata is left out.
///
/// # Errors
/// `Config` when it is not an object of Kubernetes', or an item of a list has no or a doubled key.
pub fn fields(object: &Value) -> Result<BTreeMap<FieldPath, &Value>> {
    let id = object_id(object)?;
    let leaves = leaves(&Schema::of(&id.api_version, &id.kind), object)?;
    Ok(leaves.into_iter().filter_map(|(path, value)| Some((path, value?))).collect())
}

pub(crate) fn leaves<'a>(schema: &Schema, object: &'a Value) -> Result<Leaves<'a>> {
    let mut walk = Walk { schema, names: Vec::new(), path: FieldPath::default(), found: Leaves::new() };
    walk.value(object)?;
    walk.found.retain(|path, _| !is_bookkeeping(path));
    Ok(walk.found)
}

/// Returns whether nobody owns the field: it identifies the object or is the API server's to write
/// (k8s.io/apimachinery, `managedfields/internal/stripmeta.go`).
fn is_bookkeeping(path: &FieldPath) -> bool {
    const METADATA: &[&str] = &[
        "creationTimestamp",
        "deletionGracePeriodSeconds",
        "deletionTimestamp",
        "generation",
        "managedFields",
        "name",
        "namespace",
        "resourceVersion",
        "selfLink",
        "uid",
    ];
    match path.elements() {
        [Element::Field(one)] => ["apiVersion", "kind", "metadata"].contains(&one.as_str()),
        [Element::Field(one), Element::Field(two), ..] => {
            one == "metadata" && METADATA.contains(&two.as_str())
        }
        _ => false,
    }
}

struct Walk<'s, 'a> {
    schema: &'s Schema,
    names: Vec<&'a str>,
    path: FieldPath,
    found: Leaves<'a>,
}

impl<'a> Walk<'_, 'a> {
    fn value(&mut self, value: &'a Value) -> Result<()> {
        match value {
            // "Leave a field out" and "set it to null" are one in Kubernetes' types.
            Value::Null => {}
            Value::Object(map) if !map.is_empty() && !self.schema.is_atomic_map(&self.names) => {
                for (name, value) in map {
                    self.names.push(name);
                    self.path.push(Element::Field(name.clone()));
                    self.value(value)?;
                    self.path.pop();
                    self.names.pop();
                }
            }
            Value::Array(items) => match self.schema.list(&self.names) {
                ListType::Atomic => self.leaf(value),
                kind => self.items(items, kind)?,
            },
            _ => self.leaf(value),
        }
        Ok(())
    }

    fn items(&mut self, items: &'a [Value], kind: ListType) -> Result<()> {
        for item in items {
            let element = kind.element(item).map_err(|error| error.note(format!("in `{}`", self.path)))?;
            self.path.push(element);
            if self.found.insert(self.path.clone(), None).is_some() {
                return Err(Error::config(format!("`{}` is there twice", self.path)));
            }
            match kind {
                ListType::Map { atomic_items: false, .. } => self.value(item)?,
                // The item is the leaf: it has no parts that are owned apart.
                _ => self.leaf(item),
            }
            self.path.pop();
        }
        Ok(())
    }

    fn leaf(&mut self, value: &'a Value) {
        self.found.insert(self.path.clone(), Some(value));
    }
}

/// Returns the leaves of the new object that are new or have another value.
pub(crate) fn changed(old: &Leaves<'_>, new: &Leaves<'_>) -> FieldSet {
    // A map that was emptied is there as before; what changed is what it held.
    let emptied = |path, value: &Option<&Value>| {
        value.is_some_and(|value| value.as_object().is_some_and(serde_json::Map::is_empty))
            && is_there(old, path)
    };
    let differs = new.iter().filter(|(path, value)| old.get(path) != Some(value) && !emptied(*path, value));
    differs.map(|(path, _)| path.clone()).collect()
}

/// Returns whether the path leads to something in the object with these leaves.
pub(crate) fn is_there(leaves: &Leaves<'_>, path: &FieldPath) -> bool {
    // What is below the path is sorted right after it.
    leaves.range(path..).next().is_some_and(|(next, _)| path.holds(next))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn paths(object: &Value) -> Vec<String> {
        let schema = Schema::of("apps/v1", "Deployment");
        leaves(&schema, object).expect("valid").keys().map(ToString::to_string).collect()
    }

    #[test]
    fn leaves_are_scalars_atomic_values_empty_maps_and_items() {
        let object = json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "resourceVersion": "7", "labels": {"a/b": "c"},
                "ownerReferences": [{"uid": "1", "name": "x"}], "finalizers": ["f"], "annotations": {}},
            "spec": {"selector": {"matchLabels": {"a": "b"}}, "paused": null, "template": {"spec": {
                "tolerations": [{"key": "a"}],
                "containers": [{"name": "web", "ports": [{"containerPort": 80}], "args": []}]}}},
        });
        let expected = r#"
.metadata.annotations
.metadata.finalizers[="f"]
.metadata.labels["a/b"]
.metadata.ownerReferences[uid="1"]
.spec.selector
.spec.template.spec.containers[name="web"]
.spec.template.spec.containers[name="web"].args
.spec.template.spec.containers[name="web"].name
.spec.template.spec.containers[name="web"].ports[containerPort=80,protocol="TCP"]
.spec.template.spec.containers[name="web"].ports[containerPort=80,protocol="TCP"].containerPort
.spec.template.spec.tolerations"#;
        assert_eq!(paths(&object).join("\n"), expected.trim());
    }

    #[test]
    fn items_without_a_key_and_items_that_are_there_twice_are_refused() {
        let schema = Schema::of("v1", "Pod");
        for containers in [json!([{"image": "a"}]), json!([{"name": "a"}, {"name": "a"}]), json!(["a"])] {
            let object = json!({"spec": {"containers": containers}});
            assert!(leaves(&schema, &object).is_err(), "{object}");
        }
    }
}
