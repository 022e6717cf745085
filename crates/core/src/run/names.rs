//! A pipeline whose names are looked up: made once, so that lowering takes no longer than what it makes.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Build, Deploy, Pipeline, SharedVolume, Step,
    lower::{Stores, Users, choose},
};
use crate::{Error, Result};

/// What the names of a pipeline stand for, and what follows from who uses whose image.
pub(super) struct Names<'a> {
    pub(super) pipeline: &'a Pipeline,
    /// Places among the pipeline's builds.
    builds: BTreeMap<&'a str, usize>,
    deploys: BTreeMap<&'a str, &'a Deploy>,
    steps: BTreeMap<&'a str, &'a Step>,
    volumes: BTreeMap<&'a str, &'a SharedVolume>,
    /// Of each build.
    stores: Vec<Stores>,
}

impl<'a> Names<'a> {
    /// Returns the names of a pipeline that was [checked](Pipeline::check).
    ///
    /// # Errors
    /// `Config` when no store of an artifact fits.
    pub(super) fn new(pipeline: &'a Pipeline) -> Result<Self> {
        let mut names = Self {
            pipeline,
            builds: pipeline.builds.iter().map(|build| build.artifact.name.as_str()).zip(0..).collect(),
            deploys: pipeline.deploys.iter().map(|deploy| (deploy.release.name.as_str(), deploy)).collect(),
            steps: pipeline.steps.iter().map(|step| (step.name.as_str(), step)).collect(),
            volumes: pipeline.volumes.iter().map(|shared| (shared.volume.name.as_str(), shared)).collect(),
            stores: Vec::new(),
        };
        let mut users: Vec<Users<'a>> = pipeline.builds.iter().map(|_| Users::default()).collect();
        for build in &pipeline.builds {
            // Under two names it is required once.
            let required: BTreeSet<&String> = build.artifact.requires.values().collect();
            for name in required {
                users[names.place(name)?].builds.push(build);
            }
        }
        for deploy in &pipeline.deploys {
            for place in names.used_by(deploy)? {
                users[place].deploys.push(deploy);
            }
        }
        for step in &pipeline.steps {
            if let Some(artifact) = &step.image_of {
                users[names.place(artifact)?].steps.push(step);
            }
        }
        names.stores = pipeline
            .builds
            .iter()
            .zip(&users)
            .map(|(build, users)| choose(build, users))
            .collect::<Result<_>>()?;
        Ok(names)
    }

    fn place(&self, artifact: &str) -> Result<usize> {
        self.builds.get(artifact).copied().ok_or_else(|| lacks("artifact", artifact))
    }

    /// Returns the places of the builds whose images the release has, in the pipeline's order.
    fn used_by(&self, deploy: &Deploy) -> Result<Vec<usize>> {
        if deploy.artifacts.is_empty() {
            return Ok((0..self.builds.len()).collect());
        }
        let mut places: Vec<usize> =
            deploy.artifacts.iter().map(|artifact| self.place(artifact)).collect::<Result<_>>()?;
        places.sort_unstable();
        Ok(places)
    }

    /// Returns the builds whose images the release has, in the pipeline's order.
    pub(super) fn images(&self, deploy: &Deploy) -> Result<impl Iterator<Item = &'a Build>> {
        let pipeline = self.pipeline;
        Ok(self.used_by(deploy)?.into_iter().map(|place| &pipeline.builds[place]))
    }

    pub(super) fn build(&self, name: &str) -> Result<&'a Build> {
        Ok(&self.pipeline.builds[self.place(name)?])
    }

    /// Returns where an artifact's image is built and read.
    pub(super) fn stores(&self, artifact: &str) -> Result<&Stores> {
        Ok(&self.stores[self.place(artifact)?])
    }

    pub(super) fn deploy(&self, name: &str) -> Result<&'a Deploy> {
        self.deploys.get(name).copied().ok_or_else(|| lacks("release", name))
    }

    pub(super) fn step(&self, name: &str) -> Result<&'a Step> {
        self.steps.get(name).copied().ok_or_else(|| lacks("step", name))
    }

    pub(super) fn volume(&self, name: &str) -> Result<&'a SharedVolume> {
        self.volumes.get(name).copied().ok_or_else(|| lacks("volume", name))
    }
}

fn lacks(what: &str, name: &str) -> Error {
    Error::internal(format!("the pipeline lacks the {what} `{name}`"))
}
