//! What makes a JSON value an object of Kubernetes': its identity, and the limits that the API server
//! sets.

use serde_json::{Map, Value};
use shipway_core::{Error, ObjectId, Result};

use crate::managed;

/// The largest object: etcd's limit for a request (`--max-request-bytes`).
const MAX_BYTES: usize = 3 << 19;

/// Deeper objects are refused, so that walking one cannot exhaust the stack; also `serde_json`'s limit.
const MAX_DEPTH: usize = 100;

/// Returns which object the value is.
///
/// # Errors
/// `Config` when it has no `apiVersion`, `kind` or `metadata.name`, or a name is not allowed.
pub fn object_id(object: &Value) -> Result<ObjectId> {
    let text = |pointer: &str| {
        let field = pointer[1..].replace('/', ".");
        match object.pointer(pointer) {
            Some(Value::String(text)) if !text.is_empty() => Ok(text.as_str()),
            _ => Err(Error::config(format!("the object has no `{field}`"))),
        }
    };
    let (api_version, kind, name) = (text("/apiVersion")?, text("/kind")?, text("/metadata/name")?);
    // Names become parts of paths; those of RBAC may hold more than a domain name ("Object Names and IDs").
    let is_name = if api_version.starts_with("rbac.") {
        !name.contains(['/', '%']) && ![".", ".."].contains(&name) && name.len() <= 253
    } else {
        is_domain(name)
    };
    if !is_name {
        return Err(Error::config(format!("`{name}` is not a name for a {kind}"))
            .hint("a name has lower-case letters, digits, `-` and `.`, and begins and ends with one of the first two"));
    }
    let id = ObjectId::new(api_version, kind, name);
    match object.pointer("/metadata/namespace") {
        None | Some(Value::Null) => Ok(id),
        Some(Value::String(namespace)) if is_domain(namespace) && is_label(namespace) => {
            Ok(id.namespace(namespace.clone()))
        }
        Some(other) => Err(Error::config(format!("`{other}` is not a namespace"))),
    }
}

/// Returns the object's identity, if the API server would take the object.
pub(crate) fn check(object: &Value) -> Result<ObjectId> {
    if deeper_than(object, MAX_DEPTH) {
        return Err(Error::config(format!("an object is nested more than {MAX_DEPTH} deep")));
    }
    let id = object_id(object)?;
    let bytes = object.to_string().len();
    if bytes > MAX_BYTES {
        return Err(Error::config(format!("{id} has {bytes} bytes"))
            .hint(format!("an object has at most {MAX_BYTES} bytes")));
    }
    if let Some(labels) = object.pointer("/metadata/labels") {
        for (name, value) in labels.as_object().into_iter().flatten() {
            // "Labels and Selectors", "Syntax and character set".
            let (prefix, label) = name.split_once('/').map_or((None, name.as_str()), |(p, n)| (Some(p), n));
            let value_fits = value.as_str().is_some_and(|value| value.is_empty() || is_label(value));
            if !is_label(label) || !prefix.is_none_or(is_domain) || !value_fits {
                return Err(Error::config(format!("`{name}: {value}` of {id} is not a label"))
                    .hint("a label has at most 63 letters, digits, `-`, `_` and `.`"));
            }
        }
    }
    Ok(id)
}

/// Returns what a client says of an object: without the status, without what the API server writes,
/// and without nulls.
pub(crate) fn content(object: &Value) -> Value {
    let mut object = without_nulls(object);
    if let Some(map) = object.as_object_mut() {
        // A subresource, which only its own endpoint writes.
        map.remove("status");
        if let Some(metadata) = map.get_mut("metadata").and_then(Value::as_object_mut) {
            managed::strip(metadata);
            for name in ["uid", "resourceVersion", "generation", "creationTimestamp", "selfLink"] {
                metadata.remove(name);
            }
        }
    }
    object
}

/// "Null" and "left out" are one in Kubernetes' types.
pub(crate) fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.iter().filter(|(_, value)| !value.is_null());
            Value::Object(
                kept.map(|(name, value)| (name.clone(), without_nulls(value))).collect::<Map<_, _>>(),
            )
        }
        Value::Array(items) => items.iter().map(without_nulls).collect(),
        other => other.clone(),
    }
}

fn deeper_than(value: &Value, depth: usize) -> bool {
    let Some(depth) = depth.checked_sub(1) else { return true };
    match value {
        Value::Object(map) => map.values().any(|value| deeper_than(value, depth)),
        Value::Array(items) => items.iter().any(|value| deeper_than(value, depth)),
        _ => false,
    }
}

/// RFC 1123, in lower case.
fn is_domain(text: &str) -> bool {
    let part = |part: &str| {
        part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !part.is_empty()
            && !part.starts_with('-')
            && !part.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(part)
}

fn is_label(text: &str) -> bool {
    let ends = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    text.len() <= 63
        && ends(text.as_bytes().first())
        && ends(text.as_bytes().last())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn identity_names_and_labels_are_checked() {
        let object = |name: &str, label: &str| {
            json!({"apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": name, "namespace": "a", "labels": {"x.y/app": label}}})
        };
        assert_eq!(check(&object("web", "a.B_1")).expect("valid").to_string(), "Pod a/web");
        for (name, label) in
            [("", "a"), ("Web", "a"), ("../x", "a"), ("web", "-a"), ("web", &"a".repeat(64)), ("a..b", "")]
        {
            assert!(check(&object(name, label)).is_err(), "{name} {label}");
        }
        assert!(check(&json!({"kind": "Pod"})).is_err());
        assert!(check(&json!([])).is_err());
        let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
            "metadata": {"name": "system:node"}});
        assert!(check(&role).is_ok());
    }

    #[test]
    fn objects_that_are_too_large_or_too_deep_are_refused() {
        let mut object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}});
        object["data"] = json!({"a": "x".repeat(MAX_BYTES)});
        assert!(check(&object).is_err());
        let mut deep = json!(1);
        for _ in 0..MAX_DEPTH {
            deep = json!([deep]);
        }
        object["data"] = deep;
        assert!(check(&object).is_err());
    }
}
