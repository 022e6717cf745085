//! A run: `Pipeline → observe (reads only) → plan (pure) → schedule (pure) + driver → Report`.

mod driver;
mod lower;
mod observe;
mod perform;
mod pipeline;
mod plan;
mod report;
mod schedule;

pub use self::{
    driver::Driver,
    observe::{Observed, ObservedBuild, Verify},
    pipeline::{Build, Deploy, Pipeline, Watch},
    plan::{Action, Aim, Allow, Output, Plan, Policy, Task, Verdict, When},
    report::Report,
    schedule::{Schedule, Stop},
};
