//! From what is desired to a change set. Reads only.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use shipway_cluster::MemoryCluster;
use shipway_core::{Change, ChangeSet, Deployment, Desired, Error, Manifests, ObjectId, Result, Verb};

use super::{
    change, lines,
    plan::{Action, Aim, Plan, Step},
    record::{self, Record, Status},
    render,
};

pub(super) fn diff(cluster: &MemoryCluster, desired: &Desired, namespace: &str) -> Result<ChangeSet> {
    let release = desired.release();
    let records = record::read(cluster, release)?;
    let mut draft =
        Draft { cluster, release, namespace, records: &records, steps: Vec::new(), changes: Vec::new() };
    let (aim, inventory) = match desired {
        Desired::Released { manifests, share: 100 } => draft.revision(manifests, false)?,
        Desired::Released { share, .. } => {
            return Err(Error::unsupported(format!("a share of {share} percent of the traffic"))
                .hint("the deployer `memory` releases to all of the traffic"));
        }
        Desired::Restored(deployment) => draft.revision(&deployment.manifests, true)?,
        Desired::Settled(deployment) => draft.settle(deployment)?,
        Desired::Absent(deployment) => draft.remove(deployment)?,
        _ => return Err(Error::unsupported("the deployer `memory` does not know what is desired")),
    };
    let live = record::live(&records).map(|record| record.revision);
    let plan = Plan { live, aim, steps: draft.steps, inventory };
    Ok(ChangeSet::new(desired.clone()).changes(draft.changes).state(plan.to_state()?))
}

struct Draft<'a> {
    cluster: &'a MemoryCluster,
    release: &'a str,
    namespace: &'a str,
    records: &'a [Record],
    steps: Vec<Step>,
    changes: Vec<Change>,
}

type Outcome = (Aim, BTreeSet<ObjectId>);

impl Draft<'_> {
    /// Makes these manifests live. What the release has besides stays until it is settled, so that there
    /// is a way back; on the way back itself, it goes at once.
    fn revision(&mut self, manifests: &Manifests, prune: bool) -> Result<Outcome> {
        let objects = render::parse(manifests, self.namespace)?;
        let recorded = record::inventory(self.records);
        for (id, object) in &objects {
            let step = change::step(self.cluster, id, object, recorded.contains(id), self.release)?;
            self.add(step);
        }
        let mut inventory: BTreeSet<ObjectId> = objects.into_iter().map(|(id, _)| id).collect();
        if prune {
            self.prune(&recorded, &inventory)?;
        } else {
            inventory.extend(recorded);
        }
        let live = record::live(self.records);
        let newest = self.records.last().map_or(0, |record| record.revision);
        // A newer record than the live one was cut: the objects may be in between, or its own.
        let is_live = live.is_some_and(|live| live.is(manifests) && live.revision == newest);
        if self.steps.is_empty() && is_live {
            return Ok((Aim::Nothing, inventory));
        }
        let revision = newest + 1;
        let namespace = manifests.release.namespace.as_deref().unwrap_or(self.namespace);
        let images: Vec<String> = manifests.release.images.iter().map(|image| image.reference()).collect();
        let shown = json!({"revision": revision, "images": images});
        self.record(record::id(self.release, revision, namespace), Verb::Create, None, Some(&shown));
        Ok((Aim::Revision(revision), inventory))
    }

    fn settle(&mut self, deployment: &Deployment) -> Result<Outcome> {
        let live = record::live(self.records);
        let Some(live) = live.filter(|live| live.deployment.revision == deployment.revision) else {
            return Err(Error::conflict(format!(
                "revision {} of release `{}` is not live any more",
                deployment.revision, self.release
            ))
            .hint("settle the live revision, which `history` gives"));
        };
        // Pruning would take objects away that a newer revision is about to need.
        if let Some(newer) = self.records.last().filter(|newest| newest.revision > live.revision) {
            return Err(Error::conflict(format!(
                "revision {} of release `{}` was begun and is not live",
                newer.revision, self.release
            ))
            .hint("release or restore a revision first"));
        }
        let own: BTreeSet<ObjectId> =
            render::ids(&live.deployment.manifests, self.namespace)?.into_iter().collect();
        self.prune(&record::inventory(self.records), &own)?;
        if self.steps.is_empty() && live.status == Status::Settled {
            return Ok((Aim::Nothing, own));
        }
        let (old, new) = (json!({"status": live.status}), json!({"status": Status::Settled}));
        self.record(live.id(self.namespace), Verb::Update, Some(&old), Some(&new));
        Ok((Aim::Settle(live.revision), own))
    }

    fn remove(&mut self, deployment: &Deployment) -> Result<Outcome> {
        let mut own = render::ids(&deployment.manifests, self.namespace)?;
        own.reverse();
        let mut recorded = record::inventory(self.records);
        recorded.retain(|id| !own.contains(id));
        for id in recorded.into_iter().chain(own) {
            let step = change::removal(self.cluster, &id, self.release)?;
            self.add(step);
        }
        for record in self.records {
            let shown = json!({"revision": record.revision, "status": record.status});
            self.record(record.id(self.namespace), Verb::Delete, Some(&shown), None);
        }
        let newest = self.records.last().map(|record| record.revision);
        Ok((newest.map_or(Aim::Nothing, Aim::Remove), BTreeSet::new()))
    }

    /// Removes what the release has and should not have.
    fn prune(&mut self, recorded: &BTreeSet<ObjectId>, kept: &BTreeSet<ObjectId>) -> Result<()> {
        for id in recorded.difference(kept) {
            let step = change::removal(self.cluster, id, self.release)?;
            self.add(step);
        }
        Ok(())
    }

    fn add(&mut self, step: Option<(Step, String)>) {
        let Some((step, text)) = step else { return };
        let verb = match step.action {
            Action::Create => Verb::Create,
            Action::Update(_) => Verb::Update,
            Action::Delete { .. } => Verb::Delete,
        };
        self.changes.push(Change::new(step.object.clone(), verb).diff(text));
        self.steps.push(step);
    }

    /// Adds the change of a record, of which the interesting part is shown.
    fn record(&mut self, id: ObjectId, verb: Verb, old: Option<&Value>, new: Option<&Value>) {
        self.changes.push(Change::new(id, verb).diff(lines::difference(old, new)));
    }
}
