//! Dockerfiles, read to a plain list of instructions with their places: the parser that builders
//! share. Variables are expanded later, by whoever knows their values, with [`Variables`].

mod expand;
mod words;

use std::path::{Path, PathBuf};

use parse_dockerfile as parsed;
use shipway_core::{Error, Location, Result, did_you_mean};

pub(crate) use self::expand::{Expanded, Variables};

/// A Dockerfile as its instructions, in their order.
#[derive(Debug)]
pub(crate) struct Dockerfile {
    pub(crate) instructions: Vec<Located>,
}

/// An instruction and where it begins.
#[derive(Debug)]
pub(crate) struct Located {
    pub(crate) at: Location,
    /// The instruction on one line, for the image's history.
    pub(crate) text: String,
    pub(crate) instruction: Instruction,
}

/// What an instruction says; texts are not expanded yet.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Instruction {
    From {
        image: String,
        flags: Vec<Flag>,
    },
    Arg(Vec<(String, Option<String>)>),
    Env(Vec<(String, String)>),
    Label(Vec<(String, String)>),
    Copy(Copy),
    Workdir(String),
    User(String),
    Expose(Vec<String>),
    Entrypoint(CommandLine),
    Cmd(CommandLine),
    /// Any other instruction, by its name.
    Other(&'static str),
}

/// A `COPY` instruction.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Copy {
    pub(crate) flags: Vec<Flag>,
    /// `None` for a here-document.
    pub(crate) sources: Vec<Option<String>>,
    pub(crate) destination: String,
}

/// `--name=value`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Flag {
    pub(crate) name: String,
    pub(crate) value: Option<String>,
    pub(crate) at: Location,
}

/// A command in its exec form or its shell form.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum CommandLine {
    Exec(Vec<String>),
    Shell(String),
}

/// Every instruction that a Dockerfile may have, for suggestions.
const NAMES: [&str; 18] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

impl Dockerfile {
    /// Parses the text of the Dockerfile that is shown as `file`; also returns its escape character.
    pub(crate) fn parse(text: &str, file: &Path) -> Result<(Self, char)> {
        // The parser's places are counted without a byte order mark.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let source = Source { text, file: file.to_owned() };
        let hidden;
        let dockerfile = match parsed::parse(text) {
            Ok(dockerfile) => dockerfile,
            Err(_) => {
                hidden = hide_empty_lists(text);
                parsed::parse(&hidden).map_err(|error| source.wrong(&error))?
            }
        };
        let escape = dockerfile.parser_directives.escape.as_ref().map_or('\\', |escape| escape.value.value);
        let instructions = dockerfile
            .instructions
            .iter()
            .map(|one| source.instruction(one, escape))
            .collect::<Result<_>>()?;
        Ok((Self { instructions }, escape))
    }
}

struct Source<'a> {
    text: &'a str,
    file: PathBuf,
}

