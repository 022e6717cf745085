//! buildkitd and a registry, as the test bed has them, with a context and bases for all cases.

use std::{
    env, fs,
    path::PathBuf,
    process::{Command, Stdio},
    sync::Arc,
};

use shipway_builders::NativeConfig;
use shipway_core::{
    Artifact, BuildRequest, Builder, Cancel, Catalog, Context, Digest, Fingerprint, HostDisk, PluginConfig,
    RunContext, Store, Tag, Target, World,
};
use shipway_oci::Layout;
use tempfile::TempDir;

use crate::{bases, cases::Case, context, skip::skip};

#[derive(Debug)]
pub(crate) struct Bed {
    buildctl: PathBuf,
    address: String,
    registry: String,
    folder: TempDir,
    cx: Context,
}

/// An image in a layout.
#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) layout: Layout,
    pub(crate) digest: Digest,
}

impl Bed {
    /// Returns the bed, or `None` where it is not there, which is counted for the test.
    pub(crate) async fn find(test: &str) -> Option<Self> {
        let variable = |name: &str| {
            let value = env::var(format!("SHIPWAY_BED_{name}")).ok().filter(|value| !value.is_empty());
            if value.is_none() {
                skip(&format!("buildkit::{test}"), &name.to_lowercase());
            }
            value
        };
        let (address, buildctl, registry) =
            (variable("BUILDKIT")?, variable("BUILDCTL")?, variable("REGISTRY")?);
        let folder = tempfile::tempdir().unwrap();
        let cx = RunContext::new(World::host(folder.path()), "equal").context(None, None, Cancel::new());
        context::write(&folder.path().join("context"));
        bases::push(&cx, &registry).await;
        Some(Self { buildctl: buildctl.into(), address, registry, folder, cx })
    }

    /// Puts the case's Dockerfile into the context, and returns its name there.
    fn dockerfile(&self, case: &Case) -> String {
        let folder = self.folder.path().join("context/dockerfiles");
        fs::create_dir_all(&folder).unwrap();
        let text = case.dockerfile.replace("REGISTRY", &self.registry);
        fs::write(folder.join(case.name), text).unwrap();
        if let Some(ignore) = case.ignore {
            fs::write(folder.join(format!("{}.dockerignore", case.name)), ignore).unwrap();
        }
        case.name.to_owned()
    }

    /// Builds it with native.
    pub(crate) async fn native(&self, case: &Case) -> Result<Built, String> {
        let mut options =
            NativeConfig::default().dockerfile(format!("dockerfiles/{}", self.dockerfile(case)));
        for (name, value) in case.args {
            options = options.arg(*name, *value);
        }
        if let Some(target) = case.target {
            options = options.target(target);
        }
        if case.name.starts_with("trigger") {
            options = options.triggers(["onbuild", "files.tar"]);
        }
        let mut artifact = Artifact::new("equal", "context");
        artifact.platforms = case.platforms.iter().map(|platform| platform.parse().unwrap()).collect();
        let place = PathBuf::from(format!("native-{}", case.name));
        let target = Target::new(Store::Layout(place.clone()), "equal", Tag::parse("1").unwrap());
        let request = BuildRequest::new(artifact, target, Fingerprint::parse("0".repeat(64)).unwrap());
        let builder = options.into_plugin(&Catalog::new()).unwrap();
        let image = builder.build(&self.cx, &request).await.map_err(|error| error.report().to_string())?;
        let layout = Layout::new(Arc::new(HostDisk), self.folder.path().join(place));
        Ok(Built { layout, digest: image.digest })
    }

    /// Builds it with buildkitd.
    pub(crate) async fn buildkit(&self, case: &Case) -> Result<Built, String> {
        let context = self.folder.path().join("context");
        let place = self.folder.path().join(format!("buildkit-{}", case.name));
        let mut command = Command::new(&self.buildctl);
        command.args([
            "--addr",
            &self.address,
            "build",
            "--progress",
            "plain",
            "--frontend",
            "dockerfile.v0",
        ]);
        command.args(["--local", &format!("context={}", context.display())]);
        command.args(["--local", &format!("dockerfile={}", context.join("dockerfiles").display())]);
        command.args(["--opt", &format!("filename={}", self.dockerfile(case))]);
        command.args(["--output", &format!("type=oci,dest={},tar=false", place.display())]);
        for (name, value) in case.args {
            command.args(["--opt", &format!("build-arg:{name}={value}")]);
        }
        if let Some(target) = case.target {
            command.args(["--opt", &format!("target={target}")]);
        }
        if !case.platforms.is_empty() {
            command.args(["--opt", &format!("platform={}", case.platforms.join(","))]);
        }
        command.stdin(Stdio::null());
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr)
                .lines()
                .last()
                .unwrap_or_default()
                .to_owned());
        }
        let index = fs::read(place.join("index.json")).unwrap();
        let index: serde_json::Value = serde_json::from_slice(&index).unwrap();
        let digest = Digest::parse(index["manifests"][0]["digest"].as_str().unwrap()).unwrap();
        Ok(Built { layout: Layout::new(Arc::new(HostDisk), place), digest })
    }
}
