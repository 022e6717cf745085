//! What a person sees of a run.

use crate::{
    bench::{Bench, CONFIGURATION},
    tmux::Terminal,
};

pub(crate) const RUN: &str = "run --builder native -d REGISTRY/team";

/// Waits until the project has a file `go`, or is no more: a terminal that is killed tells scripts nothing.
const UNTIL_GO: &str = "until [ -e go ] || [ ! -e test.sh ]; do sleep 0.02; done";

/// Returns a project whose image is tested by a script that prints this, and waits.
pub(crate) async fn tested(printed: &str) -> Bench {
    let test = "test:\n- image: web\n  custom:\n  - command: sh test.sh\ndeploy:";
    let bench = Bench::new(&CONFIGURATION.replace("deploy:", test)).await;
    bench.write("test.sh", &format!("{printed}\n{UNTIL_GO}\necho ends\n"));
    bench
}

/// Returns the lines without how long it took, and without digests: what is the same each time.
pub(crate) fn steady(screen: &str) -> String {
    let mut out = String::new();
    for line in screen.trim_end().lines() {
        let words = line.split(' ').map(|word| {
            let time = word.trim_end_matches([',', '.']).strip_suffix('s').unwrap_or_default();
            let time = !time.is_empty() && time.chars().all(|c| c.is_ascii_digit() || c == '.');
            match word.split_once("@sha256:") {
                Some((name, _)) => format!("{}@…", name.split_once('/').map_or(name, |(_, image)| image)),
                None if time => "0s".to_owned(),
                None => word.to_owned(),
            }
        });
        out.push_str(&words.collect::<Vec<_>>().join(" "));
        out.push('\n');
    }
    out
}

/// Returns the lines of the view's own rows that are left in what a run left.
fn left_over(all: &str) -> Vec<&str> {
    let row = |line: &&str| line.contains("running") || line.contains('│') || line.starts_with("shop ");
    all.lines().filter(row).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_drawn_while_it_goes_on_and_leaves_a_log() {
    let bench = tested("seq -f 'line %.0f' 1 40; printf '10 %%\\r20 %%\\033[31m\\n'").await;
    tokio::task::block_in_place(|| {
        let Some(terminal) = Terminal::run(&bench, (80, 24), RUN) else { return };
        let screen = terminal.shows("│ 20 %");
        insta::assert_snapshot!(steady(&screen), @"
        done      build:web            0s  team/web@…
        done      tag:web              0s  9cf4ffc18da1…
        shop  0s  2 of 13 done, 1 running
        running   test:web/command       0s  because never passed before
                  │ line 39
                  │ line 40
                  │ 20 %
        ");
        assert!(!terminal.shows_cursor(), "it would jump about");
        bench.write("go", "");
        let all = terminal.ends(0);
        assert_eq!(left_over(&all), [""; 0], "{all}");
        let log: Vec<&str> = all.lines().take_while(|line| !line.contains('|')).collect();
        insta::assert_snapshot!(steady(&log.join("\n")), @"
        done      build:web            0s  team/web@…
        done      tag:web              0s  9cf4ffc18da1…
        done      test:web/command     0s  1 cases, 0 failed
        done      push:web             0s  team/web@…
        done      render:shop          0s  1 objects
        done      diff:shop            0s  create Deployment default/web, create Secr…
        done      apply:shop           0s  shop revision 1
        done      health:shop          0s  shop revision 1
        done      diff:shop/settle     0s  update Secret default/shipway.shop.v1
        done      apply:shop/settle    0s  shop revision 1
        ");
        assert!(all.contains(" of `shop` succeeded: "), "{all}");
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_fails_shows_the_end_of_its_log() {
    let custom = "    context: web\n    custom: {buildCommand: sh ../build.sh}\n";
    let bench = Bench::new(&CONFIGURATION.replace("    context: web\n", custom)).await;
    bench.write("build.sh", "exec >&2; seq -f 'step %.0f' 1 50; echo 'no such file: main.rs'; exit 7");
    tokio::task::block_in_place(|| {
        let Some(terminal) = Terminal::run(&bench, (80, 24), "build -d REGISTRY/team") else {
            return;
        };
        let all = terminal.ends(1);
        let log: Vec<&str> = all.lines().take_while(|line| !line.contains('|')).collect();
        insta::assert_snapshot!(steady(&log.join("\n")), @r"
        FAILED    build:web    0s
                  │ … 31 lines before these
                  │ step 32
                  │ step 33
                  │ step 34
                  │ step 35
                  │ step 36
                  │ step 37
                  │ step 38
                  │ step 39
                  │ step 40
                  │ step 41
                  │ step 42
                  │ step 43
                  │ step 44
                  │ step 45
                  │ step 46
                  │ step 47
                  │ step 48
                  │ step 49
                  │ step 50
                  │ no such file: main.rs
                  `sh ../build.sh` failed with exit code 7
        ");
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_columns_are_enough() {
    let bench = tested("echo a line that has no room in twenty columns").await;
    tokio::task::block_in_place(|| {
        let Some(terminal) = Terminal::run(&bench, (20, 8), RUN) else { return };
        let screen = terminal.shows("│ a line");
        insta::assert_snapshot!(steady(&screen), @"
        done build:web 0s
        done tag:web 0s 9…
        shop 2/13 done 0s …
        test…mmand 0s becau…
         │ a line that has …
        ");
        bench.write("go", "");
        let all = terminal.ends(0);
        assert_eq!(left_over(&all), [""; 0], "{all}");
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn one_row_has_room_for_the_log_alone() {
    let bench = tested("echo waits").await;
    tokio::task::block_in_place(|| {
        let Some(terminal) = Terminal::run(&bench, (80, 1), RUN) else { return };
        terminal.until("the log", |_| terminal.all().contains("done      build:web"));
        bench.write("go", "");
        let all = terminal.ends(0);
        assert_eq!(left_over(&all), [""; 0], "{all}");
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_may_change_its_size() {
    let bench =
        tested("echo a rather long line that is cut as soon as there is no room for it any more").await;
    tokio::task::block_in_place(|| {
        let Some(terminal) = Terminal::run(&bench, (100, 24), RUN) else { return };
        terminal.shows("no room for it any more");
        for (columns, rows, end) in
            [(60, 24, "…"), (30, 12, "…"), (25, 6, "…"), (120, 40, "no room for it any more"), (70, 24, "…")]
        {
            terminal.resize(columns, rows);
            let row = |line: &&str| line.contains("│ a rather");
            let screen = terminal.until("the row at its new width", |screen| {
                let row = screen.lines().find(row);
                let fits = |row: &str| row.chars().count() <= columns as usize && row.ends_with(end);
                row.is_some_and(fits)
                    && (end != "…" || row.is_some_and(|row| row.chars().count() + 12 > columns as usize))
            });
            assert_eq!(screen.lines().filter(row).count(), 1, "at {columns} columns:\n{screen}");
        }
        bench.write("go", "");
        let all = terminal.ends(0);
        // A frame that is drawn before tmux tells the new width, up to a quarter of a second after it broke the rows,
        // may leave a header behind. Of the log nothing is lost, and nothing is there twice.
        for ended in ["build:web", "tag:web", "test:web/command", "push:web"] {
            let lines = all.lines().filter(|line| line.starts_with(&format!("done      {ended} ")));
            assert_eq!(lines.count(), 2, "`{ended}` in the log and in the table:\n{all}");
        }
    });
}
