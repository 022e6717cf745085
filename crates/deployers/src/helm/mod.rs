//! The deployer `helm`: a chart, by the program of that name, with what was shown as what is applied.
//!
//! The program renders and applies, and its records are the release's history. All that can be seen without it is: the
//! records, what would change, how it fares; where nothing is to be done it is not started. It does not render by itself,
//! and it keeps no records of its own.

mod apply;
mod chart;
mod config;
mod diff;
mod failure;
mod history;
mod logs;
mod objects;
mod program;
mod record;
mod render;
mod set;
mod state;
mod values;

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use async_trait::async_trait;
use serde_json::{Map, Value};
use shipway_cluster::{Cluster, Options};
use shipway_core::{
    Capabilities, ChangeSet, Context, Deployer, Deployment, Desired, Error, Feature, Health, Image, Inputs,
    Manifest, Manifests, Release, Result, StoreKind,
};

pub use self::{
    chart::HelmChart,
    config::{HelmConfig, HelmFlags, HelmGit, HelmPackaged},
};
use self::{chart::Source, objects::Home, program::Program, values::Variables};
use crate::{
    manifests::ResourceSelector,
    releases::{Releases, check_name},
    watch::Watcher,
};

/// Deploys one release of a chart with the program helm, 3 (from 3.13) or 4, to the cluster of one context of a
/// kubeconfig, which is named.
///
/// Images of the release come into the chart in two ways: by [templates of values](Self::set_value_templates), as in
/// Skaffold, and where the rendered objects name them, as the deployer `kubectl` binds them. helm applies exactly the
/// objects that were shown. With helm 4 that includes hooks; helm 3 renders hooks itself, so that values alone bring images
/// into them.
///
/// Values reach helm in a file that nobody else may read, and are in no change set, no event and no diff; of a chart and its
/// values these have the digests. What is deployed is in helm's own records, for `helm history` and everybody else who
/// reads them. One process at a time works on a release: it holds a Lease of the release's name. A revision that a killed
/// process left unfinished is marked as failed, and gone on from.
///
/// ```no_run
/// use shipway_deployers::Helm;
///
/// let deployer = Helm::new("staging", "charts/shop").namespace("shop").values_files(["values-staging.yaml"]);
/// # let _ = deployer;
/// ```
#[derive(Clone, Debug)]
pub struct Helm {
    options: HelmConfig,
}

impl Helm {
    /// Returns the deployer of the chart in a folder, or in an archive, to the cluster of this context.
    pub fn new(context: impl Into<String>, chart: impl Into<String>) -> Self {
        let kube_context = Some(context.into());
        Self { options: HelmConfig { kube_context, chart_path: Some(chart.into()), ..HelmConfig::default() } }
    }

    /// Returns the deployer of a chart in a repository, or at an address (`oci://…`), to the cluster of this context.
    pub fn remote(context: impl Into<String>, chart: impl Into<String>) -> Self {
        let kube_context = Some(context.into());
        Self {
            options: HelmConfig { kube_context, remote_chart: Some(chart.into()), ..HelmConfig::default() },
        }
    }

    /// Sets the address of the repository of a remote chart.
    #[must_use]
    pub fn repository(mut self, address: impl Into<String>) -> Self {
        self.options.repo = Some(address.into());
        self
    }

