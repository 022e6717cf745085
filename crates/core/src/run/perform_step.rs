//! Does what steps say: runs commands, asks people, lets time pass, opens and closes volumes.

use std::time::Duration;

use super::{
    Action, Answer, Decision, JournalEntry as Entry, Output, Question, StepWork, Task, answers,
    lower::image_id,
    perform::{Done, Work},
};
use crate::{
    CancelReason, ChangeSet, Context, Deployment, Desired, Error, ErrorKind, EventKind, Exit, Level, Result,
    Timestamp,
};

/// The pause between two looks for an answer.
const ASKING: Duration = Duration::from_secs(1);

impl Work {
    pub(super) async fn step(&self, cx: &Context, task: &Task) -> Result<Done> {
        match &task.action {
            Action::Run => self.run(cx, task).await,
            Action::Gate { text } => self.gate(cx, task, text).await,
            Action::Wait { time } => self.wait(cx, task, *time).await,
            Action::Open => {
                let shared = self.pipeline.find_volume(&task.part)?;
                shared.runner.open(cx, &shared.volume).await.map(|()| Output::Nothing.into())
            }
            Action::Close => {
                let shared = self.pipeline.find_volume(&task.part)?;
                shared.runner.close(cx, &shared.volume).await.map(|()| Output::Nothing.into())
            }
            other => Err(Error::internal(format!("{other:?} is no action of a step"))),
        }
    }

    async fn run(&self, cx: &Context, task: &Task) -> Result<Done> {
        let StepWork::Run { runner, request } = &self.pipeline.find_step(&task.part)?.work else {
            return Err(Error::internal(format!("step `{}` runs no command", task.part)));
        };
        let image = self.pipeline.find_step(&task.part)?.image_of.as_ref();
        let exit = match image {
            Some(artifact) => {
                let image = self.image(&image_id(&self.pipeline, artifact)?)?;
                runner.run(cx, &request.as_ref().clone().image(image)).await?
            }
            None => runner.run(cx, request).await?,
        };
        // What it wrote was shown; what it made for others is short, and may be a secret all the same.
        let result = exit.result.as_deref().map(|result| cx.masked(result));
        let output = Output::Exit(Exit::new(exit.code).result(result));
        if exit.code == 0 {
            return Ok(output.into());
        }
        // The task fails, and its code says whether that is allowed.
        self.made(|made| made.outputs.insert(task.id.clone(), output));
        let program = if request.command.program.is_empty() {
            "the image's entrypoint"
        } else {
            &request.command.program
        };
        exit.success(program).map(|_| Output::Nothing.into())
    }

    /// Lets the time pass that is left: a run that is gone on with does not begin to wait again.
    async fn wait(&self, cx: &Context, task: &Task, time: Duration) -> Result<Done> {
        let now = cx.clock().now();
        let left = match self.earlier.until.get(&task.id) {
            // A clock that was set back makes no pause longer than it was meant to be.
            Some(until) => Duration::from_millis(until.0.saturating_sub(now.0)).min(time),
            None => {
                let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
                self.waits(task, Timestamp(now.0.saturating_add(millis))).await?;
                time
            }
        };
        cx.sleep(left).await.map(|()| Output::Nothing.into())
    }

    /// Writes down until when a task waits.
    async fn waits(&self, task: &Task, until: Timestamp) -> Result<()> {
        self.recording.append(&Entry::Waiting { task: task.id.clone(), until }, true).await
    }

    async fn gate(&self, cx: &Context, task: &Task, text: &str) -> Result<Done> {
        let changes = match self.need(task) {
            Some(Output::Changes(changes)) if changes.changes.is_empty() => {
                return Ok(Done { output: Output::Nothing, reused: true });
            }
            Some(Output::Changes(changes)) => Some(changes),
            _ => None,
        };
        self.ask(cx, task, text, changes).await.map(|decision| Output::Decision(decision).into())
    }

