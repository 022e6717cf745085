//! What is said beside the file, as Skaffold's flags, its global configuration and its environment.

use std::{collections::BTreeMap, path::PathBuf};

use shipway_core::{Tag, Timestamp};

/// How a `skaffold.yaml` is read.
///
/// ```
/// use shipway_config::{Dockerfiles, Options};
///
/// let options = Options::default()
///     .profiles(["production", "-dev"])
///     .default_repo("registry.example/shop")
///     .dockerfiles(Dockerfiles::Native);
/// # let _ = options;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// The profiles to activate, as after Skaffold's `-p`; with `-` before it one that does not activate
    /// itself.
    pub profiles: Vec<String>,
    /// Whether profiles activate themselves; true by default.
    pub auto_activation: bool,
    /// What is done, which profiles may ask for: `run` by default. `build` tests and deploys nothing, `test` deploys
    /// nothing, `render` and `deploy` test nothing, and `deploy` builds nothing either: [`Self::images`] has all that it
    /// needs. `apply` deploys [`Self::manifests`] and nothing else. `verify` runs the containers that prove what is deployed, and
    /// `exec` those of [`Self::action`].
    pub command: String,
    /// The environment, which profiles and templates may ask for; empty by default.
    pub env: BTreeMap<String, String>,
    /// The current Kubernetes context, which profiles may ask for and which says whether the cluster is
    /// on this machine.
    pub kube_context: Option<String>,
    /// The namespace of releases.
    pub namespace: Option<String>,
    /// The pipeline's name where the file has none (`metadata.name`); `skaffold` by default.
    pub name: String,
    /// The repository below which all images go; an empty one is none, whatever is said elsewhere.
    pub default_repo: Option<String>,
    /// Whether the default repository may have folders; where absent that is known of Google's
    /// registries and held for impossible of others, as by Skaffold.
    pub multi_level_repo: Option<bool>,
    /// A tag for all images, in the place of the file's.
    pub tag: Option<Tag>,
    /// References of images that are there already, by the artifact's image, as Skaffold's `--build-artifacts` and
    /// `--images` give them: those are looked up and not built. The file need not have the artifact.
    pub images: BTreeMap<String, String>,
    /// Manifests that are applied as they are, with the command `apply`.
    pub manifests: Vec<String>,
    /// The one of the file's `customActions` that the command `exec` does.
    pub action: Option<String>,
    /// Variables of the containers of `verify` and of actions, in the place of the file's.
    pub container_env: BTreeMap<String, String>,
    /// The network of those containers that run on this machine; the engine's default when absent.
    pub docker_network: Option<String>,
    /// Whether images go to registries, in the place of the file's (`build.local.push`). Where neither says
    /// it, they do unless the Kubernetes context is that of a cluster on this machine.
    pub push: Option<bool>,
    /// Who builds artifacts of a Dockerfile (`docker`, or no builder at all).
    pub dockerfiles: Dockerfiles,
    /// Where the container engine listens; the builder's own default when absent.
    pub docker_endpoint: Option<String>,
    /// What brings images of the container engine to the nodes of the deployer `kubectl`'s cluster (its option
    /// `imageLoader`); where absent, the context's name says it.
    pub image_loader: Option<Vec<String>>,
    /// Whether what the file says may run on this machine; [`Trust::Untrusted`] by default.
    pub trust: Trust,
    /// What commands of templates (`{{cmd "git" "describe"}}`) gave, by the words of each:
    /// [`Skaffold::run_commands`](super::Skaffold::run_commands) finds them out.
    pub command_outputs: BTreeMap<Vec<String>, String>,
    /// Whether the Kubernetes context's cluster is on this machine; where absent, the context's name says it.
    pub local_cluster: Option<bool>,
    /// Registries that are reached over plain HTTP, beside those of the file.
    pub insecure_registries: Vec<String>,
    /// The registry of the images that help to debug (`gcr.io/k8s-skaffold/skaffold-debug-support` when
    /// absent). Nothing is debugged yet.
    pub debug_helpers_registry: Option<String>,
    /// Whether images for a cluster of kind go to a registry, and not into its nodes; false by default.
    pub kind_disable_load: Option<bool>,
    /// Whether images for a cluster of k3d go to a registry, and not into its nodes; false by default.
    pub k3d_disable_load: Option<bool>,
    /// The modules to run (configurations by their `metadata.name`), with what they require, as after Skaffold's
    /// `-m`; all when empty.
    pub modules: Vec<String>,
    /// Whether [`Self::profiles`] are also those of configurations that are required; true by default.
    pub propagate_profiles: bool,
    /// The folder in which checkouts of git repositories are kept that are required; without one, none can be.
    pub remote_cache: Option<PathBuf>,
    /// When those repositories are looked at again.
    pub sync_remote_cache: SyncRemoteCache,
    /// The moment that templates may ask for (`{{now | date "2006-01-02"}}`); without one they have no clock.
    pub now: Option<Timestamp>,
}

