//! Looks at what is deployed, and at what a release would change: reads only, outside of any run.

use std::{fmt, sync::Arc};

use super::{
    Build, Deploy, Driver, Observed, ObservedBuild, Pipeline, answers, names::Names, observe::at_once,
};
use crate::{
    Cancel, ChangeSet, Context, Deployment, Desired, Digest, Error, ErrorKind, Health, Image, LogRequest,
    Result, TagRequest, plain::Plain, value::value,
};

value! {
    /// How a release fares at its target.
    #[derive(Eq)]
    pub struct ReleaseStatus {
        /// The release.
        pub release: String,
        ;
        /// What the target remembers: the live deployment first, then earlier ones, newest first; empty when it is not
        /// deployed.
        pub history: Vec<Deployment>,
        /// How the live deployment fares.
        pub health: Option<Health>,
    }
}

value! {
    /// What a release would change at its target.
    ///
    /// Its `Display` is for people: a line for each object and below it, indented, what of it changes.
    #[derive(Eq)]
    pub struct Preview {
        /// The changes. Images that are not built yet have [`Preview::UNBUILT`] as their digest, so that these changes are
        /// for a look and not for an apply.
        pub changes: ChangeSet,
        ;
    }
}

impl Preview {
    /// The digest that stands for that of an image which is not built yet.
    pub const UNBUILT: &'static str =
        "sha256:0000000000000000000000000000000000000000000000000000000000000000";

    /// Returns the same text with words in the place of digests that are not known yet.
    fn told(text: &str) -> String {
        let hex = Self::UNBUILT.trim_start_matches("sha256:");
        text.replace(hex, "(not built yet)")
    }
}

impl fmt::Display for Preview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        let mut f = Plain(f);
        for change in &self.changes.changes {
            writeln!(f, "{} {}", change.verb, change.object)?;
            for line in Self::told(&change.diff).lines() {
                writeln!(f, "  {line}")?;
            }
        }
        Ok(())
    }
}

impl Driver {
    /// Asks the targets of a pipeline's releases what they remember, and looks once at how each live deployment fares.
    /// In the pipeline's order.
    ///
    /// # Errors
    /// Those of [`Deployer::history`](crate::Deployer::history) and [`Deployer::health`](crate::Deployer::health).
    pub async fn status(&self, pipeline: &Pipeline, cancel: &Cancel) -> Result<Vec<ReleaseStatus>> {
        pipeline.check()?;
        let ask = |deploy: Deploy, cx: Context| async move {
            let name = &deploy.release.name;
            let history = deploy.deployer.history(&cx, name).await?;
            let health = match history.first() {
                Some(live) => Some(deploy.deployer.health(&cx, live).await?),
                None => None,
            };
            Ok(ReleaseStatus::new(name.as_str()).history(history).health(health))
        };
        self.look_at(pipeline.deploys.clone(), ask, cancel).await
    }

    /// Returns the images that a run would build or find, as far as that is known before it, in the pipeline's order: with
    /// the tags for people, and [`Preview::UNBUILT`] as the digest of those that are not built yet.
    ///
    /// # Errors
    /// Those of the taggers.
    pub async fn expected_images(
        &self,
        pipeline: &Pipeline,
        observed: &Observed,
        cancel: &Cancel,
    ) -> Result<Vec<Image>> {
        pipeline.check()?;
        let (pipeline, observed) = (pipeline.clone(), observed.clone());
        let look = |cx: Context| async move {
            let (names, mut images) = (Names::new(&pipeline)?, Vec::with_capacity(pipeline.builds.len()));
            for build in &pipeline.builds {
                images.push(image(&cx, &names, build, observed.builds.get(&build.artifact.name)).await?);
            }
            Ok(images)
        };
        self.looking(cancel, look).await
    }

    /// Compares what a run would release with the targets, as far as that is known before it: for each release, in the
    /// pipeline's order, what would change, or why that cannot be told.
    ///
    /// # Errors
    /// `Config` when the pipeline is wrong.
    pub async fn preview(
        &self,
        pipeline: &Pipeline,
        observed: &Observed,
        cancel: &Cancel,
    ) -> Result<Vec<(String, Result<Preview>)>> {
        pipeline.check()?;
        let whole = Arc::new((pipeline.clone(), observed.clone()));
        let look = move |deploy: Deploy, cx: Context| {
            let whole = Arc::clone(&whole);
            async move {
                let preview = preview(&cx, &whole.0, &whole.1, &deploy).await;
                Ok((deploy.release.name, preview))
            }
        };
        self.look_at(pipeline.deploys.clone(), look, cancel).await
    }

