//! The contract's clauses for `command`. The command is this program itself, which looks into the image.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a test may panic, and is a program that sees its environment and says why"
)]

use std::{collections::BTreeMap, env, process::ExitCode};

use shipway_core::{Cancel, RunContext, Store, World};
use shipway_oci::{ImageFiles, Limits, Reference, Stores, read_image};
use shipway_testers::{CommandTest, CommandTestConfig, TestDependencies};

const JUDGE: &str = "judge-image";

fn main() -> ExitCode {
    if env::args().nth(1).as_deref() == Some(JUDGE) {
        return judge();
    }
    let variables = BTreeMap::from([
        ("PROGRAM".to_owned(), env::current_exe().unwrap().to_str().unwrap().to_owned()),
        ("PATH".to_owned(), env::var("PATH").unwrap()),
    ]);
    let tester = || {
        let dependencies = TestDependencies::default().paths(["expected.txt"]);
        let command = format!("exec \"$PROGRAM\" {JUDGE} \"$(cat expected.txt)\"");
        CommandTest::new(CommandTestConfig::new(command).dependencies(dependencies)).unwrap()
    };
    shipway_testkit::tester(tester)
        .fixture("tests/fixtures/commanded")
        .world(move |world| world.env(variables.clone()))
        .main()
}

/// Says whether the image that `IMAGE` names has the file that is expected.
#[tokio::main(flavor = "current_thread")]
async fn judge() -> ExitCode {
    let cx =
        RunContext::new(World::host("/").images(Stores::new()), "judge").context(None, None, Cancel::new());
    let reference: Reference = env::var("IMAGE").unwrap().parse().unwrap();
    let repository = format!("{}/{}", reference.host, reference.path);
    let there = Stores::new().open(&cx, &Store::Registry, &repository).unwrap();
    let image = read_image(there.as_ref(), reference.digest.as_ref().unwrap(), None).await.unwrap();
    let files = ImageFiles::read(there.as_ref(), &image.manifest.layers, Limits::default()).await.unwrap();
    let expected = env::args().nth(2).unwrap();
    match files.find(&expected).unwrap() {
        Some(_) => ExitCode::SUCCESS,
        None => {
            eprintln!("there is no /{expected}");
            ExitCode::FAILURE
        }
    }
}
