//! Draws a run while it goes on, on a thread of its own: whoever emits events never waits for the terminal.

use std::{
    fmt::{self, Debug},
    io::Write,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use shipway_core::{Clock, Event, EventKind, Sink, SystemClock};

use super::{LiveView, TerminalSize, screen::Screen};

/// The least time between two frames.
const FRAME: Duration = Duration::from_millis(100);
/// The name of the thread that draws.
const THREAD: &str = "shipway-live";

/// A sink that shows a run on a terminal while it goes on: tasks that have ended, failures and messages scroll up as
/// a log, and what is under way is drawn below, at most ten times a second. At the run's end the log alone is left.
///
/// It takes one run after the other. Outside of runs it writes the log alone, at once. It writes to whatever it is given,
/// and asks for the size before each frame. Text from outside does not steer the terminal: its control characters and
/// colours are left out. When the writer fails, nothing more is written.
///
/// ```
/// use std::{io::stderr, sync::Arc};
/// use shipway_core::World;
/// use shipway_report::{Live, TerminalSize};
///
/// let live = Arc::new(Live::new(stderr(), || TerminalSize::new(80, 24)).colour(false));
/// let world = World::host("/src").sink(live);
/// # let _ = world;
/// ```
pub struct Live {
    shared: Arc<Shared>,
    drawing: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    state: Mutex<State>,
    news: Condvar,
    screen: Mutex<Screen>,
    size: Box<dyn Fn() -> TerminalSize + Send + Sync>,
}

struct State {
    view: LiveView,
    clock: Arc<dyn Clock>,
    /// Whether there is a thread that draws.
    draws: bool,
    /// Whether something happened since the last frame.
    changed: bool,
}

impl Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Live")
    }
}

impl Live {
    /// Returns a sink that draws on `writer`, whose size is asked for before each frame; in colours, by the machine's
    /// clock.
    pub fn new(
        writer: impl Write + Send + 'static,
        size: impl Fn() -> TerminalSize + Send + Sync + 'static,
    ) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let state = State { view: LiveView::default(), clock, draws: false, changed: false };
        let shared = Shared {
            state: Mutex::new(state),
            news: Condvar::new(),
            screen: Mutex::new(Screen::new(Box::new(writer))),
            size: Box::new(size),
        };
        Self { shared: Arc::new(shared), drawing: Mutex::new(None) }
    }

    /// Sets whether there are colours; without them it reads the same.
    #[must_use]
    pub fn colour(self, colour: bool) -> Self {
        self.shared.screen().colour = colour;
        self
    }

    /// Sets the clock by which it is told how long tasks have run: the one of the runs' world.
    #[must_use]
    pub fn clock(self, clock: Arc<dyn Clock>) -> Self {
        self.shared.state().clock = clock;
        self
    }

    /// Takes the rows of what is under way off the terminal and shows its cursor again, for whoever else is to write
    /// there; returns once that is done. What happens meanwhile is written to the log.
    pub fn pause(&self) {
        if thread::current().name() == Some(THREAD) {
            // It would wait for itself.
            return;
        }
        self.shared.state().draws = false;
        self.shared.news.notify_all();
        if let Some(drawing) = self.drawing.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // Whatever became of it, the terminal is left in order here.
            let _ = drawing.join();
        }
        self.shared.write_log();
    }

    /// Ends the run's view as the run's end does, where that may not come: [`Live::resume`] brings nothing back before
    /// another run begins.
    pub fn end(&self) {
        self.pause();
        self.shared.state().view = LiveView::default();
    }

    /// Draws again what is under way, if a run is.
    pub fn resume(&self) {
        let mut drawing = self.drawing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = self.shared.state();
        if drawing.is_some() || !state.view.goes_on() {
            return;
        }
        let shared = Arc::clone(&self.shared);
        // Where there is no thread to be had, the log is written without it.
        *drawing = thread::Builder::new().name(THREAD.to_owned()).spawn(move || shared.draw()).ok();
        state.draws = drawing.is_some();
        state.changed = true;
    }
}

impl Sink for Live {
    fn emit(&self, event: &Event) {
        let mut state = self.shared.state();
        state.view.apply(event);
        let told = !std::mem::replace(&mut state.changed, true);
        let draws = state.draws;
        drop(state);
        match event.kind {
            EventKind::RunStarted { .. } => self.resume(),
            EventKind::RunFinished { .. } => self.pause(),
            _ if !draws => self.shared.write_log(),
            _ if told => self.shared.news.notify_all(),
            _ => {}
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.pause();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn screen(&self) -> MutexGuard<'_, Screen> {
        self.screen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what is to be written to the log, and no rows.
    fn write_log(&self) {
        // Taken first, so that of two who write, the one who took earlier writes earlier.
        let mut screen = self.screen();
        let size = (self.size)();
        let log = self.state().view.take_told(size.columns);
        // Nobody is left to tell when the terminal has gone.
        let _ = screen.draw(&log, Vec::new(), size);
    }

    /// Draws frame after frame until the view is paused or nobody sees it.
    fn draw(&self) {
        loop {
            let size = (self.size)();
            let mut state = self.state();
            if !state.draws {
                return;
            }
            state.changed = false;
            let now = state.clock.now();
            let (log, rows) = (state.view.take_told(size.columns), state.view.rows(size, now));
            drop(state);
            if self.screen().draw(&log, rows, size).is_err() {
                return;
            }
            // Even where there is no end of news, no more than so many frames a second.
            let paused = self.wait(self.state(), FRAME, |state| state.draws);
            // Without news, seconds go by.
            let second = Duration::from_millis(1000 - paused.clock.now().0 % 1000);
            drop(self.wait(paused, second, |state| state.draws && !state.changed));
        }
    }

    /// Waits for so long at most, while this is so.
    fn wait<'a>(
        &self,
        state: MutexGuard<'a, State>,
        most: Duration,
        so: impl Fn(&State) -> bool,
    ) -> MutexGuard<'a, State> {
        let waited = self.news.wait_timeout_while(state, most, |state| so(state));
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}
