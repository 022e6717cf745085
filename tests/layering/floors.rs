//! Which crate may depend on which: a crate stands on lower floors, never on its own or a higher one.

use serde_json::Value;

/// The floors from the ground up, each with its rooms: the folders in `crates/`.
const FLOORS: [&[&str]; 4] = [
    &["core"],
    &["oci", "docker", "cluster", "yaml", "template", "git", "report"],
    &["builders", "taggers", "testers", "deployers", "runners", "provenance", "config"],
    &["testkit", "cli", "xtask", FACADE],
];

/// Who may, beside that, depend on a neighbour.
const NEIGHBOURS: [(&str, &str); 6] = [
    ("cluster", "yaml"),
    ("docker", "oci"),
    ("cli", FACADE),
    ("cli", "testkit"),
    ("xtask", FACADE),
    ("xtask", "testkit"),
];

/// The package in the root folder.
const FACADE: &str = "the facade";

/// Another author's plug-in needs the core alone, so what the core brings along, everybody has.
const MOST_CRATES_OF_CORE: usize = 12;

/// A package of the workspace.
#[derive(Debug)]
pub(crate) struct Package {
    /// Its folder in `crates/`.
    room: String,
    /// The rooms that it depends on, dev-dependencies apart.
    ours: Vec<String>,
    /// The other crates that it depends on.
    theirs: Vec<String>,
}

/// Reads the packages out of `cargo metadata`.
pub(crate) fn packages(metadata: &Value) -> Vec<Package> {
    let root = metadata["workspace_root"].as_str().unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let room = |package: &Value| {
        let folder = package["manifest_path"].as_str().unwrap();
        let folder = folder.strip_prefix(root).and_then(|path| path.strip_suffix("/Cargo.toml")).unwrap();
        if folder.is_empty() { FACADE.to_owned() } else { folder.trim_start_matches("/crates/").to_owned() }
    };
    let rooms: Vec<(&str, String)> =
        packages.iter().map(|package| (package["name"].as_str().unwrap(), room(package))).collect();
    let package = |package: &Value| {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for dependency in package["dependencies"].as_array().unwrap() {
            let name = dependency["name"].as_str().unwrap();
            if dependency["kind"] == "dev" {
                continue;
            }
            match rooms.iter().find(|(package, _)| *package == name) {
                Some((_, room)) => ours.push(room.clone()),
                None => theirs.push(name.to_owned()),
            }
        }
        // One crate may be named once per platform.
        theirs.sort();
        theirs.dedup();
        Package { room: room(package), ours, theirs }
    };
    packages.iter().map(package).collect()
}

/// Says what is against the plan.
pub(crate) fn breaches(packages: &[Package]) -> Vec<String> {
    let floor = |room: &str| FLOORS.iter().position(|rooms| rooms.contains(&room));
    let mut breaches = Vec::new();
    for Package { room, ours, theirs } in packages {
        let Some(own) = floor(room) else {
            breaches.push(format!(
                "`{room}` is on no floor: add it to FLOORS in tests/layering/floors.rs, on floor 1 if it needs the \
                 core alone, on floor 2 if it is a family of plug-ins or a reader of foreign formats, on floor 3 \
                 if it is a program or for tests; and to the plan in ARCHITECTURE.md"
            ));
            continue;
        };
        for below in ours {
            let lower = floor(below).is_some_and(|floor| floor < own);
            if !lower && !NEIGHBOURS.contains(&(room, below)) {
                breaches.push(format!("`{room}` (floor {own}) depends on `{below}`, which is not below it"));
            }
        }
        if room == "core" && theirs.len() > MOST_CRATES_OF_CORE {
            let (count, names) = (theirs.len(), theirs.join(", "));
            breaches
                .push(format!("`core` depends on {count} crates, more than {MOST_CRATES_OF_CORE}: {names}"));
        }
    }
    breaches
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn house(rooms: &[(&str, &[&str])]) -> Vec<String> {
        let rooms = rooms.iter().map(|(room, ours)| Package {
            room: (*room).to_owned(),
            ours: ours.iter().map(|room| (*room).to_owned()).collect(),
            theirs: Vec::new(),
        });
        breaches(&rooms.collect::<Vec<_>>())
    }

    #[test]
    fn the_plan_holds() {
        let rooms: [(&str, &[&str]); 8] = [
            ("core", &[]),
            ("oci", &["core"]),
            ("docker", &["core", "oci"]),
            ("cluster", &["core", "yaml"]),
            ("builders", &["core", "oci", "docker"]),
            ("testkit", &["core", "builders"]),
            (FACADE, &["core", "builders"]),
            ("cli", &[FACADE]),
        ];
        assert_eq!(house(&rooms), [""; 0]);
    }

    #[test]
    fn a_dependency_up_or_sideways_is_a_breach() {
        for (room, below) in [
            ("core", "oci"),
            ("oci", "yaml"),
            ("yaml", "cluster"),
            ("oci", "builders"),
            ("deployers", "builders"),
            ("config", "builders"),
            ("builders", "testkit"),
            ("testkit", FACADE),
            (FACADE, "testkit"),
            ("builders", "unknown"),
        ] {
            let breaches = house(&[(room, &["core", below][usize::from(room == "core")..])]);
            assert!(
                matches!(&*breaches, [breach] if breach.contains(&format!("`{below}`"))),
                "{room}: {breaches:?}"
            );
        }
    }

    #[test]
    fn a_crate_without_a_floor_is_told_where_to_go() {
        let breaches = house(&[("gadgets", &["core"])]);
        assert!(matches!(&*breaches, [breach] if breach.contains("`gadgets`") && breach.contains("FLOORS")));
    }

    #[test]
    fn the_core_stays_small() {
        let core = |count: usize| Package {
            room: "core".to_owned(),
            ours: Vec::new(),
            theirs: (0..count).map(|crate_number| crate_number.to_string()).collect(),
        };
        assert_eq!(breaches(&[core(12)]), [""; 0]);
        assert!(breaches(&[core(13)])[0].contains("13 crates"));
    }

    #[test]
    fn packages_are_read_with_all_but_their_dev_dependencies() {
        let dependency = |name: &str, kind: Value| json!({ "name": name, "kind": kind });
        let metadata = json!({ "workspace_root": "/w", "packages": [
            { "name": "shipway", "manifest_path": "/w/Cargo.toml", "dependencies": [
                dependency("shipway-core", Value::Null), dependency("shipway-kit", json!("dev")),
            ] },
            { "name": "shipway-core", "manifest_path": "/w/crates/core/Cargo.toml", "dependencies": [
                dependency("serde", Value::Null), dependency("cc", json!("build")), dependency("serde", Value::Null),
            ] },
            { "name": "shipway-kit", "manifest_path": "/w/elsewhere/kit/Cargo.toml", "dependencies": [] },
        ] });
        let packages = packages(&metadata);
        assert_eq!((packages[0].room.as_str(), &*packages[0].ours), (FACADE, &["core".to_owned()][..]));
        assert_eq!((packages[1].room.as_str(), packages[1].theirs.join(" ").as_str()), ("core", "cc serde"));
        assert!(breaches(&packages)[0].contains("elsewhere/kit"));
    }
}
