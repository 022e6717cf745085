//! What is deployed: `deploy`, with `manifests` for the deployer to render.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use serde::Deserialize;
use serde_json::{Map, Value, json};
use shipway_core::{Deploy, Error, Location, LogReader, Need, Part, Release, Result, Watch, did_you_mean};
use shipway_yaml::{Document, Spanned};

use super::{Lower, hooks::Cluster, located};
use crate::{
    Notice,
    path::take,
    skaffold::{
        Options, Trust, local_cluster,
        model::{self, Choice, DeployHook, HelmFlags, HelmRelease, Hooks, Kubectl, Manifests, Open},
        parse::part,
    },
};

/// How manifests come about, for all deployers.
pub(super) struct Rendering {
    pub(super) manifests: Option<Manifests>,
    pub(super) resource_selector: Option<Value>,
}

/// A deployer of the file, with all that it deploys.
struct Group {
    kind: String,
    releases: Vec<Planned>,
    hooks: Hooks<DeployHook>,
    location: Location,
}

/// One release.
struct Planned {
    part: Part,
    /// That of the configuration where absent.
    name: Option<String>,
    namespace: Option<String>,
    depends_on: Vec<String>,
}

impl Group {
    fn of(part: Part, location: Location) -> Self {
        let kind = part.kind.clone();
        let releases = vec![Planned { part, name: None, namespace: None, depends_on: Vec::new() }];
        Self { kind, releases, hooks: Hooks::default(), location }
    }
}

