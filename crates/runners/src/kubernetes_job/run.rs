//! One command in one pod.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use shipway_cluster::{Api, Cluster, Ended, ExecRequest, PodJob};
use shipway_core::{
    Command, Context, Error, ErrorKind, Exit, Image, MountSource, Result, RunRequest, Snapshot, Store, Stream,
};

use super::{
    KubernetesJob,
    objects::{COMMAND, MISSING, MountedFile, MountedVolume, Work, job, secret},
};
use crate::output::Output;

impl KubernetesJob {
    pub(super) async fn run_job(&self, cx: &Context, request: &RunRequest) -> Result<Exit> {
        let command = &request.command;
        if command.program.is_empty() && (command.stdin.is_some() || command.capture) {
            return Err(Error::unsupported(
                "runner `kubernetes_job` neither feeds nor captures an image's own program",
            )
            .hint("name the program"));
        }
        let image = self.image(request.image.as_ref())?;
        let mut secrets = BTreeMap::new();
        for (name, id) in &command.secrets {
            secrets.insert(name.clone(), cx.secret(id).await?.expose().to_owned());
        }
        let files = files(cx, request).await?;
        let dir = command.dir.as_deref().map(absolute).transpose()?;
        let result = request.result.as_deref().map(absolute).transpose()?;
        let cx = &cx.within(Some(Duration::from_secs(self.options.timeout_seconds)));
        let cluster = self.cluster(cx).await?;
        let namespace = self.namespace_in(&cluster);
        let volumes = self.volumes(cx, &cluster, request).await?;
        let name = unlike(cx, "run");
        let work = Work {
            name: &name,
            namespace,
            run: cx.run_id(),
            image: &image,
            command,
            dir: dir.as_deref(),
            secrets: &secrets,
            files: &files,
            volumes: &volumes,
            result: result.as_deref(),
        };
        let opened = PodJob::open(cx, &cluster, job(&self.options, &work), secret(&work)).await?;
        let ran = run(cx, &opened, command, namespace).await;
        let removed = opened.remove().await;
        let (ended, stdout, stderr) = ran.map_err(|error| match error.kind() {
            ErrorKind::Cancelled | ErrorKind::Timeout => {
                error.note(format!("`{}` was ended", program(command)))
            }
            _ => error,
        })?;
        removed?;
        exit(command, &ended, result.is_some(), stdout, stderr)
    }

    /// Returns the volumes that the command sees, which must be open.
    async fn volumes(
        &self,
        cx: &Context,
        cluster: &Cluster,
        request: &RunRequest,
    ) -> Result<Vec<MountedVolume>> {
        let mut volumes = Vec::new();
        for mount in &request.mounts {
            let MountSource::Volume(name) = &mount.source else { continue };
            let id = self.claim(cx, cluster, name);
            if cluster.get(cx, &id).await?.is_none() {
                return Err(Error::config(format!("the volume `{name}` is not open")).hint("open it first"));
            }
            let (target, read_only) = (absolute(&mount.target)?, mount.read_only);
            volumes.push(MountedVolume { claim: id.name, target, read_only });
        }
        Ok(volumes)
    }

    fn image(&self, image: Option<&Image>) -> Result<String> {
        let Some(image) = image else {
            return self.options.image.clone().ok_or_else(|| {
                Error::config("the command names no image to run in")
                    .hint("name one, or set the runner's option `image`")
            });
        };
        match &image.store {
            Store::Registry => Ok(image.reference()),
            store => {
                Err(Error::unsupported(format!("runner `kubernetes_job` cannot run an image of {store:?}"))
                    .note("a cluster's nodes pull from registries")
                    .hint("push the image to a registry that they reach"))
            }
        }
    }
}

