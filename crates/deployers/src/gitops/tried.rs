//! What was tried: the newest commits of the candidate branch that changed the file, read once.

use shipway_core::{Context, Result};
use shipway_git::ObjectId;

use super::{
    Gitops,
    environment::{Branches, Version},
};

/// How many versions of the manifests are looked through for one that was deployed.
const REMEMBERED: usize = 100;

#[derive(Debug)]
pub(super) struct Tried {
    tip: Option<ObjectId>,
    /// What the file holds now.
    text: Option<String>,
    versions: Vec<Version>,
}

impl Gitops {
    pub(super) async fn tried(&self, cx: &Context, branches: &Branches<'_>) -> Result<Tried> {
        let tip = branches.tip(cx, &self.candidate).await?;
        let text = branches.text(cx, tip, &self.file).await?;
        let versions = branches.versions(cx, tip, &self.file, REMEMBERED).await?;
        Ok(Tried { tip, text, versions })
    }
}

impl Tried {
    /// Returns the commit that brought a text; where it lies too far back, the branch's last one, if it still has
    /// that.
    pub(super) fn commit_of(&self, text: &str) -> Option<String> {
        let brought = self.versions.iter().find(|version| version.text.as_deref() == Some(text));
        let commit = brought.map(|version| version.commit);
        let commit = commit.or(self.tip.filter(|_| self.text.as_deref() == Some(text)));
        commit.map(|commit| commit.to_string())
    }

    /// Returns what a commit brought.
    pub(super) fn version(&self, commit: &str) -> Option<&Version> {
        self.versions.iter().find(|version| version.commit.to_string() == commit)
    }
}
