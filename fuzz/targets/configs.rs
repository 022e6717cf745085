//! Configuration files, which come with a checkout.

use std::sync::OnceLock;

use shipway::{
    Catalog, Driver, ErrorKind,
    config::{Loaded, Options, read_skaffold},
};

/// A `skaffold.yaml` is refused with its place, or becomes the same pipeline each time.
pub(crate) fn skaffold(data: &[u8]) {
    static CATALOG: OnceLock<Catalog> = OnceLock::new();
    let Ok(text) = std::str::from_utf8(data) else { return };
    let read = || {
        let options = Options::default().profiles(["dev"]).default_repo("registry.example/team");
        read_skaffold("skaffold.yaml", text, &options, CATALOG.get_or_init(shipway::catalog))
    };
    match (read(), read()) {
        (Ok(one), Ok(two)) => {
            assert_eq!(shown(&one), shown(&two));
            // Reads nothing, and plans or says why not.
            let _ = Driver::plan_removal(&one.pipeline);
        }
        (Err(one), Err(two)) => {
            assert_eq!(one.to_string(), two.to_string());
            assert!(
                matches!(one.kind(), ErrorKind::Config | ErrorKind::Unsupported),
                "a file is at fault, not `{:?}`: {one}",
                one.kind()
            );
        }
        (one, _) => panic!("read once and refused once: {}", one.is_ok()),
    }
}

fn shown(loaded: &Loaded) -> String {
    let notices: Vec<String> = loaded.notices.iter().map(ToString::to_string).collect();
    format!("{:?} {:?} {notices:?}", loaded.pipeline, loaded.profiles)
}
