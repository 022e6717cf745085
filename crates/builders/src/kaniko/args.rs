//! The executor's command line.

use std::collections::BTreeMap;

use serde_json::Value;
use shipway_core::{Error, Platform, Result};

use super::KanikoConfig;

/// Where the context lies in the pod: below the folder that the executor leaves out of every layer.
pub(super) const CONTEXT: &str = "/kaniko/buildcontext";

/// What a build's command line says besides the options.
#[derive(Debug)]
pub(super) struct Build<'a> {
    /// The Dockerfile's path below the context.
    pub(super) dockerfile: &'a str,
    /// The values of `ARG`s, with those of required images.
    pub(super) args: &'a BTreeMap<String, String>,
    pub(super) destination: &'a str,
    pub(super) platform: Option<&'a Platform>,
}

/// Flags that have an option of their own, or that are ours to set.
const OWN: &[(&str, &str)] = &[
    ("build-arg", "use the option `buildArgs`"),
    ("cache", "use the option `cache`"),
    ("cache-copy-layers", "use the option `cache.cacheCopyLayers`"),
    ("cache-repo", "use the option `cache.repo`"),
    ("cache-run-layers", "use the option `cache.cacheRunLayers`"),
    ("cache-ttl", "use the option `cache.ttl`"),
    ("compression", "use the option `compression`"),
    ("context", "the context is the artifact's"),
    ("custom-platform", "ask for it in the artifact's `platforms`"),
    ("destination", "use the option `destination`; the first one is the artifact's"),
    ("digest-file", "it is where the image's digest is read"),
    ("dockerfile", "use the option `dockerfile`"),
    ("label", "use the option `label`"),
    ("no-push", "the image is in a registry or nowhere: the pod goes after the build"),
    ("oci-layout-path", "the pod goes after the build, with all that is in it"),
    ("tar-path", "the pod goes after the build, with all that is in it"),
    ("target", "use the option `target`"),
];

/// Returns the arguments of a build.
pub(super) fn args(options: &KanikoConfig, build: &Build<'_>) -> Result<Vec<String>> {
    let mut args = vec![
        format!("--context=dir://{CONTEXT}/context"),
        format!("--dockerfile={CONTEXT}/context/{}", build.dockerfile),
        format!("--destination={}", build.destination),
        // A pod has one stream of output, and this is the other way out of it.
        "--digest-file=/dev/termination-log".to_owned(),
        "--log-format=text".to_owned(),
    ];
    let mut add = |name: &str, value: &str| args.push(format!("--{name}={value}"));
    options.destination.iter().for_each(|one| add("destination", one));
    build.args.iter().for_each(|(name, value)| add("build-arg", &format!("{name}={value}")));
    options.label.iter().for_each(|(name, value)| add("label", &format!("{name}={value}")));
    if let Some(cache) = &options.cache {
        add("cache", "true");
        cache.repo.iter().for_each(|repository| add("cache-repo", repository));
        cache.ttl.iter().for_each(|time| add("cache-ttl", time));
        if cache.cache_copy_layers {
            add("cache-copy-layers", "true");
        }
        cache.cache_run_layers.iter().for_each(|kept| add("cache-run-layers", &kept.to_string()));
    }
    for (name, values) in [
        ("insecure-registry", &options.insecure_registry),
        ("skip-tls-verify-registry", &options.skip_tls_verify_registry),
        ("registry-mirror", &options.registry_mirror),
        ("ignore-path", &options.ignore_path),
    ] {
        values.iter().for_each(|value| add(name, value));
    }
    for (host, path) in &options.registry_certificate {
        add("registry-certificate", &format!("{host}={path}"));
    }
    for (name, set) in [
        ("reproducible", options.reproducible),
        ("single-snapshot", options.single_snapshot),
        ("use-new-run", options.use_new_run),
        ("skip-unused-stages", options.skip_unused_stages),
    ] {
        if set {
            add(name, "true");
        }
    }
    for (name, value) in [
        ("target", &options.target),
        ("snapshot-mode", &options.snapshot_mode),
        ("compression", &options.compression),
        ("verbosity", &options.verbosity),
    ] {
        value.iter().for_each(|value| add(name, value));
    }
    for (name, value) in [
        ("push-retry", options.push_retry),
        ("image-download-retry", options.image_download_retry),
        ("image-fs-extract-retry", options.image_fs_extract_retry),
    ] {
        value.iter().for_each(|value| add(name, &value.to_string()));
    }
    build.platform.iter().for_each(|platform| add("custom-platform", &platform.to_string()));
    for (name, value) in &options.flags {
        args.extend(flag(name, value)?);
    }
    Ok(args)
}

