//! The foreign tools that tests compare our own work with.

use std::{
    env, fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

use crate::{Result, bed::packages, cache::Cache};

/// The reference client of go-containerregistry.
const CRANE: Program = Program {
    name: "crane",
    module: "github.com/google/go-containerregistry/cmd/crane",
    version: "0.22.1",
    program: "crane",
};

/// Both that are in use: the deployer `helm` works with either.
const HELM3: Program =
    Program { name: "helm3", module: "helm.sh/helm/v3/cmd/helm", version: "3.22.0", program: "helm" };
const HELM4: Program =
    Program { name: "helm4", module: "helm.sh/helm/v4/cmd/helm", version: "4.3.1", program: "helm" };

const KUSTOMIZE: Program = Program {
    name: "kustomize",
    module: "sigs.k8s.io/kustomize/kustomize/v5",
    version: "5.8.1",
    program: "kustomize",
};

/// Verifies what is attached to images, and attaches it, as everybody does.
const COSIGN: Program = Program {
    name: "cosign",
    module: "github.com/sigstore/cosign/v2/cmd/cosign",
    version: "2.6.5",
    program: "cosign",
};

/// The module in whose folder `schema` CycloneDX's published schemas are.
const CYCLONEDX: &str = "github.com/CycloneDX/cyclonedx-go@v0.12.0";

/// A program that `go install` makes of a published module.
struct Program {
    name: &'static str,
    module: &'static str,
    version: &'static str,
    program: &'static str,
}

/// A tool, and where it is or why it is not there.
#[derive(Debug)]
pub(crate) struct Tool {
    /// The name, which tests use in `needs NAME`.
    pub(crate) name: &'static str,
    /// The variable that tells tests where it is.
    pub(crate) variable: &'static str,
    /// The program, or what it would need.
    pub(crate) path: Result<PathBuf>,
}

/// Gets all tools and prints where they are; returns whether all are there.
pub(crate) fn run(cache: &Cache) -> Result<bool> {
    let tools = prepare(cache);
    for tool in &tools {
        match &tool.path {
            Ok(path) => println!("{}={}", tool.variable, path.display()),
            Err(reason) => println!("skipped: needs {}: {reason}", tool.name),
        }
    }
    Ok(tools.iter().all(|tool| tool.path.is_ok()))
}

/// Gets all tools. One that cannot be had does not keep the others; what Go builds uses all cores by itself.
pub(crate) fn prepare(cache: &Cache) -> Vec<Tool> {
    let (built, skopeo) = thread::scope(|scope| {
        let skopeo = scope.spawn(|| skopeo(cache));
        let built = [CRANE, HELM3, HELM4, KUSTOMIZE, COSIGN].map(|program| program.install(cache));
        (built, skopeo.join().unwrap_or_else(|_| Err("getting it panicked".to_owned())))
    });
    let [crane, helm3, helm4, kustomize, cosign] = built;
    vec![
        Tool { name: "crane", variable: "SHIPWAY_CRANE", path: crane },
        Tool { name: "skopeo", variable: "SHIPWAY_SKOPEO", path: skopeo },
        Tool { name: "helm3", variable: "SHIPWAY_HELM3", path: helm3 },
        Tool { name: "helm4", variable: "SHIPWAY_HELM4", path: helm4 },
        Tool { name: "kustomize", variable: "SHIPWAY_KUSTOMIZE", path: kustomize },
        Tool { name: "cosign", variable: "SHIPWAY_COSIGN", path: cosign },
        Tool { name: "CycloneDX's schema", variable: "SHIPWAY_CYCLONEDX_SCHEMA", path: schemas(cache) },
    ]
}

impl Program {
    /// Returns the program, and builds it where this version was not built yet.
    fn install(&self, cache: &Cache) -> Result<PathBuf> {
        cache.tool(&format!("{}-{}", self.name, self.version), self.program, |folder| {
            let go = on_path("go").ok_or("`go` is not on the path")?;
            let mut install = Command::new(go);
            let module = format!("{}@v{}", self.module, self.version);
            install.args(["install", "-trimpath", "-ldflags=-s -w", &module]);
            install.env("GOBIN", folder.join("bin")).env("CGO_ENABLED", "0").current_dir(folder);
            quietly(&mut install)
        })
    }
}

/// Returns the folder of CycloneDX's schemas, in Go's own cache of modules.
fn schemas(cache: &Cache) -> Result<PathBuf> {
    let go = on_path("go").ok_or("`go` is not on the path")?;
    let mut download = Command::new(go);
    // Where no module of somebody's is around.
    download.args(["mod", "download", "-json", CYCLONEDX]).current_dir(cache.folder("schemas")?);
    let output = download.output().map_err(|error| format!("{download:?}: {error}"))?;
    let told: serde_json::Value =
        serde_json::from_slice(&output.stdout).map_err(|error| format!("{download:?}: {error}"))?;
    let folder = told["Dir"].as_str().map(|folder| Path::new(folder).join("schema"));
    folder.filter(|folder| folder.is_dir()).ok_or_else(|| format!("{CYCLONEDX}: {}", told["Error"]))
}

/// Finds skopeo, or installs it from the distribution, with all that the test bed takes from there.
fn skopeo(cache: &Cache) -> Result<PathBuf> {
    if let Some(path) = on_path("skopeo") {
        return Ok(path);
    }
    packages::prepare(cache)?;
    on_path("skopeo").ok_or_else(|| "apt-get installed none".to_owned())
}

/// Returns the program of this name on `PATH`.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(name)).find(|program| is_program(program))
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.is_file() && found.mode() & 0o111 != 0)
}

/// Runs a command whose output matters only when it fails, since others write at the same time.
pub(crate) fn quietly(command: &mut Command) -> Result<()> {
    let shown = format!("{command:?}");
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{shown}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = text.lines().collect();
    let end = lines[lines.len().saturating_sub(20)..].join("\n");
    Err(format!("{shown}: {}\n{end}", output.status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_fails_is_shown_with_the_end_of_its_output() {
        let mut command = Command::new("sh");
        command.args(["-c", "seq 1 100; echo broken >&2; exit 3"]);
        let message = quietly(&mut command).unwrap_err();
        assert!(message.contains("exit status: 3") && message.ends_with("100\nbroken"), "{message}");
        assert!(!message.contains("\n80\n"), "{message}");
    }

    #[test]
    fn a_folder_or_a_plain_file_is_no_program() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("crane");
        fs::write(&file, "").unwrap();
        assert!(!is_program(folder.path()) && !is_program(&file) && !is_program(&folder.path().join("none")));
        assert!(on_path("sh").is_some_and(|shell| is_program(&shell)));
    }
}
