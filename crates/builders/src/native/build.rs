//! Makes the image: layers straight into the target's store, then what the base has and the target
//! lacks, then the configuration, and the manifest or index with its tag last.

use std::{collections::BTreeSet, path::PathBuf, sync::Arc};

use shipway_core::{
    BuildRequest, Command, Context, Digest, Error, Image, Platform, Result, Tree as FolderTree,
};
use shipway_oci::{
    Descriptor, Distribution, ImageIndex, ImageManifest, InspectedImage, digest_of, media, source_date_epoch,
};

use super::{
    Native,
    contents::{self, Contents},
    context::Root,
    description::with_output,
    images::{Images, OpenImage},
    inputs,
    loaded::Loaded,
    make::{Made, Maker},
    plan::{Plan, PlanBase, Planner, here_unless},
    tree::Tree,
};
use crate::sources::{Source, allow_list};

impl Native {
    pub(super) async fn make(&self, cx: &Context, request: &BuildRequest) -> Result<Image> {
        let asked = &request.artifact.platforms;
        let wanted: Vec<Option<&Platform>> = match asked.as_slice() {
            [] => vec![None],
            asked => asked.iter().map(Some).collect(),
        };
        let mut images = Images::default();
        let (loaded, plans) = until_stopped(cx, async {
            let (artifact, options) = (request.artifact.clone(), Arc::clone(&self.options));
            let loaded = cx.blocking(move |cx| Loaded::read(cx, &artifact, &options)).await?;
            let planner =
                Planner { cx, request, options: &self.options, stores: &self.stores, loaded: &loaded };
            let mut plans = Vec::new();
            for wanted in &wanted {
                plans.push(planner.plan(&mut images, *wanted).await?);
            }
            Ok((loaded, plans))
        })
        .await?;
        let into = self.stores.open(cx, &request.target.store, &request.target.repository)?;
        let mut maker =
            until_stopped(cx, self.maker(cx, request, loaded, &plans, &mut images, into.as_ref())).await?;
        let mut manifests = Vec::new();
        let tag = &request.target.tag;
        for (plan, wanted) in plans.iter().zip(&wanted) {
            // Not dropped: whoever runs a command ends it with a grace.
            let prepared = self.prepare(cx, request, *wanted).await?;
            // What is being written is dropped, and no store keeps half of anything.
            let written = until_stopped(cx, async {
                if let Some(folder) = prepared {
                    let root = Root::new(&folder, Vec::new());
                    let read = root.clone();
                    let everything = Source::found(".".to_owned());
                    let tree = cx.blocking(move |cx| read.tree(cx, &[everything], true)).await?;
                    maker.prepared = Some((root, Arc::new(tree)));
                }
                let made = maker.make(plan).await?;
                if let Some(PlanBase::Image(number)) =
                    plan.chain().first().map(|first| plan.stages[first].base)
                {
                    copy_layers(maker.images.opened(number), into.as_ref()).await?;
                }
                // Several are tagged as one, at the end.
                write_image(into.as_ref(), made, (asked.len() < 2).then_some(tag)).await
            });
            manifests.push(written.await?);
        }
        let (digest, platforms) =
            until_stopped(cx, write_index(into.as_ref(), manifests, asked, tag)).await?;
        let target = &request.target;
        let name = request.artifact.name.as_str();
        Ok(Image::new(name, target.store.clone(), target.repository.as_str(), digest)
            .tag(tag.clone())
            .platforms(platforms))
    }

    /// Reads what the plans need of the context, once for all.
    async fn maker<'a>(
        &self,
        cx: &'a Context,
        request: &BuildRequest,
        loaded: Loaded,
        plans: &[Plan],
        images: &'a mut Images,
        into: &'a dyn Distribution,
    ) -> Result<Maker<'a>> {
        let context = Root::new(&request.artifact.context, loaded.ignore.clone());
        let triggered = plans.iter().flat_map(|plan| plan.triggered.iter().cloned()).collect::<Vec<_>>();
        let (artifact, options, root) =
            (request.artifact.clone(), Arc::clone(&self.options), context.clone());
        let tree = cx
            .blocking(move |cx| {
                let sources = inputs::sources(&loaded, &artifact, &options)?;
                let sources = root.with_links(cx, &sources);
                let tree = root.tree(cx, &sources, false)?;
                check_triggered(cx, &root, &tree, &triggered)?;
                Ok(tree)
            })
            .await?;
        Ok(Maker {
            cx,
            into,
            compression: self.compression,
            epoch: source_date_epoch(cx)?,
            images,
            contents: Contents::new(&contents::folder(cx).await?),
            context,
            context_tree: Arc::new(tree),
            prepared: None,
            made: (plans.len() > 1).then(Vec::new),
        })
    }

    /// Runs the commands that make files, and returns the folder that they are in.
    async fn prepare(
        &self,
        cx: &Context,
        request: &BuildRequest,
        wanted: Option<&Platform>,
    ) -> Result<Option<PathBuf>> {
        if self.options.prepare.is_empty() {
            return Ok(None);
        }
        let folder = contents::folder(cx).await?;
        let shown = folder.to_string_lossy().into_owned();
        let platform = here_unless(wanted);
        for prepare in &self.options.prepare {
            let argv: Vec<String> = prepare.command.iter().map(|word| with_output(word, &shown)).collect();
            let mut env = prepare.env.clone();
            for (name, value) in [
                ("SHIPWAY_OUTPUT", shown.clone()),
                ("TARGETPLATFORM", platform.to_string()),
                ("TARGETOS", platform.os.clone()),
                ("TARGETARCH", platform.architecture.clone()),
                ("TARGETVARIANT", platform.variant.clone().unwrap_or_default()),
            ] {
                env.insert(name.to_owned(), value);
            }
            let inherit =
                ["PATH", "HOME", "TMPDIR"].into_iter().chain(prepare.inherit.iter().map(String::as_str));
            let inherit: BTreeSet<String> = inherit.map(str::to_owned).collect();
            let command =
                Command::from_argv(&argv)?.env(env).inherit(inherit).dir(request.artifact.context.clone());
            cx.run(command).await?.success(&prepare.command[0])?;
        }
        Ok(Some(folder))
    }
}

