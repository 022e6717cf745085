//! Images made by hand in a layout, and worlds with test files.

use std::{io::Cursor, sync::Arc};

use bytes::Bytes;
use shipway_core::{
    Cancel, Case, CaseOutcome, Context, HostDisk, Image, Platform, Result, RunContext, Store, Subject, Tag,
    TestReport, Tester, World,
};
use shipway_oci::{
    Descriptor, Distribution, History, ImageConfig, ImageManifest, Layout, Stores, digest_of, media,
};
use tar::{Builder, EntryType, Header};
use tempfile::TempDir;

/// An entry of a layer: path, type, mode, owner, link or content.
pub(crate) type Entry<'a> = (&'a str, EntryType, u32, (u64, u64), &'a str);

pub(crate) const FILE: EntryType = EntryType::Regular;
pub(crate) const FOLDER: EntryType = EntryType::Directory;
pub(crate) const LINK: EntryType = EntryType::Symlink;
pub(crate) const HARD: EntryType = EntryType::Link;

pub(crate) fn layer(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    for (path, kind, mode, (uid, gid), text) in entries {
        let mut header = Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_mode(*mode);
        header.set_uid(*uid);
        header.set_gid(*gid);
        header.set_mtime(0);
        if matches!(*kind, LINK | HARD) {
            header.set_size(0);
            tar.append_link(&mut header, path, text).unwrap();
        } else {
            header.set_size(text.len() as u64);
            tar.append_data(&mut header, path, text.as_bytes()).unwrap();
        }
    }
    tar.into_inner().unwrap()
}

/// A folder with sources, and a layout beside them.
pub(crate) struct Bench {
    pub(crate) folder: TempDir,
    pub(crate) world: World,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("sources")).unwrap();
        let world = World::host(folder.path().join("sources")).images(Stores::new());
        Self { folder, world }
    }

    pub(crate) fn file(&self, path: &str, text: &str) {
        let path = self.folder.path().join("sources").join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(crate) fn context(&self) -> Context {
        RunContext::new(self.world.clone(), "test").context(None, None, Cancel::new())
    }

    pub(crate) fn store(&self) -> Store {
        Store::Layout(self.folder.path().join("images"))
    }

    pub(crate) fn layout(&self) -> Layout {
        Layout::new(Arc::new(HostDisk), self.folder.path().join("images"))
    }

    /// Writes an image of these layers, the lowest first.
    pub(crate) async fn image(&self, layers: &[Vec<u8>], change: impl Fn(&mut ImageConfig)) -> Image {
        let descriptor = write(&self.layout(), layers, &Platform::linux_here(), change).await;
        Image::new("web", self.store(), "web", descriptor.digest)
    }

    pub(crate) async fn test(&self, tester: &dyn Tester, image: Image) -> Result<TestReport> {
        tester.test(&self.context(), &Subject::Image(image)).await
    }
}

pub(crate) async fn write(
    into: &dyn Distribution,
    layers: &[Vec<u8>],
    platform: &Platform,
    change: impl Fn(&mut ImageConfig),
) -> Descriptor {
    let mut config = ImageConfig::new(platform.clone());
    let mut descriptors = Vec::new();
    for layer in layers {
        config.add_layer(digest_of(layer), History::new("by hand"));
        descriptors.push(put(into, media::LAYER_GZIP, layer.clone()).await);
    }
    change(&mut config);
    let config = put(into, media::CONFIG, config.to_json().to_vec()).await;
    let bytes = ImageManifest::new(config, descriptors).to_json();
    let tag = Tag::parse("made").unwrap();
    let digest = into.write_manifest(media::MANIFEST, bytes.clone(), Some(&tag)).await.unwrap();
    let mut descriptor = Descriptor::new(media::MANIFEST, digest, bytes.len() as u64);
    descriptor.platform = Some(platform.clone());
    descriptor
}

pub(crate) async fn put(into: &dyn Distribution, media_type: &str, bytes: Vec<u8>) -> Descriptor {
    let descriptor = Descriptor::new(media_type, digest_of(&bytes), bytes.len() as u64);
    into.write_blob(&descriptor, Box::pin(Cursor::new(Bytes::from(bytes)))).await.unwrap();
    descriptor
}

/// Returns the cases as lines: a name, and what is wrong.
pub(crate) fn lines(report: &TestReport) -> String {
    let line = |case: &Case| match &case.outcome {
        CaseOutcome::Passed => format!("ok   {}", case.name),
        CaseOutcome::Failed(why) => format!("FAIL {}\n       {}", case.name, why.replace('\n', "\n       ")),
        other => format!("{other:?} {}", case.name),
    };
    report.cases.iter().map(line).collect::<Vec<_>>().join("\n")
}
