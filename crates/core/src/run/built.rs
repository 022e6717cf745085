//! Images that are there already, in the place of a build.

use async_trait::async_trait;

use super::ObservedBuild;
use crate::{
    Artifact, BuildRequest, Builder, Capabilities, Context, Error, Image, Inputs, Result, Store, StoreKind,
    cache::Snapshot,
};

/// Stands where nobody builds; the driver does not ask it.
#[derive(Debug)]
pub(super) struct BuiltAlready;

#[async_trait]
impl Builder for BuiltAlready {
    fn capabilities(&self) -> Capabilities {
        Capabilities::new().writes([StoreKind::Registry, StoreKind::Daemon, StoreKind::Layout])
    }

    async fn inputs(&self, _cx: &Context, _artifact: &Artifact) -> Result<Inputs> {
        Ok(Inputs::new())
    }

    async fn build(&self, _cx: &Context, request: &BuildRequest) -> Result<Image> {
        Err(Error::internal(format!("`{}` is built already, and nobody builds it", request.artifact.name)))
    }
}

/// Returns what is seen of an artifact whose image is there already.
///
/// # Errors
/// `NotFound` when it is not.
pub(super) async fn find_built(
    cx: &Context,
    name: &str,
    store: &Store,
    reference: &str,
) -> Result<ObservedBuild> {
    let mut found = cx.images().find(cx, store, reference).await?.ok_or_else(|| {
        Error::not_found(format!("there is no image `{reference}`"))
            .hint("check the reference, and that the image was pushed; or build it")
    })?;
    name.clone_into(&mut found.name);
    let mut snapshot = Snapshot::default();
    snapshot.set("image", found.digest.as_str());
    let fingerprint = snapshot.fingerprint();
    Ok(ObservedBuild::new(Inputs::new(), snapshot).fingerprint(fingerprint).image(found))
}
