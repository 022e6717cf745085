//! A global configuration's text, read and edited key by key: comments, order and all that is not meant stay as a person
//! wrote them.

use std::path::Path;

use shipway_core::{Error, Result};
use shipway_yaml::{Document, Node, Rules, Style, parse, rewrite};

use super::{
    GlobalConfig,
    key::{Form, GlobalKey},
};
use crate::{path::put, skaffold::profile::matches};

/// Where something is said of all contexts, of some, and which these are.
const ALL: &str = "global";
const CONTEXTS: &str = "kubeContexts";
const NAME: &str = "kube-context";

/// Of what a global configuration says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GlobalScope<'a> {
    /// All Kubernetes contexts (`global`).
    All,
    /// A Kubernetes context, by its name: the section that counts for it, which is the last whose `kube-context` is its name or
    /// has a match in it ([`GlobalConfig::for_context`]).
    Context(&'a str),
}

impl GlobalConfig {
    /// Returns a text in which a key has a value. Of a key that is a list the value is one more, unless it is there.
    ///
    /// Where no section counts for a context, one of its name is added. What has no value, as `""`, is [unset](Self::unset).
    ///
    /// ```
    /// use shipway_config::{GlobalConfig, GlobalScope};
    ///
    /// let text = "# mine\nglobal:\n  default-repo: old.example # for now\n";
    /// let key = "default-repo".parse()?;
    /// let text = GlobalConfig::set("config", text, GlobalScope::All, key, "new.example")?;
    /// assert_eq!(text, "# mine\nglobal:\n  default-repo: new.example # for now\n");
    /// let text = GlobalConfig::set("config", "", GlobalScope::Context("kind"), "local-cluster".parse()?, "true")?;
    /// assert_eq!(text, "kubeContexts:\n  - kube-context: kind\n    local-cluster: true\n");
    /// # Ok::<(), shipway_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Config` for a text that is no global configuration, and for what is no value of the key.
    pub fn set(
        file: impl AsRef<Path>,
        text: &str,
        scope: GlobalScope<'_>,
        key: GlobalKey,
        value: &str,
    ) -> Result<String> {
        if value.is_empty() {
            return Self::unset(file, text, scope, key);
        }
        let value = key.value(value)?;
        let style = if key.form() == Form::Flag { Style::Plain } else { Style::DoubleQuoted };
        let node = Node::scalar(&*value, style);
        let change = |section: &mut Node| match (section.get_mut(key.name()), key.form()) {
            (Some(there), Form::List) if there.items().is_some() => {
                if let Some(items) = there.items_mut()
                    && !items.iter().any(|item| is(item, &value))
                {
                    items.push(node);
                }
            }
            // What stays the same stays as it is written.
            (Some(there), _) if is(there, &value) => {}
            (_, Form::List) => add(section, key.name(), Node::sequence(vec![node])),
            (_, _) => add(section, key.name(), node),
        };
        let holds = |section: &Node| said(section, key).contains(&value);
        edit(file.as_ref(), text, scope, change, holds)
    }

    /// Returns a text in which a key has no value; the text as it is where it has none.
    ///
    /// # Errors
    /// `Config` for a text that is no global configuration, and where the key comes by a merge key (`<<`).
    pub fn unset(
        file: impl AsRef<Path>,
        text: &str,
        scope: GlobalScope<'_>,
        key: GlobalKey,
    ) -> Result<String> {
        let file = file.as_ref();
        let document = document(file, text)?;
        let there = document.as_ref().and_then(|document| section(&document.root, scope));
        if there.is_none_or(|section| section.get(key.name()).is_none()) {
            return Ok(text.to_owned());
        }
        let change = |section: &mut Node| {
            let entries = section.entries_mut().into_iter();
            entries.for_each(|entries| entries.retain(|(name, _)| name.text() != Some(key.name())));
        };
        edit(file, text, scope, change, |section| said(section, key).is_empty())
    }

    /// Returns what a text says by a key: of a context what its section says, and otherwise what is said of all; of a
    /// list both. It is empty where nothing is said.
    ///
    /// # Errors
    /// `Config` for a text that is no global configuration.
    pub fn get(
        file: impl AsRef<Path>,
        text: &str,
        scope: GlobalScope<'_>,
        key: GlobalKey,
    ) -> Result<Vec<String>> {
        let Some(document) = document(file.as_ref(), text)? else { return Ok(Vec::new()) };
        let of = |scope| section(&document.root, scope).map(|section| said(section, key)).unwrap_or_default();
        let mut values = of(scope);
        if scope != GlobalScope::All && (values.is_empty() || key.form() == Form::List) {
            values.extend(of(GlobalScope::All));
        }
        Ok(values)
    }

