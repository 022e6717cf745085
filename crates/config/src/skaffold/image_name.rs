//! Names of images: what of it is the repository, and how a default repository changes it.

use std::sync::LazyLock;

use regex::Regex;
use shipway_core::{Error, Result};

/// The longest name of an image (skaffold: docker/default_repo.go).
const LONGEST: usize = 255;

/// Google's registries with a project.
static PROJECT: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^[A-Za-z0-9.:-]+/[a-z][a-z0-9-]{4,28}[a-z0-9](/|$)").ok());

/// Returns the repository of an image's name: without tag and digest.
///
/// # Errors
/// `Config` for what is no name of an image; `Unsupported` for one that only ko reads.
pub(super) fn repository(image: &str) -> Result<&str> {
    if image.starts_with("ko://") {
        return Err(Error::unsupported(format!("`{image}` is a name for ko, which is not supported yet"))
            .hint("write the name of the image"));
    }
    let without_digest = image.split('@').next().unwrap_or_default();
    let tag = without_digest.rfind(':').filter(|colon| !without_digest[*colon..].contains('/'));
    let repository = &without_digest[..tag.unwrap_or(without_digest.len())];
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-/".contains(c);
    let (host, path) = match repository.split_once('/') {
        Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => (host, path),
        _ => ("", repository),
    };
    let wrong =
        |hint: &str| Err(Error::config(format!("`{image}` is no name of an image")).hint(hint.to_owned()));
    let host_allowed = host.chars().all(|c| c.is_ascii_alphanumeric() || ".-:[]".contains(c));
    let empty = path.split('/').any(str::is_empty);
    if empty || !path.chars().all(allowed) || !host_allowed {
        return wrong("use lower-case letters, digits and `.`, `_`, `-`, `/`");
    }
    Ok(repository)
}

/// Returns the repository that an image goes to when all go below a default one.
///
/// As Skaffold's rules, but for two of its mistakes: a default repository that an image's name begins with
/// must end where a part of the name does, and what is too long is an error and not cut, because two names
/// could become one.
///
/// # Errors
/// `Config` for a name that becomes too long.
pub(super) fn below(default: &str, multi_level: Option<bool>, repository: &str) -> Result<String> {
    let default = default.trim_end_matches('/');
    let rest = repository.strip_prefix(default);
    if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
        return Ok(repository.to_owned());
    }
    let prefix = project(default);
    let known = ["gcr.io", "-docker.pkg.dev"].iter().any(|registry| prefix.contains(registry));
    let name = if known || multi_level == Some(true) {
        match project(repository) {
            own if !own.is_empty() && own == prefix => {
                format!("{default}/{}", repository[own.len()..].trim_start_matches('/'))
            }
            _ => format!("{default}/{repository}"),
        }
    } else {
        format!("{default}/{}", repository.replace(['/', '.', '_', ':', '@'], "_"))
    };
    if name.len() > LONGEST {
        return Err(Error::config(format!("`{name}` is longer than {LONGEST} characters"))
            .hint("give the image or the default repository a shorter name"));
    }
    Ok(name)
}

/// The registry and project that a name begins with.
fn project(name: &str) -> &str {
    let found = PROJECT.as_ref().and_then(|pattern| pattern.find(name));
    found.map_or("", |found| found.as_str().trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_a_name_without_tag_and_digest() {
        for (image, expected) in [
            ("web", "web"),
            ("web:v1", "web"),
            ("host:5000/a/web:v1@sha256:00", "host:5000/a/web"),
            ("host:5000/web", "host:5000/web"),
            ("gcr.io/terrycho-personal/node-example", "gcr.io/terrycho-personal/node-example"),
        ] {
            assert_eq!(repository(image).expect(image), expected);
        }
        for bad in ["", "Web", "a//b", "a b", "ko://github.com/a/b", "/web", "web/", "a$b"] {
            assert!(repository(bad).is_err(), "{bad:?}");
        }
    }

    /// The cases of `docker/default_repo_test.go` of Skaffold, and its two mistakes.
    #[test]
    fn images_go_below_a_default_repository() {
        for (default, multi_level, image, expected) in [
            (
                "gcr.io/default",
                None,
                "gcr.io/original/some-image",
                "gcr.io/default/gcr.io/original/some-image",
            ),
            ("gcr.io/project", None, "gcr.io/project/some-image", "gcr.io/project/some-image"),
            ("gcr.io/project/sub", None, "gcr.io/project/other/image", "gcr.io/project/sub/other/image"),
            (
                "us-docker.pkg.dev/project/repo",
                None,
                "us-docker.pkg.dev/project/repo/image",
                "us-docker.pkg.dev/project/repo/image",
            ),
            ("example.com/repo", None, "gcr.io/original/image", "example.com/repo/gcr_io_original_image"),
            ("example.com/repo", Some(true), "a/image", "example.com/repo/a/image"),
            ("localhost:5000", None, "gcr.io/a/node-example", "localhost:5000/gcr_io_a_node-example"),
            ("example.com/repo/", None, "image", "example.com/repo/image"),
            (
                "gcr.io/foo-project",
                None,
                "gcr.io/foo-project-b/x",
                "gcr.io/foo-project/gcr.io/foo-project-b/x",
            ),
        ] {
            assert_eq!(below(default, multi_level, image).expect(image), expected, "{default} {image}");
        }
        assert!(below("example.com/repo", None, &"a".repeat(250)).is_err());
    }
}
