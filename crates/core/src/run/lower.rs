//! Lowers a pipeline to tasks: pure, from the declarations and from what plug-ins say of themselves.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{
    Action, Aim, Allow, Build, Deploy, Need, Pipeline, Policy, Step, StepWork, Task, When, names::Names,
};
use crate::{Capabilities, Error, Feature, Result, Store, StoreKind, TaskId};

/// The ids of an artifact's and a release's tasks, in one place.
pub(super) fn id(action: &str, part: &str) -> TaskId {
    TaskId::parse(format!("{action}:{part}"))
        .unwrap_or_else(|_| unreachable!("`Pipeline::check` refused the name"))
}

/// Returns the id of the task whose output is the image that others read.
pub(super) fn image_id(pipeline: &Pipeline, part: &str) -> Result<TaskId> {
    let build = pipeline.find_build(part)?;
    Ok(choose_stores(pipeline, build)?.image_id(part))
}

/// Where an image is built, and where it is copied if its readers do not read that store.
pub(super) struct Stores {
    pub(super) built: Store,
    pub(super) read: Option<Store>,
}

impl Stores {
    /// Returns the id of the task whose output is the image that others read.
    fn image_id(&self, part: &str) -> TaskId {
        if self.read.is_some() { id("push", &format!("{part}/read")) } else { id("build", part) }
    }

    /// Returns whether the image that is read has another digest than the one that is built: a daemon
    /// knows an image by its id, which is no digest of a manifest.
    pub(super) fn copy_is_another(&self) -> bool {
        let is_daemon = |store: &Store| store.kind() == StoreKind::Daemon;
        self.read.as_ref().is_some_and(|read| is_daemon(read) || is_daemon(&self.built))
    }
}

/// Who uses the image of an artifact.
#[derive(Default)]
pub(super) struct Users<'a> {
    /// Those that require it.
    pub(super) builds: Vec<&'a Build>,
    /// Those whose release has it.
    pub(super) deploys: Vec<&'a Deploy>,
    /// Those whose command runs in it.
    pub(super) steps: Vec<&'a Step>,
}

/// Returns whether the platforms are built one after the other and joined.
pub(super) fn fans_out(build: &Build) -> bool {
    build.artifact.platforms.len() > 1 && !build.builder.capabilities().claims(Feature::MultiPlatform)
}

/// Chooses the stores of one build; who asks for many has [`Names`].
pub(super) fn choose_stores(pipeline: &Pipeline, build: &Build) -> Result<Stores> {
    let name = &build.artifact.name;
    let requires = |other: &&Build| other.artifact.requires.values().any(|required| required == name);
    let users = Users {
        builds: pipeline.builds.iter().filter(requires).collect(),
        deploys: pipeline.deploys.iter().filter(|deploy| deploy.uses(name)).collect(),
        steps: pipeline.steps.iter().filter(|step| step.image_of.as_ref() == Some(name)).collect(),
    };
    choose(build, &users)
}

/// Chooses the first store that the builder writes and every reader reads; otherwise the first that
/// the builder writes, and a copy in the first that every reader reads.
pub(super) fn choose(build: &Build, users: &Users<'_>) -> Result<Stores> {
    let name = &build.artifact.name;
    let writes = build.builder.capabilities().writes;
    // The builder's preference comes first; among stores of one kind, the pipeline's order.
    let written: Vec<&Store> = writes
        .iter()
        .flat_map(|kind| build.stores.iter().filter(move |store| store.kind() == *kind))
        // An engine holds no indexes.
        .filter(|store| !fans_out(build) || store.kind() != StoreKind::Daemon)
        .collect();
    let readers = readers(build, users);
    let readable = |store: &Store| readers.iter().all(|(_, reads)| reads.contains(&store.kind()));
    if let Some(store) = written.iter().find(|store| readable(store)) {
        return Ok(Stores { built: (*store).clone(), read: None });
    }
    let Some(built) = written.first() else {
        return Err(Error::config(format!("the builder of artifact `{name}` writes to none of its stores"))
            .note(format!("it writes: {}", kinds(writes)))
            .note(format!("the artifact's stores: {}", kinds(build.stores.iter().map(Store::kind))))
            .hint("add a store that the builder writes to"));
    };
    match build.stores.iter().find(|store| readable(store)) {
        Some(read) => Ok(Stores { built: (*built).clone(), read: Some(read.clone()) }),
        None => {
            let mut error =
                Error::config(format!("no store of artifact `{name}` is read by all that use it"));
            for (reader, reads) in readers {
                error = error.note(format!("{reader} reads: {}", kinds(reads)));
            }
            Err(error.hint("add a store that all of them read"))
        }
    }
}

