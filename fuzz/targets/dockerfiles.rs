//! Dockerfiles, as the native builder reads them to declare its inputs.

use shipway::{
    Artifact, Builder,
    builders::{Native, NativeConfig},
};
use shipway_testkit::shut_world;

use super::{
    sources::Sources,
    world::{agreed, block_on, context},
};

/// A Dockerfile is refused with its place, or declares the same inputs each time, none of them outside of the context.
pub(crate) fn dockerfile(data: &[u8]) {
    let files = || Sources::new([("Dockerfile", data), ("app/main", b"main"), (".dockerignore", b"*.md\n")]);
    let native =
        Native::new(NativeConfig::default().dockerfile("Dockerfile").arg("VERSION", "1")).expect("options");
    let artifact = Artifact::new("app", "/src");
    let declare = || block_on(native.inputs(&context(shut_world().files(files())), &artifact));
    if let Some(inputs) = agreed(declare(), declare()) {
        let up =
            |path: &&std::path::PathBuf| !path.starts_with("/src") || path.iter().any(|step| step == "..");
        assert_eq!(inputs.files.iter().find(up), None, "a file outside of the context");
    }
}
