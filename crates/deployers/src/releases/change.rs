//! One object on its way from what it is to what is desired: which fields change, and whether the world
//! has moved in exactly those since somebody looked.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde_json::Value;
use shipway_cluster::{
    Apply, FieldPath, FieldSet, Method, adopt, fields, is_applied, is_applied_by, managers, preview,
};
use shipway_core::{Context, Error, ErrorKind, ObjectId, Result};

use super::{
    MANAGER, Releases,
    apply_set::PART_OF,
    lines,
    plan::{Action, Step, Was},
};

/// How often it is looked whether what is being removed is gone.
const GOING: Duration = Duration::from_millis(200);

/// The longest that it may take to be gone.
const GONE: Duration = Duration::from_secs(300);

/// How often a step is tried again when somebody else wrote the object between the look and the write.
const TRIES: usize = 5;

/// Who applied from a client, before servers could: what they own becomes ours. Skaffold applies by kubectl.
const CLIENTS: [&str; 1] = ["kubectl-client-side-apply"];

/// Returns whether the object is the release's: it was applied by us, as a member of its set. Labels alone are
/// copied too easily.
pub(super) fn is_ours(object: &Value, part_of: &str) -> bool {
    object["metadata"]["labels"][PART_OF] == part_of && is_applied_by(object, MANAGER)
}

/// Returns the fields that are other ones in the next object, as they are now, with who else owns them than these managers.
pub(crate) fn changing(now: &Value, next: &Value, ours: &[&str]) -> Result<BTreeMap<String, Was>> {
    let (old, new) = (known(now)?, known(next)?);
    let owners = managers(now)?;
    let mut found = BTreeMap::new();
    for path in old.keys().chain(new.keys()) {
        if old.get(path) == new.get(path) {
            continue;
        }
        let theirs = |name: &str| !ours.contains(&name) && !CLIENTS.contains(&name);
        let others = owners.iter().filter(|owner| theirs(&owner.manager) && owner.fields.contains(path));
        let owners: BTreeSet<String> = others.map(|owner| owner.manager.clone()).collect();
        found.insert(path.to_string(), Was { value: old.get(path).cloned(), owners });
    }
    Ok(found)
}

