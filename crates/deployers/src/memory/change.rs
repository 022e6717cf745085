//! One object on its way from what it is to what is desired: which fields change, and whether the world
//! has moved in exactly those since somebody looked.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use shipway_cluster::{Apply, Effect, FieldPath, MemoryCluster, Method, fields, managers};
use shipway_core::{Error, ErrorKind, ObjectId, Result};

use super::{
    MANAGER, lines,
    plan::{Action, Step, Was},
    render::INSTANCE,
};

/// How often a step is tried again when somebody else wrote the object between the look and the write.
const TRIES: usize = 5;

const DRY_RUN: Apply = Apply { force: false, dry_run: true };

/// Returns whether the object is the release's: this deployer applied it, and a record or a label says
/// for which release.
pub(super) fn is_ours(object: &Value, recorded: bool, release: &str) -> Result<bool> {
    let applied = |managed: &shipway_cluster::Managed| {
        managed.manager == MANAGER && managed.method == Method::Apply && !managed.status
    };
    let labelled = || object["metadata"]["labels"][INSTANCE] == release;
    Ok(managers(object)?.iter().any(applied) && (recorded || labelled()))
}

/// Returns the fields that are other ones in the next object, as they are now.
pub(super) fn changing(now: &Value, next: &Value) -> Result<BTreeMap<String, Was>> {
    let (old, new) = (known(now)?, known(next)?);
    let owners = managers(now)?;
    let mut found = BTreeMap::new();
    for path in old.keys().chain(new.keys()) {
        if old.get(path) == new.get(path) {
            continue;
        }
        let others = owners.iter().filter(|owner| owner.manager != MANAGER && owner.fields.contains(path));
        let owners: BTreeSet<String> = others.map(|owner| owner.manager.clone()).collect();
        found.insert(path.to_string(), Was { value: old.get(path).cloned(), owners });
    }
    Ok(found)
}

/// Returns the digest of all that may be lost with the object.
pub(super) fn digest(object: &Value) -> Result<String> {
    let known: BTreeMap<String, Value> =
        known(object)?.into_iter().map(|(path, value)| (path.to_string(), value)).collect();
    let text = serde_json::to_vec(&known).map_err(|error| Error::internal("not JSON").source(error))?;
    Ok(shipway_oci::digest_of(&text).to_string())
}

/// Returns the fields of the object but for its status; what a secret holds is known by its digest.
fn known(object: &Value) -> Result<BTreeMap<FieldPath, Value>> {
    let secret = object["kind"] == "Secret" && object["apiVersion"] == "v1";
    let known = |(path, value): (FieldPath, &Value)| {
        let value = match secret && !path.is_below(&["metadata", "labels"]) {
            true => shipway_oci::digest_of(value.to_string().as_bytes()).to_string().into(),
            false => value.clone(),
        };
        (path, value)
    };
    let fields = fields(object)?.into_iter().filter(|(path, _)| !path.is_below(&["status"]));
    Ok(fields.map(known).collect())
}

/// Returns what is to be done for an object to be as desired, and how that reads; `None` when it is.
///
/// # Errors
/// `Conflict` when the object is somebody else's, or somebody else owns a field that would change.
pub(super) fn step(
    cluster: &MemoryCluster,
    id: &ObjectId,
    desired: &Value,
    recorded: bool,
    release: &str,
) -> Result<Option<(Step, String)>> {
    let Some(now) = cluster.get(id)? else {
        let step = Step { object: id.clone(), action: Action::Create };
        return Ok(Some((step, lines::difference(None, Some(desired)))));
    };
    if !is_ours(&now, recorded, release)? {
        return Err(foreign(id, &now));
    }
    let next = cluster.apply(MANAGER, desired, DRY_RUN)?;
    if next.effect == Effect::Unchanged {
        return Ok(None);
    }
    let action = Action::Update(changing(&now, &next.object)?);
    Ok(Some((Step { object: id.clone(), action }, lines::difference(Some(&now), Some(&next.object)))))
}

