//! What a commit says of itself.

use gix::bstr::ByteSlice;
use shipway_core::{Result, Timestamp};

use crate::{Author, ObjectId, Repository};

/// A commit that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Commit {
    /// The commit before it; of a merge, the one that it was merged into; none for the first, and where a shallow
    /// clone ends.
    pub parent: Option<ObjectId>,
    /// Who wrote it.
    pub author: Author,
    /// When it was committed; 1970 for a time before that.
    pub at: Timestamp,
    /// What it says, without blank lines around it. Control characters other than line ends are blanks.
    pub message: String,
}

impl Repository {
    /// Returns what a commit says of itself.
    ///
    /// # Errors
    /// `BadOutput` when it cannot be read.
    pub fn read_commit(&self, id: ObjectId) -> Result<Commit> {
        let repository = self.inner.to_thread_local();
        let commit = repository.find_commit(id.0).map_err(|error| self.unreadable("a commit", error))?;
        let decoded = commit.decode().map_err(|error| self.unreadable("a commit", error))?;
        let (author, committer) = (decoded.author(), decoded.committer());
        let author = author.map_err(|error| self.unreadable("a commit", error))?;
        let committer = committer.map_err(|error| self.unreadable("a commit", error))?;
        let at = committer.time().map_or(0, |time| u64::try_from(time.seconds).unwrap_or(0));
        let shallow =
            repository.shallow_commits().map_err(|error| self.unreadable("the shallow end", error))?;
        let ends = shallow.iter().any(|commits| commits.contains(&id.0));
        Ok(Commit {
            parent: decoded.parents().next().filter(|_| !ends).map(ObjectId),
            author: Author::new(shown(author.name, ""), shown(author.email, "")),
            at: Timestamp(at.saturating_mul(1000)),
            message: shown(decoded.message, "\n").trim().to_owned(),
        })
    }
}

/// Returns what somebody wrote, for people: without what a terminal would take for a command.
fn shown(text: &[u8], kept: &str) -> String {
    let text = text.to_str_lossy();
    text.chars().map(|c| if c.is_control() && !kept.contains(c) { ' ' } else { c }).collect()
}
