//! The tagger that names an image by the commit that it was built from.

use std::path::Path;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use shipway_core::{
    Catalog, Context, EntryKind, Error, ErrorKind, Fingerprint, Inputs, Level, PluginConfig, Result,
    Snapshot, Tag, TagRequest, Tagger, Tree,
};
use shipway_git::{ObjectId, Repository, Status};

use crate::tag;

/// What of the commit the tag is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
#[non_exhaustive]
pub enum Variant {
    /// What `git describe --tags --always` says.
    #[default]
    Tags,
    /// The commit.
    CommitSha,
    /// The commit, abbreviated as git does it.
    AbbrevCommitSha,
    /// The tree of the artifact's folder.
    TreeSha,
    /// The tree of the artifact's folder, abbreviated as git does it.
    AbbrevTreeSha,
    /// The branch; the abbreviated commit when none is checked out.
    Branches,
}

const VARIANTS: [(&str, Variant); 6] = [
    ("Tags", Variant::Tags),
    ("CommitSha", Variant::CommitSha),
    ("AbbrevCommitSha", Variant::AbbrevCommitSha),
    ("TreeSha", Variant::TreeSha),
    ("AbbrevTreeSha", Variant::AbbrevTreeSha),
    ("Branches", Variant::Branches),
];

impl TryFrom<String> for Variant {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        // Skaffold compares without case, and takes the empty name for the default.
        let known = VARIANTS.iter().find(|(known, _)| known.eq_ignore_ascii_case(&name));
        match known {
            Some((_, variant)) => Ok(*variant),
            None if name.is_empty() => Ok(Self::default()),
            None => {
                let names = VARIANTS.map(|(name, _)| name).join(", ");
                Err(format!("there is no variant `{name}`: it is one of {names}"))
            }
        }
    }
}

/// Options of [`GitCommit`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct GitCommitConfig {
    /// What of the commit the tag is.
    pub variant: Variant,
    /// What the tag begins with.
    pub prefix: String,
    /// Whether what is not committed does not matter.
    pub ignore_changes: bool,
    /// The tag of what lies in no repository, or in one without a commit; without it, that is an error.
    pub otherwise: Option<String>,
}

impl GitCommitConfig {
    /// Returns the options for this variant.
    #[must_use]
    pub fn new(variant: Variant) -> Self {
        Self { variant, ..Self::default() }
    }

    /// Sets what the tag begins with.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Sets whether what is not committed does not matter.
    #[must_use]
    pub fn ignore_changes(mut self, ignore_changes: bool) -> Self {
        self.ignore_changes = ignore_changes;
        self
    }

    /// Sets the tag of what lies in no repository, or in one without a commit.
    #[must_use]
    pub fn otherwise(mut self, tag: impl Into<String>) -> Self {
        self.otherwise = Some(tag.into());
        self
    }
}

impl PluginConfig for GitCommitConfig {
    const KIND: &'static str = "gitCommit";
    type Plugin = GitCommit;

    fn into_plugin(self, _catalog: &Catalog) -> Result<GitCommit> {
        Ok(GitCommit(self))
    }
}

/// Gives an image the name of the commit that is checked out, as Skaffold's `gitCommit` does.
///
/// When something in the artifact's folder is not committed (`git status --porcelain .` would list
/// something), the tag ends with `-dirty` and then 12 digits that stand for what it is, so that two states
/// of the folder never share a tag; Skaffold ends it with `-dirty` alone. Files that git ignores do not
/// count, as in Skaffold.
///
/// All artifacts of a run see one commit and one status, those of when the first was tagged.
///
/// ```
/// use shipway_core::Part;
/// use shipway_taggers::{GitCommit, Variant, catalog};
///
/// let by_hand = GitCommit::new(Variant::TreeSha);
/// # let options = serde_json::json!({ "variant": "TreeSha", "prefix": "v" });
/// # let options = options.as_object().expect("an object").clone();
/// let of_a_file = catalog().tagger(&Part::new("gitCommit").options(options))?;
/// # Ok::<(), shipway_core::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct GitCommit(GitCommitConfig);

impl GitCommit {
    /// Returns the tagger for this variant.
    #[must_use]
    pub fn new(variant: Variant) -> Self {
        Self(GitCommitConfig::new(variant))
    }
}

/// The commit that a run is about.
struct Head(ObjectId);

/// What git calls that commit.
struct Description(String);

#[async_trait]
impl Tagger for GitCommit {
    fn needs_fingerprint(&self) -> bool {
        false
    }

    async fn tag(&self, cx: &Context, request: &TagRequest) -> Result<Tag> {
        match (self.of_commit(cx, request).await, &self.0.otherwise) {
            (Err(error), Some(otherwise)) if error.kind() == ErrorKind::Config => {
                cx.message(
                    Level::Warning,
                    format!("the tag is `{otherwise}`, as there is no commit: {error}"),
                );
                tag(otherwise.clone(), "`otherwise` of `gitCommit`")
            }
            (tagged, _) => tagged,
        }
    }
}

