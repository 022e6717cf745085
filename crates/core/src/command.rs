//! Commands and what is left of them, as data.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use serde::{Deserialize, Serialize};

use crate::{
    Error, ErrorKind, Result,
    image::Image,
    inputs::Tree,
    value::{name, value},
};

name! {
    /// The id of a secret, by which commands and mounts name it; never the secret itself.
    pub struct SecretId(check_secret_id);
}

fn check_secret_id(text: &str) -> Result<()> {
    if !text.is_empty() && text.len() <= 256 && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    Err(Error::config("a secret id is empty, too long or has blanks in it")
        .hint("use 1 to 256 visible ASCII characters"))
}

value! {
    /// A program and its arguments; never a line for a shell.
    #[derive(Eq)]
    pub struct Command {
        /// The program: a path, or a name looked up on the environment's `PATH`. In an image, empty
        /// means the image's entrypoint.
        pub program: String,
        ;
        /// The arguments, after the program's name.
        pub args: Vec<String>,
        /// The variables of the context's environment that it sees; all of them when absent. Hosts only.
        pub inherit: Option<BTreeSet<String>>,
        /// Variables added to the environment.
        pub env: BTreeMap<String, String>,
        /// Variables added to the environment whose values are secrets; whoever runs the command
        /// resolves them.
        pub secrets: BTreeMap<String, SecretId>,
        /// The working directory, below the context's root or absolute; the root when absent.
        pub dir: Option<PathBuf>,
        /// The text that it reads on its standard input; nothing when absent.
        pub stdin: Option<String>,
        /// Whether to keep standard output for [`Exit::stdout`] instead of streaming it, and standard
        /// error, which is streamed too, for [`Exit::stderr`]: at most [`Command::CAPTURE_LIMIT`] bytes
        /// of each. Every runner does.
        pub capture: bool,
    }
}

impl Command {
    /// The most bytes that a capturing command may write to standard output, and the most that are kept
    /// of its standard error.
    pub const CAPTURE_LIMIT: usize = 16 * 1024 * 1024;

    /// Returns the command made of a program and its arguments.
    ///
    /// # Errors
    /// `Config` when `argv` is empty.
    pub fn from_argv(argv: &[String]) -> Result<Self> {
        match argv {
            [program, args @ ..] => Ok(Self::new(program.as_str()).args(args)),
            [] => Err(Error::config("a command has no program").hint("give at least one word")),
        }
    }

    /// Returns the command that has `sh` run a script, for what a user wrote for a shell: a build command, a hook.
    ///
    /// Nothing is put into the script: what it works on comes by the environment. This is the only place that
    /// starts a shell on this machine.
    #[must_use]
    pub fn shell(script: &str) -> Self {
        Self::new("sh").args(["-c".to_owned(), script.to_owned()])
    }
}

value! {
    /// What is left of a command that ended.
    #[derive(Eq)]
    pub struct Exit {
        /// The exit code; 128 and the signal's number when a signal ended it.
        pub code: i32,
        ;
        /// Standard output, if the command captured it.
        pub stdout: String,
        /// The end of standard error, at most 4 KiB, for messages; of standard output when the command
        /// wrote nothing to standard error. If the command captured: standard error and nothing else.
        pub stderr: String,
        /// What the command wrote to the request's result file, at most 4 KiB.
        pub result: Option<String>,
    }
}

impl Exit {
    /// The most bytes at the end of the output that a message shows.
    pub(crate) const END: usize = 4096;

    /// Returns the exit if the code is 0.
    ///
    /// # Errors
    /// `ToolFailed`, with the code and the end of the output; `what` names the tool.
    pub fn success(self, what: &str) -> Result<Self> {
        if self.code == 0 {
            return Ok(self);
        }
        let error =
            Error::new(ErrorKind::ToolFailed, format!("`{what}` failed with exit code {}", self.code));
        let end = self.stderr.trim_end();
        // A capturing command keeps more than a message can bear.
        let end = &end[end.ceil_char_boundary(end.len().saturating_sub(Self::END))..];
        Err(if end.is_empty() { error } else { error.note(end) })
    }
}

value! {
    /// What a runner is asked to run.
    #[derive(Eq)]
    pub struct RunRequest {
        /// The command.
        pub command: Command,
        ;
        /// The image to run it in; the runner's own surroundings when absent.
        pub image: Option<Image>,
        /// What it sees besides the image.
        pub mounts: Vec<Mount>,
        /// The file whose first 4 KiB become [`Exit::result`].
        pub result: Option<PathBuf>,
    }
}

value! {
    /// Something that a command sees at a path.
    #[derive(Eq)]
    pub struct Mount {
        /// What it sees.
        pub source: MountSource,
        /// The absolute path at which it sees it.
        pub target: PathBuf,
        ;
        /// Whether it cannot be written.
        pub read_only: bool,
    }
}

/// What is mounted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MountSource {
    /// An open [`Volume`], by name.
    Volume(String),
    /// A file or folder of the machine that the runner runs on.
    Host(PathBuf),
    /// A secret, as a file with mode 0400.
    Secret(SecretId),
    /// A text, as a file.
    Text(String),
}

value! {
    /// A folder that the commands of one runner share.
    #[derive(Eq)]
    pub struct Volume {
        /// The name by which mounts use it.
        pub name: String,
        ;
        /// What it holds when it is opened; nothing when absent.
        pub from: Option<Tree>,
        /// Where its content is copied when it is closed; nowhere when absent.
        pub into: Option<PathBuf>,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_exit_names_the_tool_and_keeps_the_end_of_its_output() {
        let error =
            Exit::new(2).stderr("first\nlast line\n".to_owned()).success("go build").expect_err("fails");
        assert_eq!(error.kind(), ErrorKind::ToolFailed);
        assert_eq!(
            error.report().to_string(),
            "`go build` failed with exit code 2\n  note: first\n        last line"
        );
        assert!(Exit::new(0).success("x").is_ok());
        let error = Exit::new(1).stderr("é".repeat(5000)).success("x").expect_err("fails");
        assert_eq!(error.report().notes, ["é".repeat(2048)]);
    }
}
