//! Renders a release, compares it with its target and watches it.

use super::{
    Aim, Deploy, Output, Task, answers,
    lower::{id, image_id},
    perform::{Done, Work},
};
use crate::{Context, Deployment, Desired, Error, ErrorKind, EventKind, Health, Level, Phase, Result};

impl Work {
    pub(super) async fn render(&self, cx: &Context, deploy: &Deploy) -> Result<Output> {
        let mut release = deploy.release.clone();
        for build in self.pipeline.builds.iter().filter(|build| deploy.uses(&build.artifact.name)) {
            let part = &build.artifact.name;
            let last =
                if build.tagger.is_some() { id("push", part) } else { image_id(&self.pipeline, part)? };
            let mut image = self.image(&last)?;
            image.name.clone_from(part);
            release.images.push(image);
        }
        let manifests = deploy.deployer.render(cx, &release).await?;
        Ok(Output::Manifests(answers::manifests(manifests, &release.name)?))
    }

    pub(super) async fn diff(&self, cx: &Context, task: &Task, aim: &Aim) -> Result<Output> {
        let deploy = self.pipeline.find_deploy(&task.part)?;
        let desired = match aim {
            Aim::Release(share) => match self.output(&id("render", &task.part)) {
                Some(Output::Manifests(manifests)) => Desired::Released { manifests, share: *share },
                _ => return Err(Error::internal(format!("`{}` was not rendered", task.part))),
            },
            Aim::Settle => Desired::Settled(self.deployment(&id("apply", &task.part))?),
            Aim::Remove => match deploy.deployer.history(cx, &task.part).await?.into_iter().next() {
                Some(live) => Desired::Absent(live),
                None => return Ok(Output::Nothing),
            },
            Aim::Restore => {
                let failed = self.deployment(&id("apply", &task.part)).ok().map(|failed| failed.revision);
                let history = deploy.deployer.history(cx, &task.part).await?;
                let earlier =
                    history.into_iter().find(|deployment| Some(&deployment.revision) != failed.as_ref());
                let Some(earlier) = earlier else {
                    cx.message(
                        Level::Warning,
                        "there is no earlier deployment to go back to; the failed one stays",
                    );
                    return Ok(Output::Nothing);
                };
                Desired::Restored(earlier)
            }
            Aim::Revision(revision) => {
                let history = deploy.deployer.history(cx, &task.part).await?;
                Desired::Restored(restored(&task.part, history, revision.as_deref())?)
            }
        };
        Ok(Output::Changes(answers::changes(deploy.deployer.diff(cx, &desired).await?, &desired)?))
    }
}

/// Returns the deployment of a revision, or the one before the live one.
fn restored(release: &str, history: Vec<Deployment>, revision: Option<&str>) -> Result<Deployment> {
    let known: Vec<String> = history.iter().map(|known| format!("`{}`", known.revision)).collect();
    let Some(revision) = revision else {
        let why = if known.is_empty() { "it is not deployed" } else { "the live one is the first" };
        return history.into_iter().nth(1).ok_or_else(|| {
            Error::not_found(format!("release `{release}` has no earlier deployment to go back to"))
                .note(why)
                .hint("deploy what is wanted with a new run")
        });
    };
    history.into_iter().find(|known| known.revision == revision).ok_or_else(|| {
        let error = Error::not_found(format!("release `{release}` has no revision `{revision}`"));
        if known.is_empty() {
            return error.hint("it is not deployed");
        }
        error.hint(format!("the target remembers {}", known.join(", ")))
    })
}

/// How many times as long as a look takes is the pause after it at least, up to the interval.
const BUSY: u32 = 20;

/// Looks again and again until the deployment is healthy, has failed, or the deadline passes.
pub(super) async fn watch(cx: &Context, deploy: &Deploy, deployment: &Deployment) -> Result<Done> {
    let mut last: Option<Health> = None;
    loop {
        let begun = cx.clock().elapsed();
        let health = match deploy.deployer.health(cx, deployment).await {
            Ok(health) => health,
            // A target that cannot be asked just now is asked again, until the deadline.
            Err(error) if error.may_retry() => {
                Health::new(Phase::Progressing).waiting_for(vec![error.report().to_string()])
            }
            Err(error) => return Err(error),
        };
        if last.as_ref() != Some(&health) {
            cx.emit(EventKind::Health { phase: health.phase, waiting_for: health.waiting_for.clone() });
        }
        let release = &deployment.manifests.release.name;
        match health.phase {
            Phase::Healthy => return Ok(Output::Deployment(deployment.clone()).into()),
            Phase::Failed => {
                let error = Error::new(ErrorKind::Unhealthy, format!("release `{release}` is not healthy"));
                return Err(health.waiting_for.into_iter().fold(error, Error::note));
            }
            Phase::Progressing => {}
        }
        // A target that is slow to answer has enough to do: others may be waited for at the same time.
        let busy = (cx.clock().elapsed().saturating_sub(begun) * BUSY).min(deploy.watch.interval);
        let pause = health.again.unwrap_or(deploy.watch.interval);
        cx.sleep(pause.max(busy)).await.map_err(|error| match error.kind() {
            ErrorKind::Timeout => {
                let text = format!("release `{release}` was not healthy after {:?}", deploy.watch.timeout);
                health
                    .waiting_for
                    .iter()
                    .fold(Error::timeout(text), |error, waits| error.note(format!("waits for {waits}")))
            }
            _ => error,
        })?;
        last = Some(health);
    }
}
