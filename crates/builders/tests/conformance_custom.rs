//! The contract's clauses for `custom`. The command is this program itself, which makes an image of the
//! context and pushes it.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may panic and see its environment"
)]

use std::{collections::BTreeMap, env, path::PathBuf, process::ExitCode};

use shipway_builders::{Custom, CustomConfig, CustomDependencies, FileCopy, NativeConfig};
use shipway_core::{
    Artifact, BuildRequest, Builder, Cancel, Catalog, Fingerprint, PluginConfig, RunContext, Store, Tag,
    Target, World,
};
use shipway_oci::Stores;

const PUSH: &str = "push-image";

fn main() -> ExitCode {
    if env::args().nth(1).as_deref() == Some(PUSH) {
        push();
        return ExitCode::SUCCESS;
    }
    let program = env::current_exe().unwrap();
    let path = env::var("PATH").unwrap();
    let variables = BTreeMap::from([
        ("PROGRAM".to_owned(), program.to_str().unwrap().to_owned()),
        ("PATH".to_owned(), path),
    ]);
    let custom = || {
        let options = CustomConfig::new(format!("cat word.txt && exec \"$PROGRAM\" {PUSH}"))
            .dependencies(CustomDependencies::default().paths(["word.txt"]));
        Custom::new(options).unwrap()
    };
    let artifact = Artifact::new("fixture", ".").requires([("BASE".to_owned(), "base".to_owned())]);
    shipway_testkit::builder(custom)
        .fixture("tests/fixtures/program")
        .artifact(artifact)
        .world(move |world| world.env(variables.clone()))
        .main()
}

/// Makes the image that `IMAGE` names as documented for the command of `custom`.
#[tokio::main(flavor = "current_thread")]
async fn push() {
    let var = |name: &str| env::var(name).unwrap();
    let folder = PathBuf::from(var("BUILD_CONTEXT"));
    assert_eq!(env::current_dir().unwrap(), folder);
    assert_eq!((var("PUSH_IMAGE"), var("SKIP_TEST")), ("true".to_owned(), "false".to_owned()));
    assert_eq!(var("IMAGE"), format!("{}:{}", var("IMAGE_REPO"), var("IMAGE_TAG")));
    let platforms = var("PLATFORMS");
    let platforms = platforms.split(',').filter(|name| !name.is_empty()).map(|name| name.parse().unwrap());
    let artifact = Artifact::new("image", ".").platforms(platforms.collect::<Vec<_>>());
    let native = NativeConfig::default()
        .base(env::var("BASE").unwrap_or_else(|_| "scratch".to_owned()))
        .file(FileCopy::new("word.txt", "/word.txt"))
        .into_plugin(&Catalog::new())
        .unwrap();
    let cx =
        RunContext::new(World::host(folder).images(Stores::new()), "push").context(None, None, Cancel::new());
    let target = Target::new(Store::Registry, var("IMAGE_REPO"), Tag::parse(var("IMAGE_TAG")).unwrap());
    let request = BuildRequest::new(artifact, target, Fingerprint::parse("0".repeat(64)).unwrap());
    native.build(&cx, &request).await.unwrap();
}
