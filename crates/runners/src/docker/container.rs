//! One command in one container.

use shipway_core::{
    Command, Context, Error, Exit, Image, Mount, MountSource, Result, RunRequest, Store, Stream, Tag, Target,
};
use shipway_docker::{ContainerMount, ContainerOutput, ContainerSpec, Daemon};

use super::{Docker, files::MountedFile, volume::volume_name};
use crate::output::Output;

/// A container that is removed when this is dropped, if it was not removed before.
pub(super) struct Container {
    daemon: Daemon,
    pub(super) id: String,
    removed: bool,
}

impl Container {
    /// Makes a container. Who is dropped meanwhile must not forget what the engine makes, so that a task
    /// of its own waits for it.
    pub(super) async fn create(daemon: &Daemon, cx: &Context, spec: ContainerSpec) -> Result<Self> {
        let (daemon, cx) = (daemon.clone(), cx.clone());
        let made = tokio::spawn(async move {
            let id = daemon.create_container(&cx, &spec).await?;
            Ok(Self { daemon, id, removed: false })
        });
        made.await.map_err(|error| Error::internal("making a container failed").source(error))?
    }

    pub(super) async fn remove(mut self) -> Result<()> {
        let result = self.daemon.remove_container(&self.id).await;
        self.removed = true;
        result
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // Only a task that was dropped comes here, after its grace.
        if let (false, Ok(runtime)) = (self.removed, tokio::runtime::Handle::try_current()) {
            let (daemon, id) = (self.daemon.clone(), std::mem::take(&mut self.id));
            runtime.spawn(async move {
                // What cannot be removed is found again by its label.
                let _ = daemon.remove_container(&id).await;
            });
        }
    }
}

impl Docker {
    pub(super) async fn run_container(&self, cx: &Context, request: &RunRequest) -> Result<Exit> {
        check_files(&request.mounts)?;
        let image = self.image(cx, request.image.as_ref()).await?;
        let mut spec = ContainerSpec::new(image);
        self.describe(cx, &request.command, &mut spec).await?;
        let mut files = Vec::new();
        for mount in &request.mounts {
            let target = absolute(&mount.target)?;
            match &mount.source {
                MountSource::Volume(name) => {
                    let name = volume_name(cx, name)?;
                    // The engine would make a missing one, and say nothing.
                    if !self.is_open(cx, &name).await? {
                        return Err(Error::config(format!("the volume `{name}` is not open")));
                    }
                    spec.mounts.push(ContainerMount::volume(name, target).read_only(mount.read_only));
                }
                MountSource::Host(path) => {
                    let path = cx.path(path).to_string_lossy().into_owned();
                    spec.mounts.push(ContainerMount::path(path, target).read_only(mount.read_only));
                }
                MountSource::Secret(id) => {
                    let secret = cx.secret(id).await?;
                    files.push(MountedFile { target, content: secret.expose().to_owned(), mode: 0o400 });
                }
                MountSource::Text(text) => {
                    files.push(MountedFile { target, content: text.clone(), mode: 0o444 });
                }
                _ => return Err(Error::unsupported("runner `docker` does not know this kind of mount")),
            }
        }
        spec.labels = Self::labels(cx);
        let container = Container::create(&self.daemon, cx, spec.clone()).await?;
        let result = self.run_in(cx, &container.id, request, &spec, files).await;
        let removed = container.remove().await;
        let exit = result?;
        removed?;
        Ok(exit)
    }

    /// Returns the id of the image in the engine, where it is copied to if it is elsewhere.
    async fn image(&self, cx: &Context, image: Option<&Image>) -> Result<String> {
        let endpoint = &self.options.endpoint;
        let Some(image) = image else {
            let reference = self.options.image.clone();
            return reference.ok_or_else(|| {
                Error::config("the command names no image to run in")
                    .hint("name one, or set the runner's option `image`")
            });
        };
        match &image.store {
            Store::Daemon(there) if there == endpoint => Ok(image.digest.to_string()),
            _ => {
                let store = Store::Daemon(endpoint.clone());
                let target = Target::new(store, image.repository.as_str(), Tag::parse("shipway-run")?);
                Ok(cx.images().copy(cx, image, &target).await?.digest.to_string())
            }
        }
    }

