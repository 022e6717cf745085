//! Does what one task says, with the plug-in that is to do it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use tokio::sync::watch;

use super::{
    Action, Build, Gates, JournalEntry as Entry, ObservedBuild, Output, Pipeline, Plan, Task, Verdict,
    Verify, answers,
    built::find_built,
    lower::{self, id, image_id, step_id},
    perform_release::watch,
    recorded::{Lookup, Recorded, complete},
    recording::{Earlier, Recording},
    trace::Traces,
};
use crate::{
    BuildRequest, CaseOutcome, Context, Deployment, Error, ErrorKind, EventKind, Fingerprint, Image, Level,
    Manifests, Reason, Result, Store, Subject, Tag, TagRequest, Target, TaskId, TestReport, Tester,
    cache::{Cache, Snapshot},
};

/// What the tasks of a run share.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) pipeline: Pipeline,
    pub(super) cache: Arc<dyn Cache>,
    pub(super) verify: Verify,
    pub(super) gates: Option<Arc<dyn Gates>>,
    /// How often tasks may be tried again yet, all together.
    pub(super) retries: AtomicU32,
    pub(super) made: Mutex<Made>,
    /// What was observed for this very run, so that it is not looked at again.
    pub(super) seen: BTreeMap<String, ObservedBuild>,
    pub(super) recording: Recording,
    pub(super) earlier: Earlier,
    pub(super) unanswered: Unanswered,
    pub(super) traces: Arc<Traces>,
}

/// The tasks whose questions nobody has answered yet.
#[derive(Debug, Default)]
pub(super) struct Unanswered(watch::Sender<BTreeSet<TaskId>>);

impl Unanswered {
    pub(super) fn note(&self, task: &TaskId) {
        self.0.send_if_modified(|tasks| tasks.insert(task.clone()));
    }

    pub(super) fn forget(&self, task: &TaskId) {
        self.0.send_if_modified(|tasks| tasks.remove(task));
    }

    /// Returns once there are so many of them.
    pub(super) async fn all(&self, count: usize) {
        // The sender is this value's own.
        let _ = self.0.subscribe().wait_for(|tasks| tasks.len() == count).await;
    }
}

/// What tasks have made so far.
#[derive(Debug, Default)]
pub(super) struct Made {
    pub(super) outputs: BTreeMap<TaskId, Output>,
    pub(super) fingerprints: BTreeMap<String, Fingerprint>,
}

/// What a task comes to.
pub(super) struct Done {
    pub(super) output: Output,
    pub(super) reused: bool,
}

impl From<Output> for Done {
    fn from(output: Output) -> Self {
        Self { output, reused: false }
    }
}

impl Work {
    /// Performs the task once. `TaskStarted` has been emitted for all but builds, whose reasons come
    /// out here.
    pub(super) async fn perform(&self, cx: &Context, task: &Task) -> Result<Done> {
        match &task.action {
            Action::Tag => self.tag(cx, self.pipeline.find_build(&task.part)?).await.map(Done::from),
            Action::Build { store } => self.build(cx, task, store).await,
            Action::Test { tester } => {
                let build = self.pipeline.find_build(&task.part)?;
                let image = self.image(&image_id(&self.pipeline, &task.part)?)?;
                self.test(cx, task, build.testers.get(tester), &Subject::Image(image)).await
            }
            Action::Push { to, tagged } => self.push(cx, &task.part, to, *tagged).await,
            Action::Render => self.render(cx, self.pipeline.find_deploy(&task.part)?).await.map(Done::from),
            Action::Diff { aim } => self.diff(cx, task, aim).await.map(Done::from),
            Action::Apply => {
                let Some(Output::Changes(changes)) = self.need(task) else {
                    return Ok(Output::Nothing.into());
                };
                let changes = self.left_of(cx, task, changes).await?;
                let reused = changes.changes.is_empty();
                let deployment = self.apply(cx, task, changes).await?;
                Ok(Done { output: Output::Deployment(deployment), reused })
            }
            Action::Health => {
                let Some(Output::Deployment(deployment)) = self.need(task) else {
                    return Ok(Output::Nothing.into());
                };
                watch(cx, self.pipeline.find_deploy(&task.part)?, &deployment).await
            }
            Action::Verify { tester } => {
                let deploy = self.pipeline.find_deploy(&task.part)?;
                let deployment = self.deployment(&id("apply", &task.part))?;
                self.test(cx, task, deploy.testers.get(tester), &Subject::Deployment(deployment)).await
            }
            Action::Run | Action::Gate { .. } | Action::Wait { .. } | Action::Open | Action::Close => {
                self.step(cx, task).await
            }
        }
    }

