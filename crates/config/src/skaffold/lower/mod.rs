//! Fifth stage: the typed configuration becomes a pipeline. Skaffold's words for plug-ins become kinds
//! of the catalog here, and nowhere else.

mod build;
mod containers;
mod deploy;
mod hooks;
mod kaniko;
mod tag;
mod test;

use std::collections::{BTreeMap, BTreeSet};

use shipway_core::{Catalog, Error, Location, Need, Pipeline, Result, did_you_mean};
use shipway_yaml::Document;

use self::{containers::Containers, deploy::Rendering};
use super::{Options, model::Config, unread};
use crate::Notice;

/// A pipeline that is being made.
pub(super) struct Lower<'a> {
    options: &'a Options,
    catalog: &'a Catalog,
    pipeline: Pipeline,
    named: bool,
    /// How many configurations that are deployed have no name.
    unnamed: usize,
    insecure_registries: Vec<String>,
    /// Where each image is declared.
    images: BTreeMap<String, Location>,
    /// The images that others require, and where they say so.
    required: Vec<(String, Location)>,
    /// The containers that are to be run, and the names of all actions.
    asked: Vec<Containers>,
    actions: Vec<String>,
    /// What comes before every release.
    before_deploys: BTreeSet<Need>,
    keep_going: bool,
    notices: Vec<Notice>,
}

/// What a configuration was made into.
pub(super) struct Lowered {
    pub(super) pipeline: Pipeline,
    pub(super) insecure_registries: Vec<String>,
    pub(super) keep_going: bool,
    pub(super) notices: Vec<Notice>,
}

impl<'a> Lower<'a> {
    pub(super) fn new(options: &'a Options, catalog: &'a Catalog) -> Self {
        Self {
            options,
            catalog,
            pipeline: Pipeline::new(&options.name),
            named: false,
            unnamed: 0,
            insecure_registries: options.insecure_registries.clone(),
            images: BTreeMap::new(),
            required: Vec::new(),
            asked: Vec::new(),
            actions: Vec::new(),
            before_deploys: BTreeSet::new(),
            keep_going: false,
            notices: Vec::new(),
        }
    }

    /// Adds all of a configuration.
    pub(super) fn add(&mut self, config: Config, document: &Document) -> Result<()> {
        let Config { name, build, tests, manifests, resource_selector, deploy, verify, custom_actions } =
            config;
        // The first configuration with a name gives the pipeline its own.
        if let (Some(name), false) = (&name, self.named) {
            self.pipeline.name.clone_from(name);
            self.named = true;
        }
        self.insecure_registries.extend(build.common.insecure_registries.iter().cloned());
        let first = self.pipeline.builds.len();
        let sections = unread::sections(&self.options.command);
        let wanted = |section: &str| sections.is_none_or(|sections| sections.contains(&section));
        let release = name.unwrap_or_else(|| {
            self.unnamed += 1;
            match self.unnamed {
                1 => self.options.name.clone(),
                number => format!("{}-{number}", self.options.name),
            }
        });
        if wanted("build") {
            self.builds(build, deploy.known.kube_context.as_deref(), &release, document)?;
        }
        if wanted("test") {
            self.tests(tests, first, document)?;
        }
        self.containers(verify, custom_actions, deploy.known.kube_context.as_deref(), document);
        if !wanted("deploy") {
            return Ok(());
        }
        self.deploys(deploy, Rendering { manifests, resource_selector }, &release, document)
    }

    /// Returns the kinds of a role that the catalog has.
    fn kinds(&self, role: &str) -> Vec<&'static str> {
        self.catalog.kinds().remove(role).unwrap_or_default()
    }

    fn knows(&self, role: &str, kind: &str) -> bool {
        self.kinds(role).contains(&kind)
    }

    pub(super) fn finish(mut self) -> Result<Lowered> {
        for (image, location) in &self.required {
            if !self.images.contains_key(image) {
                let error = Error::config(format!("`{image}` is required, and nothing builds it"))
                    .at(location.clone());
                return Err(match did_you_mean(image, self.images.keys().map(String::as_str)) {
                    Some(near) => error.hint(format!("did you mean `{near}`?")),
                    None => error.hint("add an artifact with this image"),
                });
            }
        }
        self.built_elsewhere()?;
        self.run_containers()?;
        self.pipeline.check()?;
        let Self { pipeline, insecure_registries, keep_going, notices, .. } = self;
        Ok(Lowered { pipeline, insecure_registries, keep_going, notices })
    }
}

/// Gives an error a place, if it has none of its own.
fn located(error: Error, location: Location) -> Error {
    if error.report().location.is_some() { error } else { error.at(location) }
}
