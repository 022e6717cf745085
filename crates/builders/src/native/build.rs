//! Makes the image: layers straight into the target's store while they are compressed, then what the
//! base has and the target lacks, then the configuration, and the manifest with its tag last.

use std::{collections::BTreeSet, sync::Arc};

use shipway_core::{BuildRequest, Command, Context, Error, ErrorKind, Image, Level, Platform, Result};
use shipway_oci::{
    Descriptor, Distribution, History, ImageConfig, ImageFiles, ImageManifest, InspectedImage, Limits,
    created_at, digest_of, media, same_platform, source_date_epoch, write_layer,
};

use super::{
    Native, Owner,
    assembly::{Assembly, Change, Step},
    base,
    description::{self, with_output},
    loaded::Loaded,
    rootfs::Rootfs,
    sources::{Layer, Root},
};

/// A base and the repository that it comes from.
struct Base {
    image: InspectedImage,
    from: Box<dyn Distribution>,
}

/// What is to be made.
struct Plan {
    assembly: Assembly,
    ignore: Vec<String>,
    base: Option<Base>,
}

impl Native {
    pub(super) async fn make(&self, cx: &Context, request: &BuildRequest) -> Result<Image> {
        let plan = until_stopped(cx, self.plan(cx, request)).await?;
        // Not dropped: whoever runs a command ends it with a grace.
        self.prepare(cx, request).await?;
        // What is being written is dropped, and no store keeps half of anything.
        until_stopped(cx, self.write(cx, request, plan)).await
    }

    /// Reads the sources' files and the base.
    async fn plan(&self, cx: &Context, request: &BuildRequest) -> Result<Plan> {
        let artifact = &request.artifact;
        let wanted = super::wanted_platform(artifact)?;
        let loaded = {
            let (artifact, options) = (artifact.clone(), Arc::clone(&self.options));
            cx.blocking(move |cx| Loaded::read(cx, &artifact, &options)).await?
        };
        let program = match &loaded.dockerfile {
            Some(dockerfile) => Some(loaded.program(dockerfile, &self.options, wanted.as_ref())?),
            None => None,
        };
        let from = program.as_ref().map(|program| program.from());
        let wanted = match (from.and_then(|from| from.platform.clone()), wanted) {
            (Some(of), Some(wanted)) if !same_platform(&of, &wanted) => {
                let error = Error::config(format!("`FROM` is for `{of}`, and the build is for `{wanted}`"))
                    .hint("leave out `--platform`, or write `--platform=$TARGETPLATFORM`");
                return Err(from.map(|from| error.at(from.at.clone())).expect("it named a platform"));
            }
            (of, wanted) => of.or(wanted),
        };
        let name = loaded.base(artifact, &self.options, from)?;
        let base = match name.place(request)? {
            None => None,
            Some((store, repository, label)) => {
                let from_repository = self.stores.open(cx, &store, &repository)?;
                let shown = from.map_or(self.options.base.as_deref().unwrap_or_default(), |from| &from.image);
                let read = base::read(from_repository.as_ref(), shown, &label, wanted.as_ref()).await;
                let image = read.map_err(|error| match from {
                    Some(from) => error.at(from.at.clone()),
                    None => error,
                })?;
                Some(Base { image, from: from_repository })
            }
        };
        let config = match &base {
            Some(base) => base.image.config.clone(),
            None => ImageConfig::new(wanted.unwrap_or_else(Platform::linux_here)),
        };
        let assembly = match &program {
            Some(program) => {
                for unused in program.unused_args() {
                    cx.message(
                        Level::Warning,
                        format!("the Dockerfile has no `ARG {unused}`, for which a value was given"),
                    );
                }
                program.assemble(config)?
            }
            None => description::assemble(&self.options, config)?,
        };
        Ok(Plan { assembly, ignore: loaded.ignore, base })
    }

    /// Runs the commands that make files.
    async fn prepare(&self, cx: &Context, request: &BuildRequest) -> Result<()> {
        for prepare in &self.options.prepare {
            let folder = cx.scratch()?.to_string_lossy().into_owned();
            let argv: Vec<String> = prepare.command.iter().map(|word| with_output(word, &folder)).collect();
            let mut env = prepare.env.clone();
            env.insert("SHIPWAY_OUTPUT".to_owned(), folder);
            let inherit =
                ["PATH", "HOME", "TMPDIR"].into_iter().chain(prepare.inherit.iter().map(String::as_str));
            let inherit: BTreeSet<String> = inherit.map(str::to_owned).collect();
            let command =
                Command::from_argv(&argv)?.env(env).inherit(inherit).dir(request.artifact.context.clone());
            cx.run(command).await?.success(&prepare.command[0])?;
        }
        Ok(())
    }

