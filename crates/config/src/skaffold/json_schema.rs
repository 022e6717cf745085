//! The JSON Schema of what is read, for editors.

use serde_json::{Map, Value, json};
use shipway_core::Catalog;

use super::{
    schema::{self, Field, Kind},
    strict::OPEN,
    version::Version,
};

/// Returns the JSON Schema (draft 7) of a `skaffold.yaml` of one version, with the kinds of the catalog beside Skaffold's own
/// builders, taggers and deployers.
///
/// It says what is read, not what a run can do: a field that is not supported yet is in it.
///
/// ```
/// use shipway_config::{Version, skaffold_schema};
///
/// let schema = skaffold_schema(Version::NEWEST, &shipway_core::Catalog::new());
/// assert_eq!(schema["$ref"], "#/definitions/SkaffoldConfig");
/// ```
#[must_use]
pub fn skaffold_schema(version: Version, catalog: &Catalog) -> Value {
    let kinds = catalog.kinds();
    let mut definitions = Map::new();
    for definition in schema::definitions() {
        let mut fields: Vec<&Field> =
            schema::fields(definition).iter().filter(|field| field.is_in(version)).collect();
        fields.sort_by_key(|field| field.name);
        let mut properties: Map<String, Value> =
            fields.iter().map(|field| (field.name.to_owned(), of_field(field))).collect();
        let roles = OPEN.iter().filter(|(of, _)| *of == definition).map(|(_, role)| *role);
        for kind in roles.filter_map(|role| kinds.get(role)).flatten() {
            properties.entry(*kind).or_insert_with(|| json!({ "type": ["object", "null"] }));
        }
        let required: Vec<&str> =
            fields.iter().filter(|field| field.required).map(|field| field.name).collect();
        let mut object = json!({ "type": "object", "properties": properties, "additionalProperties": false });
        if !required.is_empty() {
            object["required"] = json!(required);
        }
        definitions.insert(definition.to_owned(), object);
    }
    if let Some(top) = definitions.get_mut("SkaffoldConfig") {
        top["properties"]["apiVersion"] = json!({ "const": version.to_string() });
        top["properties"]["kind"] = json!({ "const": "Config" });
        // Such a key is a place for anchors.
        top["patternProperties"] = json!({ "^\\.": {} });
    }
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": version.to_string(),
        "$ref": "#/definitions/SkaffoldConfig",
        "definitions": definitions,
    })
}

fn of_field(field: &Field) -> Value {
    if field.words.is_empty() {
        return of_kind(&field.kind);
    }
    // The words are offered; others are read too, such as `container:NAME`.
    let words: Vec<&str> = field.words.iter().copied().filter(|word| !word.contains(['<', '>'])).collect();
    json!({ "anyOf": [{ "enum": words }, of_kind(&field.kind)] })
}

/// What says nothing is read everywhere, and any scalar as a text.
fn of_kind(kind: &Kind) -> Value {
    match kind {
        Kind::Text | Kind::Port => json!({ "type": ["string", "number", "boolean", "null"] }),
        Kind::Boolean => json!({ "type": ["boolean", "null"] }),
        Kind::Integer => json!({ "type": ["integer", "null"] }),
        Kind::Any => json!({}),
        Kind::List(of) => json!({ "type": ["array", "null"], "items": of_kind(of) }),
        Kind::Map(of) => json!({ "type": ["object", "null"], "additionalProperties": of_kind(of) }),
        Kind::Fields(definition) => {
            json!({ "anyOf": [{ "$ref": format!("#/definitions/{definition}") }, { "type": "null" }] })
        }
    }
}
