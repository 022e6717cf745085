//! Where a release was built from, as the sources' own repository says.

use std::path::Path;

use shipway_core::{Context, ErrorKind, Result};
use shipway_git::{Author, Repository};

/// The commit that the sources are at.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) commit: String,
    /// Whether there is something that is in no commit.
    pub(super) dirty: bool,
    pub(super) repository: String,
    pub(super) author: Author,
}

/// Looks where the sources in a folder are from; none when they are in no repository or in no commit.
pub(super) fn look(cx: &Context, folder: &Path, name: Option<&str>) -> Result<Option<Source>> {
    let head = Repository::discover(cx, folder).and_then(|repository| Ok((repository.head()?, repository)));
    let (head, repository) = match head {
        Err(error) if error.kind() == ErrorKind::Config => return Ok(None),
        found => found?,
    };
    let dirty = repository.status(cx)?.below(b"").next().is_some();
    let folder = || repository.folder().file_name().map(|name| name.to_string_lossy().into_owned());
    let name = name.map(str::to_owned).or_else(folder).unwrap_or_else(|| "/".to_owned());
    let author = repository.read_commit(head)?.author;
    Ok(Some(Source { commit: head.to_string(), dirty, repository: name, author }))
}
