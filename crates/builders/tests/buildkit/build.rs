//! Builds by a buildkitd that is there: what comes out, what is sent, and what is said.

use std::{fs, os::unix::fs::PermissionsExt as _, sync::Arc, time::Duration};

use shipway_builders::{BuildSecret, Buildkit, BuildkitConfig};
use shipway_core::{
    Builder as _, Cancel, CancelReason, Clock, Context, ErrorKind, Login, Record, RunContext, Secret, Stage,
    Store, SystemClock, Timestamp,
};
use tokio::net::UnixListener;

use crate::{
    bed::{Bed, LONG, file, request, said},
    pods::unlike,
};

pub(crate) fn buildkit(options: BuildkitConfig) -> Buildkit {
    Buildkit::new(options).unwrap()
}

/// Returns options for the bed's own buildkitd.
pub(crate) fn there(bed: &Bed, test: &str) -> Option<BuildkitConfig> {
    let Ok(address) = std::env::var("SHIPWAY_BED_BUILDKIT") else {
        crate::skip::skip(&format!("buildkit::{test}"), "SHIPWAY_BED_BUILDKIT");
        return None;
    };
    Some(BuildkitConfig::at(address).insecure_registry(&*bed.registry))
}

/// Returns the bed and options for its buildkitd.
async fn up(test: &str) -> Option<(Bed, BuildkitConfig)> {
    let bed = Bed::up("buildkit", test).await?;
    let options = there(&bed, test)?;
    Some((bed, options))
}

/// An hour ahead, so that no file has just changed.
#[derive(Debug)]
struct Ahead(SystemClock);

#[async_trait::async_trait]
impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.now().0 + 3_600_000)
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        self.0.sleep(duration).await;
    }
}

