//! What a folder holds, as far as a configuration is concerned.

use std::fmt;

use shipway_core::Location;

use crate::Notice;

/// What was found in a folder. Paths are below it, with `/` between their steps, and come folder by folder: the files of
/// one before what is in its folders.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Found {
    /// The folder's name as the name of a release, which is in lower case; none where nothing of it is left.
    pub name: Option<String>,
    /// The Dockerfiles.
    pub dockerfiles: Vec<String>,
    /// The files with objects of Kubernetes, without those that a chart or a kustomization has.
    pub manifests: Vec<String>,
    /// The images that objects name, without tags and in order; also of those that a kustomization has. What names a
    /// digest was pinned by somebody, and is none of them.
    pub images: Vec<String>,
    /// What Skaffold could build or deploy, and nothing here does yet.
    pub unsupported: Vec<Unsupported>,
    /// What could not be looked at, and is left out.
    pub notices: Vec<Notice>,
}

/// A project or a configuration that nothing here builds or deploys yet.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unsupported {
    /// The file by which it is known.
    pub path: String,
    /// What it is.
    pub kind: ProjectKind,
}

/// What a project is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProjectKind {
    /// Java with Jib's plug-in for Maven.
    JibMaven,
    /// Java with Jib's plug-in for Gradle.
    JibGradle,
    /// Go with a package `main`.
    Ko,
    /// What buildpacks know.
    Buildpacks,
    /// A kustomization.
    Kustomize,
    /// A chart of Helm.
    Helm,
}

impl ProjectKind {
    /// Returns what Skaffold calls the builder (`build/jib`, `build/ko/init`, `build/buildpacks`); none of what is
    /// deployed.
    #[must_use]
    pub fn builder(self) -> Option<&'static str> {
        match self {
            Self::JibMaven => Some("Jib Maven Plugin"),
            Self::JibGradle => Some("Jib Gradle Plugin"),
            Self::Ko => Some("Ko"),
            Self::Buildpacks => Some("Buildpacks"),
            Self::Kustomize | Self::Helm => None,
        }
    }
}

impl fmt::Display for ProjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::JibMaven | Self::JibGradle => "jib",
            Self::Ko => "ko",
            Self::Buildpacks => "buildpacks",
            Self::Kustomize => "kustomize",
            Self::Helm => "helm",
        })
    }
}

impl Found {
    /// Returns what a person should know of what is left out: what could not be looked at, and what nothing here builds or
    /// deploys yet. A folder with a Dockerfile is not said to be one for ko or buildpacks, which is but a guess.
    #[must_use]
    pub fn left_out(&self) -> Vec<Notice> {
        let mut notices = self.notices.clone();
        let folders: Vec<&str> = self.dockerfiles.iter().map(|path| folder_of(path)).collect();
        for same in self.unsupported.chunk_by(|one, next| one.path == next.path) {
            let path = &same[0].path;
            let built = folders.contains(&folder_of(path));
            let guess = |kind| built && matches!(kind, ProjectKind::Ko | ProjectKind::Buildpacks);
            let kinds: Vec<String> =
                same.iter().filter(|one| !guess(one.kind)).map(|one| format!("`{}`", one.kind)).collect();
            let message = match (same[0].kind.builder(), kinds.as_slice()) {
                (_, []) => continue,
                (Some(_), kinds) => {
                    format!("{} could build this, for which there is no builder yet", kinds.join(" or "))
                }
                (None, kinds) => {
                    format!("{} would deploy this, for which there is no deployer yet", kinds.join(" or "))
                }
            };
            notices.push(Notice::new(Location::new(path, 0, 0), message));
        }
        notices
    }
}

/// Returns the folder that a file is in; empty for the root.
pub(super) fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// Returns the last step of a path.
pub(super) fn name_of(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}
