//! What a chart says of itself: `Chart.yaml`, and of old charts `requirements.yaml`, read and checked as helm does, and
//! written as helm's JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use shipway_core::{Error, Location, Result};
use shipway_yaml::{Document, Limits, Spanned, parse_within};

use super::{
    content::Content,
    json::sorted,
    text::Text,
    version::{Range, Version},
};

/// The file without which a folder is no chart.
pub(super) const FILE: &str = "Chart.yaml";

/// Where charts of the first version say what they depend on.
pub(super) const REQUIREMENTS: &str = "requirements.yaml";

const NAME_HINT: &str = "a name has letters, digits, `.`, `_` and `-`, and begins with a letter or a digit";

/// A longer name is none of a file.
const LONGEST_NAME: usize = 200;

/// What a chart says of itself, in helm's order (pkg/chart, `Metadata`).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Metadata {
    #[serde(skip_serializing_if = "Text::is_empty")]
    pub(super) name: Text,
    #[serde(skip_serializing_if = "Text::is_empty")]
    pub(super) home: Text,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) sources: Vec<Text>,
    #[serde(skip_serializing_if = "Text::is_empty")]
    pub(super) version: Text,
    #[serde(skip_serializing_if = "Text::is_empty")]
    pub(super) description: Text,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    keywords: Vec<Text>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) maintainers: Vec<Maintainer>,
    #[serde(skip_serializing_if = "Text::is_empty")]
    icon: Text,
    #[serde(skip_serializing_if = "Text::is_empty")]
    pub(super) api_version: Text,
    #[serde(skip_serializing_if = "Text::is_empty")]
    condition: Text,
    #[serde(skip_serializing_if = "Text::is_empty")]
    tags: Text,
    #[serde(skip_serializing_if = "Text::is_empty")]
    pub(super) app_version: Text,
    #[serde(skip_serializing_if = "is_false")]
    deprecated: bool,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) annotations: BTreeMap<String, Text>,
    #[serde(skip_serializing_if = "Text::is_empty")]
    kube_version: Text,
    #[serde(skip_serializing_if = "is_none_or_empty")]
    pub(super) dependencies: Option<Vec<Dependency>>,
    #[serde(rename = "type", skip_serializing_if = "Text::is_empty")]
    kind: Text,
}

/// Who keeps a chart.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Maintainer {
    #[serde(skip_serializing_if = "Text::is_empty")]
    pub(super) name: Text,
    #[serde(skip_serializing_if = "Text::is_empty")]
    pub(super) email: Text,
    #[serde(skip_serializing_if = "Text::is_empty")]
    url: Text,
}

/// A chart that another depends on, in helm's order (pkg/chart, `Dependency`).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Dependency {
    pub(super) name: Text,
    #[serde(skip_serializing_if = "Text::is_empty")]
    pub(super) version: Text,
    pub(super) repository: Text,
    #[serde(skip_serializing_if = "Text::is_empty")]
    condition: Text,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<Text>,
    #[serde(skip_serializing_if = "is_false")]
    enabled: bool,
    #[serde(rename = "import-values", skip_serializing_if = "Vec::is_empty")]
    import_values: Vec<Value>,
    #[serde(skip_serializing_if = "Text::is_empty")]
    pub(super) alias: Text,
}

fn is_false(value: &bool) -> bool {
    !value
}

fn is_none_or_empty(dependencies: &Option<Vec<Dependency>>) -> bool {
    dependencies.as_deref().is_none_or(<[_]>::is_empty)
}

/// The fields whose places are told when they are wrong.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Places {
    name: Spanned<Text>,
    version: Spanned<Text>,
    #[serde(rename = "type")]
    kind: Spanned<Text>,
    maintainers: Vec<Spanned<Option<Value>>>,
    dependencies: Option<Vec<Spanned<Option<PlacesOfDependency>>>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PlacesOfDependency {
    name: Spanned<Text>,
    version: Spanned<Text>,
    alias: Spanned<Text>,
}

impl Metadata {
    /// Reads what a chart's files say of it; `name` is what the chart is called in messages.
    ///
    /// # Errors
    /// `Config` where there is no `Chart.yaml`, and with file, line and column for what helm refuses in it.
    pub(super) fn read(content: &Content) -> Result<Self> {
        let Some(text) = content.text(FILE)? else {
            return Err(Error::config(format!("`{}` is no chart, as it has no `{FILE}`", content.name))
                .hint("name the folder that `Chart.yaml` is in, or an archive made by `helm package`"));
        };
        let document = document(&content.shown(FILE), text)?;
        let mut metadata: Self = document.read()?;
        // helm: loader.LoadFiles takes a chart that does not say for one of the first version.
        if metadata.api_version.is_empty() {
            metadata.api_version = Text("v1".to_owned());
        }
        metadata.check(&document)?;
        if let Some(text) = content.text(REQUIREMENTS)? {
            let requirements = self::document(&content.shown(REQUIREMENTS), text)?;
            // helm reads it over the other, so that what is not said there stays.
            let own: Self = requirements.read()?;
            if own.dependencies.is_some() {
                metadata.dependencies = own.dependencies;
                metadata.check_dependencies(&requirements)?;
            }
        }
        metadata.clean();
        Ok(metadata)
    }

