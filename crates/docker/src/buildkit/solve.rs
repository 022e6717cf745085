//! A build by buildkitd, as what it is asked for.

use std::collections::BTreeMap;

use serde_json::json;
use shipway_core::Platform;

use super::messages::{CacheOptions, SolveRequest, Typed};
use crate::SessionOffer;

/// A build of a Dockerfile by a buildkitd, and where its image goes.
///
/// [`SessionOffer::folders`] must have the folder `context`, and the folder `dockerfile` with the Dockerfile.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct SolveSpec {
    /// The path of the Dockerfile in its folder.
    pub dockerfile: String,
    /// The stage to build; the last one when absent.
    pub target: Option<String>,
    /// The values of `ARG`s.
    pub args: BTreeMap<String, String>,
    /// Whether every step is run.
    pub no_cache: bool,
    /// Whether bases are asked for in their registries even when buildkitd has them.
    pub pull: bool,
    /// The network of `RUN`: `none`, `host` or `sandbox`.
    pub network: Option<String>,
    /// Hosts that `RUN` knows, each as `name:address`.
    pub hosts: Vec<String>,
    /// The platform; buildkitd's own when absent.
    pub platform: Option<Platform>,
    /// References of caches that layers may be taken from.
    pub cache_from: Vec<String>,
    /// Where layers are kept for later builds.
    pub cache_to: Vec<CacheExport>,
    /// The reference that the image is pushed to.
    pub name: String,
    /// Registries that are spoken to without TLS, by host.
    pub insecure: Vec<String>,
    /// What the build may ask for.
    pub offer: SessionOffer,
    /// By what buildkitd knows the files of an earlier build again: the same for the same sources.
    pub shared_key: String,
}

/// Where layers are kept for later builds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CacheExport {
    /// Beside the image, in a registry.
    Registry {
        /// The reference.
        reference: String,
        /// Which layers.
        mode: CacheMode,
    },
    /// In the image itself.
    Inline,
}

/// Which layers are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum CacheMode {
    /// Those of the image.
    #[default]
    Min,
    /// Those of every step.
    Max,
}

impl SolveSpec {
    /// Returns the build of this Dockerfile to this reference.
    pub fn new(dockerfile: impl Into<String>, name: impl Into<String>) -> Self {
        Self { dockerfile: dockerfile.into(), name: name.into(), ..Self::default() }
    }

    /// Returns what is asked for, as the build of this id with this session.
    pub(super) fn request(&self, id: &str, session: &str) -> SolveRequest {
        let kind = "image".to_owned();
        let mut image = attributes([("name", self.name.as_str()), ("push", "true")]);
        self.reach(&mut image, &self.name);
        let imports: Vec<Typed> = self.cache_from.iter().map(|one| self.registry_cache(one)).collect();
        let exports = self.cache_to.iter().map(|export| match export {
            CacheExport::Inline => Typed { kind: "inline".to_owned(), attributes: BTreeMap::new() },
            CacheExport::Registry { reference, mode } => {
                let mut cache = self.registry_cache(reference);
                let mode = if *mode == CacheMode::Max { "max" } else { "min" };
                cache.attributes.insert("mode".to_owned(), mode.to_owned());
                cache
            }
        });
        let exports = exports.collect();
        let host = self.network.as_deref() == Some("host");
        SolveRequest {
            reference: id.to_owned(),
            exporter: kind.clone(),
            exporter_attributes: image.clone(),
            session: session.to_owned(),
            frontend: "dockerfile.v0".to_owned(),
            frontend_attributes: self.frontend(&imports),
            cache: Some(CacheOptions { exports, imports }),
            // Who is not asked for it refuses it, also where the daemon allows it.
            entitlements: if host { vec!["network.host".to_owned()] } else { Vec::new() },
            exporters: vec![Typed { kind, attributes: image }],
        }
    }

