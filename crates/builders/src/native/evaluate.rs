//! A stage's instructions as steps upon what it begins with, and the configuration that they lead to.

use shipway_core::{Error, Location, Result};
use shipway_oci::{Healthcheck, ImageConfig};

use super::{
    OTHERS,
    assembly::{Assembly, Change, Copy, From},
    chmod::ModeChange,
    reads::is_remote,
    signal,
    stages::{CopyFrom, Stages},
    users::are_numbers,
    variables,
};
use crate::dockerfile::{CommandLine, Copy as CopyInstruction, Expanded, Instruction, Located, Variables};

/// What a stage came to.
#[derive(Clone, Debug)]
pub(super) struct Evaluated {
    pub(super) assembly: Assembly,
    /// For the stages upon it.
    pub(super) variables: Variables,
}

/// Evaluates the instructions of a stage upon a configuration; `inherited` are the variables of the
/// stage that it begins with.
pub(super) fn evaluate(
    stages: &Stages<'_>,
    index: usize,
    instructions: &[Located],
    mut base: ImageConfig,
    inherited: Option<&Variables>,
) -> Result<Evaluated> {
    // Triggers are for whoever builds upon the image, and those of a stage do not go on.
    base.on_build.clear();
    if base.env("PATH").is_none() {
        base.env.push(super::PATH.to_owned());
    }
    let mut variables = inherited.cloned().unwrap_or_else(|| Variables::new(stages.escape, true));
    variables::set_environment(&mut variables, &base.env);
    let mut evaluator = Evaluator { stages, index, assembly: Assembly::new(base), variables, has_cmd: false };
    for located in instructions {
        evaluator.run(located).map_err(|error| super::error_at(error, &located.at))?;
    }
    Ok(Evaluated { assembly: evaluator.assembly, variables: evaluator.variables })
}

struct Evaluator<'a> {
    stages: &'a Stages<'a>,
    index: usize,
    assembly: Assembly,
    variables: Variables,
    has_cmd: bool,
}

