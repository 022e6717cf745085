//! The stages of a Dockerfile: what each begins with, and which of them the target needs. Nothing is
//! read here, and nothing of a stage that is not needed is looked at but its `FROM`.

use std::collections::{BTreeMap, BTreeSet};

use shipway_core::{Error, Location, Platform, Result, did_you_mean};

use super::{NativeConfig, OTHERS, variables};
use crate::dockerfile::{Dockerfile, Flag, Instruction, Located, Variables};

/// A Dockerfile's stages, for one platform.
#[derive(Debug)]
pub(super) struct Stages<'a> {
    pub(super) args: &'a BTreeMap<String, String>,
    pub(super) escape: char,
    /// The variables before the first `FROM`.
    pub(super) global: Variables,
    pub(super) list: Vec<Stage<'a>>,
    pub(super) target: usize,
}

/// A stage.
#[derive(Debug)]
pub(super) struct Stage<'a> {
    pub(super) name: Option<&'a str>,
    pub(super) at: &'a Location,
    pub(super) base: StageBase,
    pub(super) platform: Option<Platform>,
    pub(super) instructions: &'a [Located],
}

/// What a stage begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum StageBase {
    Scratch,
    Stage(usize),
    /// An image, by the name that the Dockerfile gives it.
    Image(String),
}

/// What `COPY --from` names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum CopyFrom {
    Stage(usize),
    Image(String),
}

/// The triggers that stages begin with, by stage.
pub(super) type Triggers = BTreeMap<usize, Vec<Located>>;

impl<'a> Stages<'a> {
    /// Reads the stages for a platform.
    pub(super) fn new(
        dockerfile: &'a Dockerfile,
        options: &'a NativeConfig,
        wanted: &Platform,
    ) -> Result<Self> {
        let args = &options.args;
        let all = &dockerfile.instructions;
        let is_from = |one: &Located| matches!(one.instruction, Instruction::From { .. });
        let starts: Vec<usize> = (0..all.len()).filter(|at| is_from(&all[*at])).collect();
        let (first, last) = match (starts.first(), starts.last()) {
            (Some(first), Some(last)) => (*first, *last),
            _ => return Err(Error::internal("a Dockerfile without `FROM` was parsed")),
        };
        let name_of = |at: usize| match &all[at].instruction {
            Instruction::From { name, .. } => name.as_deref(),
            _ => None,
        };
        let wanted_stage = options.target.as_deref().or(name_of(last));
        let mut global =
            variables::predefined(dockerfile.escape, args, wanted, wanted_stage.unwrap_or("default"));
        for located in &all[..first] {
            if let Instruction::Arg(list) = &located.instruction {
                variables::set_args(&mut global, args, None, list)
                    .map_err(|error| error.at(located.at.clone()))?;
            }
        }
        let mut list: Vec<Stage<'a>> = Vec::new();
        for (index, start) in starts.iter().enumerate() {
            let end = starts.get(index + 1).copied().unwrap_or(all.len());
            let stage = stage(&all[*start], &all[start + 1..end], &global, &list, options)?;
            list.push(stage);
        }
        let mut stages = Self { args, escape: dockerfile.escape, global, target: list.len() - 1, list };
        if let Some(target) = &options.target {
            let number = target.parse().ok().filter(|number| *number < stages.list.len());
            stages.target = stages.named(target).or(number).ok_or_else(|| {
                let error = Error::config(format!("the Dockerfile has no stage `{target}`"));
                let names = stages.list.iter().filter_map(|stage| stage.name);
                match did_you_mean(target, names) {
                    Some(near) => error.hint(format!("did you mean `{near}`?")),
                    None => error.hint("name it with `FROM … AS NAME`, or correct the option `target`"),
                }
            })?;
        }
        Ok(stages)
    }

    fn named(&self, name: &str) -> Option<usize> {
        self.list.iter().rposition(|stage| stage.name.is_some_and(|own| own.eq_ignore_ascii_case(name)))
    }

    /// Returns what a `--from` in a stage names.
    pub(super) fn copy_from(&self, stage: usize, flag: &Flag) -> Result<CopyFrom> {
        let name = flag.value.as_deref().unwrap_or_default();
        let here = |error: Error| error.at(flag.at.clone());
        if name.contains('$') {
            return Err(here(
                Error::config(format!("`--from={name}` has a variable"))
                    .hint("write `FROM $X AS name` and `--from=name`, with the ARG before the first FROM"),
            ));
        }
        let found = match name.parse::<usize>() {
            Ok(number) if number < self.list.len() => number,
            Ok(number) => {
                return Err(here(
                    Error::config(format!("there is no stage {number}")).hint("stages count from 0"),
                ));
            }
            Err(_) => match self.named(name) {
                Some(found) => found,
                None => return Ok(CopyFrom::Image(name.to_owned())),
            },
        };
        if found < stage {
            return Ok(CopyFrom::Stage(found));
        }
        Err(here(
            Error::config(format!("the stage `{name}` is not before the one that copies from it"))
                .hint("move it up: a stage copies from those above it"),
        ))
    }

    /// Returns the stages that the target needs; `triggers` are those of base images, as far as they
    /// are known.
    pub(super) fn needed(&self, triggers: &Triggers) -> Result<BTreeSet<usize>> {
        let mut needed = BTreeSet::new();
        let mut left = vec![self.target];
        while let Some(index) = left.pop() {
            if !needed.insert(index) {
                continue;
            }
            if let StageBase::Stage(base) = self.list[index].base {
                left.push(base);
            }
            for located in self.instructions(index, triggers)? {
                if matches!(located.instruction, Instruction::Run) {
                    return Err(Error::unsupported("builder `native` does not run commands")
                        .at(located.at.clone())
                        .hint(OTHERS));
                }
                if let Some(CopyFrom::Stage(from)) = self.copied_from(index, &located)? {
                    left.push(from);
                }
            }
        }
        Ok(needed)
    }

