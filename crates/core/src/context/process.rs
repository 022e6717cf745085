//! The door to processes on this machine: argv only, a clean environment, output streamed line by
//! line and masked, and never a child left behind.

use std::{
    fmt::Debug,
    pin::{Pin, pin},
    process::Stdio,
    time::Duration,
};

use async_trait::async_trait;
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};

use super::printed::Printed;
use crate::{
    Context, Error, ErrorKind, Result,
    command::{Command, Exit},
    event::{Level, Stream},
};

/// Runs commands on the host. Plug-ins reach it through [`Context::run`].
#[async_trait]
pub trait Processes: Debug + Send + Sync + 'static {
    /// Runs a command to its end, with its output streamed as events.
    ///
    /// A non-zero code is an [`Exit`], not an error. When the task is forced to stop or its deadline
    /// passes, the command and all that it started are ended.
    ///
    /// # Errors
    /// `MissingTool` when there is no such program, `Cancelled`, `Timeout`.
    async fn run(&self, cx: &Context, command: Command) -> Result<Exit>;
}

/// The machine's processes.
///
/// A command sees the context's environment and its own variables, nothing else, and runs in a
/// process group of its own, which is ended as a whole: first `SIGTERM`, after a grace `SIGKILL`. What
/// leaves that group, as a daemon does, is not ended, but does not keep the command from ending either.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct HostProcesses {
    /// How long a command may take to end after `SIGTERM`, and its output to end after it (at least 1 s);
    /// 2 s by default.
    pub grace: Duration,
}

impl Default for HostProcesses {
    fn default() -> Self {
        Self { grace: Duration::from_secs(2) }
    }
}

/// What a command has written is read after its end, however short the grace is.
const DRAIN: Duration = Duration::from_secs(1);
/// What is read at once.
const BUFFER: usize = 64 * 1024;

#[async_trait]
impl Processes for HostProcesses {
    async fn run(&self, cx: &Context, command: Command) -> Result<Exit> {
        let mut child = spawn(cx, &command).await?;
        // Declared after the child, so that it is dropped before it: its number is not reused meanwhile.
        let mut group = Group(child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)));
        let (input, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let text = command.stdin.clone().unwrap_or_default();
        let feed = async move {
            if let Some(mut input) = input {
                // A command may end without reading its input; that is its own matter.
                let _ = input.write_all(text.as_bytes()).await;
            }
            Ok(())
        };
        let mut captured = Vec::new();
        let mut out = Printed::new(cx, Stream::Stdout, &command);
        let mut err = Printed::new(cx, Stream::Stderr, &command);
        let (status, read) = {
            let read_out = async {
                if command.capture {
                    capture(stdout, &command.program, &mut captured).await
                } else {
                    read(&mut out, stdout).await
                }
            };
            let mut pipes = Pipes {
                work: pin!(async { tokio::try_join!(read_out, read(&mut err, stderr), feed).map(drop) }),
                ended: false,
            };
            let stopped = tokio::select! {
                status = child.wait() => Ok(status.map_err(|error| failed(&command, error))?),
                error = pipes.failed() => return Err(error),
                error = cx.stopped() => Err(error),
            };
            match stopped {
                Ok(status) => {
                    // What the command left running is ended too; it may hold the pipes open.
                    group.kill(Signal::KILL);
                    group.0 = None;
                    (status, tokio::time::timeout(self.grace.max(DRAIN), pipes.all()).await)
                }
                Err(error) => {
                    group.kill(Signal::TERM);
                    // Its last words are still read: a pipe that nobody reads would end it with `SIGPIPE`.
                    let ended = async {
                        let _ = child.wait().await;
                        group.gone().await;
                    };
                    let politely = async { tokio::join!(ended, pipes.all()) };
                    let _ = tokio::time::timeout(self.grace, politely).await;
                    group.kill(Signal::KILL);
                    let _ = child.wait().await;
                    return Err(error.note(format!("`{}` was ended", command.program)));
                }
            }
        };
        match read {
            Ok(read) => read?,
            Err(_) => cx.message(
                Level::Warning,
                format!("`{}` left something running that still holds its output", command.program),
            ),
        }
        let signal = std::os::unix::process::ExitStatusExt::signal(&status);
        let code = status.code().or(signal.map(|signal| 128 + signal)).unwrap_or(-1);
        let stdout = String::from_utf8(captured)
            .map_err(|_| Error::bad_output(format!("the output of `{}` is not UTF-8", command.program)))?;
        let (out, err) = (out.end(), err.end());
        Ok(Exit::new(code).stdout(stdout).stderr(if err.is_empty() { out } else { err }))
    }
}

