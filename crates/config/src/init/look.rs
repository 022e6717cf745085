//! The look through a folder.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read as _,
};

use shipway_core::{Context, Error, Location, Result};
use shipway_yaml::Limits;

use super::{
    dockerfile,
    folders::{Folders, open_file, said},
    found::{Found, ProjectKind, Unsupported, folder_of, name_of},
    kustomization,
    manifest::{self, Contents},
    names, project,
};
use crate::{Notice, skaffold::repository};

/// What is read of a file that is known by how it begins, in bytes.
const BEGINNING: usize = 64 * 1024;

/// The largest file of manifests or of a project that is read, in bytes.
const LARGEST: usize = 4 * 1024 * 1024;

/// Looks through the folder of a context: at the files that are not hidden and that no `.gitignore` leaves out, without
/// `node_modules`, `target` and `vendor`, sixteen folders deep and at 100,000 of them at most. Links are not
/// followed, and nothing is run.
///
/// A `.dockerignore` does not count: it says what an image does not need, such as manifests.
///
/// ```no_run
/// use shipway_config::init::{Choices, look, write};
/// use shipway_core::{Cancel, RunContext, World};
///
/// # async fn first() -> shipway_core::Result<()> {
/// let cx = RunContext::new(World::host("/sources"), "init").context(None, None, Cancel::new());
/// let initial = write(&look(&cx).await?, &Choices::default())?;
/// assert!(initial.text.starts_with("apiVersion: skaffold/"));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the folder itself cannot be listed, and when the task must stop. What else cannot be read is a notice of
/// what is found.
pub async fn look(cx: &Context) -> Result<Found> {
    cx.blocking(|cx| {
        let mut folders = Folders::list(cx)?;
        let name = cx.root().file_name().and_then(|name| names::release(&name.to_string_lossy()));
        let notices = std::mem::take(&mut folders.notices);
        let limits = Limits::default();
        let mut look = Look { cx, limits, found: Found { name, notices, ..Found::default() } };
        look.dockerfiles(&folders)?;
        look.projects(&folders)?;
        look.manifests(&folders)?;
        Ok(look.found)
    })
    .await
}

struct Look<'a> {
    cx: &'a Context,
    limits: Limits,
    found: Found,
}

