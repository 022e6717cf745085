//! What an image depends on, declared for core to hash and to watch.

use std::path::Path;

use shipway_core::{Artifact, Context, Inputs, Platform, Result, Tree};

use super::{Native, allow_list::allow_list, assembly::Source, description, loaded::Loaded, sources::Root};

/// The form of the layers that are made; another one makes other digests.
const FORM: &str = "1";

impl Native {
    /// Returns the declaration; blocking.
    pub(super) fn declare(&self, cx: &Context, artifact: &Artifact) -> Result<Inputs> {
        let loaded = Loaded::read(cx, artifact, &self.options)?;
        let wanted = super::wanted_platform(artifact)?;
        let mut inputs = Inputs::default();
        let mut here = wanted.is_none();
        let (sources, base) = match &loaded.dockerfile {
            Some(dockerfile) => {
                let program = loaded.program(dockerfile, &self.options, wanted.as_ref())?;
                here |= program.names_build_platform();
                (program.sources()?, loaded.base(artifact, &self.options, Some(program.from()))?)
            }
            None => (description::sources(&self.options)?, loaded.base(artifact, &self.options, None)?),
        };
        inputs.files.extend(loaded.files.iter().map(|file| artifact.context.join(file)));
        inputs.images.extend(base.foreign());
        self.declare_sources(cx, artifact, &sources, &loaded.ignore, &mut inputs);
        // A command reads what it will, also what a `.dockerignore` file leaves out.
        self.declare_sources(cx, artifact, &description::dependencies(&self.options)?, &[], &mut inputs);

        let mut fact = |name: &str, value: String| inputs.facts.insert(name.to_owned(), value);
        fact("builder", format!("native {}", env!("CARGO_PKG_VERSION")));
        fact("layers", format!("form {FORM}, gzip level {}", self.compression.level));
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
        let root = Root::new(context, ignore.to_vec(), false);
        // What cannot be looked at is the build's to refuse.
        let behind = sources.iter().flat_map(|source| root.behind(cx, source).unwrap_or_default());
        let sources: Vec<Source> = sources.iter().cloned().chain(behind).collect();
        // A path that cannot be looked at is the build's to refuse; what is there is watched.
        let missing = |source: &&Source| {
            source.sure
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
