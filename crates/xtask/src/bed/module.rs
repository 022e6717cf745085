//! Programs that no package holds, built from Go modules of our own that name them: BuildKit, Kubernetes,
//! its DNS server, and kaniko.

use std::{
    collections::hash_map::DefaultHasher,
    fs,
    hash::{Hash, Hasher},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    Result,
    cache::Cache,
    tools::{on_path, quietly},
};

/// A module, and what is built of it. All of it decides where the cache keeps the programs.
#[derive(Debug, Hash)]
pub(super) struct Module {
    name: &'static str,
    version: &'static str,
    /// The module's files, with what is in them.
    files: &'static [(&'static str, &'static str)],
    /// The commands; the first one's program is the module's.
    packages: &'static [&'static str],
    program: &'static str,
    /// Optional parts that are built in.
    tags: &'static str,
    /// Variables that the linker sets.
    variables: &'static [(&'static str, &'static str)],
    /// Further names of the program, for one that does what its name says.
    names: &'static [&'static str],
}

pub(super) const BUILDKIT: Module = Module {
    name: "buildkit",
    version: "0.25.2",
    files: &[
        ("go.mod", include_str!("../../bed/buildkit/go.mod")),
        ("go.sum", include_str!("../../bed/buildkit/go.sum")),
        ("tools.go", include_str!("../../bed/buildkit/tools.go")),
    ],
    packages: &["github.com/moby/buildkit/cmd/buildkitd", "github.com/moby/buildkit/cmd/buildctl"],
    program: "buildkitd",
    // `COPY --parents`, which is of the Dockerfile frontend `labs` and not in buildkitd's own by default.
    tags: "dfparents",
    variables: &[],
    names: &[],
};

pub(super) const KUBERNETES: Module = Module {
    name: "kubernetes",
    version: "1.34.4",
    files: &[
        ("go.mod", include_str!("../../bed/kubernetes/go.mod")),
        ("go.sum", include_str!("../../bed/kubernetes/go.sum")),
        ("main.go", include_str!("../../bed/kubernetes/main.go")),
    ],
    packages: &["."],
    program: "hyperkube",
    tags: "",
    // What clients are told, and what kubectl compares with its own.
    variables: &[
        ("k8s.io/component-base/version.gitVersion", "v1.34.4"),
        ("k8s.io/component-base/version.gitMajor", "1"),
        ("k8s.io/component-base/version.gitMinor", "34"),
        ("k8s.io/component-base/version.gitTreeState", "clean"),
        ("k8s.io/client-go/pkg/version.gitVersion", "v1.34.4"),
    ],
    names: &[
        "kube-apiserver",
        "kube-controller-manager",
        "kube-proxy",
        "kube-scheduler",
        "kubectl",
        "kubelet",
    ],
};

pub(super) const COREDNS: Module = Module {
    name: "coredns",
    version: "1.13.1",
    files: &[
        ("go.mod", include_str!("../../bed/coredns/go.mod")),
        ("go.sum", include_str!("../../bed/coredns/go.sum")),
        ("main.go", include_str!("../../bed/coredns/main.go")),
    ],
    packages: &["."],
    program: "coredns",
    tags: "",
    variables: &[],
    names: &[],
};

pub(super) const KANIKO: Module = Module {
    name: "kaniko",
    version: "1.24.0",
    files: &[
        ("go.mod", include_str!("../../bed/kaniko/go.mod")),
        ("go.sum", include_str!("../../bed/kaniko/go.sum")),
        ("tools.go", include_str!("../../bed/kaniko/tools.go")),
    ],
    packages: &["github.com/GoogleContainerTools/kaniko/cmd/executor"],
    program: "executor",
    tags: "",
    variables: &[],
    names: &[],
};

impl Module {
    /// Returns the module's program, with the others beside it; builds them where the recipe is new.
    pub(super) fn program(&self, cache: &Cache) -> Result<PathBuf> {
        cache.tool(&self.key(), self.program, |folder| self.build(folder))
    }

    /// Returns what the cache calls the folder: a name that another recipe has not.
    pub(super) fn key(&self) -> String {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        format!("{}-{}-{:016x}", self.name, self.version, hasher.finish())
    }

    fn build(&self, folder: &Path) -> Result<()> {
        let module = folder.join("module");
        fs::create_dir(&module).map_err(at(&module))?;
        for (name, text) in self.files {
            let path = module.join(name);
            fs::write(&path, text).map_err(at(&path))?;
        }
        let bin = folder.join("bin");
        fs::create_dir(&bin).map_err(at(&bin))?;
        let variables = self.variables.iter().map(|(name, value)| format!(" -X {name}={value}"));
        let mut go = Command::new(on_path("go").ok_or("`go` is not on the path")?);
        go.args(["build", "-trimpath", "-tags", self.tags, "-ldflags"]);
        go.arg(format!("-s -w{}", variables.collect::<String>()));
        go.args(["-o", &format!("{}/", bin.display())]).args(self.packages);
        quietly(go.env("CGO_ENABLED", "0").current_dir(&module))?;
        for name in self.names {
            symlink(self.program, bin.join(name)).map_err(at(&bin.join(name)))?;
        }
        Ok(())
    }
}

fn at(path: &Path) -> impl Fn(std::io::Error) -> String {
    move |error| format!("`{}`: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_recipe_is_kept_in_another_folder() {
        let key = COREDNS.key();
        assert!(key.starts_with("coredns-1.13.1-"), "{key}");
        assert_eq!(key, COREDNS.key());
        let others = [
            Module { files: &[("go.mod", "other")], ..COREDNS },
            Module { tags: "other", ..COREDNS },
            Module { variables: &[("a", "b")], ..COREDNS },
            Module { names: &["other"], ..COREDNS },
        ];
        assert!(others.iter().all(|other| other.key() != key));
    }
}
