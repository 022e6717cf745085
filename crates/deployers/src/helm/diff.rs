//! From what is desired to a change set: the objects as the cluster has them, beside those that helm would apply. Reads
//! only, and starts no helm.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::FutureExt;
use serde_json::Value;
use shipway_cluster::{Apply, Method, fields, is_applied, managers, preview};
use shipway_core::{
    Change, ChangeSet, Context, Deployment, Desired, Error, Manifest, Manifests, ObjectId, Result, Verb,
};

use super::{
    Stage,
    objects::{MANAGER, is_kept},
    record::{self, Record},
    state::{self, Aim, Made, Plan},
};
use crate::releases::{
    Action, Live, Step, Was, at_once, changing, difference, digest_of_object, is_going, moved, stands,
};

pub(super) async fn diff(stage: &Stage<'_>, cx: &Context, desired: &Desired) -> Result<ChangeSet> {
    let records = stage.records(cx).await?;
    let mut draft = Draft { stage, cx, records: &records, steps: Vec::new(), changes: Vec::new() };
    let aim = match desired {
        Desired::Released { manifests, share: 100 } => draft.release(manifests).await?,
        Desired::Released { share, .. } => {
            return Err(Error::unsupported(format!("a share of {share} percent of the traffic"))
                .hint("this deployer releases to all of the traffic"));
        }
        Desired::Restored(deployment) => draft.restore(deployment).await?,
        Desired::Absent(_) => draft.remove().await?,
        Desired::Settled(_) => {
            return Err(Error::unsupported("a release of helm is settled when it is applied")
                .hint("what a chart has no more is gone by then"));
        }
        _ => return Err(Error::unsupported("this deployer does not know what is desired")),
    };
    let newest = records.last().map(|record| record.revision);
    let live = record::deployed(&records).map(|record| record.revision);
    let plan = Plan { live, newest, aim, steps: draft.steps };
    Ok(ChangeSet::new(desired.clone()).changes(draft.changes).state(Some(plan.to_state()?)))
}

struct Draft<'a> {
    stage: &'a Stage<'a>,
    cx: &'a Context,
    records: &'a [Record],
    steps: Vec<Step>,
    changes: Vec<Change>,
}

