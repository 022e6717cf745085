//! Random pipelines.

use std::{sync::Arc, time::Duration};

use shipway::{
    Allow, Artifact, Build, Command, Deploy, Gate, Mount, MountSource, Need, Pipeline, Policy, Release,
    RunRequest, SharedVolume, Step, Volume, Watch, When,
};

use crate::{land::Land, plugins::Actor};

/// Longer than any plug-in takes that meets no trouble.
const TIMEOUT: Duration = Duration::from_secs(60);

pub(crate) fn pipeline(land: &Arc<Land>) -> Pipeline {
    let random = &land.random;
    let actor = || {
        let resource = [None, Some("oven"), Some("crane")][usize::try_from(random.below(3)).unwrap_or(0)];
        Arc::new(Actor { land: Arc::clone(land), resource, whole: random.percent(70) })
    };
    let policy = || {
        let retries = u32::try_from(random.below(3)).unwrap_or(0);
        let allow = if random.percent(10) { Allow::Failure } else { Allow::Nothing };
        Policy::default().retries(retries).timeout(TIMEOUT).allow(allow)
    };
    let mut pipeline = Pipeline::new("play");
    let (builds, deploys, steps) = (random.below(5), random.below(3), random.below(5));
    if random.percent(50) {
        pipeline = pipeline.volume(SharedVolume::new(Volume::new("work"), actor()));
    }
    let mut needs: Vec<Need> = Vec::new();
    let some_of = |needs: &[Need]| needs.iter().filter(|_| random.percent(30)).cloned().collect::<Vec<_>>();
    for at in 0..steps {
        let name = format!("step-{at}");
        let mut request = RunRequest::new(Command::new(name.as_str()));
        if !pipeline.volumes.is_empty() && random.percent(50) {
            request = request.mounts([Mount::new(MountSource::Volume("work".to_owned()), "/work")]);
        }
        let mut step = match random.below(6) {
            0 => Step::wait(name.as_str(), Duration::from_secs(random.below(600))),
            1 => Step::gate(name.as_str(), "go on?").policy(Policy::default().timeout(TIMEOUT)),
            _ => {
                let when = [When::Succeeded, When::Failed, When::Ended, When::Ran];
                let when = when[usize::try_from(random.below(4)).unwrap_or(0)];
                Step::run(name.as_str(), actor(), request).policy(policy().when(when))
            }
        };
        step = step.after(some_of(&needs));
        if random.percent(15) {
            step = step.finally();
        } else {
            needs.push(Need::step(name));
        }
        pipeline = pipeline.step(step);
    }
    // Steps come first, so nothing needs itself.
    let mut artifacts: Vec<String> = Vec::new();
    for at in 0..builds {
        let name = format!("artifact-{at}");
        let requires = artifacts
            .iter()
            .filter(|_| random.percent(30))
            .map(|other| (other.replace('-', "_"), other.clone()));
        let artifact = Artifact::new(name.as_str(), ".")
            .requires(requires.collect::<std::collections::BTreeMap<_, _>>());
        let mut build =
            Build::new(artifact, format!("reg/{name}"), actor()).after(some_of(&needs)).policy(policy());
        if random.percent(60) {
            build = build.tagger(actor());
        }
        if random.percent(40) {
            build = build.tester("test", actor());
        }
        pipeline = pipeline.build(build);
        artifacts.push(name);
    }
    for at in 0..deploys {
        let name = format!("release-{at}");
        let mut deploy = Deploy::new(Release::new(name.as_str()), actor())
            .after(some_of(&needs))
            .policy(Policy::default().retries(1_u32).timeout(TIMEOUT))
            .watch(Watch::new(Duration::from_secs(1), TIMEOUT));
        if random.percent(40) {
            deploy = deploy.gate(Gate::new("may it go?").timeout(TIMEOUT));
        }
        if random.percent(30) {
            deploy = deploy.tester("smoke", actor());
        }
        pipeline = pipeline.deploy(deploy);
        needs.push(Need::release(name));
    }
    pipeline
}
