//! Command tests: what a runner is asked for, and how its answer is judged.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "the tests prepare real files, and may panic"
)]

mod support;

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use shipway_core::{
    Capabilities, Catalog, Command, Context, Error, ErrorKind, Exit, Feature, Image, Mount, MountSource,
    Part, PluginConfig, Result, RunRequest, Runner, StoreKind, Tester, Volume,
};
use shipway_testers::{Structure, StructureConfig};
use support::{Bench, FILE, FOLDER, LINK, layer, lines};

/// Keeps what it is asked for, and answers by the program's name.
#[derive(Clone, Debug, Default)]
struct Recorder {
    asked: Arc<Mutex<Vec<RunRequest>>>,
    features: BTreeSet<Feature>,
}

impl Recorder {
    fn new(features: &[Feature]) -> Self {
        Self { features: features.iter().copied().collect(), ..Self::default() }
    }

    fn asked(&self) -> Vec<RunRequest> {
        self.asked.lock().unwrap().clone()
    }
}

#[async_trait]
impl Runner for Recorder {
    fn capabilities(&self) -> Capabilities {
        Capabilities::new()
            .reads([StoreKind::Layout])
            .limits([("containers".to_owned(), 2)])
            .features(self.features.clone())
    }

    async fn open(&self, _cx: &Context, _volume: &Volume) -> Result<()> {
        Err(Error::unsupported("no volumes"))
    }

    async fn run(&self, _cx: &Context, request: &RunRequest) -> Result<Exit> {
        self.asked.lock().unwrap().push(request.clone());
        match request.command.program.as_str() {
            "missing" => Err(Error::new(ErrorKind::MissingTool, "there is no program `missing`")),
            "gone" => Err(Error::new(ErrorKind::Unavailable, "the daemon is gone")),
            "loud" => Ok(Exit::new(0).stdout("x".repeat(5000)).stderr("y".repeat(Command::CAPTURE_LIMIT))),
            _ => Ok(Exit::new(3).stdout("out 1\nout 2\n").stderr("warning: old\n")),
        }
    }

    async fn close(&self, _cx: &Context, _volume: &Volume) -> Result<()> {
        Ok(())
    }
}

/// Runs on the host what it is asked to run in an image.
#[derive(Clone, Copy, Debug)]
struct OnTheHost;

