//! The schedule's rules word by word: everything is looked at each time, so nothing can be forgotten.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use shipway_core::{Action, Aim, Outcome, Stop, Task, TaskId, When};

/// What a [`Schedule`](shipway_core::Schedule) should do.
pub(crate) struct Model<'a> {
    /// Each comes after those that it needs.
    tasks: Vec<&'a Task>,
    /// The outcomes, and whether they come of a failure.
    ended: BTreeMap<&'a TaskId, (Outcome, bool)>,
    running: BTreeSet<TaskId>,
    slots: usize,
    stop: Option<Stop>,
}

enum Fate {
    Open,
    Run,
    Skip(Option<TaskId>),
}

impl<'a> Model<'a> {
    pub(crate) fn new(tasks: &'a [Task], order: &[TaskId], slots: usize) -> Self {
        let by_id: BTreeMap<&TaskId, &Task> = tasks.iter().map(|task| (&task.id, task)).collect();
        Self {
            tasks: order.iter().map(|id| by_id[id]).collect(),
            ended: BTreeMap::new(),
            running: BTreeSet::new(),
            slots,
            stop: None,
        }
    }

    /// Returns what may start now, the first to start first.
    pub(crate) fn may_start(&self) -> Vec<TaskId> {
        let running = || self.tasks.iter().filter(|task| self.running.contains(&task.id));
        let busy = running().filter(|task| !waits(task)).count() >= self.slots;
        let used = |name: &String| running().filter(|task| task.limits.contains_key(name)).count();
        let limit = |name: &String| self.tasks.iter().filter_map(|task| task.limits.get(name)).min().unwrap();
        let free = |task: &Task| task.limits.keys().all(|name| used(name) < *limit(name) as usize);
        let may_start = |task: &&&Task| {
            !self.ended.contains_key(&task.id)
                && !self.running.contains(&task.id)
                && matches!(self.fate(task), Fate::Run)
                && (!busy || waits(task))
                && free(task)
        };
        let mut may_start: Vec<TaskId> =
            self.tasks.iter().filter(may_start).map(|task| task.id.clone()).collect();
        let chains = self.chains();
        may_start.sort_by_key(|id| Reverse(chains[id]));
        may_start
    }

    /// Returns the length of the longest chain of tasks that take time from each on.
    fn chains(&self) -> BTreeMap<&TaskId, usize> {
        let mut chains = BTreeMap::new();
        for task in self.tasks.iter().rev() {
            let later = self.tasks.iter().filter(|later| later.needs.contains(&task.id));
            let longest = later.map(|later| chains[&later.id]).max().unwrap_or(0);
            chains.insert(&task.id, longest + usize::from(task.action.takes_time()));
        }
        chains
    }

    pub(crate) fn start(&mut self, id: &TaskId) {
        self.running.insert(id.clone());
    }

    pub(crate) fn finish(&mut self, id: &TaskId, outcome: Outcome) {
        self.running.remove(id);
        let task = self.tasks.iter().find(|task| task.id == *id).unwrap();
        let failed = matches!(outcome, Outcome::Failed { .. });
        self.ended.insert(&task.id, (outcome, failed));
    }

    pub(crate) fn stop(&mut self, stop: Stop) {
        self.stop = self.stop.max(Some(stop));
    }

    pub(crate) fn waiting_in_vain(&self) -> BTreeSet<TaskId> {
        let in_vain = |task: &&&Task| {
            let given_up = match self.stop {
                None => false,
                Some(Stop::WayBack) => !self.is_way_back(task),
                Some(Stop::All) => true,
            };
            self.running.contains(&task.id) && gives_up(task) && given_up
        };
        self.tasks.iter().filter(in_vain).map(|task| task.id.clone()).collect()
    }

    pub(crate) fn skip(&mut self) -> Vec<(TaskId, Outcome)> {
        let mut skipped = Vec::new();
        for &task in &self.tasks {
            if self.ended.contains_key(&task.id) || self.running.contains(&task.id) {
                continue;
            }
            if let Fate::Skip(because) = self.fate(task) {
                let failed = because.is_some()
                    && task.needs.iter().any(|need| self.ended.get(need).is_some_and(|end| end.1));
                let outcome = Outcome::Skipped { because };
                skipped.push((task.id.clone(), outcome.clone()));
                self.ended.insert(&task.id, (outcome, failed));
            }
        }
        skipped
    }

    fn fate(&self, task: &Task) -> Fate {
        let end = |need: &TaskId| self.ended.get(need).map(|(outcome, _)| outcome);
        let ends = || task.needs.iter().filter_map(|need| self.ended.get(need));
        let closes = task.action == Action::Close;
        let proves = matches!(task.action, Action::Health | Action::Verify { .. });
        if self.stop.is_some() && closes {
            let open = task.needs.first().and_then(end);
            if matches!(open, Some(Outcome::Skipped { .. })) {
                return Fate::Skip(None);
            }
        } else if self.stop == Some(Stop::All)
            || self.stop == Some(Stop::WayBack) && !self.is_way_back(task) && !proves
        {
            return Fate::Skip(None);
        }
        let bad = |need: &&TaskId| match end(need) {
            None => false,
            Some(Outcome::FailureAllowed { .. }) => self.makes(need),
            Some(outcome) => !outcome.is_good(),
        };
        if matches!(task.policy.when, When::Succeeded | When::Ran)
            && let Some(need) = task.needs.iter().find(bad)
        {
            let given_up = end(need) == Some(&Outcome::Skipped { because: None });
            return Fate::Skip((!given_up).then(|| need.clone()));
        }
        if ends().count() < task.needs.len() {
            return Fate::Open;
        }
        let takes_back = task.action == Action::Diff { aim: Aim::Restore };
        let holds = match task.policy.when {
            When::Failed => ends().any(|(outcome, failed)| {
                *failed && !(takes_back && matches!(outcome, Outcome::Skipped { .. }))
            }),
            When::Ran => ends()
                .any(|(outcome, _)| matches!(outcome, Outcome::Succeeded | Outcome::FailureAllowed { .. })),
            _ => true,
        };
        if holds { Fate::Run } else { Fate::Skip(None) }
    }

    /// Returns whether those that need it cannot do without what it makes.
    fn makes(&self, id: &TaskId) -> bool {
        let task = self.tasks.iter().find(|task| task.id == *id).unwrap();
        !matches!(task.action, Action::Test { .. } | Action::Verify { .. } | Action::Run | Action::Close)
    }

    fn is_way_back(&self, task: &Task) -> bool {
        let needed = |other: &&&Task| task.needs.contains(&other.id);
        matches!(task.policy.when, When::Failed | When::Ended)
            || self.tasks.iter().filter(needed).any(|need| self.is_way_back(need))
    }
}

/// Returns whether the task takes no slot.
pub(crate) fn waits(task: &Task) -> bool {
    gives_up(task) || task.action == Action::Health
}

/// Returns whether the task is given up where it waits in vain.
fn gives_up(task: &Task) -> bool {
    matches!(task.action, Action::Gate { .. } | Action::Wait { .. })
}
