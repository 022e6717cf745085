//! Finds what a copy names and says where in the image it goes. Everything is read through the
//! context's door, which follows no link; so nothing outside a root can come into a layer.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use shipway_core::{Context, Entry, EntryKind, Error, IgnoreRules, Result, Tree, clean_path, glob_matches};
use shipway_oci::{Content, LayerEntry};

use super::{
    assembly::{Copy, Source},
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
    path: String,
    /// `None` for the root itself.
    entry: Option<Entry>,
    below: Vec<Entry>,
}

impl Root {
    fn matches(&self, cx: &Context, source: &Source) -> Result<Vec<Match>> {
        if source.path == "." {
            let mut below = self.walk(cx, source)?;
            self.add_parents(cx, "", &mut below)?;
            return Ok(vec![Match { path: String::new(), entry: None, below }]);
        }
        if source.is_pattern() { self.by_pattern(cx, source) } else { self.by_name(cx, source) }
    }

    fn by_name(&self, cx: &Context, source: &Source) -> Result<Vec<Match>> {
        let path = source.path.clone();
        let missing = || {
            Error::not_found(format!("`{path}` is not there"))
                .note(format!("looked for in `{}`", cx.path(&self.folder).display()))
        };
        let Some(entry) = cx.files().entry(cx, &self.folder, &path)? else {
            return Err(missing().hint("check the path; it begins at the artifact's context"));
        };
        let mut below = Vec::new();
        if entry.kind == EntryKind::Folder {
            below = self.walk(cx, source)?;
            below.retain(|entry| is_below(&entry.path, &path));
            self.add_parents(cx, &path, &mut below)?;
        }
        let excluded = below.is_empty() && IgnoreRules::new(&self.ignore)?.is_ignored(&path);
        if excluded {
            return Err(missing().hint("a `.dockerignore` file leaves it out"));
        }
        Ok(vec![Match { path, entry: Some(entry), below }])
    }

