//! What is recorded of a build: looked up before, and written down after it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use super::Build;
use crate::{
    Context, Error, Fingerprint, Image, Inputs, Reason, Result, Store, Tag,
    cache::{Cache, Declaration, Known, Results, Snapshot},
};

/// How it is made sure that a recorded image still exists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verify {
    /// Its store is asked each time.
    #[default]
    Always,
    /// Its store is asked unless it was so long ago at most that it was made, or that its store had it.
    Within(Duration),
    /// It is believed.
    Never,
}

/// Looks up and records what becomes of a build; clones are of the same one.
#[derive(Clone, Debug)]
pub(super) struct Recorded {
    pub(super) cache: Arc<dyn Cache>,
    pub(super) verify: Verify,
    pub(super) build: Arc<Build>,
    pub(super) store: Store,
}

/// What the cache has for a complete snapshot.
pub(super) enum Lookup {
    Found(Image),
    Missing(Vec<Reason>),
}

/// Where a recorded image was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// It exists no more.
    Gone,
    /// It exists, or is believed to.
    There,
    /// It is what this tag for people means now.
    Tagged(Tag),
}

impl Found {
    /// Returns the tag by which it was found.
    pub(super) fn tag(&self) -> Option<&Tag> {
        match self {
            Self::Tagged(tag) => Some(tag),
            Self::Gone | Self::There => None,
        }
    }
}

impl Recorded {
    /// Returns the artifact's declared inputs; from the cache while what listed them is the same.
    pub(super) async fn inputs(&self, cx: &Context) -> Result<Inputs> {
        let listing = async |listed_by: &Inputs| {
            let mut listing = Snapshot::take(cx, listed_by).await?;
            // A declaration is of an artifact as it was declared, by this builder; how that is written does not matter.
            listing.set("artifact", &format!("{:?}", self.build.artifact));
            listing.set("builder", &self.build.builder.capabilities().version);
            Ok::<_, Error>(listing)
        };
        let results = self.results(cx);
        if let Some(kept) = results.declaration().await
            && let Some(listed_by) = &kept.inputs.listed_by
            && listing(listed_by).await.is_ok_and(|now| now == kept.listed_by)
        {
            return Ok(kept.inputs);
        }
        let inputs = self.build.builder.inputs(cx, &self.build.artifact).await?;
        if let Some(listed_by) = &inputs.listed_by {
            let listed_by = listing(listed_by).await?;
            let kept = Declaration { listed_by, inputs: inputs.clone() };
            if let Err(why) = results.keep_declaration(&kept).await {
                cx.message(crate::Level::Warning, format!("a declaration is used but not kept: {why}"));
            }
        }
        Ok(inputs)
    }

    /// Returns the snapshots of the declared inputs, and of what core adds and knows beforehand.
    pub(super) async fn snapshots(cx: &Context, builds: &[Self], inputs: &[Inputs]) -> Result<Vec<Snapshot>> {
        let mut snapshots = Snapshot::take_each(cx, &inputs.iter().collect::<Vec<_>>()).await?;
        for (Self { build, .. }, snapshot) in builds.iter().zip(&mut snapshots) {
            snapshot.set("builder", &build.builder.capabilities().version);
            let platforms = build.artifact.platforms.iter().map(ToString::to_string);
            snapshot.set("platforms", &platforms.collect::<Vec<_>>().join(","));
            // What nobody attested is built again once somebody is to.
            if let Some(attester) = &build.attester {
                snapshot.set("attester", &attester.capabilities().version);
            }
        }
        Ok(snapshots)
    }

    /// Returns the snapshot of the declared inputs, and of what core adds and knows beforehand.
    pub(super) async fn snapshot(&self, cx: &Context, inputs: &Inputs) -> Result<Snapshot> {
        let one = Self::snapshots(cx, std::slice::from_ref(self), std::slice::from_ref(inputs)).await?;
        one.into_iter().next().ok_or_else(|| Error::internal("a declaration has no snapshot"))
    }

    /// Returns the image that is recorded under the fingerprint, whether or not it still exists.
    pub(super) async fn known(&self, cx: &Context, fingerprint: &Fingerprint) -> Option<Known> {
        self.results(cx).image(fingerprint).await
    }

