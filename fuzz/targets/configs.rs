//! Configuration files, which come with a checkout.

use std::sync::OnceLock;

use shipway::{
    Catalog, Driver,
    config::{
        GlobalConfig, GlobalKey, GlobalScope, Loaded, Options, Skaffold, Trust, fix_skaffold,
        init::{Choices, look, write},
    },
};
use shipway_testkit::shut_world;

use super::{
    sources::Sources,
    world::{agreed, block_on, context},
};

/// A `skaffold.yaml` is refused with its place, or becomes the same pipeline each time.
pub(crate) fn skaffold(data: &[u8]) {
    static CATALOG: OnceLock<Catalog> = OnceLock::new();
    let Ok(text) = std::str::from_utf8(data) else { return };
    // It is no global configuration, or says something of each context.
    if let Ok(global) = GlobalConfig::read("config", text) {
        let _ = global.for_context(Some("kind-kind"));
        set(text);
    }
    // What can be brought to the newest version is read as well as before.
    if let Ok(fixed) = fix_skaffold("skaffold.yaml", text) {
        assert!(fix_skaffold("skaffold.yaml", &fixed.text).is_ok_and(|again| again.text == fixed.text));
    }
    let catalog = CATALOG.get_or_init(shipway::catalog);
    let read = |trust| {
        // Commands of templates are asked for, and not run.
        let options = Options::default().profiles(["dev"]).default_repo("registry.example/team").trust(trust);
        let skaffold = Skaffold::read("skaffold.yaml", text, options, catalog)?;
        // All that is meant is written, and each value of it is explained.
        let _ = skaffold.effective("/".as_ref());
        let _ = skaffold.explain("", "/".as_ref());
        let loaded = skaffold.pipeline(catalog)?;
        // Reads nothing, and plans or says why not.
        let _ = Driver::plan_removal(&loaded.pipeline);
        Ok(shown(&loaded))
    };
    for trust in [Trust::Untrusted, Trust::Full] {
        agreed(read(trust), read(trust));
    }
}

/// What is set in a global configuration is what it says, for all contexts and for one.
fn set(text: &str) {
    for scope in [GlobalScope::All, GlobalScope::Context("kind-kind")] {
        for key in GlobalKey::all() {
            let value = if key.name() == "insecure-registries" { "a.example" } else { "true" };
            // A merge key or an alias may be in the way.
            if let Ok(edited) = GlobalConfig::set("config", text, scope, key, value) {
                let said = GlobalConfig::get("config", &edited, scope, key).expect("it was read");
                assert!(said.iter().any(|said| said == value), "{edited}");
            }
        }
    }
}

/// Whatever the files of a folder hold, its first configuration is read, and makes a pipeline.
pub(crate) fn init(data: &[u8]) {
    const NAMES: [&str; 8] = [
        ".gitignore",
        "Dockerfile",
        "go.mod",
        "kustomization.yaml",
        "main.go",
        "manifest.yaml",
        "pom.xml",
        "web.json",
    ];
    let world = shut_world().files(Sources::new(NAMES.map(|name| (name, data))));
    let found = block_on(look(&context(world.in_place()))).expect("what cannot be read is left out");
    let _ = found.analysis();
    if let Ok(initial) = write(&found, &Choices::default()) {
        let catalog = shipway::catalog();
        let skaffold = Skaffold::read("skaffold.yaml", &initial.text, Options::default(), &catalog);
        let loaded = skaffold.and_then(|skaffold| skaffold.pipeline(&catalog));
        assert_eq!(loaded.expect("it is read").notices, [], "{}", initial.text);
    }
}

fn shown(loaded: &Loaded) -> String {
    let notices: Vec<String> = loaded.notices.iter().map(ToString::to_string).collect();
    format!("{:?} {:?} {notices:?}", loaded.pipeline, loaded.profiles)
}
