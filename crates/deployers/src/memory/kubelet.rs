//! The node's part: whether a container of an image could start on it.

use serde_json::Value;
use shipway_core::{Context, Deployment, Digest, Error, ErrorKind, Image, Platform, Result, Store};
use shipway_oci::{
    Client, Distribution, ImageFiles, Label, Layout, Limits, Reference, read_image, resolve_program,
};

/// What the node says about a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It starts.
    Starts,
    /// Its image cannot be read now, which may pass.
    Waits(String),
    /// It cannot start.
    Fails(String),
}

/// Looks into the container's image as a node does before and when it starts it.
///
/// # Errors
/// Only when the looking itself was stopped or is at fault.
pub(super) async fn judge(
    cx: &Context,
    client: &Client,
    platform: &Platform,
    deployment: &Deployment,
    container: &Value,
) -> Result<Verdict> {
    let Some(image) = container["image"].as_str() else {
        return Ok(Verdict::Fails("a container has no image".to_owned()));
    };
    let told = |error: &Error| {
        let notes: String = error.report().notes.iter().map(|note| format!("; {note}")).collect();
        format!("image `{image}`: {error}{notes}")
    };
    match problem(cx, client, platform, deployment, container, image).await {
        Ok(None) => Ok(Verdict::Starts),
        Ok(Some(problem)) => Ok(Verdict::Fails(format!("image `{image}`: {problem}"))),
        Err(error) => match error.kind() {
            // What Kubernetes calls ImagePullBackOff: the node goes on trying.
            ErrorKind::Unavailable | ErrorKind::Timeout => Ok(Verdict::Waits(told(&error))),
            ErrorKind::Cancelled | ErrorKind::Internal => Err(error),
            _ => Ok(Verdict::Fails(told(&error))),
        },
    }
}

/// Returns why the container could not start, if it could not.
async fn problem(
    cx: &Context,
    client: &Client,
    platform: &Platform,
    deployment: &Deployment,
    container: &Value,
    image: &str,
) -> Result<Option<String>> {
    let released = deployment.manifests.release.images.iter().find(|one| one.reference() == image);
    let (repository, digest) = match released {
        Some(image) => (open(cx, client, image)?, image.digest.clone()),
        // Not built here, such as a sidecar.
        None => pull(cx, client, image).await?,
    };
    let image = read_image(repository.as_ref(), &digest, Some(platform)).await?;
    let mut config = image.config;
    // "Define a Command and Arguments for a Container": `command` replaces both, `args` the second.
    if let Some(command) = words(&container["command"]) {
        (config.entrypoint, config.cmd) = (command, Vec::new());
    }
    if let Some(arguments) = words(&container["args"]) {
        config.cmd = arguments;
    }
    let files = ImageFiles::read(repository.as_ref(), &image.manifest.layers, Limits::default()).await?;
    Ok(resolve_program(&files, &config).problem())
}

fn open(cx: &Context, client: &Client, image: &Image) -> Result<Box<dyn Distribution>> {
    match &image.store {
        Store::Registry => Ok(Box::new(client.repository(cx, &image.repository)?)),
        Store::Layout(path) => Ok(Box::new(Layout::new(std::sync::Arc::clone(cx.disk()), cx.path(path)))),
        _ => Err(Error::unsupported("the node reads images from registries and layouts alone")),
    }
}

async fn pull(cx: &Context, client: &Client, image: &str) -> Result<(Box<dyn Distribution>, Digest)> {
    let reference: Reference = image.parse()?;
    let repository = client.repository(cx, &reference.repository())?;
    let digest = match reference.label() {
        Label::Digest(digest) => digest,
        label @ Label::Tag(_) => {
            let found = repository.manifest(&label).await?;
            found.ok_or_else(|| Error::not_found("there is no such tag"))?.digest
        }
    };
    Ok((Box::new(repository), digest))
}

fn words(value: &Value) -> Option<Vec<String>> {
    let words = value.as_array().filter(|words| !words.is_empty())?;
    Some(words.iter().filter_map(|word| word.as_str().map(ToOwned::to_owned)).collect())
}
