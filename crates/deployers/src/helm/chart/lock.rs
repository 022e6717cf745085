//! A chart's lock (`Chart.lock`, of old charts `requirements.lock`): which versions were chosen, and the digest by
//! which helm knows whether that was for what the chart says now.

use serde::{Deserialize, Serialize};
use shipway_core::{Error, Location, Result};
use shipway_oci::digest_of;

use super::{
    content::Content,
    json::go_json,
    metadata::{Dependency, FILE, Metadata, REQUIREMENTS, document},
    text::Text,
};

/// The files of locks; where both are there, helm reads the second over the first.
const FILES: [&str; 2] = ["Chart.lock", "requirements.lock"];

/// What a lock says.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Lock {
    pub(super) digest: Text,
    dependencies: Option<Vec<Dependency>>,
    #[serde(skip)]
    file: String,
}

impl Lock {
    /// Reads a chart's lock, if it has one.
    ///
    /// # Errors
    /// `Config`, with its place, for one that cannot be read.
    pub(super) fn read(content: &Content) -> Result<Option<Self>> {
        let mut found = None;
        for file in FILES {
            if let Some(text) = content.text(file)? {
                let mut lock: Self = document(&content.shown(file), text)?.read()?;
                lock.file = content.shown(file);
                found = Some(lock);
            }
        }
        Ok(found)
    }

    /// Returns what was chosen for each of a chart's dependencies, in their order.
    ///
    /// # Errors
    /// `Config` when the lock was made for others (helm: `Manager.Build`).
    pub(super) fn chosen(&self, metadata: &Metadata) -> Result<Vec<&Dependency>> {
        let chosen = self.dependencies.as_deref().unwrap_or_default();
        let names = |all: &[Dependency]| all.iter().map(|one| one.name.clone()).collect::<Vec<_>>();
        let same = names(chosen) == names(metadata.dependencies()) && self.is_of(metadata);
        if !same {
            let file = if metadata.is_first_version() { REQUIREMENTS } else { FILE };
            return Err(Error::config(format!("the lock is out of sync with the dependencies in `{file}`"))
                .at(Location::new(&self.file, 0, 0))
                .hint("run `helm dependency update` in the chart's folder, and commit the lock"));
        }
        Ok(chosen.iter().collect())
    }

    fn is_of(&self, metadata: &Metadata) -> bool {
        let mut wanted = metadata.dependencies.clone();
        let old = old_digest(&wanted);
        // helm looks up what `@name` stands for in its own configuration before; the lock has what it was.
        for (wanted, chosen) in wanted.iter_mut().flatten().zip(self.dependencies.iter().flatten()) {
            if is_alias(&wanted.repository) {
                wanted.repository = chosen.repository.clone();
            }
        }
        *self.digest == *digest(&wanted, &self.dependencies)
            || metadata.is_first_version() && *self.digest == *old
    }
}

/// Whether a repository is one that helm knows by a name.
pub(super) fn is_alias(repository: &str) -> bool {
    repository.starts_with('@') || repository.starts_with("alias:")
}

/// Returns the digest of helm 3 and 4 (internal/resolver, `HashReq`).
pub(super) fn digest(wanted: &Option<Vec<Dependency>>, chosen: &Option<Vec<Dependency>>) -> String {
    digest_of(go_json(&[wanted, chosen]).as_bytes()).to_string()
}

/// Returns the digest of helm 2 (internal/resolver, `HashV2Req`).
pub(super) fn old_digest(wanted: &Option<Vec<Dependency>>) -> String {
    #[derive(Serialize)]
    struct Requirements<'a> {
        dependencies: &'a Option<Vec<Dependency>>,
    }
    digest_of(go_json(&Requirements { dependencies: wanted }).as_bytes()).to_string()
}
