//! The deployer `kubectl`: manifests as people keep them, to a Kubernetes cluster.
//!
//! It is not the program of that name but its part in Skaffold, done through the API: server-side apply as one field
//! manager and by force only where that is said, a diff of fields, a history in the cluster itself, and pruning once a release has
//! proved itself.

mod config;
mod logs;
pub(crate) mod nodes;

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use async_trait::async_trait;
use shipway_cluster::{Api, Cluster, Options};
use shipway_core::{
    Capabilities, ChangeSet, Context, Deployer, Deployment, Desired, Error, ErrorKind, Feature, Health,
    Inputs, Level, Manifest, Manifests, Release, Result, StoreKind,
};

pub use self::config::{KubectlCharts, KubectlConfig, KubectlFlags, KubectlKustomize, KubectlManifests};
use crate::{
    manifests::{
        Change, FieldRules, ManifestFunction, ManifestHooks, Rendering, ResourceSelector, Surroundings,
        unused,
    },
    releases::{MANAGED_BY, MANAGER, Releases},
    turn::Turn,
    watch::Watcher,
};

/// "Recommended Labels".
const INSTANCE: &str = "app.kubernetes.io/instance";

/// Deploys manifests to the cluster of one context of a kubeconfig, which is named: nothing goes to whatever cluster
/// happens to be the current one.
///
/// Images of the release are bound where Kubernetes' kinds have images, and where the
/// [rules](Kubectl::resource_selector) say so. What is applied is in the cluster itself, in Secrets of the deployer's
/// namespace, so that another process goes on; a release is an ApplySet, which other tools understand as well. One
/// process at a time applies a release: it holds a Lease of the release's name.
///
/// It needs the rights to get, list, create, update and delete Secrets, and to get, create, update and delete Leases, in
/// its namespace; and to get, list, create, patch and delete what it deploys. They are asked for before anything changes.
///
/// ```no_run
/// use shipway_deployers::Kubectl;
///
/// let deployer = Kubectl::new("staging").namespace("shop").manifests(["k8s/*.yaml"]);
/// # let _ = deployer;
/// ```
#[derive(Clone, Debug)]
pub struct Kubectl {
    context: Option<String>,
    namespace: Option<String>,
    rendering: Rendering,
    labels: BTreeMap<String, String>,
    selector: ResourceSelector,
    tolerate_failures: bool,
    credential_programs: bool,
    /// Absent where the context's name says it.
    image_loader: Option<Vec<String>>,
    force_conflicts: bool,
}

impl Kubectl {
    /// Returns the deployer to the cluster of this context, with the manifests `k8s/*.yaml`.
    pub fn new(context: impl Into<String>) -> Self {
        Self {
            context: Some(context.into()),
            namespace: None,
            rendering: Rendering::default(),
            labels: BTreeMap::new(),
            selector: ResourceSelector::default(),
            tolerate_failures: false,
            credential_programs: false,
            image_loader: None,
            force_conflicts: false,
        }
    }

