//! Real parts: crane and skopeo, which we did not write, read what we built and push what we read,
//! over the in-process registry on loopback.

#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "the test looks at the real disk")]
#![expect(clippy::print_stdout, reason = "who runs the test alone sees that it was skipped")]

mod bed;
mod peer;
#[path = "../support/skip.rs"]
mod skip;

use std::fs;

use serde_json::{Value, json};
use shipway_core::Platform;
use shipway_oci::{AnyManifest, media};

use crate::{
    bed::{Bed, check_unpacked},
    peer::Peer,
};

#[tokio::test(flavor = "multi_thread")]
async fn crane_finds_our_image_valid_and_complete() {
    let Some(crane) = Peer::find("crane", "crane_finds_our_image_valid_and_complete") else { return };
    let bed = Bed::new().await;
    // Reads every blob: digests, sizes, and the diff ids of the unpacked layers.
    crane.run(&["validate", "--remote", &bed.reference("web", "1")]).await;
    let digest = crane.run(&["digest", &bed.reference("web", "1")]).await;
    assert_eq!(digest.trim(), bed.image.digest.as_str());
    let manifest = crane.run(&["manifest", &bed.image.reference()]).await;
    assert_eq!(manifest.as_bytes(), bed.read("web", "1").await.bytes);
    let config = crane.run(&["config", &bed.image.reference()]).await;
    let config: Value = serde_json::from_str(&config).unwrap();
    assert_eq!(config["config"]["Entrypoint"], json!(["/app/run"]));

    // All layers as one file system, as a runtime would see it.
    let tar = crane.path("image.tar");
    crane.run(&["export", &bed.reference("web", "1"), tar.to_str().unwrap()]).await;
    check_unpacked(&crane.unpack(&[tar]).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn skopeo_copies_our_image_with_its_digest() {
    let Some(skopeo) = Peer::find("skopeo", "skopeo_copies_our_image_with_its_digest") else { return };
    let bed = Bed::new().await;
    let source = format!("docker://{}", bed.reference("web", "1"));
    let seen = skopeo.run(&["inspect", "--tls-verify=false", &source]).await;
    let seen: Value = serde_json::from_str(&seen).unwrap();
    let here = Platform::linux_here();
    assert_eq!(seen["Digest"], bed.image.digest.as_str());
    assert_eq!((&seen["Os"], &seen["Architecture"]), (&json!(here.os), &json!(here.architecture)));

    let folder = skopeo.path("layout");
    let layout = format!("oci:{}:copied", folder.display());
    skopeo.run(&["copy", "--src-tls-verify=false", &source, &layout]).await;
    let index: Value = serde_json::from_slice(&fs::read(folder.join("index.json")).unwrap()).unwrap();
    assert_eq!(index["manifests"][0]["digest"], bed.image.digest.as_str());
    let manifest = AnyManifest::parse(&bed.read("web", "1").await).unwrap();
    let AnyManifest::Image(manifest) = manifest else { panic!("not one image: {manifest:?}") };
    let blob = |digest: &str| folder.join("blobs").join(digest.replace(':', "/"));
    let layers: Vec<_> = manifest.layers.iter().map(|layer| blob(layer.digest.as_str())).collect();
    check_unpacked(&skopeo.unpack(&layers).await);

    // And back, as the same image.
    let back = format!("docker://{}", bed.reference("back", "1"));
    skopeo.run(&["copy", "--dest-tls-verify=false", &layout, &back]).await;
    assert_eq!(bed.read("back", "1").await.digest, bed.image.digest);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_crane_pushes_we_read() {
    let Some(crane) = Peer::find("crane", "what_crane_pushes_we_read") else { return };
    let bed = Bed::new().await;
    fs::write(crane.path("by-crane"), "from a peer").unwrap();
    crane.other("tar", &["-cf", "layer.tar", "by-crane"]).await;
    let (base, pushed) = (bed.reference("web", "1"), bed.reference("appended", "1"));
    crane.run(&["append", "--base", &base, "--new_layer", "layer.tar", "--new_tag", &pushed]).await;
    let digest = crane.run(&["digest", &pushed]).await;
    // A tag more in the repository, and a copy to another without its blobs being sent.
    crane.run(&["tag", &pushed, "2"]).await;
    crane.run(&["copy", &pushed, &bed.reference("copied", "1")]).await;
    for (repository, tag) in [("appended", "1"), ("appended", "2"), ("copied", "1")] {
        let read = bed.read(repository, tag).await;
        assert_eq!(read.digest.as_str(), digest.trim(), "{repository}:{tag}");
        let layers = AnyManifest::parse(&read).unwrap().references().len();
        assert_eq!(layers, AnyManifest::parse(&bed.read("web", "1").await).unwrap().references().len() + 1);
    }
    let tags = crane.run(&["ls", &bed.repository("appended")]).await;
    assert_eq!(tags.split_whitespace().collect::<Vec<_>>(), ["1", "2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_skopeo_pushes_in_dockers_format_we_read() {
    let Some(skopeo) = Peer::find("skopeo", "what_skopeo_pushes_in_dockers_format_we_read") else { return };
    let bed = Bed::new().await;
    let from = format!("docker://{}", bed.reference("web", "1"));
    let to = format!("docker://{}", bed.reference("docker", "1"));
    let plain = ["--src-tls-verify=false", "--dest-tls-verify=false"];
    skopeo.run(&["copy", "--format=v2s2", plain[0], plain[1], &from, &to]).await;
    assert_eq!(bed.read("docker", "1").await.media_type, media::DOCKER_MANIFEST);
}