    async fn write(&self, cx: &Context, request: &BuildRequest, plan: Plan) -> Result<Image> {
        let Plan { assembly, ignore, base } = plan;
        let target = &request.target;
        let into = self.stores.open(cx, &target.store, &target.repository)?;
        let epoch = source_date_epoch(cx)?;
        let created = created_at(epoch);
        let mut layers = base.as_ref().map_or_else(Vec::new, |base| base.image.manifest.layers.clone());
        let mut config = assembly.config;
        let copies = assembly.steps.iter().any(|step| !matches!(step.change, Change::Nothing));
        // What is in the base decides which folders are missing and where its links lead.
        let files = match &base {
            Some(base) if copies => Some(
                ImageFiles::read(base.from.as_ref(), &base.image.manifest.layers, Limits::default()).await?,
            ),
            _ => None,
        };
        let roots = Roots {
            context: Root::new(&request.artifact.context, ignore, false),
            prepared: match self.options.prepare.is_empty() {
                true => None,
                false => Some(Root::new(cx.scratch()?, Vec::new(), true)),
            },
        };
        let mut work = Work { rootfs: Rootfs::new(files), roots, epoch };
        for step in assembly.steps {
            let history = History::new(step.text.as_str()).created(created.as_str());
            let (entries, returned) = cx
                .blocking(move |cx| {
                    let entries = work.layer(cx, &step)?.into_entries();
                    Ok((entries, work))
                })
                .await?;
            work = returned;
            if entries.is_empty() {
                config.history.push(history.without_layer());
                continue;
            }
            let layer = write_layer(cx, entries, self.compression)?.write_to(into.as_ref()).await?;
            config.add_layer(layer.diff_id.clone(), history);
            layers.push(layer.descriptor());
        }
        if let Some(base) = &base {
            copy_layers(base, into.as_ref()).await?;
        }
        config.created = Some(created);
        let platform = config.platform.clone();
        let config = config.to_json();
        let descriptor = Descriptor::new(media::CONFIG, digest_of(&config), config.len() as u64);
        into.write_blob(&descriptor, Box::pin(std::io::Cursor::new(config))).await?;
        let manifest = ImageManifest::new(descriptor, layers.into_iter().map(as_oci).collect());
        let digest = into.write_manifest(media::MANIFEST, manifest.to_json(), Some(&target.tag)).await?;
        Ok(Image::new(
            request.artifact.name.as_str(),
            target.store.clone(),
            target.repository.as_str(),
            digest,
        )
        .tag(target.tag.clone())
        .platforms([platform]))
    }
}

async fn until_stopped<T>(cx: &Context, work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::select! {
        done = work => done,
        error = cx.stopped() => Err(error),
    }
}

/// What the steps work with, one after the other.
struct Work {
    rootfs: Rootfs,
    roots: Roots,
    epoch: u64,
}

struct Roots {
    context: Root,
    prepared: Option<Root>,
}

impl Work {
    /// Returns what a step adds; blocking.
    fn layer(&mut self, cx: &Context, step: &Step) -> Result<Layer> {
        let mut layer = Layer::default();
        let (result, at) = match &step.change {
            Change::Nothing => return Ok(layer),
            Change::Folder { path, user, at } => (self.folder(&mut layer, path, user), at),
            Change::Copy(copy) => {
                let each = copy.sources.iter().try_for_each(|source| {
                    let root = match (source.prepared, &self.roots.prepared) {
                        (true, None) => {
                            return Err(Error::config("`{output}` names files that no command makes")
                                .hint("add a command to `prepare`"));
                        }
                        (true, Some(root)) => root,
                        (false, _) => &self.roots.context,
                    };
                    layer.copy(cx, root, copy, source, &mut self.rootfs, self.epoch)
                });
                (each, &copy.at)
            }
        };
        match (result, at) {
            (Err(error), Some(at)) if error.report().location.is_none() => Err(error.at(at.clone())),
            (Err(error), _) => Err(error),
            (Ok(()), _) => Ok(layer),
        }
    }

    fn folder(&mut self, layer: &mut Layer, path: &str, user: &str) -> Result<()> {
        if self.rootfs.resolve(path)?.1 {
            return Ok(());
        }
        // BuildKit gives the folder to the user that the image runs as.
        let owner = match user {
            "" | "root" => Owner::default(),
            user => user.parse().map_err(|_| {
                Error::new(ErrorKind::Unsupported, format!("builder `native` does not look up the user `{user}`, to whom `{path}` is to belong"))
                    .hint("write the user's number, make the folder before `USER`, or use `docker`, `buildkit` or `kaniko`")
            })?,
        };
        layer.folder(&mut self.rootfs, path, (owner.user.into(), owner.group.into()), self.epoch)?;
        Ok(())
    }
}

/// Copies the base's layers, as far as they are not there.
async fn copy_layers(base: &Base, into: &dyn Distribution) -> Result<()> {
    for layer in &base.image.manifest.layers {
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
