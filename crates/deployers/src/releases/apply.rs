//! Applying a change set: exactly its changes, resumable wherever it was cut.
//!
//! The order makes it so. First all is looked at, so that what is stale changes nothing. Then the release's set
//! is told of all kinds that it may have, and the new revision is recorded as pending; then the objects; then the
//! record is marked live. Whoever comes after a cut finds either the old revision live, or the new one.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures_util::FutureExt;
use serde_json::Value;
use shipway_cluster::group;
use shipway_core::{
    ChangeSet, Context, Deployment, Desired, Error, ErrorKind, Manifests, ObjectId, Result, Stage,
};

use super::{
    Releases,
    apply_set::Extent,
    at_once::at_once,
    change::{self, moved},
    diff::is_whole,
    live::Live,
    objects::{Key, rank},
    plan::{Action, Aim, Plan, Step},
    record::{self, Record, Status},
    waves,
};

/// How often it is looked whether the cluster serves what was defined a moment ago.
const SERVED_AGAIN: Duration = Duration::from_millis(50);

pub(super) async fn apply(releases: &Releases, cx: &Context, changes: &ChangeSet) -> Result<Deployment> {
    let plan = Plan::of(changes)?;
    if let (Aim::Nothing, Desired::Settled(deployment)) = (plan.aim, &changes.desired)
        && is_whole(releases, cx, deployment).await?
    {
        return Ok(deployment.clone());
    }
    let release = changes.desired.release();
    let set = releases.apply_set(release);
    let (records, extent) = tokio::try_join!(releases.records(cx, release), set.extent(releases, cx))?;
    let work = Work { releases, cx, plan: &plan, release, records, extent };
    match (plan.aim, &changes.desired) {
        (Aim::Revision(revision), Desired::Released { manifests, .. }) => {
            work.revision(revision, manifests).await
        }
        (Aim::Revision(revision), Desired::Restored(deployment)) => {
            work.revision(revision, &deployment.manifests).await
        }
        (Aim::Settle(revision), Desired::Settled(_)) => work.settle(revision).await,
        (Aim::Remove(newest), Desired::Absent(deployment)) => work.remove(newest, deployment).await,
        (Aim::Nothing, Desired::Absent(deployment)) => work.remove(0, deployment).await,
        (Aim::Nothing, _) => work.nothing(),
        _ => Err(Error::bad_output("the change set's state is not of what is desired")
            .hint("apply a change set that `diff` made")),
    }
}

struct Work<'a> {
    releases: &'a Releases,
    cx: &'a Context,
    plan: &'a Plan,
    release: &'a str,
    records: Vec<Record>,
    extent: Extent,
}

/// What the steps are made of.
struct Made {
    desired: BTreeMap<Key, Value>,
    there: Live,
}

impl Made {
    /// Returns what a step is to make of what is there.
    fn of(&self, step: &Step) -> (Option<&Value>, Option<&Value>) {
        (self.desired.get(&Key::of(&step.object)), self.there.get(&step.object))
    }
}

