//! The builder that makes images by itself: no daemon, no privileges, no commands inside of the image.

mod apply;
mod assembly;
mod base;
mod build;
mod chmod;
mod compression;
mod config;
mod contents;
mod context;
mod copy;
mod description;
mod evaluate;
mod follow;
mod images;
mod inputs;
mod loaded;
mod make;
mod permissions;
mod plan;
mod reads;
mod signal;
mod stages;
mod tree;
mod unpack;
mod users;
mod variables;

use std::{collections::BTreeSet, sync::Arc};

use async_trait::async_trait;
use shipway_core::{
    Artifact, BuildRequest, Builder, Capabilities, Context, Error, Feature, Image, Inputs, Location, Result,
    StoreKind,
};
use shipway_oci::{Client, Compression, HostOptions, Stores};

pub use self::{
    compression::LayerCompression,
    config::{FileCopy, ImageSettings, NativeConfig, Prepare},
    permissions::{Mode, Owner},
};

/// Makes an image of a base and of files, from a Dockerfile without `RUN` or from options.
///
/// The same inputs give the same digest, on every machine: files have the time `SOURCE_DATE_EPOCH` of
/// the context's environment, or 1970, and by default the owner 0. Links below a copied
/// folder are kept as links; one that a copy names is followed, never out of the context. Layers are compressed straight into the target's store.
#[derive(Clone, Debug)]
pub struct Native {
    options: Arc<NativeConfig>,
    compression: Compression,
    /// Kept, so that connections are.
    stores: Stores,
}

impl Native {
    /// Returns the builder with these options; does no IO.
    ///
    /// # Errors
    /// `Config` when the options do not fit together, or what is to be a registry's host is none.
    pub fn new(options: NativeConfig) -> Result<Self> {
        options.check()?;
        let compression = options.compression.unwrap_or_default().into();
        let mut client = Client::builder();
        for host in &options.insecure_registry {
            client = client.host(host, HostOptions::new().plain_http());
        }
        let stores = Stores::with_client(client.build()?);
        Ok(Self { options: Arc::new(options), compression, stores })
    }

    /// Sets how layers are compressed, whatever the options say, and with how many threads; all but those is
    /// part of what decides the digest.
    #[must_use]
    pub fn compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }
}

#[async_trait]
impl Builder for Native {
    fn capabilities(&self) -> Capabilities {
        Capabilities::new()
            .version(concat!("native ", env!("CARGO_PKG_VERSION")))
            .reads(BTreeSet::from([StoreKind::Registry, StoreKind::Layout]))
            .writes([StoreKind::Registry, StoreKind::Layout])
            .features([Feature::MultiPlatform])
    }

    async fn inputs(&self, cx: &Context, artifact: &Artifact) -> Result<Inputs> {
        let (this, artifact) = (self.clone(), artifact.clone());
        cx.blocking(move |cx| this.declare(cx, &artifact)).await
    }

    async fn build(&self, cx: &Context, request: &BuildRequest) -> Result<Image> {
        self.make(cx, request).await
    }
}

/// The builders that can what this one cannot.
const OTHERS: &str = "use a builder that can: `docker`, `buildkit` or `kaniko`";

/// What BuildKit has processes find programs in where an image does not say (`DefaultPathEnvUnix`).
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Gives an error a place, unless it has a better one.
fn error_at(error: Error, at: &Location) -> Error {
    if error.report().location.is_some() { error } else { error.at(at.clone()) }
}
