//! The files and folders of several declarations: each folder is walked once, and each file looked at and hashed
//! once.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::content::{Group, Item, hash_groups};
use crate::{Context, Entry, Error, ErrorKind, Inputs, Result, Tree};

/// What is to be looked at, and which declaration has what of it.
#[derive(Debug, Default)]
pub(super) struct Sources {
    files: Vec<PathBuf>,
    folders: Vec<Folder>,
    declared: Vec<Declared>,
}

/// A folder, with the lists of patterns that say what to leave out.
#[derive(Debug)]
struct Folder {
    root: PathBuf,
    lists: Vec<Vec<String>>,
}

/// What one declaration has: numbers of files, and of folders with their list.
#[derive(Debug, Default)]
struct Declared {
    files: Vec<usize>,
    trees: Vec<(usize, usize)>,
    rules: Vec<(String, String)>,
}

/// What a folder holds: what any of the lists keeps, and of each list the numbers of that.
struct Walked {
    entries: Vec<Entry>,
    lists: Vec<Vec<usize>>,
}

impl Sources {
    pub(super) fn of(cx: &Context, all: &[&Inputs]) -> Self {
        let mut sources = Self::default();
        let (mut files, mut folders, mut trees) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for inputs in all {
            let mut declared = Declared { rules: rules(cx, inputs), ..Declared::default() };
            for file in &inputs.files {
                let number = *files.entry(file).or_insert_with(|| {
                    sources.files.push(file.clone());
                    sources.files.len() - 1
                });
                declared.files.push(number);
            }
            for tree in &inputs.trees {
                let folder = *folders.entry(place(cx, &tree.root)).or_insert_with(|| {
                    sources.folders.push(Folder { root: tree.root.clone(), lists: Vec::new() });
                    sources.folders.len() - 1
                });
                let list = *trees.entry((folder, &tree.ignore)).or_insert_with(|| {
                    let lists = &mut sources.folders[folder].lists;
                    lists.push(tree.ignore.clone());
                    lists.len() - 1
                });
                declared.trees.push((folder, list));
            }
            sources.declared.push(declared);
        }
        sources
    }

    /// Returns the hashes of each declaration's files by their keys; blocking.
    pub(super) fn hash(&self, cx: &Context) -> Result<Vec<BTreeMap<String, String>>> {
        let hashes = self.hash_all(cx);
        if hashes.is_err() && self.declared.len() > 1 {
            // It is to be the first declaration's error, whatever was looked at first.
            for declared in &self.declared {
                self.only(declared).hash_all(cx)?;
            }
        }
        hashes
    }

    fn hash_all(&self, cx: &Context) -> Result<Vec<BTreeMap<String, String>>> {
        let found = self.files.iter().map(|file| find(cx, file)).collect::<Result<Vec<_>>>()?;
        let folders = self.folders.iter().map(|folder| folder.walk(cx)).collect::<Result<Vec<_>>>()?;
        let mut groups = vec![self.group_of_files(cx, &found)];
        for (folder, walked) in self.folders.iter().zip(&folders) {
            let entries = walked.entries.iter();
            let items = entries
                .map(|entry| Item { name: (&*entry.path).into(), root: &folder.root, entry })
                .collect();
            groups.push(Group { folder: place(cx, &folder.root), items });
        }
        let mut of_folders = hash_groups(cx, &groups)?;
        let mut of_found = of_folders.remove(0).into_iter();
        let of_files: Vec<Option<String>> =
            found.iter().map(|found| found.as_ref().and_then(|_| of_found.next().flatten())).collect();
        let keys: Vec<Keys> = self.folders.iter().map(|folder| Keys::below(cx, &folder.root)).collect();
        let of_one = |declared: &Declared| {
            let files = declared.files.iter().map(|file| {
                let hash = of_files[*file].as_deref().unwrap_or("missing");
                (file_key(cx, &self.files[*file]), hash.to_owned())
            });
            let trees = declared.trees.iter().flat_map(|&(folder, list)| {
                let (walked, hashes, keys) = (&folders[folder], &of_folders[folder], &keys[folder]);
                walked.lists[list].iter().filter_map(move |entry| {
                    Some((keys.of(&walked.entries[*entry].path), hashes[*entry].clone()?))
                })
            });
            files.chain(trees).chain(declared.rules.iter().cloned()).collect()
        };
        Ok(self.declared.iter().map(of_one).collect())
    }

