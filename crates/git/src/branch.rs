//! Branches: where they are, and how they move without losing what another did.

use gix::refs::{
    FullName, Target,
    transaction::{PreviousValue, RefEdit},
};
use shipway_core::{Context, Error, ErrorKind, Result};

use crate::{NewCommit, ObjectId, Repository, failure::failed};

impl Repository {
    /// Returns the commit that a branch is at; none when there is no such branch.
    ///
    /// # Errors
    /// `Config` when it is no branch's name; `BadOutput` when it cannot be read.
    pub fn branch_commit(&self, branch: &str) -> Result<Option<ObjectId>> {
        let name = full_name(branch)?;
        let repository = self.inner.to_thread_local();
        let found = repository.try_find_reference(name.as_ref());
        let Some(mut found) = found.map_err(|error| self.unreadable("a branch", error))? else {
            return Ok(None);
        };
        let id = found.peel_to_id().map_err(|error| self.unreadable("a branch", error))?;
        Ok(Some(ObjectId(id.detach())))
    }

    /// Moves a branch from one commit to another; from none makes it.
    ///
    /// # Errors
    /// `Conflict` when the branch is not at `from` any more; `Config` when it is no branch's name, or a
    /// worktree has it checked out, which would then be behind; `Unavailable` when something else holds it
    /// for more than two seconds.
    pub fn move_branch(&self, branch: &str, from: Option<ObjectId>, to: ObjectId) -> Result<()> {
        let name = full_name(branch)?;
        let repository = self.inner.to_thread_local();
        let worktrees = repository.worktrees_including_main();
        for worktree in worktrees.map_err(|error| self.unreadable("the worktrees", error))? {
            let worktree = worktree.map_err(|error| self.unreadable("a worktree", error))?;
            let Some(folder) = worktree.workdir() else { continue };
            let head = worktree.head_name().map_err(|error| self.unreadable("a head", error))?;
            if head.is_some_and(|head| head == name) {
                return Err(Error::config(format!(
                    "`{}` has branch `{branch}` checked out",
                    folder.display()
                ))
                .hint(
                    "use a repository without a worktree (`git clone --bare`), or check out another branch",
                ));
            }
        }
        let expected = match from {
            Some(from) => PreviousValue::MustExistAndMatch(Target::Object(from.0)),
            None => PreviousValue::MustNotExist,
        };
        let edit = RefEdit::update(name, to.0, expected, "shipway");
        // Where the repository keeps a log of its branches, this is who moved it, and when.
        let commit = repository.find_commit(to.0).map_err(|error| self.unreadable("a commit", error))?;
        let committer = commit.committer().map_err(|error| self.unreadable("a commit", error))?;
        let edited = repository.edit_references_as(Some(edit), Some(committer));
        let Err(error) = edited else { return Ok(()) };
        if self.branch_commit(branch)? == from {
            let busy =
                failed(ErrorKind::Unavailable, &format!("move branch `{branch}` of"), self.folder(), error);
            return Err(busy.retry(true).hint("remove a lock that a program left behind, if there is one"));
        }
        let error =
            Error::conflict(format!("branch `{branch}` of `{}` moved meanwhile", self.folder().display()));
        Err(error.hint("look at what it is now, and try again"))
    }

    /// Commits onto a branch, as often as others are quicker: `make` says, from the commit that the branch
    /// is at, what the next is to be, or nothing when there is nothing to do.
    ///
    /// Returns the commit that the branch is at then.
    ///
    /// # Errors
    /// What `make` says, and [`Self::commit`] and [`Self::move_branch`] but for `Conflict`; `Cancelled` or
    /// `Timeout` when the task must stop.
    pub fn commit_onto(
        &self,
        cx: &Context,
        branch: &str,
        mut make: impl FnMut(Option<ObjectId>) -> Result<Option<NewCommit>>,
    ) -> Result<Option<ObjectId>> {
        loop {
            cx.check_stopped()?;
            let parent = self.branch_commit(branch)?;
            let Some(new) = make(parent)? else { return Ok(parent) };
            let commit = self.commit(parent, &new)?;
            match self.move_branch(branch, parent, commit) {
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                moved => return moved.map(|()| Some(commit)),
            }
        }
    }
}

pub(crate) fn full_name(branch: &str) -> Result<FullName> {
    let name = format!("refs/heads/{branch}");
    match FullName::try_from(name) {
        // A name that a program could take for an option.
        Ok(name) if !branch.starts_with('-') => Ok(name),
        _ => Err(Error::config(format!("`{branch}` cannot be a branch's name"))),
    }
}
