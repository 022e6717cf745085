//! A repository of charts that is a folder: archives, and `index.yaml`, which says what there is.

use std::{
    cmp::{Ordering, Reverse},
    io::{self, Read as _},
    path::Path,
    time::Duration,
};

use serde_json::{Value, json};
use shipway_core::{Context, Disk, Error, ErrorKind, Result, Timestamp, publish};
use shipway_yaml::{Node, Style, parse, rewrite};

use super::{
    super::{archive::LARGEST, json::sorted, version::Version},
    HelmChart,
};

const INDEX: &str = "index.yaml";

/// Kept while the index is read and written, so that two who publish lose nothing.
const LOCK: &str = ".index.yaml.lock";

/// A larger index is none that helm would read in bearable time.
const LARGEST_INDEX: usize = 64 * 1024 * 1024;

/// How long another may take who publishes at the same time.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(20);

impl HelmChart {
    /// Publishes the chart in a folder that is, or then is, a repository of charts: its archive, and an entry in
    /// `index.yaml`, the newest version first. Whatever else the index says stays as it is written.
    ///
    /// Several may publish at the same time, and each file is replaced as a whole, the index at the end.
    ///
    /// # Errors
    /// `Conflict` when there is another chart of this version; `Config` when the index is none; those of the disk.
    pub async fn publish(&self, cx: &Context, folder: &Path) -> Result<()> {
        let begun = cx.clock().elapsed();
        loop {
            let (chart, place) = (self.clone(), folder.to_owned());
            if cx.blocking(move |cx| chart.publish_now(cx, &place)).await? {
                return Ok(());
            }
            if cx.clock().elapsed() > begun + PATIENCE {
                return Err(Error::new(ErrorKind::Unavailable, "somebody else publishes all the time")
                    .note(format!("`{}` is locked", folder.join(LOCK).display())));
            }
            cx.sleep(PAUSE).await?;
        }
    }

    /// Publishes it, or returns `false` while somebody else does.
    fn publish_now(&self, cx: &Context, folder: &Path) -> Result<bool> {
        let (disk, folder) = (cx.disk().as_ref(), cx.path(folder));
        disk.create_dir(&folder).map_err(|error| Error::io("make", &folder, error))?;
        let lock = folder.join(LOCK);
        let Some(held) = disk.lock(&lock).map_err(|error| Error::io("lock", &lock, error))? else {
            return Ok(false);
        };
        let (index, archive) = (folder.join(INDEX), folder.join(self.file_name()));
        let text = read(disk, &index, LARGEST_INDEX)?.map(String::from_utf8).transpose();
        let text = text.map_err(|_| Error::config(format!("`{}` is not UTF-8", index.display())))?;
        let merged = self.merged(&index, text.as_deref(), cx.clock().now())?;
        match read(disk, &archive, LARGEST)? {
            Some(found) if found == *self.archive() => {}
            // In the index it is not, or it is to be replaced.
            Some(_) if !self.replace => return Err(self.other(&archive)),
            _ => put(disk, &archive, self.archive())?,
        }
        if let Some(merged) = merged {
            put(disk, &index, merged.as_bytes())?;
        }
        // The folder is what others see. Who waits for the lock makes another file.
        let _ = disk.remove(&lock);
        drop(held);
        Ok(true)
    }

