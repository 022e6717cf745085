//! The role that runs commands somewhere.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::{Capabilities, Context, Exit, Result, RunRequest, Volume};

/// Runs commands: on the host, in containers, in pods. Clauses R1 to R9 of CONTRACT.md.
#[async_trait]
pub trait Runner: Debug + Send + Sync + 'static {
    /// Returns what the runner can do; constant, and made without IO.
    fn capabilities(&self) -> Capabilities;

    /// Makes a volume that commands share (R4); idempotent (R5).
    ///
    /// # Errors
    /// `Unsupported` when mounts are not claimed.
    async fn open(&self, cx: &Context, volume: &Volume) -> Result<()>;

    /// Runs a command to its end, its output streamed and masked (R3); a non-zero code is an exit, not
    /// an error (R1).
    ///
    /// It sees what it is given and nothing of the runner's own process (R6). Commands may run at the
    /// same time (R8). It runs in the image that it names, or not at all (R9).
    ///
    /// # Errors
    /// `Unsupported` when it names an image and images are not claimed;
    /// `MissingTool` when there is no such program (R2); `Cancelled` and `Timeout` with nothing left
    /// running (R7).
    async fn run(&self, cx: &Context, request: &RunRequest) -> Result<Exit>;

    /// Copies back what the volume asks for (R4) and removes it; idempotent (R5).
    ///
    /// # Errors
    /// When something cannot be copied back; the volume is removed all the same.
    async fn close(&self, cx: &Context, volume: &Volume) -> Result<()>;
}