async fn until_stopped<T>(cx: &Context, work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::select! {
        done = work => done,
        error = cx.stopped() => Err(error),
    }
}

/// Checks that triggers of base images read nothing but what was declared: a change of it would not
/// be seen.
fn check_triggered(cx: &Context, root: &Root, tree: &Tree, triggered: &[Source]) -> Result<()> {
    if triggered.is_empty() {
        return Ok(());
    }
    let sources = root.with_links(cx, triggered);
    let folder = FolderTree::new(root.folder.as_ref()).ignore(allow_list(&sources, &root.ignore));
    for entry in cx.files().walk(cx, &folder)? {
        if tree.node(&entry.path)?.is_none() {
            let paths: Vec<String> = triggered.iter().map(|source| format!("{:?}", source.path)).collect();
            return Err(Error::config(format!(
                "a trigger (`ONBUILD`) of a base image reads `{}`, which the Dockerfile does not",
                entry.path
            ))
            .hint(format!("declare what triggers read: the option `triggers` as `[{}]`", paths.join(", "))));
        }
    }
    Ok(())
}

async fn write_image(
    into: &dyn Distribution,
    made: Made,
    tag: Option<&shipway_core::Tag>,
) -> Result<Descriptor> {
    let platform = made.config.platform.clone();
    let config = made.config.to_json();
    let descriptor = Descriptor::new(media::CONFIG, digest_of(&config), config.len() as u64);
    into.write_blob(&descriptor, Box::pin(std::io::Cursor::new(config))).await?;
    let manifest = ImageManifest::new(descriptor, made.layers.into_iter().map(as_oci).collect()).to_json();
    let size = manifest.len() as u64;
    let digest = into.write_manifest(media::MANIFEST, manifest, tag).await?;
    let mut descriptor = Descriptor::new(media::MANIFEST, digest, size);
    descriptor.platform = Some(platform);
    Ok(descriptor)
}

/// Writes the index of several images; one image needs none.
async fn write_index(
    into: &dyn Distribution,
    mut manifests: Vec<Descriptor>,
    asked: &[Platform],
    tag: &shipway_core::Tag,
) -> Result<(Digest, Vec<Platform>)> {
    if asked.len() < 2 {
        let only = manifests.pop().ok_or_else(|| Error::internal("no image was made"))?;
        return Ok((only.digest, only.platform.into_iter().collect()));
    }
    for (manifest, asked) in manifests.iter_mut().zip(asked) {
        manifest.platform = Some(asked.clone());
    }
    let index = ImageIndex::new(manifests).to_json();
    let digest = into.write_manifest(media::INDEX, index, Some(tag)).await?;
    Ok((digest, asked.to_vec()))
}

/// Copies the base's layers, as far as they are not there.
async fn copy_layers(base: &OpenImage, into: &dyn Distribution) -> Result<()> {
    let image: &InspectedImage = &base.image;
    for layer in &image.manifest.layers {
        if media::is_foreign_layer(&layer.media_type) || into.has_blob(layer).await? {
            continue;
        }
        into.write_blob(layer, base.from.read_blob(layer).await?).await?;
    }
    Ok(())
}

/// Names a layer of Docker as OCI does: an OCI manifest has OCI's media types.
fn as_oci(mut layer: Descriptor) -> Descriptor {
    const NAMES: [(&str, &str); 2] = [
        ("application/vnd.docker.image.rootfs.diff.tar", "application/vnd.oci.image.layer.v1.tar"),
        (
            "application/vnd.docker.image.rootfs.foreign.diff.tar",
            "application/vnd.oci.image.layer.nondistributable.v1.tar",
        ),
    ];
    for (docker, oci) in NAMES {
        if let Some(compression) = layer.media_type.strip_prefix(docker) {
            layer.media_type = format!("{oci}{}", compression.replace('.', "+"));
            break;
        }
    }
    layer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_of_docker_are_named_as_oci_does() {
        let (docker, oci) = ("application/vnd.docker.image.rootfs", "application/vnd.oci.image.layer");
        for (from, to) in [
            (media::DOCKER_LAYER_GZIP.to_owned(), media::LAYER_GZIP.to_owned()),
            (format!("{docker}.diff.tar"), format!("{oci}.v1.tar")),
            (format!("{docker}.diff.tar.zstd"), format!("{oci}.v1.tar+zstd")),
            (format!("{docker}.foreign.diff.tar"), format!("{oci}.nondistributable.v1.tar")),
            (format!("{docker}.foreign.diff.tar.gzip"), format!("{oci}.nondistributable.v1.tar+gzip")),
            (media::LAYER_GZIP.to_owned(), media::LAYER_GZIP.to_owned()),
        ] {
            let layer = Descriptor::new(from.as_str(), digest_of(b""), 0);
            assert_eq!(as_oci(layer).media_type, to, "{from}");
        }
    }
}
