//! The schedule: which task may start, purely from the plan and from how tasks ended. No clock, no
//! threads, no plug-ins.

use std::collections::{BTreeMap, BTreeSet};

use super::{Action, Aim, Task, When, ready::Ready};
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
/// Its rules: a task starts once, after all that it needs has ended, if its condition holds; of those that may start,
/// the one with the longest chain of tasks still to do starts first, in which those that hardly take time do not count
/// ([`Action::takes_time`]), and among equals the first of the plan; no more than `slots` run at once, not counting
/// those that only wait, and no named resource is used more than it allows: who waits for one is passed by.
///
/// What each call costs does not grow with the plan, but with what the task at hand needs and who needs it; only
/// [`stop`](Self::stop) looks at every task.
#[derive(Clone, Debug)]
pub struct Schedule {
    order: Vec<TaskId>,
    /// In the same order, so that each comes after those that it needs.
    nodes: Vec<Node>,
    indices: BTreeMap<TaskId, usize>,
    ready: Ready,
    /// What may be skipped at the next look.
    doomed: BTreeSet<usize>,
    running: BTreeSet<usize>,
    /// How many have not ended.
    left: usize,
    stop: Option<Stop>,
}

#[derive(Clone, Debug)]
struct Node {
    needs: Vec<usize>,
    needed_by: Vec<usize>,
    when: When,
    way_back: bool,
    /// Whether it had begun in an earlier process.
    begun: bool,
    /// Whether it looks how something fares that was applied.
    proves: bool,
    /// Whether it makes something that those that need it cannot do without.
    makes: bool,
    /// Whether it removes what the task before it made, also when the run is cancelled.
    removes: bool,
    /// Whether it is a question or a pause, which is given up where it waits in vain.
    pauses: bool,
    /// Whether it takes back what those that it needs did: nothing, where they never began.
    takes_back: bool,
    /// How much of what it needs has not ended.
    open_needs: usize,
    /// Whether something that it needs ended so that it cannot do without.
    spoiled: bool,
    outcome: Option<Outcome>,
    /// Whether it failed, or did not run because one before it failed.
    failed: bool,
}

impl Node {
    fn new(task: &Task, needs: Vec<usize>) -> Self {
        Self {
            open_needs: needs.len(),
            needs,
            needed_by: Vec::new(),
            when: task.policy.when,
            way_back: false,
            begun: false,
            proves: matches!(task.action, Action::Health | Action::Verify { .. }),
            makes: !matches!(
                task.action,
                Action::Test { .. } | Action::Verify { .. } | Action::Run | Action::Close
            ),
            removes: task.action == Action::Close,
            pauses: task.action.is_pause(),
            takes_back: matches!(task.action, Action::Diff { aim: Aim::Restore }),
            spoiled: false,
            outcome: None,
            failed: false,
        }
    }

    /// Returns whether it ended so that those that need it cannot do without.
    fn spoils(&self) -> bool {
        match &self.outcome {
            None => false,
            Some(Outcome::FailureAllowed { .. }) => self.makes,
            Some(outcome) => !outcome.is_good(),
        }
    }
}

impl Schedule {
    /// Returns the schedule of these tasks on so many slots (at least one).
    ///
    /// # Errors
    /// `Config` when a task needs itself, with the circle, or when ids are not unique; `Internal` when a
    /// needed task does not exist.
    pub fn new(tasks: &[Task], slots: usize) -> Result<Self> {
        let needs = needs(tasks)?;
        let sorted = sorted(tasks, &needs)?;
        let mut indices_in_order = vec![0; tasks.len()];
        for (index, &task) in sorted.iter().enumerate() {
            indices_in_order[task] = index;
        }
        let mut nodes: Vec<Node> = Vec::with_capacity(tasks.len());
        for (index, &task) in sorted.iter().enumerate() {
            let needs: Vec<usize> = needs[task].iter().map(|&need| indices_in_order[need]).collect();
            let mut node = Node::new(&tasks[task], needs);
            node.way_back = matches!(node.when, When::Failed | When::Ended)
                || node.needs.iter().any(|&need| nodes[need].way_back);
            for &need in &node.needs {
                nodes[need].needed_by.push(index);
            }
            nodes.push(node);
        }
        let chains = chains(&nodes, sorted.iter().map(|&task| &tasks[task].action));
        let order: Vec<TaskId> = sorted.iter().map(|&task| tasks[task].id.clone()).collect();
        let mut schedule = Self {
            indices: order.iter().cloned().zip(0..).collect(),
            order,
            ready: Ready::new(sorted.iter().map(|&task| &tasks[task]).zip(chains), slots),
            doomed: BTreeSet::new(),
            running: BTreeSet::new(),
            left: nodes.len(),
            nodes,
            stop: None,
        };
        for index in 0..schedule.nodes.len() {
            schedule.consider(index);
        }
        Ok(schedule)
    }

