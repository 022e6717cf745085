//! An image that the native builder made upon a base of the bed, and what it prints when it runs.

use std::{
    fs,
    os::unix::fs::symlink,
    path::PathBuf,
    process::Command,
    sync::atomic::{AtomicU64, Ordering},
};

use shipway_builders::NativeConfig;
use shipway_core::{
    Artifact, BuildRequest, Builder, Cancel, Catalog, Context, Fingerprint, FixedCredentials, Image, Login,
    Platform, PluginConfig, RunContext, Store, Tag, Target, World,
};
use tempfile::TempDir;

use crate::program::run;

const TAG: &str = "built";

const RUN: &str = "\
#!/bin/sh
echo \"$GREETING: $*\"
echo \"as $(id -u):$(id -g) in $(pwd)\"
sha256sum < data/large
cat data/link
stat -c '%u:%g %a %n' /app/run data/*
";

/// Sources, and the world that builds them.
#[derive(Debug)]
pub(crate) struct Sources {
    pub(crate) context: Context,
    folder: TempDir,
}

impl Sources {
    /// Writes the sources. A registry that asks for the bed's login gets it.
    pub(crate) fn new(registry: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let web = folder.path().join("web");
        fs::create_dir_all(web.join("data")).unwrap();
        fs::write(web.join("run"), RUN).unwrap();
        fs::write(web.join("data/large"), large()).unwrap();
        fs::write(web.join("data/small"), "found through a link\n").unwrap();
        symlink("small", web.join("data/link")).unwrap();
        let login = FixedCredentials::new().login(registry, Login::new("shipway", "correct horse"));
        let world = World::host(folder.path()).credentials(login);
        let context = RunContext::new(world, unlike("engines")).context(None, None, Cancel::new());
        Self { context, folder }
    }

    /// Builds an image for a platform. Without a base it does not run, whatever the platform.
    pub(crate) async fn build(
        &self,
        store: Store,
        repository: &str,
        platform: &Platform,
        base: &str,
    ) -> Image {
        let dockerfile = format!(
            "FROM {base}\nENV GREETING=\"hello from native\"\nWORKDIR /app\n\
             COPY --chmod=755 run /app/run\nCOPY --chown=65534:65534 --chmod=750 data /app/data/\n\
             USER 65534:65534\nENTRYPOINT [\"/app/run\"]\nCMD [\"by\", \"default\"]\n"
        );
        self.build_from(store, repository, platform, &dockerfile).await
    }

    /// Builds an image of another Dockerfile.
    pub(crate) async fn build_from(
        &self,
        store: Store,
        repository: &str,
        platform: &Platform,
        dockerfile: &str,
    ) -> Image {
        fs::write(self.path("web/Dockerfile"), dockerfile).unwrap();
        let builder = NativeConfig::default().into_plugin(&Catalog::new()).unwrap();
        let target = Target::new(store, repository, Tag::parse(TAG).unwrap());
        let artifact = Artifact::new("web", "web").platforms([platform.clone()]);
        let request = BuildRequest::new(artifact, target, Fingerprint::parse("0".repeat(64)).unwrap());
        builder.build(&self.context, &request).await.unwrap()
    }

    /// Returns what the image prints, by the files on the disk.
    pub(crate) async fn expected(&self, arguments: &str) -> String {
        let mut sum = Command::new("sha256sum");
        sum.arg(self.path("web/data/large"));
        let sum = run(sum).await;
        let sum = sum.split(' ').next().unwrap();
        format!(
            "hello from native: {arguments}\nas 65534:65534 in /app\n{sum}  -\nfound through a link\n\
             0:0 755 /app/run\n65534:65534 750 data/large\n65534:65534 777 data/link\n\
             65534:65534 750 data/small\n"
        )
    }

    /// Returns a path in its folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// Returns the reference of a built image.
pub(crate) fn reference(repository: &str) -> String {
    format!("{repository}:{TAG}")
}

/// Returns a name that no other test and no other run has.
pub(crate) fn unlike(name: &str) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("{name}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Content that hardly compresses, of several members of a layer and chunks of an upload.
fn large() -> Vec<u8> {
    (0..1_000_000_u32).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}