fn kinds(kinds: impl IntoIterator<Item = StoreKind>) -> String {
    let words = kinds.into_iter().map(|kind| match kind {
        StoreKind::Registry => "registry",
        StoreKind::Daemon => "daemon",
        StoreKind::Layout => "layout",
    });
    let words: Vec<&str> = words.collect();
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}

/// Everybody who reads the image of an artifact, with the stores that they read. Who reads none does
/// not look at images and does not count.
fn readers(build: &Build, users: &Users<'_>) -> Vec<(String, BTreeSet<StoreKind>)> {
    let mut readers = Vec::new();
    let mut add = |who: &str, name: &str, capabilities: Capabilities| {
        if !capabilities.reads.is_empty() {
            readers.push((format!("{who} `{name}`"), capabilities.reads));
        }
    };
    for (name, tester) in &build.testers {
        add("tester", name, tester.capabilities());
    }
    if let Some(attester) = &build.attester {
        add("the attester of", &build.artifact.name, attester.capabilities());
    }
    for other in &users.builds {
        add("the builder of", &other.artifact.name, other.builder.capabilities());
    }
    for deploy in &users.deploys {
        add("the deployer of", &deploy.release.name, deploy.deployer.capabilities());
        for (name, tester) in &deploy.admission {
            add("tester", name, tester.capabilities());
        }
    }
    for step in &users.steps {
        if let StepWork::Run { runner, .. } = &step.work {
            add("the runner of", &step.name, runner.capabilities());
        }
    }
    readers
}

impl Deploy {
    /// Returns whether the release has the artifact's image.
    pub(super) fn uses(&self, artifact: &str) -> bool {
        self.artifacts.is_empty() || self.artifacts.contains(artifact)
    }
}

/// Returns the tasks of a pipeline, without verdicts. `uses_tag` names the artifacts whose build
/// depends on their tag.
pub(super) fn lower(pipeline: &Pipeline, uses_tag: &BTreeSet<String>) -> Result<Vec<Task>> {
    let names = Names::new(pipeline)?;
    let mut tasks = Vec::new();
    for build in &pipeline.builds {
        lower_build(&names, build, uses_tag, &mut tasks)?;
    }
    for deploy in &pipeline.deploys {
        lower_deploy(&names, deploy, &mut tasks)?;
    }
    lower_steps(&names, &mut tasks)?;
    Ok(tasks)
}

/// Returns the tasks that remove the releases of a pipeline: each after those that came after it.
pub(super) fn lower_removal(pipeline: &Pipeline) -> Vec<Task> {
    backwards(pipeline, "remove", |_| Aim::Remove)
}

/// Returns the tasks that bring back earlier deployments of these releases: each after those that came after it.
pub(super) fn lower_rollback(pipeline: &Pipeline, to: &BTreeMap<String, Option<String>>) -> Vec<Task> {
    let mut part = pipeline.clone();
    part.deploys.retain(|deploy| to.contains_key(&deploy.release.name));
    backwards(&part, "rollback", |release| Aim::Revision(to.get(release).cloned().flatten()))
}

/// Returns the tasks that change each release after those that came after it.
fn backwards(pipeline: &Pipeline, word: &str, aim: impl Fn(&str) -> Aim) -> Vec<Task> {
    let mut later: BTreeMap<&str, Vec<TaskId>> = BTreeMap::new();
    for deploy in &pipeline.deploys {
        let name = &deploy.release.name;
        let last = if aim(name).is_watched() { "health" } else { "apply" };
        for need in &deploy.after {
            if let Need::Release(earlier) = need {
                later.entry(earlier).or_default().push(id(last, &format!("{name}/{word}")));
            }
        }
    }
    let mut tasks = Vec::new();
    for deploy in &pipeline.deploys {
        let name = deploy.release.name.as_str();
        let needs = later.remove(name).unwrap_or_default();
        let limits = &deploy.deployer.capabilities().limits;
        Lower { part: name, limits, deploy, tasks: &mut tasks }.change(
            &format!("/{word}"),
            aim(name),
            needs,
            When::Succeeded,
        );
    }
    tasks
}

