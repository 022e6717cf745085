//! A rendering: from what people keep to the objects of a release. First its hooks, then packages of kpt, manifests as
//! they are, kustomizations and charts, in Skaffold's order; functions over all of them; images and labels; hooks again; and checks at
//! the end, of just what is deployed.

use std::{collections::BTreeSet, fmt, path::PathBuf, sync::Arc};

use shipway_cluster::Cluster;
use shipway_core::{Context, Deployer as _, Inputs, Manifest, Result};

use super::{
    change::{Change, bound},
    functions::{Function, ManifestFunction},
    hooks::{ManifestHooks, Surroundings},
    joined_texts, kpt,
    kustomize::Kustomize,
    output,
    piece::{Piece, again, pieces},
    sources::Sources,
    validate::{Checks, Policy, SchemaCheck},
};
use crate::helm::Helm;

/// Code of the embedder's that makes other manifests of manifests.
type Transform = dyn Fn(&[Manifest]) -> Result<Vec<Manifest>> + Send + Sync;

/// Code of the embedder's that refuses manifests.
type Check = dyn Fn(&[Manifest]) -> Result<()> + Send + Sync;

/// What is rendered, and how.
#[derive(Clone, Default)]
pub(crate) struct Rendering {
    /// The folder that all else is below.
    pub(crate) folder: PathBuf,
    /// Manifests as they are.
    pub(crate) raw: Vec<String>,
    pub(crate) plain_http: bool,
    pub(crate) kustomizations: Vec<String>,
    pub(crate) build_args: Vec<String>,
    pub(crate) remote_bases: bool,
    /// Packages of kpt.
    pub(crate) packages: Vec<String>,
    /// Charts whose templates are manifests like others.
    pub(crate) charts: Vec<Helm>,
    pub(crate) hooks: ManifestHooks,
    /// Where the manifests are written.
    pub(crate) output: Option<PathBuf>,
    steps: Vec<Step>,
    checks: Checks,
    own_checks: Vec<Arc<Check>>,
}

/// A step from manifests to other ones.
#[derive(Clone)]
enum Step {
    Function(Function),
    Own(Arc<Transform>),
}

impl fmt::Debug for Rendering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rendering")
            .field("folder", &self.folder)
            .field("raw", &self.raw)
            .field("kustomizations", &self.kustomizations)
            .field("packages", &self.packages)
            .field("charts", &self.charts)
            .field("hooks", &self.hooks)
            .field("steps", &self.steps)
            .field("checks", &self.checks)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Function(function) => function.fmt(f),
            Self::Own(_) => f.write_str("code"),
        }
    }
}

impl Rendering {
    /// Returns a rendering of what is below a folder.
    pub(crate) fn below(folder: PathBuf) -> Self {
        Self { folder, ..Self::default() }
    }

    /// Adds a function of `manifests.transform`.
    pub(crate) fn transform(&mut self, function: &ManifestFunction) -> Result<()> {
        self.steps.push(Step::Function(Function::new(function)?));
        Ok(())
    }

    /// Adds code that makes other manifests.
    pub(crate) fn transform_by(&mut self, code: Arc<Transform>) {
        self.steps.push(Step::Own(code));
    }

    /// Adds a function of `manifests.validate`.
    pub(crate) fn validate(&mut self, function: &ManifestFunction) -> Result<()> {
        self.checks.add(function)
    }

    /// Adds code that refuses manifests.
    pub(crate) fn validate_by(&mut self, code: Arc<Check>) {
        self.own_checks.push(code);
    }

    /// Adds a policy.
    pub(crate) fn policy(&mut self, name: &str, expression: &str, message: &str) -> Result<()> {
        self.checks.policies.push(Policy::new(name, expression, Some(message))?);
        Ok(())
    }

    /// Checks manifests by the cluster's schemas.
    pub(crate) fn check_schemas(&mut self) {
        self.checks.schema = Some(SchemaCheck::default());
    }

    /// Whether nobody is asked but this machine.
    pub(crate) fn is_offline(&self) -> bool {
        self.checks.schema.is_none()
    }

    /// Manifests as they are, where there are any: they are what is meant where nothing else is said.
    fn raw(&self) -> Result<Option<Sources>> {
        let other = !(self.kustomizations.is_empty() && self.packages.is_empty() && self.charts.is_empty());
        if self.raw.is_empty() && other {
            return Ok(None);
        }
        Sources::new(self.folder.clone(), &self.raw, self.plain_http).map(Some)
    }

    fn kustomize(&self) -> Kustomize {
        Kustomize::new(&self.folder, &self.kustomizations, &self.build_args, self.remote_bases)
    }

