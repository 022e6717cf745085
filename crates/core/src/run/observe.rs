//! Looks at the world before a plan is made: reads only.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use tokio::{sync::Semaphore, task::JoinSet};

use super::{
    Action, Build, Need, Pipeline, Plan, Schedule, Task, Verdict,
    built::find_built,
    execution::panicked,
    judged::Judged,
    lower::{self, lower as lower_pipeline},
    names::Names,
    recorded::{Found, Recorded, Verify, complete},
};
use crate::{
    Context, Error, Fingerprint, Image, Inputs, Reason, Result, Store, Tag, TaskId, TestReport,
    cache::{Cache, Known, Snapshot},
    did_you_mean,
    value::value,
};

value! {
    /// What was seen of the world.
    #[derive(Default)]
    pub struct Observed {
        ;
        /// What was seen of each artifact.
        pub builds: BTreeMap<String, ObservedBuild>,
        /// What was seen of each test whose image is known before the run, by its task.
        pub tests: BTreeMap<TaskId, ObservedTest>,
    }
}

value! {
    /// What was seen of a test of an image.
    pub struct ObservedTest {
        /// Its inputs.
        pub snapshot: Snapshot,
        ;
        /// The report without failures that is recorded of just these.
        pub report: Option<TestReport>,
        /// Why there is none.
        pub reasons: Vec<Reason>,
    }
}

value! {
    /// What was seen of an artifact.
    pub struct ObservedBuild {
        /// What its builder declares.
        pub inputs: Inputs,
        /// Its inputs, without those that are known only once other tasks have ended.
        pub snapshot: Snapshot,
        ;
        /// The fingerprint, when all inputs are known.
        pub fingerprint: Option<Fingerprint>,
        /// The image that is recorded under the fingerprint and still exists.
        pub image: Option<Image>,
        /// The tag for people that was seen to mean it.
        pub tag: Option<Tag>,
        /// Why the recorded result does not do.
        pub reasons: Vec<Reason>,
    }
}

/// Looks at every artifact: what can be asked at once is.
pub(super) async fn observe(
    cx: &Context,
    pipeline: &Pipeline,
    cache: &Arc<dyn Cache>,
    verify: Verify,
    slots: usize,
) -> Result<Observed> {
    pipeline.check()?;
    // What is wrong with the pipeline itself is said before anything is looked at.
    Schedule::new(&lower_pipeline(pipeline, &BTreeSet::new())?, 1)?;
    let names = Names::new(pipeline)?;
    let mut builds = Vec::with_capacity(pipeline.builds.len());
    let mut built = Vec::new();
    for build in in_order(pipeline)? {
        let store = names.stores(&build.artifact.name)?.built.clone();
        if let Some(reference) = &build.built {
            built.push((build.artifact.name.clone(), store, reference.clone()));
            continue;
        }
        builds.push(Recorded { cache: Arc::clone(cache), verify, build: Arc::new(build.clone()), store });
    }
    let find = |(name, store, reference): (String, Store, String), cx: Context| async move {
        let found = find_built(&cx, &name, &store, &reference).await?;
        Ok((name, found))
    };
    let found = at_once(cx, usize::MAX, built, find).await?;
    let ask = |recorded: Recorded, cx: Context| async move { recorded.inputs(&cx).await };
    let inputs = at_once(cx, slots, builds.iter().cloned(), ask).await?;
    let snapshots = Recorded::snapshots(cx, &builds, &inputs).await?;

    let mut seen = Seen { names, builds: found.into_iter().collect(), known: BTreeMap::new() };
    seen.look_up(cx, builds.iter().zip(inputs.into_iter().zip(snapshots)).collect()).await?;
    let found = seen.find(cx, &builds).await?;
    seen.explain(cx, &builds, &found).await?;
    let tests = seen.tests(cx, cache, slots).await?;
    Ok(Observed { builds: seen.builds, tests })
}

/// What was seen so far.
struct Seen<'a> {
    names: Names<'a>,
    builds: BTreeMap<String, ObservedBuild>,
    /// What is recorded, whether or not it still exists.
    known: BTreeMap<String, Known>,
}

