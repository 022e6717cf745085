//! R9: images.

use shipway_core::{Digest, Image, RunRequest, Store};

use super::{Runners, stage::Stage};
use crate::{
    clause::{Trouble, broken, ensure, says_unsupported},
    suite::Bench,
};

/// Returns the request for a script in an image that is nowhere: no registry listens at that port.
fn in_no_image(stage: &Stage) -> Result<RunRequest, Trouble> {
    let digest = Digest::parse(format!("sha256:{}", "0".repeat(64)))?;
    let store = stage.role.image.as_ref().map_or(Store::Registry, |image| image.store.clone());
    let image = Image::new("missing", store, "127.0.0.1:1/shipway-conformance/missing", digest);
    Ok(stage.script("echo it ran").image(image))
}

pub(super) async fn a_missing_image_is_an_error(bench: Bench<Runners>) -> Result<(), Trouble> {
    let stage = Stage::new(&bench)?;
    let exit = stage.run(&stage.script("exit 0")).await?;
    ensure(exit.code == 0, || format!("in its own image a command ended with {}", exit.code))?;
    match stage.runner.run(&stage.context("missing"), &in_no_image(&stage)?).await {
        Err(_) => Ok(()),
        Ok(exit) => broken(format!("the image is not there, and the command ended with {}", exit.code)),
    }
}

pub(super) async fn is_unsupported(bench: Bench<Runners>) -> Result<(), Trouble> {
    let stage = Stage::new(&bench)?;
    let exit = stage.runner.run(&stage.context("check"), &in_no_image(&stage)?).await;
    says_unsupported("running in an image", exit)
}
