//! What an image depends on, declared for core to hash and to watch.

use shipway_core::{Artifact, Context, Inputs, Platform, Result};

use super::Buildkit;
use crate::docker::{DockerConfig, Plan, base, declare_secrets, each_platform, together};

impl Buildkit {
    /// Reads what the artifact's files say; blocking.
    pub(super) fn plan(&self, cx: &Context, artifact: &Artifact) -> Result<Plan> {
        let mut options = DockerConfig {
            build_args: self.options.build_args.clone(),
            whole_context: self.options.whole_context,
            ..DockerConfig::default()
        };
        if let Some(dockerfile) = &self.options.dockerfile {
            options.dockerfile.clone_from(dockerfile);
        }
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
        inputs.facts.insert("options".to_owned(), self.facts());
        for (name, value) in &plan.args {
            inputs.facts.insert(format!("build argument {name}"), value.clone());
        }
        if artifact.platforms.is_empty() {
            // Most often a buildkitd's machine is like this one.
            inputs.facts.insert("platform here".to_owned(), Platform::linux_here().to_string());
        }
        for image in &plan.reach.images {
            inputs.facts.insert(format!("base {image}"), base(cx, image).await?);
        }
        declare_secrets(cx, &self.options.secrets, &mut inputs)?;
        Ok(inputs)
    }

    /// Returns the options that decide the image: none that says where and by which buildkitd it is built.
    fn facts(&self) -> String {
        let mut options = serde_json::to_value(self.options.as_ref()).unwrap_or_default();
        if let Some(options) = options.as_object_mut() {
            for name in ["address", "tls", "cluster", "image", "rootless", "insecureRegistry"] {
                options.remove(name);
            }
        }
        options.to_string()
    }
}
