//! Dockerfiles, read to a plain list of instructions with their places: the parser that builders
//! share, as strict and as lenient as BuildKit's. Variables are expanded later, by whoever knows their
//! values, with [`Variables`].

mod expand;
mod health;
mod lines;
mod parse;
mod pattern;
mod words;

use shipway_core::Location;
use shipway_oci::Healthcheck;

pub(crate) use self::expand::{Expanded, Variables};

/// A Dockerfile as its instructions, in their order.
#[derive(Debug)]
pub(crate) struct Dockerfile {
    pub(crate) instructions: Vec<Located>,
    /// The escape character.
    pub(crate) escape: char,
}

/// An instruction and where it begins.
#[derive(Clone, Debug)]
pub(crate) struct Located {
    pub(crate) at: Location,
    /// The instruction on one line, for the image's history.
    pub(crate) text: String,
    pub(crate) instruction: Instruction,
}

/// What an instruction says; texts are not expanded yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Instruction {
    From {
        image: String,
        /// The stage's name, in lower case.
        name: Option<String>,
        platform: Option<Flag>,
    },
    Arg(Vec<(String, Option<String>)>),
    Env(Vec<(String, String)>),
    Label(Vec<(String, String)>),
    /// `COPY` or `ADD`.
    Copy(Box<Copy>),
    Workdir(String),
    User(String),
    Expose(Vec<String>),
    Volume(Vec<String>),
    StopSignal(String),
    Shell(Vec<String>),
    Entrypoint(CommandLine),
    Cmd(CommandLine),
    Healthcheck(Healthcheck),
    Maintainer(String),
    /// The text of a trigger, for [`Dockerfile::trigger`].
    Onbuild(String),
    Run,
}

/// A `COPY` or `ADD` instruction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Copy {
    /// Whether it is `ADD`.
    pub(crate) add: bool,
    pub(crate) from: Option<Flag>,
    pub(crate) chown: Option<Flag>,
    pub(crate) chmod: Option<Flag>,
    pub(crate) link: bool,
    pub(crate) parents: bool,
    pub(crate) exclude: Vec<String>,
    /// Whether archives are unpacked; by default those of `ADD`.
    pub(crate) unpack: Option<bool>,
    /// A flag for sources of the network.
    pub(crate) remote: Option<Flag>,
    pub(crate) sources: Vec<String>,
    pub(crate) heredocs: Vec<Heredoc>,
    pub(crate) destination: String,
}

/// A file that is written in the Dockerfile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Heredoc {
    pub(crate) name: String,
    pub(crate) content: String,
    /// Whether its variables are replaced.
    pub(crate) expand: bool,
    /// Whether tabs go at the beginning of lines.
    chomp: bool,
}

/// `--name=value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Flag {
    pub(crate) name: String,
    pub(crate) value: Option<String>,
    pub(crate) at: Location,
}

/// A command in its exec form or its shell form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CommandLine {
    Exec(Vec<String>),
    Shell(String),
}

/// A line and a column, each from 1.
#[derive(Clone, Copy, Debug)]
struct Place {
    line: usize,
    column: usize,
}

#[cfg(test)]
mod tests;
