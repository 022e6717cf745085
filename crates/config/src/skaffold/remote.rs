//! Checkouts of git repositories that configurations require.

use std::path::PathBuf;

use shipway_core::{Context, Error, Result};

use super::{
    Options,
    modules::{Repository, Wanted},
};

/// Returns the folder of a repository's checkout.
pub(super) async fn checked_out(
    _cx: &Context,
    _repository: &Repository,
    _wanted: &Wanted,
    _options: &Options,
) -> Result<PathBuf> {
    Err(Error::unsupported("a git repository that is required is not supported yet"))
}