/// A context, and what is said in it.
pub(crate) fn recorded(bed: &Bed) -> (Context, Arc<Record>) {
    let record = Arc::new(Record::new());
    let world = bed.world().clock(Ahead(SystemClock::new())).sink(Arc::<Record>::clone(&record));
    (RunContext::new(world, unlike("run")).context(None, None, Cancel::new()), record)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_build_sends_what_has_changed() {
    let Some((bed, options)) = up("the_second_build_sends_what_has_changed").await else { return };
    let dockerfile = format!(
        "FROM {0} AS first\nARG WORD\nRUN echo \"$WORD\" > /word\nCOPY data /data\nCOPY run.sh /\n\
         RUN stat -c '%a %u %Y' /run.sh /data/a > /look; readlink /data/link >> /look\n\
         FROM {0}\nCOPY --from=first /word /look /data/a /data/a-b /data/deep/er /\n",
        bed.base()
    );
    bed.write(&[
        ("Dockerfile", &dockerfile),
        (".dockerignore", "data/left\n"),
        ("data/a", "first"),
        ("data/a-b", "x"),
        ("data/deep/er", "y"),
        ("data/left", "never"),
        ("run.sh", "#!/bin/sh\n"),
        ("unused", "x"),
    ]);
    fs::set_permissions(bed.folder.path().join("run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    std::os::unix::fs::symlink("a", bed.folder.path().join("data/link")).unwrap();
    let builder = buildkit(options.build_arg("WORD", "it's $given"));
    let (cx, record) = recorded(&bed);
    let target = bed.target();
    let image = builder.build(&cx, &request(target.clone())).await.unwrap();
    let found = cx.images().find(&cx, &Store::Registry, &target.reference()).await.unwrap().unwrap();
    assert_eq!((&found.digest, &image.store), (&image.digest, &Store::Registry));
    assert_eq!(file(&cx, &image, "word").await, b"it's $given\n");
    assert_eq!(file(&cx, &image, "look").await, b"755 0 0\n644 0 0\na\n");
    // All but the link, which has no content.
    assert!(said(&record).contains("sent 4 of 5 files of the context, 17 bytes"), "{}", said(&record));

    // Of the same size, which only a time tells apart.
    bed.write(&[("data/a", "other")]);
    let (cx, record) = recorded(&bed);
    let image = builder.build(&cx, &request(bed.target())).await.unwrap();
    assert_eq!(file(&cx, &image, "a").await, b"other");
    assert!(said(&record).contains("sent 1 of 5 files of the context, 5 bytes"), "{}", said(&record));

    let (cx, record) = recorded(&bed);
    let again = builder.build(&cx, &request(bed.target())).await.unwrap();
    assert!(said(&record).contains("sent 0 of 5 files of the context, 0 bytes"), "{}", said(&record));
    assert_eq!(again.digest, image.digest);
    bed.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_context_is_as_the_ignore_file_leaves_it() {
    let Some((bed, options)) = up("the_whole_context_is_as_the_ignore_file_leaves_it").await else { return };
    let dockerfile =
        format!("FROM {}\nCOPY . /all/\nRUN cd /all && find . -type f | sort > /list\n", bed.base());
    bed.write(&[
        ("build/Dockerfile", &dockerfile),
        (".dockerignore", "build\n*.log\n!keep.log\n"),
        ("keep.log", ""),
        ("drop.log", ""),
        ("sub/a", ""),
    ]);
    let (cx, _) = recorded(&bed);
    let builder = buildkit(options.dockerfile("build/Dockerfile"));
    let image = builder.build(&cx, &request(bed.target())).await.unwrap();
    assert_eq!(file(&cx, &image, "list").await, b"./.dockerignore\n./keep.log\n./sub/a\n");
    bed.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_build_names_its_step_and_keeps_its_end() {
    let Some((bed, options)) = up("a_failed_build_names_its_step_and_keeps_its_end").await else { return };
    bed.write(&[("Dockerfile", &format!("FROM {}\nRUN echo last words >&2 && exit 7\n", bed.base()))]);
    let error = buildkit(options.clone()).build(&bed.context(), &request(bed.target())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ToolFailed);
    let text = error.report().to_string();
    for part in ["`buildkitd`", "RUN echo last words", "exit code: 7", "note: last words", "`[2/2]"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // A base that is not there.
    bed.write(&[("Dockerfile", &format!("FROM {}/no/such:image\n", bed.registry))]);
    let error = buildkit(options).build(&bed.context(), &request(bed.target())).await.unwrap_err();
    assert!(error.report().to_string().contains("no/such"), "{error:?}");
    let nobody = BuildkitConfig::at("unix:///nobody/here.sock");
    let error = buildkit(nobody).build(&bed.context(), &request(bed.target())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.report().to_string().contains("unix:///nobody/here.sock"), "{error:?}");
    bed.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_build_stops_and_pushes_nothing() {
    let Some((bed, options)) = up("a_cancelled_build_stops_and_pushes_nothing").await else { return };
    let marked = unlike("sleeping");
    bed.write(&[("Dockerfile", &format!("FROM {}\nRUN echo {marked}; sleep 1000\n", bed.base()))]);
    let (record, cancel) = (Arc::new(Record::new()), Cancel::new());
    let world = bed.world().sink(Arc::<Record>::clone(&record));
    let cx = RunContext::new(world, unlike("cancel")).context(None, None, cancel.clone());
    let (builder, request) = (buildkit(options), request(bed.target()));
    let stopping = async {
        while said(&record).matches(&marked).count() < 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        cancel.escalate(Stage::Forced, CancelReason::Asked);
    };
    let both = async { tokio::join!(builder.build(&cx, &request), stopping).0 };
    let error = tokio::time::timeout(LONG, both).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error:?}");
    // The step itself has stopped.
    let running = std::process::Command::new("ps").args(["-eo", "args"]).output().unwrap();
    let running = String::from_utf8_lossy(&running.stdout).into_owned();
    assert!(!running.contains(&marked), "{running}");
    let found =
        bed.context().images().find(&bed.context(), &Store::Registry, &request.target.reference()).await;
    assert_eq!(found.unwrap(), None);
    bed.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_has_its_secret_and_its_agent_and_nobody_else_has() {
    let Some((bed, options)) = up("a_step_has_its_secret_and_its_agent_and_nobody_else_has").await else {
        return;
    };
    let (canary, step) = (unlike("canary"), unlike("step"));
    // What a secret holds does not count for a step, which may have run with another one.
    let dockerfile = format!(
        "FROM {}\nENV STEP={step}\nRUN --mount=type=secret,id=key wc -c < /run/secrets/key > /length && cat /run/secrets/key\n\
         RUN --mount=type=ssh test -S \"$SSH_AUTH_SOCK\" && echo it is there > /agent\n\
         RUN --mount=type=secret,id=other,required=false test ! -e /run/secrets/other && echo no > /other\n",
        bed.base()
    );
    bed.write(&[("Dockerfile", &dockerfile), ("key.txt", &canary)]);
    let socket = bed.folder.path().join("agent.sock");
    // Who answers there is asked by programs of the step; that it is asked is in the tests of sessions.
    let _agent = UnixListener::bind(&socket).unwrap();
    let options =
        options.secret(BuildSecret::new("key").src("key.txt")).ssh(format!("default={}", socket.display()));
    let (cx, record) = recorded(&bed);
    let (builder, request) = (buildkit(options), request(bed.target()));
    let inputs = builder.inputs(&cx, &request.artifact).await.unwrap();
    assert!(!format!("{inputs:?}").contains(&canary));
    let image = builder.build(&cx, &request).await.unwrap();
    assert_eq!(file(&cx, &image, "length").await, format!("{}\n", canary.len()).as_bytes());
    assert_eq!(file(&cx, &image, "agent").await, b"it is there\n");
    assert_eq!(file(&cx, &image, "other").await, b"no\n");
    assert!(!said(&record).contains(&canary), "the step printed it, and it is masked");
    // A failed step prints it too.
    bed.write(&[(
        "Dockerfile",
        &format!("FROM {}\nRUN --mount=type=secret,id=key cat /run/secrets/key && exit 1\n", bed.base()),
    )]);
    let error = builder.build(&cx, &request).await.unwrap_err();
    assert!(!cx.masked(&format!("{error:?}")).contains(&canary) && !said(&record).contains(&canary));
    bed.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_is_asked_for_by_its_host_alone() {
    let Some((bed, options)) = up("a_login_is_asked_for_by_its_host_alone").await else { return };
    let Ok(host) = std::env::var("SHIPWAY_KUBE_REGISTRY_AUTH") else {
        crate::skip::skip("buildkit::a_login_is_asked_for_by_its_host_alone", "SHIPWAY_KUBE_REGISTRY_AUTH");
        return bed.down().await;
    };
    bed.write(&[("Dockerfile", &format!("FROM {}\nCOPY Dockerfile /\n", bed.base()))]);
    let mut target = bed.target();
    target.repository = format!("{host}/{}", unlike("buildkit/closed"));
    let record = Arc::new(Record::new());
    let credentials = bed
        .credentials()
        .login(&*host, Login::new("shipway", "correct horse"))
        .login(&*bed.registry, Login::new("nobody", Secret::from("another canary")));
    let world = bed.world().credentials(credentials).sink(Arc::<Record>::clone(&record));
    let cx = RunContext::new(world, unlike("login")).context(None, None, Cancel::new());
    let options = options.insecure_registry(&*host);
    let image = buildkit(options.clone()).build(&cx, &request(target.clone())).await.unwrap();
    let found = cx.images().find(&cx, &Store::Registry, &target.reference()).await.unwrap().unwrap();
    assert_eq!(found.digest, image.digest);
    assert!(!said(&record).contains("correct horse") && !said(&record).contains("another canary"));
    // Without the login it is refused.
    target.repository = format!("{host}/{}", unlike("buildkit/closed"));
    let error = buildkit(options).build(&bed.context(), &request(target)).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Auth | ErrorKind::ToolFailed), "{error:?}");
    bed.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_changes_under_way_is_the_builds_error() {
    let Some((bed, options)) = up("a_file_that_changes_under_way_is_the_builds_error").await else { return };
    bed.write(&[
        // Its base comes first, and the context when it is there.
        ("Dockerfile", &format!("FROM {}\nCOPY log /\n", bed.base())),
        ("log", "a line\n"),
    ]);
    let log = bed.folder.path().join("log");
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let writing = std::thread::spawn({
        let stop = Arc::clone(&stop);
        move || {
            for number in 0_u64.. {
                if stop.load(std::sync::atomic::Ordering::Relaxed) {
                    break;
                }
                fs::write(&log, format!("{number:020}\n")).unwrap();
            }
        }
    });
    let built = buildkit(options).build(&bed.context(), &request(bed.target())).await;
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    writing.join().unwrap();
    let error = built.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
    assert!(error.report().to_string().contains("`log`"), "{error:?}");
    bed.down().await;
}
