//! Names of images: what of it is the repository, and how a default repository changes it.

use std::sync::LazyLock;

use regex::Regex;
use shipway_core::{Error, Result};

/// The longest name of an image (skaffold: docker/default_repo.go).
const LONGEST: usize = 255;

/// A registry's host, as the grammar of references has it (github.com/distribution/reference).
const HOST: &str = r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?";

/// A part of a name between slashes.
const PART: &str = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*";

/// The id of a Google project.
const PROJECT: &str = "[a-z][a-z0-9-]{4,28}[a-z0-9]";

fn pattern(text: &str) -> Option<Regex> {
    Regex::new(text).ok()
}

static REFERENCE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(&format!(
        "^((?:{HOST}/)?(?i:{PART}(?:/{PART})*))(?::[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}})?\
         (?:@[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{{32,}})?$"
    ))
});

static NAME: LazyLock<Option<Regex>> =
    LazyLock::new(|| pattern(&format!("^(?:{HOST}/)?{PART}(?:/{PART})*$")));

/// Where a name begins with a host and what could be a project, also where the part goes on.
static PROJECT_LIKE: LazyLock<Option<Regex>> = LazyLock::new(|| pattern(&format!("^{HOST}/{PROJECT}")));

/// Where a name begins with a host and a project, and has more.
static BELOW_PROJECT: LazyLock<Option<Regex>> = LazyLock::new(|| pattern(&format!("^{HOST}/{PROJECT}/")));

fn beginning<'n>(name: &'n str, pattern: &Option<Regex>) -> &'n str {
    pattern.as_ref().and_then(|pattern| pattern.find(name)).map_or("", |found| found.as_str())
}

/// Returns the repository of an image's name: in lower case, without ko's `ko://`, tag and digest (skaffold:
/// docker/reference.go, `ParseReference`).
///
/// # Errors
/// `Config` for what is no name of an image.
pub(crate) fn repository(image: &str) -> Result<String> {
    let plain = image.strip_prefix("ko://").unwrap_or(image);
    let found = REFERENCE.as_ref().and_then(|pattern| pattern.captures(plain)?.get(1));
    match found.map(|name| name.as_str()).filter(|name| name.len() <= LONGEST) {
        Some(name) => Ok(name.to_ascii_lowercase()),
        None => Err(Error::config(format!("`{image}` is no name of an image"))
            .hint("use letters, digits and single `.`, `_`, `-` between them, parts with `/`")),
    }
}

