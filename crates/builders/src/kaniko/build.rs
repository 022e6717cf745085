//! The build itself: its objects, the context's way, the log, and the image's digest.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use shipway_cluster::{Ended, PodFiles, PodJob};
use shipway_core::{BuildRequest, Context, Digest, Error, Image, Login, Result, Store, Stream};

use super::{
    Kaniko,
    args::{Build, CONTEXT, args},
    login::docker_config,
    objects::{EXECUTOR, RECEIVER, job, secret},
};
use crate::{
    docker::{Plan, context, wanted_platform},
    logins::logins,
    pod::{Names, failed, name},
    pushed::{pushed, pushed_before},
};

/// How much later than a container's end its node says so.
const LATER: Duration = Duration::from_secs(5);

/// The most bytes of the log's end that an error shows.
const END: usize = 4096;

impl Kaniko {
    pub(super) async fn make(&self, cx: &Context, request: &BuildRequest) -> Result<Image> {
        cx.check_stopped()?;
        let (artifact, target) = (&request.artifact, &request.target);
        if target.store != Store::Registry {
            return Err(Error::config(format!("the image cannot go to {:?}", target.store))
                .note("it is built in a cluster")
                .hint("build into a registry that the cluster's pods reach"));
        }
        let platform = wanted_platform("kaniko", artifact)?;
        let (reading, owned) = (self.reading(), artifact.clone());
        let plan = Arc::new(cx.blocking(move |cx| Plan::read(cx, &owned, &reading)).await?);
        let place = &self.options.cluster;
        let cx = &cx.within(Some(Duration::from_secs(place.timeout_seconds)));
        let (cluster, namespace) = place.open(cx).await?;
        let logins = match place.docker_config_secret {
            Some(_) => BTreeMap::new(),
            None => self.logins(cx, &plan, request).await?,
        };
        let name = name("kaniko", request);
        let names = Names { name: &name, namespace: &namespace, artifact: artifact.name.as_str(), platform };
        let mut values = plan.args.clone();
        values.extend(request.requires.iter().map(|(alias, image)| (alias.clone(), image.reference())));
        let destination = target.reference();
        let build =
            Build { dockerfile: &plan.dockerfile, args: &values, destination: &destination, platform };
        let job = job(&self.options, &names, !logins.is_empty(), &args(&self.options, &build)?);
        let secret = (!logins.is_empty()).then(|| secret(&names, &docker_config(&logins)));
        let opened = PodJob::open(cx, &cluster, job, secret).await?;
        let result = self.run(cx, &opened, request, plan, &namespace).await;
        let removed = opened.remove().await;
        match result {
            Ok(image) => removed.map(|()| image),
            Err(error) => pushed_before(cx, error, request, Some(place.timeout_seconds)).await,
        }
    }

    async fn run(
        &self,
        cx: &Context,
        job: &PodJob,
        request: &BuildRequest,
        plan: Arc<Plan>,
        namespace: &str,
    ) -> Result<Image> {
        let pod = job.begun(cx, RECEIVER).await?;
        if !job.has_ended(cx, RECEIVER).await? {
            let files = PodFiles::new(job.cluster(), namespace, &pod, RECEIVER, CONTEXT);
            let context = context(cx, &request.artifact, plan, true).await?;
            let sent =
                files.put(cx, context, &format!("{CONTEXT}/context"), &format!("{CONTEXT}/ready")).await;
            // Another process that builds the same may have been faster, which a node says a little later.
            if let Err(error) = sent
                && (cx.check_stopped().is_err()
                    || job.ended(&cx.within(Some(LATER)), RECEIVER).await.is_err())
            {
                return Err(error);
            }
        }
        let mut end = String::new();
        let ended = job
            .follow(cx, EXECUTOR, |line| {
                cx.output(Stream::Stdout, line);
                end.push_str(line);
                end.push('\n');
                if end.len() > 2 * END {
                    end.drain(..end.ceil_char_boundary(end.len() - END));
                }
            })
            .await?;
        let digest = digest(&ended, &cx.masked(&end))?;
        pushed(cx, "kaniko", request, &digest).await
    }

    /// Returns the logins for exactly the registries that the build names.
    async fn logins(
        &self,
        cx: &Context,
        plan: &Plan,
        request: &BuildRequest,
    ) -> Result<BTreeMap<String, Login>> {
        let cache = self.options.cache.iter().filter_map(|cache| cache.repo.clone());
        let names = plan.reach.images.iter().chain(&self.options.destination).cloned();
        let names = names.chain(cache).chain(request.requires.values().map(Image::reference));
        logins(cx, names.chain([request.target.reference()])).await
    }
}

/// Returns the digest that the executor left, or why there is none.
fn digest(ended: &Ended, log: &str) -> Result<Digest> {
    if ended.code != 0 {
        let end = log.trim_end();
        let end = &end[end.ceil_char_boundary(end.len().saturating_sub(END))..];
        let said = if end.is_empty() { ended.message.trim() } else { end };
        return Err(failed("`kaniko` failed", ended, said));
    }
    Digest::parse(ended.message.trim()).map_err(|error| {
        Error::bad_output("`kaniko` ended well and left no digest")
            .hint("see whether `image` is kaniko's executor")
            .source(error)
    })
}
