//! A deployer that does everything right, and the wrongs that it can be told to do.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shipway_core::{
    Capabilities, Change, ChangeSet, Context, Deployer, Deployment, Desired, Error, ErrorKind, Feature,
    Health, Inputs, Level, Manifest, Manifests, ObjectId, Phase, Release, Result, State, Verb,
};

use super::shelf::Shelf;

/// One thing that a deployer does wrong; the clause that it breaks comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    Nothing,
    /// It is right too: it claims less, and refuses what it does not claim.
    NothingButLess,
    D1RendersWithACounter,
    D1AsksTheTargetToRender,
    D2LeavesALockInDiff,
    D2LeavesALockInARemoval,
    D3CountsEmptyApplies,
    D3FindsChangesForEver,
    D4RecordsEveryApply,
    D5Overwrites,
    D5OverwritesAndSaysSo,
    D5SaysThatItIsAway,
    D6TakesItsOwnHalfForSomebodyElses,
    D6GivesUpTheRecord,
    D7DoesNotExplain,
    D7IsHealthyAtOnce,
    D7WaitsWhileHealthy,
    D8KnowsOnlyItsOwn,
    D8RemembersNothing,
    D8RemembersAnother,
    D8RemovesOnlyItsOwn,
    D9MissesWhatIsGone,
    D9FailsTheSecondTime,
    D9RemovesForEver,
    D10RestoresNothing,
    D10ReturnsTheLiveOne,
    D10DoesNotRefuse,
    D11PrunesBeforeHealthy,
    D11PrunesNothing,
    D11SettlesForEver,
    D11DoesNotRefuse,
    D12RemovesEverything,
    D12TakesOver,
    D12CallsItAMistake,
    D13ShowsSecrets,
    D13TellsSecrets,
    D13ShowsAnnotations,
    D14IgnoresTheShare,
    D14DoesNotRefuse,
}

pub(crate) const WRONGS: &[(&str, Wrong)] = &[
    ("D1", Wrong::D1RendersWithACounter),
    ("D1", Wrong::D1AsksTheTargetToRender),
    ("D2", Wrong::D2LeavesALockInDiff),
    ("D2", Wrong::D2LeavesALockInARemoval),
    ("D3", Wrong::D3CountsEmptyApplies),
    ("D3", Wrong::D3FindsChangesForEver),
    ("D4", Wrong::D4RecordsEveryApply),
    ("D5", Wrong::D5Overwrites),
    ("D5", Wrong::D5OverwritesAndSaysSo),
    ("D5", Wrong::D5SaysThatItIsAway),
    ("D6", Wrong::D6TakesItsOwnHalfForSomebodyElses),
    ("D6", Wrong::D6GivesUpTheRecord),
    ("D7", Wrong::D7DoesNotExplain),
    ("D7", Wrong::D7IsHealthyAtOnce),
    ("D7", Wrong::D7WaitsWhileHealthy),
    ("D8", Wrong::D8KnowsOnlyItsOwn),
    ("D8", Wrong::D8RemembersNothing),
    ("D8", Wrong::D8RemembersAnother),
    ("D8", Wrong::D8RemovesOnlyItsOwn),
    ("D9", Wrong::D9MissesWhatIsGone),
    ("D9", Wrong::D9FailsTheSecondTime),
    ("D9", Wrong::D9RemovesForEver),
    ("D10", Wrong::D10RestoresNothing),
    ("D10", Wrong::D10ReturnsTheLiveOne),
    ("D10", Wrong::D10DoesNotRefuse),
    ("D11", Wrong::D11PrunesBeforeHealthy),
    ("D11", Wrong::D11PrunesNothing),
    ("D11", Wrong::D11SettlesForEver),
    ("D11", Wrong::D11DoesNotRefuse),
    ("D12", Wrong::D12RemovesEverything),
    ("D12", Wrong::D12TakesOver),
    ("D12", Wrong::D12CallsItAMistake),
    ("D13", Wrong::D13ShowsSecrets),
    ("D13", Wrong::D13TellsSecrets),
    ("D13", Wrong::D13ShowsAnnotations),
    ("D14", Wrong::D14IgnoresTheShare),
    ("D14", Wrong::D14DoesNotRefuse),
];