/// Returns the repository that an image goes to when all go below a default one (skaffold:
/// docker/default_repo.go).
///
/// As Skaffold's rules, but for two of its mistakes: a default repository that an image's name begins with
/// must end where a part of the name does, and what is too long is an error and not cut, because two names
/// could become one.
///
/// # Errors
/// `Config` for a name that becomes too long, and for one that the default repository makes no name of.
pub(super) fn below(default: &str, multi_level: Option<bool>, repository: &str) -> Result<String> {
    let default = default.trim_end_matches('/');
    let rest = repository.strip_prefix(default);
    if default.is_empty() || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
        return Ok(repository.to_owned());
    }
    let registry = beginning(default, &PROJECT_LIKE);
    let known = ["gcr.io", "-docker.pkg.dev"].iter().any(|part| registry.contains(part));
    let name = if known || multi_level == Some(true) {
        let project = beginning(default, &BELOW_PROJECT);
        let same = repository.strip_prefix(project).filter(|_| !project.is_empty());
        format!("{default}/{}", same.unwrap_or(repository))
    } else {
        format!("{default}/{}", repository.replace(['/', '.', '_', ':', '@'], "_"))
    };
    if name.len() > LONGEST {
        return Err(Error::config(format!("`{name}` is longer than {LONGEST} characters"))
            .hint("give the image or the default repository a shorter name"));
    }
    if beginning(&name, &NAME).is_empty() {
        return Err(Error::config(format!(
            "`{name}` would be the image's name below `{default}`, and is none"
        ))
        .hint("write the default repository as `registry.example/team`"));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_repository_is_a_name_without_tag_and_digest() {
        let digest = format!("sha256:{}", "0a".repeat(32));
        for (image, expected) in [
            ("web", "web"),
            ("web:v1", "web"),
            ("host:5000/a/web:v1", "host:5000/a/web"),
            (&format!("host:5000/a/web:v1@{digest}"), "host:5000/a/web"),
            (&format!("web@{digest}"), "web"),
            ("host:5000/web", "host:5000/web"),
            ("[::1]:5000/web", "[::1]:5000/web"),
            ("gcr.io/terrycho-personal/node-example", "gcr.io/terrycho-personal/node-example"),
            ("a__b/c--d", "a__b/c--d"),
            ("Registry.Example/Team/Web:V1", "registry.example/team/web"),
            ("ko://github.com/Google/ko/cmd", "github.com/google/ko/cmd"),
        ] {
            assert_eq!(repository(image).expect(image), expected);
        }
        let long = "a".repeat(256);
        for bad in
            ["", "a//b", "a b", "/web", "web/", "a$b", "a..b", "a___b", "-a", "web:", "web@sha256:00", &long]
        {
            assert!(repository(bad).is_err(), "{bad:?}");
        }
    }

    /// The cases of `docker/default_repo_test.go` of Skaffold (Apache-2.0), and what it says of others.
    #[test]
    fn images_go_below_a_default_repository() {
        let aws = "aws_account_id.dkr.ecr.region.amazonaws.com";
        let cases: [(&str, Option<bool>, &str, &str); 31] = [
            ("gcr.io/default", None, "gcr.io/some/registry", "gcr.io/default/gcr.io/some/registry"),
            ("gcr.io/default", Some(false), "gcr.io/some/registry", "gcr.io/default/gcr.io/some/registry"),
            (
                "us-central1-docker.pkg.dev/default",
                None,
                "github.com/org/app",
                "us-central1-docker.pkg.dev/default/github.com/org/app",
            ),
            (
                "us-central1-docker.pkg.dev/default",
                Some(false),
                "github.com/org/app",
                "us-central1-docker.pkg.dev/default/github.com/org/app",
            ),
            ("", None, "gcr.io/some/registry", "gcr.io/some/registry"),
            ("gcr.io/default", None, "gcr.io/default/registry", "gcr.io/default/registry"),
            ("eu.gcr.io/project", None, "eu.gcr.io/project/registry", "eu.gcr.io/project/registry"),
            (
                "gcr.io/default/repository",
                None,
                "gcr.io/default/example/registry",
                "gcr.io/default/repository/example/registry",
            ),
            (aws, None, "gcr.io/some/registry", &format!("{aws}/gcr_io_some_registry")),
            (aws, Some(true), "gcr.io/some/registry", &format!("{aws}/gcr.io/some/registry")),
            (
                "gcr.io/k8s-skaffold",
                None,
                "gcr.io/k8s-skaffold/skaffold-example",
                "gcr.io/k8s-skaffold/skaffold-example",
            ),
            ("myrepo", None, "myrepo/skaffold-example", "myrepo/skaffold-example"),
            ("gcr.io/default", None, "ko://example.com/cmd/app", "gcr.io/default/example.com/cmd/app"),
            ("myrepo", None, "ko://example.com/cmd/app", "myrepo/example_com_cmd_app"),
            ("myrepo", Some(true), "ko://example.com/cmd/app", "myrepo/example.com/cmd/app"),
            ("gcr.io/default", None, "img:tag", "gcr.io/default/img"),
            ("example.com/repo", None, "gcr.io/original/image", "example.com/repo/gcr_io_original_image"),
            ("example.com/repo", Some(true), "a/image", "example.com/repo/a/image"),
            ("localhost:5000", None, "gcr.io/a/node-example", "localhost:5000/gcr_io_a_node-example"),
            ("localhost:5000", None, "Web", "localhost:5000/web"),
            // A project's id has six characters at least, so that this is no project of Google's.
            ("gcr.io/foo", None, "a/image", "gcr.io/foo/a_image"),
            ("gcr.io/foo", Some(true), "gcr.io/bar/image", "gcr.io/foo/gcr.io/bar/image"),
            // What could be a project is enough to know the registry by.
            ("gcr.io/project_x", None, "a/image", "gcr.io/project_x/a/image"),
            ("gcr.io/project/sub", None, "gcr.io/project", "gcr.io/project/sub/gcr.io/project"),
            ("gcr.io/project/sub", None, "gcr.io/project/sub/x", "gcr.io/project/sub/x"),
            ("gcr.io/project/sub", None, "gcr.io/project/other/x", "gcr.io/project/sub/other/x"),
            ("gcr.io/project/sub", None, "eu.gcr.io/project/x", "gcr.io/project/sub/eu.gcr.io/project/x"),
            // With Skaffold this is `example.com/repo//image`, which is no name.
            ("example.com/repo/", None, "image", "example.com/repo/image"),
            // Skaffold holds these for images that are below the default repository already.
            ("gcr.io/foo", None, "gcr.io/foobar/x", "gcr.io/foo/gcr_io_foobar_x"),
            (
                "gcr.io/foo-project",
                None,
                "gcr.io/foo-project-b/x",
                "gcr.io/foo-project/gcr.io/foo-project-b/x",
            ),
            ("gcr.io/project", None, "gcr.io/project_x/y", "gcr.io/project/gcr.io/project_x/y"),
        ];
        for (default, multi_level, image, expected) in cases {
            let own = repository(image).expect(image);
            assert_eq!(below(default, multi_level, &own).expect(image), expected, "{default} {image}");
        }
    }

    #[test]
    fn what_becomes_no_name_is_refused() {
        // Skaffold cuts it to 255 characters, and two names could become one.
        let refused = |default: &str, image: &str| below(default, None, image).expect_err(image).to_string();
        assert!(refused("example.com/repo", &"a".repeat(250)).ends_with("is longer than 255 characters"));
        for (default, image) in [
            ("https://example.com", "web"),
            ("example.com/Team", "web"),
            ("example.com/team:v1", "web"),
            // Skaffold makes `gcr.io/project/host:5000/web` of this, which no registry takes.
            ("gcr.io/project", "host:5000/web"),
        ] {
            assert!(refused(default, image).ends_with(&format!("below `{default}`, and is none")));
        }
    }

    proptest! {
        /// Below one default repository that has folders, two images never become one.
        #[test]
        fn names_stay_apart(
            default in "(gcr\\.io/project|host:5000)(/[a-z]{1,3}){0,2}",
            first in "(gcr\\.io/project/)?[a-z]{1,3}(/[a-z]{1,3}){0,2}",
            second in "(gcr\\.io/project/)?[a-z]{1,3}(/[a-z]{1,3}){0,2}",
        ) {
            let name = |image: &str| below(&default, Some(true), image).expect("it is short");
            let (one, other) = (name(&first), name(&second));
            let is_below = one.strip_prefix(&default).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            prop_assert!(is_below);
            // What lies in the same project loses the project's name, as Skaffold means it.
            if !first.starts_with("gcr.io/project/") && !second.starts_with("gcr.io/project/") {
                prop_assert_eq!(one == other, first == second);
            }
            prop_assert_eq!(&name(&one), &one);
        }

        #[test]
        fn any_text_is_a_name_or_refused(image in ".{0,40}", default in ".{0,20}") {
            if let Ok(repository) = repository(&image) {
                prop_assert!(repository.len() <= LONGEST);
                if let Ok(name) = below(&default, None, &repository) {
                    prop_assert!(name.len() <= LONGEST);
                }
            }
        }
    }
}
