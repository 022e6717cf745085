//! Applying a change set: by helm, while a Lease keeps others away, after a look at all that it would change.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};
use shipway_cluster::Apply;
use shipway_core::{
    ChangeSet, Context, Deployment, Desired, Error, ErrorKind, Level, Manifests, ObjectId, Result, Timestamp,
};

use super::{
    Stage,
    diff::{self, Seen},
    history,
    objects::{self, joined},
    record::{self, Record, Status, UNFINISHED},
    render::{Prepared, Templates, hide},
    state::{self, Aim, FINGERPRINT, Made, Plan, RENDERED},
};
use crate::{
    kubectl::nodes,
    releases::{Action, gone, is_going, moved},
    turn::Turn,
};

/// For how long somebody else's unfinished revision is left alone: as long as a release by default.
const YOUNG: Duration = Duration::from_secs(600);

/// The annotation of the Lease that says which revision its holder is about to begin.
const BEGINS: &str = "shipway.dev/begins";

/// Who writes it.
const MANAGER: &str = "shipway";

pub(super) async fn apply(stage: &Stage<'_>, cx: &Context, changes: &ChangeSet) -> Result<Deployment> {
    let plan = Plan::of(changes)?;
    let work = Work { stage, cx, plan: &plan, changes };
    // Who writes nothing is in nobody's way, unless it was before it was killed.
    if plan.aim == Aim::Nothing && !cx.resumes() {
        return work.nothing().await;
    }
    let home = &stage.home;
    if plan.aim == Aim::Remove && stage.records(cx).await?.is_empty() {
        return work.nothing().await;
    }
    work.namespace().await?;
    let (loader, context) = (&stage.helm.options.image_loader, &stage.helm.options.kube_context);
    nodes::load(cx, &stage.cluster, loader.as_deref(), context.as_deref(), &changes.desired).await?;
    let turn = Turn::take(cx, &stage.api, &home.namespace, &home.name).await?;
    turn.work(cx, plan.aim == Aim::Remove, work.make()).await
}

struct Work<'a> {
    stage: &'a Stage<'a>,
    cx: &'a Context,
    plan: &'a Plan,
    changes: &'a ChangeSet,
}

