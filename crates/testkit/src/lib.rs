//! The conformance kit of Shipway: for those who write plug-ins.
//!
//! A plug-in that passes its suite works in every pipeline. The whole test is a file of three lines,
//! with `harness = false` in its `[[test]]` section; see [`attester`], [`builder`], [`deployer`], [`log_reader`],
//! [`runner`], [`tagger`] and [`tester`].
//! What the clauses say is in CONTRACT.md; each has a number, and `cargo test B7` runs one.
//!
//! Besides, the kit has fakes of the doors to the world: [`ScriptedProcesses`], [`FakeClock`],
//! [`Record`], [`MemoryCluster`], [`Registry`], [`RecordingDisk`], [`FailingDisk`] and [`shut_world`]. The registry and the cluster fail on purpose when they
//! are told to:
//!
//! ```
//! use std::sync::Arc;
//! use shipway_core::HostDisk;
//! use shipway_testkit::{Registry, RegistryFault};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! # let folder = tempfile::tempdir()?;
//! let registry = Registry::builder(folder.path(), Arc::new(HostDisk))
//!     // The third request is answered with 503, and every blob comes spoiled.
//!     .faults(|request| match request {
//!         request if request.count == 2 => Some(RegistryFault::Status(503)),
//!         request if request.method == "GET" && request.path.contains("/blobs/") => Some(RegistryFault::Corrupt),
//!         _ => None,
//!     })
//!     .start()
//!     .await?;
//! # drop(registry);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod attester;
mod builder;
mod canary;
mod clause;
mod cut;
mod deployer;
mod fakes;
mod folder;
mod image;
mod log_reader;
mod room;
mod runner;
mod suite;
mod tagger;
mod tester;
mod tripwire;

use std::time::Duration;

pub use shipway_cluster::MemoryCluster;
pub use shipway_core::Record;
pub use shipway_oci::{Fault as RegistryFault, Registry, RegistryRequest};

pub use self::{
    attester::{Attesters, attester},
    builder::{Builders, builder},
    clause::{Clause, Outcome, Verdict},
    deployer::{ClusterTarget, DeployTarget, Deployers, deployer},
    fakes::{
        DiskCrash, DiskFault, FailingDisk, FakeClock, RecordingDisk, Reply, ScriptedProcesses, shut_world,
    },
    log_reader::{LogReaders, LogTarget, log_reader},
    runner::{Runners, runner},
    suite::{Role, Suite, Trial, at_once},
    tagger::{Taggers, tagger},
    tester::{Testers, tester},
};

/// How long a task that is forced to stop may take: the driver's grace.
const GRACE: Duration = Duration::from_secs(10);
