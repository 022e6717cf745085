//! Waiting for a job's pod: until a container begins, until it ends, and its log meanwhile.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use serde_json::Value;
use shipway_core::{Context, Error, ErrorKind, Level, Result};

use super::{
    PodJob,
    pod::{Ended, Stage, failed, lacks_image, stage, stopped},
};
use crate::{
    api::Api,
    health::{self, Trouble},
    kubernetes::LogOptions,
    watch::Happened,
};

/// How often it is looked why something does not go on, where nothing happens.
const LOOK: Duration = Duration::from_secs(2);

/// How soon that is looked for first.
const FIRST: Duration = Duration::from_millis(700);

/// For how long an image may not come, as where a registry restarts: a node asks three times meanwhile.
const IMAGE: Duration = Duration::from_secs(40);

impl PodJob {
    /// Waits until a container of the pod runs or has ended, and returns the pod's name. What keeps it from
    /// that is told as warnings.
    ///
    /// # Errors
    /// `Unavailable` when it cannot begin, with the reasons, or when the pod is gone; `Cancelled` and
    /// `Timeout` when the context must not go on.
    pub async fn begun(&self, cx: &Context, container: &str) -> Result<String> {
        self.until(cx, container, |pod, _| pod["metadata"]["name"].as_str().map(ToOwned::to_owned)).await
    }

    /// Waits until a container has ended, and returns how.
    ///
    /// # Errors
    /// As [`PodJob::begun`].
    pub async fn ended(&self, cx: &Context, container: &str) -> Result<Ended> {
        let ended = |_: &Value, stage: Stage| match stage {
            Stage::Ended(ended) => Some(ended),
            _ => None,
        };
        self.until(cx, container, ended).await
    }

    /// Returns whether a container has ended already.
    ///
    /// # Errors
    /// `Unavailable` when the pod is gone.
    pub async fn has_ended(&self, cx: &Context, container: &str) -> Result<bool> {
        match self.now(cx, container).await? {
            Some(stage) => Ok(matches!(stage, Stage::Ended(_))),
            None => Err(self.gone(cx).await?),
        }
    }

    /// Hands over the log of a container line by line, from its beginning to its end, also over connections
    /// that break, and returns how the container ended.
    ///
    /// # Errors
    /// As [`PodJob::begun`].
    pub async fn follow(
        &self,
        cx: &Context,
        container: &str,
        mut line: impl FnMut(&str) + Send,
    ) -> Result<Ended> {
        let pod = self.begun(cx, container).await?;
        let mut seen = 0_usize;
        loop {
            // Asked for before the log is read: what had ended then is whole in it.
            let Some(before) = self.now(cx, container).await? else { return Err(self.gone(cx).await?) };
            let read = self.read(cx, &pod, container, &mut seen, &mut line).await;
            match (read, before) {
                (Ok(()), Stage::Ended(ended)) => return Ok(ended),
                (Ok(()), _) => {}
                (Err(error), _) if error.kind() == ErrorKind::Unavailable => {
                    cx.sleep(super::LOOK).await?;
                }
                // The log went with the pod's container, whose end is known all the same.
                (Err(error), Stage::Ended(ended)) if error.kind() != ErrorKind::Cancelled => {
                    cx.message(Level::Warning, format!("the end of the log is lost: {error}"));
                    return Ok(ended);
                }
                (Err(error), _) => return Err(error),
            }
        }
    }

    /// Reads the log from its beginning, and hands over what comes after the lines that were seen.
    async fn read(
        &self,
        cx: &Context,
        pod: &str,
        container: &str,
        seen: &mut usize,
        line: &mut (impl FnMut(&str) + Send),
    ) -> Result<()> {
        let options = LogOptions::new().follow();
        let mut log = self.cluster.logs(cx, self.namespace(), pod, Some(container), &options).await?;
        let mut count = 0_usize;
        while let Some(text) = log.next().await? {
            count += 1;
            if count > *seen {
                *seen = count;
                line(&text);
            }
        }
        Ok(())
    }

    /// Returns how far a container is now.
    async fn now(&self, cx: &Context, container: &str) -> Result<Option<Stage>> {
        let pods = self.cluster.list(cx, &self.pods()).await?.items;
        Ok(pods.iter().find(|pod| self.is_own(pod)).map(|pod| stage(pod, container)))
    }

    fn is_own(&self, pod: &Value) -> bool {
        super::is_owned(pod, &self.uid)
    }

