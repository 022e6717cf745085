//! The tagger that puts a tag together from what other taggers say.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use shipway_core::{Catalog, Context, Error, Part, PluginConfig, Result, Tag, TagRequest, Tagger};
use shipway_template::Template;

use crate::{DateTime, GitCommit, InputDigest, Sha256, tag};

/// Options of [`CustomTemplate`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct CustomTemplateConfig {
    /// A Go template over the components by their names, and `GIT`, `DATE`, `SHA` and `INPUT_DIGEST`.
    pub template: String,
    /// The taggers that it is over.
    #[serde(default)]
    pub components: Vec<Component>,
}

/// A tagger under a name: `{"name": "FOO", "gitCommit": {"variant": "TreeSha"}}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Component {
    /// What the template calls it.
    pub name: String,
    /// The tagger's kind with its options.
    #[serde(flatten)]
    pub tagger: Map<String, Value>,
}

impl Component {
    /// Returns the tagger of this part under a name.
    pub fn new(name: impl Into<String>, part: Part) -> Self {
        Self { name: name.into(), tagger: Map::from_iter([(part.kind, part.options.into())]) }
    }

    fn part(self) -> Result<Part> {
        let name = self.name;
        let wrong = |what: String| {
            Error::config(format!("component `{name}` of `{KIND}` {what}"))
                .hint("a component is a name and one tagger with its options")
        };
        let count = self.tagger.len();
        let mut taggers = self.tagger.into_iter();
        let (Some((kind, options)), None) = (taggers.next(), taggers.next()) else {
            return Err(wrong(format!("has {count} taggers")));
        };
        if kind == KIND {
            return Err(wrong(format!("is a `{KIND}` itself")));
        }
        match options {
            Value::Object(options) => Ok(Part::new(kind).options(options)),
            // As YAML's `sha256:` without options comes.
            Value::Null => Ok(Part::new(kind)),
            _ => Err(wrong(format!("has something else than options for `{kind}`"))),
        }
    }
}

impl CustomTemplateConfig {
    /// Returns the options for this template without components.
    pub fn new(template: impl Into<String>) -> Self {
        Self { template: template.into(), components: Vec::new() }
    }

    /// Sets the components.
    #[must_use]
    pub fn components(mut self, components: impl IntoIterator<Item = Component>) -> Self {
        self.components = components.into_iter().collect();
        self
    }
}

const KIND: &str = "customTemplate";

impl PluginConfig for CustomTemplateConfig {
    const KIND: &'static str = KIND;
    type Plugin = CustomTemplate;

    fn into_plugin(self, catalog: &Catalog) -> Result<CustomTemplate> {
        let mut components = BTreeMap::new();
        for component in self.components {
            let name = component.name.clone();
            if components.insert(name.clone(), catalog.tagger(&component.part()?)?).is_some() {
                return Err(Error::config(format!("`{KIND}` has two components `{name}`"))
                    .hint("give each a name of its own"));
            }
        }
        CustomTemplate::parse(&self.template, components)
    }
}

/// Gives an image what a Go template makes of the tags that other taggers give it.
///
/// The template calls each by its name; `GIT`, `DATE`, `SHA` and `INPUT_DIGEST` are
/// [`gitCommit`](GitCommit), [`dateTime`](DateTime), [`sha256`](Sha256) and
/// [`inputDigest`](InputDigest) as they are by default, unless a component has that name. Only those are
/// asked that the template calls, and an error of one is an error.
///
/// ```
/// use std::{collections::BTreeMap, sync::Arc};
/// use shipway_core::Tagger;
/// use shipway_taggers::{CustomTemplate, DateTime};
///
/// let day: Arc<dyn Tagger> = Arc::new(DateTime::new("2006-01-02", "UTC"));
/// let components = BTreeMap::from([("DAY".to_owned(), day)]);
/// let tagger = CustomTemplate::parse("{{.DAY}}-{{.INPUT_DIGEST | trunc 12}}", components)?;
/// assert!(tagger.needs_fingerprint());
/// # Ok::<(), shipway_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct CustomTemplate {
    text: String,
    template: Template,
    components: BTreeMap<String, Arc<dyn Tagger>>,
}

impl CustomTemplate {
    /// Returns the tagger for this template over these taggers.
    ///
    /// # Errors
    /// `Config` with its line and column when the template is wrong.
    pub fn parse(template: &str, mut components: BTreeMap<String, Arc<dyn Tagger>>) -> Result<Self> {
        let text = template.to_owned();
        let template = Template::parse(template)?;
        let built_in: [(&str, Arc<dyn Tagger>); 4] = [
            ("GIT", Arc::new(GitCommit::default())),
            ("DATE", Arc::new(DateTime::default())),
            ("SHA", Arc::new(Sha256)),
            ("INPUT_DIGEST", Arc::new(InputDigest)),
        ];
        for (name, tagger) in built_in {
            components.entry(name.to_owned()).or_insert(tagger);
        }
        let called: Vec<&str> = template.variables().collect();
        components.retain(|name, _| called.contains(&name.as_str()));
        Ok(Self { text, template, components })
    }
}

#[async_trait]
impl Tagger for CustomTemplate {
    fn needs_fingerprint(&self) -> bool {
        self.components.values().any(|tagger| tagger.needs_fingerprint())
    }

    async fn tag(&self, cx: &Context, request: &TagRequest) -> Result<Tag> {
        let mut tags: BTreeMap<&str, Tag> = BTreeMap::new();
        for (name, tagger) in &self.components {
            let answer = tagger.tag(cx, request).await;
            tags.insert(
                name,
                answer.map_err(|error| error.note(format!("it is component `{name}` of `{KIND}`")))?,
            );
        }
        let text = self.template.render(tags.iter().map(|(name, tag)| (*name, tag.as_str())))?;
        tag(text, &format!("the template `{}`", self.text))
    }
}
