//! A Dockerfile as a program: which base it names, and the steps that its instructions lead to.

use std::collections::{BTreeMap, BTreeSet};

use shipway_core::{Error, Location, Platform, Result};
use shipway_oci::ImageConfig;

use super::{
    Owner,
    assembly::{Assembly, Change, Copy, Source},
    base::shell,
};
use crate::dockerfile::{
    CommandLine, Copy as CopyInstruction, Dockerfile, Expanded, Instruction, Located, Variables,
};

/// The builders that can what this one cannot.
const OTHERS: &str = "use a builder that can: `docker`, `buildkit` or `kaniko`";

/// What BuildKit tells of a platform in a variable each, after `TARGET` and `BUILD`.
const PLATFORM_WORDS: [&str; 4] = ["PLATFORM", "OS", "ARCH", "VARIANT"];

/// A Dockerfile of one stage without commands, with what its variables may come from.
#[derive(Debug)]
pub(super) struct Program<'a> {
    dockerfile: &'a Dockerfile,
    escape: char,
    args: &'a BTreeMap<String, String>,
    from: From,
    /// The variables before `FROM`.
    global: Variables,
}

/// What `FROM` says.
#[derive(Clone, Debug)]
pub(super) struct From {
    pub(super) image: String,
    pub(super) platform: Option<Platform>,
    pub(super) at: Location,
}

impl<'a> Program<'a> {
    /// Reads the program, and refuses at once what this builder cannot do.
    pub(super) fn new(
        (dockerfile, escape): &'a (Dockerfile, char),
        args: &'a BTreeMap<String, String>,
        wanted: &Platform,
    ) -> Result<Self> {
        check(dockerfile)?;
        let mut global = Variables::new(*escape, true);
        for (prefix, platform) in [("TARGET", wanted), ("BUILD", &Platform::linux_here())] {
            let values = [
                platform.to_string(),
                platform.os.clone(),
                platform.architecture.clone(),
                platform.variant.clone().unwrap_or_default(),
            ];
            for (name, value) in PLATFORM_WORDS.into_iter().zip(values) {
                global.set(&format!("{prefix}{name}"), Expanded { value, sure: true });
            }
        }
        for located in &dockerfile.instructions {
            match &located.instruction {
                Instruction::Arg(list) => {
                    for (name, default) in list {
                        set_arg(&mut global, args, None, name, default.as_deref())
                            .map_err(|error| error.at(located.at.clone()))?;
                    }
                }
                Instruction::From { image, flags } => {
                    let at = located.at.clone();
                    let here = |error: Error| error.at(at.clone());
                    let name = global.expand(image).map_err(here)?.value;
                    if name.is_empty() {
                        return Err(here(
                            Error::config(format!("`{image}` names no image"))
                                .hint("give the variable a default: `ARG BASE=…` before `FROM`"),
                        ));
                    }
                    let mut platform = None;
                    for flag in flags {
                        let value = flag.value.as_deref().unwrap_or_default();
                        if flag.name != "platform" {
                            return Err(unknown_flag("FROM", &flag.name, flag.at.clone()));
                        }
                        let value = global.expand(value).map_err(here)?.value;
                        platform = Some(value.parse().map_err(|error: Error| error.at(flag.at.clone()))?);
                    }
                    let from = From { image: name, platform, at };
                    return Ok(Self { dockerfile, escape: *escape, args, from, global });
                }
                _ => {}
            }
        }
        Err(Error::internal("a Dockerfile without `FROM` was parsed"))
    }

    pub(super) fn from(&self) -> &From {
        &self.from
    }

    /// Returns whether the machine that builds may count, because a variable tells of it.
    pub(super) fn names_build_platform(&self) -> bool {
        let names = PLATFORM_WORDS.map(|word| format!("BUILD{word}"));
        let texts = self.dockerfile.instructions.iter().map(|located| &located.text);
        texts.into_iter().any(|text| names.iter().any(|name| text.contains(name)))
    }

    /// Returns the values given for `ARG`s that the Dockerfile does not have.
    pub(super) fn unused_args(&self) -> Vec<&str> {
        let mut declared = BTreeSet::new();
        for located in &self.dockerfile.instructions {
            if let Instruction::Arg(list) = &located.instruction {
                declared.extend(list.iter().map(|(name, _)| name.as_str()));
            }
        }
        self.args.keys().map(String::as_str).filter(|name| !declared.contains(name)).collect()
    }

