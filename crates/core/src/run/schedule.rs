//! The schedule: which task may start, purely from the plan and from how tasks ended. No clock, no
//! threads, no plug-ins.

use std::collections::{BTreeMap, BTreeSet};

use super::{Action, Aim, Task, When};
use crate::{Error, Outcome, Result, TaskId};

/// How much of a run is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stop {
    /// Nothing new starts but the way back, which is tasks that run after a failure and what needs them,
    /// and what tells whether it has to be gone: the proofs of what is applied already.
    WayBack,
    /// Nothing new starts but what closes a volume that was opened.
    All,
}

/// What may start now, and what is left.
///
/// Its rules: a task starts once, after all that it needs has ended, if its condition holds; tasks
/// start in the plan's order; no more than `slots` run at once, not counting those that only wait, and
/// no named resource is used more than it allows.
#[derive(Clone, Debug)]
pub struct Schedule {
    order: Vec<TaskId>,
    nodes: BTreeMap<TaskId, Node>,
    slots: usize,
    running: BTreeSet<TaskId>,
    in_use: BTreeMap<String, u32>,
    limits: BTreeMap<String, u32>,
    stop: Option<Stop>,
}

#[derive(Clone, Debug)]
struct Node {
    needs: Vec<TaskId>,
    when: When,
    resources: Vec<String>,
    way_back: bool,
    /// Whether it looks how something fares that was applied.
    proves: bool,
    /// Whether it makes something that those that need it cannot do without.
    makes: bool,
    /// Whether it only waits, so that it takes no slot.
    waits: bool,
    /// Whether it removes what the task before it made, also when the run is cancelled.
    removes: bool,
    /// Whether it takes back what those that it needs did: nothing, where they never began.
    takes_back: bool,
    outcome: Option<Outcome>,
    /// Whether it failed, or did not run because one before it failed.
    failed: bool,
}

impl Schedule {
    /// Returns the schedule of these tasks on so many slots (at least one).
    ///
    /// # Errors
    /// `Config` when a task needs itself, with the circle, or when ids are not unique; `Internal` when a
    /// needed task does not exist.
    pub fn new(tasks: &[Task], slots: usize) -> Result<Self> {
        let mut limits: BTreeMap<String, u32> = BTreeMap::new();
        let mut nodes = BTreeMap::new();
        for task in tasks {
            for (name, &limit) in &task.limits {
                let smallest = limits.entry(name.clone()).or_insert(limit);
                *smallest = limit.min(*smallest).max(1);
            }
            let node = Node {
                needs: task.needs.clone(),
                when: task.policy.when,
                resources: task.limits.keys().cloned().collect(),
                way_back: false,
                proves: matches!(task.action, Action::Health | Action::Verify { .. }),
                makes: !matches!(
                    task.action,
                    Action::Test { .. } | Action::Verify { .. } | Action::Run | Action::Close
                ),
                waits: matches!(task.action, Action::Gate { .. } | Action::Wait { .. }),
                removes: task.action == Action::Close,
                takes_back: matches!(task.action, Action::Diff { aim: Aim::Restore }),
                outcome: None,
                failed: false,
            };
            if nodes.insert(task.id.clone(), node).is_some() {
                return Err(Error::config(format!("the plan has two tasks `{}`", task.id))
                    .hint("a name with a `/` is also a part of another's name: give one another name"));
            }
        }
        for node in nodes.values() {
            if let Some(unknown) = node.needs.iter().find(|need| !nodes.contains_key(need)) {
                return Err(Error::internal(format!(
                    "the plan has no task `{unknown}`, which another needs"
                )));
            }
        }
        let mut schedule = Self {
            order: Vec::new(),
            nodes,
            slots: slots.max(1),
            running: BTreeSet::new(),
            in_use: BTreeMap::new(),
            limits,
            stop: None,
        };
        schedule.order = schedule.sorted(tasks)?;
        for id in schedule.order.clone() {
            let node = &schedule.nodes[&id];
            let way_back = matches!(node.when, When::Failed | When::Ended)
                || node.needs.iter().any(|need| schedule.nodes[need].way_back);
            if let Some(node) = schedule.nodes.get_mut(&id) {
                node.way_back = way_back;
            }
        }
        Ok(schedule)
    }

    /// Returns the ids so that each comes after what it needs, else in the plan's order.
    fn sorted(&self, tasks: &[Task]) -> Result<Vec<TaskId>> {
        #[derive(Clone, Copy, PartialEq)]
        enum Mark {
            Open,
            Done,
        }
        let mut marks: BTreeMap<&TaskId, Mark> = BTreeMap::new();
        let mut sorted = Vec::with_capacity(tasks.len());
        // Depth first with a stack of our own, so that a long chain does not exhaust the thread's.
        for task in tasks {
            let mut stack = vec![(&task.id, 0)];
            while let Some((id, next)) = stack.pop() {
                if next == 0 {
                    match marks.get(id) {
                        Some(Mark::Done) => continue,
                        Some(Mark::Open) => {
                            let from = stack.iter().position(|(open, _)| *open == id).unwrap_or(0);
                            let mut circle: Vec<&str> =
                                stack[from..].iter().map(|(id, _)| id.as_str()).collect();
                            circle.push(id.as_str());
                            return Err(Error::config(format!(
                                "tasks need each other: {}",
                                circle.join(" -> ")
                            ))
                            .hint("take one of these dependencies out"));
                        }
                        None => {
                            marks.insert(id, Mark::Open);
                        }
                    }
                }
                match self.nodes[id].needs.get(next) {
                    Some(need) => {
                        stack.push((id, next + 1));
                        stack.push((need, 0));
                    }
                    None => {
                        marks.insert(id, Mark::Done);
                        sorted.push(id.clone());
                    }
                }
            }
        }
        Ok(sorted)
    }

