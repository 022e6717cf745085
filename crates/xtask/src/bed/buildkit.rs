//! buildkitd and buildctl, which no package holds: built from a Go module of our own that names them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    Result,
    cache::Cache,
    tools::{on_path, quietly},
};

/// Changes with `bed/buildkit/go.mod`; the cache keeps a folder for each version and choice of parts.
const VERSION: &str = "0.25.2";

/// `COPY --parents`, which is of the Dockerfile frontend `labs` and not in buildkitd's own by default.
const PARTS: &str = "dfparents";

const GO_MOD: &str = include_str!("../../bed/buildkit/go.mod");
const GO_SUM: &str = include_str!("../../bed/buildkit/go.sum");

/// Names the commands, so that the module holds what they need: with a `go.mod` that replaces modules,
/// they cannot be installed by `go install`.
const TOOLS_GO: &str = "\
//go:build tools

package tools

import (
\t_ \"github.com/moby/buildkit/cmd/buildctl\"
\t_ \"github.com/moby/buildkit/cmd/buildkitd\"
)
";

/// Returns buildkitd.
pub(super) fn buildkitd(cache: &Cache) -> Result<PathBuf> {
    cache.tool(&format!("buildkit-{VERSION}-{PARTS}"), "buildkitd", build)
}

fn build(folder: &Path) -> Result<()> {
    let module = folder.join("module");
    let write = |name: &str, text: &str| {
        let path = module.join(name);
        fs::write(&path, text).map_err(|error| format!("`{}`: {error}", path.display()))
    };
    fs::create_dir(&module).map_err(|error| format!("`{}`: {error}", module.display()))?;
    write("go.mod", GO_MOD)?;
    write("go.sum", GO_SUM)?;
    write("tools.go", TOOLS_GO)?;
    let bin = folder.join("bin");
    fs::create_dir(&bin).map_err(|error| format!("`{}`: {error}", bin.display()))?;
    let mut go = Command::new(on_path("go").ok_or("`go` is not on the path")?);
    go.args(["build", "-trimpath", "-tags", PARTS, "-ldflags=-s -w", "-o"])
        .arg(format!("{}/", bin.display()));
    go.args(["github.com/moby/buildkit/cmd/buildctl", "github.com/moby/buildkit/cmd/buildkitd"]);
    quietly(go.env("CGO_ENABLED", "0").current_dir(&module))
}
