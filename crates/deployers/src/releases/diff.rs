//! From what is desired to a change set. Reads only.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::FutureExt;
use serde_json::{Value, json};
use shipway_cluster::{Selector, group, object_id};
use shipway_core::{
    Change, ChangeSet, Context, Deployment, Desired, Error, ErrorKind, Level, Manifests, ObjectId, Result,
    Verb,
};

use super::{
    Releases,
    apply_set::Extent,
    at_once::at_once,
    change, lines,
    live::Live,
    objects::{Key, rank},
    plan::{Action, Aim, Plan, Step},
    record::{self, Record, Status},
};

pub(super) async fn diff(releases: &Releases, cx: &Context, desired: &Desired) -> Result<ChangeSet> {
    if let Desired::Settled(deployment) = desired
        && is_whole(releases, cx, deployment).await?
    {
        let plan = Plan { live: deployment.revision.parse().ok(), aim: Aim::Nothing, steps: Vec::new() };
        return Ok(ChangeSet::new(desired.clone()).state(plan.to_state()?));
    }
    let release = desired.release();
    let set = releases.apply_set(release);
    let (records, extent) = tokio::try_join!(releases.records(cx, release), set.extent(releases, cx))?;
    let mut draft = Draft {
        releases,
        cx,
        release,
        records: &records,
        extent,
        steps: Vec::new(),
        changes: Vec::new(),
        rights: BTreeSet::new(),
    };
    let aim = match desired {
        Desired::Released { manifests, share: 100 } => draft.revision(manifests, false).await?,
        Desired::Released { share, .. } => {
            return Err(Error::unsupported(format!("a share of {share} percent of the traffic"))
                .hint("this deployer releases to all of the traffic"));
        }
        Desired::Restored(deployment) => draft.revision(&deployment.manifests, true).await?,
        Desired::Settled(deployment) => draft.settle(deployment).await?,
        Desired::Absent(_) => draft.remove().await?,
        _ => return Err(Error::unsupported("this deployer does not know what is desired")),
    };
    draft.check_rights().await?;
    let live = record::live(&records).map(|record| record.revision);
    let plan = Plan { live, aim, steps: draft.steps };
    Ok(ChangeSet::new(desired.clone()).changes(draft.changes).state(plan.to_state()?))
}

struct Draft<'a> {
    releases: &'a Releases,
    cx: &'a Context,
    release: &'a str,
    records: &'a [Record],
    extent: Extent,
    steps: Vec<Step>,
    changes: Vec<Change>,
    /// What one must be allowed to do.
    rights: BTreeSet<Right>,
}

/// For how long what was seen is believed, where nothing is to be written.
const MOMENT: Duration = Duration::from_secs(5);

/// A settled release that was seen as it should be, with nothing besides; or that this was not seen.
#[derive(Default)]
struct Whole {
    /// When, on the clock's own scale.
    at: Option<Duration>,
    /// What was seen, for the one who looks next.
    seen: Mutex<Option<Seen>>,
}

/// A release's objects as they should be, and as they are.
pub(crate) type Seen = (Vec<(ObjectId, Value)>, Live);

/// Returns what the diff of this run saw of a deployment a moment ago, where nothing had to change: to the first who asks.
pub(super) async fn seen(releases: &Releases, cx: &Context, deployment: &Deployment) -> Result<Option<Seen>> {
    let whole = whole(releases, cx, deployment).await?;
    Ok(whole.seen.lock().unwrap_or_else(PoisonError::into_inner).take())
}

/// Returns whether the diff of this run saw a moment ago that a deployment is live, settled, and without anything besides:
/// then there is nothing to settle.
pub(super) async fn is_whole(releases: &Releases, cx: &Context, deployment: &Deployment) -> Result<bool> {
    let whole = whole(releases, cx, deployment).await?;
    Ok(whole.at.is_some_and(|at| cx.clock().elapsed().saturating_sub(at) < MOMENT))
}

async fn whole(releases: &Releases, cx: &Context, deployment: &Deployment) -> Result<Arc<Whole>> {
    let key = key(releases, &deployment.manifests.release.name, &deployment.revision);
    cx.once(&key, async { Ok(Whole::default()) }).await
}

fn key(releases: &Releases, release: &str, revision: &str) -> String {
    format!("{} {revision}", releases.apply_set(release).id())
}

/// To do something with objects of a kind.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Right {
    verb: &'static str,
    api_version: String,
    kind: String,
    namespace: Option<String>,
}