    /// Checks that the plan is of this pipeline.
    ///
    /// # Errors
    /// `Internal` when it names what the pipeline lacks.
    pub(super) fn check(&self, plan: &Plan) -> Result<()> {
        for task in &plan.tasks {
            let missing = match &task.action {
                Action::Tag | Action::Push { tagged: true, .. } => {
                    self.pipeline.find_build(&task.part)?.tagger.is_none().then_some("a tagger")
                }
                Action::Build { .. } | Action::Push { .. } => {
                    self.pipeline.find_build(&task.part)?;
                    None
                }
                Action::Test { tester } => {
                    let build = self.pipeline.find_build(&task.part)?;
                    (!build.testers.contains_key(tester)).then_some("a tester")
                }
                Action::Verify { tester } => {
                    let deploy = self.pipeline.find_deploy(&task.part)?;
                    (!deploy.testers.contains_key(tester)).then_some("a tester")
                }
                Action::Render | Action::Diff { .. } | Action::Apply | Action::Health => {
                    self.pipeline.find_deploy(&task.part)?;
                    None
                }
                Action::Gate { .. } => {
                    if self.gates.is_none() {
                        return Err(Error::config(format!(
                            "`{}` asks a person, and there is nobody to ask",
                            task.id
                        ))
                        .hint("give the driver a way to ask with `Driver::gates`"));
                    }
                    None
                }
                Action::Run | Action::Wait { .. } => {
                    let step = self.pipeline.find_step(&task.part)?;
                    (step_id(step) != task.id).then_some("a step of another kind")
                }
                Action::Open | Action::Close => {
                    self.pipeline.find_volume(&task.part)?;
                    None
                }
            };
            if let Some(missing) = missing {
                return Err(Error::internal(format!(
                    "the plan's task `{}` needs {missing} that the pipeline lacks",
                    task.id
                )));
            }
        }
        Ok(())
    }

    /// Puts back the texts that no journal holds: from the release rendered again, or from what the target remembers.
    ///
    /// # Errors
    /// `Conflict` when neither has the same texts.
    pub(super) async fn fill(
        &self,
        cx: &Context,
        output: &mut Output,
        rendered: &mut BTreeMap<String, Manifests>,
    ) -> Result<()> {
        let Some(release) = output.manifests().map(|manifests| manifests.release.name.clone()) else {
            return Ok(());
        };
        let deploy = self.pipeline.find_deploy(&release)?;
        if !rendered.contains_key(&release)
            && let Output::Manifests(again) = self.render(cx, deploy).await?
        {
            rendered.insert(release.clone(), again);
        }
        let first = match rendered.get(&release) {
            Some(again) => output.fill(again),
            None => Err(Error::internal(format!("`{release}` is not rendered"))),
        };
        let Err(why) = first else { return Ok(()) };
        for earlier in deploy.deployer.history(cx, &release).await? {
            if output.fill(&earlier.manifests).is_ok() {
                return Ok(());
            }
        }
        Err(why)
    }

    /// Takes one of the run's tries, and returns whether there was one left.
    pub(super) fn may_retry(&self) -> bool {
        let take = |left: u32| left.checked_sub(1);
        self.retries.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }

    /// Returns the exit code of a command that failed.
    pub(super) fn code(&self, id: &TaskId) -> Option<i32> {
        match self.output(id) {
            Some(Output::Exit(exit)) => Some(exit.code),
            _ => None,
        }
    }

