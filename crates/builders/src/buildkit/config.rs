//! The options of the builder `buildkit`, in the words of Skaffold and buildx.

use std::{collections::BTreeMap, net::IpAddr};

use serde::{Deserialize, Serialize};
use shipway_core::{Catalog, Error, PluginConfig, Result};
use shipway_docker::{BuildkitAddress, Endpoint};

use super::{Buildkit, cache};
use crate::{BuildCluster, BuildSecret};

/// Options of [`Buildkit`].
///
/// ```
/// use shipway_builders::{BuildCluster, BuildkitConfig};
///
/// let there = BuildkitConfig::at("tcp://builds.example:1234").build_arg("VERSION", "1.2");
/// let in_a_pod = BuildkitConfig::in_cluster(BuildCluster::new("staging").namespace("builds"))
///     .cache_from("registry.example/cache")
///     .cache_to("type=registry,ref=registry.example/cache,mode=max");
/// # let _ = (there, in_a_pod);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct BuildkitConfig {
    /// Where a buildkitd listens, `unix:///path` or `tcp://host:port`; no input of the image.
    pub address: Option<String>,
    /// How TLS is spoken at `address`; without it nothing is encrypted.
    pub tls: Option<BuildkitTlsFiles>,
    /// In the place of `address`: where a buildkitd runs as a pod while the build does; no input of the image.
    pub cluster: Option<BuildCluster>,
    /// The image of that pod; upstream's by default.
    pub image: Option<String>,
    /// Whether that pod is not privileged, but runs as a user of its own without the usual confinement: for an
    /// image such as upstream's `rootless`.
    pub rootless: bool,
    /// Registries that are spoken to without TLS, for the image and for caches; in a pod for all.
    pub insecure_registry: Vec<String>,
    /// The Dockerfile, below the artifact's context; `Dockerfile` when absent.
    pub dockerfile: Option<String>,
    /// The stage to build; the last one when absent.
    pub target: Option<String>,
    /// The values of `ARG`s; one without a value has that of the environment's variable.
    pub build_args: BTreeMap<String, Option<String>>,
    /// Secrets for `RUN --mount=type=secret`.
    pub secrets: Vec<BuildSecret>,
    /// An agent for `RUN --mount=type=ssh`: `default`, or `id=/path/of/socket`.
    pub ssh: Option<String>,
    /// Whether every step is run.
    pub no_cache: bool,
    /// Whether bases are asked for in their registries even when buildkitd has them.
    pub pull: bool,
    /// The network of `RUN`: `none`, `host` (which the buildkitd must allow) or `sandbox`; the last one when
    /// absent.
    pub network: Option<String>,
    /// Hosts that `RUN` knows, each as `name:address`.
    pub add_host: Vec<String>,
    /// Caches that layers may be taken from: `type=registry,ref=…`, or a reference alone.
    pub cache_from: Vec<String>,
    /// Where layers are kept for later builds: `type=registry,ref=…,mode=min|max`, a reference alone, or
    /// `type=inline` for the image itself.
    pub cache_to: Vec<String>,
    /// Whether the whole context is sent and counts, and not only what the Dockerfile names: for a base
    /// with `ONBUILD` triggers that copy.
    pub whole_context: bool,
    /// Whether the Dockerfile may come from somebody who is not trusted: then a `# syntax=` line must
    /// pin its frontend by digest, since a frontend runs before anything of the file does.
    pub untrusted: bool,
}

/// Files for TLS, in PEM, each below the context's root or absolute.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct BuildkitTlsFiles {
    /// The authorities of buildkitd's certificate; those that the system trusts when absent.
    pub ca: Option<String>,
    /// Our certificate, with those that it was issued by.
    pub cert: Option<String>,
    /// The key of our certificate.
    pub key: Option<String>,
    /// The name in buildkitd's certificate; the address' own when absent.
    pub server_name: Option<String>,
}

impl BuildkitTlsFiles {
    /// Sets the file with the authorities.
    #[must_use]
    pub fn ca(mut self, file: impl Into<String>) -> Self {
        self.ca = Some(file.into());
        self
    }

    /// Sets the files with our certificate and its key.
    #[must_use]
    pub fn identity(mut self, cert: impl Into<String>, key: impl Into<String>) -> Self {
        (self.cert, self.key) = (Some(cert.into()), Some(key.into()));
        self
    }

    /// Sets the name in buildkitd's certificate.
    #[must_use]
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }
}

