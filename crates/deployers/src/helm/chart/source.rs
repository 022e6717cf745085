//! Where charts are, what they depend on, and how they become archives.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use shipway_core::{Context, EntryKind, Error, ErrorKind, Inputs, Result, Tree, clean_path};
use shipway_oci::digest_of;

use super::{
    archive,
    complete::{self, BESIDE, Completing},
    content::{Content, DEEPEST},
    edit::edit,
    folder::{self, Folder},
    git,
    metadata::{FILE, Metadata, REQUIREMENTS},
    pack::pack,
    pulled::{Pull, Wanted},
};

/// Where a chart is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A folder or an archive (`.tgz`), below the context's root or absolute.
    Path(PathBuf),
    /// A chart by its name in a repository of charts (`https://…`), or `oci://host/path/name`.
    Remote {
        name: String,
        repository: Option<String>,
        /// A version or a range; the newest without it.
        version: Option<String>,
    },
    /// A folder of a repository of git, by `https`, `ssh`, or of this machine.
    Git {
        url: String,
        /// A branch, a tag or a whole commit; Skaffold's `master` or `main` without it.
        reference: Option<String>,
        /// The folder below the repository's own.
        path: PathBuf,
    },
}

/// A chart with all that it depends on, as helm takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chart {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) app_version: Option<String>,
    /// The `.tgz`.
    pub(crate) archive: Bytes,
    /// The archive's digest, `sha256:…`.
    pub(crate) digest: String,
}

/// How a chart is loaded.
#[derive(Clone, Debug, Default)]
pub(crate) struct LoadOptions {
    /// The version that it gets instead of its own.
    pub(crate) version: Option<String>,
    /// The version of its application that it gets instead of its own.
    pub(crate) app_version: Option<String>,
    /// Whether what it depends on is packed and pulled; else all of it must be in its `charts/`.
    pub(crate) build_dependencies: bool,
}

/// What is at a path.
enum At {
    Folder(Folder, PathBuf),
    Archive(PathBuf, String),
}

impl Source {
    /// Returns what the chart depends on: its files and those of what lies beside it, the place and version of one
    /// that is elsewhere, and the commit of one in a repository of git.
    ///
    /// # Errors
    /// `Config` for what is wrong in what the source or a `Chart.yaml` says; those of a git server.
    pub(crate) async fn inputs(&self, cx: &Context) -> Result<Inputs> {
        match self {
            Self::Path(path) => {
                let path = path.clone();
                cx.blocking(move |cx| inputs_of_path(cx, &path)).await
            }
            Self::Remote { name, repository, version } => {
                let wanted = Wanted::new(name, repository.as_deref(), version.as_deref())?;
                Ok(Inputs::new().facts(wanted.facts()))
            }
            Self::Git { url, reference, path } => {
                let commit = git::commit(cx, url, reference.as_deref()).await?;
                let path = path.to_string_lossy().into_owned();
                Ok(Inputs::new()
                    .facts([("chart commit".to_owned(), commit), ("chart path".to_owned(), path)]))
            }
        }
    }

    /// Reads it, completes it and packs it. `helm` pulls what is elsewhere, and is not asked where nothing is.
    ///
    /// # Errors
    /// `NotFound` when there is nothing; `Config` for what is wrong in the chart's folder, and where its lock is out
    /// of sync; `BadOutput` for an archive that is not taken; those of who pulls.
    pub(crate) async fn load(&self, cx: &Context, helm: &dyn Pull, options: &LoadOptions) -> Result<Chart> {
        match self {
            Self::Path(path) => {
                let path = path.clone();
                let at = cx.blocking(move |cx| at(cx, &path)).await?;
                match at.ok_or_else(|| self.missing())? {
                    At::Folder(folder, bound) => load_folder(cx, folder, bound, helm, options).await,
                    At::Archive(parent, file) => {
                        let archive = cx.blocking(move |cx| {
                            let archive = cx.files().open(cx, &parent, &file)?.read(archive::LARGEST)?;
                            Ok(Bytes::from(archive))
                        });
                        load_archive(cx, &self.shown(), archive.await?, options).await
                    }
                }
            }
            Self::Remote { name, repository, version } => {
                let wanted = Wanted::new(name, repository.as_deref(), version.as_deref())?;
                let pulled = wanted.archive(cx, helm).await?;
                load_archive(cx, &self.shown(), pulled.archive, options).await
            }
            Self::Git { url, reference, path } => {
                let checkout = git::check_out(cx, url, reference.as_deref()).await?;
                let place = git::below(&checkout, path)?;
                let path = folder::below(&checkout, &place).unwrap_or_default();
                let folder = Folder { root: checkout.clone(), path, name: self.shown() };
                let loaded = load_folder(cx, folder, checkout, helm, options).await;
                loaded.map_err(|error| error.note(format!("it is `{}` of a repository of git", self.shown())))
            }
        }
    }

    /// Returns what it is called in messages.
    fn shown(&self) -> String {
        match self {
            Self::Path(path) => clean_path(&path.to_string_lossy()),
            Self::Remote { name, .. } => name.rsplit('/').next().unwrap_or_default().to_owned(),
            Self::Git { path, .. } => clean_path(&path.to_string_lossy()),
        }
    }

