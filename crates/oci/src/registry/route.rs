//! What a request is about: its path, read by the grammar of names, tags and digests, so that nothing
//! else ever becomes part of a path on disk.

use shipway_core::{Digest, Tag};

use super::answer::Refusal;
use crate::{Label, reference::is_path};

/// What a path names.
#[derive(Debug, PartialEq)]
pub(super) enum Route {
    /// The registry itself.
    Base,
    /// A blob of a repository.
    Blob(String, Digest),
    /// Where uploads begin.
    Uploads(String),
    /// An upload, by its id.
    Upload(String, String),
    /// A manifest.
    Manifest(String, Label),
    /// The list of tags.
    Tags(String),
    /// What refers to a manifest.
    Referrers(String, Digest),
}

/// Reads the path of a request.
pub(super) fn route(path: &str) -> Result<Route, Refusal> {
    let rest = match path {
        "/v2" | "/v2/" => return Ok(Route::Base),
        _ => path.strip_prefix("/v2/").ok_or_else(Refusal::no_such_page)?,
    };
    let parts: Vec<&str> = rest.split('/').collect();
    // From the end, because a repository may itself be called `blobs` or `tags`.
    match parts.as_slice() {
        [name @ .., "blobs", "uploads"] | [name @ .., "blobs", "uploads", ""] => {
            Ok(Route::Uploads(repository(name)?))
        }
        [name @ .., "blobs", "uploads", id] => Ok(Route::Upload(repository(name)?, (*id).to_owned())),
        [name @ .., "blobs", digest] => Ok(Route::Blob(repository(name)?, parse_digest(digest)?)),
        [name @ .., "manifests", label] => Ok(Route::Manifest(repository(name)?, parse_label(label)?)),
        [name @ .., "tags", "list"] => Ok(Route::Tags(repository(name)?)),
        [name @ .., "referrers", digest] => Ok(Route::Referrers(repository(name)?, parse_digest(digest)?)),
        _ => Err(Refusal::no_such_page()),
    }
}

fn repository(parts: &[&str]) -> Result<String, Refusal> {
    let name = parts.join("/");
    if is_path(&name) { Ok(name) } else { Err(Refusal::name_invalid(&name)) }
}

/// Reads a digest.
pub(super) fn parse_digest(text: &str) -> Result<Digest, Refusal> {
    Digest::parse(text).map_err(|error| Refusal::digest_invalid(error.to_string()))
}

fn parse_label(text: &str) -> Result<Label, Refusal> {
    // A tag has no colon and a digest has one.
    if text.contains(':') {
        return Ok(Label::Digest(parse_digest(text)?));
    }
    let invalid = |error: shipway_core::Error| {
        Refusal::new(hyper::StatusCode::BAD_REQUEST, "MANIFEST_INVALID", error.to_string())
    };
    Ok(Label::Tag(Tag::parse(text).map_err(invalid)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, proptest};

    use super::*;

    #[test]
    fn paths_name_what_the_specification_says() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let parsed = Digest::parse(digest.clone()).expect("valid");
        let referred = parsed.clone();
        let tag = |tag: &str| Label::Tag(Tag::parse(tag).expect("valid"));
        for (path, expected) in [
            ("/v2/".to_owned(), Route::Base),
            ("/v2".to_owned(), Route::Base),
            (format!("/v2/a/b/blobs/{digest}"), Route::Blob("a/b".into(), parsed.clone())),
            (format!("/v2/blobs/blobs/{digest}"), Route::Blob("blobs".into(), parsed.clone())),
            ("/v2/a/blobs/uploads/".to_owned(), Route::Uploads("a".into())),
            ("/v2/a/blobs/uploads".to_owned(), Route::Uploads("a".into())),
            ("/v2/a/blobs/uploads/x-1".to_owned(), Route::Upload("a".into(), "x-1".into())),
            ("/v2/a/manifests/1.2".to_owned(), Route::Manifest("a".into(), tag("1.2"))),
            (format!("/v2/a/manifests/{digest}"), Route::Manifest("a".into(), Label::Digest(parsed))),
            (format!("/v2/a/referrers/{digest}"), Route::Referrers("a".into(), referred)),
            ("/v2/tags/list/tags/list".to_owned(), Route::Tags("tags/list".into())),
        ] {
            assert_eq!(route(&path).expect(&path), expected);
        }
    }

    proptest! {
        #[test]
        fn no_path_ever_leads_out(path in "(/v2)?(/(\\PC{0,4}|\\.\\.|blobs|uploads|manifests|tags|list|a)){0,6}") {
            let name = match route(&path) {
                Ok(Route::Blob(name, _) | Route::Uploads(name) | Route::Upload(name, _)) => name,
                Ok(Route::Manifest(name, _) | Route::Tags(name) | Route::Referrers(name, _)) => name,
                Ok(Route::Base) | Err(_) => return Ok(()),
            };
            for part in name.split('/') {
                prop_assert!(part.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit()));
            }
        }
    }

    #[test]
    fn nothing_leads_out_of_the_folder() {
        for path in [
            "/",
            "/v1/",
            "/v2/a",
            "/v2/../../etc/manifests/passwd",
            "/v2/a/../b/tags/list",
            "/v2/%2e%2e/tags/list",
            "/v2/_tags/manifests/x",
            "/v2//manifests/x",
            "/v2/manifests/x",
            "/v2/A/manifests/x",
            "/v2/a/manifests/..",
            "/v2/a/manifests/%2e%2e",
            "/v2/a/manifests/",
            "/v2/a/blobs/sha256:../../x",
            "/v2/a/blobs/md5:aa",
            "/v2/a/referrers/x",
        ] {
            assert!(route(path).is_err(), "{path}");
        }
    }
}