#[async_trait]
impl Runner for OnTheHost {
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

async fn image(bench: &Bench) -> Image {
    let shell = [
        ("bin", LINK, 0o777, (0, 0), "usr/bin"),
        ("usr/bin/", FOLDER, 0o755, (0, 0), ""),
        ("usr/bin/sh", FILE, 0o755, (0, 0), ""),
    ];
    bench
        .image(&[layer(&shell)], |config| {
            config.env = ["PATH=/bin:/usr/bin", "HOME=/app"].map(str::to_owned).to_vec();
        })
        .await
}

const TESTS: &str = r#"
schemaVersion: 2.0.0
globalEnvVars:
  - {key: VIRTUAL_ENV, value: /env}
  - {key: PATH, value: "/env/bin:$PATH"}
containerRunOptions:
  envFile: variables
  envVars: [TOKEN, NONE]
  bindMounts: ["/etc/ssl:/etc/ssl:ro", "/data:/data"]
commandTests:
  - name: as expected
    command: $VIRTUAL_ENV/tool
    args: [--home, "${HOME}", "$NOBODY."]
    envVars: [{key: LITERAL, value: $HOME}, {key: FROM_FILE, value: mine}]
    teardown: [[never, run]]
    exitCode: 3
    expectedOutput: ['^out \d', '(?m)^out 2$']
    excludedOutput: [old]
    expectedError: [old]
    excludedError: [out]
  - {name: all wrong, command: tool, expectedOutput: ["3$"], excludedOutput: [out], expectedError: [new], excludedError: ['warning: \w+']}
  - {name: missing, command: missing}
  - {name: loud, command: loud, excludedError: [z]}
"#;

#[tokio::test]
async fn a_runner_is_asked_and_its_answer_judged() {
    let mut bench = Bench::new();
    bench.world =
        bench.world.env([("TOKEN".to_owned(), "t0ken".to_owned()), ("NONE".to_owned(), String::new())]);
    bench.file("t.yaml", TESTS);
    bench.file("variables", "FROM_FILE=a\nTOKEN=b\nONLY_FILE='c d'\n");
    let recorder = Recorder::new(&[Feature::Images, Feature::Mounts]);
    let tester = Structure::new(["t.yaml"]).runner(Arc::new(recorder.clone())).unwrap();
    let capabilities = tester.capabilities();
    assert_eq!(capabilities.reads, BTreeSet::from([StoreKind::Layout]));
    assert_eq!(capabilities.limits["containers"], 2);
    let image = image(&bench).await;
    let report = bench.test(&tester, image.clone()).await.unwrap();
    insta::assert_snapshot!(lines(&report).replace(&"x".repeat(1024), "(1024 x)").replace(&"y".repeat(1024), "(1024 y)"), @r"
    ok   t.yaml: Command Test: as expected
    FAIL t.yaml: Command Test: all wrong
           `3$` is not in standard output
           `out` is in standard output
           `new` is not in standard error
           `warning: \w+` is in standard error
           the exit code is 3, not 0
           standard output is: out 1
           out 2
           standard error is: warning: old
    FAIL t.yaml: Command Test: missing
           there is no program `missing`
    FAIL t.yaml: Command Test: loud
           standard error has more than the 16777216 bytes that are kept
           standard output ends with: (1024 x)
           standard error ends with: (1024 y)
    ");

    let asked = recorder.asked();
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let always = [
        pair("VIRTUAL_ENV", "/env"),
        pair("PATH", "/env/bin:/bin:/usr/bin"),
        pair("TOKEN", "t0ken"),
        pair("ONLY_FILE", "c d"),
    ];
    let mounts = vec![
        Mount::new(MountSource::Host("/etc/ssl".into()), "/etc/ssl").read_only(true),
        Mount::new(MountSource::Host("/data".into()), "/data"),
    ];
    let env = always.iter().cloned().chain([pair("LITERAL", "$HOME"), pair("FROM_FILE", "mine")]);
    let command = Command::new("/env/tool")
        .args(["--home", "/app", "."].map(str::to_owned))
        .env(env.collect::<Vec<_>>().into_iter().collect::<std::collections::BTreeMap<_, _>>())
        .capture(true);
    assert_eq!(asked[0], RunRequest::new(command).image(image).mounts(mounts));
    assert_eq!(asked.len(), 4);
    assert_eq!(asked[1].command.env["FROM_FILE"], "a");
}

#[tokio::test]
async fn what_the_runner_could_not_do_is_no_verdict() {
    let bench = Bench::new();
    bench.file("t.yaml", "schemaVersion: 2.0.0\ncommandTests: [{name: a, command: gone}]");
    let tester = Structure::new(["t.yaml"]).runner(Arc::new(Recorder::new(&[Feature::Images]))).unwrap();
    let error = bench.test(&tester, image(&bench).await).await.unwrap_err();
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Unavailable, "the daemon is gone"));
}

