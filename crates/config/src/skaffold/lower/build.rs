//! What is built: `build`.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};

use serde_json::json;
use shipway_core::{Artifact, Build, Builder, Error, Location, Need, Part, Result, Store};
use shipway_yaml::Document;

use super::{Lower, hooks::Hooked, located};
use crate::{
    Notice,
    skaffold::{
        Dockerfiles, image_name, local_cluster,
        model::{self, Choice, Custom, Docker, Hooks, Local, Open},
    },
};

/// Where artifacts are built: on this machine, unless there is a cluster, of this context if the file says one.
struct Place<'a> {
    local: &'a Local,
    insecure: &'a [String],
    cluster: Option<(&'a Choice, Option<&'a str>)>,
}

impl Lower<'_> {
    /// Adds what is built, some of it perhaps in the cluster of this context, and the steps around it, which are named after
    /// the release.
    pub(super) fn builds(
        &mut self,
        build: model::Build,
        context: Option<&str>,
        release: &str,
        document: &Document,
    ) -> Result<()> {
        let model::Build { common, tag_policy, cluster, artifacts } = build;
        if artifacts.is_empty() {
            return Ok(());
        }
        let tagger = self.tagger(&tag_policy, document)?;
        let told = self.told(None, &[]);
        let given = |open: &Open<model::Artifact>| self.options.images.contains_key(&open.known.image.value);
        // Where nothing is built there is no phase to do something around.
        let Hooks { before, after } =
            if artifacts.iter().all(given) { Hooks::default() } else { common.hooks.clone() };
        let begun = self.host_steps(&format!("{release}/before-build"), before, &told, BTreeSet::new())?;
        let mut built_here = BTreeSet::new();
        for open in artifacts {
            let store = match cluster {
                Some(_) => Store::Registry,
                None => self.store(&common.local),
            };
            let image = &open.known.image;
            if let Some(reference) = self.options.images.get(&image.value) {
                let location = document.location(image.span);
                let artifact = Artifact::new(&*image.value, PathBuf::from("."));
                let build =
                    built(artifact, reference, store).map_err(|error| located(error, location.clone()))?;
                self.images.insert(image.value.clone(), location);
                self.pipeline.builds.push(build);
                continue;
            }
            if self.options.command == "deploy" {
                let message = format!("nobody says which image of `{}` is deployed", image.value);
                return Err(document
                    .error(image.span, message)
                    .hint("name it with `--images` or `--build-artifacts`, or build and deploy with `run`"));
            }
            let place = Place {
                local: &common.local,
                insecure: &common.insecure_registries,
                cluster: cluster.as_ref().map(|at| (at, context)),
            };
            let mut builder = self.builder(&open, &place, document)?;
            let Open { known: artifact, .. } = open;
            if !(artifact.hooks.before.is_empty() && artifact.hooks.after.is_empty()) {
                builder = Arc::new(Hooked { builder, hooks: artifact.hooks.clone(), told: told.clone() });
            }
            let image = &artifact.image;
            let repository = self
                .repository(&image.value)
                .map_err(|error| located(error, document.location(image.span)))?;
            let location = document.location(image.span);
            if let Some(first) = self.images.insert(image.value.clone(), location) {
                let error =
                    document.error(image.span, format!("two artifacts have the image `{}`", image.value));
                return Err(error.note(format!("the first is at {first}")).hint("give one another image"));
            }
            let mut requires = BTreeMap::new();
            for required in artifact.requires {
                self.required.push((required.image.value.clone(), document.location(required.image.span)));
                let alias = required.alias.unwrap_or_else(|| required.image.value.clone());
                if requires.insert(alias.clone(), required.image.value).is_some() {
                    let message = format!("two required images have the alias `{alias}`");
                    return Err(document
                        .error(required.image.span, message)
                        .hint("give one another `alias`"));
                }
            }
            let context = artifact.context.filter(|context| !context.is_empty());
            let platforms =
                if artifact.platforms.is_empty() { &common.platforms } else { &artifact.platforms };
            let declared = Artifact::new(&*image.value, PathBuf::from(context.as_deref().unwrap_or(".")))
                .requires(requires)
                .platforms(platforms.clone());
            let build = Build::new(declared, repository, builder).tagger(Arc::clone(&tagger)).stores([store]);
            built_here.insert(Need::artifact(build.artifact.name.as_str()));
            self.pipeline.builds.push(build.after(begun.clone()));
        }
        if !after.is_empty() {
            let ended = self.host_steps(&format!("{release}/after-build"), after, &told, built_here)?;
            self.before_deploys.extend(ended);
        }
        Ok(())
    }

    /// Adds the images that are there already and that no file has: their references are bound in manifests all the same.
    pub(super) fn built_elsewhere(&mut self) -> Result<()> {
        if self.options.command == "apply" {
            return Ok(());
        }
        let store = self.store(&Local::default());
        for (name, reference) in &self.options.images {
            if !self.images.contains_key(name) {
                let artifact = Artifact::new(name, PathBuf::from("."));
                self.pipeline.builds.push(built(artifact, reference, store.clone())?);
            }
        }
        Ok(())
    }

    fn repository(&self, image: &str) -> Result<String> {
        let repository = image_name::repository(image)?;
        match self.options.default_repo.as_deref().filter(|default| !default.is_empty()) {
            Some(default) => image_name::below(default, self.options.multi_level_repo, &repository),
            None => Ok(repository),
        }
    }

    /// Returns where images go.
    fn store(&self, local: &Local) -> Store {
        if self.options.push.or(local.push).unwrap_or_else(|| local_cluster::pulls(self.options)) {
            return Store::Registry;
        }
        let usual = "unix:///var/run/docker.sock".to_owned();
        Store::Daemon(self.options.docker_endpoint.clone().unwrap_or(usual))
    }

    fn builder(
        &mut self,
        open: &Open<model::Artifact>,
        place: &Place<'_>,
        document: &Document,
    ) -> Result<Arc<dyn Builder>> {
        let choice = open.only(document, "build the image")?;
        let span = choice.map_or(open.span, |choice| choice.span);
        let part = match (choice, place.cluster) {
            (None, Some((cluster, context))) => self.in_cluster(None, cluster, context, document),
            (None, None) => self.dockerfile(Docker::default(), place, document.location(span)),
            (Some(choice), _) => self.chosen(choice, place, document),
        };
        let made = part.and_then(|part| self.catalog.builder(&part));
        made.map_err(|error| located(error, document.location(span)))
    }

    fn chosen(&mut self, choice: &Choice, place: &Place<'_>, document: &Document) -> Result<Part> {
        match (choice.name.as_str(), place.cluster) {
            ("kaniko", Some((cluster, context))) => self.in_cluster(Some(choice), cluster, context, document),
            ("kaniko", None) => {
                Err(Error::config("`kaniko` builds in a cluster, and `build.cluster` is missing")
                    .hint("add `cluster: {}` to `build`"))
            }
            (other @ ("docker" | "custom"), Some(_)) => {
                Err(Error::unsupported(format!("`{other}` in `build.cluster` is not supported yet"))
                    .hint("build a Dockerfile with `kaniko` there"))
            }
            ("docker", None) => {
                self.dockerfile(choice.read(document)?, place, document.location(choice.span))
            }
            ("custom", None) => Part::with_options("custom", &choice.read::<Custom>(document)?),
            (other, _) if self.knows("builder", other) => {
                Ok(Part::new(other).options(choice.options(document)?))
            }
            (other, _) => Err(Error::unsupported(format!("the builder `{other}` is not supported yet"))),
        }
    }

    /// Returns the builder of a Dockerfile.
    fn dockerfile(&mut self, docker: Docker, place: &Place<'_>, location: Location) -> Result<Part> {
        match self.options.dockerfiles {
            Dockerfiles::Docker => {
                let mut part = Part::with_options("docker", &docker)?;
                let beside = [
                    ("buildkit", place.local.use_buildkit.map(|value| json!(value))),
                    ("endpoint", self.options.docker_endpoint.as_ref().map(|value| json!(value))),
                ];
                for (name, value) in beside {
                    part.options.extend(value.map(|value| (name.to_owned(), value)));
                }
                Ok(part)
            }
            Dockerfiles::Native => self.native(docker, place, location),
        }
    }

    /// Returns the builder of a Dockerfile without an engine: what says what is built and needs one is refused,
    /// and what says how fast is nothing to it.
    fn native(&mut self, docker: Docker, place: &Place<'_>, location: Location) -> Result<Part> {
        let Docker { dockerfile, target, build_args, cache_from, no_cache, pull_parent, .. } = docker;
        let Docker { secrets, ssh, squash, cli_flags, add_host, network, .. } = docker;
        let caches =
            [("cacheFrom", !cache_from.is_empty()), ("noCache", no_cache), ("pullParent", pull_parent)];
        for (name, _) in caches.into_iter().filter(|(_, given)| *given) {
            let message = format!("`docker.{name}` has no effect: no engine with a cache builds this");
            self.notices.push(Notice::new(location.clone(), message));
        }
        let engine = [
            ("secrets", !secrets.is_empty()),
            ("ssh", ssh.is_some()),
            ("squash", squash),
            ("cliFlags", !cli_flags.is_empty()),
            ("addHost", !add_host.is_empty()),
            ("network", network.is_some()),
        ];
        if let Some((name, _)) = engine.iter().find(|(_, given)| *given) {
            return Err(Error::unsupported(format!("`{name}` needs a container engine"))
                .hint("let the builder `docker` build it, or take it out"));
        }
        let mut args = serde_json::Map::new();
        for (name, value) in build_args {
            // Docker takes an argument without a value from the environment, and leaves it out where that has none.
            if let Some(value) = value.or_else(|| self.options.env.get(&name).cloned()) {
                args.insert(name, value.into());
            }
        }
        let dockerfile =
            dockerfile.filter(|path| !path.is_empty()).unwrap_or_else(|| "Dockerfile".to_owned());
        let mut options = serde_json::Map::from_iter([("dockerfile".to_owned(), dockerfile.into())]);
        options.extend(target.map(|target| ("target".to_owned(), target.into())));
        if !args.is_empty() {
            options.insert("args".to_owned(), args.into());
        }
        let insecure: Vec<&String> = place.insecure.iter().chain(&self.options.insecure_registries).collect();
        if !insecure.is_empty() {
            options.insert("insecure_registry".to_owned(), json!(insecure));
        }
        Ok(Part::new("native").options(options))
    }
}

/// Returns an artifact whose image is there already.
fn built(artifact: Artifact, reference: &str, store: Store) -> Result<Build> {
    Ok(Build::built(artifact, image_name::repository(reference)?, reference).stores([store]))
}