impl Lower<'_> {
    pub(super) fn deploys(
        &mut self,
        open: Open<model::Deploy>,
        rendering: Rendering,
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
            _ => rendering.manifests.map(|manifests| json!(manifests)).filter(|said| *said != json!({})),
        };
        let mut groups = Vec::new();
        for mut choice in choices {
            // What is rendered already is no chart any more.
            if self.options.command == "apply" && choice.name == "helm" {
                continue;
            }
            let hooks = hooks(&mut choice, document)?;
            let location = document.location(choice.span);
            let group = match choice.name.as_str() {
                "helm" if self.knows("deployer", "helm") => self.helm(&choice, document)?,
                _ => Group::of(self.deployer(&choice, document)?, location),
            };
            groups.push(Group { hooks, ..group });
        }
        if groups.is_empty() {
            // Skaffold's own default (schema/defaults, `SetDefaultDeployer`).
            let written = manifests.is_some() || document.root.get("deploy").is_some();
            if !written && !self.knows("deployer", "kubectl") {
                let message = "nothing is deployed: the file does not say what, and Skaffold's default `kubectl` \
                               is not in the catalog";
                self.notices.push(Notice::new(document.location(document.root.span), message));
                return Ok(());
            }
            groups.push(Group::of(Part::new("kubectl"), document.location(span)));
        }
        let several = groups.len() > 1;
        let shared = Shared {
            manifests,
            several,
            resource_selector: rendering.resource_selector,
            kube_context: known.kube_context.clone(),
            tolerate: known.tolerate_failures_until_deadline,
        };
        // What runs before a release runs when all that is built is.
        let built = self.pipeline.builds.iter().map(|build| Need::artifact(build.artifact.name.as_str()));
        let built: BTreeSet<Need> = built.collect();
        // One after the other, as Skaffold's deployers are; the releases of one go by what they depend on.
        let mut before = self.before_deploys.clone();
        for Group { kind, releases, hooks, location } in groups {
            let hooked = |error| located(error, location.clone());
            let own = if several { format!("{release}-{kind}") } else { release.to_owned() };
            let context = self.options.kube_context.clone().or_else(|| known.kube_context.clone());
            let namespaces = self.namespaces(&releases);
            let at = Cluster { context: context.as_deref(), namespaces: &namespaces };
            if !hooks.before.is_empty() {
                before.extend(built.clone());
            }
            let begun = self
                .deploy_steps(&format!("{own}/before-deploy"), hooks.before, &at, before)
                .map_err(hooked)?;
            let mut released = BTreeSet::new();
            for planned in releases {
                let part = self.completed(planned.part, &shared);
                let made =
                    self.catalog.deployer(&part).and_then(|deployer| Ok((deployer, self.log_reader(&part)?)));
                let (deployer, logs) = made.map_err(hooked)?;
                let name = planned.name.unwrap_or_else(|| own.clone());
                let namespace = self.options.namespace.clone().or(planned.namespace);
                let mut deploy = Deploy::new(Release::new(&*name).namespace(namespace), deployer).logs(logs);
                deploy.after.clone_from(&begun);
                deploy.after.extend(planned.depends_on.into_iter().map(Need::release));
                if known.status_check_deadline_seconds > 0 {
                    let usual = Watch::default();
                    deploy.watch =
                        Watch::new(usual.interval, Duration::from_secs(known.status_check_deadline_seconds));
                }
                self.pipeline.deploys.push(deploy);
                released.insert(Need::release(name));
            }
            before = self
                .deploy_steps(&format!("{own}/after-deploy"), hooks.after, &at, released)
                .map_err(hooked)?;
        }
        Ok(())
    }

    /// Returns a deployer's options with what the file says for all deployers, and what who runs it says.
    fn completed(&self, mut part: Part, shared: &Shared) -> Part {
        let manifests = match part.kind.as_str() {
            // A chart is all that it renders.
            "helm" => None,
            _ => shared.manifests.clone().or_else(|| default_manifests(&part).filter(|_| !shared.several)),
        };
        let tolerate = shared.tolerate.then_some(Value::Bool(true));
        let from_file = [
            ("manifests", manifests.clone()),
            ("kubeContext", shared.kube_context.clone().map(Value::from)),
            ("resourceSelector", shared.resource_selector.clone()),
            ("tolerateFailuresUntilDeadline", tolerate),
        ];
        for (name, value) in from_file {
            let applies = match name {
                "resourceSelector" | "tolerateFailuresUntilDeadline" => {
                    matches!(part.kind.as_str(), "kubectl" | "helm")
                }
                _ => true,
            };
            if let (Some(value), true, false) = (value, applies, part.options.contains_key(name)) {
                part.options.insert(name.to_owned(), value);
            }
        }
        // Who runs it has the last word, as in Skaffold.
        let options = self.options;
        let loader = options.image_loader.clone().or_else(|| not_loaded(options)).map(Value::from);
        // A kustomization of a person's own project may name bases that are elsewhere, as in Skaffold.
        let kustomized = manifests.as_ref().is_some_and(|manifests| manifests.get("kustomize").is_some());
        let remote_bases = (kustomized && options.trust == Trust::Full).then_some(Value::Bool(true));
        let said = [
            ("kubeContext", options.kube_context.clone().map(Value::from)),
            ("allowRemoteBases", remote_bases.filter(|_| part.kind != "helm")),
            ("defaultNamespace", options.namespace.clone().map(Value::from)),
            ("imageLoader", loader.filter(|_| part.kind != "helm")),
        ];
        for (name, value) in said {
            if let Some(value) = value {
                set_for_kubectl(&mut part, name, value);
            }
        }
        // A release's own namespace is not what somebody says now.
        if let ("helm", Some(namespace)) = (part.kind.as_str(), &options.namespace) {
            part.options.insert("namespace".to_owned(), Value::from(namespace.as_str()));
        }
        part
    }

    /// Returns the namespaces that releases go to, as far as it is said.
    fn namespaces(&self, releases: &[Planned]) -> Vec<String> {
        if let Some(namespace) = &self.options.namespace {
            return vec![namespace.clone()];
        }
        let own = |planned: &Planned| {
            let default = |part: &Part| Some(part.options.get("defaultNamespace")?.as_str()?.to_owned());
            planned.namespace.clone().or_else(|| default(&planned.part))
        };
        let mut namespaces: Vec<String> = releases.iter().filter_map(own).collect();
        namespaces.sort();
        namespaces.dedup();
        namespaces
    }

    /// Returns the releases of charts, of which each is deployed by itself.
    fn helm(&self, choice: &Choice, document: &Document) -> Result<Group> {
        let helm: Helm = choice.read(document)?;
        let flags = helm.flags.map(|flags| json!(flags));
        let names: Vec<&str> = helm.releases.iter().map(|release| release.value.name.as_str()).collect();
        let mut releases = Vec::new();
        for Spanned { value: release, span, .. } in &helm.releases {
            for wanted in &release.depends_on {
                if !names.contains(&wanted.as_str()) {
                    let message =
                        format!("release `{}` depends on `{wanted}`, which is not there", release.name);
                    let error = document.error(*span, message);
                    return Err(match did_you_mean(wanted, names.iter().copied()) {
                        Some(near) => error.hint(format!("did you mean `{near}`?")),
                        None => error.hint("name another one of the releases"),
                    });
                }
            }
            let mut part = Part::with_options("helm", release)?;
            if let Some(flags) = &flags {
                part.options.insert("flags".to_owned(), flags.clone());
            }
            releases.push(Planned {
                part,
                name: Some(release.name.clone()),
                namespace: release.namespace.clone().filter(|namespace| !namespace.is_empty()),
                depends_on: release.depends_on.clone(),
            });
        }
        let location = document.location(choice.span);
        Ok(Group { kind: "helm".to_owned(), releases, hooks: Hooks::default(), location })
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

/// What the file says for all deployers.
struct Shared {
    manifests: Option<Value>,
    several: bool,
    resource_selector: Option<Value>,
    kube_context: Option<String>,
    tolerate: bool,
}

/// `deploy.helm`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Helm {
    #[serde(default)]
    releases: Vec<Spanned<HelmRelease>>,
    flags: Option<HelmFlags>,
}

/// Takes the hooks out of a deployer of Skaffold's own; what they are to another one is for it to say.
fn hooks(choice: &mut Choice, document: &Document) -> Result<Hooks<DeployHook>> {
    if !matches!(choice.name.as_str(), "kubectl" | "helm") {
        return Ok(Hooks::default());
    }
    match take(&mut choice.value, &["hooks"]) {
        Some((_, hooks)) if !hooks.is_null() => part(document, &hooks).read(),
        _ => Ok(Hooks::default()),
    }
}

/// Returns the loader that loads nothing, where the context's name would say that images are loaded.
fn not_loaded(options: &Options) -> Option<Vec<String>> {
    let named =
        Options { local_cluster: None, kind_disable_load: None, k3d_disable_load: None, ..options.clone() };
    (local_cluster::loads(&named) && !local_cluster::loads(options)).then(Vec::new)
}

/// Sets an option of a deployer to a cluster, be it the part itself or the one that it stands in front of.
fn set_for_kubectl(part: &mut Part, name: &str, value: Value) {
    if matches!(part.kind.as_str(), "kubectl" | "helm") {
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
