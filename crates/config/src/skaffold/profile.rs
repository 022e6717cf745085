//! Third stage: the profiles that are active, laid over the file and followed by their patches.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use regex::RegexBuilder;
use shipway_core::{Error, Result, did_you_mean};
use shipway_yaml::{Document, Node, Value};

use super::{
    Options,
    model::{Activation, Profile},
    overlay::{SECTIONS, overlay},
    patch::{Failed, Patches},
    rotten,
};
use crate::{
    Notice,
    path::{placed, take},
};

/// In bytes when it is compiled: what honest patterns are far below.
const LARGEST_PATTERN: usize = 512 * 1024;

/// A configuration's profiles, each with the part of the tree that it is.
#[derive(Debug)]
pub(super) struct Profiles {
    all: Vec<(Profile, Node)>,
    /// Those that activate themselves, and whether by the Kubernetes context.
    automatic: Vec<(usize, bool)>,
}

/// The profiles of a configuration that are active, in the order in which they are applied.
#[derive(Debug)]
pub(super) struct Active(Vec<(usize, bool)>);

impl Profiles {
    /// Takes the profiles out of a configuration, and reads all, active or not.
    pub(super) fn take(
        document: &mut Document,
        options: &Options,
        notices: &mut Vec<Notice>,
    ) -> Result<Self> {
        let mut all: Vec<(Profile, Node)> = Vec::new();
        let mut names = BTreeSet::new();
        let list = take(&mut document.root, &["profiles"]).map(|(_, list)| list);
        let items = match list.filter(|list| !list.is_null()) {
            None => Vec::new(),
            Some(Node { value: Value::Sequence(items), .. }) => items,
            Some(list) => {
                return Err(document.error(list.span, format!("expected a list, found {}", list.kind())));
            }
        };
        for item in items {
            let profile = Profile::read(document, &item)?;
            // Skaffold's list by names holds the last (schema/profiles.go, `profilesByName`).
            if !names.insert(profile.name.value.clone()) {
                let message =
                    format!("there are several profiles `{}`, and the last counts", profile.name.value);
                notices.push(Notice::new(document.location(profile.name.span), message));
            }
            all.push((profile, item));
        }
        let mut automatic = Vec::new();
        for (index, (profile, _)) in all.iter().enumerate().filter(|_| options.auto_activation) {
            if let Some(by_context) = activated(profile, options, document)? {
                automatic.push((index, by_context));
            }
        }
        Ok(Self { all, automatic })
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.all.iter().map(|(profile, _)| profile.name.value.as_str())
    }

    /// Returns the profiles, each with the part of the tree that it is.
    pub(super) fn all(&self) -> &[(Profile, Node)] {
        &self.all
    }

    /// Returns the active profiles: those that activate themselves in the order of the file, then those
    /// that were asked for, of which others than this configuration's do not matter; with `-` before it one that is
    /// not to activate itself.
    pub(super) fn active(&self, asked: &[String]) -> Active {
        let last: BTreeMap<&str, usize> =
            self.names().enumerate().map(|(index, name)| (name, index)).collect();
        let name = |index: usize| self.all[index].0.name.value.as_str();
        let mut active: Vec<(usize, bool)> =
            self.automatic.iter().map(|(index, context)| (last[name(*index)], *context)).collect();
        for asked in asked {
            if let Some(unwanted) = asked.strip_prefix('-') {
                active.retain(|(index, _)| name(*index) != unwanted);
            } else if let Some(index) = last.get(asked.as_str())
                && !active.iter().any(|(active, _)| active == index)
            {
                active.push((*index, false));
            }
        }
        Active(active)
    }

    /// Returns the names of active profiles, in the order in which they are applied.
    pub(super) fn active_names(&self, active: &Active) -> Vec<String> {
        active.0.iter().map(|(index, _)| self.all[*index].0.name.value.clone()).collect()
    }

    /// Lays the active profiles over the configuration, and tries the patches of the others.
    pub(super) fn apply(&self, document: &mut Document, active: &Active, options: &Options) -> Result<()> {
        let inactive = |index: &usize| !active.0.iter().any(|(active, _)| active == index);
        rotten::check(self, document, &inactive)?;
        let mut patches = Patches::new();
        for (index, _) in &active.0 {
            let (profile, node) = &self.all[*index];
            lay(profile, node, &mut document.root, &mut patches, &document.file)
                .map_err(Failed::into_error)?;
        }
        if let Some((index, _)) = active.0.iter().rev().find(|(_, by_context)| *by_context) {
            same_context(&self.all[*index].0, document, options)?;
        }
        Ok(())
    }
}

