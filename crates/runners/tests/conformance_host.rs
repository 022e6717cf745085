//! Clauses R1 to R9 for the runner `host`.

use shipway_runners::Host;

fn main() -> std::process::ExitCode {
    let path = [("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned())];
    shipway_testkit::runner(Host::new).world(move |world| world.env(path.clone())).main()
}
