//! What every [`Distribution`] promises, on all of them: the layout, our client, the crate `oci-client`.

mod support;

use std::sync::Arc;

use shipway_core::{ErrorKind, Tag};
use shipway_oci::{AnyManifest, Client, Descriptor, Distribution, ImageManifest, Label, Layout};
use support::{CONFIG, LAYER, OCI_MANIFEST, context, descriptor, digest, manifest, noise, reader, registry};
use tokio::io::AsyncReadExt;

const EMPTY: &str = "application/vnd.oci.empty.v1+json";

type Place = Arc<dyn Distribution>;

async fn read(place: &dyn Distribution, bytes: &[u8]) -> Vec<u8> {
    let mut content = place.read_blob(&descriptor(LAYER, bytes)).await.expect("there");
    let mut read = Vec::new();
    content.read_to_end(&mut read).await.expect("read");
    read
}

/// The suite: `place` is an empty repository, `other` an empty one of the same kind.
async fn distribution_suite(place: Place, other: Place) {
    nothing_is_there_before_it_is_written(&*place).await;
    blobs_come_back_as_they_went(&*place).await;
    content_that_is_not_what_it_is_said_to_be_is_not_kept(&*place).await;
    manifests_and_tags(&*place).await;
    blobs_are_copied(&*place, &*other).await;
    several_write_the_same_at_once(&place).await;
    what_refers_to_a_manifest_is_listed(&*place).await;
    several_refer_to_one_at_once(&place).await;
}

async fn nothing_is_there_before_it_is_written(place: &dyn Distribution) {
    let tag = Tag::parse("none").expect("a tag");
    assert_eq!(place.manifest(&Label::Tag(tag)).await.expect("asked"), None);
    assert_eq!(place.manifest(&Label::Digest(digest(b"none"))).await.expect("asked"), None);
    let none = descriptor(LAYER, b"none");
    assert!(!place.has_blob(&none).await.expect("asked"));
    let missing = match place.read_blob(&none).await {
        Err(error) => error,
        Ok(mut content) => {
            let error = content.read_to_end(&mut Vec::new()).await.expect_err("missing");
            error.downcast().expect("one of ours")
        }
    };
    assert_eq!(missing.kind(), ErrorKind::NotFound);
}

async fn blobs_come_back_as_they_went(place: &dyn Distribution) {
    let known = noise(2, 5_000_000);
    place.write_blob(&descriptor(LAYER, &known), reader(known.clone())).await.expect("written");
    assert!(place.has_blob(&descriptor(LAYER, &known)).await.expect("asked"));
    assert!(read(place, &known).await == known);
    // What is there is not read again.
    place.write_blob(&descriptor(LAYER, &known), reader("something else")).await.expect("there");
    for size in [0, 1, 4 << 20, 9_000_001] {
        let made = noise(4, size);
        let written = place.write_new_blob(reader(made.clone())).await.expect("written");
        assert_eq!(written, (digest(&made), size as u64));
        assert!(read(place, &made).await == made, "{size}");
    }
}

async fn content_that_is_not_what_it_is_said_to_be_is_not_kept(place: &dyn Distribution) {
    let right = noise(6, 400_000);
    let mut wrong = right.clone();
    *wrong.last_mut().expect("content") ^= 1;
    let longer = [right.as_slice(), b"x"].concat();
    for content in [wrong, longer, right[..399_999].to_vec(), Vec::new()] {
        let written = place.write_blob(&descriptor(LAYER, &right), reader(content)).await;
        assert_eq!(written.expect_err("refused").kind(), ErrorKind::BadOutput);
        assert!(!place.has_blob(&descriptor(LAYER, &right)).await.expect("asked"));
    }
}

async fn manifests_and_tags(place: &dyn Distribution) {
    let (first, second) = (Tag::parse("first").expect("a tag"), Tag::parse("second").expect("a tag"));
    let missing = manifest(&descriptor(CONFIG, b"{}"), &[descriptor(LAYER, b"missing")]);
    place.write_blob(&descriptor(CONFIG, b"{}"), reader("{}")).await.expect("written");
    let refused = place.write_manifest(OCI_MANIFEST, missing, Some(&first)).await;
    assert!(refused.is_err(), "what it points to is not there");
    assert_eq!(place.manifest(&Label::Tag(first.clone())).await.expect("asked"), None);

    let layer = noise(8, 1000);
    place.write_blob(&descriptor(LAYER, &layer), reader(layer.clone())).await.expect("written");
    let one = manifest(&descriptor(CONFIG, b"{}"), &[descriptor(LAYER, &layer)]);
    let two = manifest(&descriptor(CONFIG, b"{}"), &[]);
    for bytes in [&one, &two, &one] {
        let written = place.write_manifest(OCI_MANIFEST, bytes.clone(), Some(&first)).await.expect("written");
        for label in [Label::Tag(first.clone()), Label::Digest(written.clone())] {
            let found = place.manifest(&label).await.expect("asked").expect("there");
            let parts = (found.media_type.as_str(), &found.digest, &found.bytes);
            assert_eq!(parts, (OCI_MANIFEST, &digest(bytes), bytes));
        }
    }
    let three = manifest(&descriptor(CONFIG, b"{}"), &[descriptor(LAYER, &layer), descriptor(LAYER, &layer)]);
    let written = place.write_manifest(OCI_MANIFEST, three.clone(), None).await.expect("written");
    assert!(place.manifest(&Label::Digest(written)).await.expect("asked").is_some());
    assert_eq!(place.manifest(&Label::Tag(second)).await.expect("asked"), None);
}

