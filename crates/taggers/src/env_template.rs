//! The tagger that makes a tag of the environment.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use shipway_core::{Catalog, Context, PluginConfig, Result, Tag, TagRequest, Tagger};
use shipway_template::Template;

use crate::tag;

/// Options of [`EnvTemplate`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct EnvTemplateConfig {
    /// A Go template over the variables of the environment, and `IMAGE_NAME`.
    pub template: String,
}

impl EnvTemplateConfig {
    /// Returns the options for this template.
    pub fn new(template: impl Into<String>) -> Self {
        Self { template: template.into() }
    }
}

impl PluginConfig for EnvTemplateConfig {
    const KIND: &'static str = "envTemplate";
    type Plugin = EnvTemplate;

    fn into_plugin(self, _catalog: &Catalog) -> Result<EnvTemplate> {
        EnvTemplate::parse(&self.template)
    }
}

/// Gives an image what a Go template makes of the context's environment.
///
/// `IMAGE_NAME` is the artifact's name. A variable that is not in the environment is an error where its text is
/// needed, and nothing to `{{default "x" .NAME}}` and `{{if .NAME}}`.
///
/// ```
/// use shipway_taggers::EnvTemplate;
///
/// let tagger = EnvTemplate::parse(r#"{{.BRANCH | replace "/" "-" | lower}}-{{.BUILD_ID}}"#)?;
/// assert!(EnvTemplate::parse("{{.BRANCH").is_err());
/// # Ok::<(), shipway_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct EnvTemplate {
    text: String,
    template: Template,
}

impl EnvTemplate {
    /// Returns the tagger for this template.
    ///
    /// # Errors
    /// `Config` with its line and column when the template is wrong.
    pub fn parse(template: &str) -> Result<Self> {
        Ok(Self { text: template.to_owned(), template: Template::parse(template)? })
    }
}

#[async_trait]
impl Tagger for EnvTemplate {
    fn needs_fingerprint(&self) -> bool {
        false
    }

    async fn tag(&self, cx: &Context, request: &TagRequest) -> Result<Tag> {
        let variables = cx.envs().iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let text = self.template.render(variables.chain([("IMAGE_NAME", request.artifact.name.as_str())]))?;
        tag(text, &format!("the template `{}`", self.text))
    }
}
