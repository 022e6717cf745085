//! The role that reads what a deployment's programs print.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::{Context, Deployment, LogRequest, Result};

/// Reads the logs of deployments: an optional companion of a [`Deployer`](crate::Deployer), for those whose targets keep
/// logs. Clauses L1 to L4 of CONTRACT.md.
#[async_trait]
pub trait LogReader: Debug + Send + Sync + 'static {
    /// Emits what the deployment's programs printed as lines of output ([`Context::output`]), each with who printed it
    /// before it, in brackets; those of one program in their order, each once (L1).
    ///
    /// It ends with what there is, or, when the request says so, goes on with what comes until cancellation is requested,
    /// which is no error (L2). It leaves out what the request does not want (L3). Reads only (L4).
    ///
    /// # Errors
    /// `Unavailable` when the target cannot be asked; `Auth` when its logs may not be read.
    async fn read(&self, cx: &Context, deployment: &Deployment, request: &LogRequest) -> Result<()>;
}
