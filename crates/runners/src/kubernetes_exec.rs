//! The runner that runs commands in containers that run already.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shipway_cluster::{Api, Cluster, ExecRequest, Selector};
use shipway_core::{
    Capabilities, Catalog, Command, Context, Error, Exit, Level, PluginConfig, Printed, Result, RunRequest,
    Runner, Stream, Volume, glob_matches,
};

/// The options of the runner `kubernetes_exec`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct KubernetesExecConfig {
    /// The context, by which the world's credentials know the cluster. Without one, nothing can be run.
    #[serde(default)]
    pub context: Option<String>,
    /// The namespaces; the context's own when empty.
    #[serde(default)]
    pub namespaces: Vec<String>,
    /// The pods, by a pattern of Go's `path.Match`; all when empty.
    #[serde(default)]
    pub pod: String,
    /// The containers, by such a pattern; all when empty.
    #[serde(default)]
    pub container: String,
}

impl KubernetesExecConfig {
    /// Returns the options for all containers of the context's namespace.
    pub fn new(context: impl Into<String>) -> Self {
        Self {
            context: Some(context.into()),
            namespaces: Vec::new(),
            pod: String::new(),
            container: String::new(),
        }
    }

    /// Sets the namespaces.
    #[must_use]
    pub fn namespaces<N: Into<String>>(mut self, namespaces: impl IntoIterator<Item = N>) -> Self {
        self.namespaces = namespaces.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the pattern of pods.
    #[must_use]
    pub fn pod(mut self, pattern: impl Into<String>) -> Self {
        self.pod = pattern.into();
        self
    }

    /// Sets the pattern of containers.
    #[must_use]
    pub fn container(mut self, pattern: impl Into<String>) -> Self {
        self.container = pattern.into();
        self
    }
}

impl PluginConfig for KubernetesExecConfig {
    const KIND: &'static str = "kubernetes_exec";

    type Plugin = KubernetesExec;

    fn into_plugin(self, _catalog: &Catalog) -> Result<KubernetesExec> {
        KubernetesExec::new(self)
    }
}

/// Runs commands in containers of pods that run already, as Skaffold's container hooks do: at once in all that the
/// patterns name, and in none where there is none, which a message says.
///
/// The exit code is that of the first container whose command failed, in the order of their names. A command gets words
/// alone: what has variables, a folder, input, mounts or an image is refused, since the API gives a command none of
/// them.
#[derive(Clone, Debug)]
pub struct KubernetesExec {
    options: KubernetesExecConfig,
}

/// A container in which a command is run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    namespace: String,
    pod: String,
    container: String,
}

impl KubernetesExec {
    /// Returns the runner with these options; connects to nothing yet.
    ///
    /// # Errors
    /// `Config` when a pattern is malformed.
    pub fn new(options: KubernetesExecConfig) -> Result<Self> {
        for pattern in [&options.pod, &options.container] {
            glob_matches(pattern, "")?;
        }
        Ok(Self { options })
    }

    async fn places(&self, cx: &Context, cluster: &Cluster) -> Result<Vec<Place>> {
        let own = vec![cluster.namespace().to_owned()];
        let namespaces = if self.options.namespaces.is_empty() { &own } else { &self.options.namespaces };
        let mut places = Vec::new();
        for namespace in namespaces {
            let selector = Selector::new().kind("v1", "Pod").namespace(namespace.as_str());
            for pod in &cluster.list(cx, &selector).await?.items {
                places.extend(self.of_pod(namespace, pod)?);
            }
        }
        places.sort();
        Ok(places)
    }

    /// Returns the containers of a pod that run and that the patterns name.
    fn of_pod(&self, namespace: &str, pod: &Value) -> Result<Vec<Place>> {
        let name = pod["metadata"]["name"].as_str().unwrap_or_default();
        if pod["status"]["phase"] != "Running" || !named(&self.options.pod, name)? {
            return Ok(Vec::new());
        }
        let mut places = Vec::new();
        for status in pod["status"]["containerStatuses"].as_array().into_iter().flatten() {
            let container = status["name"].as_str().unwrap_or_default();
            if status["state"]["running"].is_object() && named(&self.options.container, container)? {
                let (namespace, pod) = (namespace.to_owned(), name.to_owned());
                places.push(Place { namespace, pod, container: container.to_owned() });
            }
        }
        Ok(places)
    }
}

/// Whether a pattern names this; an empty one names all.
fn named(pattern: &str, name: &str) -> Result<bool> {
    Ok(pattern.is_empty() || glob_matches(pattern, name)?)
}

#[async_trait]
impl Runner for KubernetesExec {
    fn capabilities(&self) -> Capabilities {
        Capabilities::new()
    }

    async fn open(&self, _cx: &Context, _volume: &Volume) -> Result<()> {
        Err(Error::unsupported("runner `kubernetes_exec` has no volumes"))
    }

