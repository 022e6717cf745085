//! The live view of a run, where standard error is a terminal that can show one.

use std::{
    io::{self, IsTerminal as _},
    panic,
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use rustix::{
    process::{Signal, getpid, kill_process},
    termios::tcgetwinsize,
};
use shipway::{
    Sink, TextLines,
    report::{Live, TerminalSize},
};
use tokio::signal::unix::{SignalKind, signal};

/// The view of this process, which has one terminal. Whoever else writes to that takes the view off first, also where
/// the run still holds the sink.
static VIEW: OnceLock<Arc<Live>> = OnceLock::new();

/// What a terminal has that does not say.
const USUAL: TerminalSize = TerminalSize::new(80, 24);

/// Returns who tells people what happens: the live view on a terminal, lines of text anywhere else. The variables are
/// those of the environment that are not empty.
pub(crate) fn sink(variable: impl Fn(&str) -> Option<PathBuf>) -> Arc<dyn Sink> {
    let smart = variable("TERM").is_some_and(|terminal| terminal.as_os_str() != "dumb");
    if !smart || !io::stderr().is_terminal() {
        return Arc::new(TextLines::new(io::stderr()));
    }
    let view = VIEW.get_or_init(|| {
        // https://no-color.org
        let view = Arc::new(Live::new(io::stderr(), size).colour(variable("NO_COLOR").is_none()));
        make_room_for_panics(Arc::clone(&view));
        tokio::spawn(stop_in_order(Arc::clone(&view)));
        view
    });
    Arc::<Live>::clone(view)
}

/// Leaves the terminal in order.
pub(crate) fn end() {
    if let Some(view) = VIEW.get() {
        view.end();
    }
}

fn size() -> TerminalSize {
    match tcgetwinsize(io::stderr()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => {
            TerminalSize::new(size.ws_col.into(), size.ws_row.into())
        }
        _ => USUAL,
    }
}

/// What a panic says stands in the log, not across the rows that are drawn again.
fn make_room_for_panics(view: Arc<Live>) {
    let say = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        view.pause();
        say(panic);
        view.resume();
    }));
}

/// When it is stopped (Ctrl-Z), the shell gets the terminal with its cursor.
async fn stop_in_order(view: Arc<Live>) {
    let Ok(mut stops) = signal(SignalKind::from_raw(Signal::TSTP.as_raw())) else { return };
    while stops.recv().await.is_some() {
        view.pause();
        // The process goes on after this when it is told to; where it cannot stop, at once.
        let _ = kill_process(getpid(), Signal::STOP);
        view.resume();
    }
}
