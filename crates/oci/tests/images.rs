//! Finding, copying and joining images across registries and layouts.

mod support;

use std::sync::{Arc, Mutex};

use shipway_core::{ErrorKind, Image, Images, Platform, Store, Tag, Target};
use shipway_oci::{Descriptor, Distribution, ImageIndex, Label, Registry, Stores};
use support::{
    CONFIG, LAYER, OCI_INDEX, OCI_MANIFEST, Server, context, descriptor, digest, manifest, noise, reader,
    registry, registry_with, reply,
};
use tempfile::TempDir;
use tokio::io::AsyncReadExt;

fn target(store: &Store, repository: &str, tag: &str) -> Target {
    Target::new(store.clone(), repository, Tag::parse(tag).expect("a tag"))
}

fn layout() -> (Store, TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    (Store::Layout(folder.path().join("layout")), folder)
}

/// Pushes an image of two layers, one of them shared by all, for an architecture.
async fn push(place: &dyn Distribution, architecture: &str, tag: &str) -> shipway_core::Digest {
    let config = format!(r#"{{"os":"linux","architecture":"{architecture}"}}"#);
    let layers = [noise(1, 200_000), noise(architecture.len() as u64 + 10, 70_000)];
    for blob in layers.iter().map(Vec::as_slice).chain([config.as_bytes()]) {
        place.write_blob(&descriptor("x", blob), reader(blob)).await.expect("written");
    }
    let layers = layers.map(|layer| descriptor(LAYER, &layer));
    let bytes = manifest(&descriptor(CONFIG, config.as_bytes()), &layers);
    let tag = Tag::parse(tag).expect("a tag");
    place.write_manifest(OCI_MANIFEST, bytes, Some(&tag)).await.expect("written")
}

/// A registry that remembers its requests.
async fn watched() -> (Registry, TempDir, Arc<Mutex<Vec<String>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let (registry, folder) = registry_with(|builder| {
        builder.faults(move |request| {
            log.lock().expect("not poisoned").push(format!("{} {}", request.method, request.path));
            None
        })
    })
    .await;
    (registry, folder, seen)
}

#[tokio::test]
async fn an_image_goes_from_a_registry_through_a_layout_to_another() {
    let (first, _first) = registry().await;
    let (second, _second, seen) = watched().await;
    let (layout, _folder) = layout();
    let (cx, stores) = (context(), Stores::new());
    let name = format!("{}/team/web", first.host());
    let place = stores.open(&cx, &Store::Registry, &name).expect("opens");
    let pushed = push(place.as_ref(), "amd64", "1").await;

    assert_eq!(stores.find(&cx, &Store::Registry, &format!("{name}:none")).await.expect("asked"), None);
    let reference = format!("{name}:1");
    let image = stores.find(&cx, &Store::Registry, &reference).await.expect("asked").expect("there");
    assert_eq!(
        (image.name.as_str(), image.repository.as_str(), &image.digest),
        (&*reference, &*name, &pushed)
    );
    assert_eq!(image.tag, Some(Tag::parse("1").expect("a tag")));
    // Where there are both, the digest counts.
    let both = format!("{name}:none@{pushed}");
    assert!(stores.find(&cx, &Store::Registry, &both).await.expect("asked").is_some());

    let kept = stores.copy(&cx, &image, &target(&layout, "web", "kept")).await.expect("copied");
    assert_eq!((&kept.store, &kept.digest), (&layout, &pushed));
    for reference in ["kept", "web:kept", pushed.as_str()] {
        let found = stores.find(&cx, &layout, reference).await.expect("asked").expect("there");
        assert_eq!(found.digest, pushed);
    }

    let other = format!("{}/other", second.host());
    let to = target(&Store::Registry, &other, "2");
    let copied = stores.copy(&cx, &kept, &to).await.expect("copied");
    assert_eq!((copied.reference(), copied.tag), (format!("{other}@{pushed}"), Some(to.tag.clone())));
    let place = stores.open(&cx, &Store::Registry, &other).expect("opens");
    let mut read = Vec::new();
    let mut layer = place.read_blob(&descriptor(LAYER, &noise(1, 200_000))).await.expect("there");
    layer.read_to_end(&mut read).await.expect("read");
    assert!(read == noise(1, 200_000));

    // The tag moved last, and what is there is not sent again.
    let log = std::mem::take(&mut *seen.lock().expect("not poisoned"));
    let manifest_at = log.iter().position(|line| line == "PUT /v2/other/manifests/2").expect("tagged");
    assert!(log[manifest_at + 1..].iter().all(|line| line.starts_with("GET ")), "{log:?}");
    stores.copy(&cx, &kept, &to).await.expect("copied again");
    let log = std::mem::take(&mut *seen.lock().expect("not poisoned"));
    assert!(!log.iter().any(|line| line.starts_with("POST ")), "{log:?}");

    // In one place only the tag is written.
    let image =
        stores.find(&cx, &Store::Registry, &format!("{other}:2")).await.expect("asked").expect("there");
    seen.lock().expect("not poisoned").clear();
    stores.copy(&cx, &image, &target(&Store::Registry, &other, "3")).await.expect("tagged");
    let log = seen.lock().expect("not poisoned").clone();
    assert_eq!(log, [format!("GET /v2/other/manifests/{pushed}"), "PUT /v2/other/manifests/3".into()]);
}

#[tokio::test]
async fn images_of_one_platform_are_joined_and_copied_as_one() {
    let (registry, _folder) = registry().await;
    let (layout, _layout) = layout();
    let (cx, stores) = (context(), Stores::new());
    let name = format!("{}/web", registry.host());
    let place = stores.open(&cx, &Store::Registry, &name).expect("opens");
    let mut images = Vec::new();
    for architecture in ["arm64", "amd64"] {
        let digest = push(place.as_ref(), architecture, architecture).await;
        images.push(Image::new("web", Store::Registry, name.as_str(), digest));
    }
    let to = target(&Store::Registry, &name, "both");
    let joined = stores.join(&cx, &images, &to).await.expect("joined");
    let platforms = [Platform::new("linux", "amd64"), Platform::new("linux", "arm64")];
    assert_eq!(joined.platforms, platforms);
    images.reverse();
    assert_eq!(stores.join(&cx, &images, &to).await.expect("joined again"), joined);
    let found =
        stores.find(&cx, &Store::Registry, &format!("{name}:both")).await.expect("asked").expect("there");
    assert_eq!((found.digest, found.platforms.as_slice()), (joined.digest.clone(), platforms.as_slice()));

    let kept = stores.copy(&cx, &joined, &target(&layout, "web", "both")).await.expect("copied");
    let (again, _again) = support::registry().await;
    let other = target(&Store::Registry, &format!("{}/web", again.host()), "both");
    assert_eq!(stores.copy(&cx, &kept, &other).await.expect("copied").digest, joined.digest);

    let twice = [images[0].clone(), images[0].clone()];
    assert_eq!(stores.join(&cx, &twice, &to).await.expect_err("twice").kind(), ErrorKind::Config);
    assert_eq!(stores.join(&cx, &[joined], &to).await.expect_err("an index").kind(), ErrorKind::Config);
    assert_eq!(stores.join(&cx, &[], &to).await.expect_err("nothing").kind(), ErrorKind::Config);
    assert_eq!(stores.join(&cx, &[kept], &to).await.expect_err("elsewhere").kind(), ErrorKind::Config);
    let daemon = target(&Store::Daemon("unix:///x".into()), "web", "1");
    assert_eq!(
        stores.copy(&cx, &images[0], &daemon).await.expect_err("a daemon").kind(),
        ErrorKind::Unsupported
    );
}

#[tokio::test]
async fn an_image_that_is_gone_or_lacks_a_part_is_not_copied() {
    let (registry, _folder) = registry().await;
    let (cx, stores) = (context(), Stores::new());
    let name = format!("{}/web", registry.host());
    let to = target(&Store::Registry, &name, "1");
    let (layout, _layout) = layout();
    let gone = Image::new("web", layout.clone(), "web", digest(b"gone"));
    assert_eq!(stores.copy(&cx, &gone, &to).await.expect_err("gone").kind(), ErrorKind::NotFound);
    assert_eq!(stores.find(&cx, &Store::Registry, &format!("{name}:1")).await.expect("asked"), None);

    // A registry whose blob is gone.
    let config = descriptor(CONFIG, b"{}");
    let bytes = manifest(&config, &[descriptor(LAYER, b"missing")]);
    let served = bytes.clone();
    let server = Server::start(move |request, _| match request.uri().path() {
        path if path.contains("/manifests/") => reply(200, &[("content-type", OCI_MANIFEST)], served.clone()),
        path if path.ends_with(digest(b"{}").as_str()) => reply(200, &[], "{}"),
        _ => reply(404, &[], ""),
    })
    .await;
    let broken = Image::new("web", Store::Registry, format!("{}/web", server.host), digest(&bytes));
    assert_eq!(stores.copy(&cx, &broken, &to).await.expect_err("lacks").kind(), ErrorKind::NotFound);
    assert_eq!(stores.find(&cx, &Store::Registry, &format!("{name}:1")).await.expect("asked"), None);
}

#[tokio::test]
async fn a_layer_that_is_elsewhere_is_never_fetched_from_there() {
    let elsewhere = Server::start(|_, _| reply(200, &[], "layer")).await;
    let foreign = "application/vnd.oci.image.layer.nondistributable.v1.tar";
    let layer = digest(b"layer");
    let bytes = serde_json::json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST,
        "config": { "mediaType": CONFIG, "digest": digest(b"{}"), "size": 2 },
        "layers": [{
            "mediaType": foreign, "digest": layer, "size": 5,
            "urls": [format!("http://{}/layer", elsewhere.host)]
        }]
    })
    .to_string();
    let (layout, _folder) = layout();
    let (registry, _registry) = registry().await;
    let (cx, stores) = (context(), Stores::new());
    let place = stores.open(&cx, &layout, "web").expect("opens");
    place.write_blob(&descriptor(CONFIG, b"{}"), reader("{}")).await.expect("written");
    let digest = place.write_manifest(OCI_MANIFEST, bytes.into(), None).await.expect("written");
    let image = Image::new("web", layout, "web", digest);
    let name = format!("{}/web", registry.host());
    stores.copy(&cx, &image, &target(&Store::Registry, &name, "1")).await.expect("copied without it");
    let place = stores.open(&cx, &Store::Registry, &name).expect("opens");
    assert!(!place.has_blob(&descriptor(foreign, b"layer")).await.expect("asked"));
    assert!(elsewhere.seen().is_empty());
}

