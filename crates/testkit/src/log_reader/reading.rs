//! One reading of logs under way.

use std::{panic::resume_unwind, sync::Arc, time::Duration};

use shipway_core::{Cancel, CancelReason, EventKind, LogReader, LogRequest, Record, Result, Stage, TaskId};
use tokio::{task::JoinHandle, time::timeout};

use super::stand::Stand;
use crate::{GRACE, clause::Trouble};

/// How long who has told all may take to end, in the checks that are not about its end.
const SOON: Duration = Duration::from_millis(300);

/// How often it is looked whether enough was told.
const LOOK: Duration = Duration::from_millis(10);

pub(super) struct Reading {
    record: Arc<Record>,
    task: Option<TaskId>,
    follows: bool,
    cancel: Cancel,
    running: JoinHandle<Result<()>>,
    end: Option<Result<()>>,
}

impl Reading {
    /// Begins to read, in a task of its own.
    pub(super) fn begin(
        stand: &Stand,
        reader: Arc<dyn LogReader>,
        request: &LogRequest,
        cancel: Cancel,
    ) -> Self {
        let task = TaskId::parse(format!("conformance:reading{}", stand.number())).ok();
        let cx = stand.room().run().context(task.clone(), None, cancel.clone());
        let (deployment, request) = (stand.deployment(), request.clone());
        let (record, follows) = (Arc::clone(&stand.room().record), request.follow);
        let running = tokio::spawn(async move { reader.read(&cx, &deployment, &request).await });
        Self { record, task, follows, cancel, running, end: None }
    }

    /// Returns what was told so far.
    pub(super) fn lines(&self) -> Vec<String> {
        let told = self.record.events().into_iter().filter(|event| event.task == self.task);
        told.filter_map(|event| match event.kind {
            EventKind::Output { line, .. } => Some(line),
            _ => None,
        })
        .collect()
    }

    /// Returns how it ended, if it does so in time.
    pub(super) async fn end(&mut self, within: Duration) -> Option<&Result<()>> {
        if self.end.is_none()
            && let Ok(ended) = timeout(within, &mut self.running).await
        {
            // A panic of the plug-in is one of the check.
            self.end = Some(ended.unwrap_or_else(|error| resume_unwind(error.into_panic())));
        }
        self.end.as_ref()
    }

    /// Returns once enough was told, or it ended, or nothing more came for the grace.
    pub(super) async fn hear(&mut self, enough: impl Fn(&[String]) -> bool) {
        let (mut heard, mut looks) = (0, 0);
        while looks * LOOK < GRACE && self.end(LOOK).await.is_none() {
            let lines = self.lines();
            if enough(&lines) {
                return;
            }
            looks = if lines.len() > heard { 0 } else { looks + 1 };
            heard = lines.len();
        }
    }

    pub(super) fn ask_to_stop(&self) {
        self.cancel.escalate(Stage::Requested, CancelReason::Asked);
    }

    /// Returns what is told until it is enough, for checks that are not about the end: an error is trouble, but not after it
    /// was asked to stop.
    pub(super) async fn told(mut self, enough: impl Fn(&[String]) -> bool) -> Result<Vec<String>, Trouble> {
        self.hear(enough).await;
        if !self.follows {
            self.end(SOON).await;
        }
        if let Some(ended) = self.end.take() {
            ended?;
            return Ok(self.lines());
        }
        self.ask_to_stop();
        self.end(SOON).await;
        Ok(self.lines())
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.running.abort();
    }
}
