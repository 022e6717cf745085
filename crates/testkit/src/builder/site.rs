//! A site: a room to build in, with a store for the image and the images that it requires.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use shipway_core::{
    BuildRequest, Builder, Context, Fingerprint, Image, Inputs, Platform, Snapshot, Store, StoreKind, Tag,
    Target,
};
use shipway_oci::{Registry, Stores};

use super::Builders;
use crate::{
    clause::{Trouble, unchecked},
    image::write_image,
    room::Room,
    suite::Bench,
};

#[derive(Debug)]
pub(super) struct Site {
    pub(super) room: Room,
    pub(super) role: Builders,
    pub(super) target: Target,
    requires: BTreeMap<String, Image>,
    /// Stops when the site goes.
    registry: Option<Registry>,
}

/// What a builder declared, and what core makes of it.
#[derive(Debug)]
pub(super) struct Declared {
    pub(super) inputs: Inputs,
    pub(super) snapshot: Snapshot,
    pub(super) fingerprint: Fingerprint,
    /// What listed the inputs, if they are kept while that is the same.
    listed_by: Option<Snapshot>,
}

impl Site {
    /// Returns a new site with the first store that the builder writes.
    pub(super) async fn new(bench: &Bench<Builders>) -> Result<Self, Trouble> {
        match Self::stores(bench).first() {
            Some(kind) => Self::with(bench, *kind).await,
            None => unchecked("it writes to no store that the kit has: name one with `store`"),
        }
    }

    /// Returns the kinds of stores that the builder writes and the kit has.
    pub(super) fn stores(bench: &Bench<Builders>) -> Vec<StoreKind> {
        let own = bench.role.store.as_ref().map(Store::kind);
        let writes = (bench.role.factory)().capabilities().writes;
        writes
            .into_iter()
            .filter(|kind| own.as_ref().map_or(OURS.contains(kind), |own| own == kind))
            .collect()
    }

    /// Returns a new site with a store of this kind.
    pub(super) async fn with(bench: &Bench<Builders>, kind: StoreKind) -> Result<Self, Trouble> {
        let room = bench.room_with(|world| world.images(Stores::new()))?;
        let own = bench.role.store.clone().filter(|store| store.kind() == kind);
        // A store of the author's lives longer than a check, so every check has a name of its own in it.
        let unlike = if own.is_some() { room.number() } else { String::new() };
        let registry = match (kind, &own) {
            (StoreKind::Registry, None) => {
                let disk = Arc::clone(&room.world.disk);
                Some(Registry::start(room.store.join("registry"), disk).await?)
            }
            _ => None,
        };
        let host = registry.as_ref().map(|registry| format!("{}/", registry.host())).unwrap_or_default();
        let store = match (own, &registry) {
            (Some(own), _) => own,
            (None, Some(_)) => Store::Registry,
            (None, None) => Store::Layout(room.store.join("images")),
        };
        let repository = format!("{host}{}{unlike}", bench.role.repository);
        let target = Target::new(store, repository, Tag::parse("built")?);
        let role = bench.role.clone();
        let mut site = Self { room, role, target, requires: BTreeMap::new(), registry };
        for alias in bench.role.artifact.requires.keys() {
            site.require(alias, 0).await?;
        }
        Ok(site)
    }

    pub(super) fn builder(&self) -> Arc<dyn Builder> {
        (self.role.factory)()
    }

    pub(super) fn context(&self) -> Context {
        self.room.context()
    }

    /// Puts an image where the builder reads, as what the alias stands for.
    pub(super) async fn require(&mut self, alias: &str, edition: u8) -> Result<(), Trouble> {
        let image = self.required_image(alias, edition).await?;
        self.requires.insert(alias.to_owned(), image);
        Ok(())
    }

    /// Asks for these platforms, for which the required images are made too.
    pub(super) async fn ask_for(&mut self, platforms: &[Platform]) -> Result<(), Trouble> {
        self.role.artifact.platforms = platforms.to_vec();
        let aliases: Vec<String> = self.requires.keys().cloned().collect();
        for alias in aliases {
            self.require(&alias, 0).await?;
        }
        Ok(())
    }

    /// Writes a small image whose one file says which edition it is; an index of such where the artifact
    /// has several platforms.
    async fn required_image(&self, alias: &str, edition: u8) -> Result<Image, Trouble> {
        let reads = self.builder().capabilities().reads;
        let layout = || Store::Layout(self.room.store.join(format!("required-{edition}")));
        // One that the kit cannot make is filled from a layout, by the world's door to images.
        let own = self.role.store.as_ref().map(Store::kind).filter(|kind| reads.contains(kind));
        let (store, repository) = match &self.registry {
            Some(registry) if reads.contains(&StoreKind::Registry) => {
                (Store::Registry, format!("{}/conformance/required-{edition}", registry.host()))
            }
            _ if reads.contains(&StoreKind::Layout) || own.is_some() => {
                (layout(), "conformance/required".to_owned())
            }
            _ => return unchecked("it reads from no store that the kit has"),
        };
        let into = Stores::new().open(&self.context(), &store, &repository)?;
        let content = format!("edition {edition}\n");
        let files = [("shipway-base".to_owned(), content.into_bytes())];
        let env = [format!("SHIPWAY_BASE={edition}")];
        let tag = Tag::parse("required")?;
        let platforms = match self.role.artifact.platforms.as_slice() {
            [] | [_] => vec![Platform::linux_here()],
            several => several.to_vec(),
        };
        let digest = write_image(into.as_ref(), &files, &env, &platforms, &tag).await?;
        let image = Image::new(alias, store, repository, digest).tag(Some(tag)).platforms(platforms);
        let target = match &self.role.store {
            Some(store) if !reads.contains(&image.store.kind()) => Target::new(
                store.clone(),
                format!("{}-required", self.target.repository),
                Tag::parse("required")?,
            ),
            _ => return Ok(image),
        };
        let cx = self.context();
        Ok(cx.images().copy(&cx, &image, &target).await?)
    }

