//! The checkout that the tasks are about, and cargo on it.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::Result;

const ABOUT_US: [&str; 2] = ["CARGO_MANIFEST_", "CARGO_PKG_"];

/// The checkout.
#[derive(Debug)]
pub(crate) struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// Finds the checkout that this program was started from. Asked at run time: checkouts may share
    /// one target folder, and so one binary.
    pub(crate) fn here() -> Result<Self> {
        let package = env::var_os("CARGO_MANIFEST_DIR").ok_or("not started by cargo: use `cargo xtask`")?;
        let root = Path::new(&package).ancestors().nth(2).ok_or("the package is not in `crates/xtask`")?;
        Ok(Self { root: root.to_owned() })
    }

    /// Returns the checkout's root folder.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Returns a cargo command in the checkout's root, without an input.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(cargo());
        command.args(arguments).current_dir(&self.root).stdin(Stdio::null());
        // What `cargo run` tells this program about itself: build scripts that look at it (ring's) would
        // run again, and all above them be built anew, whenever cargo is called directly in between.
        for (name, _) in env::vars_os() {
            if ABOUT_US.iter().any(|about| name.as_encoded_bytes().starts_with(about.as_bytes())) {
                command.env_remove(name);
            }
        }
        command
    }

    /// Lists the examples as package and target name.
    pub(crate) fn examples(&self) -> Result<Vec<(String, String)>> {
        let output = self
            .cargo(&["metadata", "--no-deps", "--format-version", "1"])
            .stderr(Stdio::inherit())
            .output()
            .map_err(|error| format!("cannot start cargo: {error}"))?;
        let metadata = serde_json::from_slice(&output.stdout)
            .map_err(|error| format!("`cargo metadata` gave no JSON: {error}"))?;
        Ok(examples(&metadata))
    }
}

/// Returns the cargo that started this program, so that both are of one toolchain.
pub(crate) fn cargo() -> PathBuf {
    env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from)
}

fn examples(metadata: &serde_json::Value) -> Vec<(String, String)> {
    let list = |value: &serde_json::Value| value.as_array().cloned().unwrap_or_default();
    let mut examples = Vec::new();
    for package in list(&metadata["packages"]) {
        for target in list(&package["targets"]) {
            // A library that shows a plug-in has nothing to run.
            let runs = list(&target["crate_types"]).iter().any(|kind| kind == "bin");
            let is_example = list(&target["kind"]).iter().any(|kind| kind == "example");
            if let (true, true, Some(package), Some(name)) =
                (runs, is_example, package["name"].as_str(), target["name"].as_str())
            {
                examples.push((package.to_owned(), name.to_owned()));
            }
        }
    }
    examples.sort();
    examples
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn examples_are_the_runnable_targets_of_that_kind() {
        let target = |name: &str, kind: &str, types: &str| json!({ "name": name, "kind": [kind], "crate_types": [types] });
        let metadata = json!({ "packages": [
            { "name": "b", "targets": [target("show", "example", "bin"), target("b", "lib", "lib")] },
            { "name": "a", "targets": [target("plug", "example", "lib"), target("run", "example", "bin"), target("a", "bin", "bin")] },
        ] });
        let expected = [("a", "run"), ("b", "show")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        assert_eq!(examples(&metadata), expected);
    }
}
