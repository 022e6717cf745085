//! References to images in registries, by the grammar of `distribution/reference` and Docker's rule
//! for a reference without a host.

use std::{fmt, str::FromStr};

use shipway_core::{Digest, Error, Result, Tag};

use crate::Label;

const DOCKER_HUB: &str = "docker.io";

/// An image in a registry: `[host[:port]/]path[:tag][@digest]`.
///
/// ```
/// let reference: shipway_oci::Reference = "alpine:3.20".parse()?;
/// assert_eq!(reference.repository(), "docker.io/library/alpine");
/// # Ok::<(), shipway_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reference {
    /// The registry, `host[:port]`, in lower case.
    pub host: String,
    /// The path of the repository in the registry.
    pub path: String,
    /// The tag.
    pub tag: Option<Tag>,
    /// The digest.
    pub digest: Option<Digest>,
}

impl Reference {
    /// Returns the repository with its registry: `host/path`.
    #[must_use]
    pub fn repository(&self) -> String {
        format!("{}/{}", self.host, self.path)
    }

    /// Returns what to ask the repository for: the digest, else the tag, else the tag `latest`.
    #[must_use]
    pub fn label(&self) -> Label {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => Label::Digest(digest.clone()),
            (None, Some(tag)) => Label::Tag(tag.clone()),
            (None, None) => Label::Tag(Tag::parse("latest").expect("`latest` is a tag")),
        }
    }
}

impl FromStr for Reference {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = |hint: &str| {
            Error::config(format!("`{text}` is not a reference to an image")).hint(hint.to_owned())
        };
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(Digest::parse(digest)?)),
            None => (text, None),
        };
        // The colon before a port has a slash after it.
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(Tag::parse(tag)?)),
            _ => (rest, None),
        };
        let (host, path) = split_host(name);
        // Docker takes a single word with a capital letter for a host. In lower case, as hosts are
        // here, it would be read as a part of the path.
        if !looks_like_host(&host) {
            return Err(wrong("the host needs a port, such as `host:443`, or a domain"));
        }
        if !is_host(&host) {
            return Err(wrong("the host is a name or an address, with a port after `:` if there is one"));
        }
        if path.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(wrong("the name of a repository is in lower case"));
        }
        if !is_path(&path) {
            return Err(wrong(
                "the form is `[host[:port]/]path[:tag][@digest]`, such as `ghcr.io/team/web:1.2`",
            ));
        }
        // distribution/reference: such a name could not be told from an image's id.
        if path.strip_prefix("library/").is_some_and(is_id) && host == DOCKER_HUB {
            return Err(wrong("a name of 64 hexadecimal digits is an image's id"));
        }
        // distribution/reference: RepositoryNameTotalLengthMax.
        if host.len() + 1 + path.len() > 255 {
            return Err(wrong("a name has at most 255 characters"));
        }
        Ok(Self { host, path, tag, digest })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.host, self.path)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        match &self.digest {
            Some(digest) => write!(f, "@{digest}"),
            None => Ok(()),
        }
    }
}

/// Splits a name as Docker does: the first part is a host only if it cannot be anything else; without
/// a host it is Docker Hub, where a name of one part is below `library`.
fn split_host(name: &str) -> (String, String) {
    let (host, path) = match name.split_once('/') {
        Some((first, path)) if looks_like_host(first) || first.to_lowercase() != first => {
            (first.to_lowercase(), path)
        }
        _ => (DOCKER_HUB.to_owned(), name),
    };
    let host = if host == "index.docker.io" { DOCKER_HUB.to_owned() } else { host };
    if host == DOCKER_HUB && !path.contains('/') && !path.is_empty() {
        return (host, format!("library/{path}"));
    }
    (host, path.to_owned())
}

fn looks_like_host(first: &str) -> bool {
    first.contains(['.', ':']) || first == "localhost"
}

fn is_host(host: &str) -> bool {
    let (name, port) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) => {
            if address.parse::<std::net::Ipv6Addr>().is_err() {
                return false;
            }
            return port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        }
        None => match host.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (host, None),
        },
    };
    let part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('-')
            && !part.ends_with('-')
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    name.split('.').all(part) && port.is_none_or(is_port)
}