    /// Sets the version of a remote chart.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.options.version = Some(version.into());
        self
    }

    /// Sets the release's name for helm; that of the pipeline's release by default.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.options.name = name.into();
        self
    }

    /// Sets the namespace; the context's own by default.
    #[must_use]
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.options.namespace = Some(namespace.into());
        self
    }

    /// Sets whether the namespace is made if it is not there; no by default.
    #[must_use]
    pub fn create_namespace(mut self, create: bool) -> Self {
        self.options.create_namespace = create;
        self
    }

    /// Sets the folder that charts and files of values are below; the context's root by default.
    #[must_use]
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.options.folder = folder.into();
        self
    }

    /// Sets the files of values, of which the later ones count.
    #[must_use]
    pub fn values_files<F: Into<String>>(mut self, files: impl IntoIterator<Item = F>) -> Self {
        self.options.values_files = files.into_iter().map(Into::into).collect();
        self
    }

    /// Sets values by their names, as for `--set`; they never stand on the command line.
    #[must_use]
    pub fn set_values(mut self, values: Map<String, Value>) -> Self {
        self.options.set_values = values;
        self
    }

    /// Sets values that are templates over the environment and the images of the release.
    #[must_use]
    pub fn set_value_templates(mut self, templates: Map<String, Value>) -> Self {
        self.options.set_value_templates = templates;
        self
    }

    /// Sets values that come before those of all files.
    #[must_use]
    pub fn overrides(mut self, values: Map<String, Value>) -> Self {
        self.options.overrides = values;
        self
    }

    /// Sets whether helm itself waits until the release works; no by default, since it is watched afterwards anyway.
    #[must_use]
    pub fn wait(mut self, wait: bool) -> Self {
        self.options.wait = wait;
        self
    }

    /// Sets whether the chart's own tests (`helm test`) run once it is applied, and works; no by default, as in Skaffold.
    #[must_use]
    pub fn run_tests(mut self, run: bool) -> Self {
        self.options.run_tests = run;
        self
    }

    /// Sets flags for the program.
    #[must_use]
    pub fn flags(mut self, flags: HelmFlags) -> Self {
        self.options.flags = flags;
        self
    }

    /// Sets labels that every object and the pods that it makes get, beside those of the release.
    #[must_use]
    pub fn labels(mut self, labels: BTreeMap<String, String>) -> Self {
        self.options.labels = labels;
        self
    }

    /// Sets the command that brings images of a Docker engine to the cluster's nodes, as for the deployer `kubectl`.
    #[must_use]
    pub fn image_loader<W: Into<String>>(mut self, words: impl IntoIterator<Item = W>) -> Self {
        self.options.image_loader = Some(words.into_iter().map(Into::into).collect());
        self
    }

    /// Sets the program: a path, or a name on the `PATH`; `helm` by default.
    #[must_use]
    pub fn program(mut self, program: impl Into<String>) -> Self {
        self.options.program = Some(program.into());
        self
    }

    /// Sets which fields of which kinds are images and labels, beside those of Kubernetes' own kinds.
    #[must_use]
    pub fn resource_selector(mut self, selector: ResourceSelector) -> Self {
        self.options.resource_selector = selector;
        self
    }

    /// Sets whether what hardly passes, such as an image that is refused, is waited for until the deadline; no by default.
    #[must_use]
    pub fn tolerate_failures(mut self, tolerate: bool) -> Self {
        self.options.tolerate_failures_until_deadline = tolerate;
        self
    }

    /// Sets whether a program that the kubeconfig names may be run for credentials; no by default, since then the
    /// kubeconfig is code.
    #[must_use]
    pub fn credential_programs(mut self, may: bool) -> Self {
        self.options.credential_programs = may;
        self
    }

    /// Sets whether fields that somebody else owns, and objects that are not this release's, are taken; no by default.
    #[must_use]
    pub fn force_conflicts(mut self, force: bool) -> Self {
        self.options.force_conflicts = force;
        self
    }

    /// Opens the cluster, once a run; nothing where none is named.
    async fn cluster(&self, cx: &Context) -> Result<Option<Cluster>> {
        let Some(context) = &self.options.kube_context else { return Ok(None) };
        let options = Options::new().credential_programs(self.options.credential_programs);
        let key = format!("{context} {}", self.options.credential_programs);
        let opened = cx.once::<Cluster>(&key, Cluster::open_with(cx, context, options)).await?;
        Ok(Some(opened.as_ref().clone()))
    }

    /// Returns the release where it is: in its cluster.
    async fn stage(&self, cx: &Context, release: &str) -> Result<Stage<'_>> {
        let cluster = self.cluster(cx).await?.ok_or_else(|| {
            Error::config("no cluster is named to deploy to")
                .hint("name a context of the kubeconfig, with `--kube-context` or in `deploy.kubeContext`")
        })?;
        let home = self.home(cx, release, Some(cluster.namespace()))?;
        Ok(Stage { helm: self, api: Arc::new(cluster.clone()), cluster, home })
    }

    /// Returns what the chart's templates make, hooks too, as `helm template` has them, with these images: for whoever
    /// deploys them as manifests like others.
    ///
    /// # Errors
    /// `Config` for a chart or values that are wrong; `MissingTool` without helm.
    pub(crate) async fn template(&self, cx: &Context, images: &[Image]) -> Result<Vec<Manifest>> {
        let release = Release::new(self.options.name.as_str()).images(images);
        let home = self.home(cx, &release.name, None)?;
        let program = self.start(cx, &home, false).await?;
        let prepared = render::Prepared::load(self, cx, &program, &release).await?;
        let templates = render::Templates { helm: self, program: &program, cluster: None, release: &release };
        let rendered = templates.render(cx, &prepared, false).await?;
        Ok(rendered.objects.into_iter().chain(rendered.hooks).collect())
    }

    /// Returns the release's name and namespace for helm.
    fn home(&self, cx: &Context, release: &str, of_context: Option<&str>) -> Result<Home> {
        let variables = Variables::new(cx, &[])?;
        let name = match self.options.name.as_str() {
            "" => release.to_owned(),
            name => variables.expand(name)?,
        };
        // helm: `chartutil/validate_name.go`.
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
        let ends = |name: &str| {
            name.split('.').any(|part| part.is_empty() || part.starts_with('-') || part.ends_with('-'))
        };
        if name.len() > 53 || !name.bytes().all(fits) || ends(&name) {
            return Err(Error::config(format!("`{name}` is no name for a release of helm"))
                .hint("it has at most 53 lower-case letters, digits, `-` and `.`, and begins and ends with one of the first two"));
        }
        let said = match &self.options.namespace {
            Some(namespace) => Some(variables.expand(namespace)?),
            None => self.options.default_namespace.clone(),
        };
        let namespace =
            said.filter(|said| !said.is_empty()).unwrap_or(of_context.unwrap_or("default").to_owned());
        check_name("namespace", &namespace)?;
        Ok(Home { name, namespace })
    }

    /// Returns where the chart is.
    fn source(&self, cx: &Context) -> Result<Source> {
        let variables = Variables::new(cx, &[])?;
        let options = &self.options;
        let expand = |text: &Option<String>| text.as_deref().map(|text| variables.expand(text)).transpose();
        match (&options.chart_path, &options.remote_chart, &options.git) {
            (Some(path), ..) => Ok(Source::Path(options.folder.join(variables.expand(path)?))),
            (_, Some(name), _) => Ok(Source::Remote {
                name: variables.expand(name)?,
                repository: expand(&options.repo)?,
                version: expand(&options.version)?,
            }),
            (.., Some(git)) => Ok(Source::Git {
                url: git.url.clone(),
                reference: git.reference.clone(),
                path: git.path.clone(),
            }),
            _ => Err(Error::config("a release of helm has one chart")),
        }
    }

    /// Returns helm, for a cluster or without one.
    async fn start<'a>(&'a self, cx: &Context, home: &'a Home, cluster: bool) -> Result<Program<'a>> {
        let cluster = match self.options.kube_context.as_deref().filter(|_| cluster) {
            Some(context) => Some((context, cx.cluster(context).await?)),
            None => None,
        };
        Ok(Program { options: &self.options, home, cluster })
    }
}

