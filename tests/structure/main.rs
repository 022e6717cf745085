//! One Dockerfile built by `native`, by Docker and by BuildKit: the structure tests judge the three images
//! alike, from the store that each is in.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "the test runs real parts, and prepares real files"
)]
#![expect(clippy::print_stdout, reason = "who runs the test alone sees that it was skipped")]

#[path = "../support/skip.rs"]
mod skip;

use std::{
    env,
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::Command,
};

use shipway::{
    Artifact, BuildRequest, Builder as _, Cancel, Context, Fingerprint, Image, RunContext, Store, Subject,
    Tag, Target, TestReport, Tester as _, World,
    builders::{Native, NativeConfig},
    oci::Stores,
};
use shipway_testers::{Structure, junit};
use tempfile::TempDir;

use crate::skip::skip;

/// The bed's parts that this test needs.
struct Bed {
    registry: String,
    docker: String,
    buildkit: String,
    buildctl: String,
}

impl Bed {
    /// Returns the bed, or `None` where a part is missing, which is counted for the test.
    fn find(test: &str) -> Option<Self> {
        let part = |name: &str, needs: &str| {
            let found = env::var(name).ok().filter(|value| !value.is_empty());
            if found.is_none() {
                skip(&format!("structure::{test}"), needs);
            }
            found
        };
        let docker = part("SHIPWAY_BED_DOCKER", "docker")?;
        if Command::new("docker").arg("--version").output().is_err() {
            skip(&format!("structure::{test}"), "docker");
            return None;
        }
        Some(Self {
            registry: part("SHIPWAY_BED_REGISTRY", "bed")?,
            docker,
            buildkit: part("SHIPWAY_BED_BUILDKIT", "buildkit")?,
            buildctl: part("SHIPWAY_BED_BUILDCTL", "buildkit")?,
        })
    }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{said}", output.status);
}

const TESTS: &str = r#"
schemaVersion: 2.0.0
globalEnvVars: [{key: WHERE, value: "$APP_HOME/bin"}]
fileExistenceTests:
  - {name: program, path: $WHERE/run, permissions: -rwxr-xr-x, uid: 0, gid: 0, isExecutableBy: other}
  - {name: owned, path: /srv/app/data/settings.json, permissions: -rw-r-----, uid: 1000, gid: 1001}
  - {name: its folder, path: /srv/app/data, uid: 1000, gid: 1001}
  - {name: working folder, path: /srv/app, permissions: drwxr-xr-x, uid: 0}
  - {name: a link, path: /srv/app/bin/alias, permissions: Lrwxrwxrwx}
  - {name: of the base, path: /bin/sh, isExecutableBy: any}
  - {name: left out, path: /srv/app/bin/notes.txt, shouldExist: false}
  - {name: wrong on purpose, path: /srv/app/bin/run, permissions: -rw-r--r--, uid: 7}
fileContentTests:
  - {name: settings, path: /srv/app/data/settings.json, expectedContents: ['"depth":\s*3'], excludedContents: [password]}
  - {name: through the link, path: /srv/app/bin/alias, expectedContents: ['^#!/bin/sh\n']}
  - {name: wrong on purpose, path: /srv/app/bin/run, expectedContents: [never], excludedContents: [sh]}
licenseTests:
  - {debian: false, files: [/srv/app/data/settings.json]}
metadataTest:
  envVars: [{key: APP_HOME, value: /srv/app}, {key: PATH, value: '/bin', isRegex: true}]
  unboundEnvVars: [{key: WHERE}]
  labels: [{key: org.example.team, value: search}]
  exposedPorts: ["8080", "9090"]
  unexposedPorts: ["80"]
  unmountedVolumes: [/srv/app]
  entrypoint: [/srv/app/bin/run]
  cmd: [--serve, "a b"]
  workdir: /srv/app
  user: 1000:1001
"#;

/// The sources of one image, with a folder for what is made of them.
struct Sources {
    folder: TempDir,
}

impl Sources {
    fn new(base: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sources = Self { folder };
        let dockerfile = format!(
            "FROM {base}\nENV APP_HOME=/srv/app\nLABEL org.example.team=search\nWORKDIR /srv/app\nCOPY bin bin/\n\
             COPY --chown=1000:1001 data data/\nEXPOSE 8080 9090/udp\nUSER 1000:1001\n\
             ENTRYPOINT [\"/srv/app/bin/run\"]\nCMD [\"--serve\", \"a b\"]\n"
        );
        sources.file("web/Dockerfile", &dockerfile, 0o644);
        sources.file("web/.dockerignore", "**/notes.txt\n", 0o644);
        sources.file("web/bin/run", "#!/bin/sh\necho hello\n", 0o755);
        sources.file("web/bin/notes.txt", "not for others", 0o644);
        std::os::unix::fs::symlink("run", sources.path("web/bin/alias")).unwrap();
        sources.file("web/data/settings.json", "{\"depth\": 3}\n", 0o640);
        sources.file("tests.yaml", TESTS, 0o644);
        sources
    }

    fn path(&self, path: &str) -> std::path::PathBuf {
        self.folder.path().join(path)
    }

    fn file(&self, path: &str, content: &str, mode: u32) {
        let path = self.path(path);
        let folder = path.parent().unwrap();
        fs::create_dir_all(folder).unwrap();
        fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    }

    fn context(&self) -> Context {
        let world = World::host(self.folder.path()).images(shipway_docker::DaemonStores::new(Stores::new()));
        RunContext::new(world, "structure").context("test:web".parse().ok(), None, Cancel::new())
    }

