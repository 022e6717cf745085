//! Changes for people to read: lines of JSON with `+` and `-`. Values of secrets are never in them.

use serde_json::{Map, Value};

const HIDDEN: &str = "(hidden)";

/// Returns the difference between two objects, of which one may not be there: what changes, and the
/// names on the way to it.
pub(crate) fn difference(old: Option<&Value>, new: Option<&Value>) -> String {
    let (old, new) = (old.map(content), new.map(content));
    let one = old.as_ref().or(new.as_ref());
    let secret = one.is_some_and(|object| object["kind"] == "Secret" && object["apiVersion"] == "v1");
    let mut text = Text { lines: String::new(), secret };
    text.value(&mut Vec::new(), old.as_ref(), new.as_ref());
    text.lines
}

/// Returns the object without what the cluster writes.
pub(super) fn content(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(map) = object.as_object_mut() {
        map.remove("status");
        if let Some(metadata) = map.get_mut("metadata").and_then(Value::as_object_mut) {
            for name in ["managedFields", "resourceVersion", "uid", "generation", "creationTimestamp"] {
                metadata.remove(name);
            }
        }
    }
    object
}

struct Text {
    lines: String,
    secret: bool,
}

impl Text {
    fn value<'a>(&mut self, at: &mut Vec<&'a str>, old: Option<&'a Value>, new: Option<&'a Value>) {
        match (old, new) {
            (old, new) if old == new => {}
            (Some(Value::Object(old)), Some(Value::Object(new))) => {
                self.line(' ', at, "{");
                for name in old.keys().chain(new.keys().filter(|name| !old.contains_key(*name))) {
                    at.push(name);
                    self.value(at, old.get(name), new.get(name));
                    at.pop();
                }
                self.close(at, "}");
            }
            // Items of lists of one length are compared one by one; else the list is shown as it was and is.
            (Some(Value::Array(old)), Some(Value::Array(new))) if old.len() == new.len() => {
                self.line(' ', at, "[");
                for (old, new) in old.iter().zip(new) {
                    at.push("");
                    self.value(at, Some(old), Some(new));
                    at.pop();
                }
                self.close(at, "]");
            }
            (old, new) => {
                for (sign, value) in [('-', old), ('+', new)] {
                    let Some(value) = value else { continue };
                    let shown = serde_json::to_string_pretty(&self.hidden(at, value)).unwrap_or_default();
                    let indent = "  ".repeat(at.len());
                    let shown = shown.replace('\n', &format!("\n{sign} {indent}"));
                    self.line(sign, at, &shown);
                }
            }
        }
    }

    fn line(&mut self, sign: char, at: &[&str], value: &str) {
        let name = match at.last() {
            None | Some(&"") => String::new(),
            Some(name) => format!("{}: ", Value::from(*name)),
        };
        self.lines.extend([
            sign.to_string(),
            " ".repeat(1 + 2 * at.len()),
            name,
            value.to_owned(),
            "\n".to_owned(),
        ]);
    }

    fn close(&mut self, at: &[&str], bracket: &str) {
        self.lines.extend([&" ".repeat(2 + 2 * at.len()), bracket, "\n"]);
    }

    /// Returns the value as it may be shown.
    fn hidden(&self, at: &[&str], value: &Value) -> Value {
        if !self.secret {
            return value.clone();
        }
        match (at, value) {
            // Annotations too: kubectl keeps the whole of what it applied in one.
            (["data" | "stringData", ..] | ["metadata", "annotations", ..], value) => veiled(value),
            ([] | ["metadata"], Value::Object(map)) => {
                let below = |name: &str, value: &Value| {
                    let mut at = at.to_vec();
                    at.push(name);
                    self.hidden(&at, value)
                };
                map.iter()
                    .map(|(name, value)| (name.clone(), below(name, value)))
                    .collect::<Map<_, _>>()
                    .into()
            }
            (_, value) => value.clone(),
        }
    }
}

fn veiled(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            map.iter().map(|(name, value)| (name.clone(), veiled(value))).collect::<Map<_, _>>().into()
        }
        _ => HIDDEN.into(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_changes_is_shown_with_the_way_to_it() {
        let old = json!({"kind": "Deployment", "metadata": {"name": "web", "uid": "1"}, "status": {},
            "spec": {"replicas": 1, "containers": [{"name": "web", "image": "a"}], "args": ["x"]}});
        let new = json!({"kind": "Deployment", "metadata": {"name": "web"},
            "spec": {"replicas": 1, "containers": [{"name": "web", "image": "b"}], "args": ["x", "y"]}});
        let expected = r#"
  {
    "spec": {
-     "args": [
-       "x"
-     ]
+     "args": [
+       "x",
+       "y"
+     ]
      "containers": [
        {
-         "image": "a"
+         "image": "b"
        }
      ]
    }
  }
"#;
        assert_eq!(difference(Some(&old), Some(&new)), expected.trim_start_matches('\n'));
        assert_eq!(difference(None, Some(&json!({"a": 1}))), "+ {\n+   \"a\": 1\n+ }\n");
        assert_eq!(difference(Some(&json!({"a": 1})), None), "- {\n-   \"a\": 1\n- }\n");
        assert_eq!(difference(Some(&old), Some(&old)), "");
    }

    #[test]
    fn values_of_secrets_are_hidden_wherever_they_are() {
        let secret = |value: &str| {
            json!({"apiVersion": "v1", "kind": "Secret", "data": {"password": value}, "stringData": {"b": value},
                "metadata": {"name": "s", "annotations": {"kubectl.kubernetes.io/last-applied-configuration": value}}})
        };
        let (old, new) = (secret("open"), secret("sesame"));
        for text in [
            difference(None, Some(&new)),
            difference(Some(&old), None),
            difference(Some(&old), Some(&new)),
            difference(Some(&json!({"apiVersion": "v1", "kind": "Secret"})), Some(&new)),
        ] {
            assert!(!text.contains("open") && !text.contains("sesame"), "{text}");
            assert!(text.contains("password") && text.contains(HIDDEN), "{text}");
        }
    }
}
