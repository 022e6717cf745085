//! Applying a change set: exactly its changes, resumable wherever it was cut.
//!
//! The order makes it so. First all is looked at, so that what is stale changes nothing. Then the new
//! revision is recorded as pending, with everything it may leave behind; then the objects; then the
//! record is marked live. Whoever comes after a cut finds either the old revision live, or the new one.

use std::collections::BTreeMap;

use serde_json::Value;
use shipway_cluster::MemoryCluster;
use shipway_core::{
    ChangeSet, Context, Deployment, Desired, Error, ErrorKind, Manifests, ObjectId, Result, Stage,
};

use super::{
    change::{self, moved},
    plan::{Aim, Plan},
    record::{self, Record, Status},
    render,
};

pub(super) fn apply(
    cluster: &MemoryCluster,
    cx: &Context,
    changes: &ChangeSet,
    namespace: &str,
) -> Result<Deployment> {
    let plan = Plan::of(changes)?;
    let release = changes.desired.release();
    let records = record::read(cluster, release)?;
    let work = Work { cluster, cx, plan: &plan, release, namespace, records };
    match (plan.aim, &changes.desired) {
        (Aim::Revision(revision), Desired::Released { manifests, .. }) => work.revision(revision, manifests),
        (Aim::Revision(revision), Desired::Restored(deployment)) => {
            work.revision(revision, &deployment.manifests)
        }
        (Aim::Settle(revision), Desired::Settled(_)) => work.settle(revision),
        (Aim::Remove(newest), Desired::Absent(deployment)) => work.remove(newest, deployment),
        (Aim::Nothing, Desired::Absent(deployment)) => work.remove(0, deployment),
        (Aim::Nothing, _) => work.nothing(),
        _ => Err(Error::bad_output("the change set's state is not of what is desired")
            .hint("apply a change set that `diff` made")),
    }
}

struct Work<'a> {
    cluster: &'a MemoryCluster,
    cx: &'a Context,
    plan: &'a Plan,
    release: &'a str,
    namespace: &'a str,
    records: Vec<Record>,
}

impl Work<'_> {
    fn nothing(self) -> Result<Deployment> {
        self.live_is(&[])?;
        let live = record::live(&self.records).map(|record| record.deployment.clone());
        live.ok_or_else(|| moved(format!("release `{}` is gone", self.release)))
    }

    fn revision(self, revision: u64, manifests: &Manifests) -> Result<Deployment> {
        self.live_is(&[revision])?;
        self.newest_is(revision)?;
        let there = self.records.iter().find(|record| record.revision == revision);
        if let Some(there) = there.filter(|there| !there.is(manifests) || there.status == Status::Failed) {
            return Err(moved(format!(
                "revision {} of release `{}` became another",
                there.revision, self.release
            )));
        }
        let objects: BTreeMap<ObjectId, Value> =
            render::parse(manifests, self.namespace)?.into_iter().collect();
        self.steps(&objects, true)?;
        let record = match there {
            Some(there) => there.clone(),
            None => {
                self.go_on()?;
                let deployment =
                    Deployment::new(manifests.clone(), revision.to_string(), self.cx.clock().now());
                let inventory = self.plan.inventory.clone();
                let record = Record::pending(revision, deployment.share(100_u8), inventory);
                self.written(record.create(self.cluster, self.namespace))?
            }
        };
        self.steps(&objects, false)?;
        let deployment = record.deployment.clone();
        if record.status == Status::Pending {
            self.written(record.mark(self.cluster, self.namespace, Status::Live))?;
        }
        record::tidy(self.cluster, self.release, revision, self.namespace)?;
        Ok(deployment)
    }

    fn settle(self, revision: u64) -> Result<Deployment> {
        self.live_is(&[])?;
        let live = record::live(&self.records).filter(|live| live.revision == revision);
        let mut live = live.cloned().ok_or_else(|| moved(format!("revision {revision} was replaced")))?;
        self.newest_is(revision)?;
        let objects = BTreeMap::new();
        self.steps(&objects, true)?;
        self.steps(&objects, false)?;
        let deployment = live.deployment.clone();
        if live.status != Status::Settled || live.inventory != self.plan.inventory {
            live.inventory.clone_from(&self.plan.inventory);
            self.written(live.mark(self.cluster, self.namespace, Status::Settled))?;
        }
        Ok(deployment)
    }

    fn remove(self, newest: u64, deployment: &Deployment) -> Result<Deployment> {
        // Records go with the newest last, so that what was cut is still known by its inventory; all
        // may be gone already.
        if record::live(&self.records).is_some() {
            self.live_is(&[])?;
        }
        self.newest_is(newest)?;
        let objects = BTreeMap::new();
        self.steps(&objects, true)?;
        self.steps(&objects, false)?;
        for record in &self.records {
            self.go_on()?;
            self.cluster.delete(&record.id(self.namespace), None)?;
        }
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

    fn steps(&self, objects: &BTreeMap<ObjectId, Value>, look: bool) -> Result<()> {
        for step in &self.plan.steps {
            if !look {
                self.go_on()?;
            }
            change::make(self.cluster, step, objects.get(&step.object), look)?;
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