impl BuildkitConfig {
    /// Returns the usual options, for the buildkitd at this address.
    #[must_use]
    pub fn at(address: impl Into<String>) -> Self {
        Self { address: Some(address.into()), ..Self::default() }
    }

    /// Returns the usual options, for a buildkitd in a pod here.
    #[must_use]
    pub fn in_cluster(cluster: BuildCluster) -> Self {
        Self { cluster: Some(cluster), ..Self::default() }
    }

    /// Speaks TLS at the address.
    #[must_use]
    pub fn tls(mut self, files: BuildkitTlsFiles) -> Self {
        self.tls = Some(files);
        self
    }

    /// Sets the image of the pod.
    #[must_use]
    pub fn image(mut self, reference: impl Into<String>) -> Self {
        self.image = Some(reference.into());
        self
    }

    /// Speaks to a registry without TLS.
    #[must_use]
    pub fn insecure_registry(mut self, host: impl Into<String>) -> Self {
        self.insecure_registry.push(host.into());
        self
    }

    /// Sets the Dockerfile.
    #[must_use]
    pub fn dockerfile(mut self, path: impl Into<String>) -> Self {
        self.dockerfile = Some(path.into());
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

    /// Adds a secret.
    #[must_use]
    pub fn secret(mut self, secret: BuildSecret) -> Self {
        self.secrets.push(secret);
        self
    }

    /// Sets the agent.
    #[must_use]
    pub fn ssh(mut self, ssh: impl Into<String>) -> Self {
        self.ssh = Some(ssh.into());
        self
    }

    /// Adds a cache that layers may be taken from.
    #[must_use]
    pub fn cache_from(mut self, cache: impl Into<String>) -> Self {
        self.cache_from.push(cache.into());
        self
    }

    /// Adds a cache where layers are kept.
    #[must_use]
    pub fn cache_to(mut self, cache: impl Into<String>) -> Self {
        self.cache_to.push(cache.into());
        self
    }

    /// Sets whether the whole context is sent and counts.
    #[must_use]
    pub fn whole_context(mut self, whole: bool) -> Self {
        self.whole_context = whole;
        self
    }

    pub(super) fn check(&self) -> Result<()> {
        self.check_place()?;
        if self.dockerfile.as_deref() == Some("") {
            return Err(Error::config("`dockerfile` is empty").hint("leave it out to mean `Dockerfile`"));
        }
        match self.network.as_deref() {
            None | Some("none" | "host" | "sandbox") => {}
            Some(network) => {
                return Err(Error::config(format!("`network` is `{network}`"))
                    .hint("use `none`, `host` or `sandbox`; a buildkitd has no others"));
            }
        }
        for host in &self.add_host {
            let address = host.split_once(':').filter(|(name, _)| !name.is_empty() && !name.contains(','));
            if address.is_none_or(|(_, address)| address.parse::<IpAddr>().is_err()) {
                return Err(Error::config(format!("`addHost` has `{host}`"))
                    .hint("write `name:address`, with an address of IPv4 or IPv6"));
            }
        }
        for secret in &self.secrets {
            secret.check()?;
        }
        self.cache_from.iter().try_for_each(|one| cache::import(one).map(drop))?;
        self.cache_to.iter().try_for_each(|one| cache::export(one).map(drop))
    }

    fn check_place(&self) -> Result<()> {
        match (&self.address, &self.cluster) {
            (None, None) => {
                return Err(Error::config("builder `buildkit` has no buildkitd").hint(
                    "name the address of one with `address`, or the cluster for one in a pod with `cluster`",
                ));
            }
            (Some(_), Some(_)) => {
                return Err(Error::config("builder `buildkit` has both `address` and `cluster`")
                    .hint("give one of them"));
            }
            (Some(address), None) => {
                BuildkitAddress::new(address)?;
                let is_tcp = matches!(address.parse(), Ok(Endpoint::Tcp(_)));
                if self.tls.is_some() && !is_tcp {
                    return Err(Error::config(format!(
                        "`tls` is for `tcp://host:port`, not for `{address}`"
                    )));
                }
                if self.image.is_some() || self.rootless {
                    return Err(Error::config(
                        "`image` and `rootless` are for a pod, and there is an `address`",
                    )
                    .hint("leave them out, or name a `cluster`"));
                }
            }
            (None, Some(cluster)) => {
                if self.tls.is_some() {
                    return Err(Error::config("`tls` is for an `address`, and there is a `cluster`")
                        .note("a pod is reached through the cluster's own API")
                        .hint("leave it out"));
                }
                if cluster.docker_config_secret.is_some() {
                    return Err(Error::config(
                        "builder `buildkit` has no use for `cluster.dockerConfigSecret`",
                    )
                    .note("a buildkitd asks whoever builds for logins")
                    .hint("leave it out, and hand the logins to the world"));
                }
                cluster.check("buildkit")?;
                if cfg!(not(feature = "kubernetes")) {
                    return Err(Error::unsupported("a buildkitd in a pod needs the feature `kubernetes`")
                        .hint("build this program with it, or name an `address`"));
                }
            }
        }
        match &self.tls {
            Some(tls) if tls.cert.is_some() != tls.key.is_some() => {
                Err(Error::config("`tls` has only one of `cert` and `key`").hint("give both, or none"))
            }
            _ => Ok(()),
        }
    }
}

impl PluginConfig for BuildkitConfig {
    const KIND: &'static str = "buildkit";

