//! The check of the dependency tree by cargo-deny.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    Result,
    cache::Cache,
    tools::quietly,
    workspace::{Workspace, cargo},
};

const VERSION: &str = "0.20.2";

/// Checks the tree; returns whether it is as `deny.toml` says.
pub(crate) fn run(workspace: &Workspace, cache: &Cache) -> Result<bool> {
    let status = Command::new(cargo_deny(cache)?)
        .current_dir(workspace.root())
        // The root manifest is a package too: without `--workspace` only its own tree is looked at.
        .args(["--workspace", "--locked", "check", "--hide-inclusion-graph"])
        .args(["--deny", "unnecessary-skip", "--deny", "unmatched-skip"])
        .args(["bans", "licenses", "sources"])
        .status();
    Ok(status.map_err(|error| format!("cannot start cargo-deny: {error}"))?.success())
}

/// Returns cargo-deny, which is built once for a toolchain.
fn cargo_deny(cache: &Cache) -> Result<PathBuf> {
    cache.tool(&format!("cargo-deny-{VERSION}-{}", rustc_version()?), "cargo-deny", |folder| {
        println!("xtask: building cargo-deny {VERSION}, once; this takes some minutes");
        let target = folder.join("target");
        let mut install = Command::new(cargo());
        install.args(["install", "cargo-deny", "--version", VERSION, "--locked", "--root"]).arg(folder);
        // Outside of the checkout: its target folder is for the checkout's own tree, and its settings too.
        install.env("CARGO_TARGET_DIR", &target).current_dir(folder);
        quietly(&mut install)?;
        remove(&target)
    })
}

fn remove(folder: &Path) -> Result<()> {
    fs::remove_dir_all(folder).map_err(|error| format!("`{}`: {error}", folder.display()))
}

/// Returns the version that `rustc --version` says, such as `1.95.0`.
fn rustc_version() -> Result<String> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("--version").output();
    let output = output.map_err(|error| format!("cannot start rustc: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let version = text.split_whitespace().nth(1);
    Ok(version.ok_or_else(|| format!("rustc says no version: `{text}`"))?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_toolchain_has_a_version_that_can_name_a_folder() {
        let version = rustc_version().unwrap();
        assert!(version.starts_with("1."), "{version}");
        assert!(
            version.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte)),
            "{version}"
        );
    }
}