/// Puts a release's objects on a shelf, and a record of its deployments beside them.
#[derive(Debug)]
pub(crate) struct Stacker {
    shelf: Shelf,
    wrong: Wrong,
    rendered: AtomicU64,
    applied: Mutex<BTreeSet<String>>,
}

/// What a change set carries: every object as it was and as it will be.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Steps(Vec<Step>);

#[derive(Debug, Serialize, Deserialize)]
struct Step {
    object: ObjectId,
    before: Option<Value>,
    after: Option<Value>,
}

/// The deployments, the live one first.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    deployments: Vec<Deployment>,
    empty_applies: u64,
}

impl Stacker {
    pub(crate) fn new(shelf: &Shelf, wrong: Wrong) -> Self {
        Self { shelf: shelf.clone(), wrong, rendered: AtomicU64::new(0), applied: Mutex::default() }
    }

    fn is(&self, wrong: Wrong) -> bool {
        self.wrong == wrong
    }

    fn kept(&self, release: &str) -> Result<Option<Kept>> {
        let Some(value) = self.shelf.get(&record(release))? else { return Ok(None) };
        let kept = serde_json::from_value(value);
        kept.map(Some).map_err(|error| Error::bad_output("the record has another form").source(error))
    }

    fn keep(&self, release: &str, kept: &Kept) -> Result<()> {
        self.shelf.set(&record(release), Some(serde_json::to_value(kept).map_err(written)?))
    }

    /// Returns the objects of earlier deployments that these manifests do not have.
    fn gone(&self, manifests: &Manifests) -> Result<Vec<ObjectId>> {
        let kept = self.kept(&manifests.release.name)?.unwrap_or_default();
        let earlier = kept.deployments.iter().flat_map(|one| &one.manifests.objects);
        let has = |object: &ObjectId| manifests.objects.iter().any(|one| one.object == *object);
        let gone: BTreeSet<ObjectId> =
            earlier.map(|one| one.object.clone()).filter(|object| !has(object)).collect();
        Ok(gone.into_iter().collect())
    }

    /// Refuses manifests with an object that is there and that no deployment of the release made.
    fn refuse_theirs(&self, manifests: &Manifests) -> Result<()> {
        let kept = self.kept(&manifests.release.name)?.unwrap_or_default();
        for (object, wanted) in values(manifests)? {
            let mut made = kept.deployments.iter().flat_map(|one| &one.manifests.objects);
            let now = self.shelf.get(&object)?;
            if now.is_some() && now != wanted && !made.any(|one| one.object == object) {
                let what = format!("`{object}` is somebody else's");
                return Err(if self.is(Wrong::D12CallsItAMistake) {
                    Error::config(what)
                } else {
                    Error::conflict(what)
                });
            }
        }
        Ok(())
    }

