//! How objects fare, as pure functions over what the API server says of them: [`status`] judges one object by
//! the rules of kstatus, and [`explain`] says in a person's words why a workload is not there yet, from its pods and
//! the events about them. Nothing is read or awaited here.
//!
//! ```
//! use serde_json::json;
//! use shipway_cluster::health::{Phase, status};
//! use shipway_core::Timestamp;
//!
//! let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "status": {"phase": "Pending"}});
//! let status = status(&claim, Timestamp(0));
//! assert_eq!(status.phase, Phase::InProgress);
//! assert_eq!(status.message, "PVC is not Bound. phase: Pending");
//! ```

mod container;
mod event;
mod explain;
mod fields;
mod kinds;
mod pods;
mod pull;
mod said;
mod status;
mod trouble;

pub use self::{
    explain::explain,
    status::{Phase, Status, status},
    trouble::{Logs, Outlook, Trouble},
};
