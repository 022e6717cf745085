//! Git repositories in place: the commit, the tree of a folder, the name that `git
//! describe` gives, what `git status` would list; and commits onto branches that others commit to as well,
//! here and over HTTP, or through git's own program over ssh.
//!
//! Nothing else here runs a program, not even one that the repository's own configuration names (a clean
//! filter, a file system monitor, a hook), and nothing reads the environment, the home folder or the
//! configuration of the user or the machine: what of these counts, the embedder hands over through the
//! context.

mod branch;
mod checkout;
mod clean;
mod commit;
mod failure;
mod global;
mod ignored;
mod log;
mod remote;
mod repository;
mod status;

pub use self::{
    commit::{Author, NewCommit},
    ignored::Ignored,
    log::Commit,
    remote::Remote,
    repository::{ObjectId, Repository},
    status::Status,
};