    fn check(&self, document: &Document) -> Result<()> {
        let places: Places = document.read()?;
        let missing = |field: &str| {
            let message = format!("`{field}` is missing");
            Err(Error::config(message).at(Location::new(&document.file, 0, 0)))
        };
        if self.name.is_empty() {
            return missing("name");
        }
        if !is_name(&self.name) {
            return Err(document
                .error(places.name.span, format!("`{}` is not the name of a chart", self.name.escape_debug()))
                .hint(NAME_HINT));
        }
        if self.version.is_empty() {
            return missing("version");
        }
        if Version::parse(&self.version).is_none() {
            let message = format!("`{}` is not a version", self.version.escape_debug());
            return Err(document.error(places.version.span, message).hint("write it as `1.2.3`"));
        }
        if !matches!(&*self.kind, "" | "application" | "library") {
            let message = format!("`{}` is not a type of charts", self.kind.escape_debug());
            return Err(document.error(places.kind.span, message).hint("it is `application` or `library`"));
        }
        if let Some(empty) = places.maintainers.iter().find(|one| one.value.is_none()) {
            return Err(document.error(empty.span, "a maintainer without a name"));
        }
        self.check_dependencies(document)
    }

    fn check_dependencies(&self, document: &Document) -> Result<()> {
        let places: Places = document.read()?;
        let mut known = std::collections::BTreeSet::new();
        for place in places.dependencies.iter().flatten() {
            let Some(dependency) = &place.value else {
                return Err(document.error(place.span, "a dependency without a name"));
            };
            let (name, alias) = (&dependency.name, &dependency.alias);
            // helm's `aliasNameFormat`.
            let fits = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
            if !alias.value.chars().all(fits) {
                let message = format!("`{}` is no other name for a chart", alias.value.escape_debug());
                return Err(document.error(alias.span, message).hint("it has letters, digits, `_` and `-`"));
            }
            let key = if alias.value.is_empty() { &name.value } else { &alias.value };
            if !known.insert(key.clone()) {
                return Err(document
                    .error(place.span, format!("there are two dependencies `{key}`"))
                    .hint("give one of them another name with `alias`"));
            }
        }
        Ok(())
    }

    /// Checks what is asked of dependencies that are to be fetched: each has a name that can be a file's, and a range.
    ///
    /// # Errors
    /// `Config` with file, line and column.
    pub(super) fn check_fetched(&self, content: &Content) -> Result<()> {
        for file in [FILE, REQUIREMENTS] {
            if let Some(text) = content.text(file)? {
                check_fetched(&document(&content.shown(file), text)?)?;
            }
        }
        Ok(())
    }

    /// Whether it is a chart of the first version, which says in files of their own what it depends on.
    pub(super) fn is_first_version(&self) -> bool {
        *self.api_version == *"v1"
    }

    fn clean(&mut self) {
        let texts = [
            &mut self.name,
            &mut self.description,
            &mut self.home,
            &mut self.icon,
            &mut self.condition,
            &mut self.tags,
            &mut self.app_version,
            &mut self.kube_version,
        ];
        texts.into_iter().chain(&mut self.sources).chain(&mut self.keywords).for_each(Text::clean);
        for Maintainer { name, email, url } in &mut self.maintainers {
            [name, email, url].into_iter().for_each(Text::clean);
        }
        for dependency in self.dependencies.iter_mut().flatten() {
            let Dependency { name, version, repository, condition, tags, import_values, .. } = dependency;
            import_values.iter_mut().for_each(|value| *value = sorted(value.take()));
            [name, version, repository, condition].into_iter().chain(tags).for_each(Text::clean);
        }
    }

    /// Returns what it depends on.
    pub(super) fn dependencies(&self) -> &[Dependency] {
        self.dependencies.as_deref().unwrap_or_default()
    }

    /// Returns the file's name of the chart's archive.
    pub(super) fn file_name(&self) -> String {
        format!("{}-{}.tgz", self.name, self.version)
    }

    /// Returns it as helm writes it in JSON.
    pub(super) fn to_json(&self) -> Value {
        serde_json::to_value(self).expect("plain data with text keys")
    }
}

fn check_fetched(document: &Document) -> Result<()> {
    let places: Places = document.read()?;
    for place in places.dependencies.iter().flatten() {
        let Some(PlacesOfDependency { name, version, .. }) = &place.value else { continue };
        if !is_name(&name.value) {
            let message = format!("`{}` is not the name of a chart", name.value.escape_debug());
            return Err(document.error(place.span, message).hint(NAME_HINT));
        }
        if Range::parse(&version.value).is_none() {
            let span = if version.value.is_empty() { place.span } else { version.span };
            let version = version.value.escape_debug();
            let message = format!("`{version}` of dependency `{}` is no range of versions", name.value);
            return Err(document
                .error(span, message)
                .hint("write `1.2.3`, `^1.2`, `~1.2.0`, `>=1.2 <2` or `*`"));
        }
    }
    Ok(())
}

/// Returns the one document of a chart's file; none is an empty one.
pub(super) fn document(file: &str, text: &str) -> Result<Document> {
    // Of a hostile archive's.
    let mut limits = Limits::default();
    (limits.bytes, limits.nodes) = (4 << 20, 400_000);
    let mut documents = parse_within(file, text, &limits)?;
    match documents.len() {
        0 => Err(Error::config(format!("`{file}` is empty"))),
        1 => Ok(documents.remove(0)),
        _ => Err(Error::config(format!("`{file}` has more than one document"))),
    }
}

/// Whether this is a chart's name: helm's lint asks for these signs, and what a file or an argument of a program
/// could be misread as is left out.
pub(super) fn is_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    !name.is_empty()
        && name.len() <= LONGEST_NAME
        && !name.starts_with(['.', '-', '_'])
        && name.chars().all(fits)
}