    /// Returns what the manifests depend on.
    ///
    /// # Errors
    /// `Config` for what cannot be read, or may not be named.
    pub(crate) async fn inputs(&self, cx: &Context) -> Result<Inputs> {
        let mut inputs = match self.raw()? {
            Some(raw) => raw.inputs(cx).await?,
            None => Inputs::new(),
        };
        let kustomize = self.kustomize().inputs(cx).await?;
        inputs.files.extend(kustomize.files);
        inputs.trees.extend(kustomize.trees);
        inputs.trees.extend(self.packages.iter().map(|package| kpt::tree(&self.folder, package)));
        inputs.facts.extend(kustomize.facts);
        inputs.facts.extend(self.checks.policies.iter().map(Policy::fact));
        for (number, chart) in self.charts.iter().enumerate() {
            let of_chart = chart.inputs(cx).await?;
            inputs.files.extend(of_chart.files);
            inputs.trees.extend(of_chart.trees);
            let facts = of_chart.facts.into_iter();
            inputs.facts.extend(facts.map(|(name, fact)| (format!("chart {number} {name}"), fact)));
        }
        for (number, step) in self.steps.iter().enumerate() {
            inputs.facts.insert(format!("transform {number}"), format!("{step:?}"));
        }
        if self.hooks != ManifestHooks::default() {
            inputs.facts.insert("manifest hooks".to_owned(), format!("{:?}", self.hooks));
        }
        Ok(inputs)
    }

    /// Renders the manifests, and returns them with the names of the images that they use; not yet checked by schemas.
    ///
    /// # Errors
    /// What the sources, programs and hooks say; `Config`, with its place, for what a function or a check refuses.
    pub(crate) async fn render(
        &self,
        cx: &Context,
        change: &Change<'_>,
        around: &Surroundings,
    ) -> Result<Rendered> {
        self.hooks.run_before(cx, around).await?;
        let mut read = kpt::render(cx, &self.folder, &self.packages).await?;
        if let Some(raw) = self.raw()? {
            for source in raw.read(cx).await? {
                read.extend(pieces(&source.name, &source.text, true)?);
            }
        }
        read.extend(self.kustomize().build(cx).await?);
        for chart in &self.charts {
            read.extend(Box::pin(chart.template(cx, change.images)).await?.into_iter().map(Piece::of_chart));
        }
        let steps = self.steps.clone();
        let mut rendered = cx.blocking(move |_| transformed(&steps, read)).await?;
        let mut images = BTreeSet::new();
        rendered.iter_mut().try_for_each(|piece| bind_images(piece, change, &mut images))?;
        if let Some(mut changed) = self.hooks.run_after(cx, around, &rendered).await? {
            // What a hook adds is of the release too.
            changed.iter_mut().try_for_each(|piece| bind_images(piece, change, &mut images))?;
            rendered = changed;
        }
        let checks = self.checks.clone();
        let rendered = cx.blocking(move |_| checks.policies(&rendered).map(|()| rendered)).await?;
        let rendered = Rendered { pieces: rendered, images };
        if !self.own_checks.is_empty() {
            let manifests = rendered.manifests();
            self.own_checks.iter().try_for_each(|check| check(&manifests))?;
        }
        Ok(rendered)
    }

    /// Does what comes last: the check by the cluster's schemas, where it is wanted, and the file.
    ///
    /// # Errors
    /// `Config`, with its place, for what the schemas refuse; those of the cluster and the disk.
    pub(crate) async fn finish(
        &self,
        cx: &Context,
        cluster: impl Future<Output = Result<Cluster>>,
        rendered: &Rendered,
    ) -> Result<()> {
        if let Some(check) = &self.checks.schema {
            check.check(cx, &cluster.await?, &rendered.pieces).await?;
        }
        match &self.output {
            Some(name) => output::write(cx, &self.folder, name, &rendered.manifests()).await,
            None => Ok(()),
        }
    }
}

/// What was rendered.
#[derive(Debug)]
pub(crate) struct Rendered {
    pieces: Vec<Piece>,
    /// The names of the images that some object uses.
    pub(crate) images: BTreeSet<String>,
}

impl Rendered {
    pub(crate) fn manifests(&self) -> Vec<Manifest> {
        self.pieces.iter().map(|piece| piece.manifest.clone()).collect()
    }
}

fn transformed(steps: &[Step], mut read: Vec<Piece>) -> Result<Vec<Piece>> {
    for step in steps {
        match step {
            Step::Function(function) => function.apply(&mut read)?,
            Step::Own(code) => {
                let manifests: Vec<Manifest> = read.iter().map(|piece| piece.manifest.clone()).collect();
                let text = joined_texts(code(&manifests)?.iter().map(|manifest| &*manifest.text));
                read = again("transform", &text, &read)?;
            }
        }
    }
    Ok(read)
}

fn bind_images(piece: &mut Piece, change: &Change<'_>, images: &mut BTreeSet<String>) -> Result<()> {
    piece.manifest = bound(&piece.manifest, change, images).map_err(|error| piece.located(error))?;
    Ok(())
}
