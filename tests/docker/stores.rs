//! The engine as a store of images.

use shipway_core::{ErrorKind, Image, Store, Tag, Target};
use shipway_oci::{AnyManifest, Label, Stores};
use tokio::io::AsyncReadExt;

use crate::bed::Bed;

#[tokio::test(flavor = "multi_thread")]
async fn an_image_goes_out_of_the_engine_and_comes_back_as_itself() {
    let Some(bed) = Bed::find("an_image_goes_out_of_the_engine_and_comes_back_as_itself") else { return };
    let (cx, base) = (bed.context(), bed.base().await);
    let layout = Store::Layout(bed.folder.path().join("layout"));
    let out = Target::new(layout.clone(), "base", Tag::parse("1").unwrap());
    let saved = cx.images().copy(&cx, &base, &out).await.unwrap();
    assert_ne!(saved.digest, base.digest, "a manifest's digest is no image id");
    let again = cx.images().copy(&cx, &base, &out).await.unwrap();
    assert_eq!(again.digest, saved.digest, "the same image gives the same bytes");

    // Every blob is what its digest says, and the configuration is the engine's id.
    let place = Stores::new().open(&cx, &layout, "base").unwrap();
    let raw = place.manifest(&Label::Digest(saved.digest.clone())).await.unwrap().unwrap();
    let AnyManifest::Image(manifest) = AnyManifest::parse(&raw).unwrap() else { panic!("an index") };
    assert_eq!(manifest.config.digest, base.digest);
    for layer in &manifest.layers {
        let mut content = Vec::new();
        place.read_blob(layer).await.unwrap().read_to_end(&mut content).await.unwrap();
        assert_eq!(content[..2], [0x1f, 0x8b], "layers are compressed");
    }

    let target = bed.target();
    let back = cx.images().copy(&cx, &saved, &target).await.unwrap();
    assert_eq!(back.digest, base.digest);
    assert_eq!(back.reference(), format!("{}:{}", target.repository, base.digest.hex()));
    for reference in [target.reference(), back.reference()] {
        let found = cx.images().find(&cx, &bed.store(), &reference).await.unwrap().unwrap();
        assert_eq!(found.digest, base.digest, "{reference}");
        bed.daemon.untag_image(&reference).await.unwrap();
        assert_eq!(cx.images().find(&cx, &bed.store(), &reference).await.unwrap(), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_the_engine_does_not_have_is_loaded_as_it_comes() {
    let Some(bed) = Bed::find("an_image_that_the_engine_does_not_have_is_loaded_as_it_comes") else { return };
    let cx = bed.context();
    let layout = Store::Layout(bed.folder.path().join("layout"));
    // Two layers, one of which is large and hardly compresses, and an entry that says who made it.
    let mark = crate::bed::unlike("mark");
    let image = made(&cx, &layout, &mark).await;
    let target = bed.target();
    let loaded = cx.images().copy(&cx, &image, &target).await.unwrap();
    let known = bed.daemon.image(&cx, loaded.digest.as_str()).await.unwrap().unwrap();
    assert_eq!(known.layers.len(), 2);
    assert!(known.tags.contains(&target.reference()), "{:?}", known.tags);
    // And out again, into a registry: what Docker unpacked and packed is what we wrote.
    let pushed = cx.images().copy(&cx, &loaded, &bed.registry_target()).await.unwrap();
    let found = cx.images().find(&cx, &Store::Registry, &pushed.reference()).await.unwrap().unwrap();
    assert_eq!(found.digest, pushed.digest);
    for reference in [target.reference(), loaded.reference()] {
        bed.daemon.untag_image(&reference).await.unwrap();
    }
}

async fn made(cx: &shipway_core::Context, layout: &Store, mark: &str) -> Image {
    use shipway_oci::{Compression, ImageConfig, LayerEntry, write_image, write_layer};
    let place = Stores::new().open(cx, layout, "made").unwrap();
    let large: Vec<u8> =
        (0..1_000_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let mut config = ImageConfig::new(shipway_core::Platform::linux_here());
    let mut layers = Vec::new();
    for entries in [
        vec![LayerEntry::bytes("large", large)],
        vec![LayerEntry::folder("etc"), LayerEntry::bytes("etc/mark", mark.to_owned())],
    ] {
        let layer = write_layer(cx, entries, Compression::default()).unwrap();
        let summary = layer.write_to(place.as_ref()).await.unwrap();
        config.diff_ids.push(summary.diff_id.clone());
        layers.push(summary.descriptor());
    }
    let tag = Tag::parse("made").unwrap();
    let digest = write_image(place.as_ref(), &config, layers, Some(&tag)).await.unwrap();
    Image::new("made", layout.clone(), "made", digest)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_engine_cannot_hold_is_refused() {
    let Some(bed) = Bed::find("what_an_engine_cannot_hold_is_refused") else { return };
    let (cx, base) = (bed.context(), bed.base().await);
    let error = cx.images().join(&cx, std::slice::from_ref(&base), &bed.target()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let mut gone = base.clone();
    gone.digest = shipway_oci::digest_of(b"gone");
    let error = cx.images().copy(&cx, &gone, &bed.registry_target()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let reference = format!("nowhere:{}", gone.digest.hex());
    assert_eq!(cx.images().find(&cx, &bed.store(), &reference).await.unwrap(), None);
}
