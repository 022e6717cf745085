//! The check of manifests by the schemas of the cluster that they are for (`/openapi/v3`), before anything is applied.

use std::collections::BTreeMap;

use regex::Regex;
use serde_json::{Map, Value};
use shipway_cluster::{Cluster, group};
use shipway_core::{Context, Error, Result, did_you_mean};

use super::{MOST, Wrong, refuse};
use crate::manifests::{
    piece::Piece,
    place::{Path, Step},
};

/// The deepest that is looked at; the API server takes nothing deeper.
const DEEPEST: usize = 100;

/// How the check is made: kubeval's settings, as far as they have a meaning with a cluster.
#[derive(Clone, Debug)]
pub(in crate::manifests) struct SchemaCheck {
    /// Whether a field that the schema has not is a mistake; the API server refuses it.
    strict: bool,
    /// Whether a kind that the cluster has not is none.
    ignore_missing: bool,
    skipped: Vec<String>,
}

impl Default for SchemaCheck {
    fn default() -> Self {
        Self { strict: true, ignore_missing: false, skipped: Vec::new() }
    }
}

impl SchemaCheck {
    /// Reads the settings (krm-functions-catalog, `kubeval`).
    pub(super) fn new(settings: &[(&str, &str)]) -> Result<Self> {
        let mut check = Self::default();
        for (key, value) in settings {
            let truth = || {
                value
                    .parse()
                    .map_err(|_| Error::config(format!("`{key}` of `kubeval` is neither `true` nor `false`")))
            };
            match *key {
                "strict" => check.strict = truth()?,
                "ignore_missing_schemas" => check.ignore_missing = truth()?,
                "skip_kinds" => check.skipped = value.split(',').map(|kind| kind.trim().to_owned()).collect(),
                "schema_location" | "additional_schema_locations" => {
                    return Err(Error::unsupported(format!("`kubeval` has no `{key}`"))
                        .hint("leave it out: the schemas are those of the cluster itself"));
                }
                other => {
                    return Err(Error::config(format!("`kubeval` has no setting `{other}`"))
                        .hint("its settings are `strict`, `ignore_missing_schemas` and `skip_kinds`"));
                }
            }
        }
        Ok(check)
    }

    /// Checks manifests by the schemas of a cluster, and of the definitions among them.
    ///
    /// # Errors
    /// `Config` at the first mistake, with the others as notes; those of the cluster.
    pub(in crate::manifests) async fn check(
        &self,
        cx: &Context,
        cluster: &Cluster,
        pieces: &[Piece],
    ) -> Result<()> {
        let objects = pieces.iter().map(|piece| Ok((piece, piece.object()?))).collect::<Result<Vec<_>>>()?;
        let defined: BTreeMap<(String, String), Value> =
            objects.iter().flat_map(|(_, object)| definitions(object)).collect();
        let mut found = Vec::new();
        for (piece, object) in &objects {
            let id = piece.id();
            if found.len() > MOST || self.skipped.contains(&id.kind) {
                continue;
            }
            let own = defined.get(&(id.api_version.clone(), id.kind.clone()));
            let published = match own {
                Some(_) => None,
                None => {
                    let key = format!("{} {}", cluster.context(), id.api_version);
                    Some(cx.once::<Published>(&key, published(cx, cluster, &id.api_version)).await?)
                }
            };
            let document = published.as_deref().map(|published| &published.document);
            let schema = own.or_else(|| published.as_deref().and_then(|published| published.of(&id.kind)));
            let Some(schema) = schema else {
                if !self.ignore_missing {
                    found.push(self.missing(piece, published.as_deref()));
                }
                continue;
            };
            let mut look = Look { piece, document, strict: self.strict, wrong: &mut found };
            look.value(schema, object, &mut Vec::new(), own.is_some());
        }
        refuse(found, "see the kind's fields with `kubectl explain`")
    }

    fn missing(&self, piece: &Piece, published: Option<&Published>) -> Wrong {
        let id = piece.id();
        let near = published.and_then(|all| did_you_mean(&id.kind, all.kinds.keys().map(String::as_str)));
        let hint = near.map_or_else(String::new, |kind| format!("; did you mean `{kind}`?"));
        let path = vec![Step::Key("kind".to_owned())];
        Wrong::new(piece, &path, format!("is no kind of `{}` in the cluster{hint}", id.api_version))
    }
}

