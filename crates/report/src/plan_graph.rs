//! A plan as a graph for people, and for programs that draw.

use std::collections::BTreeSet;

use shipway_core::{Action, Plan, Task, TaskId, Verdict, When};

use crate::{
    dot,
    graph::Graph,
    markup::Markup,
    picture::{self, Node},
    tree,
};

/// The graph of a plan's tasks, each with whether it runs and why.
///
/// ```
/// use shipway_core::{Action, Plan, Task, TaskId};
/// use shipway_report::PlanGraph;
///
/// let id = TaskId::parse;
/// let unit = Task::new(id("run:unit")?, Action::Run, "unit");
/// let tell = Task::new(id("run:tell")?, Action::Run, "tell").needs([id("run:unit")?]);
/// let plan = Plan::new("shop").tasks([unit, tell]);
/// assert_eq!(PlanGraph(&plan).text(80), "○ run:unit  runs\n↓ run:tell  runs\n2 tasks: 2 run\n");
/// assert!(PlanGraph(&plan).dot().contains("\"run:unit\" -> \"run:tell\";"));
/// assert!(PlanGraph(&plan).svg().starts_with("<svg "));
/// # Ok::<(), shipway_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct PlanGraph<'a>(pub &'a Plan);

/// What is known of a task before the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Prospect {
    Runs,
    Reuses,
    Open,
    Asks,
    AfterFailure,
}

impl Prospect {
    /// Returns the class of the task's box.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Runs => "runs",
            Self::Reuses => "reused",
            Self::Open => "open",
            Self::Asks => "asks",
            Self::AfterFailure => "skipped",
        }
    }
}

impl PlanGraph<'_> {
    /// Returns the graph as lines for a terminal of this many columns: each task below one that it needs, with the
    /// others named.
    #[must_use]
    pub fn text(&self, columns: usize) -> String {
        tree::write(self.0, &self.prospects(), columns)
    }

    /// Returns the graph in Graphviz' language, with every need.
    #[must_use]
    pub fn dot(&self) -> String {
        dot::write(self.0, &self.prospects())
    }

    /// Returns the graph as a picture of its own, without needs that follow from others.
    #[must_use]
    pub fn svg(&self) -> String {
        let nodes = self.0.tasks.iter().zip(self.prospects()).map(|(task, (prospect, said))| Node {
            id: task.id.as_str().to_owned(),
            below: said,
            class: prospect.class(),
            link: None,
            critical: false,
        });
        let mut markup = Markup::new();
        let title = format!("the plan of {}", self.0.pipeline);
        let graph = Graph::of(self.0.tasks.iter()).thinned();
        picture::draw(&mut markup, &title, &graph, &nodes.collect::<Vec<_>>(), true);
        markup.end_line();
        markup.finish()
    }

    fn prospects(&self) -> Vec<(Prospect, String)> {
        let mut way_back = BTreeSet::new();
        self.0.tasks.iter().map(|task| prospect(task, &mut way_back)).collect()
    }
}

/// Returns what is known of a task, in words too; `way_back` is what runs only after a failure.
fn prospect<'a>(task: &'a Task, way_back: &mut BTreeSet<&'a TaskId>) -> (Prospect, String) {
    let list = |items: Vec<String>| items.join(", ");
    if task.policy.when == When::Failed || task.needs.iter().any(|need| way_back.contains(need)) {
        way_back.insert(&task.id);
        return (Prospect::AfterFailure, "only after a failure".to_owned());
    }
    match (&task.action, &task.verdict) {
        (Action::Gate { text }, _) => (Prospect::Asks, format!("asks: {text}")),
        (Action::Wait { time }, _) => (Prospect::Runs, format!("waits {time:?}")),
        (_, Verdict::Reuse(fingerprint)) => (Prospect::Reuses, format!("reuses {}", fingerprint.short())),
        (_, Verdict::Run(reasons)) => {
            (Prospect::Runs, format!("runs: {}", list(reasons.iter().map(ToString::to_string).collect())))
        }
        (_, Verdict::Open(tasks)) => {
            (Prospect::Open, format!("open until {}", list(tasks.iter().map(ToString::to_string).collect())))
        }
        _ => (Prospect::Runs, "runs".to_owned()),
    }
}
