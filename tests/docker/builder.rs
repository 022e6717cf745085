//! The builder `docker` in the engine of the bed.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, sync::Arc};

use shipway_builders::{BuildSecret, Docker, DockerConfig, Push};
use shipway_core::{
    Artifact, BuildRequest, Builder, Cancel, CancelReason, Command, Context, ErrorKind, Fingerprint,
    FixedCredentials, Image, Login, Record, RunContext, RunRequest, Runner, Snapshot, Stage, Store, Target,
};
use shipway_docker::DaemonStores;
use shipway_oci::Stores;
use shipway_testkit::Verdict;

use crate::bed::{Bed, unlike};

fn write(bed: &Bed, files: &[(&str, &str)]) {
    for (path, text) in files {
        let path = bed.folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

fn builder(options: DockerConfig) -> Docker {
    Docker::new(options).unwrap()
}

fn request(target: Target) -> BuildRequest {
    BuildRequest::new(Artifact::new("web", "."), target, Fingerprint::parse("0".repeat(64)).unwrap())
}

/// Runs a script in an image of the engine and returns what it prints.
async fn prints(bed: &Bed, cx: &Context, image: &Image, script: &str) -> String {
    let options = shipway_runners::DockerConfig::default().endpoint(bed.endpoint.clone());
    let runner = shipway_runners::Docker::new(options).unwrap();
    let command = Command::new("sh").args(["-c".to_owned(), script.to_owned()]).capture(true);
    let exit = runner.run(cx, &RunRequest::new(command).image(image.clone())).await.unwrap();
    assert_eq!(exit.code, 0, "{}", exit.stderr);
    exit.stdout
}

async fn forget(bed: &Bed, image: &Image, target: &Target) {
    for reference in [target.reference(), image.reference()] {
        bed.daemon.untag_image(&reference).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_builders_make_the_same_of_a_dockerfile_and_its_context() {
    let Some(bed) = Bed::find("both_builders_make_the_same_of_a_dockerfile_and_its_context") else { return };
    let (cx, base) = (bed.context(), bed.base().await);
    let dockerfile = format!(
        "ARG FROM={}\nFROM $FROM AS first\nARG WORD\nRUN echo \"$WORD\" > /word\n\
         FROM first\nCOPY --from=first /word /again\nCOPY data/ /data/\nCOPY run.sh *.txt /\nENV A=1\nCMD [\"/run.sh\"]\n",
        base.name
    );
    write(
        &bed,
        &[
            ("Dockerfile", &dockerfile),
            (".dockerignore", "data/left\nDockerfile\n"),
            ("data/a", "a"),
            ("data/left", "never"),
            ("run.sh", "#!/bin/sh\n"),
            ("b.txt", "b"),
            ("unused/large", "x"),
        ],
    );
    fs::set_permissions(bed.folder.path().join("run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    std::os::unix::fs::symlink("a", bed.folder.path().join("data/link")).unwrap();
    for buildkit in [false, true] {
        let options = DockerConfig::default()
            .endpoint(bed.endpoint.clone())
            .buildkit(buildkit)
            .build_arg("WORD", "given");
        let target = bed.target();
        let image = builder(options).build(&cx, &request(target.clone())).await.unwrap();
        assert_eq!(image.store, target.store);
        let script = "cat /word /again /data/a; echo; ls /data; readlink /data/link; \
                      stat -c '%a %u %Y' /run.sh; cat /b.txt; ls / | grep -c -e unused -e Dockerfile";
        let script = format!("{script}; true");
        let printed = prints(&bed, &cx, &image, &script).await;
        assert_eq!(printed, "given\ngiven\na\na\nlink\na\n755 0 0\nb0\n", "buildkit: {buildkit}");
        forget(&bed, &image, &target).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_context_is_sent_as_the_ignore_file_leaves_it() {
    let Some(bed) = Bed::find("the_whole_context_is_sent_as_the_ignore_file_leaves_it") else { return };
    let base = bed.base().await;
    write(
        &bed,
        &[
            ("build/Dockerfile", &format!("FROM {}\nCOPY . /all/\n", base.name)),
            (".dockerignore", "build\n*.log\n!keep.log\n"),
            ("keep.log", ""),
            ("drop.log", ""),
            ("sub/a", ""),
        ],
    );
    let options = DockerConfig::default().endpoint(bed.endpoint.clone()).dockerfile("build/Dockerfile");
    for (buildkit, files) in [
        (false, "./.dockerignore\n./keep.log\n./sub/a\n"),
        // It takes an archive as it is, with the Dockerfile, and says so.
        (true, "./.dockerignore\n./build/Dockerfile\n./keep.log\n./sub/a\n"),
    ] {
        let record = Arc::new(Record::new());
        let world = bed.world().sink(Arc::<Record>::clone(&record));
        let cx = RunContext::new(world, "whole").context(None, None, Cancel::new());
        let target = bed.target();
        let docker = builder(options.clone().buildkit(buildkit));
        let image = docker.build(&cx, &request(target.clone())).await.unwrap();
        assert_eq!(prints(&bed, &cx, &image, "cd /all && find . -type f | sort").await, files);
        let events = serde_json::to_string(&record.events()).unwrap();
        assert_eq!(events.contains("`build/Dockerfile` is ignored"), buildkit);
        forget(&bed, &image, &target).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_and_an_agent_reach_buildkits_steps_and_nothing_else() {
    let Some(bed) = Bed::find("secrets_and_an_agent_reach_buildkits_steps_and_nothing_else") else { return };
    let base = bed.base().await;
    let mark = unlike("mark");
    let dockerfile = format!(
        "FROM {}\nRUN --mount=type=secret,id=cred --mount=type=secret,id=file --mount=type=secret,id=var \
         --mount=type=ssh cat /run/secrets/* | tee /dev/stderr | wc -c > /{mark} && test -S $SSH_AUTH_SOCK\n",
        base.name
    );
    write(&bed, &[("Dockerfile", &dockerfile), ("secret.txt", "from-a-file-12345")]);
    let socket = bed.folder.path().join("agent.sock");
    let _agent = tokio::net::UnixListener::bind(&socket).unwrap();
    let record = Arc::new(Record::new());
    let world = bed
        .world()
        .sink(Arc::<Record>::clone(&record))
        .env([
            ("KEY".to_owned(), "from-a-variable-12345".to_owned()),
            ("SSH_AUTH_SOCK".to_owned(), socket.to_str().unwrap().to_owned()),
        ])
        .credentials(FixedCredentials::new().secret("cred", "from-the-credentials"));
    let cx = RunContext::new(world, "secrets").context(None, None, Cancel::new());
    let options = DockerConfig::default()
        .endpoint(bed.endpoint.clone())
        .secret(BuildSecret::new("cred"))
        .secret(BuildSecret::new("file").src("secret.txt"))
        .secret(BuildSecret::new("var").env("KEY"))
        .ssh("default");
    let target = bed.target();
    let image = builder(options.clone()).build(&cx, &request(target.clone())).await.unwrap();
    let count = "from-the-credentials".len() + "from-a-file-12345".len() + "from-a-variable-12345".len();
    assert_eq!(prints(&bed, &cx, &image, &format!("cat /{mark}")).await, format!("{count}\n"));
    let inputs = builder(options).inputs(&cx, &Artifact::new("web", ".")).await.unwrap();
    let texts = serde_json::to_string(&(record.events(), inputs)).unwrap();
    assert!(texts.contains("***"), "the step printed them");
    for secret in ["from-the-credentials", "from-a-file-12345", "from-a-variable-12345"] {
        assert!(!texts.contains(secret), "{secret}");
    }
    forget(&bed, &image, &target).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_build_names_the_tool_and_keeps_its_end() {
    let Some(bed) = Bed::find("a_failed_build_names_the_tool_and_keeps_its_end") else { return };
    let (cx, base) = (bed.context(), bed.base().await);
    let dockerfile =
        format!("FROM {}\nRUN echo {} && echo last words >&2 && exit 7\n", base.name, unlike("x"));
    write(&bed, &[("Dockerfile", &dockerfile)]);
    for buildkit in [false, true] {
        let options = DockerConfig::default().endpoint(bed.endpoint.clone()).buildkit(buildkit);
        let error = builder(options).build(&cx, &request(bed.target())).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ToolFailed);
        let text = error.report().to_string();
        assert!(text.contains("docker build") && text.contains("last words") && text.contains('7'), "{text}");
    }
    write(&bed, &[("Dockerfile", "FROM scratch\nFRM x\n")]);
    let options = DockerConfig::default().endpoint(bed.endpoint.clone()).buildkit(false);
    let error = builder(options).build(&cx, &request(bed.target())).await.unwrap_err();
    assert!(error.report().to_string().contains("FRM"), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_build_stops_in_the_engine_and_leaves_nothing() {
    let Some(bed) = Bed::find("a_cancelled_build_stops_in_the_engine_and_leaves_nothing") else { return };
    let base = bed.base().await;
    for buildkit in [false, true] {
        let seconds = 100_000 + u32::from(buildkit) + std::process::id() % 10_000 * 2;
        let dockerfile = format!("FROM {}\nRUN echo started && sleep {seconds}\n", base.name);
        write(&bed, &[("Dockerfile", &dockerfile)]);
        let (record, cancel) = (Arc::new(Record::new()), Cancel::new());
        let world = bed.world().sink(Arc::<Record>::clone(&record));
        let cx = RunContext::new(world, unlike("cancel")).context(None, None, cancel.clone());
        let options = DockerConfig::default().endpoint(bed.endpoint.clone()).buildkit(buildkit);
        let (docker, target) = (builder(options), bed.target());
        let request = request(target.clone());
        let started = async {
            let mut look = tokio::time::interval(std::time::Duration::from_millis(50));
            while processes(&seconds.to_string()) == 0 {
                look.tick().await;
            }
            cancel.escalate(Stage::Forced, CancelReason::Asked);
        };
        let both = async { tokio::join!(docker.build(&cx, &request), started) };
        let (result, ()) = tokio::time::timeout(std::time::Duration::from_secs(60), both).await.unwrap();
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Cancelled, "{:?}", record.events());
        let stopped = async {
            let mut look = tokio::time::interval(std::time::Duration::from_millis(50));
            while processes(&seconds.to_string()) > 0 {
                look.tick().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(20), stopped).await.expect("the step is stopped");
        let (cx, store) = (bed.context(), bed.store());
        assert_eq!(cx.images().find(&cx, &store, &target.reference()).await.unwrap(), None);
    }
}

/// Counts the processes of this machine that sleep for so many seconds.
fn processes(seconds: &str) -> usize {
    let commands = fs::read_dir("/proc").unwrap().flatten();
    let commands = commands.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    commands.filter(|line| line.starts_with(b"sleep\0") && line[6..].starts_with(seconds.as_bytes())).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_for_a_registry_is_pushed_by_the_engine_or_by_us() {
    let Some(bed) = Bed::find("an_image_for_a_registry_is_pushed_by_the_engine_or_by_us") else { return };
    let (cx, base) = (bed.context(), bed.base().await);
    write(&bed, &[("Dockerfile", &format!("FROM {}\nCOPY a /a\n", base.name)), ("a", "a")]);
    for push in [Push::Daemon, Push::Copy] {
        let options = DockerConfig::default().endpoint(bed.endpoint.clone()).push(push);
        let target = bed.registry_target();
        let image = builder(options).build(&cx, &request(target.clone())).await.unwrap();
        let found = cx.images().find(&cx, &Store::Registry, &target.reference()).await.unwrap().unwrap();
        assert_eq!((found.digest, &image.store), (image.digest, &Store::Registry), "{push:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_goes_to_its_registry_and_to_no_other() {
    let Some(bed) = Bed::find("a_login_goes_to_its_registry_and_to_no_other") else { return };
    let Some(host) = crate::bed::closed_registry("a_login_goes_to_its_registry_and_to_no_other") else {
        return;
    };
    let (cx, base) = (bed.context(), bed.base().await);
    write(&bed, &[("Dockerfile", &format!("FROM {}\n", base.name))]);
    let target = Target::new(Store::Registry, format!("{host}/{}", unlike("web")), bed.target().tag);
    let options = DockerConfig::default().endpoint(bed.endpoint.clone());
    let error = builder(options.clone()).build(&cx, &request(target.clone())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth, "{error:?}");
    let credentials = FixedCredentials::new().login(host, Login::new("shipway", "correct horse"));
    let world = bed.world().credentials(credentials);
    let cx = RunContext::new(world, "login").context(None, None, Cancel::new());
    let image = builder(options).build(&cx, &request(target.clone())).await.unwrap();
    let found = cx.images().find(&cx, &Store::Registry, &target.reference()).await.unwrap().unwrap();
    assert_eq!(found.digest, image.digest);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_dockerfile_does_not_reach_is_no_input() {
    let Some(bed) = Bed::find("what_the_dockerfile_does_not_reach_is_no_input") else { return };
    let base = bed.base().await;
    write(
        &bed,
        &[
            ("Dockerfile", &format!("FROM {}\nCOPY src /src\nCOPY gone* one /\n", base.name)),
            ("src/a", "a"),
            ("one", "1"),
            ("other", "o"),
        ],
    );
    let docker = builder(DockerConfig::default().endpoint(bed.endpoint.clone()));
    let fingerprint = async |what: &str| {
        let cx = bed.context();
        let inputs = docker.inputs(&cx, &Artifact::new("web", ".")).await.unwrap();
        assert!(!format!("{inputs:?}").contains("other"), "{what}");
        Snapshot::take(&cx, &inputs).await.unwrap().fingerprint()
    };
    let first = fingerprint("first").await;
    write(&bed, &[("other", "changed"), (".git/x", "")]);
    assert_eq!(fingerprint("other").await, first);
    for (path, text) in [
        ("src/new", ""),
        ("gone.txt", ""),
        ("one", "2"),
        (".dockerignore", "src/new"),
        ("Dockerfile.dockerignore", ""),
    ] {
        let before = fingerprint("before").await;
        write(&bed, &[(path, text)]);
        assert_ne!(fingerprint(path).await, before, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_base_whose_triggers_copy_needs_the_whole_context() {
    let Some(bed) = Bed::find("a_base_whose_triggers_copy_needs_the_whole_context") else { return };
    let (cx, base) = (bed.context(), bed.base().await);
    write(&bed, &[("Dockerfile", &format!("FROM {}\nONBUILD COPY data /data\n", base.name)), ("data", "d")]);
    let options = DockerConfig::default().endpoint(bed.endpoint.clone());
    let target = bed.target();
    let trigger = builder(options.clone()).build(&cx, &request(target.clone())).await.unwrap();
    write(&bed, &[("Dockerfile", &format!("FROM {}\n", target.reference()))]);
    let second = bed.target();
    let error = builder(options.clone()).build(&cx, &request(second.clone())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.report().to_string().contains("`wholeContext`"), "{error:?}");
    let whole = builder(options.whole_context(true));
    let image = whole.build(&cx, &request(second.clone())).await.unwrap();
    assert_eq!(prints(&bed, &cx, &image, "cat /data").await, "d");
    forget(&bed, &image, &second).await;
    forget(&bed, &trigger, &target).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frontend_that_is_not_pinned_is_refused_where_nobody_is_trusted() {
    let Some(bed) = Bed::find("a_frontend_that_is_not_pinned_is_refused_where_nobody_is_trusted") else {
        return;
    };
    let cx = bed.context();
    for line in ["# syntax=docker/dockerfile:1", "# other=x\n#syntax=docker/dockerfile:1@sha256:0"] {
        write(&bed, &[("Dockerfile", &format!("{line}\nFROM scratch\n"))]);
        let options = DockerConfig::default().endpoint(bed.endpoint.clone()).untrusted(true);
        let error = builder(options).build(&cx, &request(bed.target())).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.report().to_string().contains("docker/dockerfile:1"), "{error:?}");
    }
}

fn conformance(bed: &Bed, name: &str, options: DockerConfig, store: Option<(Store, String)>) {
    let fixture = bed.folder.path().join(format!("fixture-{name}"));
    let dockerfile = "ARG BASE\nFROM $BASE\nCOPY pages /pages\nCOPY start.txt /\n";
    fs::create_dir_all(fixture.join("pages")).unwrap();
    for (path, text) in
        [("Dockerfile", dockerfile), ("pages/index.html", "<p>"), ("start.txt", "start"), ("notes.txt", "n")]
    {
        fs::write(fixture.join(path), text).unwrap();
    }
    let requires = [("BASE".to_owned(), "base".to_owned())];
    let mut suite = shipway_testkit::builder(move || Docker::new(options.clone()).unwrap())
        .fixture(&fixture)
        .artifact(Artifact::new("fixture", Path::new(".")).requires(requires))
        .touch("pages/index.html")
        .world(|world| world.images(DaemonStores::new(Stores::new())))
        .deadline(std::time::Duration::from_secs(120));
    if let Some((store, repository)) = store {
        suite = suite.store(store, repository);
    }
    for outcome in suite.check_all() {
        let fine = match outcome.clause {
            // No command is run on the host, and several platforms are not claimed.
            "B8" => matches!(outcome.result, Verdict::Unchecked(_)),
            "B11" => outcome.result == Verdict::NotClaimed,
            // The classic builder and BuildKit say when an image was made.
            "B3" | "B10" => matches!(outcome.result, Verdict::Holds | Verdict::Unchecked(_)),
            _ => outcome.result == Verdict::Holds,
        };
        assert!(fine, "{name}: {outcome}");
    }
}

#[test]
fn the_classic_builder_keeps_the_contract_in_the_engine() {
    let Some(bed) = Bed::find("the_classic_builder_keeps_the_contract_in_the_engine") else { return };
    let options = DockerConfig::default().endpoint(bed.endpoint.clone()).buildkit(false);
    conformance(&bed, "classic", options, Some((bed.store(), "conformance/docker".to_owned())));
}

#[test]
fn buildkit_keeps_the_contract_in_the_engine() {
    let Some(bed) = Bed::find("buildkit_keeps_the_contract_in_the_engine") else { return };
    let options = DockerConfig::default().endpoint(bed.endpoint.clone()).buildkit(true);
    conformance(&bed, "buildkit", options, Some((bed.store(), "conformance/docker".to_owned())));
}

#[test]
fn images_for_a_registry_keep_the_contract() {
    let Some(bed) = Bed::find("images_for_a_registry_keep_the_contract") else { return };
    let options = DockerConfig::default().endpoint(bed.endpoint.clone()).buildkit(false);
    conformance(&bed, "registry", options.push(Push::Daemon), None);
}
