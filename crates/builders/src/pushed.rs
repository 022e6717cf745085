//! The image that a builder pushed by itself: looked for in the registry, also where the build was stopped.

use shipway_core::{BuildRequest, Context, Digest, Error, ErrorKind, Image, Result, Store};

/// Returns the image that a builder says it has pushed.
pub(crate) async fn pushed(
    cx: &Context,
    builder: &str,
    request: &BuildRequest,
    digest: &Digest,
) -> Result<Image> {
    let reference = format!("{}@{digest}", request.target.repository);
    find(cx, request, &reference).await?.ok_or_else(|| {
        Error::bad_output(format!(
            "{builder} says that it pushed `{reference}`, and the registry has no such image"
        ))
        .hint("see whether its registry is the one that this program reaches by the same name")
    })
}

/// Returns what a build has pushed that ended with an error all the same, or the error; `time` is how long it may
/// take, in seconds.
pub(crate) async fn pushed_before(
    cx: &Context,
    error: Error,
    request: &BuildRequest,
    time: Option<u64>,
) -> Result<Image> {
    match (error.kind(), time) {
        // It may have been pushed before it was stopped, or by another process, which removed the pod.
        (ErrorKind::Cancelled | ErrorKind::Unavailable, _) => {
            match find(&cx.for_cleanup(), request, &request.target.reference()).await {
                Ok(Some(image)) => Ok(image),
                _ => Err(error),
            }
        }
        (ErrorKind::Timeout, Some(time)) => Err(error
            .note(format!("a build may take {time} s"))
            .hint("give it more time with `cluster.timeoutSeconds`, or look at why it waits")),
        _ => Err(error),
    }
}

async fn find(cx: &Context, request: &BuildRequest, reference: &str) -> Result<Option<Image>> {
    let (name, target) = (request.artifact.name.as_str(), &request.target);
    let found = cx.images().find(cx, &Store::Registry, reference).await?;
    Ok(found.map(|found| {
        Image::new(name, Store::Registry, target.repository.as_str(), found.digest)
            .tag(target.tag.clone())
            .platforms(found.platforms)
    }))
}