impl Work<'_> {
    fn nothing(self) -> Result<Deployment> {
        self.live_is(&[])?;
        let live = record::live(&self.records).map(|record| record.deployment.clone());
        live.ok_or_else(|| moved(format!("release `{}` is gone", self.release)))
    }

    async fn revision(self, revision: u64, manifests: &Manifests) -> Result<Deployment> {
        self.live_is(&[revision])?;
        self.newest_is(revision)?;
        let there = self.records.iter().find(|record| record.revision == revision);
        if let Some(there) = there.filter(|there| !there.is(manifests) || there.status == Status::Failed) {
            return Err(moved(format!(
                "revision {} of release `{}` became another",
                there.revision, self.release
            )));
        }
        let objects = self.releases.objects(self.cx, manifests).await?;
        let ids: Vec<ObjectId> = objects.iter().map(|(id, _)| id.clone()).collect();
        let made = self.look(objects).await?;
        // The records may be in a namespace of the release's own.
        self.make(&made, |step| rank(&step.object) == 0 && !is_removal(step)).await?;
        let set = self.releases.apply_set(self.release);
        let extent = self.extent.with(&ids, &set);
        if extent != self.extent {
            self.go_on()?;
            set.write(self.releases, self.cx, &self.extent, &extent).await?;
        }
        let record = match there {
            Some(there) => there.clone(),
            None => {
                self.go_on()?;
                let deployment =
                    Deployment::new(manifests.clone(), revision.to_string(), self.cx.clock().now());
                let record = Record::pending(revision, deployment.share(100_u8));
                self.written(record.create(self.releases, self.cx).await)?
            }
        };
        self.make(&made, |step| rank(&step.object) == 1 && !is_removal(step)).await?;
        self.served(&ids).await?;
        self.make_in_waves(&made, &ids).await?;
        self.remove_in_order(&made).await?;
        let deployment = record.deployment.clone();
        if record.status == Status::Pending {
            self.written(record.mark(self.releases, self.cx, Status::Live).await)?;
        }
        self.releases.tidy(self.cx, self.release, revision).await?;
        Ok(deployment)
    }

    async fn settle(self, revision: u64) -> Result<Deployment> {
        self.live_is(&[])?;
        let live = record::live(&self.records).filter(|live| live.revision == revision);
        let live = live.cloned().ok_or_else(|| moved(format!("revision {revision} was replaced")))?;
        self.newest_is(revision)?;
        let made = self.look(Vec::new()).await?;
        self.remove_in_order(&made).await?;
        let deployment = live.deployment.clone();
        let objects = self.releases.objects(self.cx, &deployment.manifests).await?;
        let set = self.releases.apply_set(self.release);
        // What stays though the release does not have it any more is still the set's.
        let members = made.there.members()?;
        let stays = |id: &ObjectId| !self.plan.steps.iter().any(|step| Key::of(&step.object) == Key::of(id));
        let stays = members.iter().map(|(id, _)| id).filter(|id| stays(id));
        let extent = self.extent.only(objects.iter().map(|(id, _)| id).chain(stays), &set);
        set.write(self.releases, self.cx, &self.extent, &extent).await?;
        if live.status != Status::Settled {
            self.written(live.mark(self.releases, self.cx, Status::Settled).await)?;
        }
        Ok(deployment)
    }

    async fn remove(self, newest: u64, deployment: &Deployment) -> Result<Deployment> {
        // Records go with the newest last, and then what says which kinds there may be, so that what was cut is
        // still known; all may be gone already.
        if record::live(&self.records).is_some() {
            self.live_is(&[])?;
        }
        self.newest_is(newest)?;
        let made = self.look(Vec::new()).await?;
        self.remove_in_order(&made).await?;
        // The namespace of the records takes what holds this apply along: nobody is there to wait for it.
        let of_records = |id: &ObjectId| rank(id) == 0 && id.name == self.releases.namespace;
        let removed = self.plan.steps.iter().filter_map(|step| match &step.action {
            Action::Delete { uid, .. } if !of_records(&step.object) => Some((&step.object, uid)),
            _ => None,
        });
        let ids: Vec<&ObjectId> = removed.clone().map(|(id, _)| id).collect();
        let left = Live::read(self.releases, self.cx, self.release, &Extent::default(), &ids).await?;
        for (id, uid) in removed.filter(|(id, _)| left.get(id).is_some()) {
            change::gone(self.releases, self.cx, id, Some(uid)).await?;
        }
        for record in &self.records {
            self.go_on()?;
            self.releases.api.delete(self.cx, &record.id(self.releases), None).await?;
        }
        self.go_on()?;
        self.releases.apply_set(self.release).remove(self.releases, self.cx).await?;
        Ok(deployment.clone().share(0_u8))
    }

    /// Checks that the live revision is the one that was live at `diff`, or one of these.
    fn live_is(&self, or: &[u64]) -> Result<()> {
        let live = record::live(&self.records).map(|record| record.revision);
        if live == self.plan.live || live.is_some_and(|live| or.contains(&live)) {
            return Ok(());
        }
        Err(moved(match live {
            Some(live) => format!("revision {live} of release `{}` is live", self.release),
            None => format!("release `{}` is gone", self.release),
        }))
    }

    /// Checks that nobody began a newer revision.
    fn newest_is(&self, revision: u64) -> Result<()> {
        match self.records.last().filter(|newest| newest.revision > revision) {
            None => Ok(()),
            Some(newer) => {
                Err(moved(format!("revision {} of release `{}` was begun", newer.revision, self.release)))
            }
        }
    }

    /// Checks that every step can still be made, before any is.
    async fn look(&self, objects: Vec<(ObjectId, Value)>) -> Result<Made> {
        let ids: Vec<&ObjectId> = self.plan.steps.iter().map(|step| &step.object).collect();
        let there = Live::read(self.releases, self.cx, self.release, &self.extent, &ids).await?;
        let desired = objects.into_iter().map(|(id, object)| (Key::of(&id), object)).collect();
        let made = Made { desired, there };
        let mut looks = Vec::with_capacity(self.plan.steps.len());
        for step in &self.plan.steps {
            let (desired, now) = made.of(step);
            looks.push(change::look(self.releases, self.cx, step, desired, now).boxed());
        }
        at_once(looks).await?;
        Ok(made)
    }

    /// Makes some of the steps.
    async fn make(&self, made: &Made, which: impl Fn(&Step) -> bool) -> Result<()> {
        let mut making = Vec::new();
        for step in self.plan.steps.iter().filter(|step| which(step)) {
            let (desired, now) = made.of(step);
            let one = async move {
                self.go_on()?;
                change::make(self.releases, self.cx, step, desired, now).await
            };
            making.push(one.boxed());
        }
        at_once(making).await.map(drop)
    }

    /// Makes what is neither a namespace nor a definition, wave after wave.
    async fn make_in_waves(&self, made: &Made, ids: &[ObjectId]) -> Result<()> {
        let desired = |id: &ObjectId| made.desired.get(&Key::of(id)).unwrap_or(&Value::Null);
        let mut objects = BTreeMap::<i64, Vec<(&ObjectId, &Value)>>::new();
        for id in ids.iter().filter(|id| rank(id) == 2) {
            objects.entry(waves::wave(id, desired(id))?).or_default().push((id, desired(id)));
        }
        let mut steps = BTreeMap::<i64, BTreeSet<Key>>::new();
        for step in self.plan.steps.iter().filter(|step| rank(&step.object) == 2 && !is_removal(step)) {
            let wave = waves::wave(&step.object, desired(&step.object))?;
            steps.entry(wave).or_default().insert(Key::of(&step.object));
        }
        for (wave, keys) in &steps {
            let before: Vec<_> = objects.range(..wave).flat_map(|(_, objects)| objects).copied().collect();
            if let Some(eyes) = self.releases.eyes.as_deref().filter(|_| !before.is_empty()) {
                waves::work(self.releases, self.cx, eyes, self.release, &before).await?;
            }
            self.make(made, |step| !is_removal(step) && keys.contains(&Key::of(&step.object))).await?;
        }
        Ok(())
    }

    /// Removes what is to be removed: later waves before earlier ones, and what is in namespaces and what is defined before what holds and defines it.
    async fn remove_in_order(&self, made: &Made) -> Result<()> {
        let mut order = BTreeMap::<_, BTreeSet<Key>>::new();
        for step in self.plan.steps.iter().filter(|step| is_removal(step)) {
            // What is there may say anything by now.
            let wave = made.there.get(&step.object).and_then(|now| waves::wave(&step.object, now).ok());
            let place = (rank(&step.object), wave.unwrap_or_default());
            order.entry(place).or_default().insert(Key::of(&step.object));
        }
        for keys in order.values().rev() {
            self.make(made, |step| is_removal(step) && keys.contains(&Key::of(&step.object))).await?;
        }
        Ok(())
    }

    /// Waits until the cluster serves every kind of these objects: a definition takes a moment.
    async fn served(&self, ids: &[ObjectId]) -> Result<()> {
        let defined = self.plan.steps.iter().any(|step| rank(&step.object) == 1 && !is_removal(step));
        for id in ids.iter().filter(|_| defined) {
            let version = id.api_version.rsplit('/').next();
            while self
                .releases
                .api
                .served(self.cx, group(&id.api_version), version, &id.kind)
                .await?
                .is_none()
            {
                self.go_on()?;
                self.cx.clock().sleep(SERVED_AGAIN).await;
            }
        }
        Ok(())
    }

    /// Stops between two writes, if a person forces it; a request to stop lets an apply end.
    fn go_on(&self) -> Result<()> {
        match self.cx.cancel().state() {
            Some((Stage::Forced, reason)) => Err(Error::cancelled(reason.to_string())
                .hint("applying the same changes again goes on where this stopped")),
            _ => Ok(()),
        }
    }

    /// Says what it means that a record is not as it was read.
    fn written(&self, record: Result<Record>) -> Result<Record> {
        record.map_err(|error| match error.kind() {
            ErrorKind::Conflict | ErrorKind::NotFound => {
                moved(format!("somebody else works on release `{}`", self.release)).source(error)
            }
            _ => error,
        })
    }
}

fn is_removal(step: &Step) -> bool {
    matches!(step.action, Action::Delete { .. })
}
