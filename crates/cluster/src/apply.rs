//! Server-side apply and update as pure functions: an object and its owners in, the next object and its
//! owners out.
//!
//! Sources: Kubernetes documentation, "Server-Side Apply"; `merge/update.go` of
//! `sigs.k8s.io/structured-merge-diff`, to whose functions the comments point.

use serde_json::Value;
use shipway_core::{Error, Result};

use crate::{
    field_set::FieldSet,
    leaves::{changed, is_there, leaves},
    managed::{self, Managed, Method},
    merge::{merge, remove},
    object::{content, object_id},
    path::FieldPath,
    schema::{ListType, Schema},
};

/// An object without `managedFields`, and its owners.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Owned {
    pub(crate) object: Value,
    pub(crate) owners: Vec<Managed>,
}

/// Lays a manager's configuration over an object (`Updater.Apply`).
pub(crate) fn apply(live: Option<&Owned>, config: &Value, manager: &str, force: bool) -> Result<Owned> {
    let id = object_id(config)?;
    let schema = Schema::of(&id.api_version, &id.kind);
    let config = content(config);
    let fields: FieldSet = leaves(&schema, &config)?.into_keys().collect();
    let Some(live) = live else {
        let mut owners = Vec::new();
        managed::set(&mut owners, manager, Method::Apply, false, fields);
        return Ok(Owned { object: config, owners });
    };

    let mut object = merge(&schema, &live.object, &config)?;
    let last = managed::of(&live.owners, manager, Method::Apply, false);
    let mut owners = live.owners.clone();
    managed::set(&mut owners, manager, Method::Apply, false, fields);
    prune(&schema, &mut object, &last, &owners);

    let (before, after) = (leaves(&schema, &live.object)?, leaves(&schema, &object)?);
    let changed = changed(&before, &after);
    let conflicts: Vec<(&FieldPath, &str)> = owners
        .iter()
        .filter(|owner| !owner.is(manager, Method::Apply, false))
        .flat_map(|owner| owner.fields.iter().map(|path| (path, owner.manager.as_str())))
        .filter(|(path, _)| changed.contains(path))
        .collect();
    if let ([(path, owner), more @ ..], false) = (conflicts.as_slice(), force) {
        let error = Error::conflict(format!("`{path}` of {id} belongs to `{owner}`"));
        let error = more
            .iter()
            .fold(error, |error, (path, owner)| error.note(format!("`{path}` belongs to `{owner}`")));
        return Err(
            error.hint("leave these fields out, give them the values that they have, or ask the owner")
        );
    }
    managed::take(&mut owners, (manager, Method::Apply, false), |path| {
        changed.contains(path) || !is_there(&after, path)
    });
    owners.retain(|owner| !owner.fields.is_empty());
    Ok(Owned { object, owners })
}

/// Returns the object as it would be once the manager's configuration is laid over it, without asking the cluster:
/// defaults and what the cluster refuses are not in it.
///
/// # Errors
/// `Conflict` when a field would change that somebody else owns; `Config` when one of them is no object.
pub fn preview(manager: &str, config: &Value, object: &Value) -> Result<Value> {
    let mut bare = object.clone();
    let owners = managed::managers(object)?;
    if let Some(metadata) = bare.get_mut("metadata").and_then(Value::as_object_mut) {
        managed::strip(metadata);
    }
    let next = apply(Some(&Owned { object: bare, owners }), config, manager, false)?;
    let mut object = next.object;
    managed::write(&next.owners, &mut object);
    Ok(object)
}

/// Returns whether the object is as the manager's configuration says, and the manager owns exactly what it says: to
/// apply it then changes nothing. That is seen without asking the cluster; where it is not, the cluster knows.
///
/// # Errors
/// `Config` when one of them is no object.
pub fn is_applied(manager: &str, config: &Value, object: &Value) -> Result<bool> {
    let id = object_id(config)?;
    let schema = Schema::of(&id.api_version, &id.kind);
    let config = content(config);
    let owners = managed::managers(object)?;
    let fields: FieldSet = leaves(&schema, &config)?.into_keys().collect();
    Ok(managed::of(&owners, manager, Method::Apply, false) == fields
        && holds(&schema, &mut Vec::new(), object, &config)?)
}

