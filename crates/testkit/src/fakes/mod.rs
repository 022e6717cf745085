//! Fakes of the doors, for tests of plug-ins and of programs that embed Shipway.

mod clock;
mod processes;
mod shut;

pub use self::{
    clock::FakeClock,
    processes::{Reply, ScriptedProcesses},
    shut::shut_world,
};