async fn blobs_are_copied(place: &dyn Distribution, other: &dyn Distribution) {
    let bytes = noise(10, 2_000_000);
    let blob = descriptor(LAYER, &bytes);
    assert_eq!(place.copy_blob(&blob, other).await.expect_err("missing").kind(), ErrorKind::NotFound);
    other.write_blob(&blob, reader(bytes.clone())).await.expect("written");
    for _ in 0..2 {
        place.copy_blob(&blob, other).await.expect("copied");
        assert!(read(place, &bytes).await == bytes);
    }
}

async fn several_write_the_same_at_once(place: &Place) {
    let mut writing = tokio::task::JoinSet::new();
    for number in 0..8 {
        let place = Arc::clone(place);
        writing.spawn(async move {
            let (same, own) = (noise(12, 300_000), noise(100 + 2 * number, 50_000));
            place.write_blob(&descriptor(LAYER, &same), reader(same.clone())).await?;
            place.write_new_blob(reader(same.clone())).await?;
            place.write_new_blob(reader(own.clone())).await?;
            let layers = [descriptor(LAYER, &same), descriptor(LAYER, &own)];
            let bytes = manifest(&descriptor(CONFIG, b"{}"), &layers);
            place.write_manifest(OCI_MANIFEST, bytes, Some(&Tag::parse(format!("t{number}"))?)).await
        });
    }
    while let Some(written) = writing.join_next().await {
        written.expect("no panic").expect("written");
    }
}

/// Returns a manifest of its own that refers to a subject.
async fn about(place: &dyn Distribution, subject: &Descriptor, kind: &str, word: &str) -> ImageManifest {
    for blob in ["{}", word] {
        place.write_blob(&descriptor(EMPTY, blob.as_bytes()), reader(blob)).await.expect("written");
    }
    let layer = descriptor("text/plain", word.as_bytes());
    let mut manifest = ImageManifest::new(descriptor(EMPTY, b"{}"), vec![layer]);
    manifest.subject = Some(Box::new(subject.clone()));
    manifest.artifact_type = Some(kind.to_owned());
    manifest.annotations.insert("word".to_owned(), word.to_owned());
    manifest
}

async fn what_refers_to_a_manifest_is_listed(place: &dyn Distribution) {
    // The subject need not be there.
    let subject = descriptor(OCI_MANIFEST, b"an image");
    assert_eq!(place.referrers(&subject.digest, None).await.expect("asked"), []);
    let without = ImageManifest::new(descriptor(EMPTY, b"{}"), Vec::new());
    assert_eq!(place.write_referrer(&without).await.expect_err("no subject").kind(), ErrorKind::Config);
    let note = about(place, &subject, "text/note", "one").await;
    let seal = about(place, &subject, "text/seal", "two").await;
    let note_entry = place.write_referrer(&note).await.expect("written");
    let seal_entry = place.write_referrer(&seal).await.expect("written");
    // Once more, and it is not there twice.
    assert_eq!(place.write_referrer(&note).await.expect("written"), note_entry);
    assert_eq!(note_entry.artifact_type.as_deref(), Some("text/note"));
    assert_eq!(note_entry.annotations["word"], "one");
    let mut all = place.referrers(&subject.digest, None).await.expect("asked");
    all.sort_by_key(|entry| entry.artifact_type.clone());
    assert_eq!(all, [note_entry, seal_entry.clone()]);
    let seals = place.referrers(&subject.digest, Some("text/seal")).await.expect("asked");
    assert_eq!(seals, std::slice::from_ref(&seal_entry));
    let found = place.manifest(&Label::Digest(seal_entry.digest)).await.expect("asked").expect("there");
    assert_eq!(AnyManifest::parse(&found).expect("a manifest"), AnyManifest::Image(seal));
}

async fn several_refer_to_one_at_once(place: &Place) {
    let subject = descriptor(OCI_MANIFEST, b"another image");
    let mut writing = tokio::task::JoinSet::new();
    for number in 0..8 {
        let (place, subject) = (Arc::clone(place), subject.clone());
        writing.spawn(async move {
            let note = about(&*place, &subject, "text/note", &number.to_string()).await;
            place.write_referrer(&note).await
        });
    }
    while let Some(written) = writing.join_next().await {
        written.expect("no panic").expect("written");
    }
    assert_eq!(place.referrers(&subject.digest, None).await.expect("asked").len(), 8);
}

#[tokio::test]
async fn the_layout_passes() {
    let folder = tempfile::tempdir().expect("a folder");
    let layout =
        |name: &str| Arc::new(Layout::new(Arc::clone(context().disk()), folder.path().join(name))) as Place;
    distribution_suite(layout("one"), layout("other")).await;
}

#[tokio::test]
async fn our_client_passes() {
    let (registry, _folder) = registry().await;
    let (elsewhere, _elsewhere) = support::registry().await;
    let place = |host: &str, path: &str| {
        let repository = Client::new().repository(&context(), &format!("{host}/{path}"));
        Arc::new(repository.expect("a repository")) as Place
    };
    distribution_suite(place(&registry.host(), "one"), place(&registry.host(), "other")).await;
    distribution_suite(place(&registry.host(), "two"), place(&elsewhere.host(), "other")).await;
}

#[cfg(feature = "oci-client")]
#[tokio::test]
async fn the_crate_oci_client_passes() {
    use shipway_oci::OciClientRepository;
    let (registry, _folder) = registry().await;
    let place = |path: &str| OciClientRepository::new(&context(), &format!("{}/{path}", registry.host()));
    assert_eq!(place("one").expect_err("no provider").kind(), ErrorKind::Config);
    rustls::crypto::ring::default_provider().install_default().expect("the first");
    let place = |path: &str| Arc::new(place(path).expect("a repository")) as Place;
    distribution_suite(place("one"), place("other")).await;
}
