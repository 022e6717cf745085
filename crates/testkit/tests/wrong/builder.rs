//! A builder that does everything right, and the wrongs that it can be told to do.

#![expect(clippy::disallowed_methods, reason = "wrong plug-ins go past the doors")]
#![expect(clippy::zombie_processes, reason = "a wrong plug-in leaves a process")]

use std::{
    collections::BTreeSet,
    io::{Cursor, Read},
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::json;
use shipway_core::{
    Artifact, BuildRequest, Builder, Capabilities, Command, Context, Error, ErrorKind, Feature, Image,
    Inputs, Level, Platform, Result, SecretId, Stage, Store, StoreKind, Tag, Target, Tree,
};
use shipway_oci::{Descriptor, Distribution, ImageIndex, ImageManifest, Stores, digest_of, media};

/// One thing that a builder does wrong; the clause that it breaks comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    Nothing,
    /// It is right too: it claims less, and refuses what it does not claim.
    NothingButLess,
    B1CountsItsCalls,
    B1DeclaresWhereItIs,
    B1DeclaresWhoItIs,
    B2LeavesAFolderOut,
    B3UsesWhatItDoesNotDeclare,
    B4DropsWhatIsMissing,
    B4FailsWithoutAFile,
    B5WritesAList,
    B5CopiesAnImage,
    B6MovesAnotherTag,
    B6NamesTheImageItself,
    B6ReturnsAnotherDigest,
    B7IgnoresIt,
    B7CallsItAFailure,
    B7LeavesAFile,
    B7LeavesTheImage,
    B7LeavesAProcess,
    B8HidesTheOutput,
    B8IgnoresTheCode,
    B8NamesNoTool,
    B8SaysThatItIsAway,
    B9DeclaresASecret,
    B9PrintsASecretTurned,
    B9FailsWithASecret,
    B10KeepsTheFirstSources,
    B11BuildsTheFirst,
    B11DoesNotRefuse,
    B12UsesNone,
}

pub(crate) const WRONGS: &[(&str, Wrong)] = &[
    ("B1", Wrong::B1CountsItsCalls),
    ("B1", Wrong::B1DeclaresWhereItIs),
    ("B1", Wrong::B1DeclaresWhoItIs),
    ("B2", Wrong::B2LeavesAFolderOut),
    ("B3", Wrong::B3UsesWhatItDoesNotDeclare),
    ("B4", Wrong::B4DropsWhatIsMissing),
    ("B4", Wrong::B4FailsWithoutAFile),
    ("B5", Wrong::B5WritesAList),
    ("B5", Wrong::B5CopiesAnImage),
    ("B6", Wrong::B6MovesAnotherTag),
    ("B6", Wrong::B6NamesTheImageItself),
    ("B6", Wrong::B6ReturnsAnotherDigest),
    ("B7", Wrong::B7IgnoresIt),
    ("B7", Wrong::B7CallsItAFailure),
    ("B7", Wrong::B7LeavesAFile),
    ("B7", Wrong::B7LeavesTheImage),
    ("B7", Wrong::B7LeavesAProcess),
    ("B8", Wrong::B8HidesTheOutput),
    ("B8", Wrong::B8IgnoresTheCode),
    ("B8", Wrong::B8NamesNoTool),
    ("B8", Wrong::B8SaysThatItIsAway),
    ("B9", Wrong::B9DeclaresASecret),
    ("B9", Wrong::B9PrintsASecretTurned),
    ("B9", Wrong::B9FailsWithASecret),
    ("B10", Wrong::B10KeepsTheFirstSources),
    ("B11", Wrong::B11BuildsTheFirst),
    ("B11", Wrong::B11DoesNotRefuse),
    ("B12", Wrong::B12UsesNone),
];

/// The files beside the folder.
const FILES: [&str; 2] = ["recipe.txt", "settings.txt"];

/// Packs a folder into one layer, with the help of a tool that needs a token.
#[derive(Debug)]
pub(crate) struct Packer {
    wrong: Wrong,
    stores: Vec<StoreKind>,
    calls: AtomicU64,
    /// Which of all packers this is.
    number: u64,
    place: Mutex<Option<Vec<u8>>>,
}

