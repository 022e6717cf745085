//! What is deployed: `deploy`, with `manifests` for the deployer to render.

use std::{sync::Arc, time::Duration};

use serde_json::{Map, Value, json};
use shipway_core::{Deploy, Error, LogReader, Need, Part, Release, Result, Watch};
use shipway_yaml::Document;

use super::{Lower, located};
use crate::{
    Notice,
    skaffold::{
        Options, local_cluster,
        model::{self, Choice, Kubectl, Manifests, Open},
    },
};

impl Lower<'_> {
    pub(super) fn deploys(
        &mut self,
        open: Open<model::Deploy>,
        manifests: Option<Manifests>,
        release: &str,
        document: &Document,
    ) -> Result<()> {
        let Open { known, choices, span } = open;
        if let Some(check) = known.status_check.as_ref().filter(|check| !check.value) {
            return Err(Error::unsupported("a deployment whose health is not watched is not supported yet")
                .at(document.location(check.span))
                .hint("take `statusCheck: false` out"));
        }
        // A section that says nothing is as none.
        let manifests = match self.options.command.as_str() {
            "apply" => Some(json!({ "rawYaml": self.options.manifests })),
            _ => manifests.map(|manifests| json!(manifests)).filter(|said| *said != json!({})),
        };
        let mut parts = Vec::new();
        for choice in &choices {
            let part = self.deployer(choice, document)?;
            parts.push((part, document.location(choice.span)));
        }
        if parts.is_empty() {
            // Skaffold's own default (schema/defaults, `SetDefaultDeployer`).
            let written = manifests.is_some() || document.root.get("deploy").is_some();
            if !written && !self.knows("deployer", "kubectl") {
                let message = "nothing is deployed: the file does not say what, and Skaffold's default `kubectl` \
                               is not in the catalog";
                self.notices.push(Notice::new(document.location(document.root.span), message));
                return Ok(());
            }
            parts.push((Part::new("kubectl"), document.location(span)));
        }
        let several = parts.len() > 1;
        let mut before: Option<String> = None;
        for (mut part, location) in parts {
            // What the file says for all deployers goes to each under its own name.
            let shared = [
                ("manifests", manifests.clone().or_else(|| default_manifests(&part).filter(|_| !several))),
                ("kubeContext", known.kube_context.clone().map(Value::from)),
            ];
            for (name, value) in shared {
                if let (Some(value), false) = (value, part.options.contains_key(name)) {
                    part.options.insert(name.to_owned(), value);
                }
            }
            // Who runs it has the last word, as in Skaffold.
            let options = self.options;
            let said = [
                ("kubeContext", options.kube_context.clone().map(Value::from)),
                ("defaultNamespace", options.namespace.clone().map(Value::from)),
                (
                    "imageLoader",
                    options.image_loader.clone().or_else(|| not_loaded(options)).map(Value::from),
                ),
            ];
            for (name, value) in said {
                if let Some(value) = value {
                    set_for_kubectl(&mut part, name, value);
                }
            }
            let made =
                self.catalog.deployer(&part).and_then(|deployer| Ok((deployer, self.log_reader(&part)?)));
            let (deployer, logs) = made.map_err(|error| located(error, location))?;
            let name = if several { format!("{release}-{}", part.kind) } else { release.to_owned() };
            let release = Release::new(&*name).namespace(self.options.namespace.clone());
            let mut deploy = Deploy::new(release, deployer).logs(logs);
            // One after the other, as Skaffold's deployers are.
            deploy.after.extend(before.replace(name).map(Need::release));
            if known.status_check_deadline_seconds > 0 {
                let usual = Watch::default();
                deploy.watch =
                    Watch::new(usual.interval, Duration::from_secs(known.status_check_deadline_seconds));
            }
            self.pipeline.deploys.push(deploy);
        }
        Ok(())
    }

    /// Returns who reads the logs of what such a deployer deploys, where the catalog has somebody.
    fn log_reader(&self, part: &Part) -> Result<Option<Arc<dyn LogReader>>> {
        self.knows("log reader", &part.kind).then(|| self.catalog.log_reader(part)).transpose()
    }

    fn deployer(&self, choice: &Choice, document: &Document) -> Result<Part> {
        let location = document.location(choice.span);
        match choice.name.as_str() {
            "kubectl" => Part::with_options("kubectl", &choice.read::<Kubectl>(document)?),
            other if self.knows("deployer", other) => Ok(Part::new(other).options(choice.options(document)?)),
            other => {
                Err(Error::unsupported(format!("the deployer `{other}` is not supported yet")).at(location))
            }
        }
    }
}

/// Returns the loader that loads nothing, where the context's name would say that images are loaded.
fn not_loaded(options: &Options) -> Option<Vec<String>> {
    let named =
        Options { local_cluster: None, kind_disable_load: None, k3d_disable_load: None, ..options.clone() };
    (local_cluster::loads(&named) && !local_cluster::loads(options)).then(Vec::new)
}

/// Sets an option of the deployer `kubectl`, be it the part itself or the one that it stands in front of.
fn set_for_kubectl(part: &mut Part, name: &str, value: Value) {
    if part.kind == "kubectl" {
        part.options.insert(name.to_owned(), value);
    } else if let Some(inner) = part.options.get_mut("deployer").and_then(Value::as_object_mut)
        && inner.get("kind").is_some_and(|kind| kind == "kubectl")
        && let Some(options) = inner.entry("options").or_insert_with(|| json!({})).as_object_mut()
    {
        options.insert(name.to_owned(), value);
    }
}

/// Skaffold's own default of what is rendered (schema/defaults, `SetDefaultRenderer`), which is for
/// `kubectl` alone.
fn default_manifests(part: &Part) -> Option<Value> {
    let remote = part.options.contains_key("remoteManifests");
    (part.kind == "kubectl" && !remote)
        .then(|| Value::Object(Map::from_iter([("rawYaml".to_owned(), json!(["k8s/*.yaml"]))])))
}
