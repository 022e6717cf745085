//! What a kustomization reaches: the files, folders and addresses that kustomize reads for it, found by reading
//! the kustomizations ourselves, before a program is run over them. What kustomize would fetch, and what leads out of
//! the sources, is refused here.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};
use shipway_core::{Context, EntryKind, Error, ErrorKind, Location, Result, clean_path};
use shipway_yaml::Document;

use super::{
    fields::{self, What},
    remote::is_remote,
};

/// What a kustomization's file may be called.
pub(super) const NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// A larger file is no manifest that somebody wrote.
const LARGEST: u64 = 64 << 20;

/// The most bytes that are read for one overlay.
const MOST_BYTES: u64 = 256 << 20;

/// The largest kustomization.
const LARGEST_KUSTOMIZATION: usize = 8 << 20;

/// The most files of one overlay.
const MOST_FILES: usize = 100_000;

/// The deepest that kustomizations name one another.
const DEEPEST: usize = 64;

/// How often kustomizations are read for one overlay, which kustomize does once for each that names one.
const MOST_READ: u64 = 10_000;

/// What a kustomization may reach, and whether all of it must be there.
#[derive(Clone, Copy, Debug)]
pub(super) struct May {
    /// Whether it may name what is elsewhere.
    pub(super) remote: bool,
    /// Whether it may name what is outside of the sources.
    pub(super) outside: bool,
    /// Whether what is missing is an error, and not a fact.
    pub(super) lack: bool,
}

/// What an overlay reaches.
#[derive(Debug, Default)]
pub(super) struct Reach {
    /// The files, below the root or absolute, also those that are missing.
    pub(super) files: BTreeSet<String>,
    /// The folders of charts.
    pub(super) charts: BTreeSet<String>,
    /// What is elsewhere.
    pub(super) remote: BTreeSet<String>,
    /// Whether something takes its value from the environment.
    pub(super) environment: bool,
}

/// Returns what the kustomization in a folder reaches; blocking.
///
/// # Errors
/// `Config`, with its place, for what is elsewhere or outside and may not be; for a circle, a link, and what is too large; and,
/// where it may not lack anything, for what is missing.
pub(super) fn reach(cx: &Context, folder: &str, may: May) -> Result<Reach> {
    let mut walk =
        Walk { cx, may, reach: Reach::default(), open: Vec::new(), read: BTreeMap::new(), bytes: 0 };
    // Named by its whole path it is the same folder.
    let folder = Path::new(folder).strip_prefix(cx.root()).unwrap_or(Path::new(folder));
    walk.folder(&clean_path(&folder.to_string_lossy()), false, None)?;
    Ok(walk.reach)
}

impl Reach {
    /// Returns the digest of all files, with their names; blocking.
    ///
    /// # Errors
    /// When one cannot be read.
    pub(super) fn digest(&self, cx: &Context) -> Result<String> {
        let mut hash = Sha256::new();
        for file in &self.files {
            cx.check_stopped()?;
            let (root, path) = door(cx, file);
            let content = match cx.files().open(cx, &root, &path) {
                Ok(open) => open.read(LARGEST as usize)?,
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            for part in [file.as_bytes(), &content] {
                hash.update((part.len() as u64).to_le_bytes());
                hash.update(part);
            }
        }
        Ok(super::hex(&hash.finalize()))
    }
}

/// Returns the root and the path of a file for the door to files: below the sources' root where it can be.
fn door(cx: &Context, path: &str) -> (PathBuf, String) {
    let within = Path::new(path).strip_prefix(cx.root()).ok().map(|path| path.to_string_lossy().into_owned());
    match within {
        Some(path) => (PathBuf::new(), path),
        None if path.starts_with('/') => (PathBuf::from("/"), path.trim_start_matches('/').to_owned()),
        None if path == ".." || path.starts_with("../") => {
            let path = clean_path(&cx.root().join(path).to_string_lossy());
            (PathBuf::from("/"), path.trim_start_matches('/').to_owned())
        }
        None => (PathBuf::new(), path.to_owned()),
    }
}

struct Walk<'a> {
    cx: &'a Context,
    may: May,
    reach: Reach,
    /// The folders on the way.
    open: Vec<String>,
    /// How many kustomizations are read for a folder, of those that were read; once more as options of plug-ins.
    read: BTreeMap<(String, bool), u64>,
    bytes: u64,
}

/// What is at a path.
enum There {
    File(u64),
    Folder,
    Nothing,
}

