//! The history of skaffold.yaml's fields, as a table made from the published JSON schema of every version.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

use serde_json::{Map, Value};

use crate::{Result, workspace::Workspace};

/// The table in the checkout.
const TABLE: &str = "crates/config/src/skaffold/history.tsv";

const HEADER: &str = "\
# The fields of skaffold.yaml: where each is, what it holds, and in which versions.
# Made by `cargo xtask history` from the JSON schemas in docs-v2/content/en/schemas of GoogleContainerTools/skaffold,
# commit 359a940c1b26e9aecfad508c1e87a679ec86e49b, under the Apache License 2.0.
# A type is string, boolean, integer, any, port (an integer or a string), a choice of words (a|b), a definition, or one of
# these after [] (a list) or {} (a mapping of names). The last column says `required`, `one-of` (at most one of those in the
# definition), or nothing; the order of a definition's fields is that in which the newest version writes them.
";

/// Writes the table anew from a folder of schemas; returns whether it is as it was.
pub(crate) fn run(workspace: &Workspace, schemas: &Path) -> Result<bool> {
    let path = workspace.root().join(TABLE);
    let made = table(schemas)?;
    let same = fs::read_to_string(&path).is_ok_and(|there| there == made);
    fs::write(&path, made).map_err(|error| format!("cannot write `{}`: {error}", path.display()))?;
    println!("{TABLE} {}", if same { "is as it was" } else { "was written" });
    Ok(true)
}

/// What a field of a definition is in one version.
#[derive(Clone, PartialEq)]
struct Field {
    kind: String,
    mark: &'static str,
}

/// A field through some versions in a row, as their numbers.
struct Row {
    field: Field,
    since: usize,
    until: usize,
}

/// Returns the table of the schemas in a folder.
fn table(folder: &Path) -> Result<String> {
    let versions = versions(folder)?;
    // By definition and field, with the field's place in the newest version that has it.
    let mut rows: BTreeMap<String, BTreeMap<String, (usize, Vec<Row>)>> = BTreeMap::new();
    for (number, version) in versions.iter().enumerate() {
        let path = folder.join(format!("{version}.json"));
        let text = fs::read_to_string(&path)
            .map_err(|error| format!("cannot read `{}`: {error}", path.display()))?;
        let schema: Value = serde_json::from_str(&text)
            .map_err(|error| format!("cannot read `{}`: {error}", path.display()))?;
        let definitions = schema["definitions"].as_object().ok_or("a schema has definitions")?;
        for (name, definition) in definitions {
            for (place, (key, field)) in fields(definition, definitions).into_iter().enumerate() {
                let (at, of_field) = rows.entry(name.clone()).or_default().entry(key).or_default();
                *at = place;
                match of_field.last_mut() {
                    Some(row) if row.until + 1 == number && row.field == field => row.until = number,
                    _ => of_field.push(Row { field, since: number, until: number }),
                }
            }
        }
    }
    let mut text = HEADER.to_owned();
    let _ = writeln!(text, "# definition\tfield\ttype\tsince\tuntil\tmark");
    for (definition, fields) in &rows {
        let mut fields: Vec<_> = fields.iter().collect();
        // What the newest version has comes first.
        let last = versions.len() - 1;
        fields.sort_by_key(|(_, (place, rows))| (rows.last().is_none_or(|row| row.until != last), *place));
        for (field, (_, rows)) in fields {
            for row in rows {
                let (since, until) = (&versions[row.since], &versions[row.until]);
                let Field { kind, mark } = &row.field;
                let _ = writeln!(text, "{definition}\t{field}\t{kind}\t{since}\t{until}\t{mark}");
            }
        }
    }
    Ok(text)
}

/// Returns the versions in the order in which they were published.
fn versions(folder: &Path) -> Result<Vec<String>> {
    let files =
        fs::read_dir(folder).map_err(|error| format!("cannot read `{}`: {error}", folder.display()))?;
    let names = files.flatten().filter_map(|file| file.file_name().into_string().ok());
    let mut versions: Vec<(_, String)> = names
        .filter_map(|name| {
            let name = name.strip_suffix(".json")?;
            Some((order(name)?, name.to_owned()))
        })
        .collect();
    versions.sort();
    if versions.is_empty() {
        return Err(format!("there is no schema in `{}`", folder.display()));
    }
    Ok(versions.into_iter().map(|(_, name)| name).collect())
}

