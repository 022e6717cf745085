//! The deployer `gitops`: the flow of two repositories, one of the sources and one of the environment.
//!
//! The environment's branch `candidate` is the history of what was tried, `production` of what was proved to
//! work. A release is a commit on `candidate`; then another deployer applies it; and once it is healthy, the
//! manifest that was applied is committed to `production`. To go back is a release of what `production` had.

mod environment;
mod logs;
mod message;
mod plan;
mod source;
mod template;
mod tried;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use shipway_core::{
    Capabilities, Catalog, ChangeSet, Context, Deployer, Deployment, Desired, Error, Feature, Health, Inputs,
    Level, Manifests, Part, PluginConfig, Release, Result,
};
use shipway_git::{Author, Remote};

pub use self::{
    environment::Environment,
    logs::{GitopsLogs, GitopsLogsConfig},
    template::{ImagePart, Substitute},
};
use self::{
    environment::Version,
    plan::{Plan, inner_of, outer_of},
    tried::Tried,
};
use crate::manifests::{bind, joined};

/// How many earlier deployments `history` returns.
const HISTORY: usize = 10;

/// Records releases in a repository of the environment, and has another deployer apply them.
///
/// One file of the repository is this release's; others may be other applications'. It has the manifests as
/// they were applied, each image by its digest. A commit is made only when the file changes, by
/// compare-and-swap, so that writers beside one another lose nothing; what somebody else did to this file
/// since `diff` is a `Conflict`.
///
/// ```no_run
/// use std::sync::Arc;
/// use shipway_cluster::MemoryCluster;
/// use shipway_deployers::{Environment, Gitops, ImagePart, Memory, Substitute};
///
/// let cluster = Memory::new(MemoryCluster::new());
/// let deployer = Gitops::new(Arc::new(cluster), Environment::folder("../environment.git"))
///     .templates(["kubernetes.yaml.tpl"])
///     .substitutes([
///         ("GOOGLE_CLOUD_PROJECT", Substitute::Text("shop".to_owned())),
///         ("COMMIT_SHA", Substitute::Of(ImagePart::Tag("web".to_owned()))),
///     ]);
/// ```
#[derive(Clone, Debug)]
pub struct Gitops {
    inner: Arc<dyn Deployer>,
    environment: Environment,
    file: String,
    candidate: String,
    production: String,
    author: Author,
    templates: Vec<PathBuf>,
    substitutes: BTreeMap<String, Substitute>,
    source: PathBuf,
    repository: Option<String>,
}

impl Gitops {
    /// Returns the deployer that records in this environment what the inner one applies: in the file
    /// `kubernetes.yaml` of the branches `candidate` and `production`, with manifests as the inner one renders
    /// them.
    pub fn new(inner: Arc<dyn Deployer>, environment: Environment) -> Self {
        Self {
            inner,
            environment,
            file: "kubernetes.yaml".to_owned(),
            candidate: "candidate".to_owned(),
            production: "production".to_owned(),
            author: Author::new("shipway", "shipway@localhost"),
            templates: Vec::new(),
            substitutes: BTreeMap::new(),
            source: PathBuf::new(),
            repository: None,
        }
    }

    /// Sets the file, with `/` between the steps of its path: one for each application in a repository.
    #[must_use]
    pub fn file(mut self, file: impl Into<String>) -> Self {
        self.file = file.into();
        self
    }

    /// Sets the branches of what is tried and of what was proved: one pair for each environment in a
    /// repository. Each is made with its first commit.
    #[must_use]
    pub fn branches(mut self, candidate: impl Into<String>, production: impl Into<String>) -> Self {
        (self.candidate, self.production) = (candidate.into(), production.into());
        self
    }

    /// Sets who commits; `shipway <shipway@localhost>` by default.
    #[must_use]
    pub fn author(mut self, author: Author) -> Self {
        self.author = author;
        self
    }

    /// Sets the files that are rendered, below the context's root or absolute, in this order. Each `image:` that
    /// names an artifact, or the repository that its image is in, gets the image by its digest.
    #[must_use]
    pub fn templates<P: Into<PathBuf>>(mut self, templates: impl IntoIterator<Item = P>) -> Self {
        self.templates = templates.into_iter().map(Into::into).collect();
        self
    }