impl Aim {
    /// Returns whether the deployment is watched until it is healthy.
    fn is_watched(&self) -> bool {
        !matches!(self, Self::Settle | Self::Remove)
    }
}

/// How long the runner may take to copy a volume back and remove it.
const CLOSING: Duration = Duration::from_secs(600);

fn lower_steps(names: &Names<'_>, tasks: &mut Vec<Task>) -> Result<()> {
    let pipeline = names.pipeline;
    let mut users: BTreeMap<&str, Vec<TaskId>> = BTreeMap::new();
    for step in &pipeline.steps {
        // What mounts a volume at two places uses it once.
        let mounted: BTreeSet<&str> = step.volumes().collect();
        for volume in mounted {
            users.entry(volume).or_default().push(step_id(step));
        }
    }
    for shared in &pipeline.volumes {
        let name = shared.volume.name.as_str();
        let limits = shared.runner.capabilities().limits;
        let users = users.remove(name).unwrap_or_default();
        let open = id("open", name);
        tasks.push(Task::new(open.clone(), Action::Open, name).limits(limits.clone()));
        let needs: Vec<TaskId> = [open].into_iter().chain(users).collect();
        let policy = Policy::default().when(When::Ended).timeout(CLOSING);
        tasks.push(
            Task::new(id("close", name), Action::Close, name).needs(needs).policy(policy).limits(limits),
        );
    }
    let others: Vec<TaskId> = tasks.iter().map(|task| task.id.clone()).collect();
    let others = others.into_iter().chain(pipeline.steps.iter().filter(|step| !step.finally).map(step_id));
    let others: Vec<TaskId> = others.collect();
    for step in &pipeline.steps {
        let mut needs: Vec<TaskId> = step.volumes().map(|volume| id("open", volume)).collect();
        for need in &step.needs() {
            needs.extend(ended_after(names, need)?);
        }
        let mut limits = step.limits.clone();
        let action = match &step.work {
            StepWork::Run { runner, .. } => {
                for (name, limit) in runner.capabilities().limits {
                    let smallest = limits.entry(name).or_insert(limit);
                    *smallest = limit.min(*smallest);
                }
                Action::Run
            }
            StepWork::Gate(text) => Action::Gate { text: text.clone() },
            StepWork::Wait(time) => Action::Wait { time: *time },
        };
        if step.finally {
            // What it mounts itself is closed after it.
            let own: Vec<TaskId> = step.volumes().map(|volume| id("close", volume)).collect();
            needs.extend(others.iter().filter(|other| !own.contains(other)).cloned());
        }
        let task = Task::new(step_id(step), action, step.name.as_str());
        tasks.push(task.needs(needs).policy(step.policy_in_all()).limits(limits));
    }
    Ok(())
}

/// Returns the id of a step's task.
pub(super) fn step_id(step: &Step) -> TaskId {
    let word = match step.work {
        StepWork::Run { .. } => "run",
        StepWork::Gate(_) => "gate",
        StepWork::Wait(_) => "wait",
    };
    id(word, &step.name)
}

/// Returns the tasks after which a need is met.
fn ended_after(names: &Names<'_>, need: &Need) -> Result<Vec<TaskId>> {
    match need {
        Need::Artifact(name) => released_after(names, names.build(name)?),
        Need::Release(name) => proved_after(names, name),
        Need::Step(name) => Ok(vec![step_id(names.step(name)?)]),
    }
}

/// Returns the tasks after which a need is met for who reads files: what a volume has for them is copied back then.
fn copied_after(names: &Names<'_>, need: &Need) -> Result<Vec<TaskId>> {
    let mut tasks = ended_after(names, need)?;
    if let Need::Step(name) = need {
        for volume in names.step(name)?.volumes() {
            if names.volume(volume)?.volume.into.is_some() {
                tasks.push(id("close", volume));
            }
        }
    }
    Ok(tasks)
}

