//! What is recorded of a test of an image: looked up before, and written down after it.

use std::sync::Arc;

use crate::{
    Context, Fingerprint, Image, Reason, Result, TestReport, Tester,
    cache::{Cache, Results, Snapshot},
};

/// Looks up and records what becomes of one tester's test of an artifact's image.
#[derive(Clone, Debug)]
pub(super) struct Judged {
    pub(super) cache: Arc<dyn Cache>,
    pub(super) tester: Arc<dyn Tester>,
    pub(super) artifact: String,
    pub(super) name: String,
}

impl Judged {
    /// Returns what the verdict depends on: the tester's own inputs, and the image.
    pub(super) async fn snapshot(&self, cx: &Context, image: &Image) -> Result<Snapshot> {
        let mut snapshot = Snapshot::take(cx, &self.tester.inputs(cx).await?).await?;
        snapshot.set("tester", &self.tester.capabilities().version);
        snapshot.set("image", image.digest.as_str());
        Ok(snapshot)
    }

    /// Returns the report that is recorded under the fingerprint.
    pub(super) async fn report(&self, cx: &Context, fingerprint: &Fingerprint) -> Option<TestReport> {
        self.results(cx).report(fingerprint).await
    }

    /// Returns why nothing is recorded for a snapshot.
    pub(super) async fn missing(&self, cx: &Context, snapshot: &Snapshot) -> Vec<Reason> {
        self.results(cx).missing(snapshot, Reason::Untested).await
    }

    /// Records a report without failures.
    pub(super) async fn record(&self, cx: &Context, snapshot: &Snapshot, report: &TestReport) -> Result<()> {
        let results = self.results(cx);
        results.keep_report(&snapshot.fingerprint(), report).await?;
        results.keep_newest(snapshot).await
    }

    fn results<'a>(&'a self, cx: &'a Context) -> Results<'a> {
        let maker = format!("test {} of {}", self.name, self.artifact);
        Results { cx, cache: self.cache.as_ref(), maker }
    }
}
