//! What builds made and tests found, as it is kept in a cache: plain JSON under keys that name the build.

use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{Cache, Snapshot};
use crate::{Context, Error, Fingerprint, Image, Inputs, Level, Reason, Result, Tag, TestReport, Timestamp};

/// An image that was made, or was seen to exist.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Known {
    pub(crate) image: Image,
    /// When.
    pub(crate) at: Timestamp,
    /// The tag for people that was moved to it last, in its own store and repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tag: Option<Tag>,
}

/// A declaration that was slow to make, and what it was made from.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Declaration {
    /// The snapshot of its [`Inputs::listed_by`].
    pub(crate) listed_by: Snapshot,
    pub(crate) inputs: Inputs,
}

/// That a cache cannot be read, which a run says once.
struct Unreadable;

/// What a cache has of one maker: a text that names the build, or the test, across runs, by kind, part and target.
pub(crate) struct Results<'a> {
    pub(crate) cx: &'a Context,
    pub(crate) cache: &'a dyn Cache,
    pub(crate) maker: String,
}

impl Results<'_> {
    /// Returns the image that is kept under this fingerprint.
    pub(crate) async fn image(&self, fingerprint: &Fingerprint) -> Option<Known> {
        self.get(&format!("image of {fingerprint}")).await
    }

    /// Keeps an image, which exists now and has this tag for people.
    pub(crate) async fn keep_image(
        &self,
        fingerprint: &Fingerprint,
        image: &Image,
        tag: Option<&Tag>,
    ) -> Result<()> {
        let known = Known { image: image.clone(), at: self.cx.clock().now(), tag: tag.cloned() };
        self.put(&format!("image of {fingerprint}"), &known).await
    }

    /// Returns the inputs of the newest result, to tell what changed since.
    async fn newest(&self) -> Option<Snapshot> {
        self.get("newest").await
    }

    pub(crate) async fn keep_newest(&self, snapshot: &Snapshot) -> Result<()> {
        self.put("newest", snapshot).await
    }

    /// Returns why nothing is kept for a complete snapshot: what changed since the newest result, or `first` where there is
    /// none.
    pub(crate) async fn missing(&self, snapshot: &Snapshot, first: Reason) -> Vec<Reason> {
        let reasons = self.newest().await.map(|newest| snapshot.reasons(&newest));
        // The same inputs as last time, whose result the cache has forgotten.
        reasons.filter(|reasons| !reasons.is_empty()).unwrap_or_else(|| vec![first])
    }

    /// Returns the report that is kept under this fingerprint.
    pub(crate) async fn report(&self, fingerprint: &Fingerprint) -> Option<TestReport> {
        self.get(&format!("report of {fingerprint}")).await
    }

    pub(crate) async fn keep_report(&self, fingerprint: &Fingerprint, report: &TestReport) -> Result<()> {
        self.put(&format!("report of {fingerprint}"), report).await
    }

    pub(crate) async fn declaration(&self) -> Option<Declaration> {
        self.get("declaration").await
    }

    pub(crate) async fn keep_declaration(&self, declaration: &Declaration) -> Result<()> {
        self.put("declaration", declaration).await
    }

    /// The number grows when the form of what is kept does: what another form says is not found.
    fn key(&self, what: &str) -> String {
        format!("1 {what} {}", self.maker)
    }

    /// A cache that cannot be read has nothing, and the run goes on: it only takes longer.
    async fn get<T: DeserializeOwned>(&self, what: &str) -> Option<T> {
        match self.cache.get(self.cx, &self.key(what)).await {
            // What cannot be read was kept by a newer Shipway, or by somebody else: it is as if it were not there.
            Ok(found) => found.and_then(|bytes| serde_json::from_slice(&bytes).ok()),
            Err(why) => {
                let told = self.cx.once::<Unreadable>("cache", async {
                    self.cx.message(Level::Warning, format!("the cache cannot be read: {}", why.report()));
                    Ok(Unreadable)
                });
                let _ = told.await;
                None
            }
        }
    }

    async fn put(&self, what: &str, value: &(impl Serialize + Sync)) -> Result<()> {
        let bytes = serde_json::to_vec(value)
            .map_err(|error| Error::internal("a result has no form in JSON").source(error))?;
        self.cache.put(self.cx, &self.key(what), Bytes::from(bytes)).await
    }
}
