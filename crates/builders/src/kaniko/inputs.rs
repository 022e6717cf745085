//! What an image depends on, declared for core to hash and to watch.

use std::collections::BTreeMap;

use shipway_core::{Artifact, Context, Inputs, Platform, Result, Store};
use shipway_oci::Reference;

use super::Kaniko;
use crate::docker::{DockerConfig, Plan};

impl Kaniko {
    /// Reads what the artifact's files say; blocking.
    pub(super) fn plan(&self, cx: &Context, artifact: &Artifact) -> Result<Plan> {
        let options = DockerConfig {
            dockerfile: self.options.dockerfile.clone(),
            build_args: self.options.build_args.clone(),
            whole_context: self.options.whole_context,
            ..DockerConfig::default()
        };
        Plan::read(cx, artifact, &options)
    }

    /// Declares the inputs; for several platforms those of each, as core has each built alone.
    pub(super) async fn declare(&self, cx: &Context, artifact: &Artifact) -> Result<Inputs> {
        let [_, _, ..] = artifact.platforms.as_slice() else { return self.declare_one(cx, artifact).await };
        let mut all = Inputs::default();
        for platform in &artifact.platforms {
            let own = self.declare_one(cx, &artifact.clone().platforms([platform.clone()])).await?;
            all.files.extend(own.files);
            all.trees.extend(own.trees);
            all.facts
                .extend(own.facts.into_iter().map(|(name, value)| (format!("{platform}: {name}"), value)));
        }
        Ok(all)
    }

    async fn declare_one(&self, cx: &Context, artifact: &Artifact) -> Result<Inputs> {
        let (this, owned) = (self.clone(), artifact.clone());
        let (plan, mut inputs) = cx
            .blocking(move |cx| {
                let plan = this.plan(cx, &owned)?;
                let inputs = plan.inputs(cx, &owned.context);
                Ok((plan, inputs))
            })
            .await?;
        let mut facts = BTreeMap::from([("options".to_owned(), self.facts())]);
        for (name, value) in &plan.args {
            facts.insert(format!("build argument {name}"), value.clone());
        }
        if artifact.platforms.is_empty() {
            // Most often the nodes are like this machine.
            facts.insert("platform here".to_owned(), Platform::linux_here().to_string());
        }
        for image in &plan.reach.images {
            facts.insert(format!("base {image}"), base(cx, image).await?);
        }
        inputs.facts.extend(facts);
        Ok(inputs)
    }

    /// Returns the options that decide the image: none that says where and how it is built.
    fn facts(&self) -> String {
        let mut options = serde_json::to_value(self.options.as_ref()).unwrap_or_default();
        if let Some(options) = options.as_object_mut() {
            for name in ["cluster", "env", "initImage", "verbosity"] {
                options.remove(name);
            }
        }
        options.to_string()
    }
}

/// Returns what a base is now.
async fn base(cx: &Context, image: &str) -> Result<String> {
    let Ok(reference) = image.parse::<Reference>() else { return Ok("no reference".to_owned()) };
    if let Some(digest) = &reference.digest {
        return Ok(digest.to_string());
    }
    let found = cx.images().find(cx, &Store::Registry, &reference.to_string()).await?;
    Ok(found.map_or("absent".to_owned(), |image| image.digest.to_string()))
}
