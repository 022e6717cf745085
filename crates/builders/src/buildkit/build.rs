//! The build itself: what is asked for, what may be asked back, and the image's digest.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use shipway_core::{
    BuildRequest, Context, Error, ErrorKind, Image, Level, Login, LoginKind, Result, Store, Stream,
};
use shipway_docker::{BuildkitAddress, BuildkitTls, SessionOffer, SharedFolder, SolveSpec};

use super::{Buildkit, BuildkitTlsFiles, cache};
use crate::{
    docker::{Plan, agent, read_secret, secrets, wanted_platform, warnings},
    logins::logins,
    pushed::{pushed, pushed_before},
};

/// The name by which the frontend asks for the context, and for the Dockerfile.
const CONTEXT: &str = "context";
const DOCKERFILE: &str = "dockerfile";

impl Buildkit {
    pub(super) async fn make(&self, cx: &Context, request: &BuildRequest) -> Result<Image> {
        cx.check_stopped()?;
        let (artifact, target) = (&request.artifact, &request.target);
        if target.store != Store::Registry {
            return Err(Error::config(format!("the image cannot go to {:?}", target.store))
                .note("it is built by a buildkitd, which pushes it")
                .hint("build into a registry that the buildkitd reaches"));
        }
        wanted_platform("buildkit", artifact)?;
        let (reading, owned) = (self.reading(), artifact.clone());
        let plan = cx.blocking(move |cx| Plan::read(cx, &owned, &reading)).await?;
        if self.options.untrusted {
            plan.check_frontends(&artifact.context)?;
        }
        let time = self.options.cluster.as_ref().map(|cluster| cluster.timeout_seconds);
        let cx = &match time {
            Some(time) => cx.within(Some(Duration::from_secs(time))),
            None => cx.clone(),
        };
        let spec = self.spec(cx, request, plan).await?;
        let built = match &self.options.address {
            Some(address) => {
                let address = self.address(cx, address).await?;
                let buildkit = shipway_docker::Buildkit::connect(cx, &address).await?;
                self.solve(cx, &buildkit, &spec, request).await
            }
            None => self.in_pod(cx, request, &spec).await,
        };
        match built {
            Ok(image) => Ok(image),
            Err(error) => {
                // What a stop closes may be heard of before the stop itself.
                let stopped = cx.check_stopped().err().filter(|_| error.kind() == ErrorKind::Unavailable);
                pushed_before(cx, stopped.unwrap_or(error), request, time).await
            }
        }
    }

    #[cfg(not(feature = "kubernetes"))]
    async fn in_pod(&self, _: &Context, _: &BuildRequest, _: &SolveSpec) -> Result<Image> {
        Err(Error::internal("there are no pods without the feature `kubernetes`"))
    }

    /// Has a buildkitd build, and returns what it pushed.
    pub(super) async fn solve(
        &self,
        cx: &Context,
        buildkit: &shipway_docker::Buildkit,
        spec: &SolveSpec,
        request: &BuildRequest,
    ) -> Result<Image> {
        if !self.looked.swap(true, Ordering::Relaxed) {
            let version = BTreeMap::from([("buildkit".to_owned(), buildkit.version(cx).await?)]);
            for warning in warnings(&version) {
                cx.message(Level::Warning, warning);
            }
        }
        let digest = buildkit.solve(cx, spec).await?;
        if let Some(context) = spec.offer.folders.get(CONTEXT) {
            let (sent, all) = (context.sent(), context.len());
            let text = format!("sent {} of {all} files of the context, {} bytes", sent.files, sent.bytes);
            cx.output(Stream::Stdout, &text);
        }
        pushed(cx, "buildkitd", request, &digest).await
    }