impl Seen<'_> {
    /// Looks up what is recorded, of each artifact once those that it requires have been looked up.
    async fn look_up(&mut self, cx: &Context, mut left: Vec<(&Recorded, (Inputs, Snapshot))>) -> Result<()> {
        while !left.is_empty() {
            let decided = |(recorded, _): &(&Recorded, _)| {
                recorded.build.artifact.requires.values().all(|required| self.builds.contains_key(required))
            };
            // There always is one: nothing requires itself.
            let (next, later): (Vec<_>, Vec<_>) = left.into_iter().partition(decided);
            left = later;
            let mut asked = Vec::new();
            for (recorded, (inputs, snapshot)) in next {
                let mut found = ObservedBuild::new(inputs, snapshot);
                if let Some(whole) = self.whole(recorded, &found)? {
                    let fingerprint = whole.fingerprint();
                    found.fingerprint = Some(fingerprint.clone());
                    asked.push((recorded.clone(), fingerprint));
                }
                self.builds.insert(recorded.build.artifact.name.clone(), found);
            }
            let look = |(recorded, fingerprint): (Recorded, Fingerprint), cx: Context| async move {
                let known = recorded.known(&cx, &fingerprint).await;
                Ok((recorded.build.artifact.name.clone(), known))
            };
            for (name, known) in at_once(cx, usize::MAX, asked, look).await? {
                if let (Some(found), Some(known)) = (self.builds.get_mut(&name), known) {
                    found.image = Some(known.image.clone());
                    self.known.insert(name, known);
                }
            }
        }
        Ok(())
    }

    /// Takes out what is gone, and says why where there is no image.
    async fn explain(
        &mut self,
        cx: &Context,
        builds: &[Recorded],
        places: &BTreeMap<Place, Found>,
    ) -> Result<()> {
        let mut missing = Vec::new();
        // In their order, so that what requires something that is gone is known only once that is made again.
        for recorded in builds {
            let name = &recorded.build.artifact.name;
            let Some(found) = self.builds.get(name).filter(|found| found.fingerprint.is_some()) else {
                continue;
            };
            let where_found = found.image.as_ref().and_then(|image| places.get(&place(image)));
            let is_gone = found.image.as_ref().filter(|_| where_found == Some(&Found::Gone));
            let tag = where_found.and_then(Found::tag).cloned();
            let reasons: Vec<Reason> = is_gone.iter().map(|image| Reason::Gone(image.reference())).collect();
            let whole = self.whole(recorded, found)?;
            let open = whole.is_none();
            if let (Some(whole), None) = (whole, &found.image) {
                missing.push((recorded.clone(), whole.into_owned()));
            }
            let Some(found) = self.builds.get_mut(name) else { continue };
            found.tag = tag;
            if open {
                (found.fingerprint, found.image) = (None, None);
            } else if !reasons.is_empty() {
                (found.image, found.reasons) = (None, reasons);
            }
        }
        let why = |(recorded, whole): (Recorded, Snapshot), cx: Context| async move {
            Ok((recorded.build.artifact.name.clone(), recorded.missing(&cx, &whole).await))
        };
        for (name, reasons) in at_once(cx, usize::MAX, missing, why).await? {
            if let Some(found) = self.builds.get_mut(&name) {
                found.reasons = reasons;
            }
        }
        Ok(())
    }

    /// Returns the snapshot with all that core adds, if all of it is known before the run.
    fn whole<'s>(&self, recorded: &Recorded, found: &'s ObservedBuild) -> Result<Option<Cow<'s, Snapshot>>> {
        let build = &recorded.build;
        // What commands do to the sources is seen once they have.
        let settled = build.after.iter().all(|need| matches!(need, Need::Artifact(_)));
        if found.inputs.uses_tag || !settled {
            return Ok(None);
        }
        let mut requires = BTreeMap::new();
        for (alias, name) in &build.artifact.requires {
            if self.names.stores(name)?.copy_is_another() {
                // What is read is known once it is copied.
                return Ok(None);
            }
            let image = self.builds.get(name).and_then(|required| required.image.clone());
            let Some(image) = image else { return Ok(None) };
            requires.insert(alias.clone(), image);
        }
        if requires.is_empty() {
            return Ok(Some(Cow::Borrowed(&found.snapshot)));
        }
        let mut whole = found.snapshot.clone();
        complete(&mut whole, &requires, None);
        Ok(Some(Cow::Owned(whole)))
    }

    /// Asks for each distinct image that is recorded whether it still exists, all at once.
    async fn find(&self, cx: &Context, builds: &[Recorded]) -> Result<BTreeMap<Place, Found>> {
        let mut asked: BTreeMap<Place, (Recorded, Fingerprint, Known)> = BTreeMap::new();
        for recorded in builds {
            let name = &recorded.build.artifact.name;
            let fingerprint = self.builds.get(name).and_then(|found| found.fingerprint.clone());
            if let (Some(fingerprint), Some(known)) = (fingerprint, self.known.get(name)) {
                let ask = || (recorded.clone(), fingerprint, known.clone());
                asked.entry(place(&known.image)).or_insert_with(ask);
            }
        }
        let ask = |(place, (recorded, fingerprint, known)): (Place, (Recorded, Fingerprint, Known)),
                   cx: Context| async move {
            Ok((place, recorded.exists(&cx, &fingerprint, &known).await?))
        };
        Ok(at_once(cx, usize::MAX, asked, ask).await?.into_iter().collect())
    }
}

