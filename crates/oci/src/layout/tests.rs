//! What comes of crashes and failures is tried in the test kit (`crates/testkit/tests/disks`).

#![expect(clippy::disallowed_methods, reason = "the tests look at the real disk and damage it")]

use std::fs;

use shipway_core::HostDisk;
use tokio::io::AsyncReadExt as _;

use super::*;
use crate::{ImageIndex, ImageManifest};

fn layout(path: impl Into<PathBuf>) -> Layout {
    Layout::new(Arc::new(HostDisk), path)
}

fn content(bytes: &[u8]) -> BlobReader {
    Box::pin(io::Cursor::new(bytes.to_vec()))
}

fn tag(text: &str) -> Tag {
    Tag::parse(text).unwrap()
}

async fn read(layout: &Layout, descriptor: &Descriptor) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut reader = layout.read_blob(descriptor).await?;
    reader.read_to_end(&mut bytes).await.map_err(|error| crate::carry::unpack(error, "read"))?;
    Ok(bytes)
}

/// Writes an image whose layer has this content, and returns the manifest.
async fn write_image(layout: &Layout, layer: &[u8], name: &str) -> Result<(Descriptor, ImageManifest)> {
    let mut descriptors = Vec::new();
    for (media_type, bytes) in [(media::CONFIG, &b"{}"[..]), (media::LAYER_GZIP, layer)] {
        let (digest, size) = layout.write_new_blob(content(bytes)).await?;
        descriptors.push(Descriptor::new(media_type, digest, size));
    }
    let manifest = ImageManifest::new(descriptors.remove(0), descriptors);
    let bytes = manifest.to_json();
    let digest = layout.write_manifest(media::MANIFEST, bytes.clone(), Some(&tag(name))).await?;
    Ok((Descriptor::new(media::MANIFEST, digest, bytes.len() as u64), manifest))
}

#[tokio::test]
async fn an_image_is_read_as_it_was_written_and_a_tag_moves() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/layout");
    let written = layout(&path);
    assert!(written.manifest(&Label::Tag(tag("a"))).await.unwrap().is_none());
    assert!(!written.has_blob(&Descriptor::new("x", digest_of(b""), 0)).await.unwrap());
    assert!(!path.exists(), "reading makes nothing");

    let large = vec![7; 1_000_000];
    let (first, manifest) = write_image(&written, &large, "a").await.unwrap();
    let (second, _) = write_image(&written, b"", "b").await.unwrap();
    let again = layout(&path);
    let raw = again.manifest(&Label::Tag(tag("a"))).await.unwrap().expect("there");
    assert_eq!((&raw.digest, &*raw.media_type), (&first.digest, media::MANIFEST));
    assert_eq!(AnyManifest::parse(&raw).unwrap(), AnyManifest::Image(manifest.clone()));
    assert_eq!(read(&again, &manifest.layers[0]).await.unwrap(), large);
    assert_eq!(again.manifest(&Label::Digest(first.digest.clone())).await.unwrap(), Some(raw));
    assert!(
        again.manifest(&Label::Digest(digest_of(b""))).await.unwrap().is_none(),
        "a layer is no manifest"
    );

    let index = ImageIndex::new(vec![first.clone(), second.clone()]).to_json();
    let both = again.write_manifest(media::INDEX, index, Some(&tag("b"))).await.unwrap();
    let tags = written.tags().await.unwrap();
    assert_eq!(tags.keys().map(Tag::as_str).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(tags[&tag("b")].digest, both);
    assert_eq!(fs::read(path.join("oci-layout")).unwrap(), index::VERSION);
    let mut names: Vec<_> = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, [".lock", "blobs", "index.json", "oci-layout"], "nothing is left over");
}

