//! What is to be made for one platform: the stages that count, evaluated, and the images that they need.

use std::collections::{BTreeMap, BTreeSet};

use shipway_core::{BuildRequest, Context, Error, Level, Platform, Result};
use shipway_oci::{ImageConfig, Stores, same_platform};

use super::{
    NativeConfig, PATH,
    assembly::{Assembly, Change, From},
    description,
    evaluate::{Evaluated, evaluate},
    images::Images,
    loaded::Loaded,
    reads::Reads,
    stages::{StageBase, Stages, Triggers},
};
use crate::{
    dockerfile::{Dockerfile, Variables},
    sources::Source,
};

/// What is to be made for one platform.
#[derive(Debug)]
pub(super) struct Plan {
    /// The stages that count, in the order to make them.
    pub(super) stages: BTreeMap<usize, StagePlan>,
    pub(super) target: usize,
    /// The numbers of the images that are copied from.
    pub(super) images: BTreeMap<String, usize>,
    /// What triggers of base images read of the context.
    pub(super) triggered: Vec<Source>,
}

/// A stage to make.
#[derive(Debug)]
pub(super) struct StagePlan {
    pub(super) base: PlanBase,
    pub(super) assembly: Assembly,
}

/// What a stage begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PlanBase {
    Nothing,
    Stage(usize),
    /// An image by its number.
    Image(usize),
}

/// What plans are made with.
pub(super) struct Planner<'a> {
    pub(super) cx: &'a Context,
    pub(super) request: &'a BuildRequest,
    pub(super) options: &'a NativeConfig,
    pub(super) stores: &'a Stores,
    pub(super) loaded: &'a Loaded,
}

impl Planner<'_> {
    /// Makes the plan for a platform; this machine's if none is wanted.
    pub(super) async fn plan(&self, images: &mut Images, wanted: Option<&Platform>) -> Result<Plan> {
        match &self.loaded.dockerfile {
            Some(dockerfile) => self.of_dockerfile(dockerfile, images, wanted).await,
            None => self.of_description(images, wanted).await,
        }
    }

    async fn open(
        &self,
        images: &mut Images,
        name: &str,
        at: Option<&shipway_core::Location>,
        wanted: Option<&Platform>,
    ) -> Result<Option<usize>> {
        images.open(self.cx, self.stores, self.request, self.options, name, at, wanted).await
    }

    async fn of_description(&self, images: &mut Images, wanted: Option<&Platform>) -> Result<Plan> {
        let name = self.options.base.as_deref().unwrap_or("scratch");
        let number = self.open(images, name, None, wanted).await?;
        let (base, config) = match number {
            Some(number) => (PlanBase::Image(number), images.opened(number).image.config.clone()),
            None => (PlanBase::Nothing, ImageConfig::new(here_unless(wanted))),
        };
        let assembly = description::assemble(self.options, config)?;
        let stages = BTreeMap::from([(0, StagePlan { base, assembly })]);
        Ok(Plan { stages, target: 0, images: BTreeMap::new(), triggered: Vec::new() })
    }

    async fn of_dockerfile(
        &self,
        dockerfile: &Dockerfile,
        images: &mut Images,
        wanted: Option<&Platform>,
    ) -> Result<Plan> {
        let stages = Stages::new(dockerfile, self.options, &here_unless(wanted))?;
        check_platform(&stages, wanted)?;
        for unused in stages.unused_args(dockerfile) {
            let text = format!("the Dockerfile has no `ARG {unused}`, for which a value was given");
            self.cx.message(Level::Warning, text);
        }
        let (bases, triggers) = self.bases(&stages, images, wanted).await?;
        let mut plan = Plan {
            stages: BTreeMap::new(),
            target: stages.target,
            images: BTreeMap::new(),
            triggered: triggered(&stages, &triggers)?,
        };
        let mut variables: BTreeMap<usize, Variables> = BTreeMap::new();
        for index in stages.needed(&triggers)? {
            let stage = &stages.list[index];
            let (base, config) = match (&stage.base, bases.get(&index)) {
                (StageBase::Stage(base), _) => {
                    (PlanBase::Stage(*base), plan.stages[base].assembly.config.clone())
                }
                (StageBase::Image(_), Some(number)) => {
                    let mut config = images.opened(*number).image.config.clone();
                    config.created = None;
                    (PlanBase::Image(*number), config)
                }
                _ => {
                    // BuildKit, `emptyImage`: of what is wanted, whatever `--platform` says.
                    let mut config = ImageConfig::new(here_unless(wanted));
                    config.working_dir = "/".to_owned();
                    config.env.push(PATH.to_owned());
                    (PlanBase::Nothing, config)
                }
            };
            let inherited = match stage.base {
                StageBase::Stage(base) => variables.get(&base),
                StageBase::Scratch | StageBase::Image(_) => None,
            };
            let instructions = stages.instructions(index, &triggers)?;
            let evaluated = evaluate(&stages, index, &instructions, config, inherited)?;
            let Evaluated { assembly, variables: ends } = evaluated;
            self.open_copied(&assembly, images, &mut plan.images, wanted).await?;
            variables.insert(index, ends);
            plan.stages.insert(index, StagePlan { base, assembly });
        }
        Ok(plan)
    }

    /// Opens the images that the needed stages begin with, whose triggers may need more of them.
    async fn bases(
        &self,
        stages: &Stages<'_>,
        images: &mut Images,
        wanted: Option<&Platform>,
    ) -> Result<(BTreeMap<usize, usize>, Triggers)> {
        let (mut bases, mut triggers) = (BTreeMap::new(), Triggers::new());
        loop {
            let mut more = false;
            for index in stages.needed(&triggers)? {
                let stage = &stages.list[index];
                let StageBase::Image(name) = &stage.base else { continue };
                if bases.contains_key(&index) {
                    continue;
                }
                let platform = stage.platform.as_ref().or(wanted);
                let Some(number) = self.open(images, name, Some(stage.at), platform).await? else { continue };
                bases.insert(index, number);
                let on_build = &images.opened(number).image.config.on_build;
                if !on_build.is_empty() {
                    let read = on_build.iter().map(|text| Dockerfile::trigger(text, stage.at));
                    triggers.insert(index, read.collect::<Result<_>>()?);
                    more = true;
                }
            }
            if !more {
                return Ok((bases, triggers));
            }
        }
    }

    async fn open_copied(
        &self,
        assembly: &Assembly,
        images: &mut Images,
        numbers: &mut BTreeMap<String, usize>,
        wanted: Option<&Platform>,
    ) -> Result<()> {
        for step in &assembly.steps {
            let Change::Copy(copy) = &step.change else { continue };
            let From::Image(name) = &copy.from else { continue };
            if !numbers.contains_key(name) {
                let number = self.open(images, name, copy.at.as_ref(), wanted).await?;
                let number = number.ok_or_else(|| {
                    let error = Error::config(format!("`--from={name}` has no files"));
                    let error = error.hint("name a stage or an image");
                    copy.at.iter().fold(error, |error, at| error.at(at.clone()))
                })?;
                numbers.insert(name.clone(), number);
            }
        }
        Ok(())
    }
}

