//! Keys that stop a run: the terminal is left in order.

use crate::{
    runs::{RUN, tested},
    tmux::{ENDED, Terminal, shell},
};

#[tokio::test(flavor = "multi_thread")]
async fn control_c_lets_end_what_is_under_way() {
    let bench = tested("echo waits").await;
    tokio::task::block_in_place(|| {
        let Some(terminal) = Terminal::run(&bench, (80, 24), RUN) else { return };
        terminal.shows("│ waits");
        terminal.press(&["C-c"]);
        let screen = terminal.shows(", stopping");
        assert!(
            screen.contains("stopping once what is under way has ended: somebody asked to stop"),
            "{screen}"
        );
        assert!(!terminal.shows_cursor(), "it goes on");
        bench.write("go", "");
        let all = terminal.ends(3);
        assert!(all.contains("done      test:web/command") && all.contains(" was cancelled: "), "{all}");
        // Nor what the terminal itself says to the key.
        assert!(!all.contains("running") && !all.contains("^C"), "{all}");
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn control_c_twice_stops_at_once() {
    let bench = tested("echo waits").await;
    tokio::task::block_in_place(|| {
        let Some(terminal) = Terminal::run(&bench, (80, 24), RUN) else { return };
        terminal.shows("│ waits");
        terminal.press(&["C-c"]);
        terminal.shows("stopping once");
        terminal.press(&["C-c"]);
        let all = terminal.ends(3);
        assert!(all.contains("stopping at once: somebody asked to stop"), "{all}");
        assert!(all.contains("cancelled test:web/command") && !all.contains("running"), "{all}");
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn control_z_gives_the_terminal_back_for_a_while() {
    let bench = tested("echo waits").await;
    tokio::task::block_in_place(|| {
        // A shell with jobs, as people have them.
        let script = format!(
            "set -m; {}; echo stopped; read line; fg > /dev/null; echo \"{ENDED}$?\"",
            shell(&bench, RUN, &[])
        );
        let Some(terminal) = Terminal::start(&bench, (80, 24), &script) else { return };
        terminal.shows("│ waits");
        terminal.press(&["C-z"]);
        let screen = terminal.shows("stopped");
        assert!(terminal.shows_cursor() && !screen.contains("running"), "{screen}");
        terminal.press(&["Enter"]);
        terminal.shows("│ waits");
        assert!(!terminal.shows_cursor(), "it goes on");
        bench.write("go", "");
        let all = terminal.ends(0);
        assert!(!all.contains("running"), "{all}");
    });
}