    fn missing(&self) -> Error {
        Error::not_found(format!("there is no chart `{}`", self.shown()))
            .hint("name a folder with a `Chart.yaml`, or an archive that ends in `.tgz`")
    }
}

async fn load_folder(
    cx: &Context,
    folder: Folder,
    bound: PathBuf,
    helm: &dyn Pull,
    options: &LoadOptions,
) -> Result<Chart> {
    let completing = Completing { cx, helm, build: options.build_dependencies, bound };
    let (_, mut content) = completing.read(folder, Vec::new()).await?;
    let options = options.clone();
    cx.blocking(move |_| {
        let metadata = edit(&mut content, options.version.as_deref(), options.app_version.as_deref())?;
        let archive = pack(&content, &metadata.name)?;
        // What we made is read as what others made, so that helm is not the first to refuse it.
        archive::read(&content.name, &archive)?;
        Ok(Chart::new(&metadata, archive))
    })
    .await
}

async fn load_archive(cx: &Context, name: &str, archive: Bytes, options: &LoadOptions) -> Result<Chart> {
    let (name, options) = (name.to_owned(), options.clone());
    cx.blocking(move |_| {
        let (metadata, mut content) = archive::read(&name, &archive)?;
        complete::all_there(&metadata, &content)?;
        if options.version.is_none() && options.app_version.is_none() {
            return Ok(Chart::new(&metadata, archive));
        }
        let metadata = edit(&mut content, options.version.as_deref(), options.app_version.as_deref())?;
        let archive = pack(&content, &metadata.name)?;
        Ok(Chart::new(&metadata, archive))
    })
    .await
}

impl Chart {
    pub(super) fn new(metadata: &Metadata, archive: Bytes) -> Self {
        Self {
            name: metadata.name.to_string(),
            version: metadata.version.to_string(),
            app_version: Some(metadata.app_version.to_string()).filter(|version| !version.is_empty()),
            digest: digest_of(&archive).to_string(),
            archive,
        }
    }
}

/// Looks what is at a path; with the folder that no dependency may be out of.
fn at(cx: &Context, path: &Path) -> Result<Option<At>> {
    let place = PathBuf::from(clean_path(&cx.path(path).to_string_lossy()));
    let name = clean_path(&path.to_string_lossy());
    let root = PathBuf::from(clean_path(&cx.root().to_string_lossy()));
    let (Some(parent), Some(file)) = (place.parent(), place.file_name()) else {
        return Err(Error::config(format!("`{name}` is no chart")));
    };
    let (parent, file) = (parent.to_owned(), file.to_string_lossy().into_owned());
    // What is named outside of the sources may have what is beside it.
    let bound = if place.starts_with(&root) { root } else { parent.clone() };
    let entry = match cx.files().entry(cx, &parent, &file) {
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        entry => entry?,
    };
    Ok(entry.map(|entry| match entry.kind {
        EntryKind::File => At::Archive(parent, file),
        // Whose folder a link leads to is the user's word.
        _ => At::Folder(Folder { root: place, path: String::new(), name }, bound),
    }))
}

fn inputs_of_path(cx: &Context, path: &Path) -> Result<Inputs> {
    let (mut files, mut trees) = (BTreeSet::new(), BTreeSet::new());
    match at(cx, path)? {
        Some(At::Folder(folder, bound)) => {
            let mut rest = vec![folder];
            while let Some(folder) = rest.pop() {
                let place = folder.place();
                let own = place.strip_prefix(cx.root()).unwrap_or(&place).to_owned();
                if !trees.insert(Tree::new(own)) {
                    continue;
                }
                if trees.len() > DEEPEST * DEEPEST {
                    return Err(Error::config(format!("`{}` has too many dependencies", folder.name)));
                }
                for next in beside(cx, &folder, &bound)? {
                    match cx.files().entry(cx, &next.root, &next.path) {
                        Ok(Some(_)) => rest.push(next),
                        // Loading it tells what is wrong.
                        _ => {
                            let place = next.place();
                            files.insert(place.strip_prefix(cx.root()).unwrap_or(&place).join(FILE));
                        }
                    }
                }
            }
        }
        _ => {
            files.insert(path.to_owned());
        }
    }
    Ok(Inputs::new().files(files).trees(trees))
}

/// Returns the folders of what lies beside a chart and it depends on.
fn beside(cx: &Context, folder: &Folder, bound: &Path) -> Result<Vec<Folder>> {
    let mut content = Content::new(&folder.name);
    for file in [FILE, REQUIREMENTS] {
        if let Some(text) = folder.file(cx, file)? {
            content.files.insert(file.to_owned(), Bytes::from(text));
        }
    }
    if !content.files.contains_key(FILE) {
        return Ok(Vec::new());
    }
    let metadata = Metadata::read(&content)?;
    let paths = metadata.dependencies().iter().filter_map(|one| {
        let path = one.repository.strip_prefix(BESIDE)?;
        Some(complete::beside(&folder.place(), path, one, &content, bound))
    });
    paths.collect()
}
