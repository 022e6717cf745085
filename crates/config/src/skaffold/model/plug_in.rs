//! The forms that Skaffold says of what is handed over to plug-ins, field for field as it writes them.
//!
//! Typed here, a text stays as it is written: as JSON `1.10` would be a number.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

macro_rules! handed_over {
    ($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        pub(in crate::skaffold) struct $name {
            $(
                $(#[$field_meta])*
                #[serde(default, skip_serializing_if = "is_default")]
                pub(in crate::skaffold) $field: $type,
            )*
        }
    };
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

handed_over! {
    /// `docker` of an artifact.
    #[derive(Default)]
    Docker {
        dockerfile: Option<String>,
        target: Option<String>,
        build_args: BTreeMap<String, Option<String>>,
        cache_from: Vec<String>,
        no_cache: bool,
        pull_parent: bool,
        network: Option<String>,
        add_host: Vec<String>,
        squash: bool,
        secrets: Vec<Secret>,
        ssh: Option<String>,
        cli_flags: Vec<String>,
    }
}
handed_over! {
    Secret { id: String, src: Option<String>, env: Option<String>, }
}
handed_over! {
    /// `custom` of an artifact.
    Custom { build_command: String, dependencies: Option<Dependencies>, }
}
handed_over! {
    Dependencies {
        paths: Vec<String>,
        ignore: Vec<String>,
        command: Option<String>,
        dockerfile: Option<Dockerfile>,
    }
}
handed_over! {
    Dockerfile { path: String, build_args: BTreeMap<String, Option<String>>, }
}
handed_over! {
    /// One of `custom` of a test.
    CustomTest { command: String, timeout_seconds: u64, dependencies: Option<TestDependencies>, }
}
handed_over! {
    TestDependencies { paths: Vec<String>, ignore: Vec<String>, command: Option<String>, }
}
handed_over! {
    GitCommit { variant: Option<String>, prefix: Option<String>, ignore_changes: bool, }
}
handed_over! {
    Nothing {}
}
handed_over! {
    DateTime { format: Option<String>, timezone: Option<String>, }
}
handed_over! {
    EnvTemplate { template: String, }
}
handed_over! {
    CustomTemplate { template: String, components: Vec<Component>, }
}
handed_over! {
    Component {
        name: String,
        git_commit: Option<GitCommit>,
        sha256: Option<Nothing>,
        env_template: Option<EnvTemplate>,
        date_time: Option<DateTime>,
        custom_template: Option<serde_json::Value>,
        input_digest: Option<Nothing>,
    }
}
handed_over! {
    /// `deploy.kubectl`.
    #[derive(Default)]
    Kubectl {
        flags: Option<KubectlFlags>,
        default_namespace: Option<String>,
        remote_manifests: Vec<String>,
    }
}
handed_over! {
    KubectlFlags { global: Vec<String>, apply: Vec<String>, delete: Vec<String>, disable_validation: bool, }
}
handed_over! {
    /// `manifests`, for a deployer to render.
    Manifests {
        raw_yaml: Vec<String>,
        kustomize: Option<Kustomize>,
        helm: Option<RenderedHelm>,
        kpt: Vec<String>,
        remote_manifests: Vec<RemoteManifest>,
        hooks: Option<RenderHooks>,
        transform: Vec<Function>,
        validate: Vec<Function>,
        output: Option<String>,
    }
}
handed_over! {
    RenderHooks { before: Vec<RenderHook>, after: Vec<RenderHook>, }
}
handed_over! {
    RenderHook { host: Option<RenderHostHook>, }
}
handed_over! {
    RenderHostHook { command: Vec<String>, os: Vec<String>, dir: Option<String>, with_change: bool, }
}
handed_over! {
    /// A function over the manifests, and what it is told (`name=value`).
    Function { name: String, config_map: Vec<String>, }
}
handed_over! {
    /// Charts that are rendered, and applied as manifests are.
    RenderedHelm { flags: Option<HelmFlags>, releases: Vec<HelmRelease>, }
}
handed_over! {
    #[derive(Default)]
    HelmFlags {
        global: Vec<String>,
        install: Vec<String>,
        upgrade: Vec<String>,
        template: Vec<String>,
        dep_build: Vec<String>,
    }
}
handed_over! {
    /// One release of a chart.
    #[derive(Default)]
    HelmRelease {
        name: String,
        chart_path: Option<String>,
        remote_chart: Option<String>,
        values_files: Vec<String>,
        namespace: Option<String>,
        version: Option<String>,
        set_values: serde_json::Map<String, serde_json::Value>,
        set_value_templates: serde_json::Map<String, serde_json::Value>,
        set_files: BTreeMap<String, String>,
        create_namespace: Option<bool>,
        wait: bool,
        recreate_pods: bool,
        skip_build_dependencies: bool,
        skip_tests: bool,
        use_helm_secrets: bool,
        repo: Option<String>,
        upgrade_on_change: Option<bool>,
        overrides: serde_json::Map<String, serde_json::Value>,
        packaged: Option<HelmPackaged>,
        depends_on: Vec<String>,
    }
}
handed_over! {
    HelmPackaged { version: Option<String>, app_version: Option<String>, }
}
handed_over! {
    Kustomize { paths: Vec<String>, build_args: Vec<String>, }
}
handed_over! {
    RemoteManifest { manifest: String, kube_context: Option<String>, }
}
