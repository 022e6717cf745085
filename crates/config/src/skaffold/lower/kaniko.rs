//! What is built in a cluster: `build.cluster` with `kaniko` of an artifact, as the builder `kaniko` reads them.

use serde_json::{Map, Value, json};
use shipway_core::{Error, Part, Result};
use shipway_template::whole_seconds;
use shipway_yaml::Document;

use super::Lower;
use crate::{Notice, skaffold::model::Choice};

/// What becomes of a field.
#[derive(Clone, Copy)]
enum To {
    /// The option of that name.
    Option(&'static str),
    /// That option, a number that Skaffold has as a text.
    Number(&'static str),
    /// That option, a list of the one.
    List(&'static str),
    /// A flag of the executor that has no option.
    Flag(&'static str),
    /// The option of that name of the cluster.
    Cluster(&'static str),
    /// Nothing, for this reason.
    Nothing(&'static str),
}

const DIGEST: &str = "the digest is taken from the executor as it ends";
const CONTEXT: &str = "the context goes over one connection, as fast as the cluster takes it";
const LOGINS: &str = "a pod gets the logins that the world has for the registries it needs";

/// The fields of `kaniko` (GoogleContainerTools/skaffold, `build/kaniko/args.go`).
const KANIKO: [(&str, To); 38] = [
    ("dockerfile", To::Option("dockerfile")),
    ("target", To::Option("target")),
    ("image", To::Option("image")),
    ("initImage", To::Option("initImage")),
    ("buildArgs", To::Option("buildArgs")),
    ("label", To::Option("label")),
    ("destination", To::Option("destination")),
    ("insecureRegistry", To::Option("insecureRegistry")),
    ("skipTLSVerifyRegistry", To::Option("skipTLSVerifyRegistry")),
    ("registryCertificate", To::Option("registryCertificate")),
    ("reproducible", To::Option("reproducible")),
    ("singleSnapshot", To::Option("singleSnapshot")),
    ("snapshotMode", To::Option("snapshotMode")),
    ("useNewRun", To::Option("useNewRun")),
    ("skipUnusedStages", To::Option("skipUnusedStages")),
    ("ignorePaths", To::Option("ignorePath")),
    ("verbosity", To::Option("verbosity")),
    ("registryMirror", To::List("registryMirror")),
    ("pushRetry", To::Number("pushRetry")),
    ("imageFSExtractRetry", To::Number("imageFSExtractRetry")),
    ("cleanup", To::Flag("cleanup")),
    ("force", To::Flag("force")),
    ("insecure", To::Flag("insecure")),
    ("insecurePull", To::Flag("insecure-pull")),
    ("logFormat", To::Flag("log-format")),
    ("logTimestamp", To::Flag("log-timestamp")),
    ("skipTLS", To::Flag("skip-tls-verify")),
    ("skipTLSVerifyPull", To::Flag("skip-tls-verify-pull")),
    ("whitelistVarRun", To::Flag("whitelist-var-run")),
    ("ociLayoutPath", To::Flag("oci-layout-path")),
    ("tarPath", To::Flag("tar-path")),
    ("imagePullSecret", To::Cluster("imagePullSecret")),
    ("volumeMounts", To::Cluster("volumeMounts")),
    ("digestFile", To::Nothing(DIGEST)),
    ("imageNameWithDigestFile", To::Nothing(DIGEST)),
    ("copyMaxRetries", To::Nothing(CONTEXT)),
    ("copyTimeout", To::Nothing(CONTEXT)),
    ("buildContextCompressionLevel", To::Nothing(CONTEXT)),
];

/// The fields of `build.cluster`.
const CLUSTER: [(&str, To); 14] = [
    ("namespace", To::Cluster("namespace")),
    ("serviceAccount", To::Cluster("serviceAccount")),
    ("tolerations", To::Cluster("tolerations")),
    ("nodeSelector", To::Cluster("nodeSelector")),
    ("annotations", To::Cluster("annotations")),
    ("labels", To::Cluster("labels")),
    ("volumes", To::Cluster("volumes")),
    ("runAsUser", To::Cluster("runAsUser")),
    ("concurrency", To::Cluster("concurrency")),
    ("pullSecretPath", To::Nothing(LOGINS)),
    ("pullSecretName", To::Nothing(LOGINS)),
    ("pullSecretMountPath", To::Nothing(LOGINS)),
    ("randomPullSecret", To::Nothing(LOGINS)),
    ("randomDockerConfigSecret", To::Nothing(LOGINS)),
];

impl Lower<'_> {
    /// Returns the builder of an artifact in a cluster; without `kaniko` it has that one's defaults.
    pub(super) fn in_cluster(
        &mut self,
        kaniko: Option<&Choice>,
        cluster: &Choice,
        context: Option<&str>,
        document: &Document,
    ) -> Result<Part> {
        let at = |error: Error| error.at(document.location(cluster.span));
        let context = self.options.kube_context.as_deref().or(context).ok_or_else(|| {
            at(Error::config("`build.cluster` builds in a cluster, and none is named"))
                .hint("name it with `--kube-context`, or in `deploy.kubeContext`")
        })?;
        let mut made = Made::default();
        made.cluster.insert("context".to_owned(), context.into());
        let mut place = cluster.options(document)?;
        if let Some(timeout) = place.remove("timeout") {
            let read = timeout.as_str().and_then(whole_seconds);
            let seconds = read.filter(|seconds| *seconds > 0).ok_or_else(|| {
                at(Error::config(format!("`timeout` is {timeout}, which is no time"))
                    .hint("write it as `20m`"))
            })?;
            made.cluster.insert("timeoutSeconds".to_owned(), seconds.into());
        }
        if let Some(resources) = place.remove("resources") {
            made.cluster.insert("resources".to_owned(), quantities(&resources));
        }
        if let Some(secret) = place.remove("dockerConfig").and_then(|config| secret_alone(&config)) {
            made.cluster.insert("dockerConfigSecret".to_owned(), secret);
        }
        let mut env = Map::new();
        for proxy in ["HTTP_PROXY", "HTTPS_PROXY"] {
            env.extend(place.remove(proxy).map(|value| (proxy.to_owned(), value)));
        }
        made.take(place, &CLUSTER, "build.cluster").map_err(at)?;
        self.say(&mut made, cluster, document);
        if let Some(choice) = kaniko {
            let at = |error: Error| error.at(document.location(choice.span));
            let mut options = choice.options(document)?;
            env.extend(variables(options.remove("env")).map_err(at)?);
            if let Some(cache) = options.remove("cache") {
                made.options.insert("cache".to_owned(), layers(cache).map_err(at)?);
            }
            made.take(options, &KANIKO, "kaniko").map_err(at)?;
            self.say(&mut made, choice, document);
        }
        if !env.is_empty() {
            made.options.insert("env".to_owned(), env.into());
        }
        Ok(made.into_part())
    }

    /// Says once what has no effect.
    fn say(&mut self, made: &mut Made, choice: &Choice, document: &Document) {
        let location = document.location(choice.span);
        for message in made.nothing.drain(..) {
            let notice = Notice::new(location.clone(), message);
            if !self.notices.contains(&notice) {
                self.notices.push(notice);
            }
        }
    }
}

/// The options of the builder, as they are made.
#[derive(Default)]
struct Made {
    options: Map<String, Value>,
    cluster: Map<String, Value>,
    flags: Map<String, Value>,
    /// What is said about fields that have no effect.
    nothing: Vec<String>,
}

impl Made {
    fn take(&mut self, from: Map<String, Value>, table: &[(&str, To)], of: &str) -> Result<()> {
        for (field, value) in from {
            let to = table.iter().find(|(name, _)| *name == field).map(|(_, to)| *to);
            let (into, name, value) = match to {
                Some(To::Option(name)) => (&mut self.options, name, value),
                Some(To::List(name)) => (&mut self.options, name, json!([value])),
                Some(To::Number(name)) => {
                    let number = value.as_str().and_then(|text| text.parse::<u32>().ok());
                    let number = number.ok_or_else(|| {
                        Error::config(format!("`{of}.{field}` is {value}, which is no number"))
                    })?;
                    (&mut self.options, name, number.into())
                }
                Some(To::Flag(name)) => (&mut self.flags, name, value),
                Some(To::Cluster(name)) => (&mut self.cluster, name, value),
                Some(To::Nothing(why)) => {
                    self.nothing.push(format!("`{of}.{field}` has no effect: {why}"));
                    continue;
                }
                None => return Err(Error::unsupported(format!("`{of}.{field}` is not supported yet"))),
            };
            into.insert(name.to_owned(), value);
        }
        Ok(())
    }

    fn into_part(mut self) -> Part {
        self.options.insert("cluster".to_owned(), self.cluster.into());
        if !self.flags.is_empty() {
            self.options.insert("flags".to_owned(), self.flags.into());
        }
        Part::new("kaniko").options(self.options)
    }
}

/// Returns the variables of a container as a mapping.
fn variables(env: Option<Value>) -> Result<Map<String, Value>> {
    let list = env.as_ref().and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let one = |variable: &Value| {
        let name = variable["name"].as_str().unwrap_or_default().to_owned();
        match &variable["value"] {
            Value::String(_) | Value::Null if variable.get("valueFrom").is_none() => {
                Ok((name, variable["value"].as_str().unwrap_or_default().into()))
            }
            Value::Bool(_) | Value::Number(_) => Ok((name, variable["value"].to_string().into())),
            _ => Err(Error::unsupported(format!(
                "`kaniko.env` takes `{name}` from elsewhere, which is not supported yet"
            ))
            .hint("write its value, or take it out")),
        }
    };
    list.iter().map(one).collect()
}

/// Returns where layers are kept.
fn layers(cache: Value) -> Result<Value> {
    match cache.get("hostPath") {
        None => Ok(cache),
        Some(_) => Err(Error::unsupported("`kaniko.cache.hostPath` is not supported yet")
            .hint("keep the layers in a repository: `kaniko.cache.repo`")),
    }
}

/// Returns the name of a secret that is there already; one that would be made of a file is not needed.
fn secret_alone(config: &Value) -> Option<Value> {
    config.get("path").is_none().then(|| config.get("secretName").cloned()).flatten()
}

/// Returns resources in Kubernetes' names.
fn quantities(resources: &Value) -> Value {
    let named = |name: &str| match name {
        "ephemeralStorage" => "ephemeral-storage".to_owned(),
        "resourceStorage" => "storage".to_owned(),
        name => name.to_owned(),
    };
    let renamed = |of: &Value| -> Value {
        let of = of.as_object().into_iter().flatten();
        of.map(|(name, quantity)| (named(name), quantity.clone())).collect::<Map<_, _>>().into()
    };
    let sections = resources.as_object().into_iter().flatten();
    sections.map(|(section, of)| (section.clone(), renamed(of))).collect::<Map<_, _>>().into()
}
