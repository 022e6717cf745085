//! Configuration files, which come with a checkout.

use std::sync::OnceLock;

use shipway::{
    Catalog, Driver,
    config::{GlobalConfig, Loaded, Options, Skaffold, Trust, fix_skaffold},
};

use super::world::agreed;

/// A `skaffold.yaml` is refused with its place, or becomes the same pipeline each time.
pub(crate) fn skaffold(data: &[u8]) {
    static CATALOG: OnceLock<Catalog> = OnceLock::new();
    let Ok(text) = std::str::from_utf8(data) else { return };
    // It is no global configuration, or says something of each context.
    let _ = GlobalConfig::read("config", text).map(|global| global.for_context(Some("kind-kind")));
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

fn shown(loaded: &Loaded) -> String {
    let notices: Vec<String> = loaded.notices.iter().map(ToString::to_string).collect();
    format!("{:?} {:?} {notices:?}", loaded.pipeline, loaded.profiles)
}