    /// Returns whether a recorded image still exists, as far as that is to be verified: by the tag that was moved to it last,
    /// so that who is to move it there need not ask again, or else by its digest.
    ///
    /// # Errors
    /// Those of its store.
    pub(super) async fn exists(
        &self,
        cx: &Context,
        fingerprint: &Fingerprint,
        Known { image, at, tag }: &Known,
    ) -> Result<Found> {
        let believed = match self.verify {
            Verify::Always => false,
            // A clock that was set back says nothing.
            Verify::Within(time) => {
                cx.clock().now().0.checked_sub(at.0).is_some_and(|since| Duration::from_millis(since) <= time)
            }
            Verify::Never => true,
        };
        if believed {
            return Ok(Found::There);
        }
        let found = find(cx, image, tag.as_ref()).await?;
        if found != Found::Gone && matches!(self.verify, Verify::Within(_)) {
            // Without a note its store is asked again next time.
            let _ = self.results(cx).keep_image(fingerprint, image, tag.as_ref()).await;
        }
        Ok(found)
    }

    /// Takes note of the tag for people that was moved to the image that is recorded under the fingerprint.
    pub(super) async fn note_tag(&self, cx: &Context, fingerprint: &Fingerprint, image: &Image, tag: &Tag) {
        let known = self.known(cx, fingerprint).await.filter(|known| {
            known.image.digest == image.digest
                && known.image.store == image.store
                && known.tag.as_ref() != Some(tag)
        });
        if let Some(known) = known {
            // Without a note the image is asked for by its digest.
            let _ = self.results(cx).keep_image(fingerprint, &known.image, Some(tag)).await;
        }
    }

    pub(super) async fn look_up(&self, cx: &Context, snapshot: &Snapshot) -> Result<Lookup> {
        let fingerprint = snapshot.fingerprint();
        let Some(known) = self.known(cx, &fingerprint).await else {
            return Ok(Lookup::Missing(self.missing(cx, snapshot).await));
        };
        if self.exists(cx, &fingerprint, &known).await? != Found::Gone {
            return Ok(Lookup::Found(known.image));
        }
        Ok(Lookup::Missing(vec![Reason::Gone(known.image.reference())]))
    }

    /// Returns why nothing is recorded for a complete snapshot.
    pub(super) async fn missing(&self, cx: &Context, snapshot: &Snapshot) -> Vec<Reason> {
        self.results(cx).missing(snapshot, Reason::First).await
    }

    pub(super) async fn record(&self, cx: &Context, snapshot: &Snapshot, image: &Image) -> Result<()> {
        let results = self.results(cx);
        results.keep_image(&snapshot.fingerprint(), image, None).await?;
        results.keep_newest(snapshot).await
    }

    /// Returns what the cache has of this build, under a text that names it across runs: other targets, other results.
    fn results<'a>(&'a self, cx: &'a Context) -> Results<'a> {
        let store = match &self.store {
            Store::Registry => "registry".to_owned(),
            Store::Daemon(endpoint) => format!("daemon {endpoint}"),
            Store::Layout(path) => format!("layout {}", path.display()),
        };
        let maker = format!("build {} into {store} {}", self.build.artifact.name, self.build.repository);
        Results { cx, cache: self.cache.as_ref(), maker }
    }
}

/// Finds an image that is recorded.
async fn find(cx: &Context, image: &Image, tag: Option<&Tag>) -> Result<Found> {
    let ask = async |reference: &str| cx.images().find(cx, &image.store, reference).await;
    if let Some(tag) = tag {
        let there = ask(&format!("{}:{tag}", image.repository)).await?;
        if there.is_some_and(|there| there.digest == image.digest) {
            return Ok(Found::Tagged(tag.clone()));
        }
    }
    Ok(ask(&image.reference()).await?.map_or(Found::Gone, |_| Found::There))
}

/// Adds the inputs that core knows once other tasks have ended.
pub(super) fn complete(snapshot: &mut Snapshot, requires: &BTreeMap<String, Image>, tag: Option<&Tag>) {
    for (alias, image) in requires {
        snapshot.set(format!("required image {alias}"), image.digest.as_str());
    }
    if let Some(tag) = tag {
        snapshot.set("tag", tag.as_str());
    }
}