/// Returns what versions sort by: `v1alpha2` comes before `v1beta1`, and that before `v1`.
fn order(version: &str) -> Option<(u32, u8, u32)> {
    let rest = version.strip_prefix('v')?;
    for (name, rank) in [("alpha", 0), ("beta", 1)] {
        if let Some((major, minor)) = rest.split_once(name) {
            return Some((major.parse().ok()?, rank, minor.parse().ok()?));
        }
    }
    Some((rest.parse().ok()?, 2, 0))
}

/// Returns the fields of a definition, in the order in which they are written.
fn fields(definition: &Value, definitions: &Map<String, Value>) -> Vec<(String, Field)> {
    let alternatives: Vec<&Value> = match definition["anyOf"].as_array() {
        Some(alternatives) => alternatives.iter().collect(),
        None => vec![definition],
    };
    let mut found: Vec<(String, Field)> = Vec::new();
    for alternative in &alternatives {
        let Some(properties) = alternative["properties"].as_object() else { continue };
        let required = |key: &str| {
            let lists = [&definition["required"], &alternative["required"]];
            lists.iter().filter_map(|list| list.as_array()).flatten().any(|name| name == key)
        };
        let order = alternative["preferredOrder"].as_array().into_iter().flatten().filter_map(Value::as_str);
        for key in order {
            let Some(property) = properties.get(key) else { continue };
            if found.iter().any(|(known, _)| known == key) {
                continue;
            }
            let everywhere = alternatives.iter().all(|one| one["properties"].get(key).is_some());
            let mark = match (everywhere, required(key)) {
                (false, _) => "one-of",
                (true, true) => "required",
                (true, false) => "",
            };
            found.push((key.to_owned(), Field { kind: kind(property, definitions), mark }));
        }
    }
    found
}

/// Returns what a property holds, in the table's words.
fn kind(property: &Value, definitions: &Map<String, Value>) -> String {
    if let Some(reference) = property["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap_or_default();
        // Some old versions have names for a list and for a text.
        return match definitions.get(name).filter(|definition| definition["type"] != "object") {
            Some(plain) => kind(plain, definitions),
            None => name.to_owned(),
        };
    }
    if property.get("anyOf").is_some() {
        return "port".to_owned();
    }
    if let Some(words) = property["enum"].as_array() {
        let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
        return words.join("|");
    }
    match property["type"].as_str() {
        Some("array") => format!("[]{}", kind(&property["items"], definitions)),
        Some("object") => match property.get("additionalProperties") {
            Some(of) if of.is_object() => format!("{{}}{}", kind(of, definitions)),
            _ => "any".to_owned(),
        },
        Some(scalar) => scalar.to_owned(),
        None => "any".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn versions_are_in_the_order_in_which_they_were_published() {
        let order: Vec<_> = ["v1alpha2", "v1alpha10", "v1beta1", "v1", "v2alpha1"].map(order).into();
        assert!(order.is_sorted() && order.iter().all(Option::is_some));
    }

    #[test]
    fn a_definition_with_alternatives_has_the_fields_of_all() {
        let property = |kind: &str| json!({ "type": kind });
        let definition = json!({ "required": ["image"], "anyOf": [
            { "properties": { "image": property("string") }, "preferredOrder": ["image"] },
            { "properties": {
                "image": property("string"),
                "docker": { "$ref": "#/definitions/Docker" },
            }, "preferredOrder": ["image", "docker"] },
        ]});
        let found: Vec<_> = fields(&definition, &Map::new())
            .into_iter()
            .map(|(key, field)| (key, field.kind, field.mark))
            .collect();
        let expected = [("image", "string", "required"), ("docker", "Docker", "one-of")];
        assert_eq!(found, expected.map(|(key, kind, mark)| (key.to_owned(), kind.to_owned(), mark)));
    }

    #[test]
    fn the_table_is_that_of_the_schemas() {
        let Some(corpus) = std::env::var_os("SHIPWAY_CORPUS") else { return };
        let made = table(&Path::new(&corpus).join("skaffold/schemas")).expect("schemas");
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(TABLE);
        assert!(
            fs::read_to_string(path).expect("a table") == made,
            "make it anew with `cargo xtask history`"
        );
    }
}
