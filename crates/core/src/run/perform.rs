//! Does what one task says, with the plug-in that is to do it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio::sync::watch;

use super::{
    Action, Gates, JournalEntry as Entry, Observed, Output, Pipeline, Plan, Task, Verify,
    attest::MadeOf,
    lower::{id, image_id, step_id},
    perform_release::watch,
    perform_test::lacking,
    recording::{Earlier, Recording},
    trace::Traces,
};
use crate::{
    Context, Deployment, Error, EventKind, Fingerprint, Image, Manifests, Reason, Result, Subject, Tag,
    TaskId, cache::Cache,
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
    pub(super) seen: Observed,
    /// When, on the clock's own scale.
    pub(super) begun: Duration,
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
    /// Of the artifacts that are attested.
    pub(super) made_of: BTreeMap<String, MadeOf>,
    /// What has begun in this process.
    pub(super) begun: BTreeSet<TaskId>,
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
    /// Performs the task once. `TaskStarted` has been emitted for all but builds and tests, whose reasons come
    /// out here.
    pub(super) async fn perform(&self, cx: &Context, task: &Task) -> Result<Done> {
        match &task.action {
            Action::Tag => self.tag(cx, self.pipeline.find_build(&task.part)?).await.map(Done::from),
            Action::Build { store } => self.build(cx, task, store).await,
            Action::Test { tester } => self.test(cx, task, tester).await,
            Action::Attest => self.attest(cx, task).await,
            Action::Admit { artifact, tester } => {
                let deploy = self.pipeline.find_deploy(&task.part)?;
                let tester = deploy.admission.get(tester).ok_or_else(lacking)?;
                let mut image = self.image(&image_id(&self.pipeline, artifact)?)?;
                image.name.clone_from(artifact);
                self.judge(cx, task, tester, &Subject::Image(image)).await
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
                let tester = deploy.testers.get(tester).ok_or_else(lacking)?;
                self.judge(cx, task, tester, &Subject::Deployment(deployment)).await
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
                Action::Attest => {
                    self.pipeline.find_build(&task.part)?.attester.is_none().then_some("an attester")
                }
                Action::Admit { artifact, tester } => {
                    self.pipeline.find_build(artifact)?;
                    let deploy = self.pipeline.find_deploy(&task.part)?;
                    (!deploy.admission.contains_key(tester)).then_some("a tester")
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

    /// Writes down that a task begins, and says so; once, also where it is tried again.
    pub(super) async fn begin(
        &self,
        cx: &Context,
        task: &Task,
        reasons: Vec<Reason>,
        fingerprint: Option<Fingerprint>,
    ) -> Result<()> {
        if !self.made(|made| made.begun.insert(task.id.clone())) {
            return Ok(());
        }
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

    pub(super) fn people_tag(&self, part: &str) -> Option<Tag> {
        match self.output(&id("tag", part)) {
            Some(Output::Tag(tag)) => Some(tag),
            _ => None,
        }
    }
}

/// # Errors
/// `Conflict` when a task's inputs are not those that were planned with.
pub(super) fn check_planned(task: &Task, found: Option<&Fingerprint>) -> Result<()> {
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
        Reason::First | Reason::Untested | Reason::Upstream(_) => reason.clone(),
    }
}
