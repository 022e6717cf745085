//! The tagger for images that are known by their digest.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use shipway_core::{Catalog, Context, PluginConfig, Result, Tag, TagRequest, Tagger};

use crate::tag;

/// Options of [`Sha256`]: there are none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Sha256Config {}

impl PluginConfig for Sha256Config {
    const KIND: &'static str = "sha256";
    type Plugin = Sha256;

    fn into_plugin(self, _catalog: &Catalog) -> Result<Sha256> {
        Ok(Sha256)
    }
}

/// Gives an image the tag `latest`, or the one that the artifact's name ends with, as Skaffold's `sha256`
/// does: what tells images apart is the digest behind it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sha256;

#[async_trait]
impl Tagger for Sha256 {
    fn needs_fingerprint(&self) -> bool {
        false
    }

    async fn tag(&self, _cx: &Context, request: &TagRequest) -> Result<Tag> {
        let name = &request.artifact.name;
        let without_digest = name.split_once('@').map_or(name.as_str(), |(name, _)| name);
        // A `:` before the last `/` is a registry's port.
        let last = without_digest.rsplit('/').next().unwrap_or_default();
        let text = last.split_once(':').map_or("latest", |(_, text)| text);
        tag(text.to_owned(), &format!("the name `{name}`"))
    }
}

#[cfg(test)]
mod tests {
    use shipway_core::{Artifact, Cancel, ErrorKind, RunContext, World};

    use super::*;

    #[tokio::test]
    async fn the_tag_is_latest_or_the_names_own() {
        let cx = RunContext::new(World::host("/"), "run").context(None, None, Cancel::new());
        let tag = async |name: &str| Sha256.tag(&cx, &TagRequest::new(Artifact::new(name, "."))).await;
        let digest = format!("web@sha256:{}", "0".repeat(64));
        for (name, expected) in [
            ("web", "latest"),
            ("team/web:v1", "v1"),
            ("localhost:5000/web", "latest"),
            ("localhost:5000/web:v1", "v1"),
            (digest.as_str(), "latest"),
        ] {
            assert_eq!(tag(name).await.expect(name).as_str(), expected, "{name}");
        }
        assert_eq!(tag("web:a b").await.expect_err("no tag").kind(), ErrorKind::Config);
        assert_eq!(tag("web:").await.expect_err("no tag").kind(), ErrorKind::Config);
    }
}