    /// Sets the namespace of what has none, and of the records; the context's own by default.
    #[must_use]
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// Sets the folder that manifests are below; the context's root by default.
    #[must_use]
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.rendering.folder = folder.into();
        self
    }

    /// Sets the manifests: files, folders, patterns (`k8s/**/*.yaml`) and URLs (`https`).
    #[must_use]
    pub fn manifests<M: Into<String>>(mut self, manifests: impl IntoIterator<Item = M>) -> Self {
        self.rendering.raw = manifests.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the kustomizations: folders, each built by `kustomize`, or by `kubectl` where that is not there. What one reaches is
    /// known before it is built, and one of which nothing changed since is not built again.
    #[must_use]
    pub fn kustomize<P: Into<String>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        self.rendering.kustomizations = paths.into_iter().map(Into::into).collect();
        self
    }

    /// Sets arguments of `kustomize build`. With `--load-restrictor LoadRestrictionsNone` a kustomization may name what is
    /// outside of the sources.
    #[must_use]
    pub fn kustomize_args<A: Into<String>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.rendering.build_args = args.into_iter().map(Into::into).collect();
        self
    }

    /// Sets whether a kustomization may name what is elsewhere: addresses and repositories, which kustomize fetches from
    /// wherever they say; no by default.
    #[must_use]
    pub fn allow_remote_bases(mut self, may: bool) -> Self {
        self.rendering.remote_bases = may;
        self
    }

    /// Sets packages of kpt: folders, each rendered by `kpt fn render` in a copy.
    #[must_use]
    pub fn kpt<P: Into<String>>(mut self, packages: impl IntoIterator<Item = P>) -> Self {
        self.rendering.packages = packages.into_iter().map(Into::into).collect();
        self
    }

    /// Sets commands on this machine, before manifests are rendered and after. They see `SKAFFOLD_KUBE_CONTEXT`,
    /// `SKAFFOLD_NAMESPACES` and `SKAFFOLD_WORK_DIR`.
    ///
    /// # Errors
    /// `Config` for a hook without a command, and one before that is to change manifests.
    pub fn hooks(mut self, hooks: ManifestHooks) -> Result<Self> {
        hooks.check()?;
        self.rendering.hooks = hooks;
        Ok(self)
    }

    /// Adds a function of kpt's over all manifests, as Skaffold's `manifests.transform` has them: `set-namespace`,
    /// `set-labels`, `set-annotations`, `create-setters`, `apply-setters`, `ensure-name-substring`, `search-replace` and
    /// `set-enforcement-action`. They are done here, without containers.
    ///
    /// ```
    /// use shipway_deployers::{Kubectl, ManifestFunction};
    ///
    /// let deployer = Kubectl::new("staging").function(&ManifestFunction::new("set-labels", ["team:web"]))?;
    /// # let _ = deployer;
    /// # Ok::<(), shipway_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Config` for a function or a setting that there is not.
    pub fn function(mut self, function: &ManifestFunction) -> Result<Self> {
        self.rendering.transform(function)?;
        Ok(self)
    }

    /// Adds code that makes other manifests of manifests, before images and labels are put into them.
    #[must_use]
    pub fn transform(
        mut self,
        code: impl Fn(&[Manifest]) -> Result<Vec<Manifest>> + Send + Sync + 'static,
    ) -> Self {
        self.rendering.transform_by(Arc::new(code));
        self
    }

    /// Adds code that refuses manifests, which sees them as they are deployed.
    #[must_use]
    pub fn validate(mut self, code: impl Fn(&[Manifest]) -> Result<()> + Send + Sync + 'static) -> Self {
        self.rendering.validate_by(Arc::new(code));
        self
    }

    /// Adds a policy: an expression in CEL that must be true of every object, which is its variable `object`.
    ///
    /// ```
    /// use shipway_deployers::Kubectl;
    ///
    /// let deployer = Kubectl::new("staging").policy(
    ///     "replicas",
    ///     "object.kind != 'Deployment' || object.spec.replicas <= 5",
    ///     "staging has room for five",
    /// )?;
    /// # let _ = deployer;
    /// # Ok::<(), shipway_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Config` for what is no expression, or is about anything but `object`.
    pub fn policy(mut self, name: &str, expression: &str, message: &str) -> Result<Self> {
        self.rendering.policy(name, expression, message)?;
        Ok(self)
    }

    /// Checks manifests by the cluster's own schemas of its kinds, custom ones included, when they are rendered. Then
    /// they cannot be rendered without the cluster.
    #[must_use]
    pub fn check_schemas(mut self) -> Self {
        self.rendering.check_schemas();
        self
    }

    /// Sets the folder, below the sources' root, in which the rendered manifests are written as `manifests.yaml`, those of
    /// Secrets included.
    #[must_use]
    pub fn output(mut self, folder: impl Into<PathBuf>) -> Self {
        self.rendering.output = Some(folder.into());
        self
    }

    /// Sets whether a URL may be `http`; no by default.
    #[must_use]
    pub fn allow_http(mut self, may: bool) -> Self {
        self.rendering.plain_http = may;
        self
    }

    /// Sets labels that every object and the pods that it makes get, beside those of the release.
    #[must_use]
    pub fn labels(mut self, labels: BTreeMap<String, String>) -> Self {
        self.labels = labels;
        self
    }

    /// Sets which fields of which kinds are images and labels, beside those of Kubernetes' own kinds.
    #[must_use]
    pub fn resource_selector(mut self, selector: ResourceSelector) -> Self {
        self.selector = selector;
        self
    }

    /// Sets whether what hardly passes, such as an image that is refused, is waited for until the deadline
    /// (Skaffold's `tolerateFailuresUntilDeadline`); no by default.
    #[must_use]
    pub fn tolerate_failures(mut self, tolerate: bool) -> Self {
        self.tolerate_failures = tolerate;
        self
    }

    /// Sets whether a program that the kubeconfig names may be run for credentials; no by default, since then the
    /// kubeconfig is code.
    #[must_use]
    pub fn credential_programs(mut self, may: bool) -> Self {
        self.credential_programs = may;
        self
    }

    /// Sets the command that brings images of a Docker engine to the cluster's nodes: the path of an archive, as of
    /// `docker save`, is added as its last word. Without words, nothing is brought.
    ///
    /// By default it is that of the context's maker: `kind load image-archive` for `kind-…`, `k3d image import` for
    /// `k3d-…`, `minikube image load` for `minikube`, and none for others.
    #[must_use]
    pub fn image_loader<W: Into<String>>(mut self, words: impl IntoIterator<Item = W>) -> Self {
        self.image_loader = Some(words.into_iter().map(Into::into).collect());
        self
    }

    /// Sets whether fields that somebody else owns, and objects that are not this release's, are taken; no by default.
    /// The plan says from whom.
    #[must_use]
    pub fn force_conflicts(mut self, force: bool) -> Self {
        self.force_conflicts = force;
        self
    }

    fn context(&self) -> Result<&str> {
        self.context.as_deref().ok_or_else(|| {
            Error::config("no cluster is named to deploy to")
                .hint("name a context of the kubeconfig, with `--kube-context` or in `deploy.kubeContext`")
        })
    }

    /// Opens the cluster, once a run.
    async fn cluster(&self, cx: &Context) -> Result<Cluster> {
        let context = self.context()?;
        let options = Options::new().credential_programs(self.credential_programs);
        let key = format!("{context} {}", self.credential_programs);
        let opened = cx.once::<Cluster>(&key, Cluster::open_with(cx, context, options)).await?;
        Ok(opened.as_ref().clone())
    }

    fn namespace_in<'a>(&'a self, cluster: &'a Cluster) -> &'a str {
        self.namespace.as_deref().unwrap_or(cluster.namespace())
    }

    fn releases(&self, cluster: &Cluster) -> Releases {
        Releases::new(Arc::new(cluster.clone()), self.namespace_in(cluster))
            .force_conflicts(self.force_conflicts)
            .eyes(Arc::new(self.watcher(cluster)))
    }

    fn watcher(&self, cluster: &Cluster) -> Watcher {
        Watcher { cluster: cluster.clone(), tolerate: self.tolerate_failures }
    }

    /// Returns what hooks are told.
    fn surroundings(&self, release: &Release) -> Surroundings {
        let namespace = self.namespace.as_ref().or(release.namespace.as_ref());
        Surroundings {
            folder: self.rendering.folder.clone(),
            context: self.context.clone().unwrap_or_default(),
            namespaces: namespace.cloned().unwrap_or_default(),
        }
    }
}

