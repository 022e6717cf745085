//! Events as JSON lines, which another process may have written.

use std::{
    io::Write,
    sync::{Arc, Mutex, PoisonError},
};

use shipway::{Event, RunState, Sink, TextLines, Timeline};

/// What can be read comes out the same when it is written and read again, folds without a fault, and tells no terminal
/// what to do.
pub(crate) fn lines(data: &[u8]) {
    let mut state = RunState::default();
    let shown = Shown::default();
    let text = TextLines::new(shown.clone());
    for line in data.split(|byte| *byte == b'\n') {
        let Ok(event) = serde_json::from_slice::<Event>(line) else { continue };
        let written = serde_json::to_string(&event).expect("written");
        let again: Event = serde_json::from_str(&written).expect("read again");
        assert_eq!(again, event, "{written}");
        let _ = event.may_drop();
        state.apply(&event);
        text.emit(&event);
    }
    let folded = serde_json::to_string(&state).expect("written");
    assert_eq!(serde_json::from_str::<RunState>(&folded).expect("read again"), state);
    let mut shown = shown.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    shown.extend(Timeline(&state).to_string().bytes());
    let shown = String::from_utf8(shown).expect("text");
    let steers = |c: &char| c.is_control() && *c != '\n' && *c != '\t';
    assert_eq!(shown.chars().find(steers), None, "{shown:?}");
}

#[derive(Clone, Default)]
struct Shown(Arc<Mutex<Vec<u8>>>);

impl Write for Shown {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