impl Draft<'_> {
    async fn release(&mut self, manifests: &Manifests) -> Result<Aim> {
        let made = Made::of(manifests)?;
        if let Made::Kept(revision) = made {
            let live = record::deployed(self.records).map(|record| record.revision);
            return match live == Some(revision) {
                true => Ok(Aim::Nothing),
                false => Err(moved(format!("revision {revision} of `{}` is not live", self.stage.home.name))),
            };
        }
        self.objects(&manifests.objects).await?;
        if self.steps.is_empty() && self.is_deployed(&made, manifests)? {
            return Ok(Aim::Nothing);
        }
        let note = match &made {
            Made::From { chart, .. } => format!("# {chart}\n"),
            Made::Kept(_) => String::new(),
        };
        self.revision(&note)?;
        Ok(Aim::Upgrade)
    }

    /// Returns whether helm's newest record is of just this, and its tests passed if they are wanted.
    fn is_deployed(&self, made: &Made, manifests: &Manifests) -> Result<bool> {
        let (Made::From { fingerprint, .. }, Some(newest)) = (made, self.records.last()) else {
            return Ok(false);
        };
        Ok(newest.status == record::Status::Deployed
            && state::is_of(newest, fingerprint)?
            && Some(state::print_of(&manifests.objects)?.as_str()) == newest.label(state::RENDERED)
            && (!self.stage.helm.options.run_tests || tested(newest)?))
    }

    async fn restore(&mut self, deployment: &Deployment) -> Result<Aim> {
        let name = &self.stage.home.name;
        let revision: u64 = deployment
            .revision
            .parse()
            .map_err(|_| Error::config(format!("`{}` is no revision of helm's", deployment.revision)))?;
        let wanted = state::print_of(&deployment.manifests.objects)?;
        self.objects(&deployment.manifests.objects).await?;
        if let Some(newest) = self.records.last().filter(|newest| newest.status == record::Status::Deployed)
            && self.steps.is_empty()
            && state::print_of(&state::objects_of(newest)?)? == wanted
        {
            return Ok(Aim::Nothing);
        }
        let kept = self.records.iter().find(|record| record.revision == revision).ok_or_else(|| {
            Error::not_found(format!("helm does not remember revision {revision} of `{name}` any more"))
                .hint("release what it had; `--history-max` in `flags.upgrade` says how many are remembered")
        })?;
        if state::print_of(&state::objects_of(kept)?)? != wanted {
            return Err(moved(format!("revision {revision} of `{name}` is another one")));
        }
        self.revision(&format!("# rollback to {revision}\n"))?;
        Ok(Aim::Rollback(revision))
    }

    async fn remove(&mut self) -> Result<Aim> {
        if self.records.is_empty() {
            return Ok(Aim::Nothing);
        }
        self.objects(&[]).await?;
        for record in self.records {
            self.changes.push(Change::new(record.id.clone(), Verb::Delete));
        }
        Ok(Aim::Remove)
    }

    /// Compares the objects with those that the cluster has, and with those of helm's last revision.
    async fn objects(&mut self, wanted: &[Manifest]) -> Result<()> {
        let (stage, cx) = (self.stage, self.cx);
        let wanted = stage.home.placed(cx, stage.api.as_ref(), wanted).await?;
        let before = before(stage, cx, self.records).await?;
        let all: Vec<(ObjectId, Value)> = wanted.iter().chain(&before).cloned().collect();
        let there = stage.lists().live(cx, &stage.home.name, &all).await?;
        let before: BTreeMap<&ObjectId, &Value> = before.iter().map(|(id, object)| (id, object)).collect();
        let mut steps = Vec::with_capacity(wanted.len());
        for (id, object) in &wanted {
            let seen = Seen { id, object, before: before.get(id).copied(), now: there.get(id) };
            steps.push(step(stage, cx, seen).boxed());
        }
        for (step, text) in at_once(steps).await?.into_iter().flatten() {
            self.add(step, text);
        }
        let stays: BTreeSet<&ObjectId> = wanted.iter().map(|(id, _)| id).collect();
        for id in before.keys().filter(|id| !stays.contains(**id)) {
            self.removal(id, &there)?;
        }
        Ok(())
    }

    fn removal(&mut self, id: &ObjectId, there: &Live) -> Result<()> {
        // What is being removed already, and what its chart wants to stay, is not helm's to remove.
        let Some(now) = there.get(id).filter(|now| !is_going(now) && !is_kept(now)) else { return Ok(()) };
        if !self.stage.home.owns(now) {
            return Err(foreign(id, now));
        }
        let uid = now["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        let action = Action::Delete { uid, digest: digest_of_object(now)? };
        self.add(Step { object: id.clone(), action }, difference(Some(now), None));
        Ok(())
    }

    /// Adds helm's own record of what becomes of the release.
    fn revision(&mut self, note: &str) -> Result<()> {
        let next = self.records.last().map_or(0, |record| record.revision) + 1;
        let home = &self.stage.home;
        let id = ObjectId::new("v1", "Secret", format!("sh.helm.release.v1.{}.v{next}", home.name));
        let text = format!("{note}+ revision {next}\n");
        self.changes.push(Change::new(id.namespace(home.namespace.clone()), Verb::Create).diff(text));
        Ok(())
    }

    fn add(&mut self, step: Step, text: String) {
        let verb = match step.action {
            Action::Create => Verb::Create,
            Action::Update { .. } => Verb::Update,
            Action::Delete { .. } => Verb::Delete,
        };
        self.changes.push(Change::new(step.object.clone(), verb).diff(text));
        self.steps.push(step);
    }
}

