//! What went into a build, of what its snapshot knows: dependencies by their digests, and of all else as little as
//! proves it.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use shipway_core::{BuildRecord, Context, Digest};
use shipway_oci::digest_of;

use crate::{slsa::without_login, statement::Resource};

/// The most dependencies that are listed one by one; of more, the list's digest is.
const MOST: usize = 1000;

/// The most bytes of a name.
const NAME: usize = 1024;

/// Hides what nobody may see.
pub trait Words: Sync {
    /// Returns the text without what is secret.
    fn shown(&self, text: &str) -> String;
}

impl Words for Context {
    fn shown(&self, text: &str) -> String {
        self.masked(text)
    }
}

/// What a snapshot comes to.
#[derive(Debug)]
pub(crate) struct Materials {
    pub(crate) dependencies: Vec<Resource>,
    pub(crate) facts: Value,
    pub(crate) secrets: Vec<String>,
}

impl Materials {
    /// Sorts a build's inputs, by the keys that the core gives them.
    pub(crate) fn of(build: &BuildRecord, source: Option<Resource>, words: &dyn Words) -> Self {
        let say = |text: &str| words.shown(&text.chars().take(NAME).collect::<String>());
        let (mut files, mut images) = (Vec::new(), Vec::new());
        let (mut facts, mut secrets) = (Map::new(), Vec::new());
        for (key, value) in &build.inputs {
            if let Some(path) = key.strip_prefix("file ") {
                files.push(file(&say(path), value));
            } else if let Some(reference) = key.strip_prefix("image ") {
                images.extend(image(&say(reference), value));
            } else if let Some(id) = key.strip_prefix("secret ") {
                // Its version is a hash, by which a guess at the value could be confirmed.
                secrets.push(say(id));
            } else if !key.starts_with("required image ") {
                facts.insert(say(key.strip_prefix("fact ").unwrap_or(key)), fact(value, words));
            }
        }
        for (alias, required) in &build.requires {
            let resource =
                Resource::of(&required.digest).uri(purl(&say(&required.repository), &required.digest));
            images.push(resource.name(say(alias)));
        }
        let mut dependencies: Vec<Resource> = source.into_iter().collect();
        dependencies.extend(listed("images", images));
        dependencies.extend(listed("files", files));
        Self { dependencies, facts: facts.into(), secrets }
    }
}

/// Returns a file by the hash in its snapshot: its mode and the BLAKE3 of what it holds, or what else it is.
fn file(path: &str, hash: &str) -> Resource {
    let content = hash.split_once(' ').filter(|(mode, hash)| {
        let digits = |text: &str, length| text.len() == length && text.bytes().all(|b| b.is_ascii_hexdigit());
        digits(mode, 4) && digits(hash, 64)
    });
    match content {
        Some((mode, hash)) => Resource::new("blake3", hash).name(path).annotation("mode", mode),
        // A folder, a link or nothing at all, whose text is not for everybody.
        None => Resource::new("sha256", digest_of(hash.as_bytes()).hex())
            .name(path)
            .annotation("kind", hash.split(' ').next().unwrap_or_default()),
    }
}

fn image(reference: &str, digest: &str) -> Option<Resource> {
    let digest = Digest::parse(digest).ok()?;
    let repository = reference.split('@').next().unwrap_or_default();
    let repository = match repository.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => repository,
    };
    Some(Resource::of(&digest).name(without_login(reference)).uri(purl(repository, &digest)))
}

/// Returns the URL of an image (package-url/purl-spec, types/oci).
pub(crate) fn purl(repository: &str, digest: &Digest) -> String {
    let name = repository.rsplit('/').next().unwrap_or_default().to_lowercase();
    format!("pkg:oci/{}@{}?repository_url={}", encoded(&name), encoded(digest.as_str()), encoded(repository))
}

/// Returns a text as it stands in a part of a package URL.
pub(crate) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(byte.into()),
            _ => encoded.extend(format!("%{byte:02X}").chars()),
        }
    }
    encoded
}

/// Returns what can be said of a fact: its digest, unless there is a secret in it.
///
/// Whoever can guess the text can confirm it by its digest. So what is secret is to be declared as one.
fn fact(text: &str, words: &dyn Words) -> Value {
    if words.shown(text) != text {
        return json!({ "secret": true });
    }
    json!({ "sha256": digest_of(text.as_bytes()).hex() })
}

/// Returns the resources one by one, or, of too many, what stands for all of them.
fn listed(name: &str, resources: Vec<Resource>) -> Vec<Resource> {
    if resources.len() <= MOST {
        return resources;
    }
    let lines: BTreeMap<&str, &BTreeMap<String, String>> = resources
        .iter()
        .map(|resource| (resource.name.as_deref().unwrap_or_default(), &resource.digest))
        .collect();
    let list = shipway_oci::sorted_json(&lines);
    vec![Resource::new("sha256", digest_of(&list).hex()).name(name).annotation("count", resources.len())]
}
