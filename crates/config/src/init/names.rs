//! Names that folders and files give to releases and images.

use super::{
    dockerfile,
    found::{folder_of, name_of},
};

/// The most characters of a release's name, which is a part of names in a cluster.
const LONGEST_RELEASE: usize = 40;

/// The most characters of an image's name here.
const LONGEST_IMAGE: usize = 128;

/// Returns a text in lower-case letters and digits with single `-` between them; empty where it has none.
pub(super) fn plain(text: &str) -> String {
    let mut plain = String::new();
    for c in text.chars().map(|c| c.to_ascii_lowercase()) {
        if c.is_ascii_lowercase() || c.is_ascii_digit() {
            plain.push(c);
        } else if !plain.is_empty() && !plain.ends_with('-') {
            plain.push('-');
        }
    }
    cut(plain, usize::MAX)
}

fn cut(mut text: String, most: usize) -> String {
    text.truncate(most);
    text.truncate(text.trim_end_matches('-').len());
    text
}

/// Returns the name of a folder's release (skaffold: initializer/config.go, `canonicalizeName`).
///
/// Skaffold puts a `-` in the place of a digit, and lets a name begin with `-` or `.`, which is none in a cluster.
pub(super) fn release(folder: &str) -> Option<String> {
    Some(cut(plain(folder), LONGEST_RELEASE)).filter(|name| !name.is_empty())
}

/// Returns the name of the image of a Dockerfile that no manifest has a name for: its folders and what its name says
/// besides, and for one without either the name of the root (skaffold: build/resolve.go, `getGeneratedArtifactInfo`).
pub(super) fn image(path: &str, root: Option<&str>) -> String {
    let suffix = dockerfile::suffix(name_of(path)).unwrap_or_default();
    let name = cut(plain(&format!("{}-{suffix}", folder_of(path))), LONGEST_IMAGE);
    if name.is_empty() { root.unwrap_or("app").to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_plain() {
        for (folder, expected) in [
            ("shop", Some("shop")),
            ("My Shop 2", Some("my-shop-2")),
            ("-.a..b_", Some("a-b")),
            ("ü", None),
            ("été", Some("t")),
            (&"a-".repeat(40), Some(&*format!("{}a", "a-".repeat(19)))),
        ] {
            assert_eq!(release(folder).as_deref(), expected, "{folder}");
        }
        for (path, expected) in [
            ("web/Dockerfile", "web"),
            ("apps/Web App/Dockerfile.dev", "apps-web-app-dev"),
            ("worker.Dockerfile", "worker"),
            ("Dockerfile", "shop"),
        ] {
            assert_eq!(image(path, Some("shop")), expected, "{path}");
        }
        assert_eq!(image("ü/Dockerfile", None), "app");
    }
}