impl GitCommit {
    async fn of_commit(&self, cx: &Context, request: &TagRequest) -> Result<Tag> {
        let folder = request.artifact.context.clone();
        let repository = open(cx, &folder).await?;
        let path = cx.blocking({
            let (repository, folder) = (repository.clone(), folder.clone());
            move |cx| repository.path_below(cx, &folder)
        });
        let path = path.await?;
        let name = plain(&self.name(cx, &repository, &path).await?);
        let mut text = format!("{}{name}", self.0.prefix);
        if !self.0.ignore_changes
            && let Some(state) = changes(cx, &repository, &path, &folder).await?
        {
            text.push_str("-dirty-");
            text.push_str(&state.as_str()[..12]);
        }
        tag(text, "`gitCommit`")
    }

    async fn name(&self, cx: &Context, repository: &Repository, path: &[u8]) -> Result<String> {
        let key = key(repository);
        let ours = repository.clone();
        let head = cx.once(&key, cx.blocking(move |_| ours.head().map(Head))).await?.0;
        let (ours, path, variant) = (repository.clone(), path.to_owned(), self.0.variant);
        if variant == Variant::Tags {
            let describe = cx.blocking(move |_| ours.describe(head).map(Description));
            return Ok(cx.once(&key, describe).await?.0.clone());
        }
        cx.blocking(move |_| match variant {
            Variant::Tags => ours.describe(head),
            Variant::CommitSha => Ok(head.to_string()),
            Variant::AbbrevCommitSha => ours.abbreviate(head),
            Variant::TreeSha => Ok(ours.tree(head, &path)?.to_string()),
            Variant::AbbrevTreeSha => ours.abbreviate(ours.tree(head, &path)?),
            Variant::Branches => match ours.branch()? {
                Some(branch) => Ok(branch),
                None => ours.abbreviate(head),
            },
        })
        .await
    }
}

/// Opens the repository that a folder lies in, once for all folders of a worktree.
async fn open(cx: &Context, folder: &Path) -> Result<Repository> {
    let place = folder.to_owned();
    let worktree = cx.blocking(move |cx| Repository::find_worktree(cx, &place)).await?;
    let place = worktree.clone().unwrap_or_else(|| folder.to_owned());
    let opened = cx.blocking(move |cx| Repository::discover(cx, &place));
    match worktree {
        Some(worktree) => Ok(cx.once::<Repository>(&format!("{worktree:?}"), opened).await?.as_ref().clone()),
        None => opened.await,
    }
}

/// Returns what stands for a repository among what a run found out; every path has one of its own, also one
/// that is not UTF-8.
fn key(repository: &Repository) -> String {
    format!("{:?}", repository.folder())
}

/// Makes a name one that a tag can hold, as Skaffold does: `_` for each character that it cannot, and for
/// each `-` and `.` in front.
fn plain(name: &str) -> String {
    let front = name.len() - name.trim_start_matches(['-', '.']).len();
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    name.char_indices().map(|(at, c)| if at >= front && fits(c) { c } else { '_' }).collect()
}

/// Returns a hash of what is not committed in a folder; none when all is.
async fn changes(
    cx: &Context,
    repository: &Repository,
    path: &[u8],
    folder: &Path,
) -> Result<Option<Fingerprint>> {
    let key = key(repository);
    let ours = repository.clone();
    let status = cx.once::<Status>(&key, cx.blocking(move |cx| ours.status(cx))).await?;
    let below = if path.is_empty() { 0 } else { path.len() + 1 };
    let changed: Vec<Vec<u8>> = status.below(path).map(|changed| changed[below..].to_owned()).collect();
    if changed.is_empty() {
        return Ok(None);
    }
    let folder = folder.to_owned();
    let inputs = cx.blocking(move |cx| inputs(cx, &folder, changed)).await?;
    Ok(Some(Snapshot::take(cx, &inputs).await?.fingerprint()))
}

/// Returns the changed paths of a folder as inputs: with all that lies there now.
fn inputs(cx: &Context, folder: &Path, changed: Vec<Vec<u8>>) -> Result<Inputs> {
    let mut inputs = Inputs::new();
    for path in changed {
        cx.check_stopped()?;
        let path = String::from_utf8(path).map_err(|error| {
            let path = String::from_utf8_lossy(error.as_bytes()).into_owned();
            Error::config(format!("the name of `{path}` is not UTF-8")).hint("rename the file")
        })?;
        match cx.files().entry(cx, folder, &path) {
            // A submodule, or another repository.
            Ok(Some(entry)) if entry.kind == EntryKind::Folder => {
                inputs.trees.insert(Tree::new(folder.join(path)).ignore(["**/.git".to_owned()]));
            }
            Ok(Some(_)) => {
                inputs.files.insert(folder.join(path));
            }
            // What went away; or what it lay in is now a link, which is a path of its own.
            Ok(None) => {
                inputs.facts.insert(path, "gone".to_owned());
            }
            Err(error) if matches!(error.kind(), ErrorKind::Config | ErrorKind::NotFound) => {
                inputs.facts.insert(path, "gone".to_owned());
            }
            Err(error) => return Err(error),
        }
    }
    Ok(inputs)
}
