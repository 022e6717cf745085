//! Finds what a copy names and says where in the image it goes. Everything is read through the
//! context's door, which follows no link; so nothing outside a root can come into a layer.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use shipway_core::{Context, Entry, EntryKind, Error, IgnoreRules, Result, Tree, clean_path, glob_matches};
use shipway_oci::{Content, LayerEntry};

use super::{
    allow_list::allow_list,
    assembly::{Copy, SPECIAL, Source},
    follow::follow,
    rootfs::{Rootfs, parent},
};

/// A folder that files are copied from.
#[derive(Debug)]
pub(super) struct Root {
    pub(super) folder: Arc<Path>,
    /// Patterns of what is as if it were not there.
    pub(super) ignore: Vec<String>,
    /// Whether modes are only 0755 and 0644, because a command made the files under some umask.
    pub(super) plain_modes: bool,
}

/// Something that a source names.
struct Match {
    /// The name that it has in a folder that it is copied to: that of the link, if one led there.
    name: String,
    /// Empty for the root itself.
    path: String,
    /// `None` for the root itself.
    entry: Option<Entry>,
    below: Vec<Entry>,
}

impl Root {
    pub(super) fn new(folder: &Path, ignore: Vec<String>, plain_modes: bool) -> Self {
        Self { folder: Arc::from(folder), ignore, plain_modes }
    }

    fn matches(&self, cx: &Context, source: &Source) -> Result<Vec<Match>> {
        if !source.is_pattern() {
            return Ok(vec![self.named(cx, &source.path)?]);
        }
        let (pattern, links) = self.lead_on(cx, source)?;
        if self.leaves_out(&links)? {
            return Ok(Vec::new());
        }
        let mut matches = self.topmost(cx, &pattern)?;
        for found in &mut matches {
            if found.link().is_some() {
                *found = self.named(cx, &found.path)?;
            }
        }
        Ok(matches)
    }

    /// Returns the sources that count besides this one: the links on the way to what it names, and
    /// where they lead.
    pub(super) fn behind(&self, cx: &Context, source: &Source) -> Result<Vec<Source>> {
        if !source.sure {
            return Ok(Vec::new());
        }
        let mut behind = Vec::new();
        let mut add = |path: &str| -> Result<()> {
            let found = follow(cx, &self.folder, path)?;
            if !found.links.is_empty() {
                behind.extend(found.links.into_iter().chain([found.path]).map(Source::found));
            }
            Ok(())
        };
        if !source.is_pattern() {
            add(&source.path)?;
            return Ok(behind);
        }
        let (pattern, links) = self.lead_on(cx, source)?;
        for found in self.topmost(cx, &pattern)? {
            if let Some(link) = found.link() {
                add(link)?;
            }
        }
        if !links.is_empty() {
            behind.extend(links.into_iter().map(Source::found).chain([pattern]));
        }
        Ok(behind)
    }

    /// Finds what a path leads to.
    fn named(&self, cx: &Context, path: &str) -> Result<Match> {
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        let found = follow(cx, &self.folder, path)?;
        let missing = || {
            let mut error = Error::not_found(format!("`{path}` is not there"));
            if let Some(link) = found.links.last() {
                let place = &found.path;
                error = error.note(format!("the link `{link}` leads to `{place}`: never out of the context"));
            }
            error.note(format!("looked for in `{}`", cx.path(&self.folder).display()))
        };
        let ignored = || missing().hint("a `.dockerignore` file leaves it out");
        if self.leaves_out(&found.links)? {
            return Err(ignored());
        }
        if found.path == "." {
            let below = self.walk(cx, &Source::found(found.path))?;
            return Ok(Match { name, path: String::new(), entry: None, below });
        }
        let Some(entry) = found.entry.clone() else {
            return Err(missing().hint("check the path; it begins at the artifact's context"));
        };
        let mut below = Vec::new();
        if entry.kind == EntryKind::Folder {
            below = self.walk(cx, &Source::found(entry.path.clone()))?;
            below.retain(|below| is_below(&below.path, &entry.path));
        }
        if below.is_empty() && self.leaves_out(std::slice::from_ref(&entry.path))? {
            return Err(ignored());
        }
        Ok(Match { name, path: entry.path.clone(), entry: Some(entry), below })
    }

    /// Returns whether one of these is as if it were not there.
    fn leaves_out(&self, paths: &[String]) -> Result<bool> {
        let rules = IgnoreRules::new(&self.ignore)?;
        Ok(paths.iter().any(|path| rules.is_ignored(path)))
    }