impl Walk<'_> {
    /// Reads the kustomization in a folder, and returns how many kustomize reads for it.
    fn folder(&mut self, folder: &str, plug_ins: bool, named: Option<&Location>) -> Result<u64> {
        let at = |error: Error| match named {
            Some(location) => error.at(location.clone()),
            None => error,
        };
        if let Some(start) = self.open.iter().position(|open| open == folder) {
            let circle = self.open[start..].iter().chain([&self.open[start]]);
            let circle: Vec<String> = circle.map(|folder| format!("`{folder}`")).collect();
            return Err(at(Error::config("kustomizations name one another in a circle")
                .note(circle.join(" names "))
                .hint("take one of the names out")));
        }
        if let Some(count) = self.read.get(&(folder.to_owned(), plug_ins)) {
            return Ok(*count);
        }
        if self.open.len() >= DEEPEST {
            return Err(at(Error::config(format!(
                "more than {DEEPEST} kustomizations name one after the other"
            ))));
        }
        self.cx.check_stopped()?;
        let Some(file) = self.kustomization(folder).map_err(at)? else {
            if self.may.lack {
                self.reach.files.extend(NAMES.map(|name| join(folder, name)));
                return Ok(1);
            }
            return Err(at(Error::config(format!("there is no kustomization in `{folder}`"))
                .hint("name a folder that has a `kustomization.yaml`")));
        };
        self.add(&file, named)?;
        let (root, path) = door(self.cx, &file);
        let content = self.cx.files().open(self.cx, &root, &path)?.read(LARGEST_KUSTOMIZATION)?;
        let text = String::from_utf8(content)
            .map_err(|_| Error::config(format!("`{file}` is not UTF-8")).hint("a kustomization is a text"))?;
        self.open.push(folder.to_owned());
        let mut count = 1u64;
        for document in shipway_yaml::parse(file.as_str(), &text)? {
            let charts = fields::chart_home(&document.root).to_owned();
            let named = fields::of_kustomization(&document.root);
            count = count.saturating_add(self.named(folder, &document, &charts, named, plug_ins)?);
        }
        self.open.pop();
        if count > MOST_READ {
            return Err(at(Error::config(format!(
                "kustomize would read more than {MOST_READ} kustomizations for `{folder}`"
            ))
            .hint("each is read once for each that names it")));
        }
        self.read.insert((folder.to_owned(), plug_ins), count);
        Ok(count)
    }

    /// Returns the file of the kustomization in a folder.
    fn kustomization(&self, folder: &str) -> Result<Option<String>> {
        let mut found = None;
        for name in NAMES {
            let file = join(folder, name);
            if matches!(self.there(&file)?, There::Nothing) {
                continue;
            }
            if let Some(other) = found.replace(file) {
                return Err(Error::config(format!("`{folder}` has more than one kustomization"))
                    .note(format!("`{other}` and `{name}`"))
                    .hint("leave one of them"));
            }
        }
        Ok(found)
    }

    /// Takes what a document names, and returns how many kustomizations are read for that.
    fn named(
        &mut self,
        folder: &str,
        document: &Document,
        charts: &str,
        named: Vec<(What, &shipway_yaml::Node)>,
        plug_ins: bool,
    ) -> Result<u64> {
        let mut count = 0u64;
        for (what, node) in named {
            let (Some(text), location) = (node.text(), document.location(node.span)) else { continue };
            let path = match what {
                What::KeyedFile => text.split_once('=').map_or(text, |(_, path)| path),
                _ => text,
            };
            if what == What::Address || is_remote(path) {
                self.remote(path, &location)?;
                continue;
            }
            if let What::PlugIn | What::Patch = what
                && let Some(inline) = inline(document, text)
            {
                if what == What::PlugIn {
                    let read = self.plug_ins(folder, &inline, &location);
                    // Its lines are no lines of a file.
                    count = count.saturating_add(read.map_err(|error| error.at(location))?);
                }
                continue;
            }
            if what == What::Chart {
                self.reach.charts.insert(self.place(&join(folder, charts), path, &location)?);
                continue;
            }
            let place = self.place(folder, path, &location)?;
            let there = self.there(&place).map_err(|error| located(error, &location))?;
            let may_be_folder = matches!(what, What::Resource | What::Folder | What::PlugIn);
            match there {
                There::Folder if may_be_folder => {
                    let plug_ins = plug_ins || what == What::PlugIn;
                    count = count.saturating_add(self.folder(&place, plug_ins, Some(&location))?);
                }
                There::Folder => {
                    return Err(Error::config(format!("`{text}` is a folder")).at(location));
                }
                There::Nothing if !self.may.lack => {
                    return Err(Error::config(format!("`{text}` is not there"))
                        .at(location)
                        .hint("paths are relative to the folder of the kustomization"));
                }
                There::Nothing => self.add(&place, Some(&location))?,
                There::File(_) => {
                    self.add(&place, Some(&location))?;
                    if what == What::PlugIn || plug_ins && what == What::Resource {
                        let documents = self.read(&place, &location)?;
                        count = count.saturating_add(self.plug_ins(folder, &documents, &location)?);
                    } else if what == What::Variables {
                        self.variables(&place, &location)?;
                    }
                }
            }
        }
        Ok(count)
    }

    /// Takes what the options of plug-ins name, which stand in a file or in the kustomization itself.
    fn plug_ins(&mut self, folder: &str, documents: &[Document], location: &Location) -> Result<u64> {
        let mut count = 0u64;
        for document in documents {
            let charts = fields::chart_home(&document.root).to_owned();
            let named = fields::of_plug_in(&document.root);
            let read = self.named(folder, document, &charts, named, false);
            count = count.saturating_add(read.map_err(|error| located(error, location))?);
        }
        Ok(count)
    }

    fn read(&self, file: &str, location: &Location) -> Result<Vec<Document>> {
        let (root, path) = door(self.cx, file);
        let content = self.cx.files().open(self.cx, &root, &path)?.read(LARGEST_KUSTOMIZATION);
        let text = String::from_utf8(content.map_err(|error| located(error, location))?)
            .map_err(|_| Error::config(format!("`{file}` is not UTF-8")).at(location.clone()))?;
        shipway_yaml::parse(file, &text)
    }

    /// Looks whether a file has a variable without a value, which is that of the environment (kustomize: `api/kv/kv.go`).
    fn variables(&mut self, file: &str, location: &Location) -> Result<()> {
        let (root, path) = door(self.cx, file);
        let content = self.cx.files().open(self.cx, &root, &path)?.read(LARGEST as usize);
        let content = content.map_err(|error| located(error, location))?;
        let text = String::from_utf8_lossy(&content);
        let lacks = |line: &str| !(line.is_empty() || line.starts_with('#') || line.contains('='));
        self.reach.environment |= text.lines().any(|line| lacks(line.trim_start_matches('\u{feff}').trim()));
        Ok(())
    }

    fn remote(&mut self, name: &str, location: &Location) -> Result<()> {
        if !self.may.remote {
            // A login may be in it.
            let shown = name.split(['?', '#']).next().unwrap_or_default();
            let shown = shown.rsplit_once('@').map_or(shown, |(_, host)| host);
            return Err(Error::config(format!("`{shown}` is elsewhere"))
                .at(location.clone())
                .hint("copy it into the sources, or allow it with `allowRemoteBases`; a name that begins with `./` is a file"));
        }
        self.reach.remote.insert(name.to_owned());
        Ok(())
    }

    /// Returns the path of what is named in a folder.
    fn place(&self, folder: &str, name: &str, location: &Location) -> Result<String> {
        let path = clean_path(&Path::new(folder).join(name).to_string_lossy());
        let within =
            Path::new(&path).strip_prefix(self.cx.root()).map(|path| path.to_string_lossy().into_owned());
        let path = within.unwrap_or(path);
        let outside = path.starts_with('/') || path == ".." || path.starts_with("../");
        if outside && !self.may.outside {
            return Err(Error::config(format!("`{name}` leads out of the sources"))
                .at(location.clone())
                .hint("copy it into them, or allow it with the argument `--load-restrictor LoadRestrictionsNone`"));
        }
        Ok(if path.is_empty() { ".".to_owned() } else { path })
    }

    fn there(&self, path: &str) -> Result<There> {
        if path == "." || path == ".." || path.ends_with("/..") {
            return Ok(There::Folder);
        }
        let (root, below) = door(self.cx, path);
        let entry = self.cx.files().entry(self.cx, &root, &below)?;
        Ok(match entry.map(|entry| (entry.kind, entry.size)) {
            None => There::Nothing,
            Some((EntryKind::Folder, _)) => There::Folder,
            Some((EntryKind::File, size)) => There::File(size),
            Some(_) => {
                return Err(Error::config(format!("`{path}` is not a regular file"))
                    .hint("links, FIFOs, sockets and devices are never read"));
            }
        })
    }

    fn add(&mut self, path: &str, location: Option<&Location>) -> Result<()> {
        let at = |error: Error| match location {
            Some(location) => error.at(location.clone()),
            None => error,
        };
        if !self.reach.files.insert(path.to_owned()) {
            return Ok(());
        }
        if self.reach.files.len() > MOST_FILES {
            return Err(at(Error::config(format!("an overlay has more than {MOST_FILES} files"))));
        }
        if let There::File(size) = self.there(path).map_err(at)? {
            if size > LARGEST {
                return Err(at(Error::config(format!("`{path}` has more than {LARGEST} bytes"))));
            }
            self.bytes += size;
            if self.bytes > MOST_BYTES {
                return Err(at(Error::config(format!("an overlay has more than {MOST_BYTES} bytes"))));
            }
        }
        Ok(())
    }
}

/// Returns the documents of a text that is no path but what would be in the file.
fn inline(document: &Document, text: &str) -> Option<Vec<Document>> {
    let documents = shipway_yaml::parse(document.file.as_path(), text).ok()?;
    let known = |document: &Document| document.root.entries().is_some() || document.root.items().is_some();
    documents.iter().any(known).then_some(documents)
}

fn located(error: Error, location: &Location) -> Error {
    match error.report().location {
        Some(_) => error,
        None => error.at(location.clone()),
    }
}

fn join(folder: &str, name: &str) -> String {
    clean_path(&Path::new(folder).join(name).to_string_lossy())
}