    /// Finds what matches as BuildKit does: the topmost paths that match as a whole.
    fn by_pattern(&self, cx: &Context, source: &Source) -> Result<Vec<Match>> {
        // A malformed pattern is an error also where there are no files.
        glob_matches(&source.path, "")?;
        let mut entries = self.walk(cx, source)?;
        self.add_parents(cx, "", &mut entries)?;
        let mut matches: Vec<Match> = Vec::new();
        for entry in entries {
            match matches.last_mut() {
                Some(last) if is_below(&entry.path, &last.path) => last.below.push(entry),
                _ if glob_matches(&source.path, &entry.path)? => {
                    matches.push(Match { path: entry.path.clone(), entry: Some(entry), below: Vec::new() });
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

    /// Adds the folders of kept files that are left out themselves: such a folder is there, with
    /// nothing else in it.
    fn add_parents(&self, cx: &Context, top: &str, entries: &mut Vec<Entry>) -> Result<()> {
        let mut known: BTreeMap<String, ()> = entries.iter().map(|entry| (entry.path.clone(), ())).collect();
        let mut missing = Vec::new();
        for entry in entries.iter() {
            let mut folder = parent(&entry.path);
            while !folder.is_empty() && folder != top && known.insert(folder.to_owned(), ()).is_none() {
                missing.push(folder.to_owned());
                folder = parent(folder);
            }
        }
        for folder in missing {
            // One that went away meanwhile has nothing to give.
            entries.extend(cx.files().entry(cx, &self.folder, &folder)?);
        }
        entries.sort_by(|a, b| a.path.split('/').cmp(b.path.split('/')));
        Ok(())
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
                // BuildKit follows it. Kept as it is, the image would have a link to nothing.
                Some(Entry { kind: EntryKind::Link(text), .. }) => {
                    return Err(Error::config(format!(
                        "`{}` is a link to `{text}`, and builder `native` follows no links",
                        found.path
                    ))
                    .hint("name what it leads to, copy the folder that holds both, or use `docker`, `buildkit` or `kaniko`"));
                }
                Some(entry) if !found.is_folder() => {
                    let name = found.path.rsplit('/').next().unwrap_or_default();
                    let target = if is_folder {
                        format!("{}/{name}", copy.destination)
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
    fn is_folder(&self) -> bool {
        self.entry.as_ref().is_none_or(|entry| entry.kind == EntryKind::Folder)
    }
}

fn is_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

/// Returns ignore patterns that leave out all but what the sources name, and of that what `ignore` says.
///
/// Where a pattern of `ignore` with stars takes more back in, that comes too.
pub(super) fn allow_list<'a>(
    sources: impl IntoIterator<Item = &'a Source>,
    ignore: &[String],
) -> Vec<String> {
    let sources: Vec<&Source> = sources.into_iter().collect();
    let Some(allowed) = sources.iter().map(|source| allowed(source)).collect::<Option<BTreeSet<String>>>()
    else {
        return ignore.to_vec();
    };
    let mut list = vec!["*".to_owned()];
    list.extend(allowed.into_iter().map(|pattern| format!("!{pattern}")));
    let counts = |pattern: &&String| match pattern.trim().strip_prefix('!') {
        Some(kept) => sources.iter().any(|source| may_meet(&source.path, &clean_path(kept))),
        None => true,
    };
    list.extend(ignore.iter().filter(counts).cloned());
    list
}

/// Returns whether something may be both, or below both, of what a source and an ignore pattern match;
/// true in doubt.
fn may_meet(source: &str, kept: &str) -> bool {
    let special = |c: char| c.is_ascii_punctuation() && !".-_".contains(c);
    let mut steps = source.split('/').zip(kept.split('/'));
    // Two stars lead anywhere; where both have a pattern, it is not worth finding out.
    kept.contains("**")
        || steps.all(|(source, kept)| {
            kept.contains(special)
                || source.contains(['[', '\\'])
                || glob_matches(source, kept).unwrap_or(true)
        })
}

/// Returns the ignore pattern that matches what a source names, or `None` for all.
fn allowed(source: &Source) -> Option<String> {
    match source.path.as_str() {
        _ if !source.sure => None,
        "." => None,
        path if source.is_pattern() => {
            let mut pattern = String::new();
            let mut last = None;
            for c in path.chars() {
                match c {
                    // To `COPY` two stars are as one.
                    '*' if last == Some('*') => {}
                    '*' | '?' => pattern.push(c),
                    // The two grammars write classes differently; all below the folder is enough.
                    '[' | '\\' => {
                        let head = parent(&path[..path.find(['*', '?', '[', '\\']).unwrap_or(0)]);
                        return (!head.is_empty()).then(|| literal(head));
                    }
                    c => pattern.push_str(&literal(c.encode_utf8(&mut [0; 4]))),
                }
                last = Some(c);
            }
            Some(pattern)
        }
        path => Some(literal(path)),
    }
}

/// Returns the pattern that means this very path.
fn literal(path: &str) -> String {
    let mut pattern = String::new();
    for c in path.chars() {
        match c {
            // Blanks at the end would be trimmed.
            c if c.is_whitespace() => pattern.extend(['[', c, ']']),
            '/' | '.' | '-' | '_' => pattern.push(c),
            c if c.is_ascii_punctuation() => pattern.extend(['\\', c]),
            c => pattern.push(c),
        }
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str) -> Source {
        Source::new(path, "the context").expect(path)
    }

    #[test]
    fn an_allow_list_means_the_very_paths() {
        for path in ["src", "a b", "a ", " a", "a]b", "!a", "#a", "a{1}", "a|b", "é", "a+b/c.d", "^a$"] {
            let rules = IgnoreRules::new(&allow_list([&source(path)], &[])).expect(path);
            assert!(!rules.is_ignored(path), "{path}");
            assert!(!rules.is_ignored(&format!("{path}/below")), "{path}");
            assert!(rules.is_ignored("other"), "{path}");
            assert!(rules.is_ignored(&format!("{path}x")), "{path}");
        }
    }

    #[test]
    fn what_is_taken_back_in_elsewhere_does_not_come() {
        let ignore = ["*.log", "!keep.log", "!a/keep.log", "!b", "!c/x", "!**/d", "!*.e"].map(str::to_owned);
        assert_eq!(
            allow_list([&source("a"), &source("b/x"), &source("c*/*")], &ignore),
            ["*", "!a", "!b/x", "!c*/*", "*.log", "!a/keep.log", "!b", "!c/x", "!**/d", "!*.e"]
        );
        assert_eq!(allow_list([&source("a"), &source(".")], &ignore), ignore);
    }

    #[test]
    fn a_pattern_allows_what_it_matches() {
        for (path, pattern) in [
            (".", None),
            ("*.go", Some("*.go")),
            ("src/**/b?*", Some("src/*/b?*")),
            ("a+*", Some("a\\+*")),
            ("a/b*/[x]", Some("a")),
            ("[x]/y", None),
            ("a/b\\*", Some("a")),
        ] {
            assert_eq!(allowed(&source(path)).as_deref(), pattern, "{path}");
        }
    }
}
