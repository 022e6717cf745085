//! The builder that runs a command, which builds however it likes.

mod config;
mod inputs;

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use shipway_core::{
    Artifact, BuildRequest, Builder, Capabilities, Command, Context, Error, Feature, Image, Inputs, Platform,
    Result, Store, StoreKind,
};
use shipway_oci::same_platform;

pub use self::config::{CustomConfig, CustomDependencies, CustomDockerfile};

/// Runs a command that builds an image, and looks the image up afterwards.
///
/// The command runs by `sh -c` in the artifact's context. It sees the world's environment, which does not count as an
/// input, and these variables, as Skaffold's documentation has them ("Custom Build Script"):
///
/// | variable | value |
/// |---|---|
/// | `IMAGE` | the reference to build, with core's own tag `shipway-<fingerprint>` |
/// | `IMAGE_REPO`, `IMAGE_TAG` | its two parts |
/// | `PUSH_IMAGE` | `true` when it is to be pushed to its registry, `false` when it is to be in the engine |
/// | `BUILD_CONTEXT` | the absolute path of the artifact's context |
/// | `PLATFORMS` | the platforms that are asked for, with commas between them; empty when none is |
/// | `SKIP_TEST` | `false`: tests are tasks of their own |
/// | `DOCKER_HOST` | where the engine listens, when the image is to be in one |
///
/// and for each required artifact a variable with its alias as the name and its reference by digest as the value. When the command has
/// ended well the image must be there, for all platforms that were asked for: its digest is looked up in
/// the registry or in the engine.
#[derive(Clone, Debug)]
pub struct Custom {
    options: Arc<CustomConfig>,
}

impl Custom {
    /// Returns the builder with these options.
    ///
    /// # Errors
    /// `Config` when there is no command, or the dependencies are given in two ways.
    pub fn new(options: CustomConfig) -> Result<Self> {
        options.check()?;
        Ok(Self { options: Arc::new(options) })
    }

    fn variables(cx: &Context, request: &BuildRequest) -> BTreeMap<String, String> {
        let target = &request.target;
        let platforms: Vec<String> = request.artifact.platforms.iter().map(ToString::to_string).collect();
        let mut variables: BTreeMap<String, String> =
            request.requires.iter().map(|(alias, image)| (alias.clone(), image.reference())).collect();
        if let Store::Daemon(endpoint) = &target.store {
            variables.insert("DOCKER_HOST".to_owned(), endpoint.clone());
        }
        let own = [
            ("IMAGE", target.reference()),
            ("IMAGE_REPO", target.repository.clone()),
            ("IMAGE_TAG", target.tag.to_string()),
            ("PUSH_IMAGE", matches!(target.store, Store::Registry).to_string()),
            ("BUILD_CONTEXT", cx.path(&request.artifact.context).display().to_string()),
            ("PLATFORMS", platforms.join(",")),
            ("SKIP_TEST", "false".to_owned()),
        ];
        variables.extend(own.map(|(name, value)| (name.to_owned(), value)));
        variables
    }
}

#[async_trait]
impl Builder for Custom {
    fn capabilities(&self) -> Capabilities {
        Capabilities::new()
            .version(concat!("custom ", env!("CARGO_PKG_VERSION")))
            .reads([StoreKind::Registry, StoreKind::Daemon])
            .writes([StoreKind::Registry, StoreKind::Daemon])
            .features([Feature::MultiPlatform])
    }

    async fn inputs(&self, cx: &Context, artifact: &Artifact) -> Result<Inputs> {
        self.declare(cx, artifact).await
    }

    async fn build(&self, cx: &Context, request: &BuildRequest) -> Result<Image> {
        let command = Command::shell(&self.options.build_command)
            .dir(request.artifact.context.clone())
            .env(Self::variables(cx, request));
        cx.run(command).await?.success(&self.options.build_command)?;
        let target = &request.target;
        let reference = target.reference();
        // It is built, and who has to stop now had better say so.
        let last = cx.for_cleanup();
        let Some(mut image) = last.images().find(&last, &target.store, &reference).await? else {
            let place = if matches!(target.store, Store::Registry) { "its registry" } else { "the engine" };
            return Err(Error::bad_output(format!(
                "`{}` ended well, but `{reference}` is not in {place}",
                self.options.build_command
            ))
            .hint("the command must build the image that `IMAGE` names, and push it where `PUSH_IMAGE` is `true`"));
        };
        let there =
            |wanted: &&Platform| image.platforms.iter().any(|platform| same_platform(platform, wanted));
        if let Some(missing) = request.artifact.platforms.iter().find(|wanted| !there(wanted)) {
            return Err(Error::bad_output(format!(
                "`{}` ended well, but `{reference}` is not for {missing}",
                self.options.build_command
            ))
            .hint("the command must build for all that `PLATFORMS` names"));
        }
        request.artifact.name.clone_into(&mut image.name);
        image.repository.clone_from(&target.repository);
        image.tag = Some(target.tag.clone());
        Ok(image)
    }
}