    fn wanted(&self, desired: &Desired) -> Result<BTreeMap<ObjectId, Option<Value>>> {
        let mut wanted = BTreeMap::new();
        match desired {
            Desired::Released { manifests, share } => {
                let share = if self.is(Wrong::D14IgnoresTheShare) { 100 } else { *share };
                wanted.insert(route(&manifests.release.name), Some(json!({"share": share})));
                if !self.is(Wrong::D12TakesOver) {
                    self.refuse_theirs(manifests)?;
                }
                wanted.extend(values(manifests)?);
                if self.is(Wrong::D11PrunesBeforeHealthy) {
                    wanted.extend(self.gone(manifests)?.into_iter().map(|object| (object, None)));
                }
            }
            Desired::Restored(_) if self.is(Wrong::D10RestoresNothing) => {}
            Desired::Restored(deployment) => wanted.extend(values(&deployment.manifests)?),
            Desired::Settled(_) if self.is(Wrong::D11PrunesNothing) => {}
            Desired::Absent(deployment)
                if self.is(Wrong::D8RemovesOnlyItsOwn) && !self.has_applied(&deployment.revision) => {}
            Desired::Settled(deployment) => {
                wanted.extend(self.gone(&deployment.manifests)?.into_iter().map(|object| (object, None)));
            }
            Desired::Absent(deployment) => {
                let release = &deployment.manifests.release.name;
                if self.kept(release)?.is_none() && self.is(Wrong::D9MissesWhatIsGone) {
                    return Err(Error::not_found(format!("there is no release `{release}`")));
                }
                wanted.extend(deployment.manifests.objects.iter().map(|one| (one.object.clone(), None)));
                wanted.extend(self.gone(&deployment.manifests)?.into_iter().map(|object| (object, None)));
                if self.is(Wrong::D12RemovesEverything) {
                    wanted.extend(self.shelf.all()?.into_iter().map(|object| (object, None)));
                    wanted.remove(&record(release));
                }
                wanted.insert(route(release), None);
            }
            other => return Err(Error::unsupported(format!("`{other:?}` is not known"))),
        }
        Ok(wanted)
    }

    fn describe(&self, object: &ObjectId, after: Option<&Value>) -> String {
        match after {
            Some(Value::Object(fields)) if object.kind == "Secret" && !self.is(Wrong::D13ShowsSecrets) => {
                let shown = fields.get("metadata").filter(|_| self.is(Wrong::D13ShowsAnnotations));
                let shown = shown.map(|metadata| format!("+{metadata}\n"));
                fields.keys().map(|key| format!("+{key}: ***\n")).chain(shown).collect()
            }
            Some(value) => format!("+{value}\n"),
            None => "-all\n".to_owned(),
        }
    }

    /// Makes what is not made yet, and returns whether there was anything to make.
    fn make(&self, steps: &Steps) -> Result<bool> {
        let (mut open, mut moved) = (Vec::new(), None);
        for step in &steps.0 {
            let now = self.shelf.get(&step.object)?;
            if now == step.after {
                continue;
            }
            if now != step.before && !self.is(Wrong::D5Overwrites) {
                let what = format!("`{}` was changed meanwhile", step.object);
                match self.wrong {
                    Wrong::D5OverwritesAndSaysSo => moved = Some(Error::conflict(what)),
                    Wrong::D5SaysThatItIsAway => return Err(Error::new(ErrorKind::Unavailable, what)),
                    _ => return Err(Error::conflict(what)),
                }
            }
            open.push(step);
        }
        let half_made = !open.is_empty() && open.len() < steps.0.len();
        if half_made && self.is(Wrong::D6TakesItsOwnHalfForSomebodyElses) {
            return Err(Error::conflict("some objects were changed meanwhile"));
        }
        for step in &open {
            self.shelf.set(&step.object, step.after.clone())?;
        }
        moved.map_or(Ok(!open.is_empty()), Err)
    }

    fn has_applied(&self, revision: &str) -> bool {
        self.applied.lock().expect("no panic").contains(revision)
    }

    fn record(&self, cx: &Context, manifests: &Manifests, share: u8, made: bool) -> Result<Deployment> {
        let share = if self.is(Wrong::D14IgnoresTheShare) { 100 } else { share };
        let release = &manifests.release.name;
        let mut kept = self.kept(release)?.unwrap_or_default();
        let recorded =
            kept.deployments.first().is_some_and(|live| live.manifests == *manifests && live.share == share);
        let again = recorded && !made && self.is(Wrong::D4RecordsEveryApply);
        let lost = !recorded && !made && self.is(Wrong::D6GivesUpTheRecord);
        if (!recorded && !lost) || again {
            let revision = (kept.deployments.len() + 1).to_string();
            let deployment = Deployment::new(manifests.clone(), revision, cx.clock().now()).share(share);
            kept.deployments.insert(0, deployment);
            self.keep(release, &kept)?;
        }
        let live = kept.deployments.first().cloned();
        Ok(live.unwrap_or_else(|| Deployment::new(manifests.clone(), "0", cx.clock().now())))
    }
}

