//! Disks that fail and crash on purpose.

mod crash;
mod failing;
mod operation;
mod recording;
mod tree;

pub use self::{
    crash::DiskCrash,
    failing::{DiskFault, FailingDisk},
    recording::RecordingDisk,
};