/// The schemas of a group and version.
#[derive(Debug, Default)]
struct Published {
    document: Value,
    /// The names of the schemas by kind.
    kinds: BTreeMap<String, String>,
}

impl Published {
    fn of(&self, kind: &str) -> Option<&Value> {
        self.document.pointer("/components/schemas")?.get(self.kinds.get(kind)?)
    }
}

async fn published(cx: &Context, cluster: &Cluster, api_version: &str) -> Result<Published> {
    let Some(document) = cluster.open_api(cx, api_version).await? else { return Ok(Published::default()) };
    let mut kinds = BTreeMap::new();
    for (name, schema) in
        document.pointer("/components/schemas").and_then(Value::as_object).into_iter().flatten()
    {
        for kind in schema["x-kubernetes-group-version-kind"].as_array().into_iter().flatten() {
            let version = match kind["group"].as_str() {
                None | Some("") => kind["version"].as_str().unwrap_or_default().to_owned(),
                Some(group) => format!("{group}/{}", kind["version"].as_str().unwrap_or_default()),
            };
            if let (Some(kind), true) = (kind["kind"].as_str(), version == api_version) {
                kinds.insert(kind.to_owned(), name.clone());
            }
        }
    }
    Ok(Published { document, kinds })
}

/// Returns the schemas that a `CustomResourceDefinition` has, by version and kind.
fn definitions(object: &Value) -> Vec<((String, String), Value)> {
    let is_definition = object["kind"] == "CustomResourceDefinition"
        && object["apiVersion"].as_str().map(group) == Some("apiextensions.k8s.io");
    let (of, kind) = (object["spec"]["group"].as_str(), object["spec"]["names"]["kind"].as_str());
    let (true, Some(of), Some(kind)) = (is_definition, of, kind) else { return Vec::new() };
    let versions = object["spec"]["versions"].as_array().into_iter().flatten();
    let schema = |version: &Value| {
        let schema = version.pointer("/schema/openAPIV3Schema")?.clone();
        Some(((format!("{of}/{}", version["name"].as_str()?), kind.to_owned()), schema))
    };
    versions.filter_map(schema).collect()
}

/// A look at one object.
struct Look<'a> {
    piece: &'a Piece,
    /// Where references lead.
    document: Option<&'a Value>,
    strict: bool,
    wrong: &'a mut Vec<Wrong>,
}

/// A number of what schemas count.
fn count(schema: &Value, field: &str) -> Option<usize> {
    schema[field].as_u64().and_then(|number| usize::try_from(number).ok())
}

