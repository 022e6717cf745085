//! What a configuration requires: the other configurations that are to run before it.

use serde::{Deserialize, de::IgnoredAny};
use shipway_core::{Error, Result};
use shipway_yaml::{Document, Node, Spanned};

use super::parse::part;
use crate::path::take;

/// One of a configuration's `requires`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Required {
    /// The names of those of the file that are meant; empty for all.
    #[serde(default)]
    pub(super) configs: Vec<Spanned<String>>,
    pub(super) path: Option<Spanned<String>>,
    pub(super) git: Option<Git>,
    google_cloud_storage: Option<IgnoredAny>,
    google_cloud_build_repo_v2: Option<IgnoredAny>,
    #[serde(default)]
    pub(super) active_profiles: Vec<ActiveProfile>,
}

/// A repository with a configuration.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Git {
    pub(super) repo: Spanned<String>,
    #[serde(default)]
    pub(super) path: String,
    #[serde(rename = "ref", default)]
    pub(super) reference: String,
    pub(super) sync: Option<bool>,
}

/// A profile that is active in what is required.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ActiveProfile {
    pub(super) name: Spanned<String>,
    #[serde(default)]
    pub(super) activated_by: Vec<Spanned<String>>,
}

impl Required {
    /// Takes what a configuration requires out of it, each with its node.
    pub(super) fn take(document: &mut Document) -> Result<Vec<(Self, Node)>> {
        let Some((_, list)) = take(&mut document.root, &["requires"]).filter(|(_, list)| !list.is_null())
        else {
            return Ok(Vec::new());
        };
        let Some(items) = list.items() else {
            return Err(document.error(list.span, format!("expected a list, found {}", list.kind())));
        };
        let read = |item: &Node| Self::read(item, document).map(|required| (required, item.clone()));
        items.iter().map(read).collect()
    }

    fn read(item: &Node, document: &Document) -> Result<Self> {
        let required: Self = part(document, item).read()?;
        let said = item.entries().into_iter().flatten().filter(|(key, value)| {
            let places = ["path", "git", "googleCloudStorage", "googleCloudBuildRepoV2"];
            key.text().is_some_and(|key| places.contains(&key)) && !value.is_null()
        });
        let said: Vec<(&Node, &str)> = said.filter_map(|(key, _)| Some((key, key.text()?))).collect();
        if let [(_, first), (key, second), ..] = said[..] {
            let error = document
                .error(key.span, format!("`{first}` and `{second}` both say where the configuration is"));
            return Err(error.hint("keep one of them"));
        }
        if let [(key, name)] = said[..]
            && (required.google_cloud_storage.is_some() || required.google_cloud_build_repo_v2.is_some())
        {
            return Err(Error::unsupported(format!("`requires.{name}` is not supported yet"))
                .at(document.location(key.span))
                .hint("require a path or a git repository"));
        }
        Ok(required)
    }
}