    /// Returns the section of a text that counts for a scope, as a text of its own; none where there is none.
    ///
    /// # Errors
    /// `Config` for a text that is no global configuration.
    pub fn section(file: impl AsRef<Path>, text: &str, scope: GlobalScope<'_>) -> Result<Option<String>> {
        let Some(document) = document(file.as_ref(), text)? else { return Ok(None) };
        let section = section(&document.root, scope).filter(|section| !section.is_null());
        section.map(Node::to_yaml).transpose()
    }
}

/// Reads a text that must be a global configuration; without merge keys, and none where it says nothing.
fn document(file: &Path, text: &str) -> Result<Option<Document>> {
    GlobalConfig::read(file, text)?;
    let document = parse(file, text)?.into_iter().find(|document| !document.root.is_null());
    document.map(|document| document.merged(Rules::Config)).transpose()
}

/// Returns the section that counts for a scope.
fn section<'n>(root: &'n Node, scope: GlobalScope<'_>) -> Option<&'n Node> {
    match scope {
        GlobalScope::All => root.get(ALL),
        GlobalScope::Context(context) => {
            let sections = root.get(CONTEXTS)?.items()?;
            sections.get(place(sections, context)?)
        }
    }
}

/// Returns which of the sections counts for a context.
fn place(sections: &[Node], context: &str) -> Option<usize> {
    let name = |section: &Node| section.get(NAME).and_then(Node::text).unwrap_or_default().to_owned();
    sections.iter().rposition(|section| matches(&name(section), context))
}

/// Returns what a section says by a key.
fn said(section: &Node, key: GlobalKey) -> Vec<String> {
    let Some(value) = section.get(key.name()).filter(|value| !value.is_null()) else { return Vec::new() };
    let texts = value.items().unwrap_or(std::slice::from_ref(value)).iter().filter_map(Node::text);
    // Go cannot tell an empty text from none.
    texts.filter(|text| !text.is_empty()).map(str::to_owned).collect()
}

/// Whether a node is a text or a flag that is written so.
fn is(node: &Node, value: &str) -> bool {
    node.text() == Some(value)
}

/// Puts an entry into a mapping, in the place of one with this key.
fn add(node: &mut Node, key: &str, value: Node) {
    if node.entries().is_none() {
        *node = Node::mapping(Vec::new());
    }
    put(node, &[key], &Node::scalar(key, Style::Plain), value);
}

/// Edits the section that counts for a scope, which is made where there is none, and looks at what came out.
fn edit(
    file: &Path,
    text: &str,
    scope: GlobalScope<'_>,
    change: impl FnOnce(&mut Node),
    holds: impl FnOnce(&Node) -> bool,
) -> Result<String> {
    GlobalConfig::read(file, text)?;
    let mut documents = parse(file, text)?;
    let at = documents.iter().position(|document| !document.root.is_null()).unwrap_or_default();
    let newline = |text: &str| if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    let mut edited = match documents.get_mut(at) {
        Some(document) => {
            edit_section(&mut document.root, scope, change);
            rewrite(file, text, &documents)?
        }
        // Comments alone.
        None => {
            let mut root = Node::mapping(Vec::new());
            edit_section(&mut root, scope, change);
            format!("{text}{}{}", newline(text), root.to_yaml()?)
        }
    };
    edited.push_str(newline(&edited));
    let read = document(file, &edited)?;
    match read.as_ref().and_then(|document| section(&document.root, scope)) {
        Some(section) if holds(section) => Ok(edited),
        _ => Err(Error::config(format!("`{}` cannot be edited here", file.display()))
            .hint("what is said comes by a merge key (`<<`) or an alias: edit the file yourself")),
    }
}

fn edit_section(root: &mut Node, scope: GlobalScope<'_>, change: impl FnOnce(&mut Node)) {
    let GlobalScope::Context(context) = scope else {
        return match root.get_mut(ALL).filter(|section| !section.is_null()) {
            Some(section) => change(section),
            None => add(root, ALL, changed(Vec::new(), change)),
        };
    };
    let place = root.get(CONTEXTS).and_then(Node::items).and_then(|sections| place(sections, context));
    let sections = root.get_mut(CONTEXTS).and_then(Node::items_mut);
    match (sections, place) {
        (Some(sections), Some(at)) => change(&mut sections[at]),
        (sections, _) => {
            let name = Node::scalar(context, Style::DoubleQuoted);
            let section = changed(vec![(Node::scalar(NAME, Style::Plain), name)], change);
            match sections {
                Some(sections) => sections.push(section),
                None => add(root, CONTEXTS, Node::sequence(vec![section])),
            }
        }
    }
}

/// Returns a section of its own.
fn changed(entries: Vec<(Node, Node)>, change: impl FnOnce(&mut Node)) -> Node {
    let mut section = Node::mapping(entries);
    change(&mut section);
    section
}