/// Returns whether all tests of a revision passed.
pub(super) fn tested(record: &Record) -> Result<bool> {
    Ok(record.held()?.hooks.iter().filter(|hook| hook.is_test()).all(|hook| hook.succeeded()))
}

/// Returns the objects that helm would compare with: those of the last revision that it deployed, or of the last.
pub(super) async fn before(
    stage: &Stage<'_>,
    cx: &Context,
    records: &[Record],
) -> Result<Vec<(ObjectId, Value)>> {
    match record::deployed(records).or(records.last()) {
        Some(record) => stage.home.placed(cx, stage.api.as_ref(), &state::objects_of(record)?).await,
        None => Ok(Vec::new()),
    }
}

/// An object on its way from what it was to what it is to be.
#[derive(Clone, Copy)]
pub(super) struct Seen<'a> {
    pub(super) id: &'a ObjectId,
    pub(super) object: &'a Value,
    /// As helm applied it last.
    pub(super) before: Option<&'a Value>,
    pub(super) now: Option<&'a Value>,
}

/// Returns what helm will do for an object to be as desired, and how that reads; `None` when it is.
async fn step(stage: &Stage<'_>, cx: &Context, seen: Seen<'_>) -> Result<Option<(Step, String)>> {
    let object = seen.id.clone();
    let Some(now) = seen.now.filter(|now| !is_going(now)) else {
        let text = difference(None, Some(seen.object));
        return Ok(Some((Step { object, action: Action::Create }, text)));
    };
    let Some(next) = next(stage, cx, seen, now).await? else { return Ok(None) };
    let version = now["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned();
    Ok(Some((Step { object, action: Action::Update { was: next.was, version } }, next.text)))
}

/// What becomes of an object that is there.
struct Next {
    was: BTreeMap<String, Was>,
    text: String,
}

/// Returns what helm will change of an object that is there; asks the cluster only where something is not as it should be.
///
/// # Errors
/// `Conflict` when the object is somebody else's, or somebody else owns a field that would change.
async fn next(stage: &Stage<'_>, cx: &Context, seen: Seen<'_>, now: &Value) -> Result<Option<Next>> {
    let (id, force) = (seen.id, stage.helm.options.force_conflicts);
    let ours = stage.home.owns(now);
    if !ours && !force {
        return Err(foreign(id, now));
    }
    let by_server =
        managers(now)?.iter().any(|owner| owner.manager == MANAGER && owner.method == Method::Apply);
    let gone = match by_server {
        true if ours && is_applied(MANAGER, seen.object, now)? => return Ok(None),
        // What it applied before and does not now goes when the server merges.
        true => BTreeMap::new(),
        // helm 3 takes out what it had and has no more.
        false => went(seen, now)?,
    };
    if !by_server && gone.is_empty() && ours && holds(seen.object, now)? {
        return Ok(None);
    }
    let how = Apply { force: true, dry_run: true };
    let next = stage.api.apply(cx, MANAGER, seen.object, how).await?;
    let mut was = changing(now, &next, &[MANAGER])?;
    was.extend(gone.clone());
    if was.is_empty() && ours {
        return Ok(None);
    }
    let taken = was.iter().find(|(_, was)| !was.owners.is_empty());
    if let Some((path, was)) = taken.filter(|_| !force) {
        let owners: Vec<String> = was.owners.iter().map(|owner| format!("`{owner}`")).collect();
        return Err(Error::conflict(format!("`{path}` of {id} belongs to {}", owners.join(", ")))
            .hint("leave the field out, give it the value that it has, or take it with `forceConflicts`"));
    }
    let mut text = match taken {
        Some((path, was)) => format!("# `{path}` is taken from {:?}\n", was.owners),
        None => String::new(),
    };
    text.push_str(&difference(Some(now), Some(&next)));
    let secret = now["kind"] == "Secret" && now["apiVersion"] == "v1";
    for (path, was) in &gone {
        let value = was.value.as_ref().filter(|_| !secret).map_or("(hidden)".to_owned(), ToString::to_string);
        text.extend(["- ", path.as_str(), ": ", value.as_str(), "\n"]);
    }
    Ok(Some(Next { was, text }))
}

/// Returns the fields that helm applied before and does not now, as they are.
fn went(seen: Seen<'_>, now: &Value) -> Result<BTreeMap<String, Was>> {
    let Some(before) = seen.before else { return Ok(BTreeMap::new()) };
    let (before, wanted) = (fields(before)?, fields(seen.object)?);
    let gone: BTreeSet<String> =
        before.keys().filter(|path| !wanted.contains_key(path)).map(ToString::to_string).collect();
    if gone.is_empty() {
        return Ok(BTreeMap::new());
    }
    // As if the object were one without them.
    let mut all = changing(
        now,
        &Value::Object(serde_json::Map::from_iter([
            ("apiVersion".to_owned(), now["apiVersion"].clone()),
            ("kind".to_owned(), now["kind"].clone()),
            (
                "metadata".to_owned(),
                serde_json::json!({"name": seen.id.name, "namespace": seen.id.namespace}),
            ),
        ])),
        &[MANAGER],
    )?;
    all.retain(|path, _| gone.contains(path));
    Ok(all)
}

/// Returns whether all that is wanted is in the object, whoever owns it.
fn holds(wanted: &Value, now: &Value) -> Result<bool> {
    let mut bare = now.clone();
    if let Some(metadata) = bare["metadata"].as_object_mut() {
        metadata.remove("managedFields");
    }
    let next = preview(MANAGER, wanted, &bare)?;
    Ok(changing(&bare, &next, &[])?.is_empty())
}

/// Checks that a step can still be made as it was shown. One that was made already is fine.
///
/// # Errors
/// `Conflict` when what it changes is not as it was.
pub(super) async fn look(
    stage: &Stage<'_>,
    cx: &Context,
    step: &Step,
    seen: Option<Seen<'_>>,
    now: Option<&Value>,
) -> Result<()> {
    let id = &step.object;
    let wanted = || seen.ok_or_else(|| Error::bad_output(format!("the change set has no manifest for {id}")));
    match (&step.action, now) {
        (Action::Delete { .. }, None) | (Action::Create, None) => Ok(()),
        (Action::Delete { uid, digest }, Some(now)) => {
            if now["metadata"]["uid"] != *uid {
                return Err(moved(format!("{id} is another object of the same name")));
            }
            match is_going(now) || digest_of_object(now)? == *digest {
                true => Ok(()),
                false => Err(moved(format!("{id} was changed, and would be removed"))),
            }
        }
        (Action::Create, Some(now)) if is_going(now) => Ok(()),
        (Action::Create, Some(now)) => match next(stage, cx, wanted()?, now).await? {
            None => Ok(()),
            Some(_) => Err(foreign(id, now)),
        },
        (Action::Update { .. }, None) => Err(moved(format!("{id} was removed, and would be changed"))),
        (Action::Update { was, version }, Some(now)) => {
            if now["metadata"]["resourceVersion"] == *version {
                return Ok(());
            }
            match next(stage, cx, wanted()?, now).await? {
                None => Ok(()),
                Some(next) => stands(id, was, &next.was),
            }
        }
    }
}

fn foreign(id: &ObjectId, now: &Value) -> Error {
    let annotation = &now["metadata"]["annotations"]["meta.helm.sh/release-name"];
    let error = Error::conflict(format!("{id} is there already and is not this release's"));
    let error = match annotation.as_str() {
        Some(other) => error.note(format!("it is the release `{other}`'s")),
        None => error,
    };
    error.hint("remove it, give the release another name or namespace, or take it with `forceConflicts`")
}