/// Whether what a file says may run programs on the machine that reads it.
///
/// Whoever writes a `skaffold.yaml` can have any command run by whoever uses it. That is what a person wants
/// of the own project, and nobody of a file that somebody sent.
///
/// | | `Untrusted` | `Full` |
/// |---|---|---|
/// | `cmd`, `env` and `expandenv` in templates | refused | as in Skaffold |
/// | hooks on the host, custom builders and tests, builders that run the project's own tools (`bazel`, `jib`, `ko`) | refused | allowed |
/// | kpt, transformers and validators of manifests, flags of helm and kustomize | refused | allowed |
/// | configurations out of other repositories (`requires`) | refused | allowed |
/// | bases of kustomizations that are elsewhere | refused when they are rendered | allowed |
///
/// What is refused is an error with its line, before anything is made. A file can still say what is read
/// (a context, a path of manifests) and what images and clusters are given; that is for the doors of
/// [`World`](shipway_core::World) to bound. What a plug-in of the catalog does that Skaffold does not know is for
/// whoever put it there to judge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trust {
    /// The file runs nothing here: right for what others wrote.
    #[default]
    Untrusted,
    /// The file may run what it says: right for a person's own project.
    Full,
}

/// When a git repository that is required is asked what it has now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SyncRemoteCache {
    /// Each time, unless the file says `sync: false`.
    #[default]
    Always,
    /// Where there is no checkout yet.
    Missing,
    /// Never: where there is no checkout, that is an error.
    Never,
}

/// Who builds artifacts of a Dockerfile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Dockerfiles {
    /// The builder `docker`: a container engine, as with Skaffold.
    #[default]
    Docker,
    /// The builder `native`, which needs no engine and runs no `RUN`.
    Native,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            profiles: Vec::new(),
            auto_activation: true,
            command: "run".to_owned(),
            env: BTreeMap::new(),
            kube_context: None,
            namespace: None,
            name: "skaffold".to_owned(),
            default_repo: None,
            multi_level_repo: None,
            tag: None,
            images: BTreeMap::new(),
            manifests: Vec::new(),
            action: None,
            container_env: BTreeMap::new(),
            docker_network: None,
            push: None,
            dockerfiles: Dockerfiles::default(),
            docker_endpoint: None,
            image_loader: None,
            trust: Trust::default(),
            command_outputs: BTreeMap::new(),
            local_cluster: None,
            insecure_registries: Vec::new(),
            debug_helpers_registry: None,
            kind_disable_load: None,
            k3d_disable_load: None,
            modules: Vec::new(),
            propagate_profiles: true,
            remote_cache: None,
            sync_remote_cache: SyncRemoteCache::default(),
            now: None,
        }
    }
}

impl Options {
    /// Sets the profiles to activate.
    #[must_use]
    pub fn profiles<T: Into<String>>(mut self, profiles: impl IntoIterator<Item = T>) -> Self {
        self.profiles = profiles.into_iter().map(Into::into).collect();
        self
    }

    /// Sets whether profiles activate themselves.
    #[must_use]
    pub fn auto_activation(mut self, auto_activation: bool) -> Self {
        self.auto_activation = auto_activation;
        self
    }

    /// Sets what is done.
    #[must_use]
    pub fn command(mut self, command: impl Into<String>) -> Self {
        self.command = command.into();
        self
    }

    /// Sets a variable of the environment.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }

    /// Sets the current Kubernetes context.
    #[must_use]
    pub fn kube_context(mut self, context: impl Into<String>) -> Self {
        self.kube_context = Some(context.into());
        self
    }

    /// Sets the namespace of releases.
    #[must_use]
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// Sets the pipeline's name.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets the repository below which all images go.
    #[must_use]
    pub fn default_repo(mut self, repository: impl Into<String>) -> Self {
        self.default_repo = Some(repository.into());
        self
    }

    /// Sets whether the default repository may have folders.
    #[must_use]
    pub fn multi_level_repo(mut self, multi_level: bool) -> Self {
        self.multi_level_repo = Some(multi_level);
        self
    }

    /// Sets a tag for all images.
    #[must_use]
    pub fn tag(mut self, tag: Tag) -> Self {
        self.tag = Some(tag);
        self
    }