    /// Returns the steps upon a base.
    pub(super) fn assemble(&self, base: ImageConfig) -> Result<Assembly> {
        let mut variables = Variables::new(self.escape, true);
        for pair in &base.env {
            if let Some((name, value)) = pair.split_once('=') {
                variables.set(name, Expanded { value: value.to_owned(), sure: true });
            }
        }
        let shell = shell(&base);
        let mut stage =
            Stage { program: self, assembly: Assembly::new(base), variables, shell, has_cmd: false };
        for located in self.stage() {
            stage.run(located).map_err(|error| error_at(error, &located.at))?;
        }
        Ok(stage.assembly)
    }

    /// Returns what the image copies of the context, as far as that is known without the base, whose
    /// environment may decide it.
    pub(super) fn sources(&self) -> Result<Vec<Source>> {
        let mut variables = Variables::new(self.escape, self.from.image == "scratch");
        let mut sources = Vec::new();
        for located in self.stage() {
            match &located.instruction {
                Instruction::Arg(list) => self.set_args(&mut variables, list),
                Instruction::Env(pairs) => expand_pairs(&variables, pairs)
                    .map(|pairs| pairs.into_iter().for_each(|(name, value)| variables.set(&name, value))),
                Instruction::Copy(copy) => sources_of(&variables, copy).map(|found| sources.extend(found)),
                _ => continue,
            }
            .map_err(|error| error_at(error, &located.at))?;
        }
        Ok(sources)
    }

    /// Returns the instructions after `FROM`.
    fn stage(&self) -> impl Iterator<Item = &Located> {
        let all = self.dockerfile.instructions.iter();
        all.skip_while(|one| !matches!(one.instruction, Instruction::From { .. })).skip(1)
    }

    fn set_args(&self, variables: &mut Variables, list: &[(String, Option<String>)]) -> Result<()> {
        list.iter().try_for_each(|(name, default)| {
            set_arg(variables, self.args, Some(&self.global), name, default.as_deref())
        })
    }
}

/// Gives an error a place, unless it has a better one.
fn error_at(error: Error, at: &Location) -> Error {
    if error.report().location.is_some() { error } else { error.at(at.clone()) }
}

/// Refuses what this builder cannot do, the first such instruction.
fn check(dockerfile: &Dockerfile) -> Result<()> {
    let mut stages = 0;
    for located in &dockerfile.instructions {
        let problem = match &located.instruction {
            Instruction::From { .. } => {
                stages += 1;
                if stages < 2 {
                    continue;
                }
                "builder `native` does not build several stages".to_owned()
            }
            Instruction::Other("RUN") => "builder `native` does not run commands".to_owned(),
            Instruction::Other(name) => format!("builder `native` does not know `{name}`"),
            _ => continue,
        };
        return Err(Error::unsupported(problem).at(located.at.clone()).hint(OTHERS));
    }
    Ok(())
}

fn unknown_flag(instruction: &str, flag: &str, at: Location) -> Error {
    Error::unsupported(format!("builder `native` does not know `{instruction} --{flag}`")).at(at).hint(OTHERS)
}

/// Declares an `ARG`: the given value, else its default, else that from before `FROM`.
fn set_arg(
    variables: &mut Variables,
    args: &BTreeMap<String, String>,
    global: Option<&Variables>,
    name: &str,
    default: Option<&str>,
) -> Result<()> {
    let sure = |value: &str| Expanded { value: value.to_owned(), sure: true };
    let value = match (args.get(name), default) {
        (Some(given), _) => Some(sure(given)),
        (None, Some(default)) => Some(variables.expand(default)?),
        (None, None) => global.and_then(|global| global.get(name)).map(sure),
    };
    if let Some(value) = value {
        variables.set(name, value);
    }
    Ok(())
}

struct Stage<'a> {
    program: &'a Program<'a>,
    assembly: Assembly,
    variables: Variables,
    /// The words before a command in shell form.
    shell: Vec<String>,
    has_cmd: bool,
}

