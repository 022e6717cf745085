//! The document: CycloneDX 1.6 (ECMA-424) as JSON, without a time, so that it is the same for the same image.

use serde_json::{Value, json};
use shipway_oci::{InspectedImage, digest_of};

use super::{Base, Inventory};
use crate::materials::purl;

/// The name of a property that says what was not read.
const UNREAD: &str = "shipway:unread";

pub(super) fn document(
    repository: &str,
    image: &InspectedImage,
    base: Option<&Base>,
    inventory: &Inventory,
) -> Value {
    let root = purl(repository, &image.digest);
    let mut components = Vec::new();
    if let Some(base) = base {
        let purl = purl(&base.repository, &base.digest);
        components.push(json!({
            "type": "container", "bom-ref": format!("base:{purl}"), "purl": purl,
            "name": base.repository, "version": base.digest.as_str(),
        }));
    }
    if let Some(system) = &inventory.system {
        components.push(json!({
            "type": "operating-system", "bom-ref": format!("os:{}", system.id),
            "name": system.id, "version": system.version,
        }));
    }
    for (purl, package) in &inventory.packages {
        components.push(json!({
            "type": "library", "bom-ref": purl, "purl": purl, "name": package.name, "version": package.version,
            "evidence": { "occurrences": [{ "location": package.path }] },
        }));
    }
    for (path, sha256) in &inventory.files {
        components.push(json!({
            "type": "file", "bom-ref": format!("file:{path}"), "name": path,
            "hashes": [{ "alg": "SHA-256", "content": sha256 }],
        }));
    }
    let unread = inventory.unread.iter().map(|what| json!({ "name": UNREAD, "value": what }));
    let unread: Vec<Value> = unread.collect();
    // Never `complete`: there are packages that nobody can find.
    let aggregate = if unread.is_empty() { "unknown" } else { "incomplete" };
    let on: Vec<String> =
        base.iter().map(|base| format!("base:{}", purl(&base.repository, &base.digest))).collect();
    json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": serial_number(&root),
        "version": 1,
        "metadata": {
            "tools": { "components": [
                { "type": "application", "name": "shipway", "version": env!("CARGO_PKG_VERSION") },
            ] },
            "component": {
                "type": "container", "bom-ref": root, "purl": root,
                "name": repository, "version": image.digest.as_str(),
                "properties": [{ "name": "shipway:platform", "value": image.config.platform.to_string() }],
            },
            "properties": unread,
        },
        "components": components,
        "dependencies": [{ "ref": root, "dependsOn": on }],
        "compositions": [{ "aggregate": aggregate, "assemblies": [root] }],
    })
}

/// Returns a UUID that the image decides (RFC 9562, version 8).
fn serial_number(root: &str) -> String {
    let digest = digest_of(root.as_bytes());
    let hex = digest.hex();
    let (a, b, c, d, e) = (&hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..32]);
    format!("urn:uuid:{a}-{b}-8{c}-8{d}-{e}")
}