impl Look<'_> {
    fn wrong(&mut self, path: &Path, text: impl std::fmt::Display) {
        if self.wrong.len() <= MOST {
            self.wrong.push(Wrong::new(self.piece, path, text));
        }
    }

    /// Looks at a value; `whole` is whether it is an object of a definition, whose schema leaves out what all objects have.
    fn value(&mut self, schema: &Value, value: &Value, path: &mut Path, whole: bool) {
        if path.len() > DEEPEST || value.is_null() && !path.is_empty() {
            // What says nothing is as if it were not there.
            return;
        }
        if let Some(reference) = schema["$ref"].as_str() {
            let name = reference.strip_prefix("#/components/schemas/").unwrap_or_default();
            let target =
                self.document.and_then(|document| document.pointer("/components/schemas")?.get(name));
            if let Some(target) = target.cloned() {
                self.value(&target, value, path, whole);
            }
            return;
        }
        for part in schema["allOf"].as_array().into_iter().flatten() {
            self.value(part, value, path, whole);
        }
        let fits_none = ["anyOf", "oneOf"].iter().any(|either| {
            let forms = schema[either].as_array();
            forms.is_some_and(|forms| !forms.iter().any(|form| self.fits(form, value, path)))
        });
        if fits_none {
            self.wrong(path, "has none of the forms that it may have");
            return;
        }
        if schema["x-kubernetes-int-or-string"] == true || schema["format"] == "int-or-string" {
            if !(value.is_string() || value.is_i64() || value.is_u64()) {
                self.wrong(path, format!("is {} and neither a number nor a text", kind(value)));
            }
            return;
        }
        let fits = match schema["type"].as_str() {
            None => true,
            Some("object") => value.is_object(),
            Some("array") => value.is_array(),
            Some("string") => value.is_string(),
            Some("boolean") => value.is_boolean(),
            Some("integer") => {
                value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|n| n.fract() == 0.0)
            }
            Some("number") => value.is_number(),
            Some(_) => true,
        };
        if !fits {
            let expected = match schema["type"].as_str() {
                Some("object") => "a mapping",
                Some("array") => "a list",
                Some("string") => "a text",
                Some("boolean") => "`true` or `false`",
                Some("integer") => "a whole number",
                _ => "a number",
            };
            self.wrong(path, format!("is {} and not {expected}", kind(value)));
            return;
        }
        match value {
            Value::Object(map) => self.object(schema, map, path, whole),
            Value::Array(items) => {
                self.bounds(schema, "Items", items.len(), "items", path);
                for (index, item) in items.iter().enumerate() {
                    path.push(Step::Item(index));
                    self.value(&schema["items"], item, path, false);
                    path.pop();
                }
            }
            Value::String(text) => self.text(schema, text, path),
            Value::Number(number) => self.number(schema, number.as_f64().unwrap_or_default(), path),
            _ => {}
        }
        self.one_of_these(schema, value, path);
    }

    /// Whether a value has a form, without a word about it; what fields it has besides does not matter.
    fn fits(&self, schema: &Value, value: &Value, path: &mut Path) -> bool {
        let mut found = Vec::new();
        let mut look = Look { piece: self.piece, document: self.document, strict: false, wrong: &mut found };
        look.value(schema, value, path, false);
        found.is_empty()
    }

    fn object(&mut self, schema: &Value, map: &Map<String, Value>, path: &mut Path, whole: bool) {
        let properties = schema["properties"].as_object();
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if map.get(name).is_none_or(Value::is_null) && !(whole && ALL_HAVE.contains(&name)) {
                self.wrong(path, format!("has no `{name}`, which is required"));
            }
        }
        self.bounds(schema, "Properties", map.len(), "fields", path);
        let open = schema["x-kubernetes-preserve-unknown-fields"] == true
            || schema["x-kubernetes-embedded-resource"] == true
            || properties.is_none();
        for (name, value) in map {
            path.push(Step::Key(name.clone()));
            let known = properties.and_then(|properties| properties.get(name));
            match (known, &schema["additionalProperties"]) {
                _ if whole && ALL_HAVE.contains(&name.as_str()) => {}
                (Some(known), _) => self.value(known, value, path, false),
                (None, more @ Value::Object(_)) => self.value(more, value, path, false),
                (None, Value::Bool(true)) => {}
                _ if open || !self.strict => {}
                _ => {
                    let near = properties.and_then(|all| did_you_mean(name, all.keys().map(String::as_str)));
                    let hint = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
                    self.wrong(path, format!("is no field here{hint}"));
                }
            }
            path.pop();
        }
    }

    fn text(&mut self, schema: &Value, text: &str, path: &Path) {
        self.bounds(schema, "Length", text.chars().count(), "characters", path);
        // What Go's expressions have and Rust's have not is left to the API server.
        let pattern = schema["pattern"].as_str().and_then(|pattern| Regex::new(pattern).ok());
        if let (Some(false), Some(pattern)) =
            (pattern.map(|pattern| pattern.is_match(text)), schema["pattern"].as_str())
        {
            self.wrong(path, format!("does not fit `{pattern}`"));
        }
    }

    fn number(&mut self, schema: &Value, number: f64, path: &Path) {
        let bound = |field: &str| schema[field].as_f64();
        let exclusive = |field: &str| schema[field] == true;
        if let Some(least) = bound("minimum")
            && (number < least || number == least && exclusive("exclusiveMinimum"))
        {
            self.wrong(path, format!("is less than it may be: {least}"));
        }
        if let Some(most) = bound("maximum")
            && (number > most || number == most && exclusive("exclusiveMaximum"))
        {
            self.wrong(path, format!("is more than it may be: {most}"));
        }
    }

    fn bounds(&mut self, schema: &Value, what: &str, number: usize, words: &str, path: &Path) {
        if let Some(least) = count(schema, &format!("min{what}")).filter(|least| number < *least) {
            self.wrong(path, format!("has fewer than {least} {words}"));
        }
        if let Some(most) = count(schema, &format!("max{what}")).filter(|most| number > *most) {
            self.wrong(path, format!("has more than {most} {words}"));
        }
    }

    fn one_of_these(&mut self, schema: &Value, value: &Value, path: &Path) {
        let Some(all) = schema["enum"].as_array().filter(|all| !all.contains(value)) else { return };
        let all: Vec<String> = all
            .iter()
            .take(20)
            .map(|one| format!("`{}`", one.as_str().map_or(one.to_string(), str::to_owned)))
            .collect();
        self.wrong(path, format!("is none of {}", all.join(", ")));
    }
}