#[async_trait]
impl Deployer for Kubectl {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::new()
            .reads([StoreKind::Registry, StoreKind::Daemon])
            .features([Feature::Settle, Feature::Restore]);
        if self.rendering.is_offline() {
            capabilities.features.insert(Feature::OfflineRender);
        }
        capabilities
    }

    async fn inputs(&self, cx: &Context) -> Result<Inputs> {
        let mut inputs = self.rendering.inputs(cx).await?;
        inputs.facts.insert("labels".to_owned(), format!("{:?}", self.labels));
        inputs.facts.insert("resource selector".to_owned(), format!("{:?}", self.selector));
        Ok(inputs)
    }

    async fn render(&self, cx: &Context, release: &Release) -> Result<Manifests> {
        let mut labels = self.labels.clone();
        labels.extend(release.labels.clone());
        labels.insert(MANAGED_BY.to_owned(), MANAGER.to_owned());
        labels.insert(INSTANCE.to_owned(), release.name.clone());
        let rules = FieldRules::new(&self.selector);
        let change = Change { images: &release.images, labels: &labels, rules: &rules };
        let rendered = self.rendering.render(cx, &change, &self.surroundings(release)).await?;
        self.rendering.finish(cx, Box::pin(self.cluster(cx)), &rendered).await?;
        let objects = rendered.manifests();
        for unused in unused(&objects, &release.images, &rendered.images)? {
            cx.message(Level::Warning, unused.to_string());
        }
        Ok(Manifests::new(release.clone()).objects(objects))
    }

    async fn history(&self, cx: &Context, release: &str) -> Result<Vec<Deployment>> {
        self.releases(&self.cluster(cx).await?).history(cx, release).await
    }

    async fn diff(&self, cx: &Context, desired: &Desired) -> Result<ChangeSet> {
        self.releases(&self.cluster(cx).await?).diff(cx, desired).await
    }

    async fn apply(&self, cx: &Context, changes: &ChangeSet) -> Result<Deployment> {
        let cluster = self.cluster(cx).await?;
        nodes::load(cx, &cluster, self.image_loader.as_deref(), self.context.as_deref(), &changes.desired)
            .await?;
        let (releases, release) = (self.releases(&cluster), changes.desired.release());
        // Who writes nothing is in nobody's way, unless it was before it was killed.
        if changes.changes.is_empty() && !cx.resumes() {
            return releases.apply(cx, changes).await;
        }
        let api: Arc<dyn Api> = Arc::new(cluster.clone());
        let turn = match Turn::take(cx, &api, self.namespace_in(&cluster), release).await {
            Ok(turn) => turn,
            // The release makes its namespace itself, or it is none: then its records cannot be written either.
            Err(error) if error.kind() == ErrorKind::NotFound => return releases.apply(cx, changes).await,
            Err(error) => return Err(error),
        };
        let gone = matches!(changes.desired, Desired::Absent(_));
        turn.work(cx, gone, releases.apply(cx, changes)).await
    }

    async fn health(&self, cx: &Context, deployment: &Deployment) -> Result<Health> {
        let cluster = self.cluster(cx).await?;
        let (objects, there) = self.releases(&cluster).look(cx, deployment).await?;
        let health = self.watcher(&cluster).health(cx, deployment, &objects, &there).await;
        // To let go of thousands of objects takes milliseconds, for which nobody need wait.
        tokio::task::spawn_blocking(move || drop((objects, there)));
        health
    }
}
