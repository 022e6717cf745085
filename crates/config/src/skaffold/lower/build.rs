//! What is built: `build`.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use serde_json::json;
use shipway_core::{Artifact, Build, Builder, Error, Location, Part, Result, Store};
use shipway_yaml::Document;

use super::{Lower, located};
use crate::{
    Notice,
    skaffold::{
        Dockerfiles, image_name, local_cluster,
        model::{self, ARTIFACT_FIELDS, Choice, Custom, Docker, Local, Open},
        unread,
    },
};

/// Skaffold's builders that are no kinds of the catalog yet.
const LATER: [&str; 5] = ["bazel", "buildpacks", "jib", "kaniko", "ko"];

impl Lower<'_> {
    pub(super) fn builds(&mut self, build: model::Build, document: &Document) -> Result<()> {
        let model::Build { common, tag_policy, artifacts } = build;
        if artifacts.is_empty() {
            return Ok(());
        }
        let tagger = self.tagger(&tag_policy, document)?;
        for open in artifacts {
            let builder = self.builder(&open, &common.local, document)?;
            let Open { known: artifact, .. } = open;
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
            let build = Build::new(declared, repository, builder)
                .tagger(Arc::clone(&tagger))
                .stores([self.store(&common.local)]);
            self.pipeline.builds.push(build);
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
        local: &Local,
        document: &Document,
    ) -> Result<Arc<dyn Builder>> {
        let (span, part) = match open.choices.as_slice() {
            [] => (open.span, self.dockerfile(Docker::default(), local, document.location(open.span))),
            [choice] => (choice.span, self.chosen(choice, local, document)),
            [first, second, ..] => {
                let message = format!("`{}` and `{}` are both to build the image", first.name, second.name);
                return Err(document.error(second.span, message).hint("keep one of them"));
            }
        };
        let made = part.and_then(|part| self.catalog.builder(&part));
        made.map_err(|error| located(error, document.location(span)))
    }

    fn chosen(&mut self, choice: &Choice, local: &Local, document: &Document) -> Result<Part> {
        match choice.name.as_str() {
            "docker" => self.dockerfile(choice.read(document)?, local, document.location(choice.span)),
            "custom" => Part::with_options("custom", &choice.read::<Custom>(document)?),
            other if self.knows("builder", other) => Ok(Part::new(other).options(choice.options(document)?)),
            other if LATER.contains(&other) => {
                Err(Error::unsupported(format!("the builder `{other}` is not supported yet")))
            }
            _ => {
                let known = ARTIFACT_FIELDS.into_iter().chain(["docker", "custom"]).chain(LATER);
                let known = known.chain(unread::fields("/build/artifacts/*"));
                Err(choice.unknown(document, known.chain(self.kinds("builder"))))
            }
        }
    }

    /// Returns the builder of a Dockerfile.
    fn dockerfile(&mut self, docker: Docker, local: &Local, location: Location) -> Result<Part> {
        match self.options.dockerfiles {
            Dockerfiles::Docker => {
                let mut part = Part::with_options("docker", &docker)?;
                let beside = [
                    ("buildkit", local.use_buildkit.map(|value| json!(value))),
                    ("endpoint", self.options.docker_endpoint.as_ref().map(|value| json!(value))),
                ];
                for (name, value) in beside {
                    part.options.extend(value.map(|value| (name.to_owned(), value)));
                }
                Ok(part)
            }
            Dockerfiles::Native => self.native(docker, location),
        }
    }

    /// Returns the builder of a Dockerfile without an engine: what says what is built and needs one is refused,
    /// and what says how fast is nothing to it.
    fn native(&mut self, docker: Docker, location: Location) -> Result<Part> {
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
        Ok(Part::new("native").options(options))
    }
}