fn lower_build(
    names: &Names<'_>,
    build: &Build,
    uses_tag: &BTreeSet<String>,
    tasks: &mut Vec<Task>,
) -> Result<()> {
    let part = build.artifact.name.as_str();
    let stores = names.stores(part)?;
    let (build_id, tag_id) = (id("build", part), id("tag", part));
    // Nothing of an artifact takes longer than its build may.
    let in_time = Policy::default().timeout(build.policy.timeout);
    let mut needs = Vec::new();
    for required in build.artifact.requires.values() {
        needs.push(names.stores(required)?.image_id(required));
    }
    for need in &build.after {
        needs.extend(copied_after(names, need)?);
    }
    if let Some(tagger) = &build.tagger {
        let tag_needs = if tagger.needs_fingerprint() { vec![build_id.clone()] } else { Vec::new() };
        if uses_tag.contains(part) {
            if tagger.needs_fingerprint() {
                return Err(Error::config(format!(
                    "artifact `{part}` depends on a tag that is made of its own inputs"
                ))
                .note("a build argument of the artifact holds the tag")
                .note("its tagger needs the fingerprint of the artifact's inputs")
                .hint("take the tag out of the build arguments, or use another tagger"));
            }
            needs.push(tag_id.clone());
        }
        tasks.push(Task::new(tag_id.clone(), Action::Tag, part).needs(tag_needs).policy(in_time.clone()));
    } else if uses_tag.contains(part) {
        return Err(Error::config(format!("artifact `{part}` uses its tag, but it has no tagger"))
            .hint("give it a tagger"));
    }
    let limits = build.builder.capabilities().limits;
    tasks.push(
        Task::new(build_id.clone(), Action::Build { store: stores.built.clone() }, part)
            .needs(needs)
            .policy(build.policy.clone())
            .limits(limits),
    );
    let image = stores.image_id(part);
    if let Some(read) = &stores.read {
        let push = Action::Push { to: read.clone(), tagged: false };
        tasks.push(Task::new(image.clone(), push, part).needs([build_id]).policy(in_time.clone()));
    }
    let mut judged = vec![image];
    // What is not built here is not attested here.
    if let (Some(attester), None) = (&build.attester, &build.built) {
        let limits = attester.capabilities().limits;
        let task = Task::new(id("attest", part), Action::Attest, part).needs(judged.clone());
        tasks.push(task.policy(in_time.clone()).limits(limits));
        judged.push(id("attest", part));
    }
    let mut before_tag = judged.clone();
    for (name, tester) in &build.testers {
        let test_id = id("test", &format!("{part}/{name}"));
        let action = Action::Test { tester: name.clone() };
        let limits = tester.capabilities().limits;
        let task = Task::new(test_id.clone(), action, part).needs(judged.clone());
        tasks.push(task.policy(in_time.clone()).limits(limits));
        before_tag.push(test_id);
    }
    if build.tagger.is_some() {
        before_tag.push(tag_id);
        let to = stores.read.as_ref().unwrap_or(&stores.built).clone();
        // CONTRACT: people's tags move after the tests.
        let task = Task::new(id("push", part), Action::Push { to, tagged: true }, part);
        tasks.push(task.needs(before_tag).policy(in_time));
    }
    Ok(())
}

/// Returns the tasks after which the image of an artifact may be released.
fn released_after(names: &Names<'_>, build: &Build) -> Result<Vec<TaskId>> {
    let part = build.artifact.name.as_str();
    if build.tagger.is_some() {
        return Ok(vec![id("push", part)]);
    }
    let attested = build.attester.iter().filter(|_| build.built.is_none()).map(|_| id("attest", part));
    let tests = build.testers.keys().map(|name| id("test", &format!("{part}/{name}")));
    Ok([names.stores(part)?.image_id(part)].into_iter().chain(attested).chain(tests).collect())
}