    /// Returns every task so that each comes after those that it needs.
    #[must_use]
    pub fn order(&self) -> &[TaskId] {
        &self.order
    }

    /// Returns the next task to start and counts it as running, or `None` when none can start now.
    pub fn start_next(&mut self) -> Option<TaskId> {
        let index = self.ready.start()?;
        self.running.insert(index);
        Some(self.order[index].clone())
    }

    /// Takes note that a task had begun in an earlier process: what failed meanwhile does not give it up.
    pub fn begun(&mut self, id: &TaskId) {
        let Some(&index) = self.indices.get(id) else { return };
        self.nodes[index].begun = true;
        self.doomed.remove(&index);
        self.consider(index);
    }

    /// Takes note of how a running task ended. A task ends once: what is said of it later does not count.
    pub fn finish(&mut self, id: &TaskId, outcome: Outcome) {
        let Some(&index) = self.indices.get(id) else { return };
        if self.running.remove(&index) {
            self.ready.release(index);
        }
        let failed = matches!(outcome, Outcome::Failed { .. });
        self.end(index, outcome, failed);
    }

    /// Gives up a part of the run.
    pub fn stop(&mut self, stop: Stop) {
        self.stop = self.stop.max(Some(stop));
        for index in 0..self.nodes.len() {
            self.consider(index);
        }
    }

    /// Returns what runs and only waits, for something that is given up.
    pub fn waiting_in_vain(&self) -> impl Iterator<Item = &TaskId> {
        let in_vain = |index: &usize| {
            self.nodes[*index].pauses
                && self.stop.is_some_and(|stop| stop == Stop::All || !self.nodes[*index].way_back)
        };
        self.running.iter().copied().filter(in_vain).map(|index| &self.order[index])
    }

    /// Returns whether every task has ended.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.left == 0
    }

    /// Skips all that can no longer run, and returns it; to be called at first and after each
    /// [`finish`](Self::finish) and [`stop`](Self::stop).
    pub fn skip(&mut self) -> Vec<(TaskId, Outcome)> {
        let mut skipped = Vec::new();
        // Whom a skip dooms comes after it in the order, so one pass reaches everything.
        while let Some(index) = self.doomed.pop_first() {
            let node = &self.nodes[index];
            let Some(Judgement::Skip(because)) = self.judge(node) else { continue };
            let failed = because.is_some() && node.needs.iter().any(|&need| self.nodes[need].failed);
            let outcome = Outcome::Skipped { because: because.map(|need| self.order[need].clone()) };
            skipped.push((self.order[index].clone(), outcome.clone()));
            self.end(index, outcome, failed);
        }
        skipped
    }

    /// Takes note of how a task ended, and of what becomes of those that need it.
    fn end(&mut self, index: usize, outcome: Outcome, failed: bool) {
        let node = &mut self.nodes[index];
        if node.outcome.is_some() {
            return;
        }
        node.failed = failed;
        node.outcome = Some(outcome);
        self.left -= 1;
        self.ready.remove(index);
        self.doomed.remove(&index);
        let spoils = self.nodes[index].spoils();
        for at in 0..self.nodes[index].needed_by.len() {
            let next = self.nodes[index].needed_by[at];
            let node = &mut self.nodes[next];
            node.open_needs -= 1;
            node.spoiled |= spoils;
            self.consider(next);
        }
    }

    /// Puts a task that has not started where it belongs by now.
    fn consider(&mut self, index: usize) {
        let node = &self.nodes[index];
        if node.outcome.is_some() || self.running.contains(&index) || self.doomed.contains(&index) {
            return;
        }
        match self.judge(node) {
            Some(Judgement::Run) => self.ready.insert(index),
            Some(Judgement::Skip(_)) => {
                self.ready.remove(index);
                self.doomed.insert(index);
            }
            None => {}
        }
    }

    /// Returns what becomes of a task that has not started; `None` while that is open.
    fn judge(&self, node: &Node) -> Option<Judgement> {
        let ended = || node.needs.iter().map(|&need| &self.nodes[need]);
        // Its condition held when it began.
        if node.begun && self.stop != Some(Stop::All) {
            return (node.open_needs == 0).then_some(Judgement::Run);
        }
        match self.stop {
            // Without what was opened there is nothing to close.
            Some(_) if node.removes => {
                let opened = ended().next().and_then(|open| open.outcome.as_ref());
                if matches!(opened, Some(Outcome::Skipped { .. })) {
                    return Some(Judgement::Skip(None));
                }
            }
            Some(Stop::All) => return Some(Judgement::Skip(None)),
            Some(Stop::WayBack) if !(node.way_back || node.proves) => return Some(Judgement::Skip(None)),
            _ => {}
        }
        // One bad end is enough; the others need not be awaited.
        if node.spoiled && matches!(node.when, When::Succeeded | When::Ran) {
            let need = node.needs.iter().copied().find(|&need| self.nodes[need].spoils())?;
            let condition_only = matches!(self.nodes[need].outcome, Some(Outcome::Skipped { because: None }));
            return Some(Judgement::Skip((!condition_only).then_some(need)));
        }
        if node.open_needs > 0 {
            return None;
        }
        let holds = match node.when {
            When::Succeeded | When::Ended => true,
            When::Failed => ended().any(|need| match need.outcome {
                Some(Outcome::Skipped { .. }) => need.failed && !node.takes_back,
                _ => need.failed,
            }),
            When::Ran => ended().any(|need| {
                matches!(need.outcome, Some(Outcome::Succeeded | Outcome::FailureAllowed { .. }))
            }),
        };
        Some(if holds { Judgement::Run } else { Judgement::Skip(None) })
    }
}

