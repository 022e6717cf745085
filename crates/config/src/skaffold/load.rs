//! Files and repositories for [`Modules`], by the doors of a context.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use shipway_core::{Catalog, Context, EntryKind, Error, ErrorKind, Result};

use super::{
    Options, Skaffold,
    modules::{Found, Modules, Place, Repository, Wanted},
    remote::checked_out,
};

/// In bytes; far more than any honest configuration has.
const LIMIT: usize = 16 * 1024 * 1024;

/// How many links to a file are followed.
const MOST_LINKS: usize = 16;

/// What a configuration is called in a folder.
const USUAL: [&str; 2] = ["skaffold.yaml", "skaffold.yml"];

impl Skaffold {
    /// Reads a file with all that it requires (`requires`): from its own text, from other files, and from git repositories, of
    /// which checkouts are kept in [`Options::remote_cache`].
    ///
    /// Like [`Skaffold::read`], with the files read through the context. `file` is below the context's root or absolute, and may
    /// be a folder with a `skaffold.yaml`. A configuration of another file has its paths relative to its own folder.
    ///
    /// ```no_run
    /// use std::path::Path;
    ///
    /// use shipway_config::{Options, Skaffold};
    /// use shipway_core::{Cancel, Catalog, RunContext, World};
    ///
    /// # async fn load(catalog: &Catalog) -> shipway_core::Result<()> {
    /// let cx = RunContext::new(World::host("/sources"), "load").context(None, None, Cancel::new());
    /// let options = Options::default().modules(["frontend"]).remote_cache("/var/cache/modules");
    /// let skaffold = Skaffold::load(&cx, Path::new("skaffold.yaml"), options, catalog).await?;
    /// let loaded = skaffold.pipeline(catalog)?;
    /// # let _ = loaded;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As `read`; `Config` where a file that is required is not there or leads out of its repository; those of fetching a
    /// repository.
    pub async fn load(cx: &Context, file: &Path, options: Options, catalog: &Catalog) -> Result<Self> {
        let kinds = catalog.kinds();
        let mut modules = Modules::new(file, cx.root(), &options, &kinds);
        let mut checkouts = BTreeMap::new();
        let mut first = Some(file.to_owned());
        while let Some(wanted) = modules.wanted()? {
            let found = read(cx, &wanted, first.take(), &options, &mut checkouts).await;
            let found = found.map_err(|error| match &wanted.at {
                Some(at) if error.report().location.is_none() => error.at(at.clone()),
                _ => error,
            })?;
            modules.found(&wanted, found)?;
        }
        let (modules, notices) = modules.finish()?;
        Ok(Self { modules, options, notices })
    }
}

/// Reads a file that is wanted; the first is called as the user did.
async fn read(
    cx: &Context,
    wanted: &Wanted,
    named: Option<PathBuf>,
    options: &Options,
    checkouts: &mut BTreeMap<Repository, PathBuf>,
) -> Result<Found> {
    let Place { repository, path } = wanted.place.clone();
    let Some(repository) = repository else {
        let read = move |cx: &Context| {
            let mut path = path;
            let mut there = followed(cx, &path)?;
            if there.is_folder {
                path.push(USUAL[0]);
                there = followed(cx, &path)?;
            }
            let bytes = content(cx, &path, &there.path)?;
            let file =
                named.filter(|named| named.file_name() == path.file_name()).unwrap_or_else(|| path.clone());
            found(path, file, bytes)
        };
        return cx.blocking(read).await;
    };
    let checkout = match checkouts.get(&repository) {
        Some(checkout) => checkout.clone(),
        None => {
            let checkout = checked_out(cx, &repository, wanted, options).await?;
            checkouts.insert(repository, checkout.clone());
            checkout
        }
    };
    cx.blocking(move |cx| {
        let text = |path: &Path| path.to_str().map(str::to_owned).ok_or_else(|| missing(path));
        let entry = match path.as_os_str().is_empty() {
            true => None,
            false => cx.files().entry(cx, &checkout, &text(&path)?)?,
        };
        let folder =
            path.as_os_str().is_empty() || entry.is_some_and(|entry| entry.kind == EntryKind::Folder);
        let path = if folder { path.join(USUAL[0]) } else { path };
        let bytes = in_folder(cx, &checkout, &path, &text)?;
        found(path.clone(), checkout.join(&path), bytes)
    })
    .await
}

/// Reads a file below a folder that nothing may lead out of; the usual one may have its other name.
fn in_folder(
    cx: &Context,
    folder: &Path,
    path: &Path,
    text: &dyn Fn(&Path) -> Result<String>,
) -> Result<Vec<u8>> {
    let open = |path: &Path| cx.files().open(cx, folder, &text(path)?)?.read(LIMIT);
    match open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let other = path.ends_with(USUAL[0]).then(|| open(&path.with_file_name(USUAL[1])).ok());
            other.flatten().ok_or_else(|| missing(path))
        }
        read => read,
    }
}

/// Reads a file of this machine, which is called `path` and is at `real`.
fn content(cx: &Context, path: &Path, real: &Path) -> Result<Vec<u8>> {
    let (folder, name) = split(real).ok_or_else(|| missing(path))?;
    in_folder(cx, &folder, Path::new(&name), &|path| {
        path.to_str().map(str::to_owned).ok_or_else(|| missing(path))
    })
    .map_err(|error| if error.kind() == ErrorKind::NotFound { missing(path) } else { error })
}

/// Where the links lead that a path ends with.
struct Followed {
    path: PathBuf,
    is_folder: bool,
}

fn followed(cx: &Context, path: &Path) -> Result<Followed> {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        let Some((folder, name)) = split(&path) else { return Ok(Followed { path, is_folder: true }) };
        let kind = match cx.files().entry(cx, &folder, &name) {
            Ok(entry) => entry.map(|entry| entry.kind),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        match kind {
            Some(EntryKind::Link(text)) => path = folder.join(text),
            kind => return Ok(Followed { path, is_folder: kind == Some(EntryKind::Folder) }),
        }
    }
    Ok(Followed { path, is_folder: false })
}

/// Splits a path before its last step; none where that is no name.
fn split(path: &Path) -> Option<(PathBuf, String)> {
    let name = path.file_name()?.to_str()?.to_owned();
    Some((path.parent().unwrap_or(Path::new("")).to_owned(), name))
}

fn found(path: PathBuf, file: PathBuf, bytes: Vec<u8>) -> Result<Found> {
    let text = String::from_utf8(bytes)
        .map_err(|error| Error::config(format!("`{}` is no UTF-8", file.display())).source(error))?;
    Ok(Found { path, file, text })
}

fn missing(path: &Path) -> Error {
    Error::config(format!("there is no configuration `{}`", path.display()))
        .hint("name a file, or a folder with a `skaffold.yaml`")
}