/// Returns what is to be done for an object of the release to go; `None` when it is gone or somebody
/// else's.
pub(super) fn removal(
    cluster: &MemoryCluster,
    id: &ObjectId,
    release: &str,
) -> Result<Option<(Step, String)>> {
    let Some(now) = cluster.get(id)? else { return Ok(None) };
    if !is_ours(&now, true, release)? {
        return Ok(None);
    }
    let uid = now["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
    let action = Action::Delete { uid, digest: digest(&now)? };
    Ok(Some((Step { object: id.clone(), action }, lines::difference(Some(&now), None))))
}

/// Checks that the step can still be made as it was shown, and makes it unless it is only looked at. A
/// step that was made already is fine.
///
/// # Errors
/// `Conflict` when what it changes is not as it was.
pub(super) fn make(cluster: &MemoryCluster, step: &Step, desired: Option<&Value>, look: bool) -> Result<()> {
    let mut tries = 0;
    loop {
        tries += 1;
        let now = cluster.get(&step.object)?;
        let Some(config) = check(cluster, step, desired, now.as_ref())? else { return Ok(()) };
        if look {
            return Ok(());
        }
        let made = match &config {
            Write::Apply(config) => cluster.apply(MANAGER, config, Apply::default()).map(|_| ()),
            Write::Delete(uid) => cluster.delete(&step.object, Some(uid)).map(|_| ()),
        };
        match made {
            // Somebody wrote the object since the look, perhaps only its status: look again.
            Err(error) if error.kind() == ErrorKind::Conflict && tries < TRIES => {}
            made => return made,
        }
    }
}

enum Write {
    Apply(Value),
    Delete(String),
}

/// Returns what is still to be written.
fn check(
    cluster: &MemoryCluster,
    step: &Step,
    desired: Option<&Value>,
    now: Option<&Value>,
) -> Result<Option<Write>> {
    let id = &step.object;
    let wanted =
        || desired.ok_or_else(|| Error::bad_output(format!("the change set has no manifest for {id}")));
    match (&step.action, now) {
        (Action::Delete { .. }, None) => Ok(None),
        (Action::Delete { uid, digest: was }, Some(now)) => {
            if now["metadata"]["uid"] != *uid {
                return Err(moved(format!("{id} is another object of the same name")));
            }
            if digest(now)? != *was {
                return Err(moved(format!("{id} was changed, and would be removed")));
            }
            Ok(Some(Write::Delete(uid.clone())))
        }
        (Action::Create, None) => Ok(Some(Write::Apply(wanted()?.clone()))),
        (Action::Update(_), None) => Err(moved(format!("{id} was removed, and would be changed"))),
        (Action::Create | Action::Update(_), Some(now)) => {
            let next = cluster.apply(MANAGER, wanted()?, DRY_RUN)?;
            if next.effect == Effect::Unchanged {
                return Ok(None);
            }
            let Action::Update(shown) = &step.action else { return Err(foreign(id, now)) };
            for (path, is) in changing(now, &next.object)? {
                match shown.get(&path) {
                    None => return Err(moved(format!("`{path}` of {id} would change too"))),
                    Some(was) if was.value != is.value => {
                        return Err(moved(format!("`{path}` of {id} has another value")));
                    }
                    Some(was) if was.owners != is.owners => {
                        return Err(moved(format!("`{path}` of {id} has other owners")));
                    }
                    Some(_) => {}
                }
            }
            // Only this version: what was looked at is what is written over.
            let mut config = wanted()?.clone();
            config["metadata"]["resourceVersion"] = now["metadata"]["resourceVersion"].clone();
            Ok(Some(Write::Apply(config)))
        }
    }
}

/// Returns the error for a world that moved.
pub(super) fn moved(what: String) -> Error {
    Error::conflict(format!("{what} since the changes were shown")).hint("look at the changes again")
}

fn foreign(id: &ObjectId, object: &Value) -> Error {
    let owners: BTreeSet<String> = managers(object)
        .unwrap_or_default()
        .into_iter()
        .map(|owner| format!("`{}`", owner.manager))
        .collect();
    let error = Error::conflict(format!("{id} is there already and is not this release's"));
    let owners: Vec<String> = owners.into_iter().collect();
    let error = if owners.is_empty() { error } else { error.note(format!("it is {}'s", owners.join(", "))) };
    error.hint("remove it, or give the release another name or namespace")
}
