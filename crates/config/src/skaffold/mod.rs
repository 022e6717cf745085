//! skaffold.yaml, read through five stages, each of its own file: [`parse`] makes trees, [`upgrade`]
//! brings them to the newest version, [`profile`] lays the active profiles over them, [`model`] types
//! them, [`lower`] makes the pipeline. A place in the file goes along through all of them.

mod image_name;
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
mod steps;
mod templates;
mod unread;
mod upgrade;
mod version;

use std::path::Path;

use shipway_core::{Catalog, Error, Pipeline, Result};

pub use self::{
    load::load_skaffold,
    options::{Dockerfiles, Options, SyncRemoteCache},
    version::Version,
};
use self::{
    lower::Lower,
    model::Config,
    modules::{Found, Modules},
};
use crate::Notice;

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
    /// What the file says that has no effect here, in the order of the file.
    pub notices: Vec<Notice>,
}

/// Reads a `skaffold.yaml` of the versions from [`Version::OLDEST`] to [`Version::NEWEST`]. A field that a
/// version did not have yet is read as in the newest.
///
/// `file` is its name, for messages. Paths in it are below the root of the world that runs the pipeline,
/// as Skaffold takes them from the current folder. Each `deploy.KIND` and each artifact's builder is of the kind
/// of that name in the catalog, also where Skaffold knows no such field; nothing is built or asked here. A
/// file with several configurations makes one pipeline of all; where they require other files, use [`load_skaffold`].
///
/// ```
/// use shipway_config::{Options, read_skaffold};
/// # fn load(text: &str, catalog: &shipway_core::Catalog) -> shipway_core::Result<()> {
///
/// let options = Options::default().profiles(["production"]).default_repo("registry.example/team");
/// let loaded = read_skaffold("skaffold.yaml", text, &options, catalog)?;
/// let said: Vec<String> = loaded.notices.iter().map(ToString::to_string).collect();
/// let pipeline = loaded.pipeline;
/// # let _ = (said, pipeline);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// `Config`, with file, line and column, for what does not have the form of its version and for what a
/// plug-in refuses; `Unsupported` likewise for an older version and for a field that is not read yet and
/// without which the run would come out otherwise.
pub fn read_skaffold(
    file: impl AsRef<Path>,
    text: &str,
    options: &Options,
    catalog: &Catalog,
) -> Result<Loaded> {
    let file = file.as_ref();
    let mut modules = Modules::new(file, Path::new(""), options);
    let mut first = true;
    while let Some(wanted) = modules.wanted()? {
        let usual = wanted.place.path.join("skaffold.yaml");
        let itself = wanted.place.repository.is_none() && modules::normal(file) == usual;
        if !first && !itself {
            let error = Error::unsupported("another file is required, and this text alone is read");
            let error = error.hint("read it with `load_skaffold`");
            return Err(match wanted.at {
                Some(at) => error.at(at),
                None => error,
            });
        }
        let path = if first { wanted.place.path.clone() } else { usual };
        first = false;
        modules.found(&wanted, Found { path, file: file.to_owned(), text: text.to_owned() })?;
    }
    finish(modules, options, catalog)
}

/// Makes the pipeline of configurations that are all read.
fn finish(modules: Modules<'_>, options: &Options, catalog: &Catalog) -> Result<Loaded> {
    let (modules, mut notices) = modules.finish()?;
    let mut lower = Lower::new(options, catalog);
    let mut active: Vec<String> = Vec::new();
    for module in modules {
        for name in module.profiles {
            if !active.contains(&name) {
                active.push(name);
            }
        }
        let mut document = module.document;
        unread::report(&mut document, &options.command, &mut notices)?;
        templates::render(&mut document, options)?;
        let config = Config::read(&document)?;
        lower.add(config, &document)?;
    }
    let (pipeline, insecure_registries, more) = lower.finish()?;
    notices.extend(more);
    notices.sort_by(|a, b| a.location.cmp(&b.location));
    Ok(Loaded { pipeline, profiles: active, insecure_registries, notices })
}