    /// Returns the frontend's words (frontend/dockerui, config.go and context.go).
    fn frontend(&self, imports: &[Typed]) -> BTreeMap<String, String> {
        let mut words = attributes([("filename", self.dockerfile.as_str())]);
        let mut add = |name: &str, value: String| words.insert(name.to_owned(), value);
        for (name, value) in &self.args {
            add(&format!("build-arg:{name}"), value.clone());
        }
        if let Some(target) = &self.target {
            add("target", target.clone());
        }
        if self.no_cache {
            // No stage is named: none is taken.
            add("no-cache", String::new());
        }
        if self.pull {
            add("image-resolve-mode", "pull".to_owned());
        }
        if let Some(network) = &self.network {
            add("force-network-mode", network.clone());
        }
        if !self.hosts.is_empty() {
            let host = |host: &String| host.replacen(':', "=", 1);
            add("add-hosts", self.hosts.iter().map(host).collect::<Vec<_>>().join(","));
        }
        if let Some(platform) = &self.platform {
            add("platform", platform.to_string());
        }
        if !imports.is_empty() {
            let entry = |one: &Typed| json!({"Type": one.kind, "Attrs": one.attributes});
            add("cache-imports", json!(imports.iter().map(entry).collect::<Vec<_>>()).to_string());
        }
        words
    }

    fn registry_cache(&self, reference: &str) -> Typed {
        let mut attributes = attributes([("ref", reference)]);
        self.reach(&mut attributes, reference);
        Typed { kind: "registry".to_owned(), attributes }
    }

    /// Says how the registry of a reference is spoken to.
    fn reach(&self, attributes: &mut BTreeMap<String, String>, reference: &str) {
        let host = reference.parse::<shipway_oci::Reference>().map(|reference| reference.host);
        if host.is_ok_and(|host| self.insecure.contains(&host)) {
            attributes.insert("registry.insecure".to_owned(), "true".to_owned());
        }
    }
}

fn attributes<const COUNT: usize>(pairs: [(&str, &str); COUNT]) -> BTreeMap<String, String> {
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

#[cfg(test)]
mod tests {
    use shipway_core::Secret;

    use super::*;

    #[test]
    fn a_small_build_says_little() {
        let request = SolveSpec::new("Dockerfile", "r.example/web:1").request("id", "session");
        assert_eq!(request.frontend_attributes, attributes([("filename", "Dockerfile")]));
        let image = attributes([("name", "r.example/web:1"), ("push", "true")]);
        assert_eq!(request.exporters, [Typed { kind: "image".to_owned(), attributes: image.clone() }]);
        assert_eq!((request.exporter.as_str(), request.exporter_attributes), ("image", image));
        assert_eq!(request.cache, Some(CacheOptions::default()));
        assert!(request.entitlements.is_empty());
    }

    #[test]
    fn every_option_is_its_word_and_nothing_that_is_offered_is_among_them() {
        let mut spec = SolveSpec::new("build/Dockerfile", "r.example:5000/web:1");
        spec.target = Some("run".to_owned());
        spec.args = attributes([("A", "1"), ("B", "x=y")]);
        (spec.no_cache, spec.pull) = (true, true);
        spec.network = Some("host".to_owned());
        spec.hosts = vec!["a:1.2.3.4".to_owned(), "b:::1".to_owned()];
        spec.platform = Some(Platform::new("linux", "arm64"));
        spec.insecure = vec!["r.example:5000".to_owned()];
        spec.cache_from = vec!["r.example:5000/cache".to_owned(), "s.example/cache:1".to_owned()];
        spec.cache_to = vec![
            CacheExport::Registry { reference: "r.example:5000/cache".to_owned(), mode: CacheMode::Max },
            CacheExport::Inline,
        ];
        spec.offer.secrets.insert("key".to_owned(), Secret::from("canary"));
        let request = spec.request("id", "session");
        assert!(!format!("{request:?}{spec:?}").contains("canary"));
        let words: Vec<String> =
            request.frontend_attributes.iter().map(|(name, value)| format!("{name}={value}")).collect();
        insta::assert_snapshot!(words.join("\n"), @r#"
        add-hosts=a=1.2.3.4,b=::1
        build-arg:A=1
        build-arg:B=x=y
        cache-imports=[{"Attrs":{"ref":"r.example:5000/cache","registry.insecure":"true"},"Type":"registry"},{"Attrs":{"ref":"s.example/cache:1"},"Type":"registry"}]
        filename=build/Dockerfile
        force-network-mode=host
        image-resolve-mode=pull
        no-cache=
        platform=linux/arm64
        target=run
        "#);
        assert_eq!(request.entitlements, ["network.host"]);
        assert_eq!(request.exporters[0].attributes["registry.insecure"], "true");
        let cache = request.cache.unwrap();
        let modes: Vec<_> = cache.exports.iter().map(|one| one.attributes.get("mode").cloned()).collect();
        assert_eq!(modes, [Some("max".to_owned()), None]);
        assert_eq!(cache.imports[1].attributes, attributes([("ref", "s.example/cache:1")]));
    }
}