/// Returns whether all of the configuration is in the object, lists in its order.
fn holds<'a>(schema: &Schema, at: &mut Vec<&'a str>, object: &Value, config: &'a Value) -> Result<bool> {
    match (object, config) {
        (Value::Object(object), Value::Object(config)) if !schema.is_atomic_map(at) => {
            for (name, config) in config {
                let Some(object) = object.get(name) else { return Ok(false) };
                at.push(name);
                let held = holds(schema, at, object, config)?;
                at.pop();
                if !held {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Value::Array(object), Value::Array(config)) => match schema.list(at) {
            ListType::Atomic => Ok(object == config),
            kind => {
                let mut rest = object.iter();
                for config in config {
                    let key = kind.element(config)?;
                    let found = rest.by_ref().find(|item| kind.element(item).is_ok_and(|other| other == key));
                    let Some(object) = found else { return Ok(false) };
                    let held = match kind {
                        ListType::Map { atomic_items: false, .. } => holds(schema, at, object, config)?,
                        _ => object == config,
                    };
                    if !held {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
        },
        (object, config) => Ok(object == config),
    }
}

/// Takes out what the manager applied last time, not this time, and nobody else owns
/// (`Updater.prune`).
fn prune(schema: &Schema, object: &mut Value, last: &FieldSet, owners: &[Managed]) {
    let owned: FieldSet = owners.iter().flat_map(|owner| owner.fields.iter().cloned()).collect();
    for path in last.iter().filter(|path| !owned.contains(path)) {
        // A field stays while somebody owns something inside it; an item of a list is known by its
        // own ownership alone (`addBackOwnedItems`).
        let is_field = matches!(path.elements().last(), Some(crate::path::Element::Field(_)));
        if !(is_field && owned.contains_within(path)) {
            remove(schema, object, path, &owned);
        }
    }
}

/// Replaces an object, or its status, and gives what changed to the manager (`Updater.Update`).
pub(crate) fn update(live: Option<&Owned>, new: &Value, manager: &str, status: bool) -> Result<Owned> {
    let id = object_id(new)?;
    let schema = Schema::of(&id.api_version, &id.kind);
    let nothing = Value::Object(serde_json::Map::new());
    let old = live.map_or(&nothing, |live| &live.object);
    let object = if status { with_status(old, new.get("status")) } else { replaced(old, new) };
    let (before, after) = (leaves(&schema, old)?, leaves(&schema, &object)?);
    let changed = changed(&before, &after);
    // Who writes the owners too has read them (fieldmanager.go, `ManagedFieldsUpdater`).
    let mut owners = match (new.pointer("/metadata/managedFields"), live) {
        (Some(Value::Array(_)), _) => managed::managers(new)?,
        (_, Some(live)) => live.owners.clone(),
        (_, None) => Vec::new(),
    };
    let mut own = managed::of(&owners, manager, Method::Update, status);
    own.retain(|path| is_there(&after, path));
    own.extend(changed.iter().cloned());
    managed::take(&mut owners, (manager, Method::Update, status), |path| {
        changed.contains(path) || !is_there(&after, path)
    });
    managed::set(&mut owners, manager, Method::Update, status, own);
    Ok(Owned { object, owners })
}

fn with_status(old: &Value, status: Option<&Value>) -> Value {
    let mut object = old.clone();
    if let Some(map) = object.as_object_mut() {
        match status {
            Some(status) => map.insert("status".to_owned(), status.clone()),
            None => map.remove("status"),
        };
    }
    object
}

/// Returns the new content with what the API server wrote into the old object.
fn replaced(old: &Value, new: &Value) -> Value {
    let mut object = content(new);
    for name in ["uid", "resourceVersion", "generation"] {
        if let Some(value) = old.pointer(&format!("/metadata/{name}")) {
            object["metadata"][name] = value.clone();
        }
    }
    with_status(&object, old.get("status"))
}
