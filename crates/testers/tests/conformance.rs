//! The tester `structure` against the contract, with commands in the place of containers.

use std::{process::ExitCode, sync::Arc};

use async_trait::async_trait;
use shipway_core::{Capabilities, Context, Exit, Feature, Processes, Result, RunRequest, Runner, Volume};
use shipway_testers::Structure;

/// Runs through the world's door, which the kit watches, what it is asked to run in an image.
#[derive(Debug)]
struct ByProcesses;

#[async_trait]
impl Runner for ByProcesses {
    fn capabilities(&self) -> Capabilities {
        Capabilities::new().features([Feature::Images])
    }

    async fn open(&self, _cx: &Context, _volume: &Volume) -> Result<()> {
        Ok(())
    }

    async fn run(&self, cx: &Context, request: &RunRequest) -> Result<Exit> {
        cx.run(request.command.clone()).await
    }

    async fn close(&self, _cx: &Context, _volume: &Volume) -> Result<()> {
        Ok(())
    }
}

/// Every command succeeds, unless its task is to stop.
#[derive(Debug)]
struct Obedient;

#[async_trait]
impl Processes for Obedient {
    async fn run(&self, cx: &Context, _command: shipway_core::Command) -> Result<Exit> {
        match cx.cancel().state() {
            Some((shipway_core::Stage::Forced, reason)) => {
                Err(shipway_core::Error::cancelled(reason.to_string()))
            }
            _ => Ok(Exit::new(0)),
        }
    }
}

fn tester() -> Structure {
    let tester = Structure::new(["*.yaml", "more/*"]);
    tester.runner(Arc::new(ByProcesses)).unwrap_or_else(|error| panic!("{error:?}"))
}

fn main() -> ExitCode {
    shipway_testkit::tester(tester)
        .fixture("tests/fixtures/judged")
        .world(|world| world.processes(Obedient))
        .main()
}