    /// Asks until there is a yes.
    async fn ask(
        &self,
        cx: &Context,
        task: &Task,
        text: &str,
        changes: Option<ChangeSet>,
    ) -> Result<Decision> {
        let Some(gates) = &self.gates else {
            return Err(Error::internal("a plan with gates was begun with nobody to ask"));
        };
        let expires = cx.deadline().map(|deadline| {
            let left = deadline.saturating_sub(cx.clock().elapsed()).as_millis();
            Timestamp(cx.clock().now().0.saturating_add(u64::try_from(left).unwrap_or(u64::MAX)))
        });
        if let (Some(until), Action::Gate { .. }, None) =
            (expires, &task.action, self.earlier.until.get(&task.id))
        {
            self.waits(task, until).await?;
        }
        // What people see is masked like all else; what is applied is not this copy.
        let shown = changes.map(|mut changes| {
            changes.changes.iter_mut().for_each(|change| change.diff = cx.masked(&change.diff));
            changes
        });
        let question = Question::new(cx.run_id(), task.id.clone(), text).changes(shown).expires(expires);
        cx.emit(EventKind::Asking { text: text.to_owned(), expires });
        let asking = async {
            loop {
                match gates.decision(cx, &question).await {
                    Ok(Some(decision)) => return Ok(decision),
                    Ok(None) => self.unanswered.note(&task.id),
                    Err(error) if error.may_retry() => {
                        cx.message(Level::Warning, format!("asking again: {}", error.report()));
                    }
                    Err(error) => return Err(error),
                }
                cx.clock().sleep(ASKING).await;
            }
        };
        let decision = tokio::select! {
            biased;
            decision = asking => {
                self.unanswered.forget(&task.id);
                decision?
            }
            error = no_longer(cx) => {
                self.unanswered.forget(&task.id);
                // A run that is gone on with asks the same question.
                if !matches!(cx.cancel().state(), Some((_, CancelReason::Suspended))) {
                    gates.withdraw(cx, &question).await;
                }
                return Err(match error.kind() {
                    ErrorKind::Timeout => Error::timeout(format!("nobody answered `{text}` in time"))
                        .hint("run again, and answer before it expires"),
                    _ => error,
                });
            }
        };
        if decision.answer == Answer::Approved {
            return Ok(decision);
        }
        let error =
            Error::cancelled(format!("`{text}` was answered with no by {} at {}", decision.who, decision.at));
        let why = decision.why.clone();
        self.made(|made| made.outputs.insert(task.id.clone(), Output::Decision(decision)));
        Err(if why.is_empty() { error } else { error.note(why) })
    }

    /// Returns what is left of changes that an earlier process had begun to make; all of them when none had.
    ///
    /// Where somebody was asked, only changes that were approved are made without asking again.
    pub(super) async fn left_of(&self, cx: &Context, task: &Task, changes: ChangeSet) -> Result<ChangeSet> {
        if !cx.resumes() {
            return Ok(changes);
        }
        let deploy = self.pipeline.find_deploy(&task.part)?;
        let left = answers::changes(deploy.deployer.diff(cx, &changes.desired).await?, &changes.desired)?;
        let asked = deploy.gate.as_ref().filter(|_| matches!(changes.desired, Desired::Released { .. }));
        if let Some(gate) = asked
            && left.changes.iter().any(|change| !changes.changes.contains(change))
        {
            cx.message(Level::Warning, "the changes that are left are others than those that were approved");
            self.ask(&cx.within(gate.timeout), task, &gate.text, Some(left.clone())).await?;
        }
        Ok(left)
    }

    /// Applies what was shown. Where the world moved in between, it is compared again: the same changes
    /// are made; others are asked about again where somebody was asked, and a conflict elsewhere.
    pub(super) async fn apply(&self, cx: &Context, task: &Task, changes: ChangeSet) -> Result<Deployment> {
        let deploy = self.pipeline.find_deploy(&task.part)?;
        let mut changes = changes;
        // A world that moves each time is somebody else's to stop.
        for _ in 0..3 {
            let applied = deploy.deployer.apply(cx, &changes).await;
            let conflict = match applied.and_then(|made| answers::deployment(made, &task.part)) {
                Err(error) if error.kind() == ErrorKind::Conflict => error,
                ended => return ended,
            };
            let Ok(again) = deploy.deployer.diff(cx, &changes.desired).await else { return Err(conflict) };
            let again = answers::changes(again, &changes.desired)?;
            if again.changes != changes.changes {
                // Nobody was asked about settling or about the way back.
                let asked = matches!(changes.desired, Desired::Released { .. });
                let Some(gate) = deploy.gate.as_ref().filter(|_| asked) else { return Err(conflict) };
                cx.message(Level::Warning, format!("the changes are others now: {}", conflict.report()));
                self.ask(&cx.within(gate.timeout), task, &gate.text, Some(again.clone())).await?;
            }
            changes = again;
        }
        answers::deployment(deploy.deployer.apply(cx, &changes).await?, &task.part)
    }
}

/// Returns, once the task need not wait for an answer any longer, why.
async fn no_longer(cx: &Context) -> Error {
    tokio::select! {
        biased;
        reason = cx.cancel().requested() => Error::cancelled(reason.to_string()),
        error = cx.stopped() => error,
    }
}