#[tokio::test]
async fn a_setup_runs_before_in_the_same_container() {
    let bench = Bench::new();
    let made = bench.folder.path().join("it's made");
    let tests = serde_json::json!({
        "schemaVersion": "2.0.0",
        "globalEnvVars": [{"key": "GREETING", "value": "hello"}],
        "commandTests": [{
            "name": "made",
            "setup": [["touch", made], ["sh", "-c", "echo noise; echo noise >&2; exit 5"], ["sh", "-c", "test $OWN = 1 && echo \"$GREETING\" > \"$0\"", made]],
            "command": "cat",
            "args": [made, "-"],
            "envVars": [{"key": "OWN", "value": "1"}],
            "expectedOutput": ["^hello\n$"],
            "excludedError": ["."],
        }, {
            "name": "cannot begin", "setup": [["true"], ["/no/such/program", "x"]], "command": "true",
        }, {
            "name": "the command's own code", "setup": [["true"]], "command": "sh", "args": ["-c", "exit 126"], "exitCode": 126,
        }, {
            "name": "in words", "setup": [["true"]], "command": "echo", "args": ["$OWN-$GREETING"], "expectedOutput": ["^2-hello\n"],
            "envVars": [{"key": "OWN", "value": "2"}],
        }],
    });
    bench.file("t.json", &tests.to_string());
    let tester = Structure::new(["t.json"]).runner(Arc::new(OnTheHost)).unwrap();
    let report = bench.test(&tester, image(&bench).await).await.unwrap();
    insta::assert_snapshot!(lines(&report), @"
    ok   t.json: Command Test: made
    FAIL t.json: Command Test: cannot begin
           shipway: the setup cannot run command 2
    ok   t.json: Command Test: the command's own code
    ok   t.json: Command Test: in words
    ");
    assert!(report.cases[0].duration > Duration::ZERO);
    // An image without a shell cannot.
    let bare = bench.image(&[layer(&[])], |_| {}).await;
    let report = bench.test(&tester, bare).await.unwrap();
    assert!(lines(&report).contains("`setup` needs a shell, and the image has no `/bin/sh`"));
}

#[tokio::test]
async fn a_cancelled_test_ends_with_its_command() {
    let bench = Bench::new();
    bench.file("t.yaml", "schemaVersion: 2.0.0\ncommandTests: [{name: a, command: sh, args: [-c, 'echo begun >&2; sleep 60']}]");
    let tester = Structure::new(["t.yaml"]).runner(Arc::new(OnTheHost)).unwrap();
    let image = image(&bench).await;
    let cancel = shipway_core::Cancel::new();
    let record = Arc::new(shipway_core::Record::new());
    let world = bench.world.clone().env([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]);
    let world = world.sink(Arc::<shipway_core::Record>::clone(&record));
    let cx = shipway_core::RunContext::new(world, "test").context(None, None, cancel.clone());
    let subject = shipway_core::Subject::Image(image);
    let testing = tester.test(&cx, &subject);
    let cancelling = async {
        while record.events().is_empty() {
            tokio::task::yield_now().await;
        }
        cancel.escalate(shipway_core::Stage::Forced, shipway_core::CancelReason::Asked);
    };
    let (result, ()) = tokio::join!(testing, cancelling);
    assert_eq!(result.unwrap_err().kind(), ErrorKind::Cancelled);
}

#[test]
fn the_runner_is_a_part_of_the_options() {
    #[derive(Debug, serde::Deserialize)]
    struct Options {
        images: bool,
    }
    impl PluginConfig for Options {
        const KIND: &'static str = "recorder";
        type Plugin = Recorder;
        fn into_plugin(self, _catalog: &Catalog) -> Result<Recorder> {
            Ok(Recorder::new(if self.images { &[Feature::Images] } else { &[] }))
        }
    }
    let catalog = Catalog::new().with_runner::<Options>().with_tester::<StructureConfig>();
    let make = |options: serde_json::Value| {
        let mut part = Part::new("structure");
        part.options = options.as_object().unwrap().clone();
        catalog.tester(&part).map(|tester| tester.capabilities().limits.contains_key("containers"))
    };
    let runner = |images: bool| serde_json::json!({"kind": "recorder", "options": {"images": images}});
    assert!(
        make(serde_json::json!({"files": ["x.yaml"], "runner": runner(true), "platform": "linux/arm64"}))
            .unwrap()
    );
    assert!(!make(serde_json::json!({"files": ["x.yaml"]})).unwrap());
    for (options, told) in [
        (
            serde_json::json!({"files": ["x.yaml"], "runner": runner(false)}),
            "does not run commands in images",
        ),
        (serde_json::json!({"files": []}), "names no `files`"),
        (serde_json::json!({"files": ["x.yaml"], "runnr": 1}), "runnr"),
        (serde_json::json!({"files": ["x.yaml"], "runner": {"kind": "recordr"}}), "`recordr`"),
        (serde_json::json!({"files": ["x.yaml"], "platform": "linux/arm/v7/x"}), "is not a platform"),
    ] {
        let error = make(options).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{error:?}");
        assert!(error.to_string().contains(told), "{error:?}");
    }
}

#[tokio::test]
async fn mounts_need_a_runner_that_mounts() {
    let bench = Bench::new();
    bench.file("t.yaml", "schemaVersion: 2.0.0\ncontainerRunOptions: {bindMounts: ['/a:/b']}\ncommandTests: [{name: a, command: b}]");
    let tester = Structure::new(["t.yaml"]).runner(Arc::new(Recorder::new(&[Feature::Images]))).unwrap();
    let error = bench.test(&tester, image(&bench).await).await.unwrap_err();
    assert_eq!(error.report().to_string(), "t.yaml: the runner cannot be asked for `bindMounts`");
}
