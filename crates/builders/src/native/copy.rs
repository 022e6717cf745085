//! Copies from one tree to another as BuildKit does on disk: a port of fsutil's `copy.Copy` and of
//! `docopy` in BuildKit's `llbsolver/file`.

use std::{collections::HashMap, sync::Arc};

use shipway_core::{Error, IgnoreRules, Result, glob_matches};

use super::{
    chmod::ModeChange,
    tree::{Identity, Node, Tree, What, join, parent, steps},
};

/// How files are copied.
#[derive(Debug)]
pub(super) struct Copier<'a> {
    pub(super) from: &'a Tree,
    pub(super) to: &'a mut Tree,
    pub(super) owner: Option<(u64, u64)>,
    pub(super) mode: Option<&'a ModeChange>,
    /// What is copied of what is below a source; all by default.
    pub(super) include: Option<IgnoreRules>,
    pub(super) exclude: Option<IgnoreRules>,
    /// What the new names of files are that have several, for one source at a time.
    names: HashMap<Identity, Arc<Node>>,
    /// The folders above, of which some wait until something below them is copied.
    above: Vec<Above>,
}

#[derive(Debug)]
struct Above {
    from: String,
    to: String,
    made: bool,
}

impl<'a> Copier<'a> {
    pub(super) fn new(from: &'a Tree, to: &'a mut Tree) -> Self {
        let (names, above) = (HashMap::new(), Vec::new());
        Self { from, to, owner: None, mode: None, include: None, exclude: None, names, above }
    }

    /// Copies what is at a path, in which no pattern is left, and returns whether the destination itself
    /// is now a file.
    pub(super) fn copy(&mut self, source: &str, destination: &str) -> Result<bool> {
        let folder_mode = self.mode.map_or(0o755, ModeChange::of_new_folders);
        // A path without a `/` at its end may become a file, in a folder that must be there.
        let must_be = if destination.ends_with('/') { destination } else { parent(destination) };
        let must_be = self.to.resolve("", must_be)?;
        self.to.make_folders(&must_be, folder_mode, self.owner)?;

        let mut place = self.to.resolve("", destination)?;
        let found = self.from.resolve("", source)?;
        let Some(node) = self.from.node(&found)? else {
            return Err(Error::not_found(format!("`{}` is not there", shown(source))));
        };
        let there = self.to.node(&place)?;
        let below = !node.is_folder() && there.as_ref().is_some_and(|there| there.is_folder());
        if below {
            // The name is that of the link, if one led there.
            place = join(&place, steps(source).first().map_or("", String::as_str));
        }
        let folder = if node.is_folder() && there.is_none() { place.as_str() } else { parent(&place) };
        self.to.make_folders(folder, folder_mode, self.owner)?;
        self.names.clear();
        self.above.clear();
        self.one(&found, &node, "", &place, false)?;
        Ok(!node.is_folder() && !below)
    }

    fn one(&mut self, from: &str, node: &Arc<Node>, below: &str, to: &str, overwrite: bool) -> Result<()> {
        let included = below.is_empty()
            || self.include.as_ref().is_none_or(|rules| rules.is_ignored(below))
                && !self.exclude.as_ref().is_some_and(|rules| rules.is_ignored(below));
        if included {
            self.make_above()?;
        }
        if node.is_folder() {
            return self.folder(from, node, below, to, overwrite, included);
        }
        if !included {
            return Ok(());
        }
        if self.to.node(to)?.is_some_and(|there| there.is_folder()) {
            return Err(Error::config(format!("`/{to}` is a folder in the image, and the copy is none"))
                .hint("copy to another path, or end the path with `/` to copy into the folder"));
        }
        if matches!(node.what, What::Odd) {
            return Err(Error::config(format!("`{from}` is a FIFO, a socket or a device"))
                .hint("remove it, or leave it out with a `.dockerignore` file"));
        }
        let identity = match node.what {
            What::File(_) => self.from.identity(from)?,
            _ => None,
        };
        let new = match identity {
            Some(identity) => {
                let new = self.changed(node);
                Arc::clone(self.names.entry(identity).or_insert_with(|| Arc::new(new)))
            }
            None => Arc::new(self.changed(node)),
        };
        self.to.put(to.to_owned(), new)
    }

