//! From lines to instructions; a port of BuildKit's `instructions.ParseInstruction`.

use std::path::Path;

use serde_json::Value;
use shipway_core::{Error, Location, Result, did_you_mean};
use shipway_oci::Healthcheck;

use super::{
    CommandLine, Copy, Dockerfile, Flag, Heredoc, Instruction, Located, health,
    lines::{self, Line},
    words,
};

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
    /// Parses the text of the Dockerfile that is shown as `file`.
    pub(crate) fn parse(text: &str, file: &Path) -> Result<Self> {
        let (instructions, escape) = read(text, file)?;
        let first = instructions.iter().find(|one| !matches!(one.instruction, Instruction::Arg(_)));
        let hint = "begin with `FROM scratch` or with a base image";
        match first {
            None => {
                let at = Location::new(file, 0, 0);
                Err(Error::config("expected at least one FROM instruction").at(at).hint(hint))
            }
            Some(Located { at, instruction, .. }) if !matches!(instruction, Instruction::From { .. }) => {
                Err(Error::config("expected FROM").at(at.clone()).hint(hint))
            }
            Some(_) => Ok(Self { instructions, escape }),
        }
    }

    /// Parses the text of a trigger, which is shown to be at `at`.
    pub(crate) fn trigger(text: &str, at: &Location) -> Result<Located> {
        let wrong = |what: String| {
            Error::config(what)
                .at(at.clone())
                .note(format!("it is the trigger `ONBUILD {text}`"))
                .hint("correct it where it was written, with `ONBUILD`")
        };
        let (read, _) = read(text, Path::new("ONBUILD")).map_err(|error| wrong(error.to_string()))?;
        let [mut one] =
            <[Located; 1]>::try_from(read).map_err(|_| wrong("it is not one instruction".into()))?;
        if matches!(
            one.instruction,
            Instruction::From { .. } | Instruction::Onbuild(_) | Instruction::Maintainer(_)
        ) {
            return Err(wrong("it cannot be a trigger".to_owned()));
        }
        one.at = at.clone();
        Ok(one)
    }
}

fn read(text: &str, file: &Path) -> Result<(Vec<Located>, char)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (lines, escape) = lines::read(text)
        .map_err(|wrong| Error::config(wrong.what).at(Location::new(file, wrong.line, 1)).hint(wrong.hint))?;
    let located = lines.into_iter().map(|line| Parser { line, escape, file }.located());
    Ok((located.collect::<Result<_>>()?, escape))
}

struct Parser<'a> {
    line: Line,
    escape: char,
    file: &'a Path,
}

