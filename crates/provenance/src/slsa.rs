//! How an image was built, as SLSA has it (slsa.dev/spec/v1.0/provenance).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use shipway_core::{BuildRecord, Error, Result};

use crate::{
    materials::{Materials, Words},
    statement::{Resource, Statement},
};

/// The predicate's type.
pub(crate) const PREDICATE_TYPE: &str = "https://slsa.dev/provenance/v1";

/// What the parameters mean: this module, and the comments of [`Provenance`].
const BUILD_TYPE: &str = "https://shipway.dev/provenance/build/v1";

/// The builder where the embedder names none: some process somewhere, for which nobody vouches.
const NOBODY: &str = "https://shipway.dev/provenance/builder/unidentified/v1";

/// What the embedder says about its builds beside what the run knows.
///
/// The statements are of SLSA's Build L1: provenance exists. Who runs the library on a hosted platform, names it
/// as the builder and signs where no build's step can reach the key may call it L2. It is never more: the library
/// cannot keep the steps of a build from the process that it is in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct Provenance {
    /// The builder's id, a URI that stands for who ran this and how far that is trusted; by default one that says
    /// that nobody vouches for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub builder: Option<String>,
    /// Where the sources come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
}

/// Sources by their repository and commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct Source {
    /// The repository's URL; a name or password in it is left out.
    pub url: String,
    /// The commit, 40 or 64 hexadecimal digits.
    pub commit: String,
}

impl Source {
    /// Returns the sources at a commit of a repository.
    pub fn new(url: impl Into<String>, commit: impl Into<String>) -> Self {
        Self { url: url.into(), commit: commit.into() }
    }

    /// Returns the sources as a dependency (SPDX's form of a URL, which SLSA's examples use).
    fn resource(&self) -> Result<Resource> {
        let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if !matches!(self.commit.len(), 40 | 64) || !self.commit.bytes().all(hex) {
            return Err(Error::config(format!("`{}` is no commit", self.commit))
                .hint("name it by its 40 or 64 hexadecimal digits"));
        }
        let url = without_login(&self.url);
        let url = if url.starts_with("git+") { url } else { format!("git+{url}") };
        Ok(Resource::new("gitCommit", &self.commit).uri(url))
    }
}

impl Provenance {
    /// Returns what is said by default: nothing beside what the run knows.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the builder's id.
    #[must_use]
    pub fn builder(mut self, builder: impl Into<String>) -> Self {
        self.builder = Some(builder.into());
        self
    }

    /// Sets where the sources come from.
    #[must_use]
    pub fn source(mut self, source: Source) -> Self {
        self.source = Some(source);
        self
    }

    /// Checks what can be known to be wrong before a build.
    pub(crate) fn check(&self) -> Result<()> {
        if let Some(builder) = &self.builder
            && (!builder.contains(':') || builder.contains(char::is_whitespace))
        {
            return Err(Error::config(format!("`{builder}` is no id of a builder"))
                .hint("an id is a URI, such as `https://ci.example/shipway/v1`"));
        }
        self.source.as_ref().map_or(Ok(()), |source| source.resource().map(|_| ()))
    }

    /// Returns the statement about a build's image, whose subjects are its manifests.
    ///
    /// Nothing is said that may be secret: of facts, such as build arguments, their digests; of one that holds what
    /// `words` hides, its name; of secrets their names.
    ///
    /// # Errors
    /// `Config` when the sources are not named by a commit.
    pub fn statement(
        &self,
        build: &BuildRecord,
        subjects: Vec<Resource>,
        words: &dyn Words,
    ) -> Result<Statement> {
        let source = self.source.as_ref().map(Source::resource).transpose()?;
        let materials = Materials::of(build, source, words);
        let say = |text: &str| words.shown(text);
        let platforms: Vec<String> = build.image.platforms.iter().map(ToString::to_string).collect();
        let mut external = Map::new();
        external.insert("artifact".to_owned(), say(&build.artifact).into());
        external.insert("platforms".to_owned(), platforms.into());
        external.insert("facts".to_owned(), materials.facts);
        external.insert("secrets".to_owned(), materials.secrets.into());
        let (kind, version) = build.builder.split_once(' ').unwrap_or((build.builder.as_str(), ""));
        let versions: BTreeMap<String, String> = [
            ("shipway".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
            (say(&format!("builder/{kind}")), say(version)),
        ]
        .into();
        let mut metadata = Map::new();
        metadata.insert("invocationId".to_owned(), say(&build.run).into());
        for (name, at) in [("startedOn", build.started), ("finishedOn", build.ended)] {
            if let Some(at) = at {
                metadata.insert(name.to_owned(), at.to_string().into());
            }
        }
        let predicate = json!({
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": external,
                "internalParameters": {
                    "builder": say(&build.builder),
                    "fingerprint": build.fingerprint,
                    "reused": build.reused,
                },
                "resolvedDependencies": materials.dependencies,
            },
            "runDetails": {
                "builder": { "id": say(self.builder.as_deref().unwrap_or(NOBODY)), "version": versions },
                "metadata": metadata,
            },
        });
        Ok(Statement::new(subjects, PREDICATE_TYPE, predicate))
    }
}

/// What a verifier reads of provenance.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    pub(crate) builder: String,
    /// The URIs of source repositories.
    pub(crate) sources: Vec<String>,
}

impl Claims {
    /// Reads what SLSA requires to be there.
    pub(crate) fn of(predicate: &Value) -> Option<Self> {
        let builder = predicate.pointer("/runDetails/builder/id")?.as_str()?.to_owned();
        let dependencies = predicate.pointer("/buildDefinition/resolvedDependencies");
        let uris = dependencies.and_then(Value::as_array).into_iter().flatten();
        let uris = uris.filter_map(|dependency| dependency.get("uri")?.as_str());
        let sources = uris.filter(|uri| uri.starts_with("git+")).map(str::to_owned).collect();
        Some(Self { builder, sources })
    }
}

/// Returns a URL without a name and a password (CVE-2023-26054 is of those in provenance).
pub(crate) fn without_login(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (place, path) = rest.split_at(end);
    let place = place.rsplit_once('@').map_or(place, |(_, place)| place);
    // A token may also be in the query.
    let path = path.split(['?', '#']).next().unwrap_or_default();
    format!("{scheme}://{place}{path}")
}

#[cfg(test)]
mod tests;
