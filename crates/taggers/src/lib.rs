//! Taggers for Shipway, under the names and options that Skaffold gives them.
//!
//! Whatever a tagger comes to is a tag of at most 128 characters, or an error says why: nothing falls back to
//! `latest`.

mod custom_template;
mod date_time;
mod env_template;
mod fixed;
mod git_commit;
mod input_digest;
mod sha256;

use shipway_core::{Catalog, Result, Tag};

pub use self::{
    custom_template::{Component, CustomTemplate, CustomTemplateConfig},
    date_time::{DateTime, DateTimeConfig},
    env_template::{EnvTemplate, EnvTemplateConfig},
    fixed::{Fixed, FixedConfig},
    git_commit::{GitCommit, GitCommitConfig, Variant},
    input_digest::{InputDigest, InputDigestConfig},
    sha256::{Sha256, Sha256Config},
};

/// Returns a catalog of all taggers of this crate.
#[must_use]
pub fn catalog() -> Catalog {
    Catalog::new()
        .with_tagger::<CustomTemplateConfig>()
        .with_tagger::<DateTimeConfig>()
        .with_tagger::<EnvTemplateConfig>()
        .with_tagger::<FixedConfig>()
        .with_tagger::<GitCommitConfig>()
        .with_tagger::<InputDigestConfig>()
        .with_tagger::<Sha256Config>()
}

/// Returns the tag that this text is, or an error that says what gave it.
fn tag(text: String, from: &str) -> Result<Tag> {
    Tag::parse(text).map_err(|error| error.note(format!("{from} gave it")))
}