    type Plugin = Buildkit;

    fn into_plugin(self, _catalog: &Catalog) -> Result<Buildkit> {
        Buildkit::new(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<BuildkitConfig> {
        let config: BuildkitConfig =
            serde_json::from_str(text).map_err(|error| Error::config(error.to_string()))?;
        config.check().map(|()| config)
    }

    #[test]
    fn options_are_in_the_words_of_skaffold_and_buildx() {
        let config = read(
            r#"{"address": "tcp://b.example:1234", "tls": {"ca": "ca.pem", "cert": "c.pem", "key": "k.pem",
                "serverName": "b"}, "dockerfile": "build/Dockerfile", "target": "run",
                "buildArgs": {"A": "1", "B": null}, "secrets": [{"id": "a", "src": "f"}, {"id": "b", "env": "E"}],
                "ssh": "default", "noCache": true, "pull": true, "network": "none", "addHost": ["a:1.2.3.4", "b:::1"],
                "cacheFrom": ["r.example/c"], "cacheTo": ["type=inline"], "insecureRegistry": ["r.example:5000"],
                "wholeContext": true, "untrusted": true}"#,
        )
        .unwrap();
        assert_eq!(
            serde_json::from_value::<BuildkitConfig>(serde_json::to_value(&config).unwrap()).unwrap(),
            config
        );
    }

    #[cfg(feature = "kubernetes")]
    #[test]
    fn a_pod_is_described_as_kanikos_is() {
        let config = read(
            r#"{"cluster": {"context": "staging", "namespace": "builds", "tolerations": [{"operator": "Exists"}],
                "nodeSelector": {"pool": "builds"}, "resources": {"limits": {"cpu": "2"}}, "imagePullSecret": "pull"},
                "image": "r.example/buildkit:1", "rootless": true}"#,
        );
        config.unwrap();
    }

    #[test]
    fn what_cannot_be_is_refused_with_a_way_out() {
        for (text, says) in [
            ("{}", "`address`"),
            (r#"{"address": "unix:///a", "cluster": {"context": "c"}}"#, "both"),
            (r#"{"address": "b.example"}"#, "unix:///run/buildkit"),
            (r#"{"address": "unix:///a", "tls": {}}"#, "tcp://"),
            (r#"{"address": "tcp://a:1", "tls": {"cert": "c"}}"#, "only one"),
            (r#"{"address": "tcp://a:1", "image": "x"}"#, "for a pod"),
            (r#"{"cluster": {"context": "c"}, "tls": {}}"#, "cluster"),
            (r#"{"cluster": {"context": "c", "dockerConfigSecret": "s"}}"#, "logins"),
            (r#"{"cluster": {"context": ""}}"#, "`buildkit`"),
            (r#"{"address": "tcp://a:1", "network": "bridge"}"#, "sandbox"),
            (r#"{"address": "tcp://a:1", "addHost": ["a=1.2.3.4"]}"#, "name:address"),
            (r#"{"address": "tcp://a:1", "addHost": ["a:b"]}"#, "name:address"),
            (r#"{"address": "tcp://a:1", "secrets": [{"id": "a", "src": "f", "env": "E"}]}"#, "both"),
            (r#"{"address": "tcp://a:1", "cacheTo": ["type=s3"]}"#, "`s3`"),
            (r#"{"address": "tcp://a:1", "cacheFrom": ["type=s3"]}"#, "`s3`"),
            (r#"{"address": "tcp://a:1", "dockerfile": ""}"#, "`Dockerfile`"),
            (r#"{"address": "tcp://a:1", "dockerFile": "x"}"#, "dockerFile"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.report().to_string().contains(says), "{text}: {error:?}");
        }
    }
}