impl Packer {
    pub(crate) fn new(wrong: Wrong, stores: &[StoreKind]) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::SeqCst);
        Self { wrong, stores: stores.to_vec(), calls: AtomicU64::new(0), number, place: Mutex::default() }
    }

    fn is(&self, wrong: Wrong) -> bool {
        self.wrong == wrong
    }

    fn trees(&self) -> BTreeSet<Tree> {
        if self.is(Wrong::B2LeavesAFolderOut) { BTreeSet::new() } else { BTreeSet::from([Tree::new("src")]) }
    }

    /// Stops when the task is forced to.
    fn go_on(&self, cx: &Context) -> Result<()> {
        match cx.cancel().state() {
            Some((Stage::Forced, reason)) if !self.is(Wrong::B7IgnoresIt) => {
                if self.is(Wrong::B7LeavesAProcess) {
                    let mut sleep = std::process::Command::new("sleep");
                    sleep.arg("5").envs(cx.envs()).env("PATH", "/usr/bin:/bin").spawn().expect("spawned");
                }
                Err(if self.is(Wrong::B7CallsItAFailure) {
                    Error::new(ErrorKind::ToolFailed, "the build was interrupted")
                } else {
                    Error::cancelled(reason.to_string())
                })
            }
            _ => Ok(()),
        }
    }

    /// Runs the tool, which is given the token.
    async fn run_tool(&self, cx: &Context) -> Result<()> {
        let token = SecretId::parse("token")?;
        let command = Command::new("packer").secrets([("TOKEN".to_owned(), token.clone())]);
        let secret = cx.secret(&token).await?;
        let turned: String = secret.expose().chars().rev().collect();
        if self.is(Wrong::B9PrintsASecretTurned) {
            // Core hides the forms that tools show; this is none of them.
            cx.message(Level::Info, turned.as_str());
        }
        let exit = cx.run(command).await?;
        if self.is(Wrong::B8IgnoresTheCode) {
            return Ok(());
        }
        let refused = |kind, what: &str| Err(Error::new(kind, what.to_owned()));
        match self.wrong {
            Wrong::B8HidesTheOutput if exit.code != 0 => {
                return refused(ErrorKind::ToolFailed, "`packer` failed");
            }
            Wrong::B8NamesNoTool if exit.code != 0 => {
                return refused(ErrorKind::ToolFailed, "the build failed")
                    .map_err(|error| error.note(exit.stderr));
            }
            Wrong::B8SaysThatItIsAway if exit.code != 0 => {
                return refused(ErrorKind::Unavailable, "`packer` failed")
                    .map_err(|error| error.note(exit.stderr));
            }
            _ => {}
        }
        exit.success("packer")
            .map(|_| ())
            .map_err(|error| if self.is(Wrong::B9FailsWithASecret) { error.note(turned) } else { error })
    }

    /// Reads what goes into the layer.
    fn sources(&self, cx: &Context) -> Result<Vec<u8>> {
        let mut content = Vec::new();
        let mut take = |root: &Path, path: &str| -> Result<()> {
            let mut file = cx.files().open(cx, root, path)?;
            content.extend_from_slice(path.as_bytes());
            file.reader
                .read_to_end(&mut content)
                .map_err(|error| Error::io("read", Path::new(path), error))?;
            Ok(())
        };
        for file in FILES {
            take(Path::new(""), file)?;
        }
        if self.is(Wrong::B3UsesWhatItDoesNotDeclare) {
            take(Path::new(""), "notes.txt")?;
        }
        for tree in self.trees() {
            let entries = match cx.files().walk(cx, &tree) {
                Err(error) if error.kind() == ErrorKind::Cancelled && self.is(Wrong::B7IgnoresIt) => vec![],
                other => other?,
            };
            for entry in entries {
                take(&tree.root, &entry.path)?;
            }
        }
        Ok(content)
    }

    fn platforms(&self, request: &BuildRequest) -> Vec<Platform> {
        match request.artifact.platforms.as_slice() {
            [] => vec![Platform::linux_here()],
            [first, _, ..] if self.is(Wrong::B11BuildsTheFirst) => vec![first.clone()],
            all => all.to_vec(),
        }
    }

    async fn write(&self, cx: &Context, request: &BuildRequest, sources: Vec<u8>) -> Result<Image> {
        let into = Stores::new().open(cx, &request.target.store, &request.target.repository)?;
        let into = into.as_ref();
        let alone = self.platforms(request).len() == 1;
        let layer = put(into, "application/vnd.oci.image.layer.v1.tar", sources).await?;
        let base = request.requires.get("base").ok_or_else(|| Error::internal("there is no base"))?;
        let base = if self.is(Wrong::B12UsesNone) { "none" } else { base.digest.as_str() };
        let mut manifests = Vec::new();
        for platform in self.platforms(request) {
            self.go_on(cx)?;
            let config = json!({"os": platform.os, "architecture": platform.architecture, "base": base});
            let config = put(into, media::CONFIG, config.to_string().into_bytes()).await?;
            let bytes = ImageManifest::new(config, vec![layer.clone()]).to_json();
            let mut descriptor = Descriptor::new(media::MANIFEST, digest_of(&bytes), bytes.len() as u64);
            descriptor.platform = Some(platform);
            into.write_manifest(media::MANIFEST, bytes, None).await?;
            manifests.push(descriptor);
        }
        self.go_on(cx)?;
        let platforms: Vec<Platform> = manifests.iter().filter_map(|one| one.platform.clone()).collect();
        let first = manifests.first().map(|one| one.digest.clone());
        let bytes = ImageIndex::new(manifests).to_json();
        let tag = &request.target.tag;
        let moved = if self.is(Wrong::B6MovesAnotherTag) { &Tag::parse("latest")? } else { tag };
        if self.is(Wrong::B7LeavesTheImage) {
            into.write_manifest(media::INDEX, bytes.clone(), Some(moved)).await?;
        }
        cx.message(Level::Info, "packed");
        self.go_on(cx)?;
        let digest = into.write_manifest(media::INDEX, bytes, Some(moved)).await?;
        let digest = match first {
            Some(first) if alone && self.is(Wrong::B6ReturnsAnotherDigest) => first,
            _ => digest,
        };
        let name = if self.is(Wrong::B6NamesTheImageItself) { "packed" } else { &request.artifact.name };
        let target = &request.target;
        Ok(Image::new(name, target.store.clone(), target.repository.as_str(), digest)
            .tag(Some(tag.clone()))
            .platforms(platforms))
    }
}