/// Lays a profile over a configuration, and applies its patches to that.
pub(super) fn lay(
    profile: &Profile,
    node: &Node,
    root: &mut Node,
    patches: &mut Patches,
    file: &Path,
) -> std::result::Result<(), Failed> {
    overlay(root, node);
    if profile.patches.is_empty() {
        return Ok(());
    }
    let shown = Document::new(file, Node::mapping(Vec::new()));
    let written = node.get("patches").and_then(Node::items).unwrap_or_default();
    for (number, patch) in profile.patches.iter().enumerate() {
        let value = written.get(number).and_then(|patch| patch.get("value"));
        patches.apply(root, patch, value, &shown)?;
    }
    Ok(())
}

/// Refuses names of profiles that were asked for and that nobody has.
pub(super) fn check_names(names: &BTreeSet<String>, options: &Options) -> Result<()> {
    for name in &options.profiles {
        let name = name.strip_prefix('-').unwrap_or(name);
        if !names.contains(name) {
            let error = Error::config(format!("there is no profile `{name}`"));
            return Err(match did_you_mean(name, names.iter().map(String::as_str)) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None if names.is_empty() => error.hint("the file has no profiles"),
                None => {
                    let names: Vec<&str> = names.iter().map(String::as_str).collect();
                    error.hint(format!("the file has these: {}", names.join(", ")))
                }
            });
        }
    }
    Ok(())
}

/// Returns whether a profile activates itself, and then whether by the Kubernetes context.
fn activated(profile: &Profile, options: &Options, shown: &Document) -> Result<Option<bool>> {
    let mut by_context = None;
    for activation in &profile.activation {
        let context = !activation.kube_context.is_empty();
        match (triggered(activation, options, shown)?, profile.requires_all_activations) {
            (true, false) => return Ok(Some(context)),
            (true, true) => by_context = Some(by_context == Some(true) || context),
            (false, true) => return Ok(None),
            (false, false) => {}
        }
    }
    Ok(by_context)
}

/// Whether all that an activation asks for is so; what it does not ask for counts for nothing.
fn triggered(activation: &Activation, options: &Options, shown: &Document) -> Result<bool> {
    let Activation { command, kube_context, env } = activation;
    let command = command.is_empty() || matches(command, &options.command);
    let current = options.kube_context.as_deref().unwrap_or_default();
    let context = kube_context.is_empty() || matches(kube_context, current);
    let env = match env.as_ref().filter(|pair| !pair.value.is_empty()) {
        None => true,
        Some(pair) => {
            let Some((name, wanted)) = pair.value.split_once('=') else {
                let error = shown.error(pair.span, format!("`{}` has no `=`", pair.value));
                return Err(error.hint("write `NAME=pattern`"));
            };
            let value = options.env.get(name).map_or("", String::as_str);
            // Every text has a match of an empty pattern, and that is not meant.
            if wanted.is_empty() { value.is_empty() } else { matches(wanted, value) }
        }
    };
    Ok(command && context && env)
}

/// Whether a text is what is wanted or has a match of it; `!` before it says that it must not
/// (skaffold: `util/regex.go`).
pub(super) fn matches(wanted: &str, text: &str) -> bool {
    if let Some(unwanted) = wanted.strip_prefix('!') {
        return !matches_plainly(unwanted, text);
    }
    matches_plainly(wanted, text)
}

fn matches_plainly(wanted: &str, text: &str) -> bool {
    let compiled = || RegexBuilder::new(wanted).size_limit(LARGEST_PATTERN).build();
    wanted == text || compiled().is_ok_and(|pattern| pattern.is_match(text))
}

/// What was activated by one cluster must not be deployed to another.
fn same_context(profile: &Profile, document: &Document, options: &Options) -> Result<()> {
    let chosen = document.root.get("deploy").and_then(|deploy| deploy.get("kubeContext"));
    let (Some(chosen), Some(current)) = (chosen, &options.kube_context) else { return Ok(()) };
    match chosen.text() {
        None | Some("") => Ok(()),
        Some(text) if text == current => Ok(()),
        Some(text) => {
            let name = &profile.name.value;
            let message = format!(
                "profile `{name}` is active because the Kubernetes context is `{current}`, but `{text}` is deployed to"
            );
            let error = document.error(chosen.span, message);
            Err(error.hint("make the profile's `activation` and `deploy.kubeContext` agree"))
        }
    }
}

impl Profile {
    /// Reads a profile, apart from its sections: what they say is checked where the file is.
    fn read(document: &Document, node: &Node) -> Result<Self> {
        let entries = node.entries().unwrap_or_default();
        let own = entries.iter().filter(|(key, _)| key.text().is_none_or(|key| !SECTIONS.contains(&key)));
        let own = placed(Node::mapping(own.cloned().collect()), node);
        Document::new(document.file.as_path(), own).read()
    }
}
