//! skaffold.yaml, read through stages, each of its own file: [`parse`] makes trees, [`strict`] checks them against their
//! version, [`upgrade`] brings them to the newest, [`profile`] lays the active profiles over them and [`canonical`] gives
//! them Skaffold's form. From there [`effective`] says all that is meant, and [`model`] and [`lower`] make the pipeline. A
//! place in the file goes along through all of them.

mod canonical;
mod commands;
mod defaults;
mod effective;
mod explain;
mod fix;
mod global;
mod image_name;
mod json_schema;
mod load;
mod local_cluster;
mod lower;
mod model;
mod modules;
mod options;
mod overlay;
mod parse;
mod patch;
mod paths;
mod pointer;
mod profile;
mod remote;
mod requires;
mod rotten;
mod schema;
mod steps;
mod strict;
mod templates;
mod trust;
mod unread;
mod upgrade;
mod version;

use std::path::Path;

use shipway_core::{Catalog, Error, Pipeline, Result};
use shipway_yaml::Document;

pub(crate) use self::image_name::repository;
use self::{
    commands::Needed,
    lower::{Lower, Lowered},
    model::Config,
    modules::{Found, Module, Modules},
};
pub use self::{
    explain::{Explained, Origin},
    fix::{Fixed, fix_skaffold},
    global::{ContextConfig, GlobalConfig, GlobalKey, GlobalScope},
    json_schema::skaffold_schema,
    options::{Dockerfiles, Options, SyncRemoteCache, Trust},
    version::Version,
};
use crate::Notice;

/// A `skaffold.yaml` of any version, with its profiles applied.
///
/// ```
/// use std::path::Path;
///
/// use shipway_config::{Options, Skaffold};
///
/// let text = "
/// apiVersion: skaffold/v2beta29
/// kind: Config
/// build: {artifacts: [{image: web}]}
/// deploy: {kubectl: {manifests: [web.yaml]}}
/// ";
/// let catalog = shipway_core::Catalog::new();
/// let skaffold = Skaffold::read("skaffold.yaml", text, Options::default(), &catalog)?;
/// let effective = skaffold.effective(Path::new("/shop"))?;
/// assert!(effective.contains("rawYaml:\n    - /shop/web.yaml\n"));
/// # Ok::<(), shipway_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Skaffold {
    /// The configurations, each after those that it requires.
    modules: Vec<Module>,
    options: Options,
    notices: Vec<Notice>,
}

/// A pipeline with what else a file says.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Loaded {
    /// What to build, test and deploy.
    pub pipeline: Pipeline,
    /// The profiles that are active, in the order in which they were applied.
    pub profiles: Vec<String>,
    /// The registries that are reached over plain HTTP (`build.insecureRegistries`), for the world's door
    /// to images: a pipeline does not say how a registry is reached.
    pub insecure_registries: Vec<String>,
    /// Whether what does not need what failed is done all the same, as the tests of `verify` and an action with
    /// `failFast: false` are: [`Driver::keep_going`](shipway_core::Driver::keep_going).
    pub keep_going: bool,
    /// What the file says that has no effect here, in the order of the file.
    pub notices: Vec<Notice>,
}

impl Skaffold {
    /// Reads a file of any version, from [`Version::OLDEST`] to [`Version::NEWEST`]; a field that its version does not have is an error, as with Skaffold.
    ///
    /// `file` is its name, for messages. In the places of builders, taggers and deployers, a name that Skaffold does not
    /// know is a kind of the catalog.
    ///
    /// # Errors
    /// `Config`, with file, line and column, for what does not have the form of its version; `Unsupported` likewise for what
    /// cannot be brought to the newest version.
    pub fn read(file: impl AsRef<Path>, text: &str, options: Options, catalog: &Catalog) -> Result<Self> {
        let (file, kinds) = (file.as_ref(), catalog.kinds());
        let mut modules = Modules::new(file, Path::new(""), &options, &kinds);
        let mut first = true;
        while let Some(wanted) = modules.wanted()? {
            let usual = wanted.place.path.join("skaffold.yaml");
            let itself = wanted.place.repository.is_none() && paths::normal(file) == usual;
            if !first && !itself {
                let error = Error::unsupported("another file is required, and this text alone is read");
                let error = error.hint("read it with `Skaffold::load`");
                return Err(match wanted.at {
                    Some(at) => error.at(at),
                    None => error,
                });
            }
            let path = if first { wanted.place.path.clone() } else { usual };
            first = false;
            modules.found(&wanted, Found { path, file: file.to_owned(), text: text.to_owned() })?;
        }
        let (modules, notices) = modules.finish()?;
        Ok(Self { modules, options, notices })
    }

    /// Returns what the file says that has no effect, as far as reading it tells; [`Skaffold::pipeline`] tells the rest.
    #[must_use]
    pub fn notices(&self) -> &[Notice] {
        &self.notices
    }

    /// Returns all that the file means as a file of the newest version: with its profiles, Skaffold's defaults and paths from
    /// a folder, as `skaffold diagnose --yaml-only` prints it.
    ///
    /// # Errors
    /// `Config` for what is too large to be written.
    pub fn effective(&self, folder: &Path) -> Result<String> {
        let texts = self
            .modules
            .iter()
            .map(|module| effective::effective(&module.document, &self.options, folder).root.to_yaml());
        Ok(texts.collect::<Result<Vec<_>>>()?.join("---\n"))
    }

    /// Returns the pipeline of the file. Paths in it are below the root of the world that runs it, as Skaffold takes them from
    /// the current folder. A file with several configurations makes one pipeline of all.
    ///
    /// # Errors
    /// `Config`, with its place, for what a plug-in refuses; `Unsupported` for a field that is not read yet and without which
    /// the run would come out otherwise.
    pub fn pipeline(&self, catalog: &Catalog) -> Result<Loaded> {
        let (mut needed, mut notices) = (Needed::default(), self.notices.clone());
        let documents = self.rendered(&mut needed, &mut notices)?;
        needed.check()?;
        let mut lower = Lower::new(&self.options, catalog);
        for document in &documents {
            lower.add(Config::read(document)?, document)?;
        }
        let lowered = lower.finish()?;
        notices.extend(lowered.notices);
        notices.sort_by(|a, b| a.location.cmp(&b.location));
        notices.dedup();
        let mut profiles: Vec<String> = Vec::new();
        for name in self.modules.iter().flat_map(|module| &module.profiles) {
            if !profiles.contains(name) {
                profiles.push(name.clone());
            }
        }
        let Lowered { pipeline, insecure_registries, keep_going, .. } = lowered;
        Ok(Loaded { pipeline, profiles, insecure_registries, keep_going, notices })
    }

    /// Returns the configurations with their templates rendered; where those need commands that have not run, says which.
    fn rendered(&self, needed: &mut Needed, notices: &mut Vec<Notice>) -> Result<Vec<Document>> {
        let one = |module: &Module| {
            let mut document = module.document.clone();
            trust::check(&mut document, &self.options)?;
            unread::report(&mut document, &self.options.command, notices)?;
            templates::render(&mut document, &self.options, needed)?;
            Ok(document)
        };
        self.modules.iter().map(one).collect()
    }
}
