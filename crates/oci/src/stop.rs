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