    /// Follows the links in the folder before a pattern's first special character; also returns them.
    fn lead_on(&self, cx: &Context, pattern: &Source) -> Result<(Source, Vec<String>)> {
        let text = &pattern.path;
        let head = parent(&text[..text.find(SPECIAL).unwrap_or(0)]);
        let found = follow(cx, &self.folder, head)?;
        if found.links.is_empty() {
            return Ok((pattern.clone(), Vec::new()));
        }
        let mut led = String::new();
        for c in found.path.chars().filter(|_| found.path != ".") {
            led.extend(SPECIAL.contains(&c).then_some('\\'));
            led.push(c);
        }
        led.push_str(&text[head.len()..]);
        Ok((Source::found(led.trim_start_matches('/').to_owned()), found.links))
    }

    /// Finds what matches as BuildKit does: the topmost paths that match as a whole.
    fn topmost(&self, cx: &Context, pattern: &Source) -> Result<Vec<Match>> {
        // A malformed pattern is an error also where there are no files.
        glob_matches(&pattern.path, "")?;
        let mut matches: Vec<Match> = Vec::new();
        for entry in self.walk(cx, pattern)? {
            match matches.last_mut() {
                Some(last) if is_below(&entry.path, &last.path) => last.below.push(entry),
                _ if glob_matches(&pattern.path, &entry.path)? => {
                    let name = entry.path.rsplit('/').next().unwrap_or_default().to_owned();
                    let path = entry.path.clone();
                    matches.push(Match { name, path, entry: Some(entry), below: Vec::new() });
                }
                _ => {}
            }
        }
        Ok(matches)
    }

    /// Returns what is kept of what a source names, and maybe more, sorted so that what is below
    /// another comes right after it.
    fn walk(&self, cx: &Context, source: &Source) -> Result<Vec<Entry>> {
        let tree = Tree::new(self.folder.as_ref()).ignore(allow_list([source], &self.ignore));
        let mut entries = cx.files().walk(cx, &tree)?;
        entries.sort_by(|a, b| a.path.split('/').cmp(b.path.split('/')));
        Ok(entries)
    }

    /// Returns the entry of a layer for an entry here.
    fn layer_entry(
        &self,
        cx: &Context,
        place: &str,
        entry: &Entry,
        copy: &Copy,
        mtime: u64,
    ) -> Result<LayerEntry> {
        let mode = match (copy.mode, &entry.kind) {
            (_, EntryKind::Link(_)) => 0o777,
            (Some(mode), _) => mode.bits(),
            (None, EntryKind::Folder) if self.plain_modes => 0o755,
            (None, _) if self.plain_modes => {
                if entry.mode & 0o111 == 0 {
                    0o644
                } else {
                    0o755
                }
            }
            (None, _) => entry.mode,
        };
        let made = match &entry.kind {
            EntryKind::File => {
                LayerEntry::file(place, Arc::clone(&self.folder), entry.path.as_str(), entry.size)
            }
            EntryKind::Folder => LayerEntry::folder(place),
            EntryKind::Link(text) => LayerEntry::link(place, text.as_str()),
            // The enum is open; what is none of these has no form in an image.
            _ => {
                let place = cx.path(&self.folder).join(&entry.path);
                return Err(Error::config(format!("`{}` is a FIFO, a socket or a device", place.display()))
                    .hint("remove it, or leave it out with a `.dockerignore` file"));
            }
        };
        let (user, group) = (copy.owner.user, copy.owner.group);
        Ok(made.mode(mode).owner(user.into(), group.into()).mtime(mtime))
    }
}

/// The entries of one layer, by their path in the image.
#[derive(Debug, Default)]
pub(super) struct Layer(BTreeMap<String, LayerEntry>);

impl Layer {
    pub(super) fn into_entries(self) -> Vec<LayerEntry> {
        self.0.into_values().collect()
    }

