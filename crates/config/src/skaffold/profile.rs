//! Third stage: the profiles that are active, laid over the file and followed by their patches.

use std::collections::BTreeSet;

use regex::Regex;
use shipway_core::{Error, Result, did_you_mean};
use shipway_yaml::{Document, Node};

use super::{
    Options,
    model::{Activation, Config, Profile},
    overlay::{SECTIONS, overlay},
    parse::part,
    patch::Patches,
    unread,
};
use crate::path::take;

/// A file's profiles, each with the part of the tree that it is.
pub(super) struct Profiles {
    all: Vec<(Profile, Node)>,
}

impl Profiles {
    /// Takes the profiles out of a configuration, and reads all, active or not.
    pub(super) fn take(document: &mut Document) -> Result<Self> {
        let taken = take(&mut document.root, &["profiles"]);
        let Some((_, list)) = taken.filter(|(_, list)| !list.is_null()) else {
            return Ok(Self { all: Vec::new() });
        };
        let Some(items) = list.items() else {
            return Err(document.error(list.span, format!("expected a list, found {}", list.kind())));
        };
        let mut all: Vec<(Profile, Node)> = Vec::new();
        for item in items {
            let profile = Profile::read(&part(document, item))?;
            if all.iter().any(|(other, _)| other.name.value == profile.name.value) {
                let message = format!("there are two profiles `{}`", profile.name.value);
                return Err(document.error(profile.name.span, message).hint("give one another name"));
            }
            all.push((profile, item.clone()));
        }
        Ok(Self { all })
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.all.iter().map(|(profile, _)| profile.name.value.as_str())
    }

    /// Lays the active profiles over the configuration, and returns their names in that order.
    pub(super) fn apply(&self, document: &mut Document, options: &Options) -> Result<Vec<String>> {
        let mut names = Vec::new();
        let mut patches = Patches::new();
        let mut by_context = None;
        for (profile, node, context) in self.active(options, document)? {
            if context {
                by_context = Some(profile);
            }
            overlay(&mut document.root, node);
            let shown = part(document, node);
            for (number, patch) in profile.patches.iter().enumerate() {
                let written = node.get("patches").and_then(Node::items).and_then(|items| items.get(number));
                let value = written.and_then(|patch| patch.get("value"));
                patches.apply(&mut document.root, patch, value, &shown)?;
            }
            names.push(profile.name.value.clone());
        }
        if let Some(profile) = by_context {
            same_context(profile, document, options)?;
        }
        Ok(names)
    }

    /// Returns the active profiles: those that activate themselves in the order of the file, then those
    /// that were asked for; each with whether the Kubernetes context activated it.
    fn active(&self, options: &Options, shown: &Document) -> Result<Vec<(&Profile, &Node, bool)>> {
        let mut active = Vec::new();
        if options.auto_activation {
            for (profile, node) in &self.all {
                if let Some(by_context) = activated(profile, options, shown)? {
                    active.push((profile, node, by_context));
                }
            }
        }
        for name in &options.profiles {
            if let Some(name) = name.strip_prefix('-') {
                active.retain(|(profile, ..)| profile.name.value != name);
            } else if !active.iter().any(|(profile, ..)| profile.name.value == *name)
                && let Some((profile, node)) =
                    self.all.iter().find(|(profile, _)| profile.name.value == *name)
            {
                active.push((profile, node, false));
            }
        }
        Ok(active)
    }
}

/// Refuses names that no configuration of the file has.
pub(super) fn check_names(profiles: &[Profiles], options: &Options) -> Result<()> {
    let names: BTreeSet<&str> = profiles.iter().flat_map(Profiles::names).collect();
    for name in &options.profiles {
        let name = name.strip_prefix('-').unwrap_or(name);
        if !names.contains(name) {
            let error = Error::config(format!("there is no profile `{name}`"));
            return Err(match did_you_mean(name, names.iter().copied()) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None if names.is_empty() => error.hint("the file has no profiles"),
                None => {
                    let names: Vec<&str> = names.into_iter().collect();
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
    wanted == text || Regex::new(wanted).is_ok_and(|pattern| pattern.is_match(text))
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
    /// Reads a profile, and its sections as the configuration's are read.
    fn read(document: &Document) -> Result<Self> {
        let mut root = document.root.clone();
        let mut sections = Vec::new();
        if let Some(entries) = root.entries_mut() {
            let is_section = |key: &Node| key.text().is_some_and(|key| SECTIONS.contains(&key));
            (sections, *entries) = std::mem::take(entries).into_iter().partition(|(key, _)| is_section(key));
        }
        let mut body = part(document, &Node::mapping(sections));
        unread::remove(&mut body.root);
        Config::read(&body)?;
        part(document, &root).read()
    }
}
