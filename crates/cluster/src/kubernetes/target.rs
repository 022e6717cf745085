//! Where an object or a kind is: the path and query of a request ("Kubernetes API Concepts", "Resource URIs").

use std::fmt::Write as _;

use shipway_core::{Error, Result};

use super::discovery::Resource;
use crate::selector::Selector;

/// Returns the path of a group and version, such as `/apis/apps/v1`.
pub(super) fn of_version(api_version: &str) -> Result<String> {
    match api_version.split_once('/') {
        None if plain(api_version) => Ok(format!("/api/{api_version}")),
        Some((group, version)) if plain(group) && plain(version) => Ok(format!("/apis/{group}/{version}")),
        _ => Err(Error::config(format!("`{api_version}` is not an `apiVersion`"))),
    }
}

/// Returns the path of a group's versions.
pub(super) fn of_group(group: &str) -> Result<String> {
    match plain(group) {
        true => Ok(format!("/apis/{group}")),
        false => Err(Error::config(format!("`{group}` is not a group of kinds"))),
    }
}

/// Returns whether a part of an `apiVersion` can stand in a path.
fn plain(part: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
    !part.is_empty() && part != ".." && part != "." && part.bytes().all(fits)
}

/// Returns the path of the objects of a kind, in a namespace or in all.
pub(super) fn of_kind(api_version: &str, resource: &Resource, namespace: Option<&str>) -> Result<String> {
    let mut path = of_version(api_version)?;
    if let Some(namespace) = namespace {
        path.push_str("/namespaces/");
        path.push_str(&segment(namespace)?);
    }
    path.push('/');
    path.push_str(&segment(&resource.plural)?);
    Ok(path)
}

/// Returns the path of one object.
pub(super) fn of_object(
    api_version: &str,
    resource: &Resource,
    namespace: Option<&str>,
    name: &str,
) -> Result<String> {
    Ok(format!("{}/{}", of_kind(api_version, resource, namespace)?, segment(name)?))
}

/// Returns the path of something of a pod's, such as its `log`.
pub(super) fn of_pod(namespace: &str, pod: &str, part: &str) -> Result<String> {
    Ok(format!("/api/v1/namespaces/{}/pods/{}{part}", segment(namespace)?, segment(pod)?))
}

/// Returns the labels of a selector as a query's value.
pub(super) fn labels(selector: &Selector) -> String {
    let pairs: Vec<String> = selector.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join(",")
}

/// Returns the path with a query; values that are empty are left out.
pub(super) fn with_query(path: &str, query: &[(&str, &str)]) -> String {
    let mut target = path.to_owned();
    let mut next = '?';
    for (name, value) in query.iter().filter(|(_, value)| !value.is_empty()) {
        target.push(next);
        target.push_str(name);
        target.push('=');
        encode(value, &mut target);
        next = '&';
    }
    target
}

/// Returns the text as one step of a path. An empty one would make of an object all objects of its kind.
fn segment(text: &str) -> Result<String> {
    if text.is_empty() || text == "." || text == ".." {
        return Err(Error::config(format!("`{text}` is not a name")));
    }
    let mut segment = String::with_capacity(text.len());
    encode(text, &mut segment);
    Ok(segment)
}

/// Encodes all but what never needs it (RFC 3986, section 2.3).
fn encode(text: &str, into: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            into.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(into, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_api() {
        let pods = Resource { plural: "pods".to_owned(), namespaced: true };
        let path = |version: &str, namespace, name: &str| of_object(version, &pods, namespace, name).ok();
        assert_eq!(path("v1", Some("a"), "b").as_deref(), Some("/api/v1/namespaces/a/pods/b"));
        assert_eq!(path("apps/v1", None, "a:b").as_deref(), Some("/apis/apps/v1/pods/a%3Ab"));
        assert_eq!(path("v1", None, "../x").as_deref(), Some("/api/v1/pods/..%2Fx"));
        for (version, namespace, name) in [
            ("v1", None, ""),
            ("v1", None, "."),
            ("v1", Some(".."), "b"),
            ("v1", Some(""), "b"),
            ("", None, "b"),
            ("../v1", None, "b"),
            ("a/b/c", None, "b"),
            ("v1?x", None, "b"),
        ] {
            assert_eq!(path(version, namespace, name), None, "{version} {namespace:?} {name}");
        }
    }

    #[test]
    fn queries_are_encoded_and_empty_values_left_out() {
        let selector = Selector::new().label("app.io/name", "web").label("b", "ü");
        assert_eq!(
            with_query("/x", &[("labelSelector", &labels(&selector)), ("continue", ""), ("limit", "5")]),
            "/x?labelSelector=app.io%2Fname%3Dweb%2Cb%3D%C3%BC&limit=5"
        );
        assert_eq!(with_query("/x", &[]), "/x");
    }
}