    /// Adds an entry; what is there already is replaced by its like only, as in BuildKit (fsutil, "cannot
    /// replace to directory with file" and "cannot copy to non-directory").
    fn put(&mut self, rootfs: &mut Rootfs, entry: LayerEntry) -> Result<()> {
        let is_folder = matches!(entry.content, Content::Folder);
        match rootfs.holds_folder(&entry.path)? {
            Some(true) if !is_folder => {
                return Err(Error::config(format!(
                    "`/{}` is a folder in the image, and the copy is none",
                    entry.path
                ))
                .hint("copy to another path, or end the path with `/` to copy into the folder"));
            }
            Some(false) if is_folder => {
                return Err(Error::config(format!(
                    "`/{}` is not a folder in the image, and the copy is one",
                    entry.path
                ))
                .hint("copy to another path"));
            }
            _ => {}
        }
        rootfs.add(&entry);
        self.0.insert(entry.path.clone(), entry);
        Ok(())
    }

    /// Makes a folder and those above it, where they are missing, with mode 0755 as Docker does.
    pub(super) fn folder(
        &mut self,
        rootfs: &mut Rootfs,
        path: &str,
        owner: (u64, u64),
        mtime: u64,
    ) -> Result<String> {
        let (place, _) = rootfs.resolve(path)?;
        let ends = place.match_indices('/').map(|(end, _)| end).chain([place.len()]);
        for end in ends.filter(|end| *end > 0) {
            let (folder, is_folder) = rootfs.resolve(&place[..end])?;
            if !is_folder {
                self.put(rootfs, LayerEntry::folder(folder).owner(owner.0, owner.1).mtime(mtime))?;
            }
        }
        Ok(place)
    }

    /// Adds what a copy copies.
    pub(super) fn copy(
        &mut self,
        cx: &Context,
        root: &Root,
        copy: &Copy,
        source: &Source,
        rootfs: &mut Rootfs,
        mtime: u64,
    ) -> Result<()> {
        let owner = (copy.owner.user.into(), copy.owner.group.into());
        let matches = root.matches(cx, source)?;
        let is_folder = copy.destination.ends_with('/') || rootfs.resolve(&copy.destination)?.1;
        let files = matches.iter().filter(|found| !found.is_folder()).count();
        if files > 1 && !is_folder {
            return Err(Error::config(format!(
                "`{}` matches several files, which cannot be copied to the one path `{}`",
                source.path, copy.destination
            ))
            .hint(format!("end it with `/` to mean a folder: `{}/`", copy.destination)));
        }
        for found in &matches {
            match &found.entry {
                Some(entry) if !found.is_folder() => {
                    let target = if is_folder {
                        format!("{}/{}", copy.destination, found.name)
                    } else {
                        copy.destination.clone()
                    };
                    let target = clean_path(&target);
                    let folder = self.folder(rootfs, parent(&target), owner, mtime)?;
                    let name = target.rsplit('/').next().unwrap_or_default();
                    let place = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
                    let entry = root.layer_entry(cx, &place, entry, copy, mtime)?;
                    self.put(rootfs, entry)?;
                }
                _ => {
                    let folder = self.folder(rootfs, &copy.destination, owner, mtime)?;
                    self.copy_below(cx, root, copy, found, &folder, rootfs, mtime)?;
                }
            }
        }
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "what a copy is made of")]
    fn copy_below(
        &mut self,
        cx: &Context,
        root: &Root,
        copy: &Copy,
        found: &Match,
        folder: &str,
        rootfs: &mut Rootfs,
        mtime: u64,
    ) -> Result<()> {
        for entry in &found.below {
            let below = entry.path[found.path.len()..].trim_start_matches('/');
            let wanted = if folder.is_empty() { below.to_owned() } else { format!("{folder}/{below}") };
            // A folder of the image that is a link leads on; a file in the place of one replaces it.
            let (above, _) = rootfs.resolve(parent(&wanted))?;
            let name = wanted.rsplit('/').next().unwrap_or_default();
            let mut place = if above.is_empty() { name.to_owned() } else { format!("{above}/{name}") };
            if entry.kind == EntryKind::Folder {
                let (resolved, is_folder) = rootfs.resolve(&place)?;
                if is_folder && resolved != place {
                    continue;
                }
                place = resolved;
            }
            let entry = root.layer_entry(cx, &place, entry, copy, mtime)?;
            self.put(rootfs, entry)?;
        }
        Ok(())
    }
}

impl Match {
    /// Returns the path of what is a link.
    fn link(&self) -> Option<&str> {
        self.entry
            .as_ref()
            .filter(|entry| matches!(entry.kind, EntryKind::Link(_)))
            .map(|_| self.path.as_str())
    }

    fn is_folder(&self) -> bool {
        self.entry.as_ref().is_none_or(|entry| entry.kind == EntryKind::Folder)
    }
}

fn is_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}
