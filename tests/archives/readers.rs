//! Everything of ours that reads the archives of others: looking into images, building upon them, and
//! testing their structure.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use shipway::{
    Artifact, BuildRequest, Builder as _, Cancel, Context, Error, Fingerprint, HostDisk, Image, Platform,
    RunContext, Store, Subject, Tag, Target, Tester as _, World,
    builders::{Native, NativeConfig},
    oci::{Distribution, History, ImageConfig, ImageFiles, ImageManifest, Layout, Limits, digest_of, media},
};
use shipway_oci::Descriptor;
use shipway_testers::Structure;
use tempfile::TempDir;

use crate::blocks::gzip;

/// A folder of its own for one image, and for all that reading it might make.
pub(crate) struct Site {
    folder: TempDir,
    pub(crate) layout: Layout,
    pub(crate) layers: Vec<Descriptor>,
    pub(crate) image: Image,
}

impl Site {
    /// Writes an image of these layers, the lowest first, as they are.
    pub(crate) async fn new(layers: &[Vec<u8>]) -> Self {
        Self::of(layers, <[u8]>::to_vec).await
    }

    /// Writes an image of these tars, the lowest first, each in two members of gzip.
    pub(crate) async fn compressed(layers: &[Vec<u8>]) -> Self {
        Self::of(layers, |layer| {
            let (one, other) = layer.split_at(layer.len() / 3);
            [gzip(one), gzip(other)].concat()
        })
        .await
    }

    async fn of(layers: &[Vec<u8>], pack: impl Fn(&[u8]) -> Vec<u8>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("layout");
        let layout = Layout::new(Arc::new(HostDisk), &place);
        let mut config = ImageConfig::new(Platform::linux_here());
        let mut descriptors = Vec::new();
        for layer in layers {
            config.add_layer(digest_of(layer), History::new("made to harm"));
            descriptors.push(put(&layout, media::LAYER_GZIP, pack(layer)).await);
        }
        let config = put(&layout, media::CONFIG, config.to_json().to_vec()).await;
        let manifest = ImageManifest::new(config, descriptors.clone()).to_json();
        let tag = Tag::parse("latest").unwrap();
        let digest = layout.write_manifest(media::MANIFEST, manifest, Some(&tag)).await.unwrap();
        let image = Image::new("web", Store::Layout(place), "web", digest);
        Self { folder, layout, layers: descriptors, image }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn context(&self) -> Context {
        let sources = self.path("sources");
        let scratch = self.path("scratch");
        for path in [&sources, &scratch] {
            fs::create_dir_all(path).unwrap();
        }
        let world = World::host(sources).scratch(scratch).images(shipway::oci::Stores::new());
        RunContext::new(world, "archives").context("archives:read".parse().ok(), None, Cancel::new())
    }

    /// Reads the tree, asks for what the archives aim at, and reads every small file's content.
    pub(crate) async fn inspect(&self, canary: &Path) -> Result<usize, Error> {
        // A small layer that holds more is a bomb.
        let limits = Limits::default().bytes(64 << 20);
        let files = ImageFiles::read(&self.layout, &self.layers, limits).await?;
        let mut found = Vec::new();
        let canary = canary.to_str().unwrap();
        for path in
            ["/", "out", "out/treasure", "h", "a", "b", "file", "next", canary, &format!("{canary}/treasure")]
        {
            if let Ok(Some(file)) = files.find(path) {
                let steps = file.path.split('/');
                assert!(!steps.clone().any(|step| matches!(step, "." | "..")), "{file:?}");
                assert!(file.path.starts_with('/'), "{file:?}");
                found.push(file);
            }
        }
        let all = found.len();
        found.retain(|file| file.kind == shipway::oci::FileKind::File && file.size < 4096);
        ImageFiles::contents(&self.layout, &self.layers, found, 4096, |_, content| {
            // What is outside is not in an image.
            assert!(!content.windows(8).any(|window| window == b"treasure"), "read from outside");
            Ok(())
        })
        .await?;
        Ok(all)
    }

    /// Builds upon the image, with files that go where its links lead.
    pub(crate) async fn build(&self) -> Result<(), Error> {
        let cx = self.context();
        let sources = self.path("sources/web");
        fs::create_dir_all(&sources).unwrap();
        fs::write(sources.join("new"), "from the build").unwrap();
        let base = self.path("layout");
        fs::write(
            sources.join("Dockerfile"),
            "FROM base\nWORKDIR /a\nCOPY new out/\nCOPY new h/\nENTRYPOINT [\"/out/new\"]\n",
        )
        .unwrap();
        let options = NativeConfig::default().context("base", base.to_str().unwrap());
        let target = Target::new(Store::Layout(self.path("built")), "web", Tag::parse("built").unwrap());
        let fingerprint = Fingerprint::parse("0".repeat(64)).unwrap();
        let request = BuildRequest::new(Artifact::new("web", "web"), target, fingerprint);
        Native::new(options)?.build(&cx, &request).await.map(|_| ())
    }

    /// Judges the image by tests that aim where the archives do.
    pub(crate) async fn test(&self, canary: &Path) -> Result<(), Error> {
        let cx = self.context();
        let treasure = canary.join("treasure");
        let tests = serde_json::json!({
            "schemaVersion": "2.0.0",
            "fileExistenceTests": [{"name": "out", "path": "/out/new"}, {"name": "up", "path": "/../../../etc/passwd"}],
            "fileContentTests": [
                {"name": "treasure", "path": treasure, "excludedContents": ["treasure"]},
                {"name": "through a link", "path": "/out/treasure", "excludedContents": ["treasure"]},
                {"name": "hard link", "path": "/h", "excludedContents": ["treasure"]},
                {"name": "zeros", "path": "/zeros", "excludedContents": ["x"]},
            ],
            "licenseTests": [{"debian": true, "files": ["/a", "/b"]}],
        });
        fs::write(self.path("sources/tests.json"), tests.to_string()).unwrap();
        let report = Structure::new(["tests.json"]).test(&cx, &Subject::Image(self.image.clone())).await?;
        for case in report.failed() {
            assert!(!format!("{case:?}").contains("`treasure` is in"), "read from outside: {case:?}");
        }
        Ok(())
    }
}

async fn put(into: &Layout, media_type: &str, bytes: Vec<u8>) -> Descriptor {
    let (digest, size) = into.write_new_blob(Box::pin(std::io::Cursor::new(bytes))).await.unwrap();
    Descriptor::new(media_type, digest, size)
}
