//! Whether a container could start its program.

use super::{files::ImageFiles, tree::FoundFile};
use crate::ImageConfig;

/// What becomes of an image's program when a container starts.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Program {
    /// It is an executable file.
    Runs(FoundFile),
    /// The configuration names none.
    Unset,
    /// There is no such file; for a bare name, none that is executable on the `PATH`.
    Missing(String),
    /// What is there cannot be executed.
    NotExecutable(FoundFile),
}

impl Program {
    /// Returns why it cannot start, or `None` when it can.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        match self {
            Self::Runs(_) => None,
            Self::Unset => Some("the image names no program to run".to_owned()),
            Self::Missing(name) if name.contains('/') => {
                Some(format!("the program `{name}` is not in the image"))
            }
            Self::Missing(name) => Some(format!("the program `{name}` is not on the image's `PATH`")),
            Self::NotExecutable(file) => Some(format!("the program `{}` is not executable", file.path)),
        }
    }
}

/// The `PATH` of a container whose image sets none (moby, oci/defaults.go).
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Looks up the program that the configuration names, as a runtime does (Go's `exec.LookPath` in
/// runc): a name with a `/` from the working folder, a bare name on the `PATH`.
#[must_use]
pub fn resolve_program(files: &ImageFiles, config: &ImageConfig) -> Program {
    let Some(name) = config.entrypoint.iter().chain(&config.cmd).next() else { return Program::Unset };
    // A circle of links is no file to a runtime either.
    let find = |path: &str| files.find(path).ok().flatten();
    if name.contains('/') {
        let path =
            if name.starts_with('/') { name.clone() } else { format!("{}/{name}", config.working_dir) };
        return match find(&path) {
            Some(file) if file.is_executable() => Program::Runs(file),
            Some(file) => Program::NotExecutable(file),
            None => Program::Missing(name.clone()),
        };
    }
    // Folders that are not absolute are left out: Go refuses what it finds there (`exec.ErrDot`).
    let folders = config.env("PATH").unwrap_or(PATH).split(':').filter(|folder| folder.starts_with('/'));
    let found = folders.filter_map(|folder| find(&format!("{folder}/{name}"))).find(FoundFile::is_executable);
    match found {
        Some(file) if !name.is_empty() => Program::Runs(file),
        _ => Program::Missing(name.clone()),
    }
}