enum Judgement {
    Run,
    /// The index of the task that is the reason, if one is.
    Skip(Option<usize>),
}

/// Returns the indices of what each task needs.
fn needs(tasks: &[Task]) -> Result<Vec<Vec<usize>>> {
    let mut indices: BTreeMap<&TaskId, usize> = BTreeMap::new();
    for (index, task) in tasks.iter().enumerate() {
        if indices.insert(&task.id, index).is_some() {
            return Err(Error::config(format!("the plan has two tasks `{}`", task.id))
                .hint("a name with a `/` is also a part of another's name: give one another name"));
        }
    }
    let index = |need: &TaskId| {
        indices
            .get(need)
            .copied()
            .ok_or_else(|| Error::internal(format!("the plan has no task `{need}`, which another needs")))
    };
    tasks.iter().map(|task| task.needs.iter().map(index).collect()).collect()
}

/// Returns the tasks so that each comes after what it needs, else in the plan's order.
fn sorted(tasks: &[Task], needs: &[Vec<usize>]) -> Result<Vec<usize>> {
    #[derive(Clone, Copy)]
    enum Mark {
        New,
        Open,
        Done,
    }
    let mut marks = vec![Mark::New; tasks.len()];
    let mut sorted = Vec::with_capacity(tasks.len());
    // Depth first with a stack of our own, so that a long chain does not exhaust the thread's.
    for first in 0..tasks.len() {
        let mut stack = vec![(first, 0)];
        while let Some((task, next)) = stack.pop() {
            if next == 0 {
                match marks[task] {
                    Mark::Done => continue,
                    Mark::Open => {
                        let from = stack.iter().position(|&(open, _)| open == task).unwrap_or(0);
                        let circle = stack[from..].iter().map(|&(open, _)| open).chain([task]);
                        let circle: Vec<&str> = circle.map(|task| tasks[task].id.as_str()).collect();
                        let circle = circle.join(" -> ");
                        return Err(Error::config(format!("tasks need each other: {circle}"))
                            .hint("take one of these dependencies out"));
                    }
                    Mark::New => marks[task] = Mark::Open,
                }
            }
            match needs[task].get(next) {
                Some(&need) => {
                    stack.push((task, next + 1));
                    stack.push((need, 0));
                }
                None => {
                    marks[task] = Mark::Done;
                    sorted.push(task);
                }
            }
        }
    }
    Ok(sorted)
}

/// Returns the number of tasks that take time on the longest way from each to an end, itself included.
fn chains<'a>(nodes: &[Node], actions: impl Iterator<Item = &'a Action>) -> Vec<usize> {
    let own: Vec<usize> = actions.map(|action| usize::from(action.takes_time())).collect();
    let mut chains = own.clone();
    for (index, node) in nodes.iter().enumerate().rev() {
        for &need in &node.needs {
            chains[need] = chains[need].max(chains[index] + own[need]);
        }
    }
    chains
}