    async fn by_native(&self) -> Image {
        let target = Target::new(Store::Layout(self.path("native")), "web", Tag::parse("native").unwrap());
        let fingerprint = Fingerprint::parse("0".repeat(64)).unwrap();
        let request = BuildRequest::new(Artifact::new("web", "web"), target, fingerprint);
        Native::new(NativeConfig::default()).unwrap().build(&self.context(), &request).await.unwrap()
    }

    /// Builds in the daemon, and pushes to the registry, from where it is judged.
    async fn by_docker(&self, bed: &Bed) -> Image {
        let unlike = self.folder.path().file_name().unwrap().to_string_lossy().to_lowercase();
        let reference = format!("{}/structure/web{}:docker", bed.registry, unlike.replace('.', "-"));
        let docker = |arguments: &[&str]| {
            let mut command = Command::new("docker");
            // Its own home, so that nobody's logins are read.
            command.env("HOME", self.folder.path()).env("DOCKER_BUILDKIT", "0").args(["--host", &bed.docker]);
            run(command.args(arguments));
        };
        docker(&["build", "--quiet", "--tag", &reference, self.path("web").to_str().unwrap()]);
        docker(&["push", "--quiet", &reference]);
        docker(&["rmi", &reference]);
        let cx = self.context();
        cx.images().find(&cx, &Store::Registry, &reference).await.unwrap().unwrap()
    }

    /// Builds into an OCI layout.
    async fn by_buildkit(&self, bed: &Bed) -> Image {
        let (web, archive, layout) = (self.path("web"), self.path("buildkit.tar"), self.path("buildkit"));
        let local = |name: &str| format!("{name}={}", web.display());
        let output = format!("type=oci,name=web:buildkit,dest={}", archive.display());
        let mut command = Command::new(&bed.buildctl);
        command.env("HOME", self.folder.path()).args([
            "--addr",
            &bed.buildkit,
            "build",
            "--frontend",
            "dockerfile.v0",
        ]);
        run(command.args([
            "--local",
            &local("context"),
            "--local",
            &local("dockerfile"),
            "--output",
            &output,
        ]));
        fs::create_dir(&layout).unwrap();
        run(Command::new("tar").arg("-C").arg(&layout).arg("-xf").arg(&archive));
        self.only_image(&layout)
    }

    /// Returns the one image that a layout's index names.
    fn only_image(&self, layout: &Path) -> Image {
        let index: serde_json::Value =
            serde_json::from_slice(&fs::read(layout.join("index.json")).unwrap()).unwrap();
        let digest = index["manifests"][0]["digest"].as_str().unwrap();
        let digest = shipway::Digest::parse(digest).unwrap();
        Image::new("web", Store::Layout(layout.to_owned()), "web", digest)
    }

    async fn judge(&self, image: Image) -> TestReport {
        Structure::new(["tests.yaml"]).test(&self.context(), &Subject::Image(image)).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn images_of_three_builders_are_judged_alike() {
    let Some(bed) = Bed::find("images_of_three_builders_are_judged_alike") else { return };
    let sources = Sources::new(&format!("{}/bases/busybox:local", bed.registry));
    let native = sources.judge(sources.by_native().await).await;
    let failed: Vec<&str> = native.failed().map(|case| case.name.as_str()).collect();
    assert_eq!(
        failed,
        [
            "tests.yaml: File Content Test: wrong on purpose",
            "tests.yaml: File Existence Test: wrong on purpose"
        ],
        "{}",
        junit([("native", &native)])
    );
    let docker = sources.judge(sources.by_docker(&bed).await).await;
    assert_eq!(docker, native, "Docker's image is judged otherwise than that of `native`");
    let buildkit = sources.judge(sources.by_buildkit(&bed).await).await;
    assert_eq!(buildkit, native, "BuildKit's image is judged otherwise than that of `native`");
    println!("structure: {} cases, alike on images of native, Docker and BuildKit", native.cases.len());
}

const COMMANDS: &str = r#"
schemaVersion: 2.0.0
globalEnvVars: [{key: PATH, value: "/srv/app/bin:$PATH"}]
commandTests:
  - name: the program, by the path
    command: run
    expectedOutput: ['^hello\n$']
    excludedError: ['.']
  - name: who it is
    command: id
    expectedOutput: ['uid=1000', 'gid=1001']
  - name: where it is
    command: sh
    args: [-c, 'pwd; cat data/settings.json']
    expectedOutput: ['^/srv/app\n', 'depth']
  - name: apart
    command: sh
    args: [-c, 'echo out; echo err >&2; exit 7']
    exitCode: 7
    expectedOutput: ['^out\n$']
    expectedError: ['^err\n$']
  - name: prepared
    setup: [[mkdir, /tmp/made], [sh, -c, 'echo $OWN > /tmp/made/file']]
    envVars: [{key: OWN, value: mine}]
    command: cat
    args: [/tmp/made/file]
    expectedOutput: ['^mine\n$']
  - {name: missing, command: /no/such/program}
  - {name: wrong on purpose, command: "true", exitCode: 1}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn commands_run_in_containers() {
    let Some(bed) = Bed::find("commands_run_in_containers") else { return };
    let sources = Sources::new(&format!("{}/bases/busybox:local", bed.registry));
    sources.file("commands.yaml", COMMANDS, 0o644);
    let runner =
        shipway_runners::Docker::new(shipway_runners::DockerConfig::default().endpoint(&bed.docker)).unwrap();
    let tester = Structure::new(["commands.yaml"]).runner(std::sync::Arc::new(runner)).unwrap();
    for image in [sources.by_native().await, sources.by_docker(&bed).await] {
        let report = tester.test(&sources.context(), &Subject::Image(image)).await.unwrap();
        let failed: Vec<&str> = report.failed().map(|case| case.name.as_str()).collect();
        assert_eq!(
            failed,
            ["commands.yaml: Command Test: missing", "commands.yaml: Command Test: wrong on purpose"]
        );
    }
}
