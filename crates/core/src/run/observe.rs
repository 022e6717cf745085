//! Looks at the world before a plan is made: reads only.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    Action, Build, Need, Pipeline, Plan, Schedule, Task, Verdict, lower, lower::lower as lower_pipeline,
};
use crate::{
    Context, Error, Fingerprint, Image, Inputs, Reason, Result, Store, Tag, TaskId,
    cache::{Cache, Declaration, Known, Results, Snapshot},
    value::value,
};

/// How it is made sure that a recorded image still exists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verify {
    /// Its store is asked each time.
    #[default]
    Always,
    /// It is believed.
    Never,
}

value! {
    /// What was seen of the world.
    #[derive(Default)]
    pub struct Observed {
        ;
        /// What was seen of each artifact.
        pub builds: BTreeMap<String, ObservedBuild>,
    }
}

value! {
    /// What was seen of an artifact.
    pub struct ObservedBuild {
        /// Its inputs, without those that are known only once other tasks have ended.
        pub snapshot: Snapshot,
        /// Whether its tag is an input.
        pub uses_tag: bool,
        ;
        /// The fingerprint, when all inputs are known.
        pub fingerprint: Option<Fingerprint>,
        /// The image that is recorded under the fingerprint and still exists.
        pub image: Option<Image>,
        /// Why the recorded result does not do.
        pub reasons: Vec<Reason>,
    }
}

/// The text that names a build across runs: other targets, other results.
fn maker(build: &Build, store: &Store) -> String {
    let store = match store {
        Store::Registry => "registry".to_owned(),
        Store::Daemon(endpoint) => format!("daemon {endpoint}"),
        Store::Layout(path) => format!("layout {}", path.display()),
    };
    format!("build {} into {store} {}", build.artifact.name, build.repository)
}

/// Looks up and records builds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Recorded<'a> {
    pub(super) cache: &'a dyn Cache,
    pub(super) verify: Verify,
    pub(super) build: &'a Build,
    pub(super) store: &'a Store,
}

/// What the cache has for a complete snapshot.
pub(super) enum Lookup {
    Found(Image),
    Missing(Vec<Reason>),
}

impl Recorded<'_> {
    /// Returns the artifact's declared inputs; from the cache while what listed them is the same.
    pub(super) async fn inputs(&self, cx: &Context) -> Result<Inputs> {
        let maker = maker(self.build, self.store);
        let listing = async |listed_by: &Inputs| {
            let mut listing = Snapshot::take(cx, listed_by).await?;
            // A declaration is of an artifact as it was declared; how that is written does not matter.
            listing.set("artifact", &format!("{:?}", self.build.artifact));
            Ok::<_, Error>(listing)
        };
        let results = Results { cx, cache: self.cache, maker: &maker };
        if let Some(kept) = results.declaration().await?
            && let Some(listed_by) = &kept.inputs.listed_by
            && listing(listed_by).await.is_ok_and(|now| now == kept.listed_by)
        {
            return Ok(kept.inputs);
        }
        let inputs = self.build.builder.inputs(cx, &self.build.artifact).await?;
        if let Some(listed_by) = &inputs.listed_by {
            let listed_by = listing(listed_by).await?;
            results.keep_declaration(&Declaration { listed_by, inputs: inputs.clone() }).await?;
        }
        Ok(inputs)
    }

    /// Returns the snapshot of the declared inputs, and of what core adds and knows beforehand.
    pub(super) async fn snapshot(&self, cx: &Context, inputs: &Inputs) -> Result<Snapshot> {
        let mut snapshot = Snapshot::take(cx, inputs).await?;
        let platforms = self.build.artifact.platforms.iter().map(ToString::to_string);
        snapshot.set("builder", &self.build.builder.capabilities().version);
        snapshot.set("platforms", &platforms.collect::<Vec<_>>().join(","));
        Ok(snapshot)
    }

    pub(super) async fn look_up(&self, cx: &Context, snapshot: &Snapshot) -> Result<Lookup> {
        let maker = maker(self.build, self.store);
        let results = Results { cx, cache: self.cache, maker: &maker };
        match results.image(&snapshot.fingerprint()).await? {
            Some(Known { image, .. }) => {
                if self.verify == Verify::Never
                    || cx.images().find(cx, &image.store, &image.reference()).await?.is_some()
                {
                    return Ok(Lookup::Found(image));
                }
                Ok(Lookup::Missing(vec![Reason::Gone(image.reference())]))
            }
            None => Ok(Lookup::Missing(match results.newest().await? {
                Some(newest) => snapshot.reasons(&newest),
                None => vec![Reason::First],
            })),
        }
    }

    pub(super) async fn record(&self, cx: &Context, snapshot: &Snapshot, image: &Image) -> Result<()> {
        let results = Results { cx, cache: self.cache, maker: &maker(self.build, self.store) };
        results.keep_image(&snapshot.fingerprint(), image).await?;
        results.keep_newest(snapshot).await
    }
}

