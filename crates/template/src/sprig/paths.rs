//! Paths with `/`, as Go's package `path` sees them.

use gotmpl::Value;

use super::{Function, function, text};

pub(super) const ALL: &[Function] = &[
    function("base", 1, 1, |a| text(base(a.text(0)?))),
    function("dir", 1, 1, |a| {
        let path = a.text(0)?;
        text(clean(&path[..path.rfind('/').map_or(0, |slash| slash + 1)]))
    }),
    function("clean", 1, 1, |a| text(clean(a.text(0)?))),
    function("ext", 1, 1, |a| {
        let path = a.text(0)?;
        let name = &path[path.rfind('/').map_or(0, |slash| slash + 1)..];
        text(name.rfind('.').map_or("", |dot| &name[dot..]))
    }),
    function("isAbs", 1, 1, |a| Ok(Value::Bool(a.text(0)?.starts_with('/')))),
];

fn base(path: &str) -> &str {
    if path.is_empty() {
        return ".";
    }
    match path.trim_end_matches('/').rsplit('/').next() {
        Some("") | None => "/",
        Some(name) => name,
    }
}

fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut steps: Vec<&str> = Vec::new();
    for step in path.split('/') {
        match step {
            "" | "." => {}
            ".." => match steps.last() {
                Some(&last) if last != ".." => {
                    steps.pop();
                }
                _ if rooted => {}
                _ => steps.push(".."),
            },
            step => steps.push(step),
        }
    }
    match (rooted, steps.join("/")) {
        (true, steps) => format!("/{steps}"),
        (false, steps) if steps.is_empty() => ".".to_owned(),
        (false, steps) => steps,
    }
}