/// Returns the arguments that a flag of the pass-through map stands for.
pub(super) fn flag(name: &str, value: &Value) -> Result<Vec<String>> {
    if let Some((_, hint)) = OWN.iter().find(|(own, _)| *own == name) {
        return Err(Error::config(format!("`flags` has `{name}`")).hint(*hint));
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if name.is_empty() || name.starts_with('-') || !name.chars().all(plain) {
        return Err(Error::config(format!("`flags` has `{name}`, which is no name of a flag"))
            .hint("write it without its `--`, and its value beside it"));
    }
    let one = |value: &Value| match value {
        Value::String(text) => Ok(format!("--{name}={text}")),
        Value::Bool(_) | Value::Number(_) => Ok(format!("--{name}={value}")),
        _ => Err(Error::config(format!("`flags` has `{name}` with a value that is none of a flag"))
            .hint("write a text, a number, `true`, `false` or a list of these")),
    };
    match value {
        Value::Array(values) => values.iter().map(one).collect(),
        value => one(value).map(|one| vec![one]),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use shipway_core::PluginConfig;

    use super::*;

    fn options(text: Value) -> KanikoConfig {
        serde_json::from_value(text).expect("options")
    }

    #[test]
    fn every_option_is_its_flag() {
        let options = options(json!({
            "cluster": {"context": "staging"}, "target": "run", "label": {"a": "b"},
            "cache": {"repo": "r.example/cache", "ttl": "6h", "cacheCopyLayers": true, "cacheRunLayers": false},
            "destination": ["r.example/web:latest"], "insecureRegistry": ["r.example:5000"],
            "skipTLSVerifyRegistry": ["s.example"], "registryMirror": ["m.example"],
            "registryCertificate": {"c.example": "/certs/ca.pem"}, "reproducible": true, "singleSnapshot": true,
            "snapshotMode": "redo", "useNewRun": true, "skipUnusedStages": true, "compression": "zstd",
            "ignorePath": ["/var/x"], "pushRetry": 3, "imageDownloadRetry": 2, "imageFSExtractRetry": 1,
            "verbosity": "warn",
            "flags": {"force": true, "git": ["a", "b"], "compression-level": 3, "registry-map": "a=b;c=d"},
        }));
        let values = BTreeMap::from([("BASE".to_owned(), "r.example/base@sha256:0".to_owned())]);
        let platform = Platform::new("linux", "arm64");
        let build = Build {
            dockerfile: "build/Dockerfile",
            args: &values,
            destination: "r.example/web:shipway-1",
            platform: Some(&platform),
        };
        insta::assert_snapshot!(args(&options, &build).expect("arguments").join("\n"), @r#"
        --context=dir:///kaniko/buildcontext/context
        --dockerfile=/kaniko/buildcontext/context/build/Dockerfile
        --destination=r.example/web:shipway-1
        --digest-file=/dev/termination-log
        --log-format=text
        --destination=r.example/web:latest
        --build-arg=BASE=r.example/base@sha256:0
        --label=a=b
        --cache=true
        --cache-repo=r.example/cache
        --cache-ttl=6h
        --cache-copy-layers=true
        --cache-run-layers=false
        --insecure-registry=r.example:5000
        --skip-tls-verify-registry=s.example
        --registry-mirror=m.example
        --ignore-path=/var/x
        --registry-certificate=c.example=/certs/ca.pem
        --reproducible=true
        --single-snapshot=true
        --use-new-run=true
        --skip-unused-stages=true
        --target=run
        --snapshot-mode=redo
        --compression=zstd
        --verbosity=warn
        --push-retry=3
        --image-download-retry=2
        --image-fs-extract-retry=1
        --custom-platform=linux/arm64
        --compression-level=3
        --force=true
        --git=a
        --git=b
        --registry-map=a=b;c=d
        "#);
    }

    #[test]
    fn what_is_not_a_flag_or_has_an_option_is_refused() {
        for (name, value, says) in [
            ("destination", json!("x"), "`destination`"),
            ("digest-file", json!("/x"), "digest"),
            ("no-push", json!(true), "registry"),
            ("--force", json!(true), "without its `--`"),
            ("a=b", json!("c"), "no name"),
            ("force", json!({"a": 1}), "none of a flag"),
            ("force", json!([["a"]]), "none of a flag"),
        ] {
            let config = KanikoConfig::new(crate::BuildCluster::new("staging")).flag(name, value);
            let error = config.into_plugin(&shipway_core::Catalog::new()).expect_err(name);
            assert!(error.report().to_string().contains(says), "{name}: {error:?}");
        }
    }
}