#[tokio::test]
async fn what_others_put_into_the_index_stays() {
    let folder = tempfile::tempdir().unwrap();
    let other = format!(
        r#"{{"schemaVersion":2,"annotations":{{"k":"v"}},"manifests":[{{"mediaType":"x","digest":"{}","size":1,
            "annotations":{{"org.opencontainers.image.ref.name":"not a tag"}}}}]}}"#,
        digest_of(b"x")
    );
    fs::write(folder.path().join("index.json"), other).unwrap();
    write_image(&layout(folder.path()), b"", "a").await.unwrap();
    let index: serde_json::Value =
        serde_json::from_slice(&fs::read(folder.path().join("index.json")).unwrap()).unwrap();
    assert_eq!(index["annotations"]["k"], "v");
    assert_eq!(index["manifests"][0]["mediaType"], "x");
    assert_eq!(index["manifests"].as_array().unwrap().len(), 2);
    for bad in ["", "[]", "{}", r#"{"manifests":{}}"#] {
        fs::write(folder.path().join("index.json"), bad).unwrap();
        assert_eq!(layout(folder.path()).tags().await.unwrap_err().kind(), ErrorKind::BadOutput, "{bad}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_at_once_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    let (path, link) = (folder.path().join("layout"), folder.path().join("link"));
    std::os::unix::fs::symlink("layout", &link).unwrap();
    fs::create_dir(&path).unwrap();
    for i in 0..20 {
        // Each with a layout of its own, as two pipelines would have, and by another name.
        let layout = layout([&path, &link, &path.join("../layout")][i % 3]);
        tasks.spawn(async move { write_image(&layout, b"same", &format!("t{i}")).await.map(drop) });
    }
    while let Some(written) = tasks.join_next().await {
        written.unwrap().unwrap();
    }
    assert_eq!(layout(path).tags().await.unwrap().len(), 20);
}

#[tokio::test]
async fn damage_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let layout = layout(folder.path());
    let (image, manifest) = write_image(&layout, b"layer", "a").await.unwrap();
    let layer = &manifest.layers[0];
    for damage in [&b"LAYER"[..], b"layer and more", b"lay", b""] {
        fs::write(layout.blob_path(&layer.digest), damage).unwrap();
        assert_eq!(read(&layout, layer).await.unwrap_err().kind(), ErrorKind::BadOutput);
        assert_eq!(layout.has_blob(layer).await.unwrap(), damage.len() == 5);
    }
    // One of another size is written again; no other descriptor fits it.
    layout.write_blob(layer, content(b"layer")).await.unwrap();
    assert_eq!(read(&layout, layer).await.unwrap(), b"layer");

    fs::write(layout.blob_path(&image.digest), manifest.to_json().to_ascii_uppercase()).unwrap();
    for label in [Label::Tag(tag("a")), Label::Digest(image.digest.clone())] {
        assert_eq!(layout.manifest(&label).await.unwrap_err().kind(), ErrorKind::BadOutput);
    }
    fs::File::create(layout.blob_path(&image.digest)).unwrap().set_len(1 << 30).unwrap();
    assert_eq!(layout.manifest(&Label::Tag(tag("a"))).await.unwrap_err().kind(), ErrorKind::BadOutput);
    fs::remove_file(layout.blob_path(&image.digest)).unwrap();
    assert_eq!(layout.manifest(&Label::Tag(tag("a"))).await.unwrap_err().kind(), ErrorKind::BadOutput);
    assert!(layout.manifest(&Label::Digest(image.digest)).await.unwrap().is_none());
}

#[tokio::test]
async fn wrong_content_and_loose_manifests_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let layout = layout(folder.path());
    let descriptor = Descriptor::new(media::LAYER_GZIP, digest_of(b"layer"), 5);
    for wrong in [&b"LAYER"[..], b"layer!", b"laye"] {
        let error = layout.write_blob(&descriptor, content(wrong)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BadOutput, "{error:?}");
    }
    assert!(!layout.has_blob(&descriptor).await.unwrap());
    assert_eq!(read(&layout, &descriptor).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(HostDisk.list(folder.path()).unwrap(), [".lock", "blobs", "index.json", "oci-layout"]);

    let manifest = ImageManifest::new(descriptor.clone(), Vec::new()).to_json();
    let loose = layout.write_manifest(media::MANIFEST, manifest.clone(), Some(&tag("a"))).await;
    assert_eq!(loose.unwrap_err().kind(), ErrorKind::BadOutput);
    assert!(layout.tags().await.unwrap().is_empty());
    layout.write_blob(&descriptor, content(b"layer")).await.unwrap();
    layout.write_manifest(media::MANIFEST, manifest, Some(&tag("a"))).await.unwrap();
}
