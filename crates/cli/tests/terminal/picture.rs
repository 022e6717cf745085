//! The sample of the documentation's picture. `cargo xtask picture` names a file in `SHIPWAY_PICTURE`, into which the
//! screen is written with its colours.

use std::{env, fs};

use crate::{
    bench::Bench,
    published::{IMAGE, PROFILES, sources},
    tmux::{Terminal, shell},
};

#[tokio::test(flavor = "multi_thread")]
async fn the_sample_with_profiles_is_built_on_a_terminal() {
    let bench = Bench::new(PROFILES).await;
    sources(&bench, "backend");
    tokio::task::block_in_place(|| {
        let line = "build -p production --builder native -d REGISTRY";
        let typed = format!("shipway {}", line.replace("REGISTRY", &bench.registry.host()));
        let script = format!("echo '$ {typed}'; {}", shell(&bench, line, &[]));
        let Some(terminal) = Terminal::start(&bench, (120, 24), &script) else { return };
        let screen = terminal.shows("(tag v1.2.3)");
        assert!(screen.starts_with(&format!("$ {typed}\n")), "{screen}");
        assert!(screen.contains(&format!("{IMAGE}@sha256:")) && !screen.contains("running"), "{screen}");
        if let Some(path) = env::var_os("SHIPWAY_PICTURE") {
            fs::write(path, terminal.coloured()).unwrap();
        }
    });
}