fn is_port(port: &str) -> bool {
    port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok()
}

fn is_id(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Returns whether this is the path of a repository (OCI distribution-spec, "Pulling manifests": parts
/// of `[a-z0-9]+` with `.`, `_`, `__` or dashes between them, so that no part is `..` or empty).
pub(crate) fn is_path(path: &str) -> bool {
    path.len() <= 255 && path.split('/').all(is_path_part)
}

fn is_path_part(part: &str) -> bool {
    let word = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends = part.as_bytes().first().is_some_and(word) && part.as_bytes().last().is_some_and(word);
    ends && part
        .split(|character: char| character.is_ascii_lowercase() || character.is_ascii_digit())
        .all(|between| matches!(between, "" | "." | "_" | "__") || between.bytes().all(|byte| byte == b'-'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::*;

    #[test]
    fn references_mean_what_docker_says() {
        let hex = "0".repeat(64);
        let digest = format!("sha256:{hex}");
        for (text, host, path, tag, pinned) in [
            ("alpine", "docker.io", "library/alpine", None, false),
            ("alpine:3.20", "docker.io", "library/alpine", Some("3.20"), false),
            ("team/web", "docker.io", "team/web", None, false),
            ("docker.io/alpine", "docker.io", "library/alpine", None, false),
            ("index.docker.io/team/web", "docker.io", "team/web", None, false),
            ("localhost/web:1", "localhost", "web", Some("1"), false),
            ("localhost:5000/web:1", "localhost:5000", "web", Some("1"), false),
            ("127.0.0.1:5000/a/b/c", "127.0.0.1:5000", "a/b/c", None, false),
            ("[::1]:5000/web", "[::1]:5000", "web", None, false),
            ("GHCR.io/team/web", "ghcr.io", "team/web", None, false),
            ("LOCALHOST/web", "localhost", "web", None, false),
            ("ghcr.io/a--b/c__d.e_f", "ghcr.io", "a--b/c__d.e_f", None, false),
            (&format!("web:1@{digest}"), "docker.io", "library/web", Some("1"), true),
            (&format!("h.example/web@{digest}"), "h.example", "web", None, true),
        ] {
            let reference: Reference = text.parse().expect(text);
            let found = (reference.host.as_str(), reference.path.as_str());
            assert_eq!(found, (host, path), "{text}");
            assert_eq!(reference.tag.as_ref().map(Tag::as_str), tag, "{text}");
            assert_eq!(reference.digest.is_some(), pinned, "{text}");
            assert_eq!(reference.to_string().parse::<Reference>().expect(text), reference);
        }
        let label = |text: &str| text.parse::<Reference>().expect(text).label();
        assert_eq!(label("web"), Label::Tag(Tag::parse("latest").expect("a tag")));
        assert_eq!(
            label(&format!("web:1@{digest}")),
            Label::Digest(Digest::parse(digest).expect("a digest"))
        );
    }

    #[test]
    fn what_is_no_reference_is_a_config_error_with_a_hint() {
        let id = "a".repeat(64);
        for text in [
            "",
            "/",
            ":tag",
            "web:",
            "web@",
            "web@sha256:abc",
            "Web",
            "Host/web",
            "a//b",
            "a/../b",
            "../a",
            "/a",
            "a/",
            "-a",
            "a-",
            "a..b",
            "a___b",
            "a b",
            "host:port/web",
            "host:99999/web",
            "h.example/",
            "[::g]/web",
            "[::1/web",
            "h_st.example/web",
            "web:a:b",
            "é/web",
            "h.example/é",
            "a@b@c",
            "http://h.example/web",
            &id,
            &format!("h.example/{}", "a/".repeat(130) + "a"),
        ] {
            let error = text.parse::<Reference>().expect_err(text);
            assert_eq!(error.kind(), shipway_core::ErrorKind::Config, "{text}");
            assert!(error.report().hint.is_some(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_parses_or_not_and_a_path_never_leads_out(text in any::<String>()) {
            if let Ok(reference) = text.parse::<Reference>() {
                assert!(reference.path.split('/').all(|part| !part.is_empty() && !part.starts_with('.')));
                assert_eq!(reference.to_string().parse::<Reference>().expect("parses again"), reference);
            }
        }
    }
}
