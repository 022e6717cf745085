//! The build itself: arguments and secrets, the engine's work, and where the image goes.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
};

use shipway_core::{
    BuildRequest, Context, Digest, Error, IgnoreRules, Image, Level, Login, Result, Store, Tag, Target,
};
use shipway_docker::{BuildSpec, SessionOffer};
use shipway_oci::Reference;

use super::{
    Docker, Push,
    context::context,
    offered::{agent, secrets},
    plan::Plan,
    versions::warnings,
    wanted_platform,
};
use crate::logins::logins;

impl Docker {
    pub(super) async fn make(&self, cx: &Context, request: &BuildRequest) -> Result<Image> {
        cx.check_stopped()?;
        let artifact = &request.artifact;
        let (this, owned) = (self.clone(), artifact.clone());
        let plan = Arc::new(cx.blocking(move |cx| Plan::read(cx, &owned, &this.options)).await?);
        if self.options.untrusted {
            plan.check_frontends(&artifact.context)?;
        }
        self.look_at_versions(cx).await?;
        let buildkit = match self.options.buildkit {
            Some(chosen) => chosen,
            None => self.options.needs_buildkit() || self.daemon.prefers_buildkit(cx).await?,
        };
        let spec = self.spec(cx, request, &plan, buildkit).await?;
        self.check_triggers(cx, &plan, &spec).await?;
        // BuildKit takes a context that comes as an archive as it is, without an ignore file.
        if buildkit
            && plan.reach.sources.is_none()
            && IgnoreRules::new(&plan.ignore)?.is_ignored(&plan.dockerfile)
        {
            let text = format!("`{}` is ignored, but BuildKit copies it with all else", plan.dockerfile);
            cx.message(Level::Warning, text);
        }
        let content = context(cx, artifact, Arc::clone(&plan), buildkit).await?;
        let id = self.daemon.build(cx, &spec, content).await?;
        self.deliver(cx, &artifact.name, id, &request.target).await
    }

    /// Refuses a base whose triggers copy what is not sent, as far as the engine has it already: the
    /// engine itself would only say that a file is missing.
    async fn check_triggers(&self, cx: &Context, plan: &Plan, spec: &BuildSpec) -> Result<()> {
        if plan.reach.sources.is_none() {
            return Ok(());
        }
        let copies = |trigger: &String| {
            let name = trigger.split_whitespace().next().unwrap_or_default();
            ["COPY", "ADD"].iter().any(|one| name.eq_ignore_ascii_case(one))
        };
        let required = plan.required.iter().filter_map(|alias| spec.args.get(alias));
        for base in plan.reach.images.iter().chain(required) {
            let triggers = self.daemon.image(cx, base).await?.map(|image| image.on_build).unwrap_or_default();
            if let Some(trigger) = triggers.into_iter().find(copies) {
                return Err(Error::config(format!("the base `{base}` has the trigger `ONBUILD {trigger}`"))
                    .note("what it copies is not known before the build, so that it was not declared")
                    .hint("set the option `wholeContext`"));
            }
        }
        Ok(())
    }

    async fn look_at_versions(&self, cx: &Context) -> Result<()> {
        if self.looked.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        for warning in warnings(&self.daemon.version(cx).await?.parts) {
            cx.message(Level::Warning, warning);
        }
        Ok(())
    }

    async fn spec(
        &self,
        cx: &Context,
        request: &BuildRequest,
        plan: &Plan,
        buildkit: bool,
    ) -> Result<BuildSpec> {
        let options = &self.options;
        let mut spec = BuildSpec::new(plan.dockerfile.as_str());
        spec.target.clone_from(&options.target);
        spec.args.clone_from(&plan.args);
        for (alias, image) in &request.requires {
            spec.args.insert(alias.clone(), self.reference(cx, image).await?);
        }
        let local = request.requires.values().find(|image| image.store != Store::Registry);
        if let Some(image) = local.filter(|_| options.pull_parent) {
            return Err(Error::config(format!("`pullParent` would look for `{}` in a registry", image.name))
                .note("it is a required artifact, which is only in the engine")
                .hint("leave `pullParent` out, or build what is required into a registry"));
        }
        spec.cache_from.clone_from(&options.cache_from);
        spec.no_cache = options.no_cache;
        spec.pull = options.pull_parent;
        spec.network.clone_from(&options.network);
        spec.hosts.clone_from(&options.add_host);
        spec.squash = options.squash;
        spec.platform = wanted_platform("docker", &request.artifact)?.cloned();
        let logins = self.logins(cx, plan, request).await?;
        if buildkit {
            let mut offer = SessionOffer::default();
            offer.secrets = secrets(cx, &options.secrets).await?;
            if let Some(ssh) = &options.ssh {
                let (id, socket) = agent(cx, ssh)?;
                offer.agents.insert(id, socket);
            }
            offer.logins = logins;
            spec.session = Some(offer);
        } else {
            spec.logins = logins;
        }
        Ok(spec)
    }

    /// Returns the name by which the engine knows a required image; one of a layout is brought there.
    async fn reference(&self, cx: &Context, image: &Image) -> Result<String> {
        let own = Store::Daemon(self.options.endpoint.clone());
        match &image.store {
            Store::Registry => Ok(image.reference()),
            store if *store == own => Ok(image.reference()),
            _ => {
                let tag = Tag::parse("shipway-required")?;
                let target = Target::new(own, image.repository.as_str(), tag);
                Ok(cx.images().copy(cx, image, &target).await?.reference())
            }
        }
    }

    /// Returns the logins for exactly the registries whose images the build names.
    async fn logins(
        &self,
        cx: &Context,
        plan: &Plan,
        request: &BuildRequest,
    ) -> Result<BTreeMap<String, Login>> {
        let required = request.requires.values().filter(|image| image.store == Store::Registry);
        let names = plan.reach.images.iter().chain(&self.options.cache_from).chain(&plan.lines.frontends);
        logins(cx, names.cloned().chain(required.map(Image::reference))).await
    }

    /// Brings the image, which has no name yet, to where it is wanted. What is there then is whole: its
    /// tag comes last.
    async fn deliver(&self, cx: &Context, name: &str, id: Digest, target: &Target) -> Result<Image> {
        let own = Store::Daemon(self.options.endpoint.clone());
        match &target.store {
            store if *store == own => self.daemon.name_image(cx, name, &id, target).await,
            Store::Registry if self.options.push == Push::Daemon => {
                let local = Target::new(own, target.repository.as_str(), target.tag.clone());
                let image = self.daemon.name_image(cx, name, &id, &local).await?;
                let host = target.reference().parse::<Reference>()?.host;
                let login = cx.login(&host).await?;
                let (repository, tag) = (target.repository.as_str(), &target.tag);
                let pushed = self.daemon.push_image(cx, repository, tag, login.as_ref()).await?;
                Ok(Image::new(name, Store::Registry, repository, pushed.digest)
                    .tag(tag.clone())
                    .platforms(image.platforms))
            }
            Store::Registry | Store::Layout(_) => {
                let image = Image::new(name, own, target.repository.as_str(), id);
                cx.images().copy(cx, &image, target).await
            }
            store => Err(Error::config(format!("the image cannot go to {store:?}"))
                .note(format!("it is built by the engine at `{}`", self.options.endpoint))
                .hint("build into that engine, a registry or a layout")),
        }
    }
}
