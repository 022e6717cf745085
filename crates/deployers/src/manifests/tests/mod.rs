mod bind;
mod change;
mod sources;

use shipway_core::{Digest, Image, Store};

fn image(name: &str, repository: &str) -> Image {
    let digest = Digest::parse(format!("sha256:{}", "a".repeat(64))).expect("a digest");
    Image::new(name, Store::Registry, repository, digest)
}
