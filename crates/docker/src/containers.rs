//! Containers: made, started, watched and removed.

use std::{collections::BTreeMap, fmt};

use bytes::Bytes;
use hyper::Method;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::{Value, json};
use shipway_core::{Context, Error, ErrorKind, Result, Stream};
use shipway_oci::BlobReader;
use tokio::io::{AsyncWriteExt, ReadHalf, WriteHalf};

use crate::{
    Daemon,
    daemon::unless_stopped,
    exchange::{Ask, Connection},
    frames::Frames,
    query::{Query, escape},
};

/// What a container is made of.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ContainerSpec {
    /// The image, by its id or a reference.
    pub image: String,
    /// The program in place of the image's entrypoint; the image's when absent.
    pub entrypoint: Option<Vec<String>>,
    /// The arguments; the image's when there are none.
    pub args: Vec<String>,
    /// Variables, each as `NAME=value`.
    pub env: Vec<String>,
    /// The working folder; the image's when absent.
    pub dir: Option<String>,
    /// The user, by name or number; the image's when absent.
    pub user: Option<String>,
    /// The network, such as `none` or `host`; the engine's default when absent.
    pub network: Option<String>,
    /// What it sees besides the image.
    pub mounts: Vec<ContainerMount>,
    /// Labels, by which it is found again.
    pub labels: BTreeMap<String, String>,
    /// Whether something will be sent to its standard input.
    pub stdin: bool,
}

/// A volume or a path of the engine's machine, inside a container.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ContainerMount {
    /// Whether the source is a volume; if not, it is a path.
    pub is_volume: bool,
    /// The volume's name, or the absolute path.
    pub source: String,
    /// The absolute path in the container.
    pub target: String,
    /// Whether it cannot be written.
    pub read_only: bool,
}

impl ContainerMount {
    /// Returns the mount of a volume.
    pub fn volume(name: impl Into<String>, target: impl Into<String>) -> Self {
        Self { is_volume: true, source: name.into(), target: target.into(), read_only: false }
    }

    /// Returns the mount of a path of the engine's machine.
    pub fn path(source: impl Into<String>, target: impl Into<String>) -> Self {
        Self { is_volume: false, source: source.into(), target: target.into(), read_only: false }
    }

    /// Sets whether it cannot be written.
    #[must_use]
    pub fn read_only(mut self, read_only: bool) -> Self {
        self.read_only = read_only;
        self
    }
}

impl ContainerSpec {
    /// Returns a container of an image, with nothing besides.
    pub fn new(image: impl Into<String>) -> Self {
        Self { image: image.into(), ..Self::default() }
    }

    fn to_json(&self) -> Value {
        let mounts = self.mounts.iter().map(|mount| {
            json!({
                "Type": if mount.is_volume { "volume" } else { "bind" },
                "Source": mount.source,
                "Target": mount.target,
                "ReadOnly": mount.read_only,
            })
        });
        let mut spec = json!({
            "Image": self.image,
            "Env": self.env,
            "Labels": self.labels,
            "AttachStdout": true,
            "AttachStderr": true,
            "AttachStdin": self.stdin,
            "OpenStdin": self.stdin,
            "StdinOnce": self.stdin,
            "HostConfig": {
                "Mounts": mounts.collect::<Vec<_>>(),
                // What it writes is read while it runs; the engine need not keep it.
                "LogConfig": {"Type": "none"},
            },
        });
        let mut set = |name: &str, value: Option<Value>| {
            if let (Some(value), Some(fields)) = (value, spec.as_object_mut()) {
                fields.insert(name.to_owned(), value);
            }
        };
        set("Entrypoint", self.entrypoint.as_ref().map(|words| json!(words)));
        set("Cmd", (!self.args.is_empty()).then(|| json!(self.args)));
        set("WorkingDir", self.dir.as_ref().map(|dir| json!(dir)));
        set("User", self.user.as_ref().map(|user| json!(user)));
        if let Some(network) = &self.network {
            spec["HostConfig"]["NetworkMode"] = json!(network);
        }
        spec
    }
}

/// What a container writes, as it comes.
pub struct ContainerOutput {
    frames: Frames<ReadHalf<Wire>>,
    _connection: Connection,
}

/// What a container reads.
pub struct ContainerInput(WriteHalf<Wire>);

type Wire = TokioIo<hyper::upgrade::Upgraded>;

impl fmt::Debug for ContainerOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContainerOutput").finish_non_exhaustive()
    }
}

impl fmt::Debug for ContainerInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContainerInput").finish_non_exhaustive()
    }
}

impl ContainerOutput {
    /// Returns the next piece, or `None` when the container ended.
    ///
    /// # Errors
    /// `Unavailable` when the connection is cut.
    pub async fn next(&mut self) -> Result<Option<(Stream, Bytes)>> {
        self.frames.next().await
    }
}

impl ContainerInput {
    /// Sends a text and ends the input. A container may end without reading it, which is its own
    /// matter.
    pub async fn feed(mut self, text: &str) {
        if self.0.write_all(text.as_bytes()).await.is_ok() {
            let _ = self.0.shutdown().await;
        }
    }
}