fn written(error: serde_json::Error) -> Error {
    Error::internal("it cannot be written as JSON").source(error)
}

fn record(release: &str) -> ObjectId {
    ObjectId::new("stacker/v1", "Record", release)
}

/// The object that says how much of the traffic a release gets.
fn route(release: &str) -> ObjectId {
    ObjectId::new("stacker/v1", "Route", release)
}

fn values(manifests: &Manifests) -> Result<Vec<(ObjectId, Option<Value>)>> {
    let value = |manifest: &Manifest| {
        let value = serde_json::from_str(&manifest.text);
        let value = value.map_err(|error| Error::config("a manifest is not JSON").source(error))?;
        Ok((manifest.object.clone(), Some(value)))
    };
    manifests.objects.iter().map(value).collect()
}

fn manifest(release: &Release, api_version: &str, kind: &str, name: &str, spec: &Value) -> Manifest {
    let object = ObjectId::new(api_version, kind, name).namespace(release.namespace.clone());
    let text = json!({
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {"name": name, "namespace": release.namespace},
        "spec": spec,
    });
    Manifest::new(object, text.to_string())
}

#[async_trait]
impl Deployer for Stacker {
    fn capabilities(&self) -> Capabilities {
        if self.is(Wrong::NothingButLess) {
            return Capabilities::new();
        }
        let mut features =
            BTreeSet::from([Feature::OfflineRender, Feature::Restore, Feature::Settle, Feature::Share]);
        if self.is(Wrong::D14DoesNotRefuse) {
            features.remove(&Feature::Share);
        }
        if self.is(Wrong::D10DoesNotRefuse) {
            features.remove(&Feature::Restore);
        }
        if self.is(Wrong::D11DoesNotRefuse) {
            features.remove(&Feature::Settle);
        }
        Capabilities::new().features(features)
    }

    async fn inputs(&self, _cx: &Context) -> Result<Inputs> {
        Ok(Inputs::new())
    }

    async fn render(&self, _cx: &Context, release: &Release) -> Result<Manifests> {
        if self.is(Wrong::D1AsksTheTargetToRender) {
            self.shelf.all()?;
        }
        let count = self.rendered.fetch_add(1, Ordering::SeqCst);
        let images: Vec<String> = release.images.iter().map(|image| image.reference()).collect();
        let label = if self.is(Wrong::D1RendersWithACounter) { count } else { 0 };
        let name = format!("{}-settings", release.name);
        Ok(Manifests::new(release.clone()).objects(vec![
            manifest(
                release,
                "apps/v1",
                "Deployment",
                &release.name,
                &json!({"images": images, "label": label}),
            ),
            manifest(release, "v1", "ConfigMap", &name, &json!({"release": release.name})),
        ]))
    }

    async fn history(&self, _cx: &Context, release: &str) -> Result<Vec<Deployment>> {
        if self.is(Wrong::D8RemembersNothing) {
            return Ok(Vec::new());
        }
        let mut deployments = self.kept(release)?.unwrap_or_default().deployments;
        if self.is(Wrong::D8RemembersAnother) {
            deployments.iter_mut().for_each(|one| one.revision.push('a'));
        }
        Ok(deployments)
    }

