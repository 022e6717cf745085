//! The context of a build as it is sent: what the Dockerfile reaches, and the Dockerfile.

use std::sync::Arc;

use shipway_core::{Artifact, Context, Entry, Result};
use shipway_docker::{Reader, tar_stream};

use super::plan::Plan;

/// Everything is root's, as Docker's own command line sends it.
const OWNER: (u64, u64) = (0, 0);

/// Begins to send the context; files are read when their turn comes.
pub(crate) async fn context(
    cx: &Context,
    artifact: &Artifact,
    plan: Arc<Plan>,
    buildkit: bool,
) -> Result<Reader> {
    let root = artifact.context.clone();
    let tree = plan.tree(&root);
    let entries: Vec<Entry> = cx.blocking(move |cx| cx.files().walk(cx, &tree)).await?;
    let cx = cx.clone();
    tar_stream(move |tar| {
        let has = |path: &str| entries.iter().any(|entry| entry.path == path);
        if !has(&plan.dockerfile) {
            let text = plan.text.as_bytes();
            tar.file(&plan.dockerfile, 0o644, OWNER, text.len() as u64, text)?;
            // The classic builder takes the Dockerfile out of the context again if this file says so
            // (moby, builder/remotecontext, `removeDockerfile`), as it would if all had been sent.
            if !buildkit && !has(".dockerignore") {
                let ignore = format!("{}\n.dockerignore\n", plan.dockerfile);
                tar.file(".dockerignore", 0o644, OWNER, ignore.len() as u64, ignore.as_bytes())?;
            }
        }
        entries.iter().try_for_each(|entry| tar.entry(&cx, &root, entry, OWNER))
    })
}
