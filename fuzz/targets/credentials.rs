//! Docker's `config.json`.

use shipway::{Credentials, ErrorKind, oci::DockerConfig};
use shipway_testkit::shut_world;

use super::world::{block_on, context, disk};

/// Logins are found or refused, for exactly the host that is asked for, and no error shows what the file says.
pub(crate) fn docker_config(data: &[u8]) {
    let cx = context(shut_world().disk(disk("/docker/config.json", data)));
    for host in ["docker.io", "registry.example", "localhost:5000"] {
        // A program to ask is not there.
        if let Err(error) = block_on(DockerConfig::new("/docker/config.json").registry(&cx, host)) {
            let kinds = [ErrorKind::Config, ErrorKind::Unsupported, ErrorKind::BadOutput];
            assert!(kinds.contains(&error.kind()), "{:?}: {error}", error.kind());
            // The password of the corpus, where it stands as one.
            let text = String::from_utf8_lossy(data);
            let is_password =
                text.matches("sesame").count() == text.matches(r#""password":"open sesame""#).count();
            assert!(!is_password || !format!("{error:?}").contains("sesame"), "{error:?}");
        }
    }
}
