//! What the runner `docker` refuses before it asks the engine.

use shipway_core::{
    Cancel, Command, ErrorKind, Mount, MountSource, RunContext, RunRequest, Runner, SecretId, World,
};
use shipway_runners::{Docker, DockerConfig};

#[tokio::test]
async fn a_secret_never_comes_to_lie_in_a_volume() {
    let cx = RunContext::new(World::host("/"), "run").context(None, None, Cancel::new());
    let runner = Docker::new(DockerConfig::default().endpoint("unix:///nowhere/docker.sock")).unwrap();
    for source in [MountSource::Volume("shared".to_owned()), MountSource::Host("/srv".into())] {
        let secret = MountSource::Secret(SecretId::parse("key").unwrap());
        let request = RunRequest::new(Command::new("true"));
        let request = request.mounts([Mount::new(source, "/work"), Mount::new(secret, "/work/.ssh/key")]);
        let error = runner.run(&cx, &request).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    }
}
