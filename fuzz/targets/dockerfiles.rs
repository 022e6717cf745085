//! Dockerfiles, as the native builder reads them to declare its inputs.

use shipway::{
    Artifact, Builder, ErrorKind,
    builders::{Native, NativeConfig},
};
use shipway_testkit::shut_world;

use super::{
    sources::Sources,
    world::{block_on, context},
};

/// A Dockerfile is refused with its place, or declares the same inputs each time, none of them outside of the context.
pub(crate) fn dockerfile(data: &[u8]) {
    let files = || Sources::new([("Dockerfile", data), ("app/main", b"main"), (".dockerignore", b"*.md\n")]);
    let native =
        Native::new(NativeConfig::default().dockerfile("Dockerfile").arg("VERSION", "1")).expect("options");
    let artifact = Artifact::new("app", "/src");
    let declare = || block_on(native.inputs(&context(shut_world().files(files())), &artifact));
    match (declare(), declare()) {
        (Ok(one), Ok(two)) => {
            assert_eq!(one, two);
            let up = |path: &&std::path::PathBuf| {
                !path.starts_with("/src") || path.iter().any(|step| step == "..")
            };
            assert_eq!(one.files.iter().find(up), None, "a file outside of the context");
        }
        (Err(one), Err(two)) => {
            assert_eq!(one.to_string(), two.to_string());
            assert!(
                matches!(one.kind(), ErrorKind::Config | ErrorKind::Unsupported),
                "a file is at fault, not `{:?}`: {one}",
                one.kind()
            );
        }
        (one, _) => panic!("read once and refused once: {}", one.is_ok()),
    }
}