    /// Sets what marks in the templates are replaced by, wherever they stand and before images are bound. One
    /// that stands nowhere is an error.
    #[must_use]
    pub fn substitutes<M: Into<String>>(
        mut self,
        substitutes: impl IntoIterator<Item = (M, Substitute)>,
    ) -> Self {
        self.substitutes = substitutes.into_iter().map(|(mark, text)| (mark.into(), text)).collect();
        self
    }

    /// Sets the folder of the sources, whose commit and author the commits name; the context's root by default.
    /// Sources in no repository are not named.
    #[must_use]
    pub fn source(mut self, folder: impl Into<PathBuf>) -> Self {
        self.source = folder.into();
        self
    }

    /// Sets what the commits call the sources' repository; the name of its folder by default.
    #[must_use]
    pub fn repository(mut self, name: impl Into<String>) -> Self {
        self.repository = Some(name.into());
        self
    }

    /// Returns the deployment that a version of production was: of a candidate that had the same text. What
    /// somebody wrote there by hand was not proved, and is passed over.
    fn deployment(
        &self,
        cx: &Context,
        (text, version): (&str, &Version),
        tried: &Tried,
        known: &[Deployment],
    ) -> Result<Option<Deployment>> {
        let candidate = message::origin(&version.message).and_then(|commit| tried.version(commit));
        let candidate = candidate.filter(|candidate| candidate.text.as_deref() == Some(text));
        let (Some(candidate), Some(live)) = (candidate, known.first()) else {
            let what = format!("`{}` of commit `{}` of `{}`", self.file, version.commit, self.production);
            cx.message(Level::Warning, format!("{what} is of no candidate, and is passed over"));
            return Ok(None);
        };
        let commit = candidate.commit.to_string();
        if let Some(inner) = known.iter().find(|inner| joined(&inner.manifests) == *text) {
            return outer_of(inner, commit).map(Some);
        }
        // What the inner deployer forgot is applied anew from what the branch has.
        let release = live.manifests.release.clone().images(message::images(&version.message));
        let manifests = Manifests::new(release).objects(bind(&self.file, text, &[])?.manifests);
        outer_of(&Deployment::new(manifests, commit.as_str(), version.at).share(100_u8), commit).map(Some)
    }
}

#[async_trait]
impl Deployer for Gitops {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = self.inner.capabilities();
        capabilities.features.insert(Feature::Settle);
        if !self.templates.is_empty() {
            capabilities.features.insert(Feature::OfflineRender);
        }
        capabilities
    }

    async fn inputs(&self, cx: &Context) -> Result<Inputs> {
        if self.templates.is_empty() {
            return self.inner.inputs(cx).await;
        }
        let substitutes = serde_json::to_string(&self.substitutes)
            .map_err(|error| Error::internal("the substitutes cannot be written as JSON").source(error))?;
        let files: BTreeSet<PathBuf> = self.templates.iter().cloned().collect();
        Ok(Inputs::new().files(files).facts([("substitutes".to_owned(), substitutes)]))
    }

    async fn render(&self, cx: &Context, release: &Release) -> Result<Manifests> {
        if self.templates.is_empty() {
            return self.inner.render(cx, release).await;
        }
        template::render(cx, &self.templates, &self.substitutes, release).await
    }

    async fn history(&self, cx: &Context, release: &str) -> Result<Vec<Deployment>> {
        let known = self.inner.history(cx, release).await?;
        let Some(live) = known.first() else { return Ok(Vec::new()) };
        let branches = self.environment.open(cx).await?;
        let tried = self.tried(cx, &branches).await?;
        // What was applied past this repository is in none of its commits, and is live all the same.
        let commit = tried.commit_of(&joined(&live.manifests));
        let mut history = vec![outer_of(live, commit.unwrap_or_else(|| live.revision.clone()))?];
        let tip = branches.tip(cx, &self.production).await?;
        for version in branches.versions(cx, tip, &self.file, HISTORY).await? {
            // What was before it was taken away on purpose.
            let Some(text) = &version.text else { break };
            if history.iter().any(|known| joined(&known.manifests) == *text) {
                continue;
            }
            history.extend(self.deployment(cx, (text, &version), &tried, &known)?);
        }
        Ok(history)
    }

    async fn diff(&self, cx: &Context, desired: &Desired) -> Result<ChangeSet> {
        self.plan(cx, desired).await
    }

    async fn apply(&self, cx: &Context, changes: &ChangeSet) -> Result<Deployment> {
        let plan = Plan::read(changes)?;
        let branches = self.environment.open(cx).await?;
        for write in &plan.before {
            self.commit(cx, &branches, write).await?;
        }
        let inner = match &plan.inner {
            Some(inner) => Some(self.inner.apply(cx, inner).await?),
            None => None,
        };
        for write in &plan.after {
            self.commit(cx, &branches, write).await?;
        }
        match (&changes.desired, inner) {
            (Desired::Released { .. } | Desired::Restored(_), Some(inner)) => {
                let tried = self.tried(cx, &branches).await?;
                let Some(commit) = tried.commit_of(&joined(&inner.manifests)) else {
                    return Err(Error::conflict(format!(
                        "`{}` of branch `{}` changed meanwhile",
                        self.file, self.candidate
                    ))
                    .hint("look at what changed, and deploy again"));
                };
                outer_of(&inner, commit)
            }
            (Desired::Settled(deployment), Some(inner)) => outer_of(&inner, deployment.revision.as_str()),
            (Desired::Settled(deployment) | Desired::Absent(deployment), _) => Ok(deployment.clone()),
            _ => Err(Error::internal("a change set without what is to be changed")),
        }
    }

    async fn health(&self, cx: &Context, deployment: &Deployment) -> Result<Health> {
        self.inner.health(cx, &inner_of(deployment)?).await
    }
}