    /// Asks the builder what it declares, and takes the snapshot as core does.
    pub(super) async fn declare(&self, cx: &Context, builder: &dyn Builder) -> Result<Declared, Trouble> {
        let inputs = builder.inputs(cx, &self.role.artifact).await?;
        self.declared(cx, inputs).await
    }

    /// Takes the snapshot as core does in the next run: what was declared holds while what listed it is
    /// the same.
    pub(super) async fn declare_as_core(
        &self,
        cx: &Context,
        builder: &dyn Builder,
        before: &Declared,
    ) -> Result<Declared, Trouble> {
        if let (Some(listed_by), Some(kept)) = (&before.inputs.listed_by, &before.listed_by)
            && Snapshot::take(cx, listed_by).await.is_ok_and(|now| now == *kept)
        {
            return self.declared(cx, before.inputs.clone()).await;
        }
        self.declare(cx, builder).await
    }

    /// Takes the snapshot of a declaration as core does.
    pub(super) async fn declared(&self, cx: &Context, inputs: Inputs) -> Result<Declared, Trouble> {
        let mut snapshot = Snapshot::take(cx, &inputs).await?;
        let platforms: Vec<String> = self.role.artifact.platforms.iter().map(ToString::to_string).collect();
        snapshot.set("platforms", &platforms.join(","));
        for (alias, image) in &self.requires {
            snapshot.set(format!("required image {alias}"), image.digest.as_str());
        }
        if inputs.uses_tag {
            snapshot.set("tag", self.target.tag.as_str());
        }
        let listed_by = match &inputs.listed_by {
            Some(listed_by) => Some(Snapshot::take(cx, listed_by).await?),
            None => None,
        };
        let fingerprint = snapshot.fingerprint();
        Ok(Declared { inputs, snapshot, fingerprint, listed_by })
    }

    pub(super) fn request(&self, declared: &Declared) -> BuildRequest {
        let fingerprint = declared.fingerprint.clone();
        BuildRequest::new(self.role.artifact.clone(), self.target.clone(), fingerprint)
            .requires(self.requires.clone())
    }

    /// Builds as core does: inputs first, then the build, each with a context of its own.
    pub(super) async fn build(&self, builder: &dyn Builder) -> Result<Image, Trouble> {
        let declared = self.declare(&self.context(), builder).await?;
        Ok(builder.build(&self.context(), &self.request(&declared)).await?)
    }

    /// Returns what a reference means in the target's store.
    pub(super) async fn find(&self, reference: &str) -> Result<Option<Image>, Trouble> {
        let cx = self.context();
        Ok(cx.images().find(&cx, &self.target.store, reference).await?)
    }

    /// Returns the path of a file below the copied fixture, or where it is if it is absolute.
    pub(super) fn in_room(&self, file: &Path) -> PathBuf {
        self.room.root.join(file)
    }

    /// Returns the file to touch: the author's, or the first one declared that is there.
    pub(super) fn file_to_touch(&self, inputs: &Inputs) -> Result<Option<PathBuf>, Trouble> {
        if let Some(file) = &self.role.touch {
            return Ok(Some(file.clone()));
        }
        let declared = self.declared_files(&self.context(), inputs)?;
        Ok(declared.into_iter().find(|file| self.in_room(file).is_file()))
    }

    /// Returns every declared file of the copied fixture, below its root.
    pub(super) fn declared_files(&self, cx: &Context, inputs: &Inputs) -> Result<BTreeSet<PathBuf>, Trouble> {
        let mut files = BTreeSet::new();
        for one in std::iter::once(inputs).chain(inputs.listed_by.as_deref()) {
            files.extend(one.files.iter().filter_map(|file| self.below_root(file)));
            for tree in &one.trees {
                let entries = cx.files().walk(cx, tree)?;
                files
                    .extend(entries.iter().filter_map(|entry| self.below_root(&tree.root.join(&entry.path))));
            }
        }
        Ok(files)
    }

    /// Returns the path from the root, without steps that lead nowhere.
    pub(super) fn below_root(&self, path: &Path) -> Option<PathBuf> {
        let path = self.in_room(path);
        Some(
            path.strip_prefix(&self.room.root)
                .ok()?
                .components()
                .filter(|step| step.as_os_str() != ".")
                .collect(),
        )
    }
}

/// The kinds of stores that the kit makes, for as long as a check runs.
const OURS: [StoreKind; 2] = [StoreKind::Registry, StoreKind::Layout];