    /// Waits until a container that has begun is so.
    async fn until<T>(
        &self,
        cx: &Context,
        container: &str,
        is_so: impl Fn(&Value, Stage) -> Option<T>,
    ) -> Result<T> {
        let selector = self.pods();
        let list = self.cluster.list(cx, &selector).await?;
        let mut pod = list.items.iter().find(|pod| self.is_own(pod)).cloned().map(Arc::new);
        let mut watch = self.cluster.watch(cx, &selector, &list).await?;
        let (mut told, mut look) = (BTreeSet::new(), FIRST);
        let (mut last, mut lacks) = (Vec::new(), None);
        loop {
            let mut waits = true;
            if let Some(pod) = &pod {
                match stage(pod, container) {
                    Stage::Waiting => {}
                    begun => {
                        waits = false;
                        if let Some(found) = is_so(pod, begun) {
                            return Ok(found);
                        }
                    }
                }
                if let Some((reason, message)) = stopped(pod) {
                    return Err(self.was_ended(&reason, &message));
                }
                if waits && let Some((first, ended)) = failed(pod) {
                    let text = format!("its container `{first}` ended with code {}", ended.code);
                    let error = self.cannot_begin(&text);
                    return Err(match ended.message.trim() {
                        "" => error,
                        said => error.note(said),
                    });
                }
            }
            let event = tokio::select! {
                biased;
                event = watch.next() => event.map(Some),
                () = cx.clock().sleep(look) => Ok(None),
            };
            match event {
                Ok(Some(event)) if !self.is_own(&event.object) => {}
                Ok(Some(event)) if event.happened == Happened::Deleted => return Err(self.gone(cx).await?),
                Ok(Some(event)) => {
                    pod = Some(event.object);
                    look = look.min(FIRST);
                }
                Ok(None) => {
                    look = LOOK;
                    if waits {
                        last = self.troubles(cx, pod.as_deref()).await?;
                        let now = cx.clock().elapsed();
                        lacks = pod.as_deref().filter(|pod| lacks_image(pod)).map(|_| lacks.unwrap_or(now));
                        let long = lacks.is_some_and(|since| now - since >= IMAGE);
                        if let Some(fatal) = last.iter().find(|trouble| long || trouble.ends_waiting(false)) {
                            return Err(self.cannot_begin(&fatal.text));
                        }
                        for trouble in &last {
                            if told.insert(trouble.text.clone()) {
                                cx.message(Level::Warning, format!("{} waits: {}", self.job, trouble.text));
                            }
                        }
                    }
                }
                Err(error) if error.kind() == ErrorKind::Unavailable => {}
                Err(error) if error.kind() == ErrorKind::Timeout => {
                    return Err(last.iter().fold(error, |error, trouble| error.note(&trouble.text)));
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Returns what keeps the pod from going on, or the job from having one.
    async fn troubles(&self, cx: &Context, pod: Option<&Value>) -> Result<Vec<Trouble>> {
        if let Some(pod) = pod {
            let id = crate::object_id(pod)?;
            let events = self.cluster.events(cx, &id, pod["metadata"]["uid"].as_str()).await?;
            return Ok(health::explain(pod, &[], &events));
        }
        let Some(job) = self.cluster.get(cx, &self.job).await? else {
            return Err(self.gone(cx).await?);
        };
        let events = self.cluster.events(cx, &self.job, Some(&self.uid)).await?;
        Ok(health::explain(&job, &[], &events))
    }

    /// Says why there is no pod any more: the job's own controller removes it when its time is over.
    async fn gone(&self, cx: &Context) -> Result<Error> {
        let job = self.cluster.get(cx, &self.job).await?.unwrap_or_default();
        let conditions = job["status"]["conditions"].as_array();
        let failed = conditions.into_iter().flatten().find(|one| one["reason"] == "DeadlineExceeded");
        if let Some(failed) = failed {
            let said = failed["message"].as_str().unwrap_or_default();
            return Ok(self.was_ended("DeadlineExceeded", said));
        }
        let error = Error::new(ErrorKind::Unavailable, format!("the pod of {} is gone", self.job));
        Ok(error.note("somebody else removed it, or its node is gone").retry(true))
    }

    fn cannot_begin(&self, why: &str) -> Error {
        Error::new(ErrorKind::Unavailable, format!("{} does not start: {why}", self.job)).retry(false)
    }

    fn was_ended(&self, reason: &str, message: &str) -> Error {
        let text = format!("the cluster ended the pod of {}: {reason}", self.job);
        let error = match reason {
            "DeadlineExceeded" => Error::timeout(text),
            _ => Error::new(ErrorKind::Unavailable, text).retry(true),
        };
        if message.is_empty() { error } else { error.note(message) }
    }
}
