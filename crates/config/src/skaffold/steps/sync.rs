//! v1beta10: what is synchronised is a list of rules, no mapping of patterns to folders; and v2beta9:
//! `auto` is a switch.

use shipway_core::Result;
use shipway_yaml::{Node, Style, Value};

use crate::{
    path::{each, placed, put, take},
    skaffold::upgrade::Upgrade,
};

const FLATTENED: &str = "what matches is no longer put into one folder: since skaffold/v1beta10 folders are kept \
                         as they are";

pub(super) fn into_rules(pipeline: &mut Node, upgrade: &mut Upgrade<'_>) -> Result<()> {
    each(pipeline, &["build", "artifacts", "*"], &mut |artifact| {
        let Some((key, sync)) = take(artifact, &["sync"]) else { return Ok(()) };
        let Value::Mapping(entries) = sync.value else {
            if !sync.is_null() {
                // It is said later that this is nothing to synchronise.
                put(artifact, &["sync"], &key, sync);
            }
            return Ok(());
        };
        if let Some((pattern, _)) = entries.first().filter(|_| !upgrade.whole) {
            return Err(upgrade.not_a_patch(pattern, "an entry of `sync`"));
        }
        if !entries.is_empty() {
            let rules = entries.into_iter().map(|(from, to)| rule(&from, &to, upgrade)).collect();
            put(artifact, &["sync", "manual"], &key, Node::sequence(rules));
        }
        Ok(())
    })
}

fn rule(from: &Node, to: &Node, upgrade: &mut Upgrade<'_>) -> Node {
    let src = from.text().unwrap_or_default();
    let dest = to.text().filter(|_| !to.is_null()).unwrap_or_default();
    let mut pattern = src.to_owned();
    let (dest, strip) = if let Some(folder) = folder(src) {
        simplified(dest, folder)
    } else if let Some((folder, _)) = src.split_once("***") {
        pattern = src.replace("***", "**");
        simplified(dest, folder)
    } else {
        upgrade.note(from, FLATTENED);
        (dest.to_owned(), String::new())
    };
    let entry = |name: &str, text: String, like: &Node| {
        (
            placed(Node::scalar(name, Style::Plain), like),
            placed(Node::scalar(text, Style::DoubleQuoted), like),
        )
    };
    let mut entries = vec![entry("src", pattern, from), entry("dest", dest, to)];
    if !strip.is_empty() {
        entries.push(entry("strip", strip, from));
    }
    Node::mapping(entries)
}

/// Returns the folder that a pattern begins with, if there is no star in it and at most one after it.
fn folder(pattern: &str) -> Option<&str> {
    let (folder, name) = pattern.split_at(pattern.rfind('/').map_or(0, |at| at + 1));
    let few = !name.is_empty() && !folder.contains('*') && name.matches('*').count() < 2;
    few.then_some(folder)
}

/// Takes a folder that is the end of both off the target, so that nothing need be stripped.
fn simplified(dest: &str, strip: &str) -> (String, String) {
    if strip.is_empty() || strip == "/" || dest.is_empty() {
        return (dest.to_owned(), strip.to_owned());
    }
    let folder = format!("{}/", dest.strip_suffix('/').unwrap_or(dest));
    if !folder.ends_with(strip) {
        return (dest.to_owned(), strip.to_owned());
    }
    let end = strip.strip_prefix('/').unwrap_or(strip);
    match folder.strip_suffix(end).unwrap_or(&folder) {
        "" => (".".to_owned(), String::new()),
        shorter => (shorter.to_owned(), String::new()),
    }
}

/// What was written as `auto: {}` is `auto: true`.
pub(super) fn auto_is_a_switch(pipeline: &mut Node, _upgrade: &mut Upgrade<'_>) -> Result<()> {
    each(pipeline, &["build", "artifacts", "*", "sync", "auto"], &mut |auto| {
        if auto.entries().is_some() {
            *auto = placed(Node::scalar("true", Style::Plain), auto);
        }
        Ok(())
    })
}
