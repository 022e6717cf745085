//! helm itself, in a folder of its own.

use std::{
    env, fs,
    path::PathBuf,
    process::{Command, Output, Stdio},
};

use tempfile::TempDir;

use crate::skip::skip;

pub(crate) struct Helm {
    program: PathBuf,
    folder: TempDir,
}

impl Helm {
    /// Returns both versions, or those of them that are there; one that is not is counted for the test.
    pub(crate) fn both(test: &str) -> Vec<Self> {
        let find = |name: &str| {
            let program = env::var_os(format!("SHIPWAY_{}", name.to_uppercase()));
            let Some(program) = program.filter(|path| !path.is_empty()) else {
                skip(&format!("charts::{test}"), name);
                return None;
            };
            let folder = tempfile::tempdir().unwrap();
            fs::create_dir(folder.path().join("home")).unwrap();
            Some(Self { program: program.into(), folder })
        };
        ["helm3", "helm4"].into_iter().filter_map(find).collect()
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// Runs it and returns what it prints; it must succeed.
    pub(crate) async fn run(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments).await;
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs it, and returns whether it succeeds.
    pub(crate) async fn succeeds(&self, arguments: &[&str]) -> bool {
        self.output(arguments).await.status.success()
    }

    async fn output(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(&self.program);
        command.args(arguments).stdin(Stdio::null()).current_dir(&self.folder).env_clear();
        command.env("HOME", self.path("home")).env("PATH", env::var_os("PATH").unwrap_or_default());
        // A registry may be served by this runtime, so its threads may not wait.
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }
}
