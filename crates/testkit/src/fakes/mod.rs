//! Fakes of the doors, for tests of plug-ins and of programs that embed Shipway.

mod clock;
mod disk;
mod processes;
mod shut;

pub use self::{
    clock::FakeClock,
    disk::{DiskCrash, DiskFault, FailingDisk, RecordingDisk},
    processes::{Reply, ScriptedProcesses},
    shut::shut_world,
};
