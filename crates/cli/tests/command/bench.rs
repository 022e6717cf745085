//! A folder with a project, a registry, and the command in it.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::Arc,
};

use shipway::{HostDisk, oci::Registry};
use tempfile::TempDir;

/// A page on an empty base, which is deployed to the cluster in the command itself.
pub(crate) const CONFIGURATION: &str = "\
apiVersion: skaffold/v4beta14
kind: Config
metadata:
  name: shop
build:
  tagPolicy:
    inputDigest: {}
  artifacts:
  - image: web
    context: web
deploy:
  memory: {}
";

pub(crate) struct Bench {
    folder: TempDir,
    pub(crate) registry: Registry,
}

impl Bench {
    /// Returns a bench with this configuration as its `skaffold.yaml`.
    pub(crate) async fn new(configuration: &str) -> Self {
        let bench = Self::empty().await;
        bench.write("skaffold.yaml", configuration);
        bench.write("web/Dockerfile", "FROM scratch\nCOPY --chmod=755 run /run\nENTRYPOINT [\"/run\"]\n");
        bench.write("web/run", "#!");
        bench
    }

    /// Returns a bench with nothing in the project's folder.
    pub(crate) async fn empty() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let registry = Registry::start(folder.path().join("registry"), Arc::new(HostDisk)).await.unwrap();
        fs::create_dir(folder.path().join("project")).unwrap();
        Self { folder, registry }
    }

    pub(crate) fn project(&self) -> PathBuf {
        self.folder.path().join("project")
    }

    pub(crate) fn write(&self, path: impl AsRef<Path>, text: &str) {
        let path = self.project().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Returns the names in a folder of the project, in their order.
    pub(crate) fn names(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.project().join(folder)).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Returns the command in the project, with nothing of this environment but the path; `REGISTRY` in the line is
    /// the registry's host.
    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_shipway"));
        command.env_clear().env("PATH", env::var("PATH").unwrap());
        command.env("HOME", self.folder.path()).current_dir(self.project());
        command.args(line.replace("REGISTRY", &self.registry.host()).split(' '));
        command
    }

    /// Runs the command to its end, while the registry goes on.
    pub(crate) async fn run(&self, line: &str) -> Output {
        ended(self.command(line)).await
    }

    /// Returns the tags that a repository has in the registry.
    pub(crate) fn tags(&self, repository: &str) -> Vec<String> {
        let tags = self.folder.path().join("registry/repositories").join(repository).join("_tags");
        let Ok(entries) = fs::read_dir(tags) else { return Vec::new() };
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

pub(crate) async fn ended(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}
