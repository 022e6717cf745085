//! Caches of layers, as buildx writes them: `type=registry,ref=…,mode=max`, or a reference alone.

use std::collections::BTreeMap;

use shipway_core::{Error, Result};
use shipway_docker::{CacheExport, CacheMode};
use shipway_oci::Reference;

/// Reads an entry of `cacheFrom`, and returns its reference.
pub(super) fn import(text: &str) -> Result<String> {
    let words = words("cacheFrom", text, &["type", "ref"])?;
    match words.get("type") {
        Some(&"registry") | None => reference("cacheFrom", text, &words),
        Some(&"inline") => {
            Err(wrong("cacheFrom", text)
                .hint("name the image that has the cache in it: `type=registry,ref=…`"))
        }
        Some(kind) => Err(unknown("cacheFrom", text, kind)),
    }
}

/// Reads an entry of `cacheTo`.
pub(super) fn export(text: &str) -> Result<CacheExport> {
    let words = words("cacheTo", text, &["type", "ref", "mode"])?;
    match words.get("type") {
        Some(&"registry") | None => {}
        Some(&"inline") if words.len() == 1 => return Ok(CacheExport::Inline),
        Some(&"inline") => {
            return Err(wrong("cacheTo", text).hint("`type=inline` stands alone: the cache is in the image"));
        }
        Some(kind) => return Err(unknown("cacheTo", text, kind)),
    }
    let mode = match words.get("mode") {
        Some(&"min") | None => CacheMode::Min,
        Some(&"max") => CacheMode::Max,
        Some(_) => return Err(wrong("cacheTo", text).hint("`mode` is `min` or `max`")),
    };
    Ok(CacheExport::Registry { reference: reference("cacheTo", text, &words)?, mode })
}

/// Reads `name=value,…`; a text without a `=` is a reference alone.
fn words<'a>(option: &str, text: &'a str, known: &[&str]) -> Result<BTreeMap<&'a str, &'a str>> {
    if !text.contains('=') {
        return Ok(BTreeMap::from([("ref", text)]));
    }
    let mut words = BTreeMap::new();
    for word in text.split(',') {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        if !known.contains(&name) {
            return Err(wrong(option, text)
                .note(format!("`{name}` is none of {}", known.join(", ")))
                .hint("write `type=registry,ref=…`, or the reference alone"));
        }
        if words.insert(name, value).is_some() {
            return Err(wrong(option, text).hint(format!("`{name}` is there twice")));
        }
    }
    Ok(words)
}

fn reference(option: &str, text: &str, words: &BTreeMap<&str, &str>) -> Result<String> {
    let reference = words.get("ref").copied().unwrap_or_default();
    match reference.parse::<Reference>() {
        Ok(_) => Ok(reference.to_owned()),
        Err(error) => {
            Err(wrong(option, text).source(error).hint("name a reference: `registry.example/cache:1`"))
        }
    }
}

fn unknown(option: &str, text: &str, kind: &str) -> Error {
    wrong(option, text)
        .note(format!("there is no cache of the type `{kind}`"))
        .hint("use `type=registry`, which every buildkitd has, or `type=inline`")
}

fn wrong(option: &str, text: &str) -> Error {
    Error::config(format!("`{option}` has `{text}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caches_are_in_buildxs_words() {
        for text in ["r.example:5000/c:1", "type=registry,ref=r.example:5000/c:1", "ref=r.example:5000/c:1"] {
            assert_eq!(import(text).unwrap(), "r.example:5000/c:1");
        }
        let registry = |mode| CacheExport::Registry { reference: "r.example/c".to_owned(), mode };
        for (text, meant) in [
            ("r.example/c", registry(CacheMode::Min)),
            ("type=registry,ref=r.example/c,mode=max", registry(CacheMode::Max)),
            ("mode=min,ref=r.example/c", registry(CacheMode::Min)),
            ("type=inline", CacheExport::Inline),
        ] {
            assert_eq!(export(text).unwrap(), meant, "{text}");
        }
    }

    #[test]
    fn what_is_no_cache_is_refused_with_a_way_out() {
        for (text, says) in [
            ("type=gha", "`gha`"),
            ("type=inline,mode=max", "stands alone"),
            ("ref=r.example/c,mode=most", "`min` or `max`"),
            ("ref=r.example/c,region=x", "`region`"),
            ("ref=r.example/c,ref=r.example/d", "twice"),
            ("type=registry", "reference"),
            ("A B", "reference"),
            ("", "reference"),
        ] {
            let error = export(text).unwrap_err();
            assert!(error.report().to_string().contains(says), "{text}: {error:?}");
        }
        for (text, says) in
            [("type=inline", "type=registry"), ("ref=a,mode=max", "`mode`"), ("type=local", "`local`")]
        {
            let error = import(text).unwrap_err();
            assert!(error.report().to_string().contains(says), "{text}: {error:?}");
        }
    }
}
