//! A program that is not ours, as `cargo xtask test` found it, and a folder for it.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

use crate::skip::skip;

/// A program, with a folder in which it runs, and in which its home is.
#[derive(Debug)]
pub(crate) struct Peer {
    program: PathBuf,
    folder: TempDir,
}

impl Peer {
    /// Returns the program, or `None` where it is not there, which is counted for the test.
    pub(crate) fn find(name: &str, test: &str) -> Option<Self> {
        let program = env::var_os(format!("SHIPWAY_{}", name.to_uppercase()));
        let Some(program) = program.filter(|path| !path.is_empty()) else {
            skip(&format!("peers::{test}"), name);
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("home")).unwrap();
        Some(Self { program: program.into(), folder })
    }

    /// Returns a path in its folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs it and returns what it prints; it must succeed.
    pub(crate) async fn run(&self, arguments: &[&str]) -> String {
        // Whose signatures are trusted is the machine's matter, not the test's.
        let before = if self.program.ends_with("skopeo") { &["--insecure-policy"][..] } else { &[] };
        self.other(&self.program, &[before, arguments].concat()).await
    }

    /// Runs another program in the same folder, likewise.
    pub(crate) async fn other(&self, program: impl AsRef<Path>, arguments: &[&str]) -> String {
        let mut command = Command::new(program.as_ref());
        command.args(arguments).stdin(Stdio::null()).current_dir(&self.folder);
        // Its own home, so that nobody's logins and settings are read.
        for variable in ["HOME", "DOCKER_CONFIG", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "TMPDIR"] {
            command.env(variable, self.path("home"));
        }
        // The registry is served by this runtime, so its threads may not wait.
        let running = tokio::task::spawn_blocking(move || (command.output(), command));
        let (output, command) = running.await.unwrap();
        let output = output.unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command:?}: {}\n{error}", output.status);
        String::from_utf8(output.stdout).unwrap()
    }

    /// Unpacks tars, compressed or not, over each other, and returns the folder.
    pub(crate) async fn unpack(&self, tars: &[PathBuf]) -> PathBuf {
        let folder = self.path("unpacked");
        fs::create_dir(&folder).unwrap();
        for tar in tars {
            self.other("tar", &["-xf", tar.to_str().unwrap(), "-C", "unpacked"]).await;
        }
        folder
    }
}