    fn folder(
        &mut self,
        from: &str,
        node: &Arc<Node>,
        below: &str,
        to: &str,
        overwrite: bool,
        included: bool,
    ) -> Result<()> {
        if included {
            self.make_folder(node, to, overwrite)?;
        }
        self.above.push(Above { from: from.to_owned(), to: to.to_owned(), made: included });
        for name in self.from.names(from)? {
            let path = join(from, &name);
            let Some(child) = self.from.node(&path)? else { continue };
            self.one(&path, &child, &join(below, &name), &join(to, &name), true)?;
        }
        self.above.pop();
        Ok(())
    }

    fn make_above(&mut self) -> Result<()> {
        for index in 0..self.above.len() {
            if self.above[index].made {
                continue;
            }
            self.above[index].made = true;
            let (from, to) = (self.above[index].from.clone(), self.above[index].to.clone());
            if let Some(node) = self.from.node(&from)? {
                self.make_folder(&node, &to, false)?;
            }
        }
        Ok(())
    }

    fn make_folder(&mut self, node: &Node, to: &str, overwrite: bool) -> Result<()> {
        match self.to.node(to)? {
            Some(there) if !there.is_folder() => {
                return Err(Error::config(format!(
                    "`/{to}` is not a folder in the image, and the copy is one"
                ))
                .hint("copy to another path"));
            }
            // The folder that is copied to keeps what it has; those below become as they are copied.
            Some(_) if !overwrite || to.is_empty() => return Ok(()),
            _ => {}
        }
        let new = self.changed(node);
        self.to.put(to.to_owned(), Arc::new(new))
    }

    /// Returns the node with the owner and mode that it is to have.
    fn changed(&self, node: &Node) -> Node {
        let mut new = node.clone();
        if let Some((uid, gid)) = self.owner {
            (new.uid, new.gid) = (uid, gid);
        }
        if let Some(mode) = self.mode.filter(|_| !matches!(node.what, What::Link(_))) {
            new.mode = mode.apply(node.mode, node.is_folder());
        }
        new
    }
}

/// Returns the paths that a source names: itself, or the topmost ones that match, when it is a pattern
/// of Go's `filepath.Match`; or `None` where there is no folder that the pattern could match in. The
/// links in front of the first step that is a pattern are followed.
pub(super) fn matches(tree: &Tree, source: &str) -> Result<Option<Vec<String>>> {
    let mut all = steps(source);
    all.reverse();
    let Some(first) = all.iter().position(|step| is_pattern(step)) else {
        return Ok(Some(vec![source.to_owned()]));
    };
    let folder = tree.resolve("", &all[..first].join("/"))?;
    let pattern = all[first..].join("/");
    // A malformed pattern is an error also where there are no files.
    glob_matches(&pattern, "")?;
    if tree.node(&folder)?.is_none() {
        return Ok(None);
    }
    let mut found = Vec::new();
    collect(tree, &folder, "", &pattern, pattern.matches('/').count(), &mut found)?;
    Ok(Some(found))
}

fn collect(
    tree: &Tree,
    folder: &str,
    below: &str,
    pattern: &str,
    depth: usize,
    found: &mut Vec<String>,
) -> Result<()> {
    for name in tree.names(folder)? {
        let (path, below) = (join(folder, &name), join(below, &name));
        if glob_matches(pattern, &below)? {
            found.push(path);
        } else if depth > 0 && tree.node(&path)?.is_some_and(|node| node.is_folder()) {
            collect(tree, &path, &below, pattern, depth - 1, found)?;
        }
    }
    Ok(())
}

/// Returns whether a step is a pattern (fsutil, `containsWildcards`).
fn is_pattern(step: &str) -> bool {
    let mut rest = step.chars();
    while let Some(c) = rest.next() {
        match c {
            '\\' => drop(rest.next()),
            '*' | '?' | '[' => return true,
            _ => {}
        }
    }
    false
}

/// Returns a source as people write it.
fn shown(source: &str) -> &str {
    match source.trim_matches('/') {
        "" => "/",
        trimmed => trimmed,
    }
}
