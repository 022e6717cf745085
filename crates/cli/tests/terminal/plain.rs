//! Where there is no live view, or one without colours.

use crate::{
    runs::{RUN, tested},
    tmux::{Terminal, shell},
};

#[tokio::test(flavor = "multi_thread")]
async fn without_colours_it_reads_the_same() {
    let bench = tested("printf '\\033[31mwaits\\n'").await;
    tokio::task::block_in_place(|| {
        for (variables, coloured) in
            [(&[][..], true), (&[("NO_COLOR", "")], true), (&[("NO_COLOR", "1")], false)]
        {
            let script = shell(&bench, RUN, variables);
            let Some(terminal) = Terminal::start(&bench, (80, 24), &script) else {
                return;
            };
            let screen = terminal.shows("│ waits");
            assert!(screen.contains("running   test:web/command"), "{screen}");
            assert_eq!(terminal.coloured().contains('\u{1b}'), coloured, "{variables:?}");
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dumb_terminal_and_a_pipe_get_lines() {
    let bench = tested("echo waits").await;
    tokio::task::block_in_place(|| {
        let dumb = shell(&bench, RUN, &[("TERM", "dumb")]);
        let unknown = format!("env -u TERM {}", shell(&bench, RUN, &[("TERM", "")]));
        let piped = format!("{} 2>&1 | cat", shell(&bench, RUN, &[]));
        for script in [dumb, unknown, piped] {
            let Some(terminal) = Terminal::start(&bench, (80, 24), &script) else {
                return;
            };
            terminal.shows("test:web/command: waits");
            let screen = terminal.coloured();
            assert!(!screen.contains("running") && !screen.contains('\u{1b}'), "{script}:\n{screen}");
            assert!(terminal.shows_cursor());
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn events_as_json_are_nothing_else() {
    let bench = tested("echo waits").await;
    tokio::task::block_in_place(|| {
        let line = format!("{RUN} --events json");
        let Some(terminal) = Terminal::run(&bench, (200, 24), &line) else { return };
        terminal.until("an event", |_| terminal.all().contains("\"line\":\"waits\""));
        bench.write("go", "");
        let all = terminal.ends(0);
        let events = all.lines().filter(|line| line.starts_with("{\"schema\":1,")).count();
        assert_eq!(events + 1, all.trim_end().lines().count(), "{all}");
    });
}
