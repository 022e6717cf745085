//! What an image depends on, declared for core to hash and to watch.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use serde::Serialize;
use shipway_core::{Artifact, Context, EntryKind, Inputs, Platform, Result, Secret, Store};
use shipway_docker::Daemon;
use shipway_oci::Reference;

use super::{BuildSecret, DockerConfig, plan::Plan};

/// Declares the inputs of a build that follows a Dockerfile. Of `options` only those count that say what the Dockerfile
/// reaches; `own` are those of the builder, as far as they decide the image. An `engine` is asked for bases first.
pub(crate) async fn declare(
    cx: &Context,
    artifact: &Artifact,
    options: Arc<DockerConfig>,
    own: String,
    engine: Option<&Daemon>,
) -> Result<Inputs> {
    let mut each = Vec::new();
    for artifact in each_platform(artifact) {
        let (options, owned) = (Arc::clone(&options), artifact.clone());
        let read = move |cx: &Context| {
            let plan = Plan::read(cx, &owned, &options)?;
            let mut inputs = plan.inputs(cx, &owned.context);
            declare_secrets(cx, &options.secrets, &mut inputs)?;
            Ok((plan, inputs))
        };
        let (plan, mut inputs) = cx.blocking(read).await?;
        let mut fact = |name: &str, value: String| inputs.facts.insert(name.to_owned(), value);
        fact("options", own.clone());
        for (name, value) in &plan.args {
            fact(&format!("build argument {name}"), value.clone());
        }
        if artifact.platforms.is_empty() {
            // Most often the machine that builds is like this one.
            fact("platform here", Platform::linux_here().to_string());
        }
        for image in &plan.reach.images {
            fact(&format!("base {image}"), base(cx, image, engine).await?);
        }
        each.push((artifact, inputs));
    }
    Ok(together(each))
}

/// Returns a builder's options without these, which do not decide the image.
pub(crate) fn options_without(options: &impl Serialize, names: &[&str]) -> String {
    let mut options = serde_json::to_value(options).unwrap_or_default();
    if let Some(options) = options.as_object_mut() {
        names.iter().for_each(|name| _ = options.remove(*name));
    }
    options.to_string()
}

/// Returns the artifact for each of its platforms, as core has each built alone.
fn each_platform(artifact: &Artifact) -> Vec<Artifact> {
    match artifact.platforms.as_slice() {
        [] | [_] => vec![artifact.clone()],
        several => several.iter().map(|one| artifact.clone().platforms([one.clone()])).collect(),
    }
}

/// Returns the inputs of all platforms as those of one artifact.
fn together(each: Vec<(Artifact, Inputs)>) -> Inputs {
    let several = each.len() > 1;
    let mut all = Inputs::default();
    for (artifact, own) in each {
        all.files.extend(own.files);
        all.trees.extend(own.trees);
        all.secrets.extend(own.secrets);
        let platform = artifact.platforms.first().filter(|_| several);
        let name = |name: String| platform.map_or(name.clone(), |platform| format!("{platform}: {name}"));
        all.facts.extend(own.facts.into_iter().map(|(fact, value)| (name(fact), value)));
    }
    all
}

/// Declares the secrets of a build: each counts by its file, by its version or by the name of its credential.
fn declare_secrets(cx: &Context, secrets: &[BuildSecret], inputs: &mut Inputs) -> Result<()> {
    for secret in secrets {
        inputs.files.extend(secret.src.as_ref().map(Into::into));
        if let Some(variable) = &secret.env {
            let version = cx.env(variable).map(|value| Secret::from(value).version());
            let version = version.unwrap_or("absent".to_owned());
            inputs.facts.insert(format!("secret of variable {variable}"), version);
        }
        inputs.secrets.extend(secret.credential()?);
    }
    Ok(())
}

/// Returns what a base is now: what the engine has under its name, as it does not ask the registry
/// then; else what the registry has. In both cases it is the registry's digest as far as there is
/// one, so that it stays the same when the engine pulls it.
async fn base(cx: &Context, image: &str, engine: Option<&Daemon>) -> Result<String> {
    let Ok(reference) = image.parse::<Reference>() else { return Ok("no reference".to_owned()) };
    if let Some(digest) = &reference.digest {
        return Ok(digest.to_string());
    }
    if let Some(engine) = engine
        && let Some(there) = engine.image(cx, image).await?
    {
        let own = there.digests.iter().find_map(|known| {
            let known: Reference = known.parse().ok()?;
            known.digest.filter(|_| (&known.host, &known.path) == (&reference.host, &reference.path))
        });
        return Ok(own.unwrap_or(there.id).to_string());
    }
    let found = cx.images().find(cx, &Store::Registry, &reference.to_string()).await?;
    Ok(found.map_or("absent".to_owned(), |image| image.digest.to_string()))
}

impl Plan {
    /// Returns the files that the Dockerfile reaches, with itself.
    pub(crate) fn inputs(&self, cx: &Context, context: &Path) -> Inputs {
        let mut inputs = Inputs::default();
        inputs.files.extend(self.files.iter().map(|file| context.join(file)));
        match &self.reach.sources {
            None => {
                inputs.trees.insert(self.tree(context));
            }
            Some(sources) => {
                for source in sources.iter().filter(|source| !source.contains(['*', '?'])) {
                    let entry = cx.files().entry(cx, context, source);
                    if !matches!(&entry, Ok(Some(entry)) if entry.kind == EntryKind::Folder) {
                        // One that is missing counts too.
                        inputs.files.insert(context.join(source));
                    }
                }
                if !sources.is_empty() {
                    inputs.trees.insert(self.tree(context));
                }
            }
        }
        inputs
    }
}

/// Returns the files that a Dockerfile reaches, with these values of its `ARG`s; blocking.
pub(crate) fn reached(
    cx: &Context,
    artifact: &Artifact,
    dockerfile: &str,
    build_args: BTreeMap<String, Option<String>>,
) -> Result<Inputs> {
    let options = DockerConfig { dockerfile: dockerfile.to_owned(), build_args, ..DockerConfig::default() };
    Ok(Plan::read(cx, artifact, &options)?.inputs(cx, &artifact.context))
}
