//! What an image depends on, declared for core to hash and to watch.

use std::collections::BTreeMap;

use shipway_core::{Artifact, Context, Inputs, Platform, Result};

use super::Kaniko;
use crate::docker::{DockerConfig, Plan, base, each_platform, together};

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

    /// Declares the inputs.
    pub(super) async fn declare(&self, cx: &Context, artifact: &Artifact) -> Result<Inputs> {
        let mut each = Vec::new();
        for one in each_platform(artifact) {
            let inputs = self.declare_one(cx, &one).await?;
            each.push((one, inputs));
        }
        Ok(together(each))
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