/// The work on a command's pipes, which may end before the command and after it.
struct Pipes<'a, F> {
    work: Pin<&'a mut F>,
    ended: bool,
}

impl<F: Future<Output = Result<()>>> Pipes<'_, F> {
    /// Returns the error if the work fails, and else never.
    async fn failed(&mut self) -> Error {
        match self.all().await {
            Ok(()) => std::future::pending().await,
            Err(error) => error,
        }
    }

    /// Returns once all that hold the pipes have closed them.
    async fn all(&mut self) -> Result<()> {
        if self.ended {
            return Ok(());
        }
        let ended = self.work.as_mut().await;
        self.ended = true;
        ended
    }
}

/// Ends the process group when the future that runs it is dropped.
struct Group(Option<Pid>);

impl Group {
    fn kill(&self, signal: Signal) {
        if let Some(pid) = self.0 {
            // A group that is gone already is what we want.
            let _ = kill_process_group(pid, signal);
        }
    }

    /// Returns once no process is left in the group.
    #[expect(clippy::disallowed_methods, reason = "processes end in real time, whatever the clock")]
    async fn gone(&self) {
        while self.0.is_some_and(|pid| test_kill_process_group(pid).is_ok()) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill(Signal::KILL);
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the door")]
async fn spawn(cx: &Context, command: &Command) -> Result<tokio::process::Child> {
    let mut process = tokio::process::Command::new(&command.program);
    let seen =
        |(name, _): &(&String, &String)| command.inherit.as_ref().is_none_or(|names| names.contains(*name));
    process
        .args(&command.args)
        .env_clear()
        .envs(cx.envs().iter().filter(seen))
        .envs(&command.env)
        .current_dir(command.dir.as_deref().map_or_else(|| cx.root().to_owned(), |dir| cx.path(dir)))
        .stdin(if command.stdin.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    for (variable, id) in &command.secrets {
        process.env(variable, cx.secret(id).await?.expose());
    }
    process.spawn().map_err(|error| failed(command, error))
}

fn failed(command: &Command, error: std::io::Error) -> Error {
    if error.kind() == std::io::ErrorKind::NotFound {
        return Error::new(ErrorKind::MissingTool, format!("cannot run `{}`", command.program))
            .source(error)
            .hint("install it, or check the world's `PATH` and the command's working directory");
    }
    Error::new(ErrorKind::ToolFailed, format!("cannot run `{}`", command.program)).source(error)
}

async fn read(printed: &mut Printed<'_>, from: Option<impl AsyncRead + Unpin>) -> Result<()> {
    let Some(mut from) = from else { return Ok(()) };
    let mut buffer = vec![0; BUFFER];
    loop {
        // A pipe that cannot be read has ended.
        match from.read(&mut buffer).await.unwrap_or(0) {
            0 => return Ok(()),
            count => printed.take(&buffer[..count]),
        }
    }
}

async fn capture(from: Option<impl AsyncRead + Unpin>, program: &str, bytes: &mut Vec<u8>) -> Result<()> {
    let Some(from) = from else { return Ok(()) };
    from.take(Command::CAPTURE_LIMIT as u64 + 1).read_to_end(bytes).await.map_err(|error| {
        Error::new(ErrorKind::ToolFailed, format!("cannot read the output of `{program}`")).source(error)
    })?;
    if bytes.len() > Command::CAPTURE_LIMIT {
        return Err(Error::bad_output(format!(
            "`{program}` wrote more than {} bytes",
            Command::CAPTURE_LIMIT
        )));
    }
    Ok(())
}
