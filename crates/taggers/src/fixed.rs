//! The tagger that always says the same.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use shipway_core::{Catalog, Context, PluginConfig, Result, Tag, TagRequest, Tagger};

/// Options of [`Fixed`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct FixedConfig {
    /// The tag.
    pub tag: Tag,
}

impl FixedConfig {
    /// Returns the options for this tag.
    #[must_use]
    pub fn new(tag: Tag) -> Self {
        Self { tag }
    }
}

impl PluginConfig for FixedConfig {
    const KIND: &'static str = "fixed";
    type Plugin = Fixed;

    fn into_plugin(self, _catalog: &Catalog) -> Result<Fixed> {
        Ok(Fixed::new(self.tag))
    }
}

/// Gives every image the same tag.
///
/// ```
/// # tokio_test(async {
/// use shipway_core::{Artifact, Cancel, RunContext, Tag, TagRequest, Tagger, World};
/// use shipway_taggers::Fixed;
///
/// let cx = RunContext::new(World::host("."), "run").context(None, None, Cancel::new());
/// let request = TagRequest::new(Artifact::new("web", "web"));
/// let tag = Fixed::new(Tag::parse("1.2.3")?).tag(&cx, &request).await?;
/// assert_eq!(tag.as_str(), "1.2.3");
/// # Ok::<(), shipway_core::Error>(())
/// # });
/// # fn tokio_test(f: impl Future<Output = Result<(), shipway_core::Error>>) {
/// #     tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(f).unwrap();
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Fixed {
    tag: Tag,
}

impl Fixed {
    /// Returns the tagger.
    #[must_use]
    pub fn new(tag: Tag) -> Self {
        Self { tag }
    }
}

#[async_trait]
impl Tagger for Fixed {
    fn needs_fingerprint(&self) -> bool {
        false
    }

    async fn tag(&self, _cx: &Context, _request: &TagRequest) -> Result<Tag> {
        Ok(self.tag.clone())
    }
}

#[cfg(test)]
mod tests {
    use shipway_core::{Artifact, Cancel, ErrorKind, Part, RunContext, World};

    use super::*;

    fn part(options: &str) -> Part {
        let options: serde_json::Map<_, _> = serde_json::from_str(options).expect("an object");
        Part::new("fixed").options(options)
    }

    #[tokio::test]
    async fn every_artifact_gets_the_tag() {
        let catalog = Catalog::new().with_tagger::<FixedConfig>();
        let tagger = catalog.tagger(&part(r#"{"tag": "v1"}"#)).expect("valid");
        assert!(!tagger.needs_fingerprint());
        let cx = RunContext::new(World::host("/"), "run").context(None, None, Cancel::new());
        for name in ["web", "api"] {
            let request = TagRequest::new(Artifact::new(name, "."));
            assert_eq!(tagger.tag(&cx, &request).await.expect("a tag").as_str(), "v1");
        }
    }

    #[test]
    fn wrong_options_are_config_errors() {
        let catalog = Catalog::new().with_tagger::<FixedConfig>();
        for bad in ["{}", r#"{"tag": "a b"}"#, r#"{"tag": ""}"#, r#"{"tag": "v1", "tags": 1}"#] {
            assert_eq!(catalog.tagger(&part(bad)).expect_err(bad).kind(), ErrorKind::Config, "{bad}");
        }
    }
}
