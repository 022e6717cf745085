//! What is found out once in a run, however many tasks ask.

use std::{
    any::{Any, TypeId},
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::OnceCell;

use crate::Result;

type Cells = BTreeMap<(TypeId, String), Arc<dyn Any + Send + Sync>>;

/// Answers by their type and key.
#[derive(Default)]
pub(super) struct Once(Mutex<Cells>);

impl fmt::Debug for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Once")
    }
}

impl Once {
    pub(super) async fn get<T: Send + Sync + 'static>(
        &self,
        key: &str,
        ask: impl Future<Output = Result<T>> + Send,
    ) -> Result<Arc<T>> {
        let cell = {
            let mut cells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let cell = cells
                .entry((TypeId::of::<T>(), key.to_owned()))
                .or_insert_with(|| Arc::new(OnceCell::<Arc<T>>::new()));
            Arc::clone(cell)
        };
        match cell.downcast_ref::<OnceCell<Arc<T>>>() {
            Some(cell) => cell.get_or_try_init(async || ask.await.map(Arc::new)).await.cloned(),
            // Its type is part of the key.
            None => ask.await.map(Arc::new),
        }
    }
}
