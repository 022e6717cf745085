//! A snapshot: every input of a task with a hash, at one moment. Equal snapshots, equal results.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::content::hash_entries;
use crate::{Context, Error, ErrorKind, Fingerprint, Inputs, Reason, Result, Store, Tree};

/// The hash of every input by its key, such as `file web/main.rs`, `fact base` or `tag`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Snapshot(BTreeMap<String, String>);

impl Snapshot {
    /// Returns the snapshot of what is declared, as it is now.
    ///
    /// Files count with their content and permission bits, links with their text, and a declared file
    /// that is missing counts as missing. An image counts with the digest that its reference means
    /// now, a secret with its version.
    ///
    /// A file is not read again by the same driver as long as it looks as it did when it was read: size, inode, and
    /// when its content and its metadata changed, which must have been some seconds before.
    ///
    /// # Errors
    /// `NotFound` when a tree has no root or an image does not exist; `Cancelled` or `Timeout` when the
    /// task must stop; else when something cannot be read.
    pub async fn take(cx: &Context, inputs: &Inputs) -> Result<Self> {
        let declared = inputs.clone();
        let mut snapshot = cx.blocking(move |cx| Self::of_files(cx, &declared)).await?;
        for (name, fact) in &inputs.facts {
            snapshot.set(format!("fact {name}"), fact);
        }
        for image in &inputs.images {
            let found = cx.images().find(cx, &image.store, &image.reference).await?;
            let Some(found) = found else {
                return Err(Error::not_found(format!("there is no image `{}`", image.reference))
                    .hint("check the reference, and that the image was pushed"));
            };
            let key = match &image.store {
                Store::Registry => format!("image {}", image.reference),
                Store::Daemon(endpoint) => format!("image {} in daemon {endpoint}", image.reference),
                Store::Layout(path) => format!("image {} in layout {}", image.reference, path.display()),
            };
            snapshot.set(key, found.digest.as_str());
        }
        for id in &inputs.secrets {
            snapshot.set(format!("secret {id}"), &cx.secret(id).await?.version());
        }
        if let Some(listed_by) = &inputs.listed_by {
            let listed_by = Box::pin(Self::take(cx, listed_by)).await?;
            snapshot.set("listed by", listed_by.fingerprint().as_str());
        }
        Ok(snapshot)
    }

    fn of_files(cx: &Context, inputs: &Inputs) -> Result<Self> {
        let mut snapshot = Self::default();
        for file in &inputs.files {
            let (folder, name) =
                (file.parent().unwrap_or(Path::new("")), file.file_name().unwrap_or_default());
            let Some(name) = name.to_str() else {
                return Err(Error::config(format!("the name of `{}` is not UTF-8", file.display()))
                    .hint("rename the file"));
            };
            let entry = match cx.files().entry(cx, folder, name) {
                Err(error) if error.kind() == ErrorKind::NotFound => None,
                other => other?,
            };
            let hash = match entry {
                Some(entry) => hash_entries(cx, folder, &[entry])?.pop().flatten(),
                None => None,
            };
            snapshot.set(file_key(cx, file), hash.as_deref().unwrap_or("missing"));
        }
        let mut rules: BTreeMap<String, Vec<&[String]>> = BTreeMap::new();
        for tree in &inputs.trees {
            let entries = cx.files().walk(cx, tree)?;
            let hashes = hash_entries(cx, &tree.root, &entries)?;
            for (entry, hash) in entries.iter().zip(hashes) {
                if let Some(hash) = hash {
                    snapshot.set(file_key(cx, &tree.root.join(&entry.path)), &hash);
                }
            }
            rules.entry(format!("rules {}", tree_name(cx, tree))).or_default().push(&tree.ignore);
        }
        // A folder may be declared several times, each time with other rules.
        for (key, lists) in rules {
            snapshot.set(key, &serde_json::Value::from_iter(lists.into_iter().map(Vec::from)).to_string());
        }
        Ok(snapshot)
    }

    /// Adds an input of core's own: the tag, the platforms, a required image, a subject.
    pub fn set(&mut self, key: impl Into<String>, hash: &str) {
        self.0.insert(key.into(), hash.to_owned());
    }

    /// Returns the hash of the whole.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        let mut hasher = blake3::Hasher::new_derive_key("shipway 2026-11 fingerprint");
        for text in self.0.iter().flat_map(|(key, hash)| [key, hash]) {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        }
        Fingerprint::of(&hasher.finalize())
    }

    /// Returns why a result of the older snapshot does not hold any more: each input that is another,
    /// new or gone; empty when the two are equal.
    #[must_use]
    pub fn reasons(&self, older: &Self) -> Vec<Reason> {
        let changed = |(key, hash): (&String, &String)| (older.0.get(key) != Some(hash)).then(|| key.clone());
        let gone = older.0.keys().filter(|key| !self.0.contains_key(*key)).cloned();
        let mut keys: Vec<String> = self.0.iter().filter_map(changed).chain(gone).collect();
        keys.sort();
        keys.into_iter().map(Reason::Changed).collect()
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(pairs: &[(&str, &str)]) -> Snapshot {
        let mut snapshot = Snapshot::default();
        for (key, hash) in pairs {
            snapshot.set(*key, hash);
        }
        snapshot
    }

    #[test]
    fn reasons_name_what_changed_came_and_went() {
        let old = snapshot(&[("file a", "1"), ("file b", "1"), ("fact x", "1")]);
        let new = snapshot(&[("file a", "1"), ("file c", "1"), ("fact x", "2")]);
        let keys: Vec<String> = new.reasons(&old).iter().map(ToString::to_string).collect();
        assert_eq!(keys, ["fact x changed", "file b changed", "file c changed"]);
        assert!(old.reasons(&old).is_empty());
    }

    #[test]
    fn a_fingerprint_cannot_be_shifted_between_key_and_hash() {
        let one = snapshot(&[("ab", "c")]).fingerprint();
        let other = snapshot(&[("a", "bc")]).fingerprint();
        assert_ne!(one, other);
        assert_eq!(one, snapshot(&[("ab", "c")]).fingerprint());
    }
}
