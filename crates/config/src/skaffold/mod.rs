//! skaffold.yaml, read through five stages, each of its own file: [`parse`] makes trees, [`upgrade`]
//! brings them to the newest version, [`profile`] lays the active profiles over them, [`model`] types
//! them, [`lower`] makes the pipeline. A place in the file goes along through all of them.

mod fix;
mod image_name;
mod local_cluster;
mod lower;
mod model;
mod options;
mod overlay;
mod parse;
mod patch;
mod profile;
mod steps;
mod templates;
mod unread;
mod upgrade;
mod version;

use std::path::Path;

use shipway_core::{Catalog, Pipeline, Result};

pub use self::{
    fix::{Fixed, fix_skaffold},
    options::{Dockerfiles, Options},
    version::Version,
};
use self::{lower::Lower, model::Config, profile::Profiles};
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

/// Reads a `skaffold.yaml` of any version, from [`Version::OLDEST`] to [`Version::NEWEST`]. A field that a
/// version did not have yet is read as in the newest.
///
/// `file` is its name, for messages. Paths in it are below the root of the world that runs the pipeline,
/// as Skaffold takes them from the current folder. Each `deploy.KIND` and each artifact's builder is of the kind
/// of that name in the catalog, also where Skaffold knows no such field; nothing is built or asked here. A
/// file with several configurations makes one pipeline of all.
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
/// plug-in refuses; `Unsupported` likewise for what no newer version has a place for, and for a field that is not read yet and
/// without which the run would come out otherwise.
pub fn read_skaffold(
    file: impl AsRef<Path>,
    text: &str,
    options: &Options,
    catalog: &Catalog,
) -> Result<Loaded> {
    let mut notices = Vec::new();
    let mut documents = Vec::new();
    let mut profiles = Vec::new();
    for mut source in parse::sources(file.as_ref(), text)? {
        upgrade::upgrade(&mut source, &mut notices)?;
        profiles.push(Profiles::take(&mut source.document)?);
        documents.push(source.document);
    }
    profile::check_names(&profiles, options)?;
    let mut lower = Lower::new(options, catalog);
    let mut active: Vec<String> = Vec::new();
    for (mut document, profiles) in documents.into_iter().zip(profiles) {
        for name in profiles.apply(&mut document, options)? {
            if !active.contains(&name) {
                active.push(name);
            }
        }
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