    /// Returns every task so that each comes after those that it needs.
    #[must_use]
    pub fn order(&self) -> &[TaskId] {
        &self.order
    }

    /// Returns the next task to start and counts it as running, or `None` when none can start now.
    pub fn start_next(&mut self) -> Option<TaskId> {
        let busy = self.running.iter().filter(|id| !self.nodes[id].waits).count() >= self.slots;
        let fits = |id: &&TaskId| !busy || self.nodes[*id].waits;
        let id = self.order.iter().filter(fits).find(|id| self.may_start(id))?.clone();
        for resource in &self.nodes[&id].resources {
            *self.in_use.entry(resource.clone()).or_default() += 1;
        }
        self.running.insert(id.clone());
        Some(id)
    }

    fn may_start(&self, id: &TaskId) -> bool {
        let node = &self.nodes[id];
        let free =
            |name: &String| self.in_use.get(name).unwrap_or(&0) < self.limits.get(name).unwrap_or(&u32::MAX);
        node.outcome.is_none()
            && !self.running.contains(id)
            && matches!(self.judge(node), Some(Judgement::Run))
            && node.resources.iter().all(free)
    }

    /// Takes note of how a running task ended.
    pub fn finish(&mut self, id: &TaskId, outcome: Outcome) {
        if self.running.remove(id) {
            for resource in &self.nodes[id].resources {
                if let Some(count) = self.in_use.get_mut(resource) {
                    *count -= 1;
                }
            }
        }
        if let Some(node) = self.nodes.get_mut(id) {
            node.failed = matches!(outcome, Outcome::Failed { .. });
            node.outcome = Some(outcome);
        }
    }

    /// Gives up a part of the run.
    pub fn stop(&mut self, stop: Stop) {
        self.stop = self.stop.max(Some(stop));
    }

    /// Returns what runs and only waits, for something that is given up.
    pub fn waiting_in_vain(&self) -> impl Iterator<Item = &TaskId> {
        self.running.iter().filter(|id| {
            let node = &self.nodes[*id];
            node.waits && self.stop.is_some_and(|stop| stop == Stop::All || !node.way_back)
        })
    }

    /// Returns whether every task has ended.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.nodes.values().all(|node| node.outcome.is_some())
    }

    /// Skips all that can no longer run, and returns it; to be called at first and after each
    /// [`finish`](Self::finish) and [`stop`](Self::stop).
    pub fn skip(&mut self) -> Vec<(TaskId, Outcome)> {
        // In the sorted order one pass reaches everything.
        let mut skipped = Vec::new();
        for id in &self.order {
            let node = &self.nodes[id];
            if node.outcome.is_some() || self.running.contains(id) {
                continue;
            }
            if let Some(Judgement::Skip(because)) = self.judge(node) {
                let failed = because.is_some() && node.needs.iter().any(|need| self.nodes[need].failed);
                let outcome = Outcome::Skipped { because };
                skipped.push((id.clone(), outcome.clone()));
                if let Some(node) = self.nodes.get_mut(id) {
                    node.failed = failed;
                    node.outcome = Some(outcome);
                }
            }
        }
        skipped
    }

    /// Returns what becomes of a task that has not started; `None` while that is open.
    fn judge(&self, node: &Node) -> Option<Judgement> {
        match self.stop {
            // Without what was opened there is nothing to close.
            Some(_) if node.removes => {
                let opened = node.needs.first().and_then(|open| self.nodes[open].outcome.as_ref());
                if matches!(opened, Some(Outcome::Skipped { .. })) {
                    return Some(Judgement::Skip(None));
                }
            }
            Some(Stop::All) => return Some(Judgement::Skip(None)),
            Some(Stop::WayBack) if !(node.way_back || node.proves) => return Some(Judgement::Skip(None)),
            _ => {}
        }
        let ended = || node.needs.iter().map(|need| (need, self.nodes[need].outcome.as_ref()));
        let all_ended = ended().all(|(_, outcome)| outcome.is_some());
        if matches!(node.when, When::Succeeded | When::Ran) {
            let bad = |need: &TaskId, outcome: &Outcome| match outcome {
                Outcome::FailureAllowed { .. } => self.nodes[need].makes,
                outcome => !outcome.is_good(),
            };
            // One bad end is enough; the others need not be awaited.
            if let Some((need, outcome)) =
                ended().find(|(need, outcome)| outcome.is_some_and(|outcome| bad(need, outcome)))
            {
                let condition_only = matches!(outcome, Some(Outcome::Skipped { because: None }));
                return Some(Judgement::Skip((!condition_only).then(|| need.clone())));
            }
        }
        if !all_ended {
            return None;
        }
        let holds = match node.when {
            When::Succeeded | When::Ended => true,
            When::Failed => ended().any(|(need, outcome)| match outcome {
                Some(Outcome::Skipped { .. }) => self.nodes[need].failed && !node.takes_back,
                _ => self.nodes[need].failed,
            }),
            When::Ran => ended().any(|(_, outcome)| {
                matches!(outcome, Some(Outcome::Succeeded | Outcome::FailureAllowed { .. }))
            }),
        };
        Some(if holds { Judgement::Run } else { Judgement::Skip(None) })
    }
}

enum Judgement {
    Run,
    Skip(Option<TaskId>),
}