/// Returns the digest of all that may be lost with the object.
pub(crate) fn digest_of_object(object: &Value) -> Result<String> {
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

fn version(object: &Value) -> String {
    object["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned()
}

/// What applying would do to an object that is there.
enum Next {
    /// Nothing: all is so, and ours.
    Same,
    /// It would become this.
    Applied(Value),
    /// It would become ours, from whom, and then this.
    Adopted(String, Value),
}

/// Returns what applying would do; asks the cluster only where something is not as it should be.
///
/// # Errors
/// `Conflict` when the object is somebody else's, or somebody else owns a field that would change.
async fn next(
    releases: &Releases,
    cx: &Context,
    id: &ObjectId,
    desired: &Value,
    now: &Value,
) -> Result<Next> {
    let mut adopted = now.clone();
    if let Some(owner) = adopt(&mut adopted, &CLIENTS, MANAGER)? {
        return Ok(Next::Adopted(owner, preview(MANAGER, desired, &adopted)?));
    }
    let ours = is_ours(now, part_of(desired));
    if !ours && !releases.force_conflicts {
        return Err(foreign(id, now));
    }
    if ours && is_applied(MANAGER, desired, now)? {
        return Ok(Next::Same);
    }
    let dry_run = Apply { force: releases.force_conflicts, dry_run: true };
    let next = releases.api.apply(cx, MANAGER, desired, dry_run).await?;
    let same = changing(now, &next, &[MANAGER])?.is_empty() && own(now)? == own(&next)?;
    Ok(if same { Next::Same } else { Next::Applied(next) })
}

/// Returns the fields that we own by applying them.
fn own(object: &Value) -> Result<FieldSet> {
    let ours = |owner: &shipway_cluster::Managed| {
        owner.manager == MANAGER && owner.method == Method::Apply && !owner.status
    };
    Ok(managers(object)?.into_iter().find(ours).map(|owner| owner.fields).unwrap_or_default())
}

fn part_of(desired: &Value) -> &str {
    desired["metadata"]["labels"][PART_OF].as_str().unwrap_or_default()
}

/// Returns what is to be done for an object to be as desired, and how that reads; `None` when it is.
///
/// # Errors
/// `Conflict` when the object is somebody else's, or somebody else owns a field that would change.
pub(super) async fn step(
    releases: &Releases,
    cx: &Context,
    id: &ObjectId,
    desired: &Value,
    now: Option<&Value>,
) -> Result<Option<(Step, String)>> {
    let Some(now) = now.filter(|now| !is_going(now)) else {
        let step = Step { object: id.clone(), action: Action::Create };
        let text = lines::difference(None, Some(desired));
        return Ok(Some(match now {
            None => (step, text),
            Some(_) => {
                (step, format!("# it is made anew when the one that is being removed is gone\n{text}"))
            }
        }));
    };
    let (text, next) = match next(releases, cx, id, desired, now).await? {
        Next::Same => return Ok(None),
        Next::Applied(next) => (taken(now, &next)? + &lines::difference(Some(now), Some(&next)), next),
        Next::Adopted(owner, next) => {
            let taken = format!("# what `{owner}` owns of it becomes `{MANAGER}`'s\n");
            (taken + &lines::difference(Some(now), Some(&next)), next)
        }
    };
    let action = Action::Update { was: changing(now, &next, &[MANAGER])?, version: version(now) };
    Ok(Some((Step { object: id.clone(), action }, text)))
}

/// Returns whether the object is being removed, which it may be for long where something holds it.
pub(crate) fn is_going(object: &Value) -> bool {
    !object["metadata"]["deletionTimestamp"].is_null()
}

/// Says which fields are taken from others, which happens by force alone.
fn taken(now: &Value, next: &Value) -> Result<String> {
    let line = |(path, was): (String, Was)| {
        let owners: Vec<String> = was.owners.iter().map(|owner| format!("`{owner}`")).collect();
        (!owners.is_empty()).then(|| format!("# `{path}` is taken from {}\n", owners.join(", ")))
    };
    Ok(changing(now, next, &[MANAGER])?.into_iter().filter_map(line).collect())
}

/// Waits until what is being removed is gone.
///
/// # Errors
/// `Timeout`, with what holds it.
pub(crate) async fn gone(releases: &Releases, cx: &Context, id: &ObjectId, uid: Option<&str>) -> Result<()> {
    let begun = cx.clock().elapsed();
    while let Some(now) = releases.api.get(cx, id).await? {
        if uid.is_some_and(|uid| now["metadata"]["uid"] != uid) || !is_going(&now) {
            break;
        }
        if cx.clock().elapsed() - begun > GONE {
            let error = Error::timeout(format!("{id} is being removed and does not go"));
            let held = now["metadata"]["finalizers"].as_array().into_iter().flatten();
            let held: Vec<String> = held.filter_map(|one| Some(format!("`{}`", one.as_str()?))).collect();
            return Err(if held.is_empty() {
                error
            } else {
                error.note(format!("{} hold it", held.join(", ")))
            });
        }
        cx.sleep(GOING).await?;
    }
    Ok(())
}

/// Returns what is to be done for an object of the release to go, and how that reads.
pub(super) fn removal(id: &ObjectId, now: &Value) -> Result<(Step, String)> {
    let uid = now["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
    let action = Action::Delete { uid, digest: digest_of_object(now)? };
    Ok((Step { object: id.clone(), action }, lines::difference(Some(now), None)))
}

/// Checks that the step can still be made as it was shown. One that was made already is fine.
///
/// # Errors
/// `Conflict` when what it changes is not as it was.
pub(super) async fn look(
    releases: &Releases,
    cx: &Context,
    step: &Step,
    desired: Option<&Value>,
    now: Option<&Value>,
) -> Result<()> {
    check(releases, cx, step, desired, now).await.map(drop)
}

/// Makes the step, unless it was made already.
///
/// # Errors
/// `Conflict` when what it changes is not as it was.
pub(super) async fn make(
    releases: &Releases,
    cx: &Context,
    step: &Step,
    desired: Option<&Value>,
    seen: Option<&Value>,
) -> Result<()> {
    let mut now = seen.cloned();
    if matches!(step.action, Action::Create) && now.as_ref().is_some_and(is_going) {
        gone(releases, cx, &step.object, None).await?;
        now = releases.api.get(cx, &step.object).await?;
    }
    for tried in 1.. {
        let Some(write) = check(releases, cx, step, desired, now.as_ref()).await? else { break };
        match write_once(releases, cx, &step.object, write).await {
            // Somebody wrote the object since the look, perhaps only its status: look again.
            Err(error) if error.kind() == ErrorKind::Conflict && tried < TRIES => {
                now = releases.api.get(cx, &step.object).await?;
            }
            written => return written,
        }
    }
    Ok(())
}

enum Write {
    Apply(Value),
    /// The object with its new owners, and what is applied then.
    Adopt(Value, Value),
    Delete(String),
}

async fn write_once(releases: &Releases, cx: &Context, id: &ObjectId, write: Write) -> Result<()> {
    let how = Apply { force: releases.force_conflicts, dry_run: false };
    match write {
        Write::Apply(config) => releases.api.apply(cx, MANAGER, &config, how).await.map(drop),
        Write::Adopt(object, mut config) => {
            let object = releases.api.update(cx, MANAGER, &object).await?;
            config["metadata"]["resourceVersion"] = object["metadata"]["resourceVersion"].clone();
            releases.api.apply(cx, MANAGER, &config, how).await.map(drop)
        }
        Write::Delete(uid) => releases.api.delete(cx, id, Some(&uid)).await,
    }
}

/// Returns what is still to be written.
async fn check(
    releases: &Releases,
    cx: &Context,
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
            if digest_of_object(now)? != *was {
                return Err(moved(format!("{id} was changed, and would be removed")));
            }
            // What is being removed needs no second request.
            Ok((!is_going(now)).then(|| Write::Delete(uid.clone())))
        }
        (Action::Create, None) => Ok(Some(Write::Apply(wanted()?.clone()))),
        // It is waited for.
        (Action::Create, Some(now)) if is_going(now) => Ok(None),
        (Action::Update { .. }, Some(now)) if is_going(now) => {
            Err(moved(format!("{id} is being removed, and would be changed")))
        }
        (Action::Update { .. }, None) => Err(moved(format!("{id} was removed, and would be changed"))),
        (Action::Create, Some(now)) => match next(releases, cx, id, wanted()?, now).await? {
            Next::Same => Ok(None),
            _ => Err(foreign(id, now)),
        },
        (Action::Update { was, version: seen }, Some(now)) => {
            let desired = wanted()?;
            if version(now) != *seen {
                match next(releases, cx, id, desired, now).await? {
                    Next::Same => return Ok(None),
                    Next::Applied(next) | Next::Adopted(_, next) => {
                        stands(id, was, &changing(now, &next, &[MANAGER])?)?;
                    }
                }
            }
            // Only this version of this very object: what was looked at is what is written over. The version alone
            // does not keep the API server from making an object anew that is gone.
            let mut config = desired.clone();
            for name in ["resourceVersion", "uid"] {
                config["metadata"][name] = now["metadata"][name].clone();
            }
            let mut adopted = now.clone();
            if adopt(&mut adopted, &CLIENTS, MANAGER)?.is_none() {
                return Ok(Some(Write::Apply(config)));
            }
            // Ours from the first write on, also for who goes on after it.
            adopted["metadata"]["labels"][PART_OF] = part_of(desired).into();
            Ok(Some(Write::Adopt(adopted, config)))
        }
    }
}

/// Checks that what changes is what was shown.
pub(crate) fn stands(
    id: &ObjectId,
    shown: &BTreeMap<String, Was>,
    now: &BTreeMap<String, Was>,
) -> Result<()> {
    for (path, is) in now {
        match shown.get(path) {
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
    Ok(())
}

/// Returns the error for a world that moved.
pub(crate) fn moved(what: String) -> Error {
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
    error.hint("remove it, give the release another name or namespace, or take it with `forceConflicts`")
}
