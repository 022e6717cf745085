//! Content that ends when the task does.

use std::{
    io,
    pin::Pin,
    task::{Context as TaskContext, Poll},
};

use shipway_core::{Context, Error};
use tokio::io::{AsyncRead, ReadBuf};

use crate::{BlobReader, carry::carry};

/// Returns a reader of the same content that fails as soon as the task must stop at once.
pub(crate) fn until_stopped(cx: &Context, content: BlobReader) -> BlobReader {
    let cx = cx.clone();
    Box::pin(UntilStopped { content, stopped: Box::pin(async move { cx.stopped().await }) })
}

struct UntilStopped {
    content: BlobReader,
    stopped: Pin<Box<dyn Future<Output = Error> + Send>>,
}

impl AsyncRead for UntilStopped {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Poll::Ready(error) = self.stopped.as_mut().poll(cx) {
            // A future that has ended must not be asked again.
            self.stopped = Box::pin(std::future::pending());
            self.content = Box::pin(tokio::io::empty());
            return Poll::Ready(Err(carry(error)));
        }
        self.content.as_mut().poll_read(cx, buffer)
    }
}

#[cfg(test)]
mod tests {
    use shipway_core::{Cancel, CancelReason, ErrorKind, RunContext, Stage, World};
    use tokio::io::AsyncReadExt as _;

    use super::*;
    use crate::carry::unpack;

    #[tokio::test]
    async fn content_that_waits_ends_when_the_task_must_stop_at_once() {
        let cancel = Cancel::new();
        let cx = RunContext::new(World::host("/"), "test").context(None, None, cancel.clone());
        let (content, _never) = tokio::io::duplex(1);
        let mut content = until_stopped(&cx, Box::pin(content));
        let mut piece = [0];
        let stop = async {
            cancel.escalate(Stage::Requested, CancelReason::Asked);
            tokio::task::yield_now().await;
            cancel.escalate(Stage::Forced, CancelReason::Asked);
        };
        let (read, ()) = tokio::join!(content.read(&mut piece), stop);
        assert_eq!(unpack(read.expect_err("stopped"), "read").kind(), ErrorKind::Cancelled);
        let whole = until_stopped(&cx, Box::pin(&b"all"[..])).read(&mut piece).await;
        assert!(whole.is_err(), "there is nothing more to be had");
    }
}