    /// Returns the single files, wherever they are: they belong to the context's root.
    fn group_of_files<'a>(&self, cx: &Context, found: &'a [Option<(&'a Path, Entry)>]) -> Group<'a> {
        let item = |(root, entry): &'a (&'a Path, Entry)| {
            let place = place(cx, &root.join(&entry.path));
            let name = place.strip_prefix(cx.root()).unwrap_or(&place).display().to_string();
            Item { name: Cow::from(name), root, entry }
        };
        Group { folder: place(cx, Path::new("")), items: found.iter().flatten().map(item).collect() }
    }

    /// Returns what one declaration has.
    fn only(&self, declared: &Declared) -> Self {
        let folders = declared.trees.iter().map(|&(folder, list)| {
            let Folder { root, lists } = &self.folders[folder];
            Folder { root: root.clone(), lists: vec![lists[list].clone()] }
        });
        let files = declared.files.iter().map(|file| self.files[*file].clone()).collect();
        Self { files, folders: folders.collect(), declared: Vec::new() }
    }
}

/// Returns where a path is, in one way of writing it.
fn place(cx: &Context, path: &Path) -> PathBuf {
    cx.path(path).components().collect()
}

/// Returns a single file with the folder that it is in, or nothing when it is missing.
fn find<'a>(cx: &Context, file: &'a Path) -> Result<Option<(&'a Path, Entry)>> {
    let (folder, name) = (file.parent().unwrap_or(Path::new("")), file.file_name().unwrap_or_default());
    let Some(name) = name.to_str() else {
        return Err(
            Error::config(format!("the name of `{}` is not UTF-8", file.display())).hint("rename the file")
        );
    };
    match cx.files().entry(cx, folder, name) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        entry => Ok(entry?.map(|entry| (folder, entry))),
    }
}

impl Folder {
    fn walk(&self, cx: &Context) -> Result<Walked> {
        let mut lists = cx.files().walk_each(cx, &self.root, &self.lists)?;
        if let [_] = lists.as_slice() {
            let entries = lists.pop().unwrap_or_default();
            return Ok(Walked { lists: vec![(0..entries.len()).collect()], entries });
        }
        let mut all: Vec<(usize, Entry)> = Vec::new();
        for (list, entries) in lists.into_iter().enumerate() {
            all.extend(entries.into_iter().map(|entry| (list, entry)));
        }
        all.sort_by(|(_, a), (_, b)| a.path.cmp(&b.path));
        let mut walked = Walked { entries: Vec::new(), lists: vec![Vec::new(); self.lists.len()] };
        for (list, entry) in all {
            // A door may give unlike looks at one path, of which none is to be lost.
            if walked.entries.last() != Some(&entry) {
                walked.entries.push(entry);
            }
            walked.lists[list].push(walked.entries.len() - 1);
        }
        Ok(walked)
    }
}

/// Returns the rules of each folder that is declared; it may be so several times, each time with other rules.
fn rules(cx: &Context, inputs: &Inputs) -> Vec<(String, String)> {
    let mut rules: BTreeMap<String, Vec<&[String]>> = BTreeMap::new();
    for tree in &inputs.trees {
        rules.entry(format!("rules {}", tree_name(cx, tree))).or_default().push(&tree.ignore);
    }
    let text =
        |lists: Vec<&[String]>| serde_json::Value::from_iter(lists.into_iter().map(Vec::from)).to_string();
    rules.into_iter().map(|(key, lists)| (key, text(lists))).collect()
}

/// Returns the key of a file: below the root it does not tell where the root is, so that the same
/// sources have one fingerprint wherever they lie.
fn file_key(cx: &Context, path: &Path) -> String {
    let path = cx.path(path);
    let clean: PathBuf = path.strip_prefix(cx.root()).unwrap_or(&path).components().collect();
    format!("file {}", clean.display())
}

fn tree_name(cx: &Context, tree: &Tree) -> String {
    file_key(cx, &tree.root).trim_start_matches("file ").trim_start_matches("./").to_owned()
}

/// The keys of files below a folder, as [`file_key`] makes them, without making each path anew.
#[derive(Debug)]
struct Keys {
    prefix: String,
    /// The context's root, if it is below the folder.
    inner: Option<String>,
}

impl Keys {
    fn below(cx: &Context, folder: &Path) -> Self {
        let mut prefix = file_key(cx, folder);
        if !prefix.ends_with([' ', '/']) {
            prefix.push('/');
        }
        let inner = cx.root().strip_prefix(cx.path(folder)).ok();
        let inner = inner.map(|inner| inner.display().to_string()).filter(|inner| !inner.is_empty());
        Self { prefix, inner }
    }

    fn of(&self, path: &str) -> String {
        let inner = self.inner.as_ref().and_then(|inner| path.strip_prefix(inner.as_str()));
        match inner.map(|rest| (rest, rest.strip_prefix('/'))) {
            Some(("", _)) => "file ".to_owned(),
            Some((_, Some(below))) => format!("file {below}"),
            _ => [self.prefix.as_str(), path].concat(),
        }
    }
}
