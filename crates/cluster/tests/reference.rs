//! Server-side apply against the reference implementation: random sequences of writes, with the answers
//! of `sigs.k8s.io/structured-merge-diff` under client-go's types, made by `reference/main.go`.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Map, Value};
use shipway_cluster::{
    Applied, Apply, Element, FieldPath, FieldSet, MemoryCluster, Method, fields, managers, object_id,
};
use shipway_core::{ErrorKind, Result};

#[derive(Debug, Deserialize)]
struct Step {
    manager: String,
    method: String,
    object: Value,
    /// The owners in the way.
    #[serde(default)]
    refused: Vec<String>,
    /// Whether the object is not one.
    #[serde(default)]
    wrong: bool,
    after: Option<Value>,
    #[serde(default)]
    owners: BTreeMap<String, Value>,
}

impl Step {
    fn take(&self, cluster: &MemoryCluster) -> Result<Applied> {
        let there = cluster.get(&object_id(&self.object)?)?.is_some();
        match (self.method.as_str(), there) {
            ("Apply", _) => cluster.apply(&self.manager, &self.object, Apply::default()),
            ("Force", _) => {
                cluster.apply(&self.manager, &self.object, Apply { force: true, ..Apply::default() })
            }
            (_, false) => cluster.create(&self.manager, &self.object),
            (_, true) => cluster.update(&self.manager, &self.object),
        }
    }

    fn check(&self, answer: Result<Applied>, compared: &BTreeSet<FieldPath>, place: &str) {
        let applied = match answer {
            Ok(applied) => applied,
            Err(error) if self.wrong => {
                assert_eq!(error.kind(), ErrorKind::Config, "{place}: {error:?}");
                return;
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Conflict, "{place}: {error:?}");
                assert!(!self.refused.is_empty(), "{place}: {error:?}");
                let text = error.report().to_string();
                for owner in &self.refused {
                    let name = owner.split('/').next().expect("a name");
                    assert!(text.contains(&format!("`{name}`")), "{place}: {owner} is not in {text}");
                }
                return;
            }
        };
        assert!(!self.wrong && self.refused.is_empty(), "{place}: expected an error");
        let after = self.after.as_ref().expect("an answer has an object");
        assert_eq!(bare(&applied.object), bare(after), "{place}");
        let owners = managers(&applied.object).expect("owners");
        let found = owners.iter().map(|owner| {
            let method = if owner.method == Method::Apply { "Apply" } else { "Update" };
            (format!("{}/{method}", owner.manager), owned(&owner.fields, compared))
        });
        let expected = self.owners.iter().map(|(name, fields)| {
            (name.clone(), owned(&FieldSet::from_v1(fields).expect("fields"), compared))
        });
        let owning =
            |(name, fields): (String, BTreeSet<String>)| (!fields.is_empty()).then_some((name, fields));
        let found: BTreeMap<_, _> = found.filter_map(owning).collect();
        let expected: BTreeMap<_, _> = expected.filter_map(owning).collect();
        assert_eq!(found, expected, "{place}");
    }
}

/// The reference also notes who made the maps that hold fields. That decides only whether a map stays
/// when it is empty, so fields and items alone are compared.
fn owned(set: &FieldSet, compared: &BTreeSet<FieldPath>) -> BTreeSet<String> {
    let is_item = |path: &FieldPath| !matches!(path.elements().last(), Some(Element::Field(_)));
    set.iter().filter(|path| is_item(path) || compared.contains(path)).map(ToString::to_string).collect()
}

fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_object().is_some_and(Map::is_empty)
}

/// Returns the object without what the API server writes, and without empty maps.
fn bare(object: &Value) -> Value {
    fn pruned(value: &Value) -> Value {
        match value {
            Value::Object(map) => {
                let kept = map.iter().map(|(name, value)| (name.clone(), pruned(value)));
                Value::Object(kept.filter(|(_, value)| !is_empty(value)).collect())
            }
            Value::Array(items) => items.iter().map(pruned).collect(),
            other => other.clone(),
        }
    }
    let mut object = object.clone();
    let metadata = object["metadata"].as_object_mut().expect("an object");
    for name in ["uid", "resourceVersion", "generation", "managedFields"] {
        metadata.remove(name);
    }
    pruned(&object)
}

#[test]
fn answers_are_the_reference_implementations() {
    let cases: Vec<Vec<Step>> = serde_json::from_str(include_str!("reference/cases.json")).expect("cases");
    assert!(cases.len() >= 40);
    for (number, case) in cases.iter().enumerate() {
        let cluster = MemoryCluster::new();
        let objects = case.iter().filter_map(|step| fields(&step.object).ok()).flatten();
        let compared = objects.filter(|(_, value)| !is_empty(value)).map(|(path, _)| path).collect();
        for (index, step) in case.iter().enumerate() {
            let before = cluster.get(&object_id(&step.object).expect("an id")).expect("read");
            let before = before.map_or_else(String::new, |object| object.to_string());
            let place = format!("case {number}, step {index}: {step:?}\nbefore: {before}");
            step.check(step.take(&cluster), &compared, &place);
        }
    }
}