impl Evaluator<'_> {
    fn run(&mut self, located: &Located) -> Result<()> {
        let text = located.text.as_str();
        match &located.instruction {
            Instruction::Copy(copy) => {
                let copy = self.copy(copy, &located.at)?;
                self.assembly.step(text, Change::Copy(Box::new(copy)));
                return Ok(());
            }
            Instruction::Workdir(path) => {
                let path = self.expand(path)?;
                return self.assembly.workdir(text, &path, Some(&located.at));
            }
            // It leaves no line in the history (BuildKit, `dispatchOnbuild`).
            Instruction::Onbuild(trigger) => {
                self.assembly.config.on_build.push(trigger.clone());
                return Ok(());
            }
            Instruction::From { .. } | Instruction::Run => return Ok(()),
            other => self.configure(other)?,
        }
        self.assembly.step(text, Change::Nothing);
        Ok(())
    }

    fn configure(&mut self, instruction: &Instruction) -> Result<()> {
        let config = &mut self.assembly.config;
        match instruction {
            Instruction::Arg(list) => {
                variables::set_args(&mut self.variables, self.stages.args, Some(&self.stages.global), list)?;
            }
            Instruction::Env(pairs) => {
                for (name, value) in expand_pairs(&self.variables, pairs)? {
                    config.set_env(&name, &value.value);
                    self.variables.set(&name, value);
                }
            }
            Instruction::Label(pairs) => {
                for (name, value) in expand_pairs(&self.variables, pairs)? {
                    config.labels.insert(name, value.value);
                }
            }
            Instruction::User(user) => {
                config.user = self.variables.expand(user)?.value;
                if config.user.is_empty() {
                    return Err(Error::config("`USER` names nobody").hint("write a number, such as `65532`"));
                }
            }
            Instruction::Expose(ports) => {
                for port in ports {
                    for port in self.variables.expand_words(port)?.value {
                        self.assembly.expose(&port)?;
                    }
                }
            }
            Instruction::Volume(volumes) => {
                for volume in volumes {
                    let path = self.variables.expand(volume)?.value;
                    if path.is_empty() {
                        return Err(Error::config(format!("the volume `{volume}` is empty"))
                            .hint("name a folder, such as `/data`"));
                    }
                    config.volumes.insert(path);
                }
            }
            Instruction::StopSignal(signal) => {
                let signal = self.variables.expand(signal)?.value;
                signal::check(&signal)?;
                config.stop_signal = signal;
            }
            Instruction::Shell(words) => config.shell.clone_from(words),
            Instruction::Entrypoint(command) => {
                let argv = self.argv(command);
                self.assembly.entrypoint(&argv, self.has_cmd);
            }
            Instruction::Cmd(command) => {
                self.assembly.config.cmd = self.argv(command);
                self.has_cmd = true;
            }
            Instruction::Healthcheck(check) => config.healthcheck = Some(Healthcheck::clone(check)),
            Instruction::Maintainer(name) => config.author.clone_from(name),
            _ => {}
        }
        Ok(())
    }

    fn expand(&self, text: &str) -> Result<String> {
        Ok(self.variables.expand(text)?.value)
    }

    fn argv(&self, command: &CommandLine) -> Vec<String> {
        match command {
            CommandLine::Exec(argv) => argv.clone(),
            CommandLine::Shell(line) => {
                let mut argv = self.assembly.config.shell.clone();
                if argv.is_empty() {
                    argv.extend(["/bin/sh".to_owned(), "-c".to_owned()]);
                }
                argv.push(line.clone());
                argv
            }
        }
    }

    fn copy(&self, copy: &CopyInstruction, at: &Location) -> Result<Copy> {
        let value = |flag: &crate::dockerfile::Flag| {
            let expanded = self.variables.expand(flag.value.as_deref().unwrap_or_default());
            expanded.map(|expanded| expanded.value).map_err(|error| error.at(flag.at.clone()))
        };
        let mut mode = None;
        if let Some(flag) = &copy.chmod {
            let text = value(flag)?;
            if !text.is_empty() {
                mode = Some(text.parse::<ModeChange>().map_err(|error| error.at(flag.at.clone()))?);
            }
        }
        let owner = copy.chown.as_ref().map(value).transpose()?.filter(|owner| !owner.is_empty());
        let link = copy.link && mode.is_none();
        // BuildKit has no place to look names up in then either.
        if let (true, Some(owner)) = (link, &owner)
            && !are_numbers(owner)
        {
            let problem = Error::config(format!("`--link` does not look up `{owner}` in the image"));
            let at = copy.chown.as_ref().map_or(at, |flag| &flag.at);
            return Err(problem.at(at.clone()).hint("write numbers, or leave `--link` out"));
        }
        let mut sources = Vec::new();
        for source in &copy.sources {
            let expanded = self.expand(source)?;
            let problem = match (copy.add, is_remote(&expanded)) {
                (_, false) => {
                    sources.push(expanded);
                    continue;
                }
                (true, true) => format!("builder `native` does not fetch `{expanded}`"),
                (false, true) => {
                    return Err(Error::config(format!("`COPY` does not fetch `{expanded}`"))
                        .hint("use `ADD`, with a builder that can: `docker`, `buildkit` or `kaniko`"));
                }
            };
            return Err(Error::unsupported(problem).hint(OTHERS));
        }
        if let Some(flag) = &copy.remote {
            return Err(Error::unsupported(format!("builder `native` does not know `ADD --{}`", flag.name))
                .at(flag.at.clone())
                .hint(OTHERS));
        }
        let mut texts = Vec::new();
        for heredoc in &copy.heredocs {
            let content = match heredoc.expand {
                true => self.variables.expand_heredoc(&heredoc.content)?,
                false => heredoc.content.clone(),
            };
            texts.push((heredoc.name.clone(), content));
        }
        let destination = self.assembly.absolute(&self.expand(&copy.destination)?);
        let from = match &copy.from {
            None => From::Context,
            Some(flag) => match self.stages.copy_from(self.index, flag)? {
                CopyFrom::Stage(stage) => From::Stage(stage),
                CopyFrom::Image(image) => From::Image(image),
            },
        };
        Ok(Copy {
            from,
            sources,
            texts,
            destination,
            link,
            mode,
            owner,
            parents: copy.parents,
            exclude: copy.exclude.clone(),
            unpack: copy.unpack.unwrap_or(copy.add),
            at: Some(at.clone()),
        })
    }
}

/// Expands pairs with the variables from before their instruction, as Docker does.
pub(super) fn expand_pairs(
    variables: &Variables,
    pairs: &[(String, String)],
) -> Result<Vec<(String, Expanded)>> {
    let expand = |(name, value): &(String, String)| {
        let name = variables.expand(name)?.value;
        if name.is_empty() {
            return Err(Error::config("a name is empty").hint("write `name=value`"));
        }
        Ok((name, variables.expand(value)?))
    };
    pairs.iter().map(expand).collect()
}

#[cfg(test)]
mod tests;
