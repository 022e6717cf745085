//! The context's way into the pod.
//!
//! It goes in pieces, each by a command in a container that waits for it, and is unpacked there when all have
//! come. The executor's own `tar://stdin` was the other way: there a connection that breaks is a build that
//! is lost, what came before the executor read is lost too, and nothing says how much has come. A piece can be
//! sent again, and a context that came only in part is none.

use std::sync::atomic::{AtomicU64, Ordering};

use shipway_cluster::{Cluster, ExecRequest};
use shipway_core::{Context, Error, ErrorKind, Result};
use shipway_docker::Reader;
use tokio::io::AsyncReadExt;

use super::{
    args::CONTEXT,
    objects::{RECEIVER, SHELL},
};

/// The bytes of a piece.
const PIECE: usize = 4 << 20;

/// How often a piece is sent.
const ATTEMPTS: u32 = 4;

/// Keeps a piece. `$1` is its folder, `$2` its name, `$3` its length: older clusters have no way to say that
/// the input is at its end (`v5.channel.k8s.io` is of 1.30).
const KEEP: &str = "set -e; mkdir -p \"$1\"; head -c \"$3\" > \"$1/$2\"; has=$(wc -c < \"$1/$2\"); \
                    [ \"$has\" -eq \"$3\" ] || { echo \"$has of $3 bytes came\" >&2; exit 75; }";

/// What [`KEEP`] ends with where not all came (`EX_TEMPFAIL`).
const CUT: i32 = 75;

/// Unpacks the pieces in the folder `$1`, which have `$2` bytes, and says that the context is whole. Another
/// process may have been first.
const UNPACK: &str = "set -e; cd \"$0\"; [ ! -e ready ] || exit 0; \
                      [ \"$(cat \"$1\"/* | wc -c)\" -eq \"$2\" ] || { echo 'pieces are missing' >&2; exit 1; }; \
                      mkdir -p context; cat \"$1\"/* | tar -x -f - -C context; rm -r \"$1\"; touch ready";

/// A pod that waits for its context.
#[derive(Debug)]
pub(super) struct Receiver<'a> {
    pub(super) cx: &'a Context,
    pub(super) cluster: &'a Cluster,
    pub(super) namespace: &'a str,
    pub(super) pod: &'a str,
}

impl Receiver<'_> {
    /// Sends the context, which the executor begins with then.
    pub(super) async fn send(&self, mut context: Reader) -> Result<()> {
        // Two may build the same at once, in one process or in two.
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let run: String =
            self.cx.run_id().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = format!("{CONTEXT}/pieces-{run}-{}-{count}", std::process::id());
        let (mut number, mut total) = (0_u64, 0_u64);
        loop {
            let piece = self.piece(&mut context).await?;
            if piece.is_empty() {
                break;
            }
            total += piece.len() as u64;
            let words = ["keep", &folder, &format!("{number:08}"), &piece.len().to_string()];
            self.sh(KEEP, &words, Some(piece)).await?;
            number += 1;
        }
        self.sh(UNPACK, &[CONTEXT, &folder, &total.to_string()], None).await
    }

    async fn piece(&self, context: &mut Reader) -> Result<Vec<u8>> {
        let mut piece = Vec::new();
        let mut limited = context.take(PIECE as u64);
        tokio::select! {
            biased;
            stopped = self.cx.stopped() => return Err(stopped),
            read = limited.read_to_end(&mut piece) => {
                // An error of ours that came through the pipe is the reason itself.
                read.map_err(|error| match error.downcast::<Error>() {
                    Ok(error) => error,
                    Err(error) => Error::internal("the context cannot be read").source(error),
                })?;
            }
        }
        Ok(piece)
    }

    /// Runs a script; each means the same when it is run again.
    async fn sh(&self, script: &str, words: &[&str], stdin: Option<Vec<u8>>) -> Result<()> {
        let argv = SHELL.into_iter().chain([script]).chain(words.iter().copied());
        let mut request = ExecRequest::new(self.namespace, self.pod, argv).container(RECEIVER);
        request.stdin = stdin;
        let mut attempt = 1;
        loop {
            let mut said = Vec::new();
            match self.cluster.exec(self.cx, &request, |_, bytes| said.extend_from_slice(bytes)).await {
                Ok(0) => return Ok(()),
                Ok(CUT) if attempt < ATTEMPTS => attempt += 1,
                Ok(code) => {
                    return Err(Error::new(
                        ErrorKind::ToolFailed,
                        format!("the context cannot be unpacked in the pod: `sh` ended with {code}"),
                    )
                    .note(String::from_utf8_lossy(&said).trim().to_owned())
                    .hint("see whether `initImage` has `sh` and `tar`, and whether the node has room"));
                }
                Err(error) if error.kind() == ErrorKind::Unavailable && attempt < ATTEMPTS => attempt += 1,
                Err(error) => return Err(error.note("it was about to receive the context of the build")),
            }
        }
    }
}
