//! Processes by a script: what is expected is answered, what is not fails, what was left is listed.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use shipway_core::{Command, Context, Error, Exit, Processes, Result, Stream};

/// A script of commands and their answers; clones are the same script.
///
/// The commands must come in the order of the script. In an expected argv, `*` stands for any one
/// argument, and `...` at the end for any others.
///
/// ```
/// use shipway_core::World;
/// use shipway_testkit::{Reply, ScriptedProcesses};
///
/// let script = ScriptedProcesses::new()
///     .expect(["git", "rev-parse", "HEAD"], Reply::prints("abc123\n"))
///     .expect(["docker", "build", "..."], Reply::fails(1, "no space left on device"));
/// let world = World::host("/sources").processes(script.clone());
/// // … run the plug-in in this world, and then:
/// assert_eq!(script.left(), ["git rev-parse HEAD", "docker build ..."]);
/// # let _ = world;
/// ```
#[derive(Clone, Debug, Default)]
pub struct ScriptedProcesses(Arc<Mutex<Script>>);

#[derive(Debug, Default)]
struct Script {
    expected: VecDeque<(Vec<String>, Reply)>,
    ran: Vec<Command>,
    unexpected: Vec<String>,
}

/// What a command answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    exit: Exit,
    output: Vec<(Stream, String)>,
    hangs: bool,
}

impl Reply {
    /// Returns the answer of a command that succeeds and prints this to standard output.
    pub fn prints(text: impl Into<String>) -> Self {
        let text = text.into();
        let output = text.lines().map(|line| (Stream::Stdout, line.to_owned())).collect();
        Self { exit: Exit::new(0).stdout(text), output, hangs: false }
    }

    /// Returns the answer of a command that fails and prints this to standard error.
    pub fn fails(code: i32, text: impl Into<String>) -> Self {
        let text = text.into();
        let output = text.lines().map(|line| (Stream::Stderr, line.to_owned())).collect();
        Self { exit: Exit::new(code).stderr(text), output, hangs: false }
    }

    /// Returns the answer of a command that runs until the task is stopped.
    #[must_use]
    pub fn hangs() -> Self {
        Self { exit: Exit::new(0), output: Vec::new(), hangs: true }
    }
}

impl ScriptedProcesses {
    /// Returns a script that expects nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the next command that is expected, and what it answers.
    #[must_use]
    pub fn expect<S: Into<String>>(self, argv: impl IntoIterator<Item = S>, reply: Reply) -> Self {
        self.script().expected.push_back((argv.into_iter().map(Into::into).collect(), reply));
        self
    }

    /// Returns what was expected and did not come, and, marked so, what came and was not expected;
    /// empty when all went by the script.
    #[must_use]
    pub fn left(&self) -> Vec<String> {
        let script = self.script();
        let unexpected = script.unexpected.iter().map(|command| format!("unexpected: {command}"));
        unexpected.chain(script.expected.iter().map(|(argv, _)| argv.join(" "))).collect()
    }

    /// Returns every command that came, in order.
    #[must_use]
    pub fn ran(&self) -> Vec<Command> {
        self.script().ran.clone()
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reply(&self, command: &Command) -> Result<Reply> {
        let mut script = self.script();
        script.ran.push(command.clone());
        let argv: Vec<&str> =
            std::iter::once(&command.program).chain(&command.args).map(String::as_str).collect();
        match script.expected.front() {
            Some((expected, _)) if matches(expected, &argv) => {
                let Some((_, reply)) = script.expected.pop_front() else {
                    return Err(Error::internal("the script is empty"));
                };
                Ok(reply)
            }
            expected => {
                let expected = match expected {
                    Some((argv, _)) => format!("the script expects `{}`", argv.join(" ")),
                    None => "the script expects nothing more".to_owned(),
                };
                let came = argv.join(" ");
                let error = Error::internal(format!("unexpected command `{came}`")).note(expected);
                script.unexpected.push(came);
                Err(error)
            }
        }
    }
}

fn matches(expected: &[String], argv: &[&str]) -> bool {
    let (expected, rest) = match expected.split_last() {
        Some((last, before)) if last == "..." => (before, true),
        _ => (expected, false),
    };
    (argv.len() == expected.len() || rest && argv.len() > expected.len())
        && expected.iter().zip(argv).all(|(one, other)| one == "*" || one == other)
}

#[async_trait]
impl Processes for ScriptedProcesses {
    async fn run(&self, cx: &Context, command: Command) -> Result<Exit> {
        let reply = self.reply(&command)?;
        for (stream, line) in &reply.output {
            if *stream == Stream::Stderr || !command.capture {
                cx.output(*stream, line);
            }
        }
        if reply.hangs {
            return Err(cx.stopped().await.note(format!("`{}` was ended", command.program)));
        }
        let mut exit = reply.exit;
        if !command.capture {
            // As on a host: the end of the output is kept for messages, the output itself is not.
            if exit.stderr.is_empty() {
                exit.stderr.clone_from(&exit.stdout);
            }
            exit.stdout.clear();
        }
        Ok(exit)
    }
}

#[cfg(test)]
mod tests {
    use shipway_core::{Cancel, CancelReason, ErrorKind, RunContext, Stage, World};

    use super::*;

    fn context(script: &ScriptedProcesses, cancel: Cancel) -> Context {
        RunContext::new(World::host("/").processes(script.clone()), "test").context(None, None, cancel)
    }

    #[tokio::test]
    async fn what_is_not_expected_fails_and_what_was_left_is_listed() {
        let script = ScriptedProcesses::new()
            .expect(["git", "rev-parse", "*"], Reply::prints("abc\n"))
            .expect(["docker", "..."], Reply::fails(3, "no"))
            .expect(["never"], Reply::prints(""));
        let cx = context(&script, Cancel::new());
        let words = |words: &[&str]| {
            Command::new(words[0]).args(words[1..].iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
        };
        let exit = cx.run(words(&["git", "rev-parse", "HEAD"]).capture(true)).await.expect("expected");
        assert_eq!(exit.stdout, "abc\n");
        let exit = cx.run(words(&["docker", "build", "."])).await.expect("expected");
        assert_eq!((exit.code, exit.stderr.as_str()), (3, "no"));
        let error = cx.run(words(&["rm", "-rf"])).await.expect_err("unexpected");
        assert_eq!(
            error.report().to_string(),
            "unexpected command `rm -rf`\n  note: the script expects `never`"
        );
        assert_eq!(script.left(), ["unexpected: rm -rf", "never"]);
        assert_eq!(script.ran().len(), 3);
    }

    #[tokio::test]
    async fn a_command_that_hangs_ends_when_the_task_is_forced() {
        let script = ScriptedProcesses::new().expect(["sleep"], Reply::hangs());
        let cancel = Cancel::new();
        let cx = context(&script, cancel.clone());
        let running = tokio::spawn(async move { cx.run(Command::new("sleep")).await });
        cancel.escalate(Stage::Forced, CancelReason::Asked);
        let error = running.await.expect("ends").expect_err("stopped");
        assert_eq!(error.kind(), ErrorKind::Cancelled);
        assert!(script.left().is_empty());
    }
}