impl Plan {
    /// Returns the stages whose layers the image has, the lowest first.
    pub(super) fn chain(&self) -> Vec<usize> {
        let mut chain = vec![self.target];
        while let Some(StagePlan { base: PlanBase::Stage(base), .. }) =
            chain.last().and_then(|last| self.stages.get(last))
        {
            chain.push(*base);
        }
        chain.reverse();
        chain
    }

    /// Returns the stages whose files count.
    pub(super) fn with_files(&self) -> BTreeSet<usize> {
        let mut needed = BTreeSet::new();
        for (index, stage) in self.stages.iter().rev() {
            let steps = &stage.assembly.steps;
            if steps.iter().any(|step| !matches!(step.change, Change::Nothing)) {
                needed.insert(*index);
            }
            if !needed.contains(index) {
                continue;
            }
            if let PlanBase::Stage(base) = stage.base {
                needed.insert(base);
            }
            for step in steps {
                if let Change::Copy(copy) = &step.change
                    && let From::Stage(from) = copy.from
                {
                    needed.insert(from);
                }
            }
        }
        needed
    }
}

pub(super) fn here_unless(wanted: Option<&Platform>) -> Platform {
    wanted.cloned().unwrap_or_else(Platform::linux_here)
}

/// Returns what triggers read of the context beyond what the Dockerfile does.
fn triggered(stages: &Stages<'_>, triggers: &Triggers) -> Result<Vec<Source>> {
    if triggers.is_empty() {
        return Ok(Vec::new());
    }
    let known = Reads::of(stages, &Triggers::new())?.sources;
    let all = Reads::of(stages, triggers)?.sources;
    Ok(all.into_iter().filter(|source| !known.contains(source)).collect())
}

/// Checks that the image is for the platform that is wanted: what `TARGETARCH` said is decided.
fn check_platform(stages: &Stages<'_>, wanted: Option<&Platform>) -> Result<()> {
    let mut stage = &stages.list[stages.target];
    while let StageBase::Stage(base) = stage.base {
        stage = &stages.list[base];
    }
    match (&stage.platform, wanted) {
        (Some(of), Some(wanted)) if stage.base != StageBase::Scratch && !same_platform(of, wanted) => {
            Err(Error::config(format!("`FROM` is for `{of}`, and the build is for `{wanted}`"))
                .at(stage.at.clone())
                .hint("leave out `--platform`, or write `--platform=$TARGETPLATFORM`"))
        }
        _ => Ok(()),
    }
}
