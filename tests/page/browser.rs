//! Chromium without a screen.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use crate::skip::skip;

pub(crate) struct Browser {
    program: PathBuf,
    folder: TempDir,
}

impl Browser {
    /// Returns the browser on the path, or says that the test is skipped.
    pub(crate) fn find(test: &str) -> Option<Self> {
        let folders = env::var_os("PATH")?;
        let program =
            env::split_paths(&folders).map(|folder| folder.join("chromium")).find(|path| path.is_file());
        if program.is_none() {
            skip(test, "chromium");
        }
        Some(Self { program: program?, folder: tempfile::tempdir().unwrap() })
    }

    /// Opens a page, and returns what it has become and what the browser has to say about it.
    pub(crate) fn open(&self, page: &str) -> (String, String) {
        let path = self.folder.path().join("page.html");
        fs::write(&path, page).unwrap();
        let output = self.command().arg("--dump-dom").arg(url(&path)).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        let complaints = said.lines().filter(|line| line.contains("CONSOLE"));
        (String::from_utf8(output.stdout).unwrap(), complaints.collect::<Vec<_>>().join("\n"))
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        // No sandbox: tests may run as root, and the page is ours.
        command.args([
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
        ]);
        command.args(["--enable-logging=stderr", "--virtual-time-budget=2000"]);
        command.arg(format!("--user-data-dir={}", self.folder.path().join("profile").display()));
        command.env("HOME", self.folder.path());
        command
    }
}

fn url(path: &Path) -> String {
    format!("file://{}", path.display())
}