impl Parser<'_> {
    fn located(mut self) -> Result<Located> {
        let text = self.line.text.trim().to_owned();
        let (name, rest) = text.split_once(words::BLANKS).unwrap_or((&text, ""));
        let start = text.len() - rest.len();
        let (flags, arguments) = words::flags(rest, self.escape);
        let flags = flags.into_iter().map(|(at, flag)| self.flag(start + at, &flag)).collect();
        let mut heredocs = std::mem::take(&mut self.line.heredocs);
        let instruction = self
            .instruction(&name.to_uppercase(), rest[arguments..].trim(), flags, &mut heredocs)
            .map_err(|error| match error.report().location {
                Some(_) => error,
                None => error.at(self.at()),
            })?;
        Ok(Located { at: self.at(), text, instruction })
    }

    fn instruction(
        &self,
        name: &str,
        rest: &str,
        flags: Vec<Flag>,
        heredocs: &mut [Heredoc],
    ) -> Result<Instruction> {
        let some = |rest: &str| match rest {
            "" => Err(wrong(format!("{name} requires at least one argument"))),
            rest => Ok(rest.to_owned()),
        };
        if !matches!(name, "FROM" | "COPY" | "ADD" | "RUN" | "HEALTHCHECK") {
            known(name, &flags, &[])?;
        }
        Ok(match name {
            "FROM" => {
                known(name, &flags, &["platform"])?;
                let words = words::plain(rest);
                let (image, stage) = match words.as_slice() {
                    [image] => (image, None),
                    [image, word, stage] if word.eq_ignore_ascii_case("as") => {
                        (image, Some(stage_name(stage)?))
                    }
                    _ => return Err(wrong("FROM requires an image, or an image, `AS` and a name")),
                };
                Instruction::From { image: image.clone(), name: stage, platform: flags.into_iter().next() }
            }
            "ARG" => {
                let words = words::split(&some(rest)?, self.escape);
                let pair = |word: String| match word.split_once('=') {
                    Some(("", _)) => Err(wrong("an ARG has no name")),
                    Some((name, value)) => Ok((name.to_owned(), Some(value.to_owned()))),
                    None => Ok((word, None)),
                };
                Instruction::Arg(words.into_iter().map(pair).collect::<Result<_>>()?)
            }
            "ENV" => Instruction::Env(self.pairs(name, &some(rest)?)?),
            "LABEL" => Instruction::Label(self.pairs(name, &some(rest)?)?),
            "COPY" | "ADD" => Instruction::Copy(Box::new(copy(name, rest, flags, heredocs)?)),
            "WORKDIR" => Instruction::Workdir(some(rest)?),
            "USER" => Instruction::User(some(rest)?),
            "EXPOSE" => Instruction::Expose(words::plain(&some(rest)?)),
            "VOLUME" => {
                let volumes = list(&some(rest)?)?;
                if volumes.is_empty() || volumes.iter().any(|volume| volume.trim().is_empty()) {
                    return Err(wrong("a VOLUME is empty"));
                }
                Instruction::Volume(volumes.iter().map(|volume| volume.trim().to_owned()).collect())
            }
            "STOPSIGNAL" => Instruction::StopSignal(some(rest)?),
            "SHELL" => match json(&some(rest)?)? {
                Some(words) if !words.is_empty() => Instruction::Shell(words),
                _ => {
                    return Err(Error::config("SHELL requires a list")
                        .hint("write it as JSON, such as `SHELL [\"/bin/bash\", \"-c\"]`"));
                }
            },
            "ENTRYPOINT" => Instruction::Entrypoint(command(rest)?),
            "CMD" => Instruction::Cmd(command(rest)?),
            "HEALTHCHECK" => Instruction::Healthcheck(healthcheck(&some(rest)?, &flags)?),
            "MAINTAINER" => Instruction::Maintainer(some(rest)?),
            "ONBUILD" => Instruction::Onbuild(onbuild(&some(rest)?, heredocs)?),
            "RUN" => Instruction::Run,
            _ => return Err(unknown(self.line.text.split_whitespace().next().unwrap_or_default())),
        })
    }

    fn at(&self) -> Location {
        Location::new(self.file, self.line.place.line, self.line.place.column)
    }

    fn flag(&self, offset: usize, text: &str) -> Flag {
        // What comes after the first line is shown at the instruction.
        let before = if offset < self.line.first { self.line.text[..offset].chars().count() } else { 0 };
        let place = self.line.place;
        let at = Location::new(self.file, place.line, place.column + before);
        let (name, value) = match text[2..].split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (&text[2..], None),
        };
        Flag { name: name.to_owned(), value, at }
    }

    fn pairs(&self, name: &str, rest: &str) -> Result<Vec<(String, String)>> {
        words::pairs(rest, self.escape).map_err(|problem| {
            Error::config(format!("{name} {problem}"))
                .hint(format!("write `{name} name=value`, with quotes around a value that has blanks"))
        })
    }
}

fn wrong(what: impl Into<String>) -> Error {
    Error::config(what).hint("see the Dockerfile reference for this instruction's form")
}

fn unknown(word: &str) -> Error {
    let error = Error::config(format!("unknown instruction `{word}`"));
    match did_you_mean(&word.to_uppercase(), NAMES) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.hint("an instruction is a word such as `COPY`; a line goes on after a final `\\`"),
    }
}

/// Checks that an instruction has flags of these names only, each once but for `exclude`.
fn known(instruction: &str, flags: &[Flag], names: &[&str]) -> Result<()> {
    for (index, flag) in flags.iter().enumerate() {
        let name = flag.name.as_str();
        if !names.contains(&name) {
            let error = Error::config(format!("{instruction} has no flag `--{name}`")).at(flag.at.clone());
            return Err(match did_you_mean(name, names.iter().copied()) {
                Some(near) => error.hint(format!("did you mean `--{near}`?")),
                None => error.hint("see the Dockerfile reference for this instruction's flags"),
            });
        }
        if name != "exclude" && flags[..index].iter().any(|other| other.name == name) {
            return Err(wrong(format!("the flag `--{name}` is there twice")).at(flag.at.clone()));
        }
        if flag.value.is_none() && !matches!(name, "link" | "parents" | "unpack" | "keep-git-dir") {
            return Err(wrong(format!("the flag `--{name}` has no value")).at(flag.at.clone()));
        }
    }
    Ok(())
}

fn stage_name(word: &str) -> Result<String> {
    let name = word.to_lowercase();
    let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
    if name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(fine) {
        return Ok(name);
    }
    Err(Error::config(format!("`{word}` cannot be a stage's name"))
        .hint("begin with a letter; then come letters, digits, `-`, `_` and `.`"))
}