fn lower_deploy(names: &Names<'_>, deploy: &Deploy, tasks: &mut Vec<Task>) -> Result<()> {
    let part = deploy.release.name.as_str();
    let capabilities = deploy.deployer.capabilities();
    let mut lower = Lower { part, limits: &capabilities.limits, deploy, tasks };

    let (mut render_needs, mut admitted) = (Vec::new(), Vec::new());
    for build in names.images(deploy)? {
        let released = released_after(names, build)?;
        let artifact = &build.artifact.name;
        for (name, tester) in &deploy.admission {
            let admit = id("admit", &format!("{part}/{artifact}/{name}"));
            let action = Action::Admit { artifact: artifact.clone(), tester: name.clone() };
            let task = Task::new(admit.clone(), action, part).needs(released.clone());
            let policy = Policy::default().timeout(deploy.policy.timeout);
            lower.tasks.push(task.policy(policy).limits(tester.capabilities().limits));
            admitted.push(admit);
        }
        render_needs.extend(released);
    }
    let render = lower.add("render", part, Action::Render, render_needs, When::Succeeded);
    // A release that waits for others may be rendered before them, but is compared after them.
    let mut diff_needs = vec![render];
    diff_needs.extend(admitted);
    for other in &deploy.after {
        diff_needs.extend(ended_after(names, other)?);
    }
    let (apply, health) = lower.change("", Aim::Release(100), diff_needs, When::Succeeded);
    let health = health.unwrap_or_else(|| apply.clone());
    let mut proofs = vec![health.clone()];
    for name in deploy.testers.keys() {
        let action = Action::Verify { tester: name.clone() };
        proofs.push(lower.add(
            "verify",
            &format!("{part}/{name}"),
            action,
            vec![health.clone()],
            When::Succeeded,
        ));
    }
    if capabilities.claims(Feature::Settle) {
        lower.change("/settle", Aim::Settle, proofs.clone(), When::Succeeded);
    }
    if deploy.go_back && capabilities.claims(Feature::Restore) {
        let watched = [apply].into_iter().chain(proofs).collect();
        lower.change("/undo", Aim::Restore, watched, When::Failed);
    }
    Ok(())
}

/// Returns the tasks after which a release is proved.
fn proved_after(names: &Names<'_>, part: &str) -> Result<Vec<TaskId>> {
    let deploy = names.deploy(part)?;
    if deploy.deployer.capabilities().claims(Feature::Settle) {
        return Ok(vec![id("apply", &format!("{part}/settle"))]);
    }
    let verified = deploy.testers.keys().map(|name| id("verify", &format!("{part}/{name}")));
    Ok([id("health", part)].into_iter().chain(verified).collect())
}

struct Lower<'a> {
    part: &'a str,
    limits: &'a BTreeMap<String, u32>,
    deploy: &'a Deploy,
    tasks: &'a mut Vec<Task>,
}

impl Lower<'_> {
    fn add(&mut self, word: &str, name: &str, action: Action, needs: Vec<TaskId>, when: When) -> TaskId {
        let id = id(word, name);
        let policy = match &action {
            Action::Health => Policy::default().timeout(self.deploy.watch.timeout),
            Action::Gate { .. } => {
                Policy::default().timeout(self.deploy.gate.as_ref().and_then(|gate| gate.timeout))
            }
            Action::Verify { .. } => Policy::default().timeout(self.deploy.policy.timeout),
            _ => self.deploy.policy.clone().allow(Allow::Nothing),
        };
        let policy = policy.when(when);
        let task =
            Task::new(id.clone(), action, self.part).needs(needs).policy(policy).limits(self.limits.clone());
        self.tasks.push(task);
        id
    }

    /// Adds diff, apply and, but for settling, health; returns the last two.
    fn change(&mut self, suffix: &str, aim: Aim, needs: Vec<TaskId>, when: When) -> (TaskId, Option<TaskId>) {
        let name = format!("{}{suffix}", self.part);
        let (watched, released) = (aim.is_watched(), matches!(aim, Aim::Release(_)));
        let diff = self.add("diff", &name, Action::Diff { aim }, needs, when);
        let mut needs = vec![diff.clone()];
        // The way back is not asked about: what is there has failed.
        if let (true, Some(gate)) = (released, &self.deploy.gate) {
            let action = Action::Gate { text: gate.text.clone() };
            needs.push(self.add("gate", &name, action, vec![diff], When::Succeeded));
        }
        let apply = self.add("apply", &name, Action::Apply, needs, When::Succeeded);
        let health =
            watched.then(|| self.add("health", &name, Action::Health, vec![apply.clone()], When::Succeeded));
        (apply, health)
    }
}
