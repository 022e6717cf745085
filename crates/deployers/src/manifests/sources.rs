//! Where raw manifests come from: files, folders, patterns of files, and addresses.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use reqwest::Url;
use shipway_core::{Context, EntryKind, Error, Inputs, Result, Tree, clean_path};
use shipway_oci::digest_of;

use super::fetch;

/// What Skaffold reads where nothing is said.
const DEFAULT: &str = "k8s/*.yaml";

/// Skaffold's and kubectl's `FileExtensions`; a file that is named itself may have any other.
const EXTENSIONS: [&str; 3] = [".yaml", ".yml", ".json"];

/// A kustomization is no object: kubectl and Skaffold find it by a pattern too, and fail at it.
const KUSTOMIZATIONS: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// A larger file of manifests is not one that somebody wrote.
const LIMIT: usize = 64 * 1024 * 1024;

/// Where manifests are.
#[derive(Clone, Debug)]
pub(crate) struct Sources {
    folder: PathBuf,
    places: Vec<String>,
    addresses: Vec<Url>,
}

/// A file of manifests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    /// What it is called in messages.
    pub(crate) name: String,
    /// What it holds.
    pub(crate) text: String,
}

/// What a name means among the files.
#[derive(Debug)]
enum Place {
    File(PathBuf, String),
    Tree(Tree),
}

impl Sources {
    /// Returns the sources of these names, below a folder: files, folders with all that is in them, patterns
    /// (`*`, `?`, `[…]`, and `**` for any folders), and `https` addresses. Without names it is `k8s/*.yaml`.
    ///
    /// # Errors
    /// `Config` for an address that is not allowed: of plain HTTP unless `plain_http`, and with a password in it.
    /// `Unsupported` for other addresses.
    pub(crate) fn new(folder: impl Into<PathBuf>, names: &[String], plain_http: bool) -> Result<Self> {
        let mut sources = Self { folder: folder.into(), places: Vec::new(), addresses: Vec::new() };
        if names.is_empty() {
            sources.places.push(DEFAULT.to_owned());
        }
        for name in names {
            if !name.contains("://") {
                sources.places.push(name.clone());
                continue;
            }
            let address = fetch::address(name, plain_http)?;
            if !sources.addresses.contains(&address) {
                sources.addresses.push(address);
            }
        }
        Ok(sources)
    }

    /// Returns what the manifests depend on. Of an address that is its text alone: what it answers is seen when it
    /// is rendered.
    ///
    /// # Errors
    /// `Config` for a pattern that is malformed.
    pub(crate) async fn inputs(&self, cx: &Context) -> Result<Inputs> {
        let sources = self.clone();
        cx.blocking(move |cx| {
            let (mut files, mut trees) = (BTreeSet::new(), BTreeSet::new());
            for name in &sources.places {
                match sources.place(cx, name)? {
                    Place::File(root, file) => {
                        files.insert(root.join(file));
                    }
                    Place::Tree(tree) => {
                        trees.insert(tree);
                    }
                }
            }
            // The query may be a credential.
            let fact = |address: &Url| {
                (
                    format!("manifest {}", fetch::shown(address)),
                    digest_of(address.as_str().as_bytes()).to_string(),
                )
            };
            Ok(Inputs::new()
                .files(files)
                .trees(trees)
                .facts(sources.addresses.iter().map(fact).collect::<BTreeMap<_, _>>()))
        })
        .await
    }

    /// Returns the files, each once: those of the names in their order, of a folder or a pattern by their paths, and
    /// then what is at the addresses, as Skaffold does.
    ///
    /// # Errors
    /// `Config` when a name stands for no manifest, or a file cannot be read as one; those of the addresses' servers.
    pub(crate) async fn read(&self, cx: &Context) -> Result<Vec<Source>> {
        let sources = self.clone();
        let mut read = cx.blocking(move |cx| sources.read_files(cx)).await?;
        for address in &self.addresses {
            let text = fetch::fetch(cx, address).await?;
            read.push(Source { name: fetch::shown(address), text });
        }
        Ok(read)
    }

