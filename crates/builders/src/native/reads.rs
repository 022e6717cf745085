//! What a Dockerfile reads, as far as that is known without the base images, whose environment may
//! decide it: the context's files for the target, and the images.

use std::collections::{BTreeMap, BTreeSet};

use shipway_core::{Error, Result, clean_path};

use super::{
    evaluate::expand_pairs,
    stages::{CopyFrom, StageBase, Stages, Triggers},
    variables,
};
use crate::{
    dockerfile::{Copy, Expanded, Instruction, Variables},
    sources::Source,
};

/// What is read.
#[derive(Debug, Default)]
pub(super) struct Reads {
    /// What is copied from the context.
    pub(super) sources: Vec<Source>,
    /// The images, by the names that the Dockerfile gives them.
    pub(super) images: BTreeSet<String>,
}

impl Reads {
    /// Finds out what the target reads; `triggers` are those of base images, as far as they are known.
    pub(super) fn of(stages: &Stages<'_>, triggers: &Triggers) -> Result<Self> {
        let mut reads = Self::default();
        let mut ends: BTreeMap<usize, Variables> = BTreeMap::new();
        // A stage needs only such above it.
        for index in stages.needed(triggers)? {
            let mut variables = match &stages.list[index].base {
                StageBase::Scratch => {
                    let mut variables = Variables::new(stages.escape, true);
                    variables::set_environment(&mut variables, &[super::PATH.to_owned()]);
                    variables
                }
                StageBase::Stage(base) => ends[base].clone(),
                StageBase::Image(name) => {
                    reads.images.insert(name.clone());
                    Variables::new(stages.escape, false)
                }
            };
            for located in stages.instructions(index, triggers)? {
                match &located.instruction {
                    Instruction::Arg(list) => {
                        variables::set_args(&mut variables, stages.args, Some(&stages.global), list)
                    }
                    Instruction::Env(pairs) => expand_pairs(&variables, pairs).map(|pairs| {
                        pairs.into_iter().for_each(|(name, value)| variables.set(&name, value));
                    }),
                    Instruction::Copy(copy) => match stages.copied_from(index, &located)? {
                        Some(CopyFrom::Image(name)) => {
                            reads.images.insert(name);
                            Ok(())
                        }
                        Some(CopyFrom::Stage(_)) => Ok(()),
                        None => sources_of(&variables, copy).map(|found| reads.sources.extend(found)),
                    },
                    _ => continue,
                }
                .map_err(|error| super::error_at(error, &located.at))?;
            }
            ends.insert(index, variables);
        }
        Ok(reads)
    }
}

/// Returns what a copy reads of the context.
fn sources_of(variables: &Variables, copy: &Copy) -> Result<Vec<Source>> {
    let source = |source: &String| {
        let Expanded { value, sure } = variables.expand(source)?;
        if !sure {
            return Ok(Some(Source { sure, ..Source::found(".".to_owned()) }));
        }
        if value.is_empty() {
            return Err(Error::config(format!("`{source}` names no file")).hint("name one below the context"));
        }
        if copy.add && is_remote(&value) {
            return Ok(None);
        }
        if copy.parents {
            let (parent, pattern) = split_pivot(&value);
            let whole = Source::new(&format!("{parent}/{pattern}"), "the context")?;
            return Ok(Some(Source { pivot: Some(clean_path(parent.trim_start_matches('/'))), ..whole }));
        }
        Source::new(&value, "the context").map(Some)
    };
    copy.sources.iter().filter_map(|text| source(text).transpose()).collect()
}

/// Splits what `--parents` copies into the folder that the paths begin at, and the pattern below it.
pub(super) fn split_pivot(source: &str) -> (&str, &str) {
    source.split_once("/./").unwrap_or(("", source))
}

/// Returns whether a source is on the network (BuildKit, `isHTTPSource` and `dfgitutil.ParseGitRef`).
pub(super) fn is_remote(source: &str) -> bool {
    let schemes = ["http://", "https://", "git://", "ssh://", "git@"];
    schemes.iter().any(|scheme| source.starts_with(scheme))
}