fn copy(name: &str, rest: &str, flags: Vec<Flag>, heredocs: &mut [Heredoc]) -> Result<Copy> {
    let add = name == "ADD";
    let own: &[&str] = match add {
        true => &["chown", "chmod", "link", "exclude", "unpack", "keep-git-dir", "checksum"],
        false => &["chown", "chmod", "link", "exclude", "from", "parents"],
    };
    known(name, &flags, own)?;
    let mut copy = Copy { add, ..Copy::default() };
    for flag in flags {
        match flag.name.as_str() {
            "chown" => copy.chown = Some(flag),
            "chmod" => copy.chmod = Some(flag),
            // An empty name is none (BuildKit, `toCommand`).
            "from" => copy.from = Some(flag).filter(|flag| flag.value.as_deref() != Some("")),
            "link" => copy.link = is_true(&flag)?,
            "parents" => copy.parents = is_true(&flag)?,
            "unpack" => copy.unpack = Some(is_true(&flag)?),
            "exclude" => copy.exclude.extend(flag.value),
            _ => copy.remote = Some(flag),
        }
    }
    let mut words = list(rest)?;
    let destination = words.pop().filter(|_| !words.is_empty());
    copy.destination =
        destination.ok_or_else(|| wrong(format!("{name} instruction requires at least two arguments")))?;
    if Heredoc::parse(&copy.destination).is_some() {
        return Err(wrong(format!("{name} cannot copy to a here-document")));
    }
    for word in words {
        match Heredoc::parse(&word) {
            // Of several of one name the last counts; in a JSON list it has no lines and is empty.
            Some(named) => {
                let read = heredocs.iter().rev().find(|one| one.name == named.name);
                copy.heredocs.push(read.cloned().unwrap_or(named));
            }
            None => copy.sources.push(word),
        }
    }
    Ok(copy)
}

fn is_true(flag: &Flag) -> Result<bool> {
    match flag.value.as_deref().map(str::to_lowercase).as_deref() {
        None | Some("true") => Ok(true),
        Some("false") => Ok(false),
        Some(other) => {
            Err(wrong(format!("`--{}` is `true` or `false`, not `{other}`", flag.name)).at(flag.at.clone()))
        }
    }
}

/// Reads a JSON list of texts; `None` when it is no JSON list.
fn json(rest: &str) -> Result<Option<Vec<String>>> {
    if !rest.trim_start().starts_with('[') {
        return Ok(None);
    }
    let Ok(values) = serde_json::from_str::<Vec<Value>>(rest) else { return Ok(None) };
    let text = |value: Value| match value {
        Value::String(text) => Ok(text),
        other => Err(wrong(format!("`{other}` is no text: a JSON list here holds texts only"))),
    };
    values.into_iter().map(text).collect::<Result<_>>().map(Some)
}

/// Reads a JSON list, or words.
fn list(rest: &str) -> Result<Vec<String>> {
    Ok(json(rest)?.unwrap_or_else(|| words::plain(rest)))
}

fn command(rest: &str) -> Result<CommandLine> {
    Ok(json(rest)?.map_or_else(|| CommandLine::Shell(rest.to_owned()), CommandLine::Exec))
}

fn healthcheck(rest: &str, flags: &[Flag]) -> Result<Healthcheck> {
    let (kind, rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    match kind.to_uppercase().as_str() {
        "NONE" if rest.trim().is_empty() => Ok(Healthcheck::new(vec!["NONE".to_owned()])),
        "NONE" => Err(wrong("HEALTHCHECK NONE takes no arguments")),
        "CMD" => {
            known(
                "HEALTHCHECK",
                flags,
                &["interval", "timeout", "start-period", "start-interval", "retries"],
            )?;
            let command = command(rest.trim_start())?;
            if matches!(&command, CommandLine::Exec(words) if words.is_empty()) || rest.trim().is_empty() {
                return Err(wrong("HEALTHCHECK CMD requires a command"));
            }
            health::check(&command, flags).map_err(wrong)
        }
        _ => Err(wrong(format!("HEALTHCHECK knows `CMD` and `NONE`, not `{kind}`"))),
    }
}

fn onbuild(rest: &str, heredocs: &[Heredoc]) -> Result<String> {
    let name = rest.split_whitespace().next().unwrap_or_default().to_uppercase();
    if matches!(name.as_str(), "ONBUILD" | "FROM" | "MAINTAINER") {
        return Err(wrong(format!("{name} cannot be a trigger")));
    }
    if !NAMES.contains(&name.as_str()) {
        return Err(unknown(rest.split_whitespace().next().unwrap_or_default()));
    }
    let mut text = rest.to_owned();
    for heredoc in heredocs {
        text.extend(["\n", &heredoc.content, &heredoc.name]);
    }
    Ok(text)
}
