//! What an image depends on, declared for core to hash and to watch.

use std::{collections::BTreeSet, path::Path};

use shipway_core::{Artifact, Context, Inputs, Platform, Result, Tree};
use shipway_oci::{Compression, LAYER_FORM};

use super::{
    Native, NativeConfig,
    base::BaseName,
    context::Root,
    description,
    loaded::Loaded,
    reads::Reads,
    stages::{Stages, Triggers},
};
use crate::sources::{Source, allow_list};

impl Native {
    /// Returns the declaration; blocking.
    pub(super) fn declare(&self, cx: &Context, artifact: &Artifact) -> Result<Inputs> {
        let loaded = Loaded::read(cx, artifact, &self.options)?;
        let mut inputs = Inputs::default();
        let here = artifact.platforms.is_empty() || loaded.names_build_platform();
        for name in images(&loaded, artifact, &self.options)? {
            inputs.images.extend(name.foreign());
        }
        inputs.files.extend(loaded.files.iter().map(|file| artifact.context.join(file)));
        let sources = sources(&loaded, artifact, &self.options)?;
        self.declare_sources(cx, artifact, &sources, &loaded.ignore, &mut inputs);
        // A command reads what it will, also what a `.dockerignore` file leaves out.
        self.declare_sources(cx, artifact, &description::dependencies(&self.options)?, &[], &mut inputs);

        let mut fact = |name: &str, value: String| inputs.facts.insert(name.to_owned(), value);
        let Compression { format, level, .. } = self.compression;
        fact("layers", format!("form {LAYER_FORM}, {} level {level}", format.as_str()));
        fact("options", serde_json::to_string(&self.options).unwrap_or_default());
        fact("SOURCE_DATE_EPOCH", shipway_oci::source_date_epoch(cx)?.to_string());
        for name in self.options.prepare.iter().flat_map(|prepare| &prepare.inherit) {
            fact(
                &format!("variable {name}"),
                cx.env(name).map_or("absent".to_owned(), |value| format!("= {value}")),
            );
        }
        if here {
            fact("platform here", Platform::linux_here().to_string());
        }
        Ok(inputs)
    }

    fn declare_sources(
        &self,
        cx: &Context,
        artifact: &Artifact,
        sources: &[Source],
        ignore: &[String],
        inputs: &mut Inputs,
    ) {
        let context: &Path = &artifact.context;
        let sources = Root::new(context, ignore.to_vec()).with_links(cx, sources);
        // A path that cannot be looked at is the build's to refuse; what is there is watched.
        let missing = |source: &&Source| {
            source.sure
                && source.pivot.is_none()
                && !source.is_pattern()
                && source.path != "."
                && matches!(cx.files().entry(cx, context, &source.path), Ok(None))
        };
        let (missing, there): (Vec<&Source>, Vec<&Source>) = sources.iter().partition(missing);
        inputs.files.extend(missing.iter().map(|source| context.join(&source.path)));
        if !there.is_empty() {
            inputs.trees.insert(Tree::new(context).ignore(allow_list(there, ignore)));
        }
    }
}

/// Returns what an artifact reads for each of its platforms.
fn reads(loaded: &Loaded, artifact: &Artifact, options: &NativeConfig) -> Result<Vec<Reads>> {
    let Some(dockerfile) = &loaded.dockerfile else { return Ok(Vec::new()) };
    let here = [Platform::linux_here()];
    let wanted = if artifact.platforms.is_empty() { &here[..] } else { &artifact.platforms };
    let reads = |wanted| Reads::of(&Stages::new(dockerfile, options, wanted)?, &Triggers::new());
    wanted.iter().map(reads).collect()
}

/// Returns what is copied of the context.
pub(super) fn sources(loaded: &Loaded, artifact: &Artifact, options: &NativeConfig) -> Result<Vec<Source>> {
    if loaded.dockerfile.is_none() {
        return description::sources(options);
    }
    let mut sources: Vec<Source> = Vec::new();
    for source in reads(loaded, artifact, options)?.into_iter().flat_map(|reads| reads.sources) {
        if !sources.contains(&source) {
            sources.push(source);
        }
    }
    for path in &options.triggers {
        sources.push(Source::new(path, "the context")?);
    }
    Ok(sources)
}

fn images(loaded: &Loaded, artifact: &Artifact, options: &NativeConfig) -> Result<Vec<BaseName>> {
    let named: BTreeSet<String> = match &loaded.dockerfile {
        Some(_) => reads(loaded, artifact, options)?.into_iter().flat_map(|reads| reads.images).collect(),
        None => options.base.iter().cloned().collect(),
    };
    named.iter().map(|name| BaseName::new(name, artifact, options)).collect()
}
