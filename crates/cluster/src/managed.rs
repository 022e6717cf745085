//! Who owns which fields: the entries of `metadata.managedFields`.

use serde_json::{Map, Value, json};
use shipway_core::{Error, Result};

use crate::{field_set::FieldSet, path::FieldPath};

/// How somebody came to own fields. Under one name, the two own apart ("Server-Side Apply", "Field
/// management").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Method {
    /// By applying a configuration.
    Apply,
    /// By writing in any other way.
    Update,
}

/// The fields that one manager owns in one way.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Managed {
    /// The manager's name.
    pub manager: String,
    /// How it came to own them.
    pub method: Method,
    /// Whether it wrote the status, which is a subresource of its own.
    pub status: bool,
    /// The fields.
    pub fields: FieldSet,
}

impl Managed {
    pub(crate) fn is(&self, manager: &str, method: Method, status: bool) -> bool {
        self.manager == manager && self.method == method && self.status == status
    }

    fn to_json(&self, api_version: &Value) -> Value {
        let mut entry = json!({
            "manager": self.manager,
            "operation": if self.method == Method::Apply { "Apply" } else { "Update" },
            "apiVersion": api_version,
            "fieldsType": "FieldsV1",
            "fieldsV1": self.fields.to_v1(),
        });
        if self.status {
            entry["subresource"] = "status".into();
        }
        entry
    }

    fn from_json(entry: &Value) -> Result<Self> {
        let wrong = || Error::bad_output("an entry of `metadata.managedFields` does not have its form");
        let text = |name: &str| entry.get(name).and_then(Value::as_str);
        Ok(Self {
            manager: text("manager").ok_or_else(wrong)?.to_owned(),
            method: match text("operation") {
                Some("Apply") => Method::Apply,
                Some("Update") => Method::Update,
                _ => return Err(wrong()),
            },
            status: text("subresource") == Some("status"),
            fields: FieldSet::from_v1(entry.get("fieldsV1").ok_or_else(wrong)?)?,
        })
    }
}

/// Returns who owns which fields of an object, as its `metadata.managedFields` say.
///
/// # Errors
/// `BadOutput` when they do not have their form.
pub fn managers(object: &Value) -> Result<Vec<Managed>> {
    let entries = object.pointer("/metadata/managedFields").and_then(Value::as_array);
    entries.into_iter().flatten().map(Managed::from_json).collect()
}

/// Returns whether a manager applied the object. Which fields it owns is not read, as that takes longer than all else.
#[must_use]
pub fn is_applied_by(object: &Value, manager: &str) -> bool {
    let entries = object.pointer("/metadata/managedFields").and_then(Value::as_array);
    let theirs = |entry: &Value| {
        entry["manager"] == manager && entry["operation"] == "Apply" && entry["subresource"] != "status"
    };
    entries.into_iter().flatten().any(theirs)
}

/// Gives what others own by updates to who applies, in the object alone; returns whose it was, if they owned anything.
///
/// Written to the cluster, it is how what client-side apply made becomes server-side apply's, without a field that is
/// nobody's any more (client-go, `util/csaupgrade`).
///
/// # Errors
/// As [`managers`].
pub fn adopt(object: &mut Value, from: &[&str], manager: &str) -> Result<Option<String>> {
    let mut owners = managers(object)?;
    let theirs = |owner: &Managed| {
        owner.method == Method::Update && !owner.status && from.contains(&owner.manager.as_str())
    };
    let Some(first) = owners.iter().find(|owner| theirs(owner)).map(|owner| owner.manager.clone()) else {
        return Ok(None);
    };
    let mut fields = of(&owners, manager, Method::Apply, false);
    fields.extend(owners.iter().filter(|owner| theirs(owner)).flat_map(|owner| owner.fields.iter().cloned()));
    owners.retain(|owner| !theirs(owner));
    set(&mut owners, manager, Method::Apply, false, fields);
    write(&owners, object);
    Ok(Some(first))
}

/// Writes the owners into the object.
pub(crate) fn write(owners: &[Managed], object: &mut Value) {
    let api_version = object["apiVersion"].clone();
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        let entries: Vec<Value> = owners.iter().map(|owner| owner.to_json(&api_version)).collect();
        metadata.insert("managedFields".to_owned(), entries.into());
    }
}

/// Takes the owners out of the object.
pub(crate) fn strip(metadata: &mut Map<String, Value>) -> Option<Value> {
    metadata.remove("managedFields").filter(|entries| !entries.is_null())
}

/// Gives the manager exactly these fields; without any, it is no manager any more.
pub(crate) fn set(owners: &mut Vec<Managed>, manager: &str, method: Method, status: bool, fields: FieldSet) {
    owners.retain(|owner| !owner.is(manager, method, status));
    owners.push(Managed { manager: manager.to_owned(), method, status, fields });
    owners.retain(|owner| !owner.fields.is_empty());
    // In one order, so that the same fields with the same owners are the same text.
    owners.sort_by(|a, b| (&a.manager, a.method, a.status).cmp(&(&b.manager, b.method, b.status)));
}

/// Returns the fields that the manager owns.
pub(crate) fn of(owners: &[Managed], manager: &str, method: Method, status: bool) -> FieldSet {
    owners
        .iter()
        .find(|owner| owner.is(manager, method, status))
        .map(|o| o.fields.clone())
        .unwrap_or_default()
}

/// Takes the fields away from everybody but the manager.
pub(crate) fn take(
    owners: &mut [Managed],
    manager: (&str, Method, bool),
    mut gone: impl FnMut(&FieldPath) -> bool,
) {
    for owner in owners.iter_mut().filter(|owner| !owner.is(manager.0, manager.1, manager.2)) {
        owner.fields.retain(|path| !gone(path));
    }
}
