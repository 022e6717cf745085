//! The registry of ours, with an image of ours in it.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    sync::Arc,
};

use shipway_builders::NativeConfig;
use shipway_core::{
    Artifact, BuildRequest, Builder, Cancel, Catalog, Context, Fingerprint, HostDisk, Image, PluginConfig,
    RunContext, Store, Tag, Target, World,
};
use shipway_oci::{AnyManifest, Client, Distribution, Label, RawManifest, Registry};
use tempfile::TempDir;
use tokio::io::AsyncReadExt;

const DOCKERFILE: &str = "\
FROM scratch
COPY --chmod=755 run /app/run
COPY data /app/
ENTRYPOINT [\"/app/run\"]
";

const RUN: &str = "#!/bin/sh\nexec true\n";

/// A registry that holds the image `web:1`, which the native builder built into it.
#[derive(Debug)]
pub(crate) struct Bed {
    pub(crate) image: Image,
    registry: Registry,
    context: Context,
    _folder: TempDir,
}

impl Bed {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sources = folder.path().join("web");
        fs::create_dir_all(sources.join("data")).unwrap();
        fs::write(sources.join("Dockerfile"), DOCKERFILE).unwrap();
        fs::write(sources.join("run"), RUN).unwrap();
        fs::write(sources.join("data/large"), large()).unwrap();
        symlink("run", sources.join("data/link")).unwrap();

        let registry = Registry::start(folder.path().join("registry"), Arc::new(HostDisk)).await.unwrap();
        let world = World::host(folder.path());
        let context = RunContext::new(world, "peers").context(None, None, Cancel::new());
        let builder = NativeConfig::default().into_plugin(&Catalog::new()).unwrap();
        let repository = format!("{}/web", registry.host());
        let target = Target::new(Store::Registry, repository, Tag::parse("1").unwrap());
        let request = BuildRequest::new(
            Artifact::new("web", "web"),
            target,
            Fingerprint::parse("0".repeat(64)).unwrap(),
        );
        let image = builder.build(&context, &request).await.unwrap();
        Self { image, registry, context, _folder: folder }
    }

    pub(crate) fn repository(&self, name: &str) -> String {
        format!("{}/{name}", self.registry.host())
    }

    pub(crate) fn reference(&self, name: &str, tag: &str) -> String {
        format!("{}:{tag}", self.repository(name))
    }

    /// Reads an image with all its blobs by our own client, which checks them; returns its manifest.
    pub(crate) async fn read(&self, name: &str, tag: &str) -> RawManifest {
        let repository = Client::new().repository(&self.context, &self.repository(name)).unwrap();
        let manifest = repository.manifest(&Label::Tag(Tag::parse(tag).unwrap())).await.unwrap().unwrap();
        for part in AnyManifest::parse(&manifest).unwrap().references() {
            let mut content = Vec::new();
            repository.read_blob(part).await.unwrap().read_to_end(&mut content).await.unwrap();
            assert_eq!(content.len() as u64, part.size);
        }
        manifest
    }
}

/// Checks the files of the image, as a peer unpacked them.
pub(crate) fn check_unpacked(folder: &Path) {
    let run = folder.join("app/run");
    assert_eq!(fs::read_to_string(&run).unwrap(), RUN);
    assert_eq!(fs::metadata(&run).unwrap().permissions().mode() & 0o7777, 0o755);
    assert!(fs::read(folder.join("app/large")).unwrap() == large(), "the content is another");
    assert_eq!(fs::read_link(folder.join("app/link")).unwrap(), Path::new("run"));
}

/// Content that hardly compresses, of several members of a layer and chunks of an upload.
fn large() -> Vec<u8> {
    (0..1_000_000_u32).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}