    /// Adds an image that is there already.
    #[must_use]
    pub fn image(mut self, artifact: impl Into<String>, reference: impl Into<String>) -> Self {
        self.images.insert(artifact.into(), reference.into());
        self
    }

    /// Sets the manifests that are applied as they are.
    #[must_use]
    pub fn manifests<T: Into<String>>(mut self, manifests: impl IntoIterator<Item = T>) -> Self {
        self.manifests = manifests.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the action that the command `exec` does.
    #[must_use]
    pub fn action(mut self, name: impl Into<String>) -> Self {
        self.action = Some(name.into());
        self
    }

    /// Sets the variables of containers of `verify` and of actions.
    #[must_use]
    pub fn container_env(mut self, variables: BTreeMap<String, String>) -> Self {
        self.container_env = variables;
        self
    }

    /// Sets the network of containers of `verify` and of actions.
    #[must_use]
    pub fn docker_network(mut self, network: impl Into<String>) -> Self {
        self.docker_network = Some(network.into());
        self
    }

    /// Sets whether images go to registries.
    #[must_use]
    pub fn push(mut self, push: bool) -> Self {
        self.push = Some(push);
        self
    }

    /// Sets who builds artifacts of a Dockerfile.
    #[must_use]
    pub fn dockerfiles(mut self, dockerfiles: Dockerfiles) -> Self {
        self.dockerfiles = dockerfiles;
        self
    }

    /// Sets where the container engine listens.
    #[must_use]
    pub fn docker_endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.docker_endpoint = Some(endpoint.into());
        self
    }

    /// Sets what brings images of the container engine to the cluster's nodes.
    #[must_use]
    pub fn image_loader<W: Into<String>>(mut self, words: impl IntoIterator<Item = W>) -> Self {
        self.image_loader = Some(words.into_iter().map(Into::into).collect());
        self
    }

    /// Sets whether what the file says may run on this machine.
    #[must_use]
    pub fn trust(mut self, trust: Trust) -> Self {
        self.trust = trust;
        self
    }

    /// Sets what a command of a template gave.
    #[must_use]
    pub fn command_output<W: Into<String>>(
        mut self,
        words: impl IntoIterator<Item = W>,
        output: impl Into<String>,
    ) -> Self {
        self.command_outputs.insert(words.into_iter().map(Into::into).collect(), output.into());
        self
    }

    /// Sets whether the Kubernetes context's cluster is on this machine.
    #[must_use]
    pub fn local_cluster(mut self, local: bool) -> Self {
        self.local_cluster = Some(local);
        self
    }

    /// Sets the registries that are reached over plain HTTP, beside those of the file.
    #[must_use]
    pub fn insecure_registries<T: Into<String>>(mut self, registries: impl IntoIterator<Item = T>) -> Self {
        self.insecure_registries = registries.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the registry of the images that help to debug.
    #[must_use]
    pub fn debug_helpers_registry(mut self, registry: impl Into<String>) -> Self {
        self.debug_helpers_registry = Some(registry.into());
        self
    }

    /// Sets whether images for a cluster of kind go to a registry.
    #[must_use]
    pub fn kind_disable_load(mut self, disabled: bool) -> Self {
        self.kind_disable_load = Some(disabled);
        self
    }

    /// Sets whether images for a cluster of k3d go to a registry.
    #[must_use]
    pub fn k3d_disable_load(mut self, disabled: bool) -> Self {
        self.k3d_disable_load = Some(disabled);
        self
    }

    /// Sets the modules to run.
    #[must_use]
    pub fn modules<T: Into<String>>(mut self, modules: impl IntoIterator<Item = T>) -> Self {
        self.modules = modules.into_iter().map(Into::into).collect();
        self
    }

    /// Sets whether the profiles are also those of configurations that are required.
    #[must_use]
    pub fn propagate_profiles(mut self, propagate: bool) -> Self {
        self.propagate_profiles = propagate;
        self
    }

    /// Sets the folder of the checkouts of git repositories.
    #[must_use]
    pub fn remote_cache(mut self, folder: impl Into<PathBuf>) -> Self {
        self.remote_cache = Some(folder.into());
        self
    }

    /// Sets the moment that templates may ask for.
    #[must_use]
    pub fn now(mut self, now: Timestamp) -> Self {
        self.now = Some(now);
        self
    }

    /// Sets when git repositories are looked at again.
    #[must_use]
    pub fn sync_remote_cache(mut self, sync: SyncRemoteCache) -> Self {
        self.sync_remote_cache = sync;
        self
    }
}
