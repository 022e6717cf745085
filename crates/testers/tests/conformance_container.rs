//! The tester `container` against the contract, with processes in the place of containers: what it judges is a release with
//! an image whose entrypoint is `true` or `false`.

use std::{process::ExitCode, sync::Arc};

use async_trait::async_trait;
use shipway_core::{
    Capabilities, Command, Context, Deployment, Digest, Exit, Feature, Image, Manifests, Release, Result,
    RunRequest, Runner, Store, Subject, Timestamp, Volume,
};
use shipway_testers::ContainerTest;

/// Runs through the world's door, which the kit watches, what the image is named after.
#[derive(Debug)]
struct Entrypoints;

#[async_trait]
impl Runner for Entrypoints {
    fn capabilities(&self) -> Capabilities {
        Capabilities::new().features([Feature::Images])
    }

    async fn open(&self, _cx: &Context, _volume: &Volume) -> Result<()> {
        Ok(())
    }

    async fn run(&self, cx: &Context, request: &RunRequest) -> Result<Exit> {
        let program = request.image.as_ref().map_or("", |image| image.repository.as_str());
        cx.run(Command::new(program).args(request.command.args.clone())).await
    }

    async fn close(&self, _cx: &Context, _volume: &Volume) -> Result<()> {
        Ok(())
    }
}

fn released(entrypoint: &str) -> Subject {
    let digest =
        Digest::parse(format!("sha256:{}", "0".repeat(64))).unwrap_or_else(|error| panic!("{error:?}"));
    let image = Image::new("smoke", Store::Registry, entrypoint, digest);
    let manifests = Manifests::new(Release::new("shop").images([image]));
    Subject::Deployment(Deployment::new(manifests, "1", Timestamp(0)))
}

fn main() -> ExitCode {
    let tester = || ContainerTest::new(Arc::new(Entrypoints)).name("smoke").image("smoke");
    shipway_testkit::tester(tester).subjects(released("true"), released("false")).main()
}
