//! What an object runs.

use serde_json::Value;

/// Returns the containers that an object runs, but for those that only prepare.
pub(crate) fn containers(object: &Value) -> &[Value] {
    let spec = if object["kind"] == "Pod" { &object["spec"] } else { &object["spec"]["template"]["spec"] };
    spec["containers"].as_array().map_or(&[], Vec::as_slice)
}

/// Says that a container has another image than was applied, if one has.
pub(crate) fn other_image(desired: &Value, now: &Value) -> Option<String> {
    containers(desired).iter().find_map(|container| {
        let running = containers(now).iter().find(|other| other["name"] == container["name"]);
        let running = running.map_or(&Value::Null, |running| &running["image"]);
        let other = || {
            let wanted = &container["image"];
            format!("it has the image {running} and not {wanted}: another revision replaced this one")
        };
        (*running != container["image"]).then(other)
    })
}
