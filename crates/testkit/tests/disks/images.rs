//! Layouts and the in-process registry: a tag points to a whole image, the old or the new.

use std::{io::Cursor, path::Path, sync::Arc};

use shipway_core::{Cancel, Digest, Disk, Platform, Result, RunContext, Tag, World};
use shipway_oci::{
    AnyManifest, Client, Descriptor, Distribution, History, ImageConfig, Label, Layout, Registry, digest_of,
    media, write_image,
};
use shipway_testkit::{DiskFault, FailingDisk, RecordingDisk};
use tokio::io::AsyncReadExt as _;

use crate::assert_told;

fn tag() -> Tag {
    Tag::parse("latest").expect("a tag")
}

/// Pushes an image of one layer and moves the tag to it.
async fn push(into: &dyn Distribution, layer: &'static [u8]) -> Result<Digest> {
    let (digest, size) = into.write_new_blob(Box::pin(Cursor::new(layer))).await?;
    let mut config = ImageConfig::new(Platform::new("linux", "amd64"));
    config.add_layer(digest_of(layer), History::new("test"));
    let layer = Descriptor::new(media::LAYER_GZIP, digest, size);
    write_image(into, &config, vec![layer], Some(&tag())).await
}

/// Returns what the tag points to, all of which is read.
async fn pull(from: &dyn Distribution, place: &str) -> Option<Digest> {
    let failed = |error| panic!("{place}: {error:?}");
    let raw = from.manifest(&Label::Tag(tag())).await.unwrap_or_else(failed)?;
    for descriptor in AnyManifest::parse(&raw).expect("a manifest").references() {
        let mut blob = from.read_blob(descriptor).await.unwrap_or_else(|error| panic!("{place}: {error:?}"));
        blob.read_to_end(&mut Vec::new()).await.unwrap_or_else(|error| panic!("{place}: {error:?}"));
    }
    Some(raw.digest)
}

/// Where an image is pushed to, on any disk.
trait Shelf {
    type Open: AsRef<dyn Distribution>;

    const NAME: &str;

    /// Whether a folder whose maker was killed before its name was synced has it synced by who uses it next. A registry
    /// takes what it finds.
    const SYNCS_WHAT_IT_FINDS: bool;

    async fn open(&self, disk: Arc<dyn Disk>, folder: &Path) -> Result<Self::Open>;

    /// Waits until nothing is done to the disk any more.
    async fn close(&self, open: Self::Open);
}

struct Layouts;

struct OpenLayout(Layout);

impl AsRef<dyn Distribution> for OpenLayout {
    fn as_ref(&self) -> &(dyn Distribution + 'static) {
        &self.0
    }
}

impl Shelf for Layouts {
    type Open = OpenLayout;

    const NAME: &str = "layout";
    const SYNCS_WHAT_IT_FINDS: bool = true;

    async fn open(&self, disk: Arc<dyn Disk>, folder: &Path) -> Result<OpenLayout> {
        Ok(OpenLayout(Layout::new(disk, folder)))
    }

    async fn close(&self, _open: OpenLayout) {}
}

struct Registries;

struct OpenRegistry(Registry, Box<dyn Distribution>);

impl AsRef<dyn Distribution> for OpenRegistry {
    fn as_ref(&self) -> &(dyn Distribution + 'static) {
        &*self.1
    }
}

impl Shelf for Registries {
    type Open = OpenRegistry;

    const NAME: &str = "registry";
    const SYNCS_WHAT_IT_FINDS: bool = true;

    async fn open(&self, disk: Arc<dyn Disk>, folder: &Path) -> Result<OpenRegistry> {
        let registry = Registry::start(folder, disk).await?;
        let cx = RunContext::new(World::host("/"), "test").context(None, None, Cancel::new());
        let client = Client::builder().attempts(1).build()?;
        let repository = client.repository(&cx, &format!("{}/web", registry.host()))?;
        Ok(OpenRegistry(registry, Box::new(repository)))
    }

    async fn close(&self, open: OpenRegistry) {
        open.0.shutdown().await;
    }
}

/// A disk on which this folder is there for good. The folder is on the machine's disk too, because its lock is.
fn disk_with(folder: &Path) -> RecordingDisk {
    let disk = RecordingDisk::new();
    disk.create_dir(folder).expect("made");
    for above in folder.ancestors() {
        disk.sync_dir(above).expect("synced");
    }
    disk
}