/// A release in its cluster.
struct Stage<'a> {
    helm: &'a Helm,
    cluster: Cluster,
    api: Arc<dyn shipway_cluster::Api>,
    home: Home,
}

impl Stage<'_> {
    async fn records(&self, cx: &Context) -> Result<Vec<record::Record>> {
        record::records(cx, self.api.as_ref(), &self.home.namespace, &self.home.name).await
    }

    /// Returns what lists a cluster's objects.
    fn lists(&self) -> Releases {
        Releases::new(Arc::clone(&self.api), &self.home.namespace)
    }

    fn watcher(&self) -> Watcher {
        let tolerate = self.helm.options.tolerate_failures_until_deadline;
        Watcher { cluster: self.cluster.clone(), tolerate }
    }
}

#[async_trait]
impl Deployer for Helm {
    fn capabilities(&self) -> Capabilities {
        Capabilities::new().reads([StoreKind::Registry, StoreKind::Daemon]).features([Feature::Restore])
    }

    async fn inputs(&self, cx: &Context) -> Result<Inputs> {
        let mut inputs = self.source(cx)?.inputs(cx).await?;
        let variables = Variables::new(cx, &[])?;
        // A name that is a template over images is known when they are.
        let plain = |name: &&String| !name.contains("IMAGE_") && !name.contains("DIGEST");
        let named: Vec<String> = self.options.values_files.iter().filter(plain).cloned().collect();
        let known = HelmConfig { values_files: named, ..self.options.clone() };
        inputs.files.extend(values::paths(&known, &variables)?);
        inputs.files.extend(values::set_files(&self.options, &variables));
        let options = serde_json::to_vec(&self.options)
            .map_err(|error| Error::internal("options cannot be JSON").source(error))?;
        // Values may be secret.
        inputs.facts.insert("options".to_owned(), shipway_oci::digest_of(&options).to_string());
        Ok(inputs)
    }

    async fn render(&self, cx: &Context, release: &Release) -> Result<Manifests> {
        render::render(self, cx, release).await
    }

    async fn history(&self, cx: &Context, release: &str) -> Result<Vec<Deployment>> {
        history::history(&self.stage(cx, release).await?, cx, release).await
    }

    async fn diff(&self, cx: &Context, desired: &Desired) -> Result<ChangeSet> {
        diff::diff(&self.stage(cx, desired.release()).await?, cx, desired).await
    }

    async fn apply(&self, cx: &Context, changes: &ChangeSet) -> Result<Deployment> {
        apply::apply(&self.stage(cx, changes.desired.release()).await?, cx, changes).await
    }

    async fn health(&self, cx: &Context, deployment: &Deployment) -> Result<Health> {
        let release = &deployment.manifests.release.name;
        let stage = self.stage(cx, release).await?;
        let objects = stage.home.placed(cx, stage.api.as_ref(), &deployment.manifests.objects).await?;
        let there = stage.lists().live(cx, &stage.home.name, &objects).await?;
        stage.watcher().health(cx, deployment, &objects, &there).await
    }
}
