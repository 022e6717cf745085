//! A run as lines of JSON on standard output, an event each, as they happen; and the same lines folded back to the
//! state of the run by [`RunState`], as a program does that reads them from elsewhere. The timeline of what was read
//! goes to standard error.
//!
//! ```text
//! cargo run --example json_events
//! cargo run --example json_events 2>/dev/null | jq -r 'select(.event == "task_finished").task'
//! ```

#![expect(clippy::print_stderr, reason = "a program for people")]

use std::{
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
};

use shipway::{
    Artifact, Build, Cancel, Driver, Error, Event, JsonLines, Pipeline, Result, RunState, Store, Timeline,
    builders::{FileCopy, Native, NativeConfig},
};

#[tokio::main]
async fn main() -> Result<()> {
    let folder = tempfile::tempdir().map_err(|error| Error::io("make", &std::env::temp_dir(), error))?;
    let pages = NativeConfig::default().base("scratch").file(FileCopy::new("*.txt", "/"));
    let build = Build::new(Artifact::new("pages", "examples/pages"), "pages", Arc::new(Native::new(pages)?));
    let pipeline = Pipeline::new("pages").build(build.stores([Store::Layout(folder.path().into())]));

    let lines = Lines::default();
    let world = shipway::host(env!("CARGO_MANIFEST_DIR")).sink(Arc::new(JsonLines::new(lines.clone())));
    let report = Driver::new(world).run(&pipeline, &Cancel::new()).await?;

    // All that this side knows is the lines.
    let state = fold(&lines.text())?;
    eprint!("{}", Timeline(&state));
    // An example that says one thing and does another helps nobody.
    if state != report.state {
        return Err(Error::internal(format!("told was another run than this:\n{report}")));
    }
    report.into_result().map(drop)
}

/// Reads events and returns the state that they lead to.
fn fold(lines: &str) -> Result<RunState> {
    let mut state = RunState::default();
    for line in lines.lines() {
        let event: Event = serde_json::from_str(line)
            .map_err(|error| Error::bad_output("this is no event").source(error))?;
        state.apply(&event);
    }
    Ok(state)
}

/// Standard output, with what was written kept for the other side.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = io::stdout().write(bytes)?;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().flush()
    }
}