/// Adds the inputs that core knows once other tasks have ended.
pub(super) fn complete(snapshot: &mut Snapshot, requires: &BTreeMap<String, Image>, tag: Option<&Tag>) {
    for (alias, image) in requires {
        snapshot.set(format!("required image {alias}"), image.digest.as_str());
    }
    if let Some(tag) = tag {
        snapshot.set("tag", tag.as_str());
    }
}

/// Looks at every artifact, those that others require first.
pub(super) async fn observe(
    cx: &Context,
    pipeline: &Pipeline,
    cache: &dyn Cache,
    verify: Verify,
) -> Result<Observed> {
    pipeline.check()?;
    // What is wrong with the pipeline itself is said before anything is looked at.
    Schedule::new(&lower_pipeline(pipeline, &BTreeSet::new())?, 1)?;
    let mut observed = Observed::default();
    for build in in_order(pipeline)? {
        let stores = lower::choose_stores(pipeline, build)?;
        let recorded = Recorded { cache, verify, build, store: &stores.built };
        let inputs = recorded.inputs(cx).await?;
        let snapshot = recorded.snapshot(cx, &inputs).await?;
        let mut seen = ObservedBuild::new(snapshot.clone(), inputs.uses_tag);
        let mut requires = BTreeMap::new();
        for (alias, name) in &build.artifact.requires {
            if lower::choose_stores(pipeline, pipeline.find_build(name)?)?.copy_is_another() {
                // What is read is known once it is copied.
                continue;
            }
            if let Some(image) = observed.builds.get(name).and_then(|required| required.image.clone()) {
                requires.insert(alias.clone(), image);
            }
        }
        // What commands do to the sources is seen once they have.
        let settled = build.after.iter().all(|need| matches!(need, Need::Artifact(_)));
        if requires.len() == build.artifact.requires.len() && !inputs.uses_tag && settled {
            let mut whole = snapshot;
            complete(&mut whole, &requires, None);
            seen.fingerprint = Some(whole.fingerprint());
            match recorded.look_up(cx, &whole).await? {
                Lookup::Found(image) => seen.image = Some(image),
                Lookup::Missing(reasons) => seen.reasons = reasons,
            }
        }
        observed.builds.insert(build.artifact.name.clone(), seen);
    }
    Ok(observed)
}

/// Returns the builds so that each comes after those that it requires.
fn in_order(pipeline: &Pipeline) -> Result<Vec<&Build>> {
    let task = |build: &Build| {
        let needs: Vec<TaskId> =
            build.artifact.requires.values().map(|required| lower::id("build", required)).collect();
        Task::new(lower::id("build", &build.artifact.name), Action::Tag, build.artifact.name.as_str())
            .needs(needs)
    };
    let tasks: Vec<Task> = pipeline.builds.iter().map(task).collect();
    let schedule = Schedule::new(&tasks, 1)?;
    let by_id: BTreeMap<TaskId, &Build> =
        pipeline.builds.iter().map(|build| (lower::id("build", &build.artifact.name), build)).collect();
    Ok(schedule.order().iter().filter_map(|id| by_id.get(id).copied()).collect())
}

/// Makes the plan: pure.
pub(super) fn plan(pipeline: &Pipeline, observed: &Observed) -> Result<Plan> {
    pipeline.check()?;
    let uses_tag: BTreeSet<String> =
        observed.builds.iter().filter(|(_, seen)| seen.uses_tag).map(|(name, _)| name.clone()).collect();
    let mut tasks = lower_pipeline(pipeline, &uses_tag)?;
    sort(&mut tasks)?;
    for task in &mut tasks {
        let (Action::Build { .. }, Some(seen)) = (&task.action, observed.builds.get(&task.part)) else {
            continue;
        };
        task.fingerprint.clone_from(&seen.fingerprint);
        task.verdict = match (&seen.fingerprint, &seen.image) {
            (Some(fingerprint), Some(_)) => Verdict::Reuse(fingerprint.clone()),
            (Some(_), None) => Verdict::Run(seen.reasons.clone()),
            (None, _) => Verdict::Open(task.needs.clone()),
        };
    }
    Ok(Plan::new(pipeline.name.as_str()).tasks(tasks))
}

/// Makes the plan that removes what was released: pure.
pub(super) fn plan_removal(pipeline: &Pipeline) -> Result<Plan> {
    pipeline.check()?;
    let mut tasks = lower::lower_removal(pipeline);
    sort(&mut tasks)?;
    Ok(Plan::new(pipeline.name.as_str()).tasks(tasks))
}

/// Puts each task after those that it needs; also refuses circles.
fn sort(tasks: &mut [Task]) -> Result<()> {
    let schedule = Schedule::new(tasks, 1)?;
    let places: BTreeMap<&TaskId, usize> =
        schedule.order().iter().enumerate().map(|(at, id)| (id, at)).collect();
    tasks.sort_by_cached_key(|task| places.get(&task.id).copied());
    Ok(())
}
