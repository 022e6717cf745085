//! Inputs: what a result depends on, declared once. One declaration gives the cache key, the watch
//! list, the answer to "why was this rebuilt?" and the file sync. Plug-ins declare; core hashes.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::PathBuf,
};

use serde::{Deserialize, Serialize};

use crate::{
    Error, Result,
    command::SecretId,
    image::Store,
    value::{name, value},
};

value! {
    /// Everything that a plug-in's result depends on, besides what core adds itself: the tag, the
    /// platforms and the digests of required images.
    ///
    /// ```
    /// use shipway_core::{Inputs, Tree};
    ///
    /// let inputs = Inputs::new()
    ///     .trees([Tree::new("web").ignore(["target".to_owned()])])
    ///     .facts([("compiler".to_owned(), "1.95".to_owned())]);
    /// assert!(!inputs.uses_tag);
    /// ```
    #[derive(Eq, Default)]
    pub struct Inputs {
        ;
        /// Single files, below the context's root or absolute. One that is missing counts as missing.
        pub files: BTreeSet<PathBuf>,
        /// Folders, walked by core: a new file counts.
        pub trees: BTreeSet<Tree>,
        /// Facts by name: arguments, options, versions of tools.
        pub facts: BTreeMap<String, String>,
        /// Images that are not the pipeline's own; core resolves them to digests.
        pub images: BTreeSet<ForeignImage>,
        /// Secrets; their version counts, never their value.
        pub secrets: BTreeSet<SecretId>,
        /// Whether the tag is an input, because a build argument holds it.
        pub uses_tag: bool,
        /// What this declaration was made from. While that stays the same, core keeps the
        /// declaration and does not ask again, which spares a slow tool.
        pub listed_by: Option<Box<Inputs>>,
        /// Where a changed file may be copied into what runs, instead of building again.
        pub sync: Vec<Sync>,
    }
}

value! {
    /// A folder and the rules for what to leave out.
    #[derive(Eq, PartialOrd, Ord)]
    pub struct Tree {
        /// The folder, below the context's root or absolute.
        pub root: PathBuf,
        ;
        /// Patterns of paths to leave out, as in a `.dockerignore` file: the last that matches counts,
        /// `!` takes a path back in.
        pub ignore: Vec<String>,
    }
}

value! {
    /// An image that is not the pipeline's own, such as a base.
    #[derive(Eq, PartialOrd, Ord, Hash)]
    pub struct ForeignImage {
        /// The store that holds it.
        pub store: Store,
        /// Its reference in that store.
        pub reference: String,
        ;
    }
}

value! {
    /// A rule for copying changed files into what runs.
    #[derive(Eq)]
    pub struct Sync {
        /// The files, as a pattern below the artifact's context.
        pub from: String,
        /// The absolute folder inside the image.
        pub to: PathBuf,
        ;
    }
}

name! {
    /// The hash of all inputs of a task: 64 hexadecimal digits. The same inputs, the same result.
    pub struct Fingerprint(check_fingerprint);
}

fn check_fingerprint(text: &str) -> Result<()> {
    if text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return Ok(());
    }
    Err(Error::config(format!("`{text}` is not a fingerprint")))
}

impl Fingerprint {
    pub(crate) fn of(hash: &blake3::Hash) -> Self {
        Self(hash.to_hex().as_str().into())
    }

    /// Returns the first 12 digits, as people read them.
    #[must_use]
    pub fn short(&self) -> &str {
        &self.as_str()[..12]
    }
}

name! {
    /// The id of a task in a plan: an action and a part, such as `build:web`.
    pub struct TaskId(check_task_id);
}

fn check_task_id(text: &str) -> Result<()> {
    if text.is_empty() || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(Error::config(format!("`{text}` is not a task id")).hint("use a word without blanks"));
    }
    Ok(())
}

/// Why a task has to run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// It was never built, as far as the cache knows.
    First,
    /// It was never tested without a failure, as far as the cache knows.
    Untested,
    /// What it made is no longer where it was.
    Gone(String),
    /// This input is another than when it last ran; a key of a snapshot, such as `file web/main.rs`.
    Changed(String),
    /// This task before it has to run.
    Upstream(TaskId),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::First => f.write_str("never built before"),
            Self::Untested => f.write_str("never passed before"),
            Self::Gone(what) => write!(f, "`{what}` is gone"),
            Self::Changed(key) => write!(f, "{key} changed"),
            Self::Upstream(task) => write!(f, "{task} runs"),
        }
    }
}
