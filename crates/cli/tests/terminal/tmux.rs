//! A terminal of its own for each test: a tmux server with one window, which ends with the test.

use std::{
    env,
    ffi::OsStr,
    path::PathBuf,
    process::{Command, Output},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use crate::{
    bench::{Bench, text},
    skip::skip,
};

/// How long something may take to be seen; far more than it does.
const PATIENCE: Duration = Duration::from_secs(60);
const GLANCE: Duration = Duration::from_millis(20);

/// What comes before the code that the command ends with.
pub(crate) const ENDED: &str = "ended with ";

/// A terminal with the command in it.
pub(crate) struct Terminal {
    socket: PathBuf,
}

impl Terminal {
    /// Runs the command in a new terminal; what it ends with is said there. None, which is counted, where there is no
    /// tmux.
    pub(crate) fn run(bench: &Bench, size: (u32, u32), line: &str) -> Option<Self> {
        Self::start(bench, size, &format!("{}; echo \"{ENDED}$?\"", shell(bench, line, &[])))
    }

    /// Runs a script in a new terminal, in the project.
    pub(crate) fn start(bench: &Bench, (columns, rows): (u32, u32), script: &str) -> Option<Self> {
        let found =
            env::split_paths(&env::var_os("PATH").unwrap()).any(|folder| folder.join("tmux").is_file());
        if !found {
            // The thread has the name of its test.
            skip(&format!("terminal::{}", thread::current().name().unwrap_or_default()), "tmux");
            return None;
        }
        // One that is ending is not to be asked for another window.
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("tmux-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let terminal = Self { socket: bench.project().with_file_name(name) };
        // A Ctrl-C is for the command alone, and the terminal stays when that has ended.
        let script = format!("trap : INT; {script}; exec cat");
        let (columns, rows) = (columns.to_string(), rows.to_string());
        let project = bench.project();
        let session =
            ["new-session", "-d", "-x", &columns, "-y", &rows, "-c", project.to_str().unwrap(), &script];
        terminal.tmux(&[&["-f", "/dev/null"], &session[..]].concat());
        Some(terminal)
    }

    /// Sends keys, by tmux' names.
    pub(crate) fn press(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    pub(crate) fn resize(&self, columns: u32, rows: u32) {
        self.tmux(&["resize-window", "-x", &columns.to_string(), "-y", &rows.to_string()]);
    }

    /// Returns what is to be seen.
    pub(crate) fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    /// Returns what is to be seen and what has scrolled out; lines that the terminal broke are whole.
    pub(crate) fn all(&self) -> String {
        self.tmux(&["capture-pane", "-p", "-J", "-S", "-"])
    }

    /// Returns what is to be seen, with the sequences for its colours.
    pub(crate) fn coloured(&self) -> String {
        self.tmux(&["capture-pane", "-p", "-e"])
    }

    pub(crate) fn shows_cursor(&self) -> bool {
        self.tmux(&["display-message", "-p", "#{cursor_flag}"]).trim() == "1"
    }

    /// Waits until the screen is so, and returns it.
    pub(crate) fn until(&self, wanted: &str, so: impl Fn(&str) -> bool) -> String {
        let begun = Instant::now();
        loop {
            let screen = self.screen();
            if so(&screen) {
                return screen;
            }
            assert!(begun.elapsed() < PATIENCE, "it does not show {wanted}:\n{}", self.all());
            thread::sleep(GLANCE);
        }
    }

    /// Waits until this is to be seen, and returns the screen.
    pub(crate) fn shows(&self, text: &str) -> String {
        self.until(&format!("`{text}`"), |screen| screen.contains(text))
    }

    /// Waits until the command has ended with this code, and returns all that is left of it.
    pub(crate) fn ends(&self, code: u8) -> String {
        self.until("the end", |_| self.all().contains(ENDED));
        let all = self.all();
        assert!(all.trim_end().ends_with(&format!("{ENDED}{code}")), "{all}");
        assert!(self.shows_cursor(), "the cursor is shown again");
        all
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let Output { status, stdout, stderr } = self.command(arguments).output().unwrap();
        assert!(status.success(), "tmux {arguments:?}: {}", text(&stderr));
        text(&stdout)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("tmux");
        command.arg("-u").arg("-S").arg(&self.socket).args(arguments);
        // It draws letters beyond ASCII only where the locale has them.
        command.env("LC_ALL", "C.UTF-8").env_remove("TMUX");
        command
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Where a test has failed, nothing else ends it.
        let _ = self.command(&["kill-server"]).output();
    }
}

/// Returns the command as a line for a shell, with nothing of this environment but what the bench gives it and these
/// variables.
pub(crate) fn shell(bench: &Bench, line: &str, variables: &[(&str, &str)]) -> String {
    let command = bench.command(line);
    let quoted = |text: &OsStr| format!("'{}'", text.to_str().unwrap().replace('\'', "'\\''"));
    let mut words = vec!["env -i TERM=screen".to_owned()];
    let given = command.get_envs().filter_map(|(name, value)| Some((name.to_str().unwrap(), value?)));
    for (name, value) in given.chain(variables.iter().map(|(name, value)| (*name, OsStr::new(value)))) {
        words.push(format!("{name}={}", quoted(value)));
    }
    words.push(quoted(command.get_program()));
    words.extend(command.get_args().map(quoted));
    words.join(" ")
}