    /// Returns what an instruction of a stage copies from, if that is not the context.
    pub(super) fn copied_from(&self, stage: usize, located: &Located) -> Result<Option<CopyFrom>> {
        match &located.instruction {
            Instruction::Copy(copy) => copy.from.as_ref().map(|flag| self.copy_from(stage, flag)).transpose(),
            _ => Ok(None),
        }
    }

    /// Returns the instructions of a stage, the triggers of what it begins with first.
    pub(super) fn instructions(&self, index: usize, triggers: &Triggers) -> Result<Vec<Located>> {
        let stage = &self.list[index];
        let mut instructions = triggers.get(&index).cloned().unwrap_or_default();
        if let StageBase::Stage(base) = stage.base {
            for located in self.list[base].instructions {
                if let Instruction::Onbuild(text) = &located.instruction {
                    instructions.push(Dockerfile::trigger(text, stage.at)?);
                }
            }
        }
        instructions.extend(stage.instructions.iter().cloned());
        Ok(instructions)
    }

    /// Returns the values given for `ARG`s that the Dockerfile does not have.
    pub(super) fn unused_args(&self, dockerfile: &Dockerfile) -> Vec<&'a str> {
        let mut declared = BTreeSet::new();
        for located in &dockerfile.instructions {
            if let Instruction::Arg(list) = &located.instruction {
                declared.extend(list.iter().map(|(name, _)| name.as_str()));
            }
        }
        let unused = |name: &&str| !declared.contains(name) && !variables::is_predefined(name);
        self.args.keys().map(String::as_str).filter(unused).collect()
    }
}

fn stage<'a>(
    from: &'a Located,
    instructions: &'a [Located],
    global: &Variables,
    before: &[Stage<'a>],
    options: &NativeConfig,
) -> Result<Stage<'a>> {
    let Instruction::From { image, name, platform } = &from.instruction else {
        return Err(Error::internal("a stage does not begin with `FROM`"));
    };
    let at = &from.at;
    let here = |error: Error| error.at(at.clone());
    let base = global.expand(image).map_err(here)?.value;
    if base.is_empty() {
        return Err(here(
            Error::config(format!("`{image}` names no image"))
                .hint("give the variable a default: `ARG BASE=…` before `FROM`"),
        ));
    }
    let platform = match platform {
        None => None,
        Some(flag) => {
            let value = global.expand(flag.value.as_deref().unwrap_or_default());
            let parsed = value.and_then(|value| value.value.parse());
            Some(parsed.map_err(|error: Error| error.at(flag.at.clone()))?)
        }
    };
    let name = name.as_deref();
    // A context with a stage's name takes its place (BuildKit, "additional contexts").
    if let Some(name) = name.filter(|name| options.contexts.contains_key(*name)) {
        let base = StageBase::Image(name.to_owned());
        return Ok(Stage { name: Some(name), at, base, platform, instructions: &[] });
    }
    let base = match before.iter().rposition(|stage| stage.name == Some(base.as_str())) {
        Some(stage) => StageBase::Stage(stage),
        None if base == "scratch" => StageBase::Scratch,
        None => StageBase::Image(base),
    };
    Ok(Stage { name, at, base, platform, instructions })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn needed(text: &str, target: Option<&str>) -> Result<Vec<usize>> {
        let dockerfile = Dockerfile::parse(text, Path::new("Dockerfile"))?;
        let options = NativeConfig { target: target.map(str::to_owned), ..NativeConfig::default() };
        let stages = Stages::new(&dockerfile, &options, &Platform::new("linux", "amd64"))?;
        Ok(stages.needed(&Triggers::new())?.into_iter().collect())
    }

    #[test]
    fn only_what_the_target_needs_is_needed() {
        let text = "FROM a AS one\nFROM b AS Two\nRUN x\nFROM one AS three\nCOPY --from=one /a /\n\
                    FROM scratch\nCOPY --from=THREE / /\nCOPY --from=1.2 / /\n";
        assert_eq!(needed(text, None).unwrap(), [0, 2, 3]);
        assert_eq!(needed(text, Some("one")).unwrap(), [0]);
        assert_eq!(needed(text, Some("0")).unwrap(), [0]);
        assert_eq!(needed(text, Some("three")).unwrap(), [0, 2]);
        assert_eq!(needed(text, Some("two")).unwrap_err().kind(), shipway_core::ErrorKind::Unsupported);
        let error = needed(text, Some("thre")).unwrap_err();
        assert_eq!(error.report().hint.as_deref(), Some("did you mean `three`?"));
        let triggers = "FROM a AS one\nFROM b AS two\nONBUILD COPY --from=one / /\nFROM two\nFROM two\n";
        assert_eq!(needed(triggers, None).unwrap(), [0, 1, 3]);
    }

    #[test]
    fn a_stage_copies_from_those_above_it() {
        for bad in ["0", "me", "later", "1", "7", "$X"] {
            let text = format!("FROM scratch AS me\nCOPY --from={bad} / /\nFROM me AS later\n");
            let error = needed(&text, None).unwrap_err();
            assert!(error.report().hint.is_some() && error.report().location.is_some(), "{bad}");
        }
    }
}
