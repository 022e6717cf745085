//! A folder with an artifact's sources, builds of it, and a look into the images that come out.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    io::Read as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::Value;
use shipway_builders::{Native, NativeConfig};
use shipway_core::{
    Artifact, BuildRequest, Builder as _, Cancel, Context, Digest, Error, Fingerprint, Image, RunContext,
    Store, Tag, Target, World,
};
use shipway_oci::{Layout, read_image};
use tempfile::TempDir;

/// The folder: `context` has the sources, `layout` the image.
pub struct Bench {
    folder: TempDir,
    pub env: BTreeMap<String, String>,
    pub artifact: Artifact,
}

impl Bench {
    pub fn new() -> Self {
        Self::named("web")
    }

    /// Returns a folder whose context has this name.
    pub fn named(name: &str) -> Self {
        let folder = TempDir::new().unwrap();
        fs::create_dir(folder.path().join(name)).unwrap();
        let path = std::env::var("PATH").unwrap();
        let env = BTreeMap::from([("PATH".to_owned(), path)]);
        Self { folder, env, artifact: Artifact::new("web", name) }
    }

    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.root().join(&self.artifact.context).join(path)
    }

    pub fn file(self, path: &str, content: &str) -> Self {
        self.file_with_mode(path, content, 0o644)
    }

    pub fn file_with_mode(self, path: &str, content: &str, mode: u32) -> Self {
        let place = self.path(path);
        let mut folder = self.path("");
        for step in Path::new(path).parent().unwrap().components() {
            folder.push(step);
            if fs::create_dir(&folder).is_ok() {
                set_mode(&folder, 0o755);
            }
        }
        fs::write(&place, content).unwrap();
        set_mode(&place, mode);
        self
    }

    pub fn dockerfile(self, text: &str) -> Self {
        self.file("Dockerfile", text)
    }

    pub fn link(self, path: &str, target: &str) -> Self {
        std::os::unix::fs::symlink(target, self.path(path)).unwrap();
        self
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.to_owned(), value.to_owned());
        self
    }

    pub fn world(&self) -> World {
        World::host(self.root()).env(self.env.clone())
    }

    pub fn cx(&self) -> Context {
        RunContext::new(self.world(), "run").context(None, None, Cancel::new())
    }

    pub fn target(&self) -> Target {
        Target::new(Store::Layout("layout".into()), "web", Tag::parse("v1").unwrap())
    }

    pub fn request(&self) -> BuildRequest {
        BuildRequest::new(self.artifact.clone(), self.target(), Fingerprint::parse("0".repeat(64)).unwrap())
    }

    pub async fn build(&self, config: NativeConfig) -> Result<Image, Error> {
        self.build_request(&self.request(), config).await
    }

    pub async fn build_request(&self, request: &BuildRequest, config: NativeConfig) -> Result<Image, Error> {
        Native::new(config)?.build(&self.cx(), request).await
    }

    /// Builds with the Dockerfile and returns the report of the error that comes, with the root hidden.
    pub async fn refused(&self, config: NativeConfig) -> String {
        let error = self.build(config).await.expect_err("refused");
        let report = error.report().to_string().replace(&*self.root().to_string_lossy(), "ROOT");
        format!("{}: {report}", error.kind())
    }

    pub async fn look(&self, image: &Image) -> Look {
        look(self.root(), image).await
    }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// What is in an image.
pub struct Look {
    pub layers: Vec<Vec<File>>,
    pub digests: Vec<Digest>,
    pub config: Value,
}

pub struct File {
    pub line: String,
    pub path: String,
    pub content: Vec<u8>,
}

impl Look {
    /// Returns all files, a blank line between layers.
    pub fn files(&self) -> String {
        let mut text = String::new();
        for (index, layer) in self.layers.iter().enumerate() {
            if index > 0 {
                text.push_str("--\n");
            }
            for file in layer {
                writeln!(text, "{}", file.line).unwrap();
            }
        }
        text
    }

    pub fn all_bytes(&self) -> Vec<u8> {
        self.layers.iter().flatten().flat_map(|file| file.content.clone()).collect()
    }

    pub fn paths(&self) -> Vec<&str> {
        self.layers.iter().flatten().map(|file| file.path.as_str()).collect()
    }
}

async fn look(root: &Path, image: &Image) -> Look {
    let Store::Layout(path) = &image.store else { panic!("not a layout") };
    let path = root.join(path);
    let layout = Layout::new(Arc::new(shipway_core::HostDisk), &path);
    let found = read_image(&layout, &image.digest, None).await.unwrap();
    let digests: Vec<Digest> = found.manifest.layers.iter().map(|layer| layer.digest.clone()).collect();
    let layers = digests.iter().map(|digest| files(&path.join("blobs/sha256").join(digest.hex()))).collect();
    Look { layers, digests, config: serde_json::from_slice(&found.config.to_json()).unwrap() }
}

fn files(blob: &Path) -> Vec<File> {
    let gzip = flate2::read::MultiGzDecoder::new(fs::File::open(blob).unwrap());
    let mut archive = tar::Archive::new(gzip);
    let mut files = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        let header = entry.header();
        let path = entry.path().unwrap().to_string_lossy().into_owned();
        let link =
            entry.link_name().unwrap().map(|link| format!(" -> {}", link.display())).unwrap_or_default();
        let line = format!(
            "{:04o} {}:{} {} {path}{link}{}",
            header.mode().unwrap(),
            header.uid().unwrap(),
            header.gid().unwrap(),
            header.mtime().unwrap(),
            if content.is_empty() {
                String::new()
            } else {
                format!(" = {}", String::from_utf8_lossy(&content))
            },
        );
        files.push(File { line, path, content });
    }
    files
}