    async fn run(&self, cx: &Context, request: &RunRequest) -> Result<Exit> {
        let argv = words(request)?;
        let context = self.options.context.as_ref().ok_or_else(|| {
            Error::config("no cluster is named in whose containers the command is to run")
                .hint("name a context of the kubeconfig")
        })?;
        let cluster = Cluster::open(cx, context).await?;
        let places = self.places(cx, &cluster).await?;
        if places.is_empty() {
            cx.message(Level::Info, "no container that runs has such a name");
        }
        let in_each = places.iter().map(|place| run_in(cx, &cluster, place, &request.command, &argv));
        let ended = futures_util::future::join_all(in_each).await;
        let mut exit = Exit::new(0);
        for ended in ended {
            let ended = ended?;
            if exit.code == 0 {
                exit = ended;
            }
        }
        Ok(exit)
    }

    async fn close(&self, _cx: &Context, _volume: &Volume) -> Result<()> {
        Err(Error::unsupported("runner `kubernetes_exec` has no volumes"))
    }
}

/// Returns the words of a command that has nothing but these.
fn words(request: &RunRequest) -> Result<Vec<String>> {
    let command = &request.command;
    let more = [
        ("variables", !(command.env.is_empty() && command.secrets.is_empty())),
        ("a folder", command.dir.is_some()),
        ("input", command.stdin.is_some()),
        ("an image", request.image.is_some()),
        ("mounts", !request.mounts.is_empty()),
        ("a result", request.result.is_some()),
    ];
    if let Some((what, _)) = more.iter().find(|(_, given)| *given) {
        let message =
            format!("runner `kubernetes_exec` gives a command no {}", what.trim_start_matches("a "));
        return Err(Error::unsupported(message).hint("let the command itself see to it, as with `sh -c`"));
    }
    if command.program.is_empty() {
        return Err(Error::config("a command in a container that runs already has no program")
            .hint("give at least one word"));
    }
    Ok(std::iter::once(command.program.clone()).chain(command.args.clone()).collect())
}

async fn run_in(
    cx: &Context,
    cluster: &Cluster,
    place: &Place,
    command: &Command,
    argv: &[String],
) -> Result<Exit> {
    let request = ExecRequest::new(place.namespace.as_str(), place.pod.as_str(), argv.to_vec())
        .container(place.container.as_str());
    let who = format!("{} {}", place.pod, place.container);
    let print = |stream| Printed::new(cx, stream, command).by(&who);
    let (mut stdout, mut stderr) = (print(Stream::Stdout), print(Stream::Stderr));
    let take = |stream: Stream, bytes: &[u8]| match stream {
        Stream::Stderr => stderr.take(bytes),
        _ => stdout.take(bytes),
    };
    let code = cluster.exec(cx, &request, take).await?;
    let _ = stdout.end();
    Ok(Exit::new(code).stderr(stderr.end().trim_end()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use shipway_core::{ErrorKind, Mount, MountSource};

    use super::*;

    #[test]
    fn containers_that_run_are_found_by_their_names() {
        let pod = json!({
            "metadata": { "name": "web-7d9-x" },
            "status": { "phase": "Running", "containerStatuses": [
                { "name": "web", "state": { "running": {} } },
                { "name": "proxy", "state": { "running": {} } },
                { "name": "late", "state": { "waiting": {} } },
            ] },
        });
        let found = |pod_pattern: &str, container: &str, pod: &Value| -> Vec<String> {
            let options = KubernetesExecConfig::new("kind").pod(pod_pattern).container(container);
            let places = KubernetesExec::new(options).unwrap().of_pod("shop", pod).unwrap();
            places.into_iter().map(|place| place.container).collect()
        };
        assert_eq!(found("", "", &pod), ["web", "proxy"]);
        assert_eq!(found("web-*", "w*", &pod), ["web"]);
        assert!(found("api-*", "", &pod).is_empty() && found("", "late", &pod).is_empty());
        let mut gone = pod;
        gone["status"]["phase"] = json!("Succeeded");
        assert!(found("", "", &gone).is_empty());
    }

    #[test]
    fn what_the_api_cannot_give_a_command_is_refused() {
        let bare = || RunRequest::new(Command::new("ls").args(["-l".to_owned()]));
        assert_eq!(words(&bare()).unwrap(), ["ls", "-l"]);
        let mut with_variable = bare();
        with_variable.command.env.insert("A".to_owned(), "b".to_owned());
        let mounting = bare().mounts([Mount::new(MountSource::Text("x".to_owned()), "/x")]);
        for (request, message) in [
            (with_variable, "runner `kubernetes_exec` gives a command no variables"),
            (mounting, "runner `kubernetes_exec` gives a command no mounts"),
        ] {
            let error = words(&request).unwrap_err();
            assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Unsupported, message));
        }
        assert_eq!(words(&RunRequest::new(Command::new(""))).unwrap_err().kind(), ErrorKind::Config);
        assert!(KubernetesExec::new(KubernetesExecConfig::new("kind").pod("[")).is_err());
    }
}