/// Runs the command in the pod that was made for it, and returns its end and what an exit keeps of its output.
async fn run(
    cx: &Context,
    job: &PodJob,
    command: &Command,
    namespace: &str,
) -> Result<(Ended, String, String)> {
    let program = program(command);
    let mut out = Output::new(cx, Stream::Stdout, command);
    let mut err = Output::new(cx, Stream::Stderr, command);
    let mut trouble = None;
    let ended = if command.program.is_empty() {
        job.follow(cx, COMMAND, |line| {
            let taken = out.take(line.as_bytes(), program).and_then(|()| out.take(b"\n", program));
            trouble = trouble.take().or(taken.err());
        })
        .await?
    } else {
        let pod = job.begun(cx, COMMAND).await?;
        if !job.has_ended(cx, COMMAND).await? {
            let input = format!("\n{}", command.stdin.as_deref().unwrap_or_default());
            let request = ExecRequest::new(namespace, pod, [""; 0]).container(COMMAND).stdin(input);
            let take = |stream: Stream, bytes: &[u8]| {
                let taken = match stream {
                    Stream::Stdout => out.take(bytes, program),
                    Stream::Stderr => err.take(bytes, program),
                };
                trouble = trouble.take().or(taken.err());
            };
            job.cluster().attach(cx, &request, take).await?;
        }
        job.ended(cx, COMMAND).await?
    };
    if let Some(trouble) = trouble {
        return Err(trouble);
    }
    let (out, err) = (out.end(program)?, err.end(program)?);
    Ok(match (command.capture, err.is_empty()) {
        (true, _) => (ended, out, err),
        (false, true) => (ended, String::new(), out),
        (false, false) => (ended, String::new(), err),
    })
}

/// Returns what is left of a command.
fn exit(command: &Command, ended: &Ended, has_result: bool, stdout: String, stderr: String) -> Result<Exit> {
    let program = program(command);
    if ended.code == 127 && ended.message == MISSING && !command.program.is_empty() {
        return Err(Error::new(ErrorKind::MissingTool, format!("there is no `{program}` in the image")));
    }
    // The container's runtime could not start it (containerd, `StartError`; cri-o, `ContainerCannotRun`).
    if ["StartError", "ContainerCannotRun"].contains(&ended.reason.as_str()) {
        return Err(
            Error::config(format!("`{program}` does not start in the pod")).note(ended.message.as_str())
        );
    }
    let result = (has_result && !ended.message.is_empty()).then(|| ended.message.clone());
    Ok(Exit::new(ended.code).stdout(stdout).stderr(stderr).result(result))
}

async fn files(cx: &Context, request: &RunRequest) -> Result<Vec<MountedFile>> {
    let mut files = Vec::new();
    for mount in &request.mounts {
        let target = absolute(&mount.target)?;
        files.push(match &mount.source {
            MountSource::Secret(id) => {
                MountedFile { target, content: cx.secret(id).await?.expose().to_owned(), mode: 0o400 }
            }
            MountSource::Text(text) => MountedFile { target, content: text.clone(), mode: 0o444 },
            MountSource::Volume(_) => continue,
            _ => {
                return Err(Error::unsupported(
                    "runner `kubernetes_job` mounts volumes, secrets and texts alone",
                )
                .note(format!("`{target}` is another kind of mount")));
            }
        });
    }
    Ok(files)
}

/// Returns a name that nobody else's job has, in no other process.
pub(super) fn unlike(cx: &Context, what: &str) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let mut parts = Snapshot::default();
    parts.set("run", cx.run_id());
    parts.set("task", &cx.task().map(ToString::to_string).unwrap_or_default());
    parts.set("process", &std::process::id().to_string());
    parts.set("now", &format!("{:?}", cx.clock().now()));
    parts.set("count", &COUNT.fetch_add(1, Ordering::Relaxed).to_string());
    format!("{what}-{}", &parts.fingerprint().as_str()[..32])
}

/// Returns what the program is called in messages.
fn program(command: &Command) -> &str {
    if command.program.is_empty() { "the image's entrypoint" } else { &command.program }
}

/// Returns a path of a container, which must be absolute.
fn absolute(path: &std::path::Path) -> Result<String> {
    match path.to_str() {
        Some(text) if path.is_absolute() => Ok(text.to_owned()),
        _ => Err(Error::config(format!("`{}` is no absolute path in the container", path.display()))
            .hint("begin it with `/`")),
    }
}
