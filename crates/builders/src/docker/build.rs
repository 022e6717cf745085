//! The build itself: arguments and secrets, the engine's work, and where the image goes.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
};

use shipway_core::{
    BuildRequest, Context, Digest, Error, IgnoreRules, Image, Level, Location, Login, Result, Secret, Store,
    Tag, Target,
};
use shipway_docker::{BuildSpec, SessionOffer};
use shipway_oci::Reference;

use super::{BuildSecret, Docker, Push, context::context, plan::Plan, versions::warnings};

/// The most bytes of a secret's file (moby/buildkit, `MaxSecretSize`).
const SECRET: usize = 500 * 1024;

impl Docker {
    pub(super) async fn make(&self, cx: &Context, request: &BuildRequest) -> Result<Image> {
        cx.check_stopped()?;
        let artifact = &request.artifact;
        let (this, owned) = (self.clone(), artifact.clone());
        let plan = Arc::new(cx.blocking(move |cx| Plan::read(cx, &owned, &this.options)).await?);
        self.check_frontend(&plan, &artifact.context)?;
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

    /// Refuses a frontend that may be anything tomorrow, where the Dockerfile is not trusted.
    fn check_frontend(&self, plan: &Plan, context: &Path) -> Result<()> {
        // A digest in the middle of a name pins nothing.
        let pinned = |frontend: &&String| {
            frontend.parse::<Reference>().is_ok_and(|frontend| frontend.digest.is_some())
        };
        match plan.lines.frontends.iter().find(|frontend| !pinned(frontend)) {
            Some(frontend) if self.options.untrusted => Err(Error::config(format!(
                "the frontend `{frontend}` is not pinned by a digest"
            ))
            .at(Location::new(context.join(&plan.dockerfile), 0, 0))
            .note("a frontend is a program that runs before the Dockerfile does, and `untrusted` is set")
            .hint("leave the `# syntax=` line out, or write `image@sha256:…`")),
            _ => Ok(()),
        }
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
        spec.platform = super::wanted_platform(&request.artifact)?;
        let logins = self.logins(cx, plan, request).await?;
        if buildkit {
            let mut offer = SessionOffer::default();
            for secret in &options.secrets {
                offer.secrets.insert(secret.id.clone(), self.secret(cx, secret).await?);
            }
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
        let names =
            plan.reach.images.iter().chain(&self.options.cache_from).chain(&plan.lines.frontends).cloned();
        let hosts: BTreeSet<String> = names
            .chain(required.map(Image::reference))
            .filter_map(|name| Some(name.parse::<Reference>().ok()?.host))
            .collect();
        let mut logins = BTreeMap::new();
        for host in hosts {
            if let Some(login) = cx.login(&host).await? {
                logins.insert(host, login);
            }
        }
        Ok(logins)
    }

    async fn secret(&self, cx: &Context, secret: &BuildSecret) -> Result<Secret> {
        let value = match (&secret.src, &secret.env, secret.credential()?) {
            (Some(file), _, _) => {
                let file = PathBuf::from(file);
                cx.blocking(move |cx| read_secret(cx, &file)).await?
            }
            (None, Some(variable), _) => {
                let value = cx.env(variable).ok_or_else(|| {
                    Error::config(format!("the secret `{}` is in no variable `{variable}`", secret.id))
                        .hint("set it in the environment that the world was given")
                })?;
                Secret::from(value)
            }
            (None, None, Some(id)) => return cx.secret(&id).await,
            (None, None, None) => return Err(Error::internal("a secret of a build comes from nowhere")),
        };
        cx.mask(&value);
        Ok(value)
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

fn read_secret(cx: &Context, file: &Path) -> Result<Secret> {
    let (folder, name) = (file.parent().unwrap_or(Path::new("")), file.file_name().unwrap_or_default());
    let bytes = cx.files().open(cx, folder, &name.to_string_lossy())?.read(SECRET)?;
    String::from_utf8(bytes)
        .map(Secret::from)
        .map_err(|_| Error::config(format!("the secret in `{}` is not text", file.display())))
}

/// Reads `default`, or `id=/path/of/socket`.
fn agent(cx: &Context, ssh: &str) -> Result<(String, PathBuf)> {
    match ssh.split_once('=') {
        Some((id, socket)) => Ok((id.to_owned(), cx.path(Path::new(socket)))),
        None => {
            let socket = cx.env("SSH_AUTH_SOCK").ok_or_else(|| {
                Error::config(format!("`ssh` is `{ssh}`, and the environment has no `SSH_AUTH_SOCK`"))
                    .hint("start an agent and hand its variable to the world, or write `id=/path/of/socket`")
            })?;
            Ok((ssh.to_owned(), PathBuf::from(socket)))
        }
    }
}
