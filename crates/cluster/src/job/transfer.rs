//! Files on their way into a container that waits for them, and out of it.
//!
//! They go in pieces, each by a command of its own, and are put together where all have come: a connection that
//! breaks costs a piece, which is sent again, and what came only in part is nothing. A process's own input and output
//! were the other way: there a broken connection loses all, and nothing says how much has come.

use std::sync::atomic::{AtomicU64, Ordering};

use shipway_core::{Context, Error, ErrorKind, Result, Stream};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::kubernetes::{Cluster, ExecRequest};

/// The bytes of a piece.
const PIECE: usize = 4 << 20;

/// How often a piece is tried.
const ATTEMPTS: u32 = 4;

/// How the container's own shell is given a script; what the script works on comes as its words.
const SHELL: [&str; 2] = ["sh", "-c"];

/// What a script ends with where not all came (`EX_TEMPFAIL`).
const CUT: i32 = 75;

/// Keeps a piece. `$1` is its folder, `$2` its name, `$3` its length: older clusters have no way to say that
/// the input is at its end (`v5.channel.k8s.io` is of 1.30).
const KEEP: &str = "set -e; mkdir -p \"$1\"; head -c \"$3\" > \"$1/$2\"; has=$(wc -c < \"$1/$2\"); \
                    [ \"$has\" -eq \"$3\" ] || { echo \"$has of $3 bytes came\" >&2; exit 75; }";

/// Unpacks the pieces in the folder `$1`, which have `$2` bytes, into the folder `$3`, and says with the file `$4` that
/// all is there. Another process may have been first.
const UNPACK: &str = "set -e; [ ! -e \"$4\" ] || exit 0; \
                      [ \"$(cat \"$1\"/* | wc -c)\" -eq \"$2\" ] || { echo 'pieces are missing' >&2; exit 1; }; \
                      mkdir -p \"$3\"; cat \"$1\"/* | tar -x -f - -C \"$3\"; rm -r \"$1\"; touch \"$4\"";

/// Packs the folder `$1` into the file `$2`, and says how long that is.
const PACK: &str = "set -e; tar -c -f \"$2\" -C \"$(dirname \"$1\")\" \"$(basename \"$1\")\"; wc -c < \"$2\"";

/// Shows `$3` bytes of the file `$1` from the byte `$2` on, of which the first is 1.
const SHOW: &str = "tail -c \"+$2\" \"$1\" | head -c \"$3\"";

/// A container with a shell, `tar`, and a folder for what is on its way, that waits until all has come.
#[derive(Debug)]
#[non_exhaustive]
pub struct PodFiles<'a> {
    cluster: &'a Cluster,
    namespace: &'a str,
    pod: &'a str,
    container: &'a str,
    staging: &'a str,
}

impl<'a> PodFiles<'a> {
    /// Returns the files of a container; the last word is the folder for what is on its way.
    #[must_use]
    pub fn new(
        cluster: &'a Cluster,
        namespace: &'a str,
        pod: &'a str,
        container: &'a str,
        staging: &'a str,
    ) -> Self {
        Self { cluster, namespace, pod, container, staging }
    }

