//! Work on a thread of its own.

use std::thread::Builder;

use shipway_core::{Error, ErrorKind, Result};
use tokio::sync::oneshot;

/// Work that is under way on a thread of its own.
///
/// It is for work that waits for other tasks, as a layer's maker does for whoever stores the layer.
/// tokio's pool is for work that ends by itself: were all its threads to wait like that, what they wait
/// for would not get one.
#[derive(Debug)]
pub(crate) struct Threaded<T>(oneshot::Receiver<Result<T>>);

impl<T: Send + 'static> Threaded<T> {
    /// Begins the work; `name` is the thread's.
    pub(crate) fn begin(name: &str, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<Self> {
        let (send, result) = oneshot::channel();
        let begun = Builder::new().name(name.to_owned()).spawn(move || {
            // Nobody need wait for it.
            let _ = send.send(work());
        });
        match begun {
            Ok(_) => Ok(Self(result)),
            Err(error) => {
                Err(Error::new(ErrorKind::Unavailable, format!("cannot start a thread for `{name}`"))
                    .source(error))
            }
        }
    }

    /// Returns what came of it.
    pub(crate) async fn wait(self) -> Result<T> {
        self.0.await.unwrap_or_else(|_| Err(Error::internal("work on a thread of its own panicked")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_returns_what_it_made_and_a_panic_is_an_error() {
        assert_eq!(Threaded::begin("fine", || Ok(7)).unwrap().wait().await.unwrap(), 7);
        let lost = Threaded::<()>::begin("panics on purpose", || panic!("on purpose")).unwrap();
        assert_eq!(lost.wait().await.unwrap_err().kind(), ErrorKind::Internal);
    }
}
