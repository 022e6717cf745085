//! A snapshot: every input of a task with a hash, at one moment. Equal snapshots, equal results.

use std::{collections::BTreeMap, iter::successors};

use serde::{Deserialize, Serialize};

use super::{
    foreign::{find_images, find_secrets},
    sources::Sources,
};
use crate::{Context, Digest, Fingerprint, ForeignImage, Inputs, Reason, Result, Store};

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
    /// A file is not read again, by the same driver or where the world has a cache by a later one, as long as it looks as
    /// it did when it was read: size, inode, mode, and when its content and its metadata changed, which must have been
    /// some seconds before.
    ///
    /// # Errors
    /// `NotFound` when a tree has no root or an image does not exist; `Cancelled` or `Timeout` when the
    /// task must stop; else when something cannot be read.
    pub async fn take(cx: &Context, inputs: &Inputs) -> Result<Self> {
        Ok(Self::take_each(cx, &[inputs]).await?.pop().unwrap_or_default())
    }

    /// Returns the snapshots of several declarations, in their order, as [`take`](Self::take) does for one; what
    /// several of them declare is looked at once: each folder, file, image and secret.
    ///
    /// # Errors
    /// Those of `take`. Files come first, then images, then secrets; of several errors in these it is that of the
    /// first declaration.
    pub async fn take_each(cx: &Context, declared: &[&Inputs]) -> Result<Vec<Self>> {
        // What a declaration was made from is one more.
        let chain = |inputs| successors(Some(inputs), |inputs: &&Inputs| inputs.listed_by.as_deref());
        let all: Vec<&Inputs> = declared.iter().flat_map(|inputs| chain(*inputs)).collect();
        let sources = Sources::of(cx, &all);
        let files = cx.blocking(move |cx| sources.hash(cx)).await?;
        let (images, secrets) = tokio::join!(find_images(cx, &all), find_secrets(cx, &all));
        let (images, secrets) = (images?, secrets?);
        let mut files = files.into_iter();
        let mut snapshots = Vec::with_capacity(declared.len());
        for inputs in declared {
            let (mut own, mut listed_by) = (Vec::new(), None);
            own.extend(chain(*inputs).zip(files.by_ref()));
            for (inputs, files) in own.into_iter().rev() {
                let mut snapshot = Self(files);
                for (name, fact) in &inputs.facts {
                    snapshot.set(format!("fact {name}"), fact);
                }
                for image in &inputs.images {
                    snapshot.set(image_key(image), images.get(image).map_or("", Digest::as_str));
                }
                for id in &inputs.secrets {
                    snapshot.set(format!("secret {id}"), secrets.get(id).map_or("", String::as_str));
                }
                if let Some(listed_by) = listed_by {
                    snapshot.set("listed by", Self::fingerprint(&listed_by).as_str());
                }
                listed_by = Some(snapshot);
            }
            snapshots.extend(listed_by);
        }
        Ok(snapshots)
    }

    /// Adds an input of core's own: the tag, the platforms, a required image, a subject.
    pub fn set(&mut self, key: impl Into<String>, hash: &str) {
        self.0.insert(key.into(), hash.to_owned());
    }

    /// Returns the inputs with their hashes.
    #[must_use]
    pub fn entries(&self) -> &BTreeMap<String, String> {
        &self.0
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

fn image_key(image: &ForeignImage) -> String {
    match &image.store {
        Store::Registry => format!("image {}", image.reference),
        Store::Daemon(endpoint) => format!("image {} in daemon {endpoint}", image.reference),
        Store::Layout(path) => format!("image {} in layout {}", image.reference, path.display()),
    }
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