#[tokio::test]
async fn an_index_may_lie_in_two_places() {
    let (layout, _folder) = layout();
    let (cx, stores) = (context(), Stores::new());
    let place = stores.open(&cx, &layout, "web").expect("opens");
    let image = push(place.as_ref(), "amd64", "1").await;
    let image = place.manifest(&Label::Digest(image)).await.expect("asked").expect("there").bytes;
    let index = async |held: &[Descriptor]| {
        let bytes = ImageIndex::new(held.to_vec()).to_json();
        place.write_manifest(OCI_INDEX, bytes.clone(), None).await.expect("written");
        descriptor(OCI_INDEX, &bytes)
    };
    let inner = index(&[descriptor(OCI_MANIFEST, &image)]).await;
    let outer = index(std::slice::from_ref(&inner)).await;
    for held in [[inner.clone(), outer.clone()], [outer, inner]] {
        let image = Image::new("web", layout.clone(), "web", index(&held).await.digest);
        let (to, _to) = self::layout();
        let copied = stores.copy(&cx, &image, &target(&to, "web", "1")).await.expect("copied");
        assert_eq!(stores.find(&cx, &to, "1").await.expect("asked").expect("there").digest, copied.digest);
    }
}

#[tokio::test]
async fn what_is_damaged_in_the_target_is_written_again() {
    let (registry, folder) = registry().await;
    let (layout, to) = layout();
    let (cx, stores) = (context(), Stores::new());
    let name = format!("{}/web", registry.host());
    let layer = digest(&noise(1, 200_000));
    let (source, _source) = self::layout();
    let digest = push(stores.open(&cx, &source, "web").expect("opens").as_ref(), "amd64", "1").await;
    let image = Image::new("web", source, "web", digest);
    for (store, repository, place) in [
        (layout, "web", to.path().join("layout")),
        (Store::Registry, name.as_str(), folder.path().join("registry")),
    ] {
        let target = target(&store, repository, "1");
        stores.copy(&cx, &image, &target).await.expect("copied");
        let blob = place.join("blobs/sha256").join(layer.hex());
        #[expect(clippy::disallowed_methods, reason = "the test damages what is on the disk")]
        std::fs::write(&blob, b"cut").expect("damaged");
        stores.copy(&cx, &image, &target).await.expect("copied again");
        #[expect(clippy::disallowed_methods, reason = "the test looks at the real disk")]
        let healed = std::fs::read(&blob).expect("there");
        assert!(healed == noise(1, 200_000), "{store:?}");
    }
}