impl Draft<'_> {
    /// Makes these manifests live. What the release has besides stays until it is settled, so that there
    /// is a way back; on the way back itself, it goes at once.
    async fn revision(&mut self, manifests: &Manifests, prune: bool) -> Result<Aim> {
        let (releases, cx) = (self.releases, self.cx);
        let objects = releases.objects(cx, manifests).await?;
        let ids: Vec<&ObjectId> = objects.iter().map(|(id, _)| id).collect();
        let there = Live::read(releases, cx, self.release, &self.extent, &ids).await?;
        let mut steps = Vec::with_capacity(objects.len());
        for (id, object) in &objects {
            steps.push(change::step(releases, cx, id, object, there.get(id)).boxed());
        }
        for step in at_once(steps).await?.into_iter().flatten() {
            self.add(step);
        }
        if prune {
            self.prune(&there, ids.iter().copied()).await?;
        }
        let live = record::live(self.records);
        let newest = self.records.last().map_or(0, |record| record.revision);
        // A newer record than the live one was cut: the objects may be in between, or its own.
        let is_live = live.is_some_and(|live| live.is(manifests) && live.revision == newest);
        if self.steps.is_empty() && is_live {
            self.note_whole(there, objects, manifests).await?;
            return Ok(Aim::Nothing);
        }
        // What was begun and is the same is gone on with.
        let begun = self.records.last().filter(|last| last.status == Status::Pending && last.is(manifests));
        if let Some(begun) = begun {
            let (old, new) = (json!({"status": begun.status}), json!({"status": Status::Live}));
            self.record(begun.id(releases), Verb::Update, Some(&old), Some(&new));
            return Ok(Aim::Revision(begun.revision));
        }
        let revision = newest + 1;
        let images: Vec<String> = manifests.release.images.iter().map(|image| image.reference()).collect();
        let shown = json!({"revision": revision, "images": images});
        self.record(record::id(self.release, revision, releases), Verb::Create, None, Some(&shown));
        Ok(Aim::Revision(revision))
    }

    /// Notes for the rest of the run that the release is as it should be, with nothing besides: settling it need not look
    /// again, and how it fares is seen in what was seen here.
    async fn note_whole(
        &self,
        there: Live,
        objects: Vec<(ObjectId, Value)>,
        manifests: &Manifests,
    ) -> Result<()> {
        // All of these are there, or they were to be made: as many are these.
        let none_besides = there.count() == objects.len();
        let settled = record::live(self.records)
            .filter(|live| none_besides && live.status == Status::Settled && live.is(manifests));
        if let Some(live) = settled {
            let at = Some(self.cx.clock().elapsed());
            let whole = Whole { at, seen: Mutex::new(Some((objects, there))) };
            self.cx.once(&self.key(live), async { Ok(whole) }).await?;
        }
        Ok(())
    }

    fn key(&self, live: &Record) -> String {
        key(self.releases, self.release, &live.deployment.revision)
    }

    async fn settle(&mut self, deployment: &Deployment) -> Result<Aim> {
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
        let objects = self.releases.objects(self.cx, &live.deployment.manifests).await?;
        let there = Live::read(self.releases, self.cx, self.release, &self.extent, &[]).await?;
        self.prune(&there, objects.iter().map(|(id, _)| id)).await?;
        if self.steps.is_empty() && live.status == Status::Settled {
            return Ok(Aim::Nothing);
        }
        let (old, new) = (json!({"status": live.status}), json!({"status": Status::Settled}));
        self.record(live.id(self.releases), Verb::Update, Some(&old), Some(&new));
        Ok(Aim::Settle(live.revision))
    }

    async fn remove(&mut self) -> Result<Aim> {
        let there = Live::read(self.releases, self.cx, self.release, &self.extent, &[]).await?;
        self.prune(&there, []).await?;
        for record in self.records {
            let shown = json!({"revision": record.revision, "status": record.status});
            self.record(record.id(self.releases), Verb::Delete, Some(&shown), None);
        }
        let newest = self.records.last().map(|record| record.revision);
        Ok(newest.map_or(Aim::Nothing, Aim::Remove))
    }

    /// Removes what the release has and should not have.
    async fn prune<'i>(
        &mut self,
        there: &Live,
        kept: impl IntoIterator<Item = &'i ObjectId> + Send,
    ) -> Result<()> {
        let kept: BTreeSet<Key> = kept.into_iter().map(Key::of).collect();
        let mut going = there.members()?;
        going.retain(|(id, _)| !kept.contains(&Key::of(id)));
        let keys: BTreeSet<Key> = going.iter().map(|(id, _)| Key::of(id)).collect();
        for (id, now) in going {
            match rank(&id) == 1 {
                true => match self.used(now, &keys).await? {
                    Some(by) => self.cx.message(
                        Level::Warning,
                        format!("{id} stays, although the release does not have it any more: {by}"),
                    ),
                    None => self.add(change::removal(&id, now)?),
                },
                false => self.add(change::removal(&id, now)?),
            }
        }
        Ok(())
    }

    /// Says for what a definition is needed besides what goes too: with it all objects of its kind would go,
    /// whoever made them.
    async fn used(&self, definition: &Value, going: &BTreeSet<Key>) -> Result<Option<String>> {
        let spec = &definition["spec"];
        let versions = spec["versions"].as_array().into_iter().flatten();
        let served = versions.filter(|version| version["served"] == true);
        let (Some(group), Some(kind), Some(version)) = (
            spec["group"].as_str(),
            spec["names"]["kind"].as_str(),
            served.filter_map(|version| version["name"].as_str()).next(),
        ) else {
            return Ok(None);
        };
        let selector = Selector::new().kind(format!("{group}/{version}"), kind);
        let list = match self.releases.api.list(self.cx, &selector).await {
            Ok(list) => list,
            Err(error) if error.kind() == ErrorKind::Auth => {
                return Ok(Some(format!("you may not see whether there are objects of kind `{kind}`")));
            }
            Err(error) => return Err(error),
        };
        let ids = list.items.iter().map(object_id).collect::<Result<Vec<_>>>()?;
        let others: Vec<&ObjectId> = ids.iter().filter(|id| !going.contains(&Key::of(id))).collect();
        Ok(others.first().map(|first| match others.len() {
            1 => format!("{first} is of its kind"),
            count => format!("{first} and {} more are of its kind", count - 1),
        }))
    }

    /// Checks that all of it may be done, before any of it is.
    async fn check_rights(&self) -> Result<()> {
        let (releases, cx) = (self.releases, self.cx);
        let mut asked = Vec::with_capacity(self.rights.len());
        for Right { verb, api_version, kind, namespace } in &self.rights {
            let namespace = namespace.as_deref();
            let ask = async move {
                let version = api_version.rsplit('/').next();
                // What a release defines itself cannot be asked about yet.
                if releases.api.served(cx, group(api_version), version, kind).await?.is_none()
                    || releases.api.may(cx, verb, api_version, kind, namespace).await?
                {
                    return Ok(());
                }
                let place =
                    namespace.map_or("the whole cluster".to_owned(), |name| format!("namespace `{name}`"));
                Err(Error::new(ErrorKind::Auth, format!("you may not {verb} a {kind} in {place}"))
                    .hint("ask for a role that allows it, or use another context"))
            };
            asked.push(ask.boxed());
        }
        at_once(asked).await.map(drop)
    }

    fn add(&mut self, (step, text): (Step, String)) {
        let verb = match step.action {
            Action::Create => Verb::Create,
            Action::Update { .. } => Verb::Update,
            Action::Delete { .. } => Verb::Delete,
        };
        // Server-side apply of what is not there is two rights ("Server-Side Apply", "API implementation").
        let verbs: &[&'static str] = match verb {
            Verb::Create => &["create", "patch"],
            Verb::Delete => &["delete"],
            _ => &["patch"],
        };
        self.needs(verbs, &step.object);
        self.changes.push(Change::new(step.object.clone(), verb).diff(text));
        self.steps.push(step);
    }

    /// Adds the change of a record, of which the interesting part is shown.
    fn record(&mut self, id: ObjectId, verb: Verb, old: Option<&Value>, new: Option<&Value>) {
        let verbs: &[&'static str] = match verb {
            // A new one is marked when its objects are there.
            Verb::Create => &["create", "update"],
            Verb::Delete => &["delete"],
            _ => &["update"],
        };
        self.needs(verbs, &id);
        self.changes.push(Change::new(id, verb).diff(lines::difference(old, new)));
    }

    fn needs(&mut self, verbs: &[&'static str], id: &ObjectId) {
        self.rights.extend(verbs.iter().map(|verb| Right {
            verb,
            api_version: id.api_version.clone(),
            kind: id.kind.clone(),
            namespace: id.namespace.clone(),
        }));
    }
}