impl Seen<'_> {
    /// Looks at the tests of the images that are known.
    async fn tests(
        &self,
        cx: &Context,
        cache: &Arc<dyn Cache>,
        slots: usize,
    ) -> Result<BTreeMap<TaskId, ObservedTest>> {
        let mut asked = Vec::new();
        for build in &self.names.pipeline.builds {
            let artifact = &build.artifact.name;
            let image = self.builds.get(artifact).and_then(|found| found.image.as_ref());
            let Some(image) = image.filter(|_| !build.testers.is_empty()) else { continue };
            if self.names.stores(artifact)?.copy_is_another() {
                continue;
            }
            for (name, tester) in &build.testers {
                let (cache, tester) = (Arc::clone(cache), Arc::clone(tester));
                let judged = Judged { cache, tester, artifact: artifact.clone(), name: name.clone() };
                asked.push((lower::id("test", &format!("{artifact}/{name}")), judged, image.clone()));
            }
        }
        let look = |(id, judged, image): (TaskId, Judged, Image), cx: Context| async move {
            let snapshot = judged.snapshot(&cx, &image).await?;
            let report = judged.report(&cx, &snapshot.fingerprint()).await;
            let reasons = match report {
                Some(_) => Vec::new(),
                None => judged.missing(&cx, &snapshot).await,
            };
            Ok((id, ObservedTest::new(snapshot).report(report).reasons(reasons)))
        };
        Ok(at_once(cx, slots, asked, look).await?.into_iter().collect())
    }
}

/// Where an image is.
type Place = (Store, String);

fn place(image: &Image) -> Place {
    (image.store.clone(), image.reference())
}

/// Does something with each, so many at once, and returns what came of it in order; of several errors the first one's.
pub(super) async fn at_once<T, R, F>(
    cx: &Context,
    most: usize,
    each: impl IntoIterator<Item = T>,
    work: impl Fn(T, Context) -> F,
) -> Result<Vec<R>>
where
    R: Send + 'static,
    F: Future<Output = Result<R>> + Send + 'static,
{
    let slots = Arc::new(Semaphore::new(most.clamp(1, Semaphore::MAX_PERMITS)));
    let mut under_way = JoinSet::new();
    for (at, item) in each.into_iter().enumerate() {
        let (work, slots) = (work(item, cx.clone()), Arc::clone(&slots));
        under_way.spawn(async move {
            // The semaphore is never closed.
            let _slot = slots.acquire().await;
            (at, work.await)
        });
    }
    let mut done = Vec::with_capacity(under_way.len());
    while let Some(joined) = under_way.join_next().await {
        done.push(joined.map_err(panicked)?);
    }
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
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
    let uses_tag: BTreeSet<String> = observed
        .builds
        .iter()
        .filter(|(_, seen)| seen.inputs.uses_tag)
        .map(|(name, _)| name.clone())
        .collect();
    let mut tasks = lower_pipeline(pipeline, &uses_tag)?;
    sort(&mut tasks)?;
    for task in &mut tasks {
        if let Action::Test { .. } = task.action {
            let Some(seen) = observed.tests.get(&task.id) else {
                task.verdict = Verdict::Open(task.needs.clone());
                continue;
            };
            let fingerprint = seen.snapshot.fingerprint();
            task.verdict = match seen.report {
                Some(_) => Verdict::Reuse(fingerprint.clone()),
                None => Verdict::Run(seen.reasons.clone()),
            };
            task.fingerprint = Some(fingerprint);
            continue;
        }
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

/// Makes the plan that brings back earlier deployments: pure.
pub(super) fn plan_rollback(pipeline: &Pipeline, to: &BTreeMap<String, Option<String>>) -> Result<Plan> {
    pipeline.check()?;
    for release in to.keys() {
        if !pipeline.deploys.iter().any(|deploy| deploy.release.name == *release) {
            return Err(unknown_release(pipeline, release));
        }
    }
    let mut tasks = lower::lower_rollback(pipeline, to);
    sort(&mut tasks)?;
    Ok(Plan::new(pipeline.name.as_str()).tasks(tasks))
}

fn unknown_release(pipeline: &Pipeline, release: &str) -> Error {
    let names = pipeline.deploys.iter().map(|deploy| deploy.release.name.as_str());
    let error = Error::config(format!("the pipeline has no release `{release}`"));
    match did_you_mean(release, names.clone()) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.hint(format!("it has these: {}", names.collect::<Vec<_>>().join(", "))),
    }
}

/// Puts each task after those that it needs; also refuses circles.
fn sort(tasks: &mut [Task]) -> Result<()> {
    let schedule = Schedule::new(tasks, 1)?;
    let places: BTreeMap<&TaskId, usize> =
        schedule.order().iter().enumerate().map(|(at, id)| (id, at)).collect();
    tasks.sort_by_cached_key(|task| places.get(&task.id).copied());
    Ok(())
}
