//! A run: `Pipeline → observe (reads only) → plan (pure) → schedule (pure) + driver → Report`.

mod answers;
mod attest;
mod built;
mod driver;
mod execution;
mod gate;
mod gate_files;
mod journal;
mod judged;
mod look;
mod lower;
mod names;
mod observe;
mod perform;
mod perform_build;
mod perform_release;
mod perform_step;
mod perform_test;
mod pipeline;
mod plan;
mod ready;
mod recorded;
mod recording;
mod report;
mod schedule;
mod step;
mod trace;

pub use self::{
    driver::Driver,
    gate::{Answer, Decision, Decisions, Gates, Question},
    gate_files::DiskGates,
    journal::{DiskJournal, Entry as JournalEntry, Journal, JournalWriter, MemoryJournal, OpenJournal},
    look::{Preview, ReleaseStatus},
    observe::{Observed, ObservedBuild, ObservedTest},
    pipeline::{Build, Deploy, Gate, Pipeline, Watch},
    plan::{Action, Aim, Allow, Output, Plan, Policy, Task, Verdict, When},
    recorded::Verify,
    report::Report,
    schedule::{Schedule, Stop},
    step::{Need, SharedVolume, Step, StepWork},
    trace::Trace,
};
