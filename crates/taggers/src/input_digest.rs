//! The tagger that names an image by what it is made of.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use shipway_core::{Catalog, Context, Error, PluginConfig, Result, Tag, TagRequest, Tagger};

/// Options of [`InputDigest`]: there are none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct InputDigestConfig {}

impl PluginConfig for InputDigestConfig {
    const KIND: &'static str = "inputDigest";
    type Plugin = InputDigest;

    fn into_plugin(self, _catalog: &Catalog) -> Result<InputDigest> {
        Ok(InputDigest)
    }
}

/// Gives an image the fingerprint of all its inputs as its tag: 64 hexadecimal digits, as Skaffold's
/// `inputDigest` does. The same inputs, the same tag.
#[derive(Clone, Copy, Debug, Default)]
pub struct InputDigest;

#[async_trait]
impl Tagger for InputDigest {
    fn needs_fingerprint(&self) -> bool {
        true
    }

    async fn tag(&self, _cx: &Context, request: &TagRequest) -> Result<Tag> {
        let fingerprint = request.fingerprint.as_ref().ok_or_else(|| {
            // `needs_fingerprint` said so.
            Error::internal(format!("`{}` is to be tagged without its fingerprint", request.artifact.name))
        })?;
        Tag::parse(fingerprint.as_str())
    }
}

#[cfg(test)]
mod tests {
    use shipway_core::{Artifact, Cancel, ErrorKind, Fingerprint, Part, RunContext, World};

    use super::*;

    #[tokio::test]
    async fn the_tag_is_the_fingerprint() {
        let catalog = Catalog::new().with_tagger::<InputDigestConfig>();
        let tagger = catalog.tagger(&Part::new("inputDigest")).expect("valid");
        assert!(tagger.needs_fingerprint());
        let cx = RunContext::new(World::host("/"), "run").context(None, None, Cancel::new());
        let without = TagRequest::new(Artifact::new("web", "."));
        assert_eq!(tagger.tag(&cx, &without).await.expect_err("none").kind(), ErrorKind::Internal);
        let hex = "0123456789abcdef".repeat(4);
        let with = without.fingerprint(Fingerprint::parse(hex.as_str()).expect("valid"));
        assert_eq!(tagger.tag(&cx, &with).await.expect("a tag").as_str(), hex);
    }

    #[test]
    fn options_are_refused() {
        let options: serde_json::Map<_, _> = serde_json::from_str(r#"{"length": 8}"#).expect("an object");
        let part = Part::new("inputDigest").options(options);
        let catalog = Catalog::new().with_tagger::<InputDigestConfig>();
        assert_eq!(catalog.tagger(&part).expect_err("unknown").kind(), ErrorKind::Config);
    }
}
