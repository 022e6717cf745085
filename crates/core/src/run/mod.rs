//! A run: `Pipeline → observe (reads only) → plan (pure) → schedule (pure) + driver → Report`.

mod driver;
mod gate;
mod journal;
mod lower;
mod names;
mod observe;
mod perform;
mod perform_step;
mod pipeline;
mod plan;
mod ready;
mod report;
mod schedule;
mod step;

pub use self::{
    driver::Driver,
    gate::{Answer, Decision, Decisions, Gates, Question},
    journal::{Entry as JournalEntry, Journal, JournalWriter, MemoryJournal, OpenJournal},
    observe::{Observed, ObservedBuild, Verify},
    pipeline::{Build, Deploy, Gate, Pipeline, Watch},
    plan::{Action, Aim, Allow, Output, Plan, Policy, Task, Verdict, When},
    report::Report,
    schedule::{Schedule, Stop},
    step::{Need, SharedVolume, Step, StepWork},
};