/// The options of the deployer `gitops`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct GitopsConfig {
    /// The deployer that applies.
    pub deployer: Part,
    /// The environment repository: a folder, or a URL together with `clone`.
    pub environment: String,
    /// Where a repository with a URL is kept on this machine. Without it, `environment` is a folder.
    #[serde(default)]
    pub clone: Option<PathBuf>,
    /// Whether the URL may be `http`; no by default.
    #[serde(default)]
    pub allow_http: bool,
    /// See [`Gitops::file`].
    #[serde(default)]
    pub file: Option<String>,
    /// The branch of what is tried; `candidate` by default.
    #[serde(default)]
    pub candidate: Option<String>,
    /// The branch of what was proved; `production` by default.
    #[serde(default)]
    pub production: Option<String>,
    /// Who commits, as `name <address>`; `shipway <shipway@localhost>` by default.
    #[serde(default)]
    pub author: Option<String>,
    /// See [`Gitops::templates`].
    #[serde(default)]
    pub templates: Vec<PathBuf>,
    /// See [`Gitops::substitutes`].
    #[serde(default)]
    pub substitutes: BTreeMap<String, Substitute>,
    /// See [`Gitops::source`].
    #[serde(default)]
    pub source: PathBuf,
    /// See [`Gitops::repository`].
    #[serde(default)]
    pub repository: Option<String>,
}

impl PluginConfig for GitopsConfig {
    const KIND: &'static str = "gitops";
    type Plugin = Gitops;

    fn into_plugin(self, catalog: &Catalog) -> Result<Gitops> {
        let environment = match self.clone {
            Some(clone) => Environment::remote(Remote::new(&self.environment, self.allow_http)?, clone),
            None if self.environment.contains("://") => {
                return Err(Error::config("`environment` is a URL, and there is no `clone`")
                    .hint("name a folder of this machine in `clone`, where the repository is kept"));
            }
            None => Environment::folder(self.environment),
        };
        let mut gitops = Gitops::new(catalog.deployer(&self.deployer)?, environment)
            .templates(self.templates)
            .substitutes(self.substitutes)
            .source(self.source);
        if let Some(author) = self.author {
            let split = author.trim_end().strip_suffix('>').and_then(|author| author.split_once('<'));
            let Some((name, email)) = split else {
                return Err(Error::config(format!("`{author}` is not an author"))
                    .hint("the form is `name <address>`"));
            };
            gitops = gitops.author(Author::new(name.trim(), email));
        }
        gitops.repository = self.repository;
        gitops.file = self.file.unwrap_or(gitops.file);
        gitops.candidate = self.candidate.unwrap_or(gitops.candidate);
        gitops.production = self.production.unwrap_or(gitops.production);
        Ok(gitops)
    }
}
