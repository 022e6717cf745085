//! A chart with all that it depends on: what lies beside it is packed, what is in its `charts/` and fits is taken, and
//! what is elsewhere is pulled. Whether and under which name a part is used (`condition`, `tags`, `alias`) is for helm
//! to say when it renders.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt as _};
use shipway_core::{Context, Error, Result, clean_path};

use super::{
    Pull, archive,
    content::{Content, DEEPEST},
    folder::{self, Folder},
    lock::Lock,
    metadata::{Dependency, Metadata},
    pack::pack,
    pulled::{Wanted, fits},
};

/// The repository of a dependency that lies beside the chart.
pub(super) const BESIDE: &str = "file://";

/// How charts are completed.
pub(super) struct Completing<'a> {
    pub(super) cx: &'a Context,
    pub(super) helm: &'a dyn Pull,
    /// Whether what is missing is packed and pulled; else it must be there.
    pub(super) build: bool,
    /// The folder that no dependency's folder may be out of.
    pub(super) bound: PathBuf,
}

/// A chart in another one's `charts/`.
#[derive(Debug)]
struct Part {
    /// A folder, or an archive.
    path: String,
    name: String,
    version: String,
}

impl Part {
    fn is_archive(&self) -> bool {
        self.path.ends_with(".tgz")
    }
}

impl Completing<'_> {
    /// Reads a chart's folder and completes it; `above` are the folders of the charts that wait for it.
    pub(super) fn read(
        &self,
        folder: Folder,
        above: Vec<PathBuf>,
    ) -> BoxFuture<'_, Result<(Metadata, Content)>> {
        async move {
            let place = folder.place();
            let (metadata, content, parts) = self
                .cx
                .blocking(move |cx| {
                    let content = folder.read(cx)?;
                    let metadata = Metadata::read(&content)?;
                    let parts = parts(&content)?;
                    Ok((metadata, content, parts))
                })
                .await?;
            let content = if self.build {
                self.complete(&metadata, content, parts, &place, above).await?
            } else {
                content
            };
            let (metadata, content) = self
                .cx
                .blocking(move |_| all_there(&metadata, &content).map(|()| (metadata, content)))
                .await?;
            Ok((metadata, content))
        }
        .boxed()
    }

    async fn complete(
        &self,
        metadata: &Metadata,
        mut content: Content,
        parts: Vec<Part>,
        place: &Path,
        mut above: Vec<PathBuf>,
    ) -> Result<Content> {
        if metadata.dependencies().is_empty() {
            return Ok(content);
        }
        metadata.check_fetched(&content)?;
        let lock = Lock::read(&content)?;
        let chosen = lock.as_ref().map(|lock| lock.chosen(metadata)).transpose()?;
        above.push(place.to_owned());
        let (mut used, mut added) = (BTreeSet::new(), Vec::new());
        for (at, dependency) in metadata.dependencies().iter().enumerate() {
            let chosen = chosen.as_ref().map(|chosen| chosen[at]);
            let version = chosen.map_or(&dependency.version, |chosen| &chosen.version);
            if let Some(path) = dependency.repository.strip_prefix(BESIDE) {
                let folder = beside(place, path, dependency, &content, &self.bound)?;
                added.push(self.packed(folder, dependency, version, &above).await?);
                continue;
            }
            let of_name = || parts.iter().filter(|part| *part.name == *dependency.name);
            if let Some(part) = of_name().find(|part| fits(version, &part.version)) {
                used.insert(part.path.as_str());
            } else if dependency.repository.is_empty() {
                let found: Vec<&str> = of_name().map(|part| part.version.as_str()).collect();
                return Err(self.not_there(dependency, version, &found, &content));
            } else {
                let repository = chosen.map_or(&dependency.repository, |chosen| &chosen.repository);
                let wanted = Wanted::new(&dependency.name, Some(repository), Some(version))
                    .map_err(|error| error.note(format!("it is the dependency `{}`", dependency.name)))?;
                let pulled = wanted.archive(self.cx, self.helm).await?;
                let path = format!("charts/{}-{}.tgz", dependency.name, pulled.version);
                added.push((path, pulled.archive));
            }
        }
        // As `helm dependency build` does: other archives, and other versions of these charts, are outdated.
        let is_outdated = |part: &&Part| {
            let is_one = metadata.dependencies().iter().any(|one| *one.name == *part.name);
            !used.contains(part.path.as_str()) && (is_one || part.is_archive())
        };
        for part in parts.iter().filter(is_outdated) {
            let prefix = format!("{}/", part.path);
            content.files.retain(|path, _| *path != part.path && !path.starts_with(&prefix));
        }
        content.files.extend(added);
        Ok(content)
    }

    /// Returns a dependency's folder as an archive, with what it depends on itself.
    async fn packed(
        &self,
        folder: Folder,
        dependency: &Dependency,
        version: &str,
        above: &[PathBuf],
    ) -> Result<(String, Bytes)> {
        let shown = folder.name.clone();
        if above.contains(&folder.place()) || above.len() > DEEPEST {
            let message = format!("the dependency `{}` leads in a circle, or too deep", dependency.name);
            return Err(Error::config(message).note(format!("it is in `{shown}`")));
        }
        let read = self.read(folder, above.to_vec()).await;
        let (metadata, content) =
            read.map_err(|error| error.note(format!("it is the dependency `{}`", dependency.name)))?;
        if metadata.name != dependency.name || !fits(version, &metadata.version) {
            let (name, found) = (&metadata.name, &metadata.version);
            let message = format!("the dependency `{} {version}` is not `{name} {found}`", dependency.name);
            return Err(Error::config(message).note(format!("it is in `{shown}`")).hint(
                "change the range of versions, or run `helm dependency update` where there is a lock",
            ));
        }
        let path = format!("charts/{}", metadata.file_name());
        let archive = self.cx.blocking(move |_| pack(&content, &metadata.name)).await?;
        Ok((path, archive))
    }

    fn not_there(&self, dependency: &Dependency, version: &str, found: &[&str], content: &Content) -> Error {
        let name = &dependency.name;
        let message = match found {
            [] => format!("`{}` depends on `{name}`, which is not in its `charts/`", content.name),
            found => format!(
                "`{}` depends on `{name} {version}`, and in its `charts/` it is `{}`",
                content.name,
                found.join("`, `")
            ),
        };
        Error::config(message).hint("put it there, or say with `repository` where it is")
    }
}