    pub(super) fn made<T>(&self, look: impl FnOnce(&mut Made) -> T) -> T {
        look(&mut self.made.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Writes down that a task begins, and says so.
    pub(super) async fn begin(
        &self,
        cx: &Context,
        task: &Task,
        reasons: Vec<Reason>,
        fingerprint: Option<Fingerprint>,
    ) -> Result<()> {
        let entry = Entry::Started {
            task: task.id.clone(),
            fingerprint: fingerprint.clone(),
            reasons: reasons.iter().map(|reason| masked(cx, reason)).collect(),
            at: Some(cx.clock().now()),
        };
        // A question changes nothing; its answer does.
        let lasting = task.action.lasts() && !matches!(task.action, Action::Gate { .. });
        self.recording.append(&entry, lasting).await?;
        cx.emit(EventKind::TaskStarted { reasons, fingerprint });
        Ok(())
    }

    pub(super) fn output(&self, id: &TaskId) -> Option<Output> {
        self.made(|made| made.outputs.get(id).cloned())
    }

    /// Returns what the task's only need made.
    pub(super) fn need(&self, task: &Task) -> Option<Output> {
        self.output(task.needs.first()?)
    }

    pub(super) fn image(&self, id: &TaskId) -> Result<Image> {
        match self.output(id) {
            Some(Output::Image(image)) => Ok(image),
            _ => Err(Error::internal(format!("`{id}` made no image"))),
        }
    }

    pub(super) fn deployment(&self, id: &TaskId) -> Result<Deployment> {
        match self.output(id) {
            Some(Output::Deployment(deployment)) => Ok(deployment),
            _ => Err(Error::internal(format!("`{id}` made no deployment"))),
        }
    }

    fn people_tag(&self, part: &str) -> Option<Tag> {
        match self.output(&id("tag", part)) {
            Some(Output::Tag(tag)) => Some(tag),
            _ => None,
        }
    }

    async fn tag(&self, cx: &Context, build: &Build) -> Result<Output> {
        let Some(tagger) = &build.tagger else {
            return Err(Error::internal(format!("artifact `{}` has no tagger", build.artifact.name)));
        };
        let fingerprint = self.made(|made| made.fingerprints.get(&build.artifact.name).cloned());
        let request = TagRequest::new(build.artifact.clone())
            .fingerprint(fingerprint.filter(|_| tagger.needs_fingerprint()));
        Ok(Output::Tag(tagger.tag(cx, &request).await?))
    }

    async fn build(&self, cx: &Context, task: &Task, store: &Store) -> Result<Done> {
        let build = self.pipeline.find_build(&task.part)?;
        // What was observed for this run a moment ago is not looked at again.
        let seen = self.seen.get(&task.part).filter(|_| task.fingerprint.is_some());
        if let (Some(ObservedBuild { image: Some(image), .. }), Some(fingerprint)) = (seen, &task.fingerprint)
        {
            self.made(|made| made.fingerprints.insert(task.part.clone(), fingerprint.clone()));
            self.begin(cx, task, Vec::new(), Some(fingerprint.clone())).await?;
            return Ok(Done { output: Output::Image(image.clone()), reused: true });
        }
        if let Some(reference) = &build.built {
            let found = find_built(cx, &task.part, store, reference).await?;
            check_planned(task, found.fingerprint.as_ref())?;
            self.begin(cx, task, Vec::new(), found.fingerprint).await?;
            let output = found.image.map_or(Output::Nothing, Output::Image);
            return Ok(Done { output, reused: true });
        }
        let recorded = Recorded {
            cache: Arc::clone(&self.cache),
            verify: self.verify,
            build: Arc::new(build.clone()),
            store: store.clone(),
        };
        let (inputs, mut snapshot) = match seen {
            Some(seen) => (seen.inputs.clone(), seen.snapshot.clone()),
            None => {
                let inputs = recorded.inputs(cx).await?;
                let snapshot = recorded.snapshot(cx, &inputs).await?;
                (inputs, snapshot)
            }
        };
        let mut requires = BTreeMap::new();
        for (alias, name) in &build.artifact.requires {
            requires.insert(alias.clone(), self.image(&image_id(&self.pipeline, name)?)?);
        }
        let tag = self.people_tag(&task.part).filter(|_| inputs.uses_tag);
        complete(&mut snapshot, &requires, tag.as_ref());
        let fingerprint = snapshot.fingerprint();
        check_planned(task, Some(&fingerprint))?;
        let earlier = self.made(|made| made.fingerprints.insert(task.part.clone(), fingerprint.clone()));
        let found = recorded.look_up(cx, &snapshot).await?;
        // A task that is tried again has begun already.
        if earlier.is_none() {
            let reasons = match (&found, &task.verdict) {
                (Lookup::Found(_), _) => Vec::new(),
                // What was planned to be reused may have gone since; then it is simply built.
                (Lookup::Missing(_), Verdict::Run(planned)) => planned.clone(),
                (Lookup::Missing(reasons), _) => reasons.clone(),
            };
            self.begin(cx, task, reasons, Some(fingerprint.clone())).await?;
        }
        if let Lookup::Found(image) = found {
            return Ok(Done { output: Output::Image(image), reused: true });
        }
        let own_tag = Tag::parse(format!("shipway-{fingerprint}"))?;
        let target = Target::new(store.clone(), build.repository.as_str(), own_tag);
        let image = if lower::fans_out(build) {
            self.build_each(cx, build, target, &snapshot, &requires).await?
        } else {
            let request = BuildRequest::new(build.artifact.clone(), target, fingerprint.clone())
                .requires(requires.clone());
            answers::image(build.builder.build(cx, &request).await?, &request.target)?
        };
        let recording = async {
            let mut after = recorded.snapshot(cx, &inputs).await?;
            complete(&mut after, &requires, tag.as_ref());
            let changed = after.reasons(&snapshot);
            if changed.is_empty() {
                return recorded.record(cx, &snapshot, &image).await;
            }
            let changed: Vec<String> = changed.iter().map(ToString::to_string).collect();
            Err(Error::conflict(format!("{} during the build", changed.join(", "))))
        };
        // The image is there, whatever becomes of the record.
        if let Err(why) = recording.await {
            cx.message(Level::Warning, format!("the result is used but not recorded: {why}"));
        }
        Ok(Output::Image(image).into())
    }

    /// Has each platform built alone, and joins the images in an index.
    async fn build_each(
        &self,
        cx: &Context,
        build: &Build,
        target: Target,
        snapshot: &Snapshot,
        requires: &BTreeMap<String, Image>,
    ) -> Result<Image> {
        let mut images = Vec::new();
        for platform in &build.artifact.platforms {
            // Remote work is named by its fingerprint, and each platform is work of its own.
            let mut alone = snapshot.clone();
            alone.set("platform", &platform.to_string());
            let suffix = platform.to_string().replace('/', "_");
            let own_tag = Tag::parse(format!("{}_{suffix}", target.tag))?;
            let own_target = Target::new(target.store.clone(), target.repository.as_str(), own_tag);
            let artifact = build.artifact.clone().platforms([platform.clone()]);
            let request =
                BuildRequest::new(artifact, own_target, alone.fingerprint()).requires(requires.clone());
            cx.message(Level::Info, format!("building for {platform}"));
            images.push(answers::image(build.builder.build(cx, &request).await?, &request.target)?);
        }
        let mut joined = cx.images().join(cx, &images, &target).await?;
        build.artifact.name.clone_into(&mut joined.name);
        Ok(joined)
    }

    async fn push(&self, cx: &Context, part: &str, to: &Store, tagged: bool) -> Result<Done> {
        let build = self.pipeline.find_build(part)?;
        let from = if tagged { image_id(&self.pipeline, part)? } else { id("build", part) };
        let image = self.image(&from)?;
        let tag = if tagged { self.people_tag(part) } else { image.tag.clone() };
        let Some(tag) = tag else { return Err(Error::internal(format!("there is no tag for `{part}`"))) };
        let target = Target::new(to.clone(), build.repository.as_str(), tag.clone());
        let there = cx.images().find(cx, to, &target.reference()).await?;
        let reused = there.is_some_and(|there| there.digest == image.digest);
        let mut copied = if reused {
            Image::new(part, to.clone(), build.repository.as_str(), image.digest)
                .tag(tag)
                .platforms(image.platforms)
        } else {
            cx.images().copy(cx, &image, &target).await?
        };
        part.clone_into(&mut copied.name);
        Ok(Done { output: Output::Image(copied), reused })
    }

    async fn test(
        &self,
        cx: &Context,
        task: &Task,
        tester: Option<&Arc<dyn Tester>>,
        subject: &Subject,
    ) -> Result<Done> {
        let Some(tester) = tester else {
            return Err(Error::internal("the plan names a tester that the pipeline lacks"));
        };
        let mut report: TestReport = tester.test(cx, subject).await?;
        for case in &mut report.cases {
            case.name = cx.masked(&case.name);
            if let CaseOutcome::Failed(why) | CaseOutcome::Skipped(why) = &mut case.outcome {
                *why = cx.masked(why);
            }
        }
        let failed: Vec<String> = report
            .failed()
            .map(|case| match &case.outcome {
                CaseOutcome::Failed(why) => format!("{}: {why}", case.name),
                _ => case.name.clone(),
            })
            .collect();
        if failed.is_empty() {
            return Ok(Output::Report(report).into());
        }
        let count = failed.len();
        let error =
            Error::new(ErrorKind::Unhealthy, format!("{count} of {} cases failed", report.cases.len()));
        // The task fails, and its report is wanted all the more.
        self.made(|made| made.outputs.insert(task.id.clone(), Output::Report(report)));
        Err(failed.into_iter().fold(error, Error::note))
    }
}

/// # Errors
/// `Conflict` when a task's inputs are not those that were planned with.
fn check_planned(task: &Task, found: Option<&Fingerprint>) -> Result<()> {
    if task.fingerprint.is_none() || task.fingerprint.as_ref() == found {
        return Ok(());
    }
    let message = format!("the inputs of `{}` are not those that were planned with", task.part);
    Err(Error::conflict(message).hint("plan again"))
}

/// Returns a reason as a journal may hold it.
fn masked(cx: &Context, reason: &Reason) -> Reason {
    match reason {
        Reason::Gone(text) => Reason::Gone(cx.masked(text)),
        Reason::Changed(text) => Reason::Changed(cx.masked(text)),
        Reason::First | Reason::Upstream(_) => reason.clone(),
    }
}