    fn read_files(&self, cx: &Context) -> Result<Vec<Source>> {
        let (mut read, mut seen) = (Vec::new(), BTreeSet::new());
        for name in &self.places {
            let (root, files) = match self.place(cx, name)? {
                Place::File(root, file) => {
                    if KUSTOMIZATIONS.contains(&file.as_str()) {
                        return Err(Error::config(format!("`{name}` is a kustomization and no manifest"))
                            .hint("name its folder in `kustomize`, or the manifests themselves"));
                    }
                    (root, vec![file])
                }
                Place::Tree(tree) => {
                    let files = found(cx, &tree)?;
                    if files.is_empty() {
                        return Err(nothing(name));
                    }
                    (tree.root, files)
                }
            };
            for file in files {
                let path = clean_path(&root.join(&file).to_string_lossy());
                if !seen.insert(path.clone()) {
                    continue;
                }
                let content = cx.files().open(cx, &cx.path(&root), &file)?.read(LIMIT)?;
                let text = String::from_utf8(content).map_err(|_| {
                    Error::config(format!("`{path}` is not UTF-8")).hint("manifests are texts")
                })?;
                read.push(Source { name: path, text });
            }
        }
        Ok(read)
    }

    /// Returns what a name means: what is there by just this name goes before what it means as a pattern.
    fn place(&self, cx: &Context, name: &str) -> Result<Place> {
        let clean = clean_path(name);
        let path = Path::new(&clean);
        let single = match (path.parent(), path.file_name().and_then(|name| name.to_str())) {
            (Some(parent), Some(file)) => Some((self.folder.join(parent), file.to_owned())),
            // Such as `.` and `..`.
            _ => None,
        };
        let kind = match &single {
            None => Some(EntryKind::Folder),
            Some((root, file)) => self.entry(cx, root, file)?,
        };
        match (single, kind) {
            (_, Some(EntryKind::Folder)) => {
                let all = EXTENSIONS.iter().map(|extension| format!("**/*{extension}")).collect::<Vec<_>>();
                Ok(Place::Tree(tree(self.folder.join(path), &all)))
            }
            (Some((root, file)), Some(_)) => Ok(Place::File(root, file)),
            _ if !is_pattern(&clean) => match path.file_name().and_then(|name| name.to_str()) {
                Some(file) => {
                    Ok(Place::File(self.folder.join(path.parent().unwrap_or(Path::new(""))), file.to_owned()))
                }
                None => Err(nothing(name)),
            },
            _ => {
                // What stands before the first step that is a pattern is a folder.
                let (mut root, mut rest) = (PathBuf::new(), Vec::new());
                for step in clean.split('/') {
                    if rest.is_empty() && !is_pattern(step) {
                        root.push(if step.is_empty() { "/" } else { step });
                    } else {
                        rest.push(step);
                    }
                }
                Ok(Place::Tree(tree(self.folder.join(root), &[rest.join("/")])))
            }
        }
    }

    fn entry(&self, cx: &Context, root: &Path, file: &str) -> Result<Option<EntryKind>> {
        // A folder before it that is not there is a pattern, or a mistake that reading it tells.
        match cx.files().entry(cx, &cx.path(root), file) {
            Ok(entry) => Ok(entry.map(|entry| entry.kind)),
            Err(error) if error.kind() == shipway_core::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Returns the tree of what the patterns take, so that a new file counts.
fn tree(root: PathBuf, patterns: &[String]) -> Tree {
    let taken = patterns.iter().map(|pattern| format!("!{pattern}"));
    let left = KUSTOMIZATIONS.iter().map(|name| format!("**/{name}"));
    Tree::new(root).ignore(std::iter::once("**".to_owned()).chain(taken).chain(left).collect::<Vec<_>>())
}

/// Returns the files of a tree that may be manifests.
fn found(cx: &Context, tree: &Tree) -> Result<Vec<String>> {
    let entries = match cx.files().walk(cx, tree) {
        Err(error) if error.kind() == shipway_core::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let fits = |path: &str| EXTENSIONS.iter().any(|extension| path.ends_with(extension));
    let files = entries.into_iter().filter(|entry| entry.kind != EntryKind::Folder && fits(&entry.path));
    Ok(files.map(|entry| entry.path).collect())
}

fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '[', '\\'])
}

fn nothing(name: &str) -> Error {
    Error::config(format!("`{name}` finds no manifests")).hint(
        "name files that end in `.yaml`, `.yml` or `.json`, relative to the folder of the configuration",
    )
}