impl Work<'_> {
    async fn nothing(&self) -> Result<Deployment> {
        let records = self.stage.records(self.cx).await?;
        let live = record::deployed(&records);
        match (&self.changes.desired, live) {
            (Desired::Absent(deployment), None) => Ok(deployment.clone().share(0_u8)),
            (_, Some(live)) if Some(live.revision) == self.plan.live => self.deployment(live),
            _ => Err(moved(format!("`{}` has another revision", self.stage.home.name))),
        }
    }

    /// Makes the namespace if it is not there, as helm does; the Lease is in it.
    async fn namespace(&self) -> Result<()> {
        let (stage, cx) = (self.stage, self.cx);
        let name = &stage.home.namespace;
        let id = ObjectId::new("v1", "Namespace", name.as_str());
        let there = match stage.api.get(cx, &id).await {
            // Whoever may only work inside of it need not see it.
            Err(error) if error.kind() == ErrorKind::Auth => return Ok(()),
            there => there?,
        };
        if there.is_some() {
            return Ok(());
        }
        if !stage.helm.options.create_namespace {
            return Err(Error::config(format!("there is no namespace `{name}` for `{}`", stage.home.name))
                .hint("make it, or set `createNamespace`"));
        }
        match stage.api.create(cx, MANAGER, &objects::namespace(name)).await {
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(()),
            made => made.map(drop),
        }
    }

    async fn make(&self) -> Result<Deployment> {
        if self.plan.aim == Aim::Nothing {
            return self.nothing().await;
        }
        let (stage, cx) = (self.stage, self.cx);
        let mut records = stage.records(cx).await?;
        if let Some(done) = self.done(&records)? {
            let done = done.clone();
            return self.finish(&done).await;
        }
        if self.recover(&records).await? {
            records = stage.records(cx).await?;
        }
        self.live_is_as_it_was(&records)?;
        self.look(&records).await?;
        let next = records.last().map_or(0, |record| record.revision) + 1;
        self.begins(next).await?;
        let made = match (self.plan.aim, &self.changes.desired) {
            (Aim::Upgrade, Desired::Released { manifests, .. }) => self.upgrade(&records, manifests).await,
            (Aim::Rollback(revision), Desired::Restored(_)) => self.rollback(revision).await,
            (Aim::Remove, Desired::Absent(deployment)) => return self.remove(deployment).await,
            _ => Err(Error::bad_output("the change set's state is not of what is desired")
                .hint("apply a change set that `diff` made")),
        };
        if let Err(error) = made {
            // What somebody else began is not ours to finish.
            if error.kind() == ErrorKind::Conflict {
                let _ = self.begins(0).await;
            }
            return Err(error);
        }
        let records = stage.records(cx).await?;
        match self.done(&records)? {
            Some(done) => self.finish(&done.clone()).await,
            None => {
                Err(moved(format!("`{}` has another revision than the one that was made", stage.home.name)))
            }
        }
    }

    /// Returns the record that applying made, if it was made: newer than what was live, and of what is desired.
    fn done<'r>(&self, records: &'r [Record]) -> Result<Option<&'r Record>> {
        let Some(newest) = records.last().filter(|newest| newest.status == Status::Deployed) else {
            return Ok(None);
        };
        if Some(newest.revision) <= self.plan.live {
            return Ok(None);
        }
        let manifests = match &self.changes.desired {
            Desired::Released { manifests, .. } => manifests,
            Desired::Restored(deployment) => &deployment.manifests,
            _ => return Ok(None),
        };
        let is = state::print_of(&state::objects_of(newest)?)? == state::print_of(&manifests.objects)?;
        Ok(Some(newest).filter(|_| is))
    }

    async fn finish(&self, done: &Record) -> Result<Deployment> {
        if self.stage.helm.options.run_tests && self.plan.aim == Aim::Upgrade && !diff::tested(done)? {
            self.test().await?;
        }
        self.deployment(done)
    }

    /// Returns what was made as a deployment.
    fn deployment(&self, record: &Record) -> Result<Deployment> {
        let manifests = match &self.changes.desired {
            Desired::Released { manifests, .. } => manifests.clone(),
            Desired::Restored(deployment) | Desired::Absent(deployment) | Desired::Settled(deployment) => {
                deployment.manifests.clone()
            }
            _ => return Err(Error::bad_output("the change set is of what this deployer does not know")),
        };
        let at = record.held()?.at().unwrap_or(Timestamp(0));
        Ok(Deployment::new(manifests, record.revision.to_string(), at).share(100_u8))
    }

    /// Checks that the live revision is the one that was live at `diff`.
    fn live_is_as_it_was(&self, records: &[Record]) -> Result<()> {
        let live = record::deployed(records).map(|record| record.revision);
        if live == self.plan.live {
            return Ok(());
        }
        // Cut just before its end, helm has called the old revision superseded and nothing deployed; a removal that was
        // cut has nothing deployed either.
        let after = |record: &&Record| Some(record.revision) > self.plan.live;
        let cut = records.iter().filter(after).all(|record| record.status == Status::Failed);
        match live {
            None if self.plan.aim == Aim::Remove || (cut && !records.is_empty()) => Ok(()),
            Some(live) => Err(moved(format!("revision {live} of `{}` is live", self.stage.home.name))),
            None => Err(moved(format!("`{}` is gone", self.stage.home.name))),
        }
    }

    /// Looks at all that helm would change, so that what is stale changes nothing.
    async fn look(&self, records: &[Record]) -> Result<()> {
        let (stage, cx) = (self.stage, self.cx);
        let manifests = match &self.changes.desired {
            Desired::Released { manifests, .. } => Some(manifests),
            Desired::Restored(deployment) => Some(&deployment.manifests),
            _ => None,
        };
        let wanted = manifests.map_or(&[][..], |manifests| &manifests.objects);
        // Also in a process that did not render them.
        hide(cx, wanted)?;
        let wanted = stage.home.placed(cx, stage.api.as_ref(), wanted).await?;
        let before = diff::before(stage, cx, records).await?;
        let all: Vec<(ObjectId, Value)> = wanted.iter().chain(&before).cloned().collect();
        let there = stage.lists().live(cx, &stage.home.name, &all).await?;
        let before: BTreeMap<&ObjectId, &Value> = before.iter().map(|(id, object)| (id, object)).collect();
        for step in &self.plan.steps {
            let id = &step.object;
            let now = there.get(id);
            let seen = wanted.iter().find(|(other, _)| other == id);
            let seen = seen.map(|(id, object)| Seen { id, object, before: before.get(id).copied(), now });
            diff::look(stage, cx, step, seen, now).await?;
        }
        // What is going must be gone before helm makes it anew.
        for step in self.plan.steps.iter().filter(|step| matches!(step.action, Action::Create)) {
            if there.get(&step.object).is_some_and(is_going) {
                gone(&stage.lists(), cx, &step.object, None).await?;
            }
        }
        Ok(())
    }

    /// Says in the Lease which revision comes, so that who has the Lease next knows whose an unfinished one is.
    async fn begins(&self, revision: u64) -> Result<()> {
        let id = Turn::id(&self.stage.home.namespace, &self.stage.home.name);
        let note = json!({"apiVersion": id.api_version, "kind": id.kind,
            "metadata": {"name": id.name, "namespace": id.namespace,
                "annotations": {BEGINS: revision.to_string()}}});
        let how = Apply { force: true, dry_run: false };
        self.stage.api.apply(self.cx, MANAGER, &note, how).await.map(drop)
    }

    /// Marks a revision as failed that was left unfinished; returns whether there was one.
    ///
    /// # Errors
    /// `Conflict` when somebody else may be working on it.
    async fn recover(&self, records: &[Record]) -> Result<bool> {
        let (stage, cx) = (self.stage, self.cx);
        let Some(pending) = records.last().filter(|newest| newest.status.is_pending()) else {
            return Ok(false);
        };
        let home = &stage.home;
        let lease = stage.api.get(cx, &Turn::id(&home.namespace, &home.name)).await?.unwrap_or_default();
        let begun = lease["metadata"]["annotations"][BEGINS].as_str();
        let ours = begun.and_then(|begun| begun.parse().ok()) == Some(pending.revision);
        let at = pending.held()?.at().unwrap_or(Timestamp(0));
        let age = Duration::from_millis(cx.clock().now().0.saturating_sub(at.0));
        if !ours && age < YOUNG {
            return Err(Error::conflict(format!(
                "somebody else works on `{}`: revision {} is unfinished for {} s",
                home.name,
                pending.revision,
                age.as_secs()
            ))
            .hint("wait until it has ended; if nobody works on it any more, `helm rollback` or `helm uninstall` ends it"));
        }
        let whose = if ours { "a run of Shipway that was ended" } else { "somebody" };
        let why = format!("{whose} left revision {}{UNFINISHED}{} s", pending.revision, age.as_secs());
        pending.fail(cx, stage.api.as_ref(), &why).await?;
        cx.message(
            Level::Warning,
            format!("`{}`: {why}; it is marked as failed, and gone on from", home.name),
        );
        Ok(true)
    }

    async fn upgrade(&self, records: &[Record], manifests: &Manifests) -> Result<()> {
        let (stage, cx) = (self.stage, self.cx);
        let (helm, options) = (stage.helm, &stage.helm.options);
        let Made::From { fingerprint, rendered, .. } = Made::of(manifests)? else {
            return Err(Error::bad_output("a revision that stays as it is cannot be applied"));
        };
        let program = helm.start(cx, &stage.home, true).await?;
        let prepared =
            Box::pin(Prepared::again(helm, cx, &program, &manifests.release, &fingerprint)).await?;
        let version = program.version(cx).await?;
        let (archive, values) = prepared.write(cx)?;
        let archive = archive.display().to_string();
        let mut words = vec!["upgrade".to_owned(), stage.home.name.clone(), archive, "--install".to_owned()];
        words.extend(values);
        let mut env = BTreeMap::new();
        let hooks = match (version.renders_hooks(), &prepared.hooks) {
            (false, _) => Vec::new(),
            (true, Some(hooks)) => hooks.clone(),
            (true, None) => {
                let templates = Templates {
                    helm,
                    program: &program,
                    cluster: Some(&stage.cluster),
                    release: &manifests.release,
                };
                templates.render(cx, &prepared, record::deployed(records).is_some()).await?.hooks
            }
        };
        let text = joined(manifests, &hooks);
        // helm takes it for a mistake when nothing comes of a post-renderer.
        if !text.is_empty() {
            let file = cx.scratch_file("rendered.yaml", text.as_bytes())?;
            let (more, variables) = program.rendered_by(cx, &file).await?;
            words.extend(more);
            env = variables;
        }
        // Of what is not what was rendered, nothing is said: it is never taken for it.
        let print = state::print_of(&manifests.objects)?;
        let is_rendered = print == rendered;
        let label = match is_rendered {
            true => Some(format!("{fingerprint}-{}", program.print(cx).await?)),
            false => None,
        };
        let labels = BTreeMap::from([(FINGERPRINT, label), (RENDERED, Some(print))]);
        words.push(format!("--labels={}", record::labels(&labels)));
        words.push(format!("--description={}", history::description(&manifests.release.images)));
        if options.wait || options.run_tests {
            words.push("--wait".to_owned());
        }
        if options.force_conflicts && version.takes_ownership() {
            words.push("--take-ownership".to_owned());
        }
        if options.force_conflicts && version.applies_by_server() {
            words.push("--force-conflicts".to_owned());
        }
        if options.recreate_pods {
            if version.renders_hooks() {
                return Err(Error::unsupported("helm 4 has no `recreatePods`").hint(
                    "leave it out, and change an annotation of the pods where they must be made anew",
                ));
            }
            words.push("--recreate-pods".to_owned());
        }
        let flags = if records.is_empty() { &options.flags.install } else { &options.flags.upgrade };
        words.extend(flags.iter().cloned());
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        program.run_with(cx, &words, false, env).await.map(drop)
    }

    async fn rollback(&self, revision: u64) -> Result<()> {
        let stage = self.stage;
        let program = stage.helm.start(self.cx, &stage.home, true).await?;
        let revision = revision.to_string();
        let mut words = vec!["rollback", stage.home.name.as_str(), revision.as_str()];
        if stage.helm.options.wait {
            words.push("--wait");
        }
        program.run(self.cx, &words, false).await.map(drop)
    }

    async fn remove(&self, deployment: &Deployment) -> Result<Deployment> {
        let (stage, cx) = (self.stage, self.cx);
        let program = stage.helm.start(cx, &stage.home, true).await?;
        program.run(cx, &["uninstall", stage.home.name.as_str(), "--wait"], false).await?;
        match stage.records(cx).await?.is_empty() {
            true => Ok(deployment.clone().share(0_u8)),
            false => Err(moved(format!("`{}` is there again", stage.home.name))),
        }
    }

    /// Runs the chart's own tests.
    ///
    /// # Errors
    /// `Unhealthy` when one fails.
    async fn test(&self) -> Result<()> {
        let stage = self.stage;
        let program = stage.helm.start(self.cx, &stage.home, true).await?;
        let tested = program.run(self.cx, &["test", stage.home.name.as_str(), "--logs"], false).await;
        tested.map(drop).map_err(|error| match error.kind() {
            ErrorKind::ToolFailed | ErrorKind::Config => {
                let failed =
                    Error::new(ErrorKind::Unhealthy, format!("a test of `{}` failed", stage.home.name));
                error.report().notes.iter().fold(failed, |failed, note| failed.note(note.as_str()))
            }
            _ => error,
        })
    }
}