    /// Tells what the programs of a pipeline's live deployments print, as [`EventKind::Output`](crate::EventKind::Output)
    /// of no task: those releases that have a [`LogReader`](crate::LogReader).
    ///
    /// With [`LogRequest::follow`] it goes on until cancellation is requested, which is no error.
    ///
    /// # Errors
    /// `NotFound` when none of the releases is deployed, or none has a reader; those of the targets.
    pub async fn logs(&self, pipeline: &Pipeline, request: &LogRequest, cancel: &Cancel) -> Result<()> {
        pipeline.check()?;
        let (follow, request) = (request.follow, request.clone());
        let read = move |deploy: Deploy, cx: Context| {
            let request = request.clone();
            async move {
                let Some(reader) = &deploy.logs else { return Ok(false) };
                let history = deploy.deployer.history(&cx, &deploy.release.name).await?;
                let Some(live) = history.first() else { return Ok(false) };
                reader.read(&cx, live, &request).await.map(|()| true)
            }
        };
        match self.look_at(pipeline.deploys.clone(), read, cancel).await {
            Ok(read) if !read.contains(&true) => Err(Error::not_found("there are no logs to read")
                .note("nothing of the pipeline is deployed, or only to targets that keep no logs")
                .hint("deploy it first")),
            Err(error) if follow && error.kind() == ErrorKind::Cancelled => Ok(()),
            read => read.map(drop),
        }
    }

    /// Looks at each, all at once, and returns what was seen in order.
    async fn look_at<T, R, F>(
        &self,
        each: Vec<T>,
        look: impl Fn(T, Context) -> F + Send + 'static,
        cancel: &Cancel,
    ) -> Result<Vec<R>>
    where
        T: Send + 'static,
        R: Send + 'static,
        F: Future<Output = Result<R>> + Send + 'static,
    {
        self.looking(cancel, |cx| async move { at_once(&cx, usize::MAX, each, look).await }).await
    }
}

/// Returns what the release would change.
async fn preview(cx: &Context, pipeline: &Pipeline, observed: &Observed, deploy: &Deploy) -> Result<Preview> {
    let mut release = deploy.release.clone();
    let names = Names::new(pipeline)?;
    for build in names.images(deploy)? {
        release.images.push(image(cx, &names, build, observed.builds.get(&build.artifact.name)).await?);
    }
    let manifests = answers::manifests(deploy.deployer.render(cx, &release).await?, &release.name)?;
    let desired = Desired::Released { manifests, share: 100 };
    let changes = answers::changes(deploy.deployer.diff(cx, &desired).await?, &desired)?;
    Ok(Preview::new(changes))
}

/// Returns the image that a release would have.
async fn image(
    cx: &Context,
    names: &Names<'_>,
    build: &Build,
    seen: Option<&ObservedBuild>,
) -> Result<Image> {
    let name = build.artifact.name.as_str();
    let stores = names.stores(name)?;
    let known = seen.and_then(|seen| seen.image.clone()).filter(|_| !stores.copy_is_another());
    let mut image = match known {
        Some(known) => known,
        None => {
            let store = stores.read.as_ref().unwrap_or(&stores.built).clone();
            Image::new(name, store, build.repository.as_str(), Digest::parse(Preview::UNBUILT)?)
        }
    };
    name.clone_into(&mut image.name);
    if let Some(read) = &stores.read {
        image.store = read.clone();
    }
    if let Some(tagger) = &build.tagger {
        let fingerprint = seen.and_then(|seen| seen.fingerprint.clone());
        if fingerprint.is_some() || !tagger.needs_fingerprint() {
            let request = TagRequest::new(build.artifact.clone())
                .fingerprint(fingerprint.filter(|_| tagger.needs_fingerprint()));
            image.tag = Some(tagger.tag(cx, &request).await?);
        }
    }
    Ok(image)
}
