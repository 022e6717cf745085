//! The role that runs commands somewhere.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::{Capabilities, Context, Exit, Result, RunRequest, Volume};

/// Runs commands: on the host, in containers, in pods.
#[async_trait]
pub trait Runner: Debug + Send + Sync + 'static {
    /// Returns what the runner can do; constant, and made without IO.
    fn capabilities(&self) -> Capabilities;

    /// Makes a volume that commands share; idempotent.
    ///
    /// # Errors
    /// `Unsupported` when mounts are not claimed.
    async fn open(&self, cx: &Context, volume: &Volume) -> Result<()>;

    /// Runs a command to its end, its output streamed and masked; a non-zero code is an exit, not an
    /// error.
    ///
    /// # Errors
    /// `MissingTool` when there is no such program; `Cancelled` and `Timeout` with nothing left
    /// running.
    async fn run(&self, cx: &Context, request: &RunRequest) -> Result<Exit>;

    /// Copies back what the volume asks for and removes it; idempotent.
    ///
    /// # Errors
    /// When something cannot be copied back; the volume is removed all the same.
    async fn close(&self, cx: &Context, volume: &Volume) -> Result<()>;
}