async fn after_any_crash<S: Shelf>(shelf: S, random: usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let disk = disk_with(folder.path());
    let begin = disk.operations().len();
    let open = shelf.open(Arc::new(disk.clone()), folder.path()).await.expect("opened");
    let mut pushed = Vec::new();
    for layer in [&b"first"[..], b"second"] {
        let digest = push(open.as_ref(), layer).await.expect("pushed");
        pushed.push((disk.operations().len(), digest));
    }
    shelf.close(open).await;
    let mut states = 0;
    for crash in disk.crashes(37, random).filter(|crash| crash.done() >= begin) {
        let place = crash.to_string();
        let open = shelf.open(Arc::new(crash.disk().clone()), folder.path()).await;
        let open = open.unwrap_or_else(|error| panic!("{place}: {error:?}"));
        let found = pull(open.as_ref(), &place).await;
        let done = pushed.iter().filter(|(operations, _)| *operations <= crash.done()).count();
        let found =
            found.map(|digest| pushed.iter().position(|(_, pushed)| *pushed == digest).expect("pushed"));
        let may_be = [done.checked_sub(1), Some(done)];
        assert!(may_be.contains(&found), "{place}: found {found:?} after {done}");
        let again = push(open.as_ref(), b"second").await.unwrap_or_else(|error| panic!("{place}: {error:?}"));
        assert_eq!(pull(open.as_ref(), &place).await.as_ref(), Some(&again), "{place}: goes on");
        shelf.close(open).await;
        states += 1;
        if crash.power_cut() || !S::SYNCS_WHAT_IT_FINDS {
            continue;
        }
        let done = crash.disk().operations().len();
        let cut = crash.disk().crashes(41, 0).find(|cut| cut.power_cut() && cut.done() == done);
        let cut = cut.expect("one that loses all it may");
        let open = shelf.open(Arc::new(cut.disk().clone()), folder.path()).await.expect("opened");
        let place = format!("{place}, then {cut}");
        assert_eq!(pull(open.as_ref(), &place).await, Some(again), "{place}");
        shelf.close(open).await;
        states += 1;
    }
    println!("F2: {}: {states} crash states, each tag points to a whole image", S::NAME);
    assert!(states > 100, "only {states}");
}

async fn after_any_failure<S: Shelf>(shelf: S, faults: &[DiskFault]) {
    let mut failures = 0;
    for fault in faults {
        for n in 0.. {
            let place = format!("{fault:?} {n}");
            let folder = tempfile::tempdir().expect("a folder");
            let below = disk_with(folder.path());
            let open = shelf.open(Arc::new(below.clone()), folder.path()).await.expect("opened");
            let first = push(open.as_ref(), b"first").await.expect("pushed");
            shelf.close(open).await;

            let failing = FailingDisk::new(Arc::new(below.clone()), n, *fault);
            let second = match shelf.open(Arc::new(failing.clone()), folder.path()).await {
                Ok(open) => {
                    let second = push(open.as_ref(), b"second").await;
                    shelf.close(open).await;
                    second
                }
                Err(error) => Err(error),
            };
            if let Err(error) = &second {
                assert!(failing.failed(), "{place}: {error:?}");
                assert_told(error, &place);
                failures += 1;
            }
            let left: Vec<_> = below.files().into_keys().filter(|path| is_left(path)).collect();
            assert!(left.is_empty(), "{place}: {left:?}");

            let open = shelf.open(Arc::new(below), folder.path()).await.expect("opened");
            let found = pull(open.as_ref(), &place).await.expect("the old or the new");
            assert!(second.as_ref().map_or(true, |second| found == *second), "{place}");
            let again = push(open.as_ref(), b"second").await.expect("goes on");
            assert!(found == first || found == again, "{place}");
            assert_eq!(pull(open.as_ref(), &place).await, Some(again), "{place}: goes on");
            shelf.close(open).await;
            if !failing.failed() {
                break;
            }
        }
    }
    println!("F3: {}: {failures} failures told, each tag points to a whole image", S::NAME);
    assert!(failures > 20, "only {failures}");
}

/// Whether nobody asked for a file: it is neither content nor what names it.
fn is_left(path: &Path) -> bool {
    let is = |name: &str| path.parent().is_some_and(|parent| parent.ends_with(name));
    is("uploads") || path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(".new"))
}

#[tokio::test]
async fn f2_after_any_crash_a_layouts_tag_points_to_a_whole_image() {
    after_any_crash(Layouts, 8).await;
}

#[tokio::test]
async fn f2_after_any_crash_a_registrys_tag_points_to_a_whole_image() {
    after_any_crash(Registries, 2).await;
}

#[tokio::test]
async fn f3_after_any_failure_a_layouts_tag_points_to_a_whole_image() {
    after_any_failure(Layouts, &DiskFault::ALL).await;
}

#[tokio::test]
async fn f3_after_any_failure_a_registrys_tag_points_to_a_whole_image() {
    after_any_failure(Registries, &[DiskFault::Full, DiskFault::Short]).await;
}