#[tokio::test]
async fn indexes_that_lie_too_deep_or_lie_are_refused() {
    let held = |media_type: &str, bytes: &[u8], size: usize| {
        serde_json::json!({
            "schemaVersion": 2, "mediaType": OCI_INDEX,
            "manifests": [{ "mediaType": media_type, "digest": digest(bytes), "size": size }]
        })
        .to_string()
        .into_bytes()
    };
    let image = manifest(&descriptor(CONFIG, b"{}"), &[]).to_vec();
    let one = held(OCI_MANIFEST, &image, image.len());
    let two = held(OCI_INDEX, &one, one.len());
    let three = held(OCI_INDEX, &two, two.len());
    let four = held(OCI_INDEX, &three, three.len());
    let of_another_type = held(OCI_INDEX, &image, image.len());
    let of_another_size = held(OCI_MANIFEST, &image, 7);
    let of_nothing = held(OCI_MANIFEST, b"missing", 7);
    let all = [&image, &one, &two, &three, &four, &of_another_type, &of_another_size, &of_nothing]
        .map(Clone::clone);
    let server = Server::start(move |request, _| {
        let path = request.uri().path();
        let found = all.iter().find(|bytes| path.ends_with(digest(bytes).as_str()));
        match found {
            Some(bytes) if path.contains("/manifests/") => {
                let media_type = if *bytes == all[0] { OCI_MANIFEST } else { OCI_INDEX };
                reply(200, &[("content-type", media_type)], bytes.clone())
            }
            _ if path.ends_with(digest(b"{}").as_str()) => reply(200, &[], "{}"),
            _ => reply(404, &[], ""),
        }
    })
    .await;
    let (registry, _folder) = registry().await;
    let (cx, stores) = (context(), Stores::new());
    let to = target(&Store::Registry, &format!("{}/web", registry.host()), "1");
    for (index, fine) in [
        (&one, true),
        (&two, true),
        (&three, true),
        (&four, false),
        (&of_another_type, false),
        (&of_another_size, false),
        (&of_nothing, false),
    ] {
        let image = Image::new("web", Store::Registry, format!("{}/web", server.host), digest(index));
        match stores.copy(&cx, &image, &to).await {
            Ok(copied) => assert!(fine && copied.digest == digest(index)),
            Err(error) => assert!(!fine && error.kind() == ErrorKind::BadOutput, "{error:?}"),
        }
    }
}