/// What every object has, and a definition's schema need not say.
const ALL_HAVE: [&str; 3] = ["apiVersion", "kind", "metadata"];

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use shipway_core::Error;

    use super::*;
    use crate::manifests::piece::pieces;

    fn told(schema: Value, text: &str) -> Vec<String> {
        let pieces = pieces("k.yaml", text, true).expect("pieces");
        let mut found = Vec::new();
        let mut look = Look { piece: &pieces[0], document: Some(&schema), strict: true, wrong: &mut found };
        let root = schema.pointer("/components/schemas/Root").expect("a root").clone();
        look.value(&root, &pieces[0].object().expect("an object"), &mut Vec::new(), true);
        let line =
            |wrong: Wrong| format!("{}: {}", wrong.location, wrong.text.split_once(": ").expect("of").1);
        found.into_iter().map(line).collect()
    }

    #[test]
    fn mistakes_are_told_at_their_places() {
        let schema = json!({"components": {"schemas": {
            "Root": {"type": "object", "required": ["spec", "metadata"], "properties": {"spec": {"allOf": [{"$ref": "#/components/schemas/Spec"}]}}},
            "Spec": {"type": "object", "required": ["ports"], "properties": {
                "replicas": {"type": "integer", "minimum": 0, "maximum": 9},
                "names": {"type": "array", "items": {"type": "string", "pattern": "^[a-z]+$"}, "maxItems": 3},
                "mode": {"type": "string", "enum": ["a", "b"]},
                "port": {"x-kubernetes-int-or-string": true},
                "quantity": {"oneOf": [{"type": "string"}, {"type": "number"}]},
                "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                "free": {"type": "object"},
                "ports": {"type": "array", "items": {}},
            }},
        }}});
        let text = "# one\n\napiVersion: a.example/v1\nkind: A\nmetadata: {name: a}\nspec:\n  replicas: '3'\n  \
                    names:\n  - a\n  - B\n  mode: c\n  port: 1.5\n  quantity: []\n  labels:\n    on: 1\n  free: {x: {y: 1}}\n  \
                    replica: 1\n";
        assert_eq!(
            told(schema.clone(), text),
            [
                "k.yaml:7:3: `.spec` has no `ports`, which is required",
                "k.yaml:15:5: `.spec.labels.true` is a number and not a text",
                "k.yaml:11:9: `.spec.mode` is none of `a`, `b`",
                "k.yaml:10:5: `.spec.names[1]` does not fit `^[a-z]+$`",
                "k.yaml:12:9: `.spec.port` is a number and neither a number nor a text",
                "k.yaml:13:13: `.spec.quantity` has none of the forms that it may have",
                "k.yaml:17:12: `.spec.replica` is no field here; did you mean `replicas`?",
                "k.yaml:7:13: `.spec.replicas` is a text and not a whole number",
            ]
        );
        let good = "apiVersion: a.example/v1\nkind: A\nmetadata: {name: a}\nspec: {replicas: 3, ports: [], port: http, quantity: 1.5, mode: null}\n";
        assert_eq!(told(schema, good), [""; 0]);
    }

    #[test]
    fn settings_are_read_and_what_has_no_meaning_is_refused() {
        assert!(!SchemaCheck::new(&[("strict", "false")]).expect("known").strict);
        let refused = |key, value| {
            SchemaCheck::new(&[(key, value)]).map(drop).map_err(|error: Error| error.to_string())
        };
        assert!(
            refused("strict", "no").is_err()
                && refused("schema_location", "x").is_err()
                && refused("x", "y").is_err()
        );
    }
}
