//! Has testers judge images and deployments.

use std::sync::Arc;

use super::{
    Output, Task,
    judged::Judged,
    lower::image_id,
    perform::{Done, Work, check_planned},
};
use crate::{CaseOutcome, Context, Error, ErrorKind, Level, Result, Subject, TestReport, Tester};

impl Work {
    /// Has an artifact's tester judge its image, unless it is recorded that this image passed just this test.
    pub(super) async fn test(&self, cx: &Context, task: &Task, tester: &str) -> Result<Done> {
        let build = self.pipeline.find_build(&task.part)?;
        let image = self.image(&image_id(&self.pipeline, &task.part)?)?;
        let judged = Judged {
            cache: Arc::clone(&self.cache),
            tester: Arc::clone(build.testers.get(tester).ok_or_else(lacking)?),
            artifact: task.part.clone(),
            name: tester.to_owned(),
        };
        // What was observed for this run a moment ago is not looked at again.
        let seen = self.seen.tests.get(&task.id).filter(|_| task.fingerprint.is_some());
        let snapshot = match seen {
            Some(seen) => seen.snapshot.clone(),
            None => judged.snapshot(cx, &image).await?,
        };
        let fingerprint = snapshot.fingerprint();
        check_planned(task, Some(&fingerprint))?;
        let found = match seen {
            Some(seen) => seen.report.clone(),
            None => judged.report(cx, &fingerprint).await,
        };
        let reasons = match (&found, seen) {
            (Some(_), _) => Vec::new(),
            (None, Some(seen)) => seen.reasons.clone(),
            (None, None) => judged.missing(cx, &snapshot).await,
        };
        self.begin(cx, task, reasons, Some(fingerprint)).await?;
        if let Some(report) = found {
            return Ok(Done { output: Output::Report(report), reused: true });
        }
        let done = self.judge(cx, task, &judged.tester, &Subject::Image(image)).await?;
        if let Output::Report(report) = &done.output
            && let Err(why) = judged.record(cx, &snapshot, report).await
        {
            cx.message(Level::Warning, format!("the report is used but not recorded: {why}"));
        }
        Ok(done)
    }

    /// Has a tester judge something; it fails when a case does.
    pub(super) async fn judge(
        &self,
        cx: &Context,
        task: &Task,
        tester: &Arc<dyn Tester>,
        subject: &Subject,
    ) -> Result<Done> {
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

pub(super) fn lacking() -> Error {
    Error::internal("the plan names a tester that the pipeline lacks")
}
