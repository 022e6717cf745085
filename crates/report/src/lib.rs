//! What people look at of a run besides its lines: the run on a terminal while it goes on, a page of what became of
//! one, and the graph of what one will do.
//!
//! [`Live`] draws a run's events on a terminal. [`PastRun`] is what a journal tells; its [`page`](PastRun::page) is one
//! HTML file that needs nothing else: no network, no script. [`PlanGraph`] is a plan as text, DOT or SVG.
//! [`explain_error`] is what is wrong in a file, with the line that it speaks of. But for the
//! thread that draws all of it is pure: the same journal, the same page. What was written down or printed is hostile:
//! none of it becomes markup or steers a terminal, and none makes the page grow without end.

mod dot;
mod explain;
mod graph;
mod history;
mod layout;
mod live;
mod markup;
mod moments;
mod page;
mod past_run;
mod picture;
mod plan_graph;
mod tree;
mod width;

pub use self::{
    explain::{excerpt, explain_error},
    history::{History, HistoryLine},
    live::{Live, LiveView, TerminalSize},
    past_run::{Fate, PastRun, PastTask},
    plan_graph::PlanGraph,
};
