//! The options of the builder `kaniko`, in Skaffold's words (`artifacts[].kaniko`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use shipway_core::{Catalog, Error, PluginConfig, Result};

use super::Kaniko;
use crate::BuildCluster;

/// Options of [`Kaniko`]: those of the executor that the maintained forks have, and the rest by
/// [`KanikoConfig::flags`].
///
/// ```
/// use shipway_builders::{KanikoCache, BuildCluster, KanikoConfig};
///
/// let config = KanikoConfig::new(BuildCluster::new("staging").namespace("builds"))
///     .build_arg("VERSION", "1.2")
///     .cache(KanikoCache::default().repo("registry.example/cache"));
/// # let _ = config;
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct KanikoConfig {
    /// Where the pods are; no input of the image.
    pub cluster: BuildCluster,
    /// The executor's image; that of the fork `osscontainertools` by default.
    #[serde(default = "executor")]
    pub image: String,
    /// The image that receives the context, with `sh` and `tar`; `busybox` by default.
    #[serde(default = "init")]
    pub init_image: String,
    /// The Dockerfile, below the artifact's context; `Dockerfile` by default.
    #[serde(default = "dockerfile")]
    pub dockerfile: String,
    /// The stage to build; the last one when absent.
    #[serde(default)]
    pub target: Option<String>,
    /// The values of `ARG`s; one without a value has that of the environment's variable.
    #[serde(default)]
    pub build_args: BTreeMap<String, Option<String>>,
    /// Variables of the executor, such as those of proxies.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Labels of the image.
    #[serde(default)]
    pub label: BTreeMap<String, String>,
    /// Whether and where layers are kept for later builds.
    #[serde(default)]
    pub cache: Option<KanikoCache>,
    /// Further references that the image gets.
    #[serde(default)]
    pub destination: Vec<String>,
    /// Whether the whole context is sent and counts, and not only what the Dockerfile names: for a base
    /// with `ONBUILD` triggers that copy.
    #[serde(default)]
    pub whole_context: bool,
    /// Registries that are spoken to without TLS.
    #[serde(default)]
    pub insecure_registry: Vec<String>,
    /// Registries whose certificates are not checked.
    #[serde(default, rename = "skipTLSVerifyRegistry")]
    pub skip_tls_verify_registry: Vec<String>,
    /// Mirrors of Docker's own registry.
    #[serde(default)]
    pub registry_mirror: Vec<String>,
    /// The paths in the pod of certificates that are trusted, by registry.
    #[serde(default)]
    pub registry_certificate: BTreeMap<String, String>,
    /// Whether times are left out of the image.
    #[serde(default)]
    pub reproducible: bool,
    /// Whether one layer is made at the end instead of one for each step.
    #[serde(default)]
    pub single_snapshot: bool,
    /// How changed files are found: `full`, `redo` or `time`.
    #[serde(default)]
    pub snapshot_mode: Option<String>,
    /// Whether changes of `RUN` are found by another, experimental way.
    #[serde(default)]
    pub use_new_run: bool,
    /// Whether stages that the target does not need are left out.
    #[serde(default)]
    pub skip_unused_stages: bool,
    /// How the layers are compressed: `gzip` or `zstd`.
    #[serde(default)]
    pub compression: Option<String>,
    /// Paths that are in no layer.
    #[serde(default)]
    pub ignore_path: Vec<String>,
    /// How often a push is tried again.
    #[serde(default)]
    pub push_retry: Option<u32>,
    /// How often the download of a base is tried again.
    #[serde(default)]
    pub image_download_retry: Option<u32>,
    /// How often unpacking a base is tried again.
    #[serde(default, rename = "imageFSExtractRetry")]
    pub image_fs_extract_retry: Option<u32>,
    /// How much the executor says: `debug`, `info`, `warn`, …
    #[serde(default)]
    pub verbosity: Option<String>,
    /// All other flags of the executor, without their `--`: a text, a number, `true` for a flag alone, or a
    /// list for one that may stand several times.
    #[serde(default)]
    pub flags: BTreeMap<String, Value>,
}