impl Daemon {
    /// Makes a container and returns its id; it does not run yet.
    ///
    /// # Errors
    /// `NotFound` when there is no such image.
    pub async fn create_container(&self, cx: &Context, spec: &ContainerSpec) -> Result<String> {
        #[derive(Deserialize)]
        struct Created {
            #[serde(rename = "Id")]
            id: String,
        }
        let what = format!("make a container of `{}`", spec.image);
        let ask = Ask::new(Method::POST, "/containers/create", &Query::new()).json(spec.to_json());
        // Not given up half-way: a container that is made must be known, so that it can be removed.
        let answer = self.finish(cx, ask, &what).await?;
        Ok(answer.json::<Created>(self.endpoint(), &what).await?.id)
    }

    /// Attaches to a container that does not run yet.
    pub async fn attach_container(
        &self,
        cx: &Context,
        id: &str,
        stdin: bool,
    ) -> Result<(ContainerOutput, ContainerInput)> {
        let query =
            Query::new().flag("stream", true).flag("stdout", true).flag("stderr", true).flag("stdin", stdin);
        let (wire, connection) =
            self.upgrade(cx, &container(id, "/attach"), &query, &[("upgrade", "tcp")]).await?;
        let (read, write) = tokio::io::split(wire);
        Ok((ContainerOutput { frames: Frames::new(read), _connection: connection }, ContainerInput(write)))
    }

    /// Starts a container.
    ///
    /// # Errors
    /// `MissingTool` when the image has no such program.
    pub async fn start_container(&self, cx: &Context, id: &str) -> Result<()> {
        let ask = Ask::new(Method::POST, &container(id, "/start"), &Query::new());
        match self.slow(cx, ask, "start the container").await {
            Ok(_) => Ok(()),
            Err(error) => Err(start_error(error)),
        }
    }

    /// Waits for a container to end and returns its exit code.
    pub async fn wait_container(&self, cx: &Context, id: &str) -> Result<i64> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Ended {
            status_code: i64,
        }
        let ask = Ask::new(Method::POST, &container(id, "/wait"), &Query::new());
        let work = async {
            let answer = self.slow(cx, ask, "wait for the container").await?;
            answer.json::<Ended>(self.endpoint(), "wait for the container").await
        };
        Ok(unless_stopped(cx, work).await?.status_code)
    }

    /// Asks a container to end, and ends it after some seconds; also after the task was stopped.
    pub async fn stop_container(&self, id: &str, seconds: u32) -> Result<()> {
        let query = Query::new().set("t", seconds.to_string());
        self.clean(Ask::new(Method::POST, &container(id, "/stop"), &query), "stop the container").await
    }

    /// Stops a container at once and removes it with its unnamed volumes, also after the task was
    /// stopped; one that is gone already is fine.
    pub async fn remove_container(&self, id: &str) -> Result<()> {
        let query = Query::new().flag("force", true).flag("v", true);
        match self.clean(Ask::new(Method::DELETE, &container(id, ""), &query), "remove the container").await {
            // Somebody else is removing it.
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(()),
            other => other,
        }
    }

    /// Unpacks a tar below a folder of a container, running or not.
    pub async fn put_archive(&self, cx: &Context, id: &str, folder: &str, tar: BlobReader) -> Result<()> {
        let query = Query::new().set("path", folder);
        let ask = Ask::new(Method::PUT, &container(id, "/archive"), &query).tar(tar);
        self.slow(cx, ask, &format!("copy files to `{folder}`")).await.map(drop)
    }

    /// Returns a file or folder of a container as a tar, or `None` when it is not there.
    pub async fn get_archive(&self, cx: &Context, id: &str, path: &str) -> Result<Option<BlobReader>> {
        let ask = Ask::new(Method::GET, &container(id, "/archive"), &Query::new().set("path", path));
        match self.slow(cx, ask, &format!("copy `{path}`")).await {
            Ok(answer) => Ok(Some(Box::pin(answer.reader(self.endpoint())))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns the ids of all containers with a label, with their labels.
    pub async fn labelled_containers(
        &self,
        cx: &Context,
        label: &str,
    ) -> Result<Vec<(String, BTreeMap<String, String>)>> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Listed {
            id: String,
            labels: Option<BTreeMap<String, String>>,
        }
        let query = Query::new().flag("all", true).set("filters", json!({"label": [label]}).to_string());
        let answer =
            self.quick(cx, Ask::new(Method::GET, "/containers/json", &query), "list containers").await?;
        let listed: Vec<Listed> = answer.json(self.endpoint(), "the containers").await?;
        Ok(listed.into_iter().map(|one| (one.id, one.labels.unwrap_or_default())).collect())
    }
}

fn container(id: &str, rest: &str) -> String {
    format!("/containers/{}{rest}", escape(id, ""))
}

/// Tells a missing program from other troubles: the engine passes the runtime's words on (moby,
/// `translateContainerdStartErr`, does the same).
fn start_error(error: Error) -> Error {
    let text = error.report().to_string();
    let missing = ["executable file not found", "no such file or directory", "not a directory"]
        .iter()
        .any(|words| text.contains(words));
    if missing && matches!(error.kind(), ErrorKind::Config | ErrorKind::NotFound | ErrorKind::ToolFailed) {
        let notes = error.report().notes.join("\n");
        return Error::new(ErrorKind::MissingTool, "the image has no such program or folder")
            .note(notes)
            .hint("check the program's name and the working directory");
    }
    error
}