    async fn diff(&self, cx: &Context, desired: &Desired) -> Result<ChangeSet> {
        let removes = matches!(desired, Desired::Absent(_));
        if self.is(Wrong::D2LeavesALockInDiff) || removes && self.is(Wrong::D2LeavesALockInARemoval) {
            self.shelf.set(&ObjectId::new("stacker/v1", "Lock", desired.release()), Some(json!({})))?;
        }
        let claimed = matches!(desired, Desired::Released { share: 100, .. } | Desired::Absent(_));
        if !claimed && self.is(Wrong::NothingButLess) {
            return Err(Error::unsupported("it only releases and removes"));
        }
        let (mut changes, mut steps) = (Vec::new(), Steps::default());
        for (object, after) in self.wanted(desired)? {
            let before = self.shelf.get(&object)?;
            let for_ever = match desired {
                Desired::Released { .. } => self.is(Wrong::D3FindsChangesForEver),
                _ => false,
            };
            if before == after && !for_ever {
                continue;
            }
            let verb = match (&before, &after) {
                (None, _) => Verb::Create,
                (Some(_), Some(_)) => Verb::Update,
                (Some(_), None) => Verb::Delete,
            };
            if object.kind == "Secret" && self.is(Wrong::D13TellsSecrets) {
                cx.message(Level::Info, after.as_ref().map(ToString::to_string).unwrap_or_default());
            }
            changes.push(Change::new(object.clone(), verb).diff(self.describe(&object, after.as_ref())));
            steps.0.push(Step { object, before, after });
        }
        let settles = matches!(desired, Desired::Settled(_));
        if settles && self.is(Wrong::D11SettlesForEver) || removes && self.is(Wrong::D9RemovesForEver) {
            changes.push(Change::new(record(desired.release()), Verb::Update));
        }
        Ok(ChangeSet::new(desired.clone()).changes(changes).state(State::new(1, &steps)?))
    }

    async fn apply(&self, cx: &Context, changes: &ChangeSet) -> Result<Deployment> {
        let steps: Steps = match &changes.state {
            Some(state) => state.read(1)?,
            None => return Err(Error::conflict("the change set carries no steps")),
        };
        let release = changes.desired.release();
        if changes.changes.is_empty() && self.is(Wrong::D3CountsEmptyApplies) {
            let mut kept = self.kept(release)?.unwrap_or_default();
            kept.empty_applies += 1;
            self.keep(release, &kept)?;
        }
        let made = self.make(&steps)? || changes.changes.is_empty();
        let deployment = match &changes.desired {
            Desired::Released { manifests, share } => self.record(cx, manifests, *share, made)?,
            Desired::Restored(deployment) => {
                let live = self.kept(release)?.and_then(|kept| kept.deployments.into_iter().next());
                let restored = self.record(cx, &deployment.manifests, 100, made)?;
                live.filter(|_| self.is(Wrong::D10ReturnsTheLiveOne)).unwrap_or(restored)
            }
            Desired::Absent(deployment) => {
                if self.kept(release)?.is_none() && self.is(Wrong::D9FailsTheSecondTime) {
                    return Err(Error::not_found(format!("there is no release `{release}`")));
                }
                if self.kept(release)?.is_some() {
                    self.shelf.set(&record(release), None)?;
                }
                deployment.clone()
            }
            Desired::Settled(deployment) => deployment.clone(),
            other => return Err(Error::unsupported(format!("`{other:?}` is not known"))),
        };
        self.applied.lock().expect("no panic").insert(deployment.revision.clone());
        Ok(deployment)
    }

    async fn health(&self, _cx: &Context, deployment: &Deployment) -> Result<Health> {
        if !self.has_applied(&deployment.revision) && self.is(Wrong::D8KnowsOnlyItsOwn) {
            return Err(Error::not_found(format!("there is no deployment `{}`", deployment.revision)));
        }
        if self.shelf.well()? || self.is(Wrong::D7IsHealthyAtOnce) {
            let waits = self.is(Wrong::D7WaitsWhileHealthy).then(|| "a moment".to_owned());
            return Ok(Health::new(Phase::Healthy).waiting_for(waits.into_iter().collect::<Vec<_>>()));
        }
        let health = Health::new(Phase::Progressing);
        if self.is(Wrong::D7DoesNotExplain) {
            return Ok(health);
        }
        Ok(health.waiting_for(vec![format!("0 of 1 of `{}` is ready", deployment.manifests.release.name)]))
    }
}
