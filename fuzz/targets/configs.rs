//! Configuration files, which come with a checkout.

use std::sync::OnceLock;

use shipway::{
    Catalog, Driver,
    config::{Loaded, Options, Skaffold},
};

use super::world::agreed;

/// A `skaffold.yaml` is refused with its place, or becomes the same pipeline each time.
pub(crate) fn skaffold(data: &[u8]) {
    static CATALOG: OnceLock<Catalog> = OnceLock::new();
    let Ok(text) = std::str::from_utf8(data) else { return };
    let read = || {
        let options = Options::default().profiles(["dev"]).default_repo("registry.example/team");
        let loaded = Skaffold::read("skaffold.yaml", text, options, CATALOG.get_or_init(shipway::catalog))?
            .pipeline(CATALOG.get_or_init(shipway::catalog))?;
        // Reads nothing, and plans or says why not.
        let _ = Driver::plan_removal(&loaded.pipeline);
        Ok(shown(&loaded))
    };
    agreed(read(), read());
}

fn shown(loaded: &Loaded) -> String {
    let notices: Vec<String> = loaded.notices.iter().map(ToString::to_string).collect();
    format!("{:?} {:?} {notices:?}", loaded.pipeline, loaded.profiles)
}