    async fn describe(&self, cx: &Context, command: &Command, spec: &mut ContainerSpec) -> Result<()> {
        if !command.program.is_empty() {
            spec.entrypoint = Some(vec![command.program.clone()]);
        }
        spec.args.clone_from(&command.args);
        spec.env = command.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
        for (name, id) in &command.secrets {
            spec.env.push(format!("{name}={}", cx.secret(id).await?.expose()));
        }
        spec.dir = command.dir.as_deref().map(absolute).transpose()?;
        spec.stdin = command.stdin.is_some();
        spec.network.clone_from(&self.options.network);
        spec.user.clone_from(&self.options.user);
        Ok(())
    }

    async fn run_in(
        &self,
        cx: &Context,
        id: &str,
        request: &RunRequest,
        spec: &ContainerSpec,
        files: Vec<MountedFile>,
    ) -> Result<Exit> {
        if !files.is_empty() {
            self.put_files(cx, id, spec, files).await?;
        }
        let (output, input) = self.daemon.attach_container(cx, id, spec.stdin).await?;
        self.daemon
            .start_container(cx, id)
            .await
            .map_err(|error| error.note(format!("the program is `{}`", program(&request.command))))?;
        let work = async {
            let feed = async {
                if let Some(text) = &request.command.stdin {
                    input.feed(text).await;
                }
            };
            let (read, ()) = tokio::join!(read(cx, output, &request.command), feed);
            read
        };
        let (stdout, stderr) = tokio::select! {
            biased;
            error = cx.stopped() => {
                // Politely first, as a host's process is asked; it is removed in any case.
                let _ = self.daemon.stop_container(id, GRACE_SECONDS).await;
                return Err(error.note(format!("`{}` was ended", program(&request.command))));
            }
            read = work => read?,
        };
        let code = self.daemon.wait_container(cx, id).await?;
        let code = i32::try_from(code)
            .map_err(|_| Error::bad_output(format!("docker gives the exit code {code}")))?;
        let result = match &request.result {
            Some(path) => self.result(cx, id, &absolute(path)?).await?,
            None => None,
        };
        Ok(Exit::new(code).stdout(stdout).stderr(stderr).result(result))
    }
}

/// Refuses a secret or a text inside of a volume or of the host's folders: it is written into what is
/// there, and would stay for others.
fn check_files(mounts: &[Mount]) -> Result<()> {
    let lasts = |mount: &&Mount| matches!(mount.source, MountSource::Volume(_) | MountSource::Host(_));
    for file in mounts.iter().filter(|mount| !lasts(mount)) {
        if let Some(mount) = mounts.iter().filter(lasts).find(|mount| file.target.starts_with(&mount.target))
        {
            return Err(Error::unsupported(format!(
                "runner `docker` cannot put a secret or a text at `{}`",
                file.target.display()
            ))
            .note(format!("it would stay in what is mounted at `{}`", mount.target.display()))
            .hint("mount it elsewhere, such as below `/run`"));
        }
    }
    Ok(())
}

/// Returns what the program is called in messages.
fn program(command: &Command) -> &str {
    if command.program.is_empty() { "the image's entrypoint" } else { &command.program }
}

/// How many seconds a command may take to end when it is asked to.
const GRACE_SECONDS: u32 = 2;

/// Reads the output to its end; returns what an exit keeps of it.
async fn read(cx: &Context, mut output: ContainerOutput, command: &Command) -> Result<(String, String)> {
    let program = program(command);
    let mut out = Output::new(cx, Stream::Stdout, command);
    let mut err = Output::new(cx, Stream::Stderr, command);
    while let Some((stream, piece)) = output.next().await? {
        match stream {
            Stream::Stdout => out.take(&piece, program)?,
            Stream::Stderr => err.take(&piece, program)?,
        }
    }
    let (out, err) = (out.end(program)?, err.end(program)?);
    Ok(match (command.capture, err.is_empty()) {
        (true, _) => (out, err),
        (false, true) => (String::new(), out),
        (false, false) => (String::new(), err),
    })
}

/// Returns a path of a container, which must be absolute.
fn absolute(path: &std::path::Path) -> Result<String> {
    match path.to_str() {
        Some(text) if path.is_absolute() => Ok(text.to_owned()),
        _ => Err(Error::config(format!("`{}` is no absolute path in the container", path.display()))
            .hint("begin it with `/`")),
    }
}