/// Returns the folder of a dependency beside a chart.
pub(super) fn beside(
    place: &Path,
    path: &str,
    dependency: &Dependency,
    of: &Content,
    bound: &Path,
) -> Result<Folder> {
    let name = clean_path(&format!("{}/{path}", of.name));
    let name = if path.starts_with('/') { clean_path(path) } else { name };
    let target = PathBuf::from(clean_path(&place.join(path).to_string_lossy()));
    let below = |root: &Path| folder::below(root, &target);
    let (root, path) = match (below(place), below(bound)) {
        // The chart itself, which is a circle.
        (Some(path), _) => (place, path),
        (None, Some(path)) => (bound, path),
        (None, None) => {
            let message =
                format!("the dependency `{}` of `{}` is out of the sources", dependency.name, of.name);
            return Err(Error::config(message)
                .note(format!("it is in `{name}`"))
                .hint(format!("put it below `{}`", bound.display())));
        }
    };
    Ok(Folder { root: root.to_owned(), path, name })
}

/// Returns the charts in a chart's `charts/`.
///
/// # Errors
/// `Config` for what helm takes for a chart there and is none (pkg/chart/loader, `LoadFiles`).
fn parts(content: &Content) -> Result<Vec<Part>> {
    let names = content.files.keys().filter_map(|path| path.strip_prefix("charts/"));
    let names: BTreeSet<&str> = names
        .filter(|path| !path.ends_with(".prov"))
        .map(|path| path.split_once('/').map_or(path, |(name, _)| name))
        .filter(|name| !name.starts_with(['_', '.']))
        .collect();
    let mut parts = Vec::new();
    for name in names {
        let path = format!("charts/{name}");
        let metadata = match content.files.get(&path) {
            Some(archive) if name.ends_with(".tgz") => archive::read(&content.shown(&path), archive)?.0,
            Some(_) => {
                return Err(Error::config(format!("`{}` is no chart", content.shown(&path)))
                    .hint("helm takes all in `charts/` for charts, but what begins with `_` or `.`"));
            }
            None => {
                let below = content.below(&path);
                self::parts(&below)?;
                Metadata::read(&below)?
            }
        };
        parts.push(Part { path, name: metadata.name.0, version: metadata.version.0 });
    }
    Ok(parts)
}

/// Checks that each dependency is there by its name, without which helm renders nothing (pkg/action,
/// `CheckDependencies`).
pub(super) fn all_there(metadata: &Metadata, content: &Content) -> Result<()> {
    let parts = parts(content)?;
    let missing: Vec<&str> = metadata
        .dependencies()
        .iter()
        .filter(|dependency| parts.iter().all(|part| *part.name != *dependency.name))
        .map(|dependency| &*dependency.name)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let message =
        format!("`{}` depends on `{}`, which is not in its `charts/`", content.name, missing.join("`, `"));
    Err(Error::config(message)
        .hint("run `helm dependency build` in the chart's folder, or let it be done here"))
}