impl Source<'_> {
    fn instruction(&self, one: &parsed::Instruction<'_>, escape: char) -> Result<Located> {
        use parsed::Instruction as P;
        let (keyword, end, instruction) = match one {
            P::From(from) => {
                let end = from.as_.as_ref().map_or(from.image.span.end, |(_, name)| name.span.end);
                let (image, flags) = (from.image.value.clone().into_owned(), self.flags(&from.options));
                (&from.from, end, Instruction::From { image, flags })
            }
            P::Arg(arg) => {
                let words = words::split(&arg.arguments.value, escape);
                let assignments = words.into_iter().map(|word| match word.split_once('=') {
                    Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                    None => (word, None),
                });
                (&arg.arg, arg.arguments.span.end, Instruction::Arg(assignments.collect()))
            }
            P::Env(env) => {
                let pairs = self.pairs("ENV", &env.env, &env.arguments, escape)?;
                (&env.env, env.arguments.span.end, Instruction::Env(pairs))
            }
            P::Label(label) => {
                let pairs = self.pairs("LABEL", &label.label, &label.arguments, escape)?;
                (&label.label, label.arguments.span.end, Instruction::Label(pairs))
            }
            P::Copy(copy) => {
                let sources = copy.src.iter().map(|source| match source {
                    parsed::Source::Path(path) => Some(path.value.clone().into_owned()),
                    _ => None,
                });
                let instruction = Copy {
                    flags: self.flags(&copy.options),
                    sources: sources.collect(),
                    destination: copy.dest.value.clone().into_owned(),
                };
                (&copy.copy, copy.dest.span.end, Instruction::Copy(instruction))
            }
            P::Workdir(workdir) => {
                let path = workdir.arguments.value.trim().to_owned();
                (&workdir.workdir, workdir.arguments.span.end, Instruction::Workdir(path))
            }
            P::User(user) => {
                let name = user.arguments.value.trim().to_owned();
                (&user.user, user.arguments.span.end, Instruction::User(name))
            }
            P::Expose(expose) => {
                let ports = expose.arguments.iter().map(|port| port.value.clone().into_owned()).collect();
                let end = expose.arguments.last().map_or(expose.expose.span.end, |port| port.span.end);
                (&expose.expose, end, Instruction::Expose(ports))
            }
            P::Entrypoint(entrypoint) => {
                let (command, end) = match &entrypoint.arguments {
                    parsed::Command::Shell(text)
                        if self.text.get(text.span.clone()).is_some_and(is_empty_list) =>
                    {
                        (CommandLine::Exec(Vec::new()), text.span.end)
                    }
                    arguments => command_line(arguments, escape),
                };
                (&entrypoint.entrypoint, end, Instruction::Entrypoint(command))
            }
            P::Cmd(cmd) => {
                let (command, end) = command_line(&cmd.arguments, escape);
                (&cmd.cmd, end, Instruction::Cmd(command))
            }
            other => {
                let (keyword, name) = keyword(other)?;
                (keyword, keyword.span.end, Instruction::Other(name))
            }
        };
        let start = keyword.span.start;
        let text = one_line(self.text.get(start..end).unwrap_or_default(), escape);
        Ok(Located { at: self.at(start), text, instruction })
    }

    fn flags(&self, flags: &[parsed::Flag<'_>]) -> Vec<Flag> {
        let flag = |flag: &parsed::Flag<'_>| Flag {
            name: flag.name.value.clone().into_owned(),
            value: flag.value.as_ref().map(|value| value.value.clone().into_owned()),
            at: self.at(flag.span().start),
        };
        flags.iter().map(flag).collect()
    }

    fn pairs(
        &self,
        name: &str,
        keyword: &parsed::Keyword,
        arguments: &parsed::UnescapedString<'_>,
        escape: char,
    ) -> Result<Vec<(String, String)>> {
        words::pairs(&arguments.value, escape).map_err(|problem| {
            Error::config(format!("{name} {problem}"))
                .at(self.at(keyword.span.start))
                .hint(format!("write `{name} name=value`, with quotes around a value that has blanks"))
        })
    }

    /// Returns the place of a byte of the text, with its column in characters.
    fn at(&self, offset: usize) -> Location {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        Location::new(&self.file, line, before[line_start..].chars().count() + 1)
    }

    fn wrong(&self, error: &parsed::Error) -> Error {
        // Its alternate form leaves out the place, which we give ourselves.
        let message = format!("{error:#}").replace('\'', "`");
        let line = self.text.lines().nth(error.line().wrapping_sub(1)).unwrap_or_default();
        let word = line.split_whitespace().next().unwrap_or_default();
        let location = Location::new(&self.file, error.line(), error.column());
        let wrong = Error::config(message.clone()).at(location);
        if message.starts_with("unknown instruction") {
            return match did_you_mean(&word.to_uppercase(), NAMES) {
                Some(near) => wrong.hint(format!("did you mean `{near}`?")),
                None => {
                    wrong.hint("an instruction is a word such as `COPY`; a line goes on after a final `\\`")
                }
            };
        }
        if message.starts_with("expected FROM") || message.starts_with("expected at least one FROM") {
            return wrong.hint("begin with `FROM scratch` or with a base image");
        }
        wrong.hint("see the Dockerfile reference for this instruction's form")
    }
}

/// Hides the empty list of each `ENTRYPOINT []`, which to Docker is no entrypoint and to the parser a
/// mistake; all bytes stay in their places.
fn hide_empty_lists(text: &str) -> String {
    let hide = |line: &str| {
        let (word, list) = line.trim().split_at_checked("ENTRYPOINT".len())?;
        let is_one = word.eq_ignore_ascii_case("ENTRYPOINT") && is_empty_list(list);
        is_one.then(|| line.replace(['[', ']'], "."))
    };
    text.split_inclusive('\n').map(|line| hide(line).unwrap_or_else(|| line.to_owned())).collect()
}

fn is_empty_list(text: &str) -> bool {
    let inside = text.trim().strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    inside.is_some_and(|inside| inside.trim().is_empty())
}

fn keyword<'a>(other: &'a parsed::Instruction<'_>) -> Result<(&'a parsed::Keyword, &'static str)> {
    use parsed::Instruction as P;
    Ok(match other {
        P::Add(one) => (&one.add, "ADD"),
        P::Healthcheck(one) => (&one.healthcheck, "HEALTHCHECK"),
        P::Maintainer(one) => (&one.maintainer, "MAINTAINER"),
        P::Onbuild(one) => (&one.onbuild, "ONBUILD"),
        P::Run(one) => (&one.run, "RUN"),
        P::Shell(one) => (&one.shell, "SHELL"),
        P::Stopsignal(one) => (&one.stopsignal, "STOPSIGNAL"),
        P::Volume(one) => (&one.volume, "VOLUME"),
        _ => return Err(Error::internal("the Dockerfile parser gave an instruction that we do not know")),
    })
}

fn command_line(command: &parsed::Command<'_>, escape: char) -> (CommandLine, usize) {
    match command {
        parsed::Command::Exec(words) => {
            let argv = words.value.iter().map(|word| word.value.clone().into_owned()).collect();
            (CommandLine::Exec(argv), words.span.end)
        }
        parsed::Command::Shell(text) => (CommandLine::Shell(one_line(text.value, escape)), text.span.end),
        // The enum is open; whatever comes is a command of no words.
        _ => (CommandLine::Exec(Vec::new()), 0),
    }
}

/// Joins continued lines as BuildKit's parser does: the escape at a line's end goes, and so do lines
/// that are empty or a comment.
fn one_line(text: &str, escape: char) -> String {
    let mut joined = String::new();
    for (index, line) in text.lines().enumerate() {
        let start = line.trim_start();
        if index > 0 && (start.is_empty() || start.starts_with('#')) {
            continue;
        }
        joined.push_str(line.trim_end_matches([' ', '\t']).strip_suffix(escape).unwrap_or(line));
    }
    joined.trim().to_owned()
}

#[cfg(test)]
mod tests;