    /// Unpacks a tar archive into a folder, and makes an empty file `done` when all is there; where that is there
    /// already, nothing more happens. Several may send the same at once.
    ///
    /// # Errors
    /// `ToolFailed` with what the container's `tar` said; `Unavailable` when connections break again and again.
    pub async fn put(
        &self,
        cx: &Context,
        mut archive: impl AsyncRead + Unpin + Send,
        folder: &str,
        done: &str,
    ) -> Result<()> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let run: String =
            cx.run_id().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let pieces = format!("{}/pieces-{run}-{}-{count}", self.staging, std::process::id());
        let (mut number, mut total) = (0_u64, 0_u64);
        loop {
            let piece = piece(cx, &mut archive).await?;
            if piece.is_empty() {
                break;
            }
            total += piece.len() as u64;
            let words = ["keep", &pieces, &format!("{number:08}"), &piece.len().to_string()];
            self.sh(cx, KEEP, &words, Some(piece), None).await?;
            number += 1;
        }
        let words = ["unpack", &pieces, &total.to_string(), folder, done];
        self.sh(cx, UNPACK, &words, None, None).await.map(drop)
    }

    /// Writes a folder as a tar archive, piece by piece; the paths in it begin with the folder's name.
    ///
    /// # Errors
    /// As [`PodFiles::put`]; `Cancelled` when nobody takes it.
    pub async fn get(
        &self,
        cx: &Context,
        folder: &str,
        mut to: impl AsyncWrite + Unpin + Send,
    ) -> Result<()> {
        let archive = format!("{}/back.tar", self.staging);
        let said = self.sh(cx, PACK, &["pack", folder, &archive], None, None).await?;
        let said = String::from_utf8_lossy(&said).trim().to_owned();
        let total: usize = said.parse().map_err(|error| {
            Error::bad_output(format!("the pod says `{said}` for the size of an archive")).source(error)
        })?;
        let mut at = 0;
        while at < total {
            let length = PIECE.min(total - at);
            let words = ["show", &archive, &(at + 1).to_string(), &length.to_string()];
            let piece = self.sh(cx, SHOW, &words, None, Some(length)).await?;
            to.write_all(&piece).await.map_err(|_| Error::cancelled("nobody takes the archive"))?;
            at += length;
        }
        // Whoever reads must hear of the end.
        let _ = to.shutdown().await;
        Ok(())
    }

    /// Runs a script and returns what it prints, of which exactly so much must come; each means the same when it is
    /// run again.
    async fn sh(
        &self,
        cx: &Context,
        script: &str,
        words: &[&str],
        stdin: Option<Vec<u8>>,
        length: Option<usize>,
    ) -> Result<Vec<u8>> {
        let argv = SHELL.into_iter().chain([script]).chain(words.iter().copied());
        let mut request = ExecRequest::new(self.namespace, self.pod, argv).container(self.container);
        request.stdin = stdin;
        // What a hostile pod prints is bounded too.
        let most = length.unwrap_or(64 * 1024);
        let mut attempt = 1;
        loop {
            let (mut out, mut err) = (Vec::new(), Vec::new());
            let take = |stream: Stream, bytes: &[u8]| {
                let to = if stream == Stream::Stdout { &mut out } else { &mut err };
                to.extend_from_slice(&bytes[..bytes.len().min(most.saturating_sub(to.len()))]);
            };
            match self.cluster.exec(cx, &request, take).await {
                Ok(0) if length.is_none_or(|length| out.len() == length) => return Ok(out),
                Ok(0 | CUT) if attempt < ATTEMPTS => attempt += 1,
                Ok(code) => {
                    return Err(Error::new(
                        ErrorKind::ToolFailed,
                        format!("files cannot go to the pod and back: `sh` ended with {code}"),
                    )
                    .note(String::from_utf8_lossy(&err).trim().to_owned())
                    .hint(
                        "see whether the container's image has `sh` and `tar`, and whether the node has room",
                    ));
                }
                Err(error) if error.kind() == ErrorKind::Unavailable && attempt < ATTEMPTS => attempt += 1,
                Err(error) => return Err(error.note("it was about files that go to the pod or back")),
            }
        }
    }
}

async fn piece(cx: &Context, archive: &mut (impl AsyncRead + Unpin + Send)) -> Result<Vec<u8>> {
    let mut piece = Vec::new();
    let mut limited = archive.take(PIECE as u64);
    tokio::select! {
        biased;
        stopped = cx.stopped() => return Err(stopped),
        read = limited.read_to_end(&mut piece) => {
            // An error of ours that came through the pipe is the reason itself.
            let own = |error| Error::internal("an archive cannot be read").source(error);
            read.map_err(|error| error.downcast().unwrap_or_else(own))?;
        }
    }
    Ok(piece)
}