impl Look<'_> {
    fn dockerfiles(&mut self, folders: &Folders) -> Result<()> {
        for path in folders.files.iter().filter(|path| dockerfile::is_name(name_of(path))) {
            if self.begins(path)?.is_some_and(|text| dockerfile::begins(&text)) {
                self.found.dockerfiles.push(path.clone());
            }
        }
        Ok(())
    }

    fn projects(&mut self, folders: &Folders) -> Result<()> {
        let mut projects: BTreeMap<String, Vec<ProjectKind>> = BTreeMap::new();
        for path in &folders.files {
            let kinds = project::kinds(path, || self.begins(path).ok().flatten());
            if !kinds.is_empty() {
                projects.insert(path.clone(), kinds);
            }
        }
        self.cx.check_stopped()?;
        let text = |path: &str| read(self.cx, path, BEGINNING).ok().map(|read| read.0);
        projects.extend(project::programs(folders, text));
        for path in &folders.files {
            for kind in projects.remove(path).unwrap_or_default() {
                self.found.unsupported.push(Unsupported { path: path.clone(), kind });
            }
        }
        Ok(())
    }

    fn manifests(&mut self, folders: &Folders) -> Result<()> {
        let charts: BTreeSet<&str> = folders
            .files
            .iter()
            .filter(|path| name_of(path) == "Chart.yaml")
            .map(|path| folder_of(path))
            .collect();
        let mut reached = BTreeSet::new();
        for path in &folders.files {
            let kind = match path {
                path if name_of(path) == "Chart.yaml" => ProjectKind::Helm,
                path if kustomization::is_name(path) => ProjectKind::Kustomize,
                _ => continue,
            };
            if is_of_chart(path, &charts) {
                continue;
            }
            if kind == ProjectKind::Kustomize
                && let Some(text) = self.whole(path)?
            {
                kustomization::reach(path, &text, &self.limits, &mut reached);
            }
            self.found.unsupported.push(Unsupported { path: path.clone(), kind });
        }
        let mut images = BTreeSet::new();
        for path in folders.files.iter().filter(|path| manifest::is_name(path)) {
            if kustomization::is_name(path) || is_of_chart(path, &charts) {
                continue;
            }
            let Some(text) = self.whole(path)? else { continue };
            match manifest::read(path, &text, &self.limits) {
                Contents::Objects(named) => {
                    self.images(named, &mut images);
                    if !reached.contains(path) {
                        self.found.manifests.push(path.clone());
                    }
                }
                Contents::Mixed(location, why) => {
                    let message = format!("the file is left out: {why}");
                    self.found.notices.push(Notice::new(location, message));
                }
                Contents::Unreadable(error) => {
                    let location = error.report().location.clone();
                    let location = location.unwrap_or_else(|| Location::new(path, 0, 0));
                    let message = format!("the file is left out: {error}");
                    self.found.notices.push(Notice::new(location, message));
                }
                Contents::Other => {}
            }
        }
        self.found.images = images.into_iter().collect();
        Ok(())
    }

    fn images(&mut self, named: Vec<(String, Location)>, images: &mut BTreeSet<String>) {
        for (image, location) in named {
            if image.is_empty() || image.contains('@') {
                continue;
            }
            match repository(&image) {
                _ if image.starts_with("ko://") => {
                    let message = format!("`ko` builds `{image}`, for which there is no builder yet");
                    self.found.notices.push(Notice::new(location, message));
                }
                Ok(name) => {
                    images.insert(name);
                }
                Err(error) => self.found.notices.push(Notice::new(location, error.to_string())),
            }
        }
    }

    /// Returns how a file begins; none where it cannot be read, which is noted.
    fn begins(&mut self, path: &str) -> Result<Option<String>> {
        self.cx.check_stopped()?;
        match read(self.cx, path, BEGINNING) {
            Ok((text, _)) => Ok(Some(text)),
            Err(error) => {
                self.unread(path, &error);
                Ok(None)
            }
        }
    }

    /// Returns a file; none where it cannot be read or is too large, which is noted where it may hold objects.
    fn whole(&mut self, path: &str) -> Result<Option<String>> {
        self.cx.check_stopped()?;
        match read(self.cx, path, LARGEST) {
            Ok((text, true)) => return Ok(Some(text)),
            Ok((text, false)) if text.contains("apiVersion") => {
                let message = format!("the file is left out: it has more than {LARGEST} bytes");
                self.found.notices.push(Notice::new(Location::new(path, 0, 0), message));
            }
            Ok(_) => {}
            Err(error) => self.unread(path, &error),
        }
        Ok(None)
    }

    fn unread(&mut self, path: &str, error: &Error) {
        let message = format!("the file is left out: {}", said(error));
        self.found.notices.push(Notice::new(Location::new(path, 0, 0), message));
    }
}

/// Reads a file up to so many bytes, and says whether that is all of it. What is no UTF-8 is read as if it were.
fn read(cx: &Context, path: &str, most: usize) -> Result<(String, bool)> {
    let mut bytes = Vec::new();
    let file = open_file(cx, path)?;
    let more = file.reader.take(most as u64 + 1).read_to_end(&mut bytes);
    more.map_err(|error| Error::io("read", path.as_ref(), error))?;
    let whole = bytes.len() <= most;
    bytes.truncate(most);
    Ok((String::from_utf8_lossy(&bytes).into_owned(), whole))
}

/// Returns whether a file is a template, an object or a dependency of a chart.
fn is_of_chart(path: &str, charts: &BTreeSet<&str>) -> bool {
    let mut folder = folder_of(path);
    while !folder.is_empty() {
        if ["templates", "charts", "crds"].contains(&name_of(folder)) && charts.contains(folder_of(folder)) {
            return true;
        }
        folder = folder_of(folder);
    }
    false
}