impl Stage<'_> {
    fn run(&mut self, located: &Located) -> Result<()> {
        let text = located.text.as_str();
        match &located.instruction {
            Instruction::Copy(copy) => {
                let copy = self.copy(copy, &located.at)?;
                self.assembly.step(text, Change::Copy(copy));
                return Ok(());
            }
            Instruction::Workdir(path) => {
                let path = self.variables.expand(path)?.value;
                return self.assembly.workdir(text, &path, Some(&located.at));
            }
            Instruction::Arg(list) => self.program.set_args(&mut self.variables, list)?,
            Instruction::Env(pairs) => {
                for (name, value) in expand_pairs(&self.variables, pairs)? {
                    self.assembly.config.set_env(&name, &value.value);
                    self.variables.set(&name, value);
                }
            }
            Instruction::Label(pairs) => {
                for (name, value) in expand_pairs(&self.variables, pairs)? {
                    self.assembly.config.labels.insert(name, value.value);
                }
            }
            Instruction::User(user) => {
                let user = self.variables.expand(user)?.value;
                if user.is_empty() {
                    return Err(Error::config("`USER` names nobody").hint("write a number, such as `65532`"));
                }
                self.assembly.config.user = user;
            }
            Instruction::Expose(ports) => {
                for port in ports {
                    for port in self.variables.expand_words(port)?.value {
                        self.assembly.expose(&port)?;
                    }
                }
            }
            Instruction::Entrypoint(command) => {
                let argv = self.argv(command);
                self.assembly.entrypoint(&argv, self.has_cmd);
            }
            Instruction::Cmd(command) => {
                self.assembly.config.cmd = self.argv(command);
                self.has_cmd = true;
            }
            Instruction::From { .. } | Instruction::Other(_) => return Ok(()),
        }
        self.assembly.step(text, Change::Nothing);
        Ok(())
    }

    fn argv(&self, command: &CommandLine) -> Vec<String> {
        match command {
            CommandLine::Exec(argv) => argv.clone(),
            CommandLine::Shell(line) => {
                let mut argv = self.shell.clone();
                argv.push(line.clone());
                argv
            }
        }
    }

    fn copy(&self, copy: &CopyInstruction, at: &Location) -> Result<Copy> {
        let (mut mode, mut owner) = (None, Owner::default());
        for flag in &copy.flags {
            let value = self.variables.expand(flag.value.as_deref().unwrap_or_default())?.value;
            let here = |error: Error| error.at(flag.at.clone());
            match flag.name.as_str() {
                "chmod" => mode = Some(value.parse().map_err(here)?),
                "chown" => owner = value.parse().map_err(here)?,
                name => return Err(unknown_flag("COPY", name, flag.at.clone())),
            }
        }
        let sources = sources_of(&self.variables, copy)?;
        let destination = self.assembly.absolute(&self.variables.expand(&copy.destination)?.value);
        if sources.len() > 1 && !destination.ends_with('/') {
            return Err(Error::config(format!(
                "several files cannot be copied to the one path `{destination}`"
            ))
            .hint(format!("end it with `/` to mean a folder: `{destination}/`")));
        }
        Ok(Copy { sources, destination, mode, owner, at: Some(at.clone()) })
    }
}

/// Expands pairs with the variables from before their instruction, as Docker does.
fn expand_pairs(variables: &Variables, pairs: &[(String, String)]) -> Result<Vec<(String, Expanded)>> {
    let expand = |(name, value): &(String, String)| {
        let name = variables.expand(name)?.value;
        if name.is_empty() {
            return Err(Error::config("a name is empty").hint("write `name=value`"));
        }
        Ok((name, variables.expand(value)?))
    };
    pairs.iter().map(expand).collect()
}

fn sources_of(variables: &Variables, copy: &CopyInstruction) -> Result<Vec<Source>> {
    let source = |source: &Option<String>| {
        let Some(source) = source else {
            return Err(Error::unsupported("builder `native` does not know here-documents").hint(OTHERS));
        };
        let Expanded { value, sure } = variables.expand(source)?;
        if !sure {
            return Ok(Source { path: ".".to_owned(), prepared: false, sure });
        }
        if value.is_empty() {
            return Err(Error::config(format!("`{source}` names no file")).hint("name one below the context"));
        }
        Source::new(&value, "the context")
    };
    copy.sources.iter().map(source).collect()
}

#[cfg(test)]
mod tests;