    async fn spec(&self, cx: &Context, request: &BuildRequest, plan: Plan) -> Result<SolveSpec> {
        let (options, artifact) = (&self.options, &request.artifact);
        let mut spec = SolveSpec::new(plan.dockerfile.as_str(), request.target.reference());
        spec.target.clone_from(&options.target);
        spec.args.clone_from(&plan.args);
        spec.args.extend(request.requires.iter().map(|(alias, image)| (alias.clone(), image.reference())));
        spec.no_cache = options.no_cache;
        spec.pull = options.pull;
        spec.network.clone_from(&options.network);
        spec.hosts.clone_from(&options.add_host);
        spec.platform = wanted_platform("buildkit", artifact)?.cloned();
        spec.cache_from = options.cache_from.iter().map(|one| cache::import(one)).collect::<Result<_>>()?;
        spec.cache_to = options.cache_to.iter().map(|one| cache::export(one)).collect::<Result<_>>()?;
        spec.insecure.clone_from(&options.insecure_registry);
        // The same for whoever builds the same artifact here: what was sent once is looked at again then.
        let place = format!("{}\n{}\n{}", cx.root().display(), artifact.context.display(), artifact.name);
        spec.shared_key = shipway_oci::digest_of(place.as_bytes()).hex()[..32].to_owned();
        spec.offer = self.offer(cx, request, plan).await?;
        Ok(spec)
    }

    async fn offer(&self, cx: &Context, request: &BuildRequest, plan: Plan) -> Result<SessionOffer> {
        let mut offer = SessionOffer::default();
        offer.secrets = secrets(cx, &self.options.secrets).await?;
        if let Some(ssh) = &self.options.ssh {
            offer.agents = BTreeMap::from([agent(cx, ssh)?]);
        }
        offer.logins = self.logins(cx, request, &plan).await?;
        let root = request.artifact.context.clone();
        let plan = Arc::new(plan);
        let tree = plan.tree(&root);
        offer.folders = cx
            .blocking(move |cx| {
                let dockerfile = BTreeMap::from([(plan.dockerfile.clone(), plan.text.clone())]);
                let dockerfile = SharedFolder::new(cx, &root, Vec::new(), dockerfile)?;
                let context = SharedFolder::new(cx, &root, cx.files().walk(cx, &tree)?, BTreeMap::new())?;
                Ok(BTreeMap::from([(DOCKERFILE.to_owned(), dockerfile), (CONTEXT.to_owned(), context)]))
            })
            .await?;
        Ok(offer)
    }

    /// Returns the logins for exactly the registries that the build names.
    async fn logins(
        &self,
        cx: &Context,
        request: &BuildRequest,
        plan: &Plan,
    ) -> Result<BTreeMap<String, Login>> {
        let mut names: Vec<String> = plan.reach.images.iter().chain(&plan.lines.frontends).cloned().collect();
        for one in &self.options.cache_from {
            names.push(cache::import(one)?);
        }
        for one in &self.options.cache_to {
            if let shipway_docker::CacheExport::Registry { reference, .. } = cache::export(one)? {
                names.push(reference);
            }
        }
        names.extend(request.requires.values().map(Image::reference));
        names.push(request.target.reference());
        let logins = logins(cx, names).await?;
        match logins.iter().find(|(_, login)| login.kind == LoginKind::RegistryToken) {
            Some((host, _)) => Err(Error::unsupported(format!(
                "the login for `{host}` is a registry's own token, which a buildkitd does not take"
            ))
            .hint("give a password, or an identity token")),
            None => Ok(logins),
        }
    }

    /// Reads the files for TLS.
    async fn address(&self, cx: &Context, address: &str) -> Result<BuildkitAddress> {
        let address = BuildkitAddress::new(address)?;
        let Some(files) = self.options.tls.clone() else { return Ok(address) };
        Ok(address.tls(cx.blocking(move |cx| read_tls(cx, files)).await?))
    }
}

fn read_tls(cx: &Context, files: BuildkitTlsFiles) -> Result<BuildkitTls> {
    let read = |file: &Option<String>| file.as_ref().map(|file| read_secret(cx, Path::new(file))).transpose();
    let mut tls = BuildkitTls::default();
    tls.authority = read(&files.ca)?.map(|pem| pem.expose().to_owned());
    tls.identity = match (read(&files.cert)?, read(&files.key)?) {
        (Some(cert), Some(key)) => {
            cx.mask(&key);
            Some((cert.expose().to_owned(), key))
        }
        _ => None,
    };
    tls.server_name = files.server_name;
    tls.check()?;
    Ok(tls)
}