    /// Returns the index with this chart; none where it has it.
    fn merged(&self, file: &Path, text: Option<&str>, now: Timestamp) -> Result<Option<String>> {
        let entry = node(&self.entry(now));
        let generated = node(&json!(now.to_string()));
        let Some(text) = text else {
            let index = json!({
                "apiVersion": "v1",
                "entries": {self.name(): [self.entry(now)]},
                "generated": now.to_string(),
            });
            return node(&index).to_yaml().map(Some);
        };
        let mut documents = parse(file, text)?;
        let [document] = documents.as_mut_slice() else {
            return Err(not_an_index(file));
        };
        // helm: `ErrNoAPIVersion`.
        if document.root.get("apiVersion").and_then(Node::text).is_none_or(str::is_empty) {
            return Err(not_an_index(file));
        }
        let entries = child(&mut document.root, "entries", || Node::mapping(Vec::new()));
        let versions =
            child(entries.ok_or_else(|| not_an_index(file))?, self.name(), || Node::sequence(Vec::new()));
        let versions = versions.and_then(Node::items_mut).ok_or_else(|| not_an_index(file))?;
        let known = versions.iter_mut().find(|one| text_of(one, "version") == self.version());
        match known {
            Some(known) if text_of(known, "digest").trim_start_matches("sha256:") == self.hex() => {
                return Ok(None);
            }
            Some(_) if !self.replace => return Err(self.other(file)),
            Some(known) => *known = entry,
            None => versions.push(entry),
        }
        // helm: `SortEntries`; what is no version comes last.
        versions.sort_by(|one, other| newest_first(text_of(one, "version"), text_of(other, "version")));
        if let Some(node) = child(&mut document.root, "generated", || generated.clone()) {
            *node = generated;
        }
        rewrite(file, text, &documents).map(Some)
    }

    /// Returns what the index says of the chart (pkg/repo, `ChartVersion`).
    fn entry(&self, now: Timestamp) -> Value {
        let mut entry = self.metadata.to_json();
        entry["urls"] = json!([self.file_name()]);
        entry["created"] = json!(now.to_string());
        entry["digest"] = json!(self.hex());
        sorted(entry)
    }

    /// Returns the digest as helm's index has it.
    pub(super) fn hex(&self) -> &str {
        self.digest().trim_start_matches("sha256:")
    }

    fn other(&self, place: &Path) -> Error {
        let (name, version) = (self.name(), self.version());
        Error::conflict(format!("`{}` has another chart `{name} {version}`", place.display()))
            .hint("give this one another version, or let it replace the other")
    }
}

fn newest_first(one: &str, other: &str) -> Ordering {
    let key = |version: &str| Reverse(Version::parse(version));
    key(one).cmp(&key(other))
}

fn not_an_index(file: &Path) -> Error {
    Error::config(format!("`{}` is no index of a repository of charts", file.display()))
        .hint("make it with `helm repo index`, or take it away")
}

fn text_of<'a>(node: &'a Node, key: &str) -> &'a str {
    node.get(key).and_then(Node::text).unwrap_or_default()
}

/// Returns the value of a key, which is made where there is none or nothing; none where that is in no mapping.
fn child<'a>(node: &'a mut Node, key: &str, make: impl Fn() -> Node) -> Option<&'a mut Node> {
    let entries = node.entries_mut()?;
    let at = entries.iter().position(|(name, _)| name.text() == Some(key));
    let at = at.unwrap_or_else(|| {
        entries.push((Node::scalar(key, Style::DoubleQuoted), make()));
        entries.len() - 1
    });
    let value = &mut entries[at].1;
    if value.is_null() {
        *value = make();
    }
    Some(value)
}

/// Returns JSON as a tree.
fn node(value: &Value) -> Node {
    match value {
        Value::String(text) => Node::scalar(text.as_str(), Style::DoubleQuoted),
        Value::Array(items) => Node::sequence(items.iter().map(node).collect()),
        Value::Object(fields) => {
            let entry = |(key, value): (&String, &Value)| {
                (Node::scalar(key.as_str(), Style::DoubleQuoted), node(value))
            };
            Node::mapping(fields.iter().map(entry).collect())
        }
        other => Node::scalar(other.to_string(), Style::Plain),
    }
}

/// Returns a file's content, if there is one.
fn read(disk: &dyn Disk, path: &Path, limit: usize) -> Result<Option<Vec<u8>>> {
    let mut content = Vec::new();
    match disk.open(path).and_then(|file| file.take(limit as u64 + 1).read_to_end(&mut content)) {
        Ok(size) if size > limit => {
            Err(Error::config(format!("`{}` has more than {limit} bytes", path.display())))
        }
        Ok(_) => Ok(Some(content)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("read", path, error)),
    }
}

fn put(disk: &dyn Disk, path: &Path, content: &[u8]) -> Result<()> {
    publish(disk, path, |file| file.write_all(content)).map_err(|error| Error::io("write", path, error))
}
