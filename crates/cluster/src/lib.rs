//! Kubernetes as deployers meet it: [`Api`], a cluster's objects, and [`MemoryCluster`], an object store with
//! the API server's rules for field ownership, versions, watching and conflicts, in memory.
//!
//! ```
//! use serde_json::json;
//! use shipway_cluster::{Apply, Effect, MemoryCluster};
//!
//! let cluster = MemoryCluster::new();
//! let object = json!({
//!     "apiVersion": "v1", "kind": "ConfigMap",
//!     "metadata": {"name": "settings", "namespace": "default"},
//!     "data": {"colour": "blue"},
//! });
//! assert_eq!(cluster.apply("shipway", &object, Apply::default())?.effect, Effect::Created);
//! assert_eq!(cluster.apply("shipway", &object, Apply::default())?.effect, Effect::Unchanged);
//!
//! let mut other = object.clone();
//! other["data"]["colour"] = "red".into();
//! let refused = cluster.apply("somebody", &other, Apply::default()).unwrap_err();
//! assert!(refused.to_string().contains("`.data.colour`"));
//! # Ok::<(), shipway_core::Error>(())
//! ```

mod api;
mod apply;
mod fault;
mod field_set;
pub mod health;
#[cfg(feature = "kubernetes")]
mod job;
#[cfg(feature = "kubernetes")]
mod kubernetes;
mod lease;
mod leaves;
mod managed;
mod merge;
mod object;
mod path;
mod schema;
mod selector;
mod store;
mod watch;

#[cfg(feature = "kubernetes")]
pub use self::job::{Ended, JobObject, PodFiles, PodJob, job_secret, literal};
#[cfg(feature = "kubernetes")]
pub use self::kubernetes::{
    Cluster, ClusterWatch, ExecRequest, ForwardTarget, Kubeconfig, LogOptions, Logs, Options, PortForward,
    TailLine, TailOptions,
};
pub use self::{
    api::{Api, Served, group},
    apply::{is_applied, preview},
    fault::{Call, Fault, Operation},
    field_set::FieldSet,
    lease::{Lease, LeaseRequest},
    leaves::fields,
    managed::{Managed, Method, adopt, is_applied_by, managers},
    object::object_id,
    path::{Element, FieldPath},
    selector::Selector,
    store::{Applied, Apply, Effect, List, MemoryCluster},
    watch::{Happened, Watch, WatchEvent},
};