async fn put(into: &dyn Distribution, media_type: &str, bytes: Vec<u8>) -> Result<Descriptor> {
    let descriptor = Descriptor::new(media_type, digest_of(&bytes), bytes.len() as u64);
    into.write_blob(&descriptor, Box::pin(Cursor::new(Bytes::from(bytes)))).await?;
    Ok(descriptor)
}

#[async_trait]
impl Builder for Packer {
    fn capabilities(&self) -> Capabilities {
        let mut can = Capabilities::new()
            .reads(self.stores.iter().copied().collect::<BTreeSet<_>>())
            .writes(self.stores.clone());
        if !self.is(Wrong::B11DoesNotRefuse) && !self.is(Wrong::NothingButLess) {
            can.features.insert(Feature::MultiPlatform);
        }
        can
    }

    async fn inputs(&self, cx: &Context, _artifact: &Artifact) -> Result<Inputs> {
        let calls = self.calls.fetch_add(1, Ordering::SeqCst);
        let token = SecretId::parse("token")?;
        let mut inputs = Inputs::new().files(FILES.map(PathBuf::from)).trees(self.trees());
        let mut missing = Vec::new();
        for file in FILES {
            if cx.files().entry(cx, Path::new(""), file)?.is_none() {
                missing.push(file);
            }
        }
        match self.wrong {
            Wrong::B1CountsItsCalls => {
                inputs.facts.insert("calls".to_owned(), calls.to_string());
            }
            Wrong::B1DeclaresWhereItIs => {
                inputs.facts.insert("root".to_owned(), cx.root().display().to_string());
            }
            Wrong::B1DeclaresWhoItIs => {
                inputs.facts.insert("who".to_owned(), self.number.to_string());
            }
            Wrong::B5CopiesAnImage => {
                let store = || Store::Layout(cx.root().with_file_name("store").join("copied"));
                let image = Image::new("base", store(), "base", digest_of(b"none"));
                // That there is none is no matter: it asked for it to be written.
                let _ = cx.images().copy(cx, &image, &Target::new(store(), "copied", Tag::parse("x")?)).await;
            }
            Wrong::B4DropsWhatIsMissing => {
                inputs.files.retain(|file| !missing.iter().any(|one| file == Path::new(one)));
            }
            Wrong::B4FailsWithoutAFile if !missing.is_empty() => {
                return Err(Error::config(format!("there is no `{}`", missing.join("`, `"))));
            }
            Wrong::B5WritesAList => std::fs::write(cx.root().join(".packed"), "recipe.txt").expect("written"),
            Wrong::B9DeclaresASecret => {
                inputs.facts.insert("token".to_owned(), cx.secret(&token).await?.expose().to_owned());
            }
            _ => {}
        }
        Ok(inputs)
    }

    async fn build(&self, cx: &Context, request: &BuildRequest) -> Result<Image> {
        let half_made = cx.root().join(".half-made");
        if self.is(Wrong::B7LeavesAFile) {
            std::fs::write(&half_made, "").expect("written");
        }
        if request.artifact.platforms.len() > 1 && self.is(Wrong::NothingButLess) {
            return Err(Error::unsupported("it packs one platform at a time"));
        }
        self.go_on(cx)?;
        self.run_tool(cx).await?;
        self.go_on(cx)?;
        let mut sources = self.sources(cx)?;
        if self.is(Wrong::B10KeepsTheFirstSources) {
            // Whatever their order, all but one of several builds get another's sources.
            sources = self.place.lock().expect("no panic").get_or_insert(sources).clone();
        }
        let image = self.write(cx, request, sources).await?;
        if self.is(Wrong::B7LeavesAFile) {
            std::fs::remove_file(&half_made).expect("removed");
        }
        Ok(image)
    }
}