/// Where layers are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct KanikoCache {
    /// The repository; the executor takes one beside the image's when absent.
    pub repo: Option<String>,
    /// For how long a layer counts, such as `6h`; two weeks when absent.
    pub ttl: Option<String>,
    /// Whether layers of `COPY` are kept too.
    pub cache_copy_layers: bool,
    /// Whether layers of `RUN` are kept; they are when absent.
    pub cache_run_layers: Option<bool>,
}

impl KanikoCache {
    /// Sets the repository.
    #[must_use]
    pub fn repo(mut self, repository: impl Into<String>) -> Self {
        self.repo = Some(repository.into());
        self
    }

    /// Sets for how long a layer counts.
    #[must_use]
    pub fn ttl(mut self, time: impl Into<String>) -> Self {
        self.ttl = Some(time.into());
        self
    }
}

fn executor() -> String {
    "ghcr.io/osscontainertools/kaniko:v1.25.0".to_owned()
}

fn init() -> String {
    "busybox:1.37.0".to_owned()
}

fn dockerfile() -> String {
    "Dockerfile".to_owned()
}

impl KanikoConfig {
    /// Returns options that are all the usual ones, for pods here.
    #[must_use]
    pub fn new(cluster: BuildCluster) -> Self {
        Self {
            cluster,
            image: executor(),
            init_image: init(),
            dockerfile: dockerfile(),
            target: None,
            build_args: BTreeMap::new(),
            env: BTreeMap::new(),
            label: BTreeMap::new(),
            cache: None,
            destination: Vec::new(),
            whole_context: false,
            insecure_registry: Vec::new(),
            skip_tls_verify_registry: Vec::new(),
            registry_mirror: Vec::new(),
            registry_certificate: BTreeMap::new(),
            reproducible: false,
            single_snapshot: false,
            snapshot_mode: None,
            use_new_run: false,
            skip_unused_stages: false,
            compression: None,
            ignore_path: Vec::new(),
            push_retry: None,
            image_download_retry: None,
            image_fs_extract_retry: None,
            verbosity: None,
            flags: BTreeMap::new(),
        }
    }

    /// Sets the executor's image.
    #[must_use]
    pub fn image(mut self, reference: impl Into<String>) -> Self {
        self.image = reference.into();
        self
    }

    /// Sets the image that receives the context.
    #[must_use]
    pub fn init_image(mut self, reference: impl Into<String>) -> Self {
        self.init_image = reference.into();
        self
    }

    /// Sets the Dockerfile.
    #[must_use]
    pub fn dockerfile(mut self, path: impl Into<String>) -> Self {
        self.dockerfile = path.into();
        self
    }

    /// Sets the stage to build.
    #[must_use]
    pub fn target(mut self, stage: impl Into<String>) -> Self {
        self.target = Some(stage.into());
        self
    }

    /// Adds the value of an `ARG`.
    #[must_use]
    pub fn build_arg(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.build_args.insert(name.into(), Some(value.into()));
        self
    }

    /// Keeps layers for later builds.
    #[must_use]
    pub fn cache(mut self, cache: KanikoCache) -> Self {
        self.cache = Some(cache);
        self
    }

    /// Speaks to a registry without TLS.
    #[must_use]
    pub fn insecure_registry(mut self, host: impl Into<String>) -> Self {
        self.insecure_registry.push(host.into());
        self
    }

    /// Leaves times out of the image.
    #[must_use]
    pub fn reproducible(mut self, reproducible: bool) -> Self {
        self.reproducible = reproducible;
        self
    }

    /// Sets whether the whole context is sent and counts.
    #[must_use]
    pub fn whole_context(mut self, whole: bool) -> Self {
        self.whole_context = whole;
        self
    }

    /// Adds a flag of the executor that has no option of its own.
    #[must_use]
    pub fn flag(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.flags.insert(name.into(), value.into());
        self
    }

    pub(super) fn check(&self) -> Result<()> {
        if self.dockerfile.is_empty() {
            return Err(Error::config("`dockerfile` is empty").hint("leave it out to mean `Dockerfile`"));
        }
        self.cluster.check("kaniko")?;
        self.flags.iter().try_for_each(|(name, value)| super::args::flag(name, value).map(drop))
    }
}

impl PluginConfig for KanikoConfig {
    const KIND: &'static str = "kaniko";

    type Plugin = Kaniko;

    fn into_plugin(self, _catalog: &Catalog) -> Result<Kaniko> {
        Kaniko::new(self)
    }
}
