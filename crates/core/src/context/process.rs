//! The door to processes on this machine: argv only, a clean environment, output streamed line by
//! line and masked, and never a child left behind.

use std::{fmt::Debug, process::Stdio, time::Duration};

use async_trait::async_trait;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};

use crate::{
    Context, Error, ErrorKind, Result,
    command::{Command, Exit},
    event::Stream,
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
/// process group of its own, which is ended as a whole: first `SIGTERM`, after a grace `SIGKILL`.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct HostProcesses {
    /// How long a command may take to end after `SIGTERM`; 2 s by default.
    pub grace: Duration,
}

impl Default for HostProcesses {
    fn default() -> Self {
        Self { grace: Duration::from_secs(2) }
    }
}

const TAIL: usize = 4096;
/// A line that is longer is split, so that a command without line ends cannot fill the memory.
const LINE: usize = 64 * 1024;

#[async_trait]
impl Processes for HostProcesses {
    async fn run(&self, cx: &Context, command: Command) -> Result<Exit> {
        let mut child = spawn(cx, &command).await?;
        let mut group = Group(child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)));
        let input = child.stdin.take();
        let stdout = child.stdout.take();
        let stderr = child.stderr.take();
        let text = command.stdin.clone();
        let feed = async move {
            if let (Some(mut input), Some(text)) = (input, text) {
                // A command may end without reading its input; that is its own matter.
                let _ = input.write_all(text.as_bytes()).await;
            }
        };
        let work = async {
            let out = async {
                if command.capture {
                    capture(stdout, &command.program).await
                } else {
                    stream(cx, stdout, Stream::Stdout).await
                }
            };
            let ended = async {
                let status = child.wait().await;
                // What the command left running is ended too; it may hold the pipes open.
                group.kill(Signal::KILL);
                status
            };
            let (status, out, tail, ()) = tokio::join!(ended, out, stream(cx, stderr, Stream::Stderr), feed);
            Ok::<_, Error>((status.map_err(|error| failed(&command, error))?, out?, tail?))
        };
        let stopped = tokio::select! {
            ended = work => {
                group.0 = None;
                let (status, out, tail) = ended?;
                let signal = std::os::unix::process::ExitStatusExt::signal(&status);
                let code = status.code().or(signal.map(|signal| 128 + signal)).unwrap_or(-1);
                let (stdout, tail) = match (command.capture, tail.is_empty()) {
                    (true, _) => (out, tail),
                    (false, true) => (String::new(), out),
                    (false, false) => (String::new(), tail),
                };
                return Ok(Exit::new(code).stdout(stdout).stderr(tail));
            }
            error = cx.stopped() => error,
        };
        group.kill(Signal::TERM);
        if tokio::time::timeout(self.grace, child.wait()).await.is_err() {
            group.kill(Signal::KILL);
            let _ = child.wait().await;
        }
        Err(stopped.note(format!("`{}` was ended", command.program)))
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

/// Sends each line as an event and returns the end of it all.
async fn stream(cx: &Context, from: Option<impl AsyncRead + Unpin>, stream: Stream) -> Result<String> {
    let Some(mut from) = from else { return Ok(String::new()) };
    let mut buffer = vec![0; LINE];
    let (mut line, mut tail) = (Vec::new(), Vec::new());
    loop {
        let count = from.read(&mut buffer).await.unwrap_or(0);
        for &byte in &buffer[..count] {
            if byte == b'\n' || line.len() == LINE {
                cx.output(stream, &String::from_utf8_lossy(&line));
                line.clear();
            }
            if byte != b'\n' {
                line.push(byte);
            }
        }
        tail.extend_from_slice(&buffer[..count]);
        tail.drain(..tail.len().saturating_sub(TAIL));
        if count == 0 {
            break;
        }
    }
    if !line.is_empty() {
        cx.output(stream, &String::from_utf8_lossy(&line));
    }
    Ok(String::from_utf8_lossy(&tail).into_owned())
}

async fn capture(from: Option<impl AsyncRead + Unpin>, program: &str) -> Result<String> {
    let Some(from) = from else { return Ok(String::new()) };
    let mut bytes = Vec::new();
    from.take(Command::CAPTURE_LIMIT as u64 + 1).read_to_end(&mut bytes).await.map_err(|error| {
        Error::new(ErrorKind::ToolFailed, format!("cannot read the output of `{program}`")).source(error)
    })?;
    if bytes.len() > Command::CAPTURE_LIMIT {
        return Err(Error::bad_output(format!(
            "`{program}` wrote more than {} bytes",
            Command::CAPTURE_LIMIT
        )));
    }
    String::from_utf8(bytes).map_err(|_| Error::bad_output(format!("the output of `{program}` is not UTF-8")))
}
