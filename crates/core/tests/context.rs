//! The doors of the context on the real machine: files, processes, scratch, masking.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "the tests prepare and look at real files and processes, and may panic"
)]

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use shipway_core::{
    Cancel, CancelReason, Command, Context, Entry, EntryKind, ErrorKind, EventKind, Files, Fingerprint,
    FixedCredentials, HostFiles, Inputs, Level, Login, OpenFile, Record, Result, RunContext, SecretId,
    Snapshot, Stage, TaskId, Tree, World,
};

struct Bench {
    folder: tempfile::TempDir,
    record: Arc<Record>,
    cancel: Cancel,
    cx: Context,
}

fn bench() -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let (record, cancel) = (Arc::new(Record::new()), Cancel::new());
    let world = World::host(folder.path())
        .env([("PATH".to_owned(), std::env::var("PATH").unwrap())])
        .credentials(
            FixedCredentials::new()
                .secret("token", "hunter2hunter2")
                .login("reg:5000", Login::new("ci", "pa55word")),
        )
        .sink(Arc::<Record>::clone(&record));
    let task = TaskId::parse("build:web").unwrap();
    let cx = RunContext::new(world, "run").context(Some(task), None, cancel.clone());
    Bench { folder, record, cancel, cx }
}

impl Bench {
    fn write(&self, path: &str, content: &str) {
        let path = self.folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn fifo(&self, path: &str) {
        let path = self.folder.path().join(path);
        rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    }

    fn lines(&self) -> Vec<String> {
        let line = |kind| match kind {
            EventKind::Output { line, .. } => Some(line),
            EventKind::Message { text, .. } => Some(text),
            _ => None,
        };
        self.record.events().into_iter().filter_map(|event| line(event.kind)).collect()
    }

    async fn fingerprint(&self, inputs: &Inputs) -> Fingerprint {
        Snapshot::take(&self.cx, inputs).await.unwrap().fingerprint()
    }
}

fn sh(script: &str) -> Command {
    Command::new("sh").args(["-c".to_owned(), script.to_owned()])
}

#[test]
fn a_walk_is_sorted_and_never_follows_links() {
    let bench = bench();
    bench.write("ctx/b/two", "2");
    bench.write("ctx/a", "1");
    bench.write("outside/secret", "canary");
    symlink("../outside", bench.folder.path().join("ctx/c")).unwrap();
    bench.fifo("ctx/fifo");
    let entries = bench.cx.files().walk(&bench.cx, &Tree::new("ctx")).unwrap();
    let seen: Vec<(&str, &EntryKind)> =
        entries.iter().map(|entry| (entry.path.as_str(), &entry.kind)).collect();
    assert_eq!(
        seen,
        [
            ("a", &EntryKind::File),
            ("b", &EntryKind::Folder),
            ("b/two", &EntryKind::File),
            ("c", &EntryKind::Link("../outside".to_owned())),
            ("fifo", &EntryKind::Special),
        ]
    );
}

#[test]
fn a_left_out_folder_that_holds_something_kept_is_there() {
    let bench = bench();
    bench.write("ctx/src/main.rs", "");
    bench.write("ctx/src/other.rs", "");
    bench.write("ctx/docs/readme", "");
    let odd = std::os::unix::ffi::OsStringExt::from_vec(b"ctx/odd\xff".to_vec());
    fs::write(bench.folder.path().join::<std::ffi::OsString>(odd), "").unwrap();
    let walk = |rules: &[&str]| {
        let tree = Tree::new("ctx").ignore(rules.iter().map(|rule| (*rule).to_owned()).collect::<Vec<_>>());
        let entries = bench.cx.files().walk(&bench.cx, &tree)?;
        Ok::<_, shipway_core::Error>(entries.into_iter().map(|entry| entry.path).collect::<Vec<_>>())
    };
    assert_eq!(walk(&["*", "!src/main.rs"]).unwrap(), ["src", "src/main.rs"]);
    let error = walk(&[]).unwrap_err();
    assert_eq!(
        (error.kind(), &error.report().causes[..]),
        (ErrorKind::Config, &["a file's name is not UTF-8".to_owned()][..])
    );
}

/// What another implementation has that does not list folders itself.
#[derive(Debug)]
struct Walking;

impl Files for Walking {
    fn walk_each(&self, cx: &Context, root: &Path, ignore: &[Vec<String>]) -> Result<Vec<Vec<Entry>>> {
        HostFiles.walk_each(cx, root, ignore)
    }

    fn entry(&self, cx: &Context, root: &Path, path: &str) -> Result<Option<Entry>> {
        HostFiles.entry(cx, root, path)
    }

    fn open(&self, cx: &Context, root: &Path, path: &str) -> Result<OpenFile> {
        HostFiles.open(cx, root, path)
    }
}

#[test]
fn a_folder_is_listed_without_what_is_in_its_folders() {
    let bench = bench();
    for path in ["ctx/b/c/two", "ctx/b/one", "ctx/a", "outside/secret"] {
        bench.write(path, "1");
    }
    symlink("../../outside", bench.folder.path().join("ctx/b/link")).unwrap();
    bench.fifo("ctx/b/fifo");
    for files in [&HostFiles as &dyn Files, &Walking] {
        let list = |path: &str| {
            let entries = files.list(&bench.cx, Path::new("ctx"), path)?;
            Ok::<_, shipway_core::Error>(
                entries.into_iter().map(|entry| (entry.path, entry.kind)).collect::<Vec<_>>(),
            )
        };
        let named = |name: &str, kind| (name.to_owned(), kind);
        assert_eq!(list("").unwrap(), [named("a", EntryKind::File), named("b", EntryKind::Folder)]);
        assert_eq!(
            list("b").unwrap(),
            [
                named("b/c", EntryKind::Folder),
                named("b/fifo", EntryKind::Special),
                named("b/link", EntryKind::Link("../../outside".to_owned())),
                named("b/one", EntryKind::File),
            ]
        );
        assert_eq!(list("b/c").unwrap(), [named("b/c/two", EntryKind::File)]);
        assert_eq!(list("none").unwrap_err().kind(), ErrorKind::NotFound);
    }
    let list = |path: &str| HostFiles.list(&bench.cx, Path::new("ctx"), path).unwrap_err();
    assert_eq!(list("../outside").kind(), ErrorKind::Config);
    for path in ["b/link", "b/link/x", "a"] {
        let error = list(path).report().to_string();
        assert!(error.contains("cannot read") || error.contains("not a folder"), "{error}");
    }
    let odd = std::os::unix::ffi::OsStringExt::from_vec(b"ctx/odd\xff".to_vec());
    fs::write(bench.folder.path().join::<std::ffi::OsString>(odd), "").unwrap();
    assert_eq!(list("").report().causes, ["a file's name is not UTF-8"]);
}

#[test]
fn folders_without_end_are_refused() {
    let bench = bench();
    bench.write(&format!("ctx/{}file", "d/".repeat(300)), "");
    let error = bench.cx.files().walk(&bench.cx, &Tree::new("ctx")).unwrap_err();
    assert_eq!(error.report().causes, ["folders are nested more than 256 deep"]);
}

#[test]
fn nothing_outside_the_root_is_opened() {
    let bench = bench();
    bench.write("ctx/a", "1");
    bench.write("secret", "canary");
    symlink("../secret", bench.folder.path().join("ctx/link")).unwrap();
    symlink("..", bench.folder.path().join("ctx/up")).unwrap();
    bench.write("ctx/real/below/a", "1");
    symlink("real", bench.folder.path().join("ctx/alias")).unwrap();
    bench.fifo("ctx/fifo");
    let open = |path: &str| bench.cx.files().open(&bench.cx, Path::new("ctx"), path);
    assert_eq!(open("a").unwrap().read(10).unwrap(), b"1");
    assert_eq!(open("a").unwrap().read(0).unwrap_err().kind(), ErrorKind::Config);
    assert_eq!(open("real/below/a").unwrap().read(10).unwrap(), b"1");
    let linked = ["link", "up/secret", "up/ctx/real/below/a", "alias/below/a", "a/below/a"];
    for path in linked.into_iter().chain(["../secret", "/etc/passwd", "fifo", ".", "b/../../secret"]) {
        let error = open(path).expect_err(path);
        assert_eq!(error.kind(), ErrorKind::Config, "{path}: {error:?}");
    }
    assert_eq!(open("none").unwrap_err().kind(), ErrorKind::NotFound);
    assert!(bench.cx.files().entry(&bench.cx, Path::new("ctx"), "none/below").unwrap().is_none());
}

#[tokio::test]
async fn a_fingerprint_follows_what_is_declared_and_nothing_else() {
    let bench = bench();
    bench.write("web/main.rs", "fn main() {}");
    bench.write("web/target/junk", "1");
    let inputs = Inputs::default()
        .trees([Tree::new("web").ignore(["target".to_owned()])])
        .files([Path::new("version").to_owned()]);
    let first = bench.fingerprint(&inputs).await;
    bench.write("web/target/junk", "2");
    assert_eq!(bench.fingerprint(&inputs).await, first, "an ignored file changed");
    let old = Snapshot::take(&bench.cx, &inputs).await.unwrap();

    bench.write("web/main.rs", "fn main() { }");
    bench.write("web/new.rs", "");
    bench.write("version", "1");
    let new = Snapshot::take(&bench.cx, &inputs).await.unwrap();
    let reasons: Vec<String> = new.reasons(&old).iter().map(ToString::to_string).collect();
    assert_eq!(reasons, ["file version changed", "file web/main.rs changed", "file web/new.rs changed"]);

    let before = bench.fingerprint(&inputs).await;
    fs::set_permissions(bench.folder.path().join("web/main.rs"), fs::Permissions::from_mode(0o755)).unwrap();
    assert_ne!(bench.fingerprint(&inputs).await, before, "permission bits count");
}

#[tokio::test]
async fn the_same_sources_have_one_fingerprint_wherever_they_lie() {
    let inputs = Inputs::default().trees([Tree::new("web")]);
    let (one, other) = (bench(), bench());
    for bench in [&one, &other] {
        bench.write("web/main.rs", "fn main() {}");
        for path in ["web", "web/main.rs"] {
            fs::set_permissions(bench.folder.path().join(path), fs::Permissions::from_mode(0o755)).unwrap();
        }
    }
    assert_eq!(one.fingerprint(&inputs).await, other.fingerprint(&inputs).await);
    let absolute = Inputs::default().trees([Tree::new(one.folder.path().join("web"))]);
    assert_eq!(one.fingerprint(&absolute).await, other.fingerprint(&inputs).await);
}

#[tokio::test]
async fn output_is_streamed_in_order_and_secrets_are_masked() {
    let bench = bench();
    let token = SecretId::parse("token").unwrap();
    let command = sh("echo one; echo \"token $TOKEN\"; printf last").secrets([("TOKEN".to_owned(), token)]);
    let exit = bench.cx.run(command).await.unwrap();
    assert_eq!(exit.code, 0);
    assert_eq!(bench.lines(), ["one", "token ***", "last"]);
    bench.cx.login("reg:5000").await.unwrap().unwrap();
    assert!(bench.cx.login("REG:5000").await.unwrap().is_some(), "a host has no case (RFC 3986, 3.2.2)");
    bench.cx.message(Level::Info, "sent pa55word and Y2k6cGE1NXdvcmQ=");
    assert_eq!(bench.lines().last().unwrap(), "sent *** and ***");
    assert_eq!(bench.cx.masked("saw pa55word"), "saw ***");
    assert_eq!(bench.cx.masked("saw nothing"), "saw nothing");
}

#[tokio::test]
async fn a_command_sees_only_the_environment_it_is_given() {
    let bench = bench();
    let command =
        sh("env | grep -v -E '^(PWD|SHLVL|_)='").env([("A".to_owned(), "1".to_owned())]).capture(true);
    let exit = bench.cx.run(command).await.unwrap();
    let mut lines: Vec<&str> = exit.stdout.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["A=1", &format!("PATH={}", std::env::var("PATH").unwrap())]);
    let inherit = std::collections::BTreeSet::from(["HOME".to_owned()]);
    let exit = bench
        .cx
        .run(
            Command::new("/bin/sh")
                .args(["-c".to_owned(), "echo ${PATH-none}".to_owned()])
                .inherit(inherit)
                .capture(true),
        )
        .await;
    // A shell without a PATH makes one up for itself.
    assert_ne!(exit.unwrap().stdout.trim(), std::env::var("PATH").unwrap());
}

#[tokio::test]
async fn failures_are_exits_and_missing_programs_are_errors() {
    let bench = bench();
    let exit = bench.cx.run(sh("echo why >&2; exit 3")).await.unwrap();
    assert_eq!((exit.code, exit.stderr.as_str()), (3, "why\n"));
    let exit = bench.cx.run(sh("kill -9 $$")).await.unwrap();
    assert_eq!(exit.code, 128 + 9);
    let error = bench.cx.run(Command::new("no-such-program")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::MissingTool);
    let exit = bench.cx.run(sh("cat").stdin("hello".to_owned()).capture(true)).await.unwrap();
    assert_eq!(exit.stdout, "hello");
}

#[tokio::test]
async fn a_capturing_command_keeps_standard_output_and_standard_error_apart() {
    let bench = bench();
    let command = sh("yes out | head -n 2000; yes err | head -n 3000 >&2");
    let exit = bench.cx.run(command.clone().capture(true)).await.unwrap();
    assert_eq!((exit.stdout, exit.stderr), ("out\n".repeat(2000), "err\n".repeat(3000)));
    let exit = bench.cx.run(sh("echo out").capture(true)).await.unwrap();
    assert_eq!((exit.stdout.as_str(), exit.stderr.as_str()), ("out\n", ""));
    // For a message, the end is enough.
    let exit = bench.cx.run(command).await.unwrap();
    assert_eq!((exit.stdout.as_str(), exit.stderr), ("", "err\n".repeat(1024)));
}

/// Whether a process with this id still does something.
fn lives(pid: &str) -> bool {
    fs::read_to_string(format!("/proc/{}/stat", pid.trim())).is_ok_and(|stat| !stat.contains(") Z "))
}

async fn wait_for(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..200 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("{what} did not come about");
}

#[tokio::test]
async fn a_forced_command_leaves_no_child() {
    let bench = bench();
    let pids = bench.folder.path().join("pids");
    // The command ignores the polite signal, and so does its child.
    let script = format!(
        "trap '' TERM; sh -c 'trap \"\" TERM; echo $$ >{0}; while :; do sleep 0.1; done' & wait",
        pids.display()
    );
    let cx = bench.cx.clone();
    let running = tokio::spawn(async move { cx.run(sh(&script)).await });
    wait_for("the child", || fs::read_to_string(&pids).is_ok_and(|pid| !pid.is_empty())).await;
    let pid = fs::read_to_string(&pids).unwrap();
    assert!(lives(&pid));
    let start = Instant::now();
    bench.cancel.escalate(Stage::Requested, CancelReason::Asked);
    bench.cancel.escalate(Stage::Forced, CancelReason::Asked);
    let error = running.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert!(start.elapsed() < Duration::from_secs(10));
    wait_for("the end of the child", || !lives(&pid)).await;
}

#[tokio::test]
async fn a_command_that_leaves_a_child_behind_does_not_hang_and_the_child_is_ended() {
    let bench = bench();
    let exit = bench.cx.run(sh("sleep 60 & echo $!")).await.unwrap();
    assert_eq!(exit.code, 0);
    let pid = bench.lines()[0].clone();
    wait_for("the end of the child", || !lives(&pid)).await;
}

#[tokio::test]
async fn a_dropped_command_leaves_no_child() {
    let bench = bench();
    let pids = bench.folder.path().join("pids");
    let script = format!("sleep 60 & echo $! >{}; wait", pids.display());
    let cx = bench.cx.clone();
    let running = tokio::spawn(async move { cx.run(sh(&script)).await });
    wait_for("the child", || fs::read_to_string(&pids).is_ok_and(|pid| !pid.is_empty())).await;
    running.abort();
    let pid = fs::read_to_string(&pids).unwrap();
    wait_for("the end of the child", || !lives(&pid)).await;
}

/// Not a test of its own: what the next one runs, with a variable that says so.
#[test]
#[expect(clippy::print_stdout, clippy::zombie_processes, reason = "it leaves a stray and tells its number")]
fn leaves_its_process_group() {
    if std::env::var_os("LEAVES_ITS_GROUP").is_some() {
        use std::os::unix::process::CommandExt;
        let mut stray = std::process::Command::new("sleep");
        let stray = stray.arg("60").process_group(0).spawn().unwrap();
        println!("stray {}", stray.id());
    }
}

#[tokio::test]
async fn a_stray_that_keeps_the_pipes_open_does_not_hold_the_command() {
    let bench = bench();
    let test = std::env::current_exe().unwrap();
    let args = ["--exact", "leaves_its_process_group", "--nocapture"].map(str::to_owned);
    let command =
        Command::new(test.to_str().unwrap()).args(args).env([("LEAVES_ITS_GROUP".to_owned(), String::new())]);
    let start = Instant::now();
    let exit = bench.cx.run(command).await.unwrap();
    assert_eq!(exit.code, 0);
    assert!(start.elapsed() < Duration::from_secs(30), "it waited for the stray");
    let lines = bench.lines();
    let stray = lines.iter().find_map(|line| line.split_once("stray ")).unwrap().1;
    assert!(lives(stray));
    assert!(lines.iter().any(|line| line.ends_with("left something running that still holds its output")));
    let stray = rustix::process::Pid::from_raw(stray.trim().parse().unwrap()).unwrap();
    rustix::process::kill_process(stray, rustix::process::Signal::KILL).unwrap();
}

#[tokio::test]
async fn all_that_a_command_started_has_the_grace_and_its_last_words_are_heard() {
    let bench = bench();
    let ready = bench.folder.path().join("ready");
    // The outer shell ends at once; the inner one needs a moment to clean up, and tells of it.
    let script = format!(
        "sh -c 'trap \"sleep 0.3; echo cleaned up; exit\" TERM; echo >{}; while :; do sleep 0.05; done' & wait",
        ready.display()
    );
    let cx = bench.cx.clone();
    let running = tokio::spawn(async move { cx.run(sh(&script)).await });
    wait_for("the child", || ready.exists()).await;
    bench.cancel.escalate(Stage::Forced, CancelReason::Asked);
    assert_eq!(running.await.unwrap().unwrap_err().kind(), ErrorKind::Cancelled);
    assert_eq!(bench.lines().last().unwrap(), "cleaned up");
}

#[tokio::test]
async fn a_command_that_writes_too_much_is_ended_at_once() {
    let bench = bench();
    let pids = bench.folder.path().join("pids");
    let script = format!("echo $$ >{}; head -c 17000000 /dev/zero; sleep 60", pids.display());
    let start = Instant::now();
    let error = bench.cx.run(sh(&script).capture(true)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadOutput);
    assert!(start.elapsed() < Duration::from_secs(30), "it waited for the command");
    let pid = fs::read_to_string(&pids).unwrap();
    wait_for("the end of the command", || !lives(&pid)).await;
}

#[tokio::test]
async fn a_secret_is_hidden_where_a_long_line_or_the_end_of_the_output_is_cut() {
    let bench = bench();
    let token = SecretId::parse("token").unwrap();
    // 64 KiB end in the middle of the secret; so do the last 4 KiB.
    let script = "printf '%65530d' 0; printf \"$TOKEN\"; printf '%4090d' 0; exit 1";
    let command = sh(script).secrets([("TOKEN".to_owned(), token)]);
    let exit = bench.cx.run(command).await.unwrap();
    let printed = bench.lines().concat();
    assert_eq!(printed.len(), 65_530 + 3 + 4090);
    for text in [&printed, &exit.stderr] {
        assert!(!text.contains("hunter") && !text.contains("ter2"), "{}", text.trim());
    }
    // A character that is cut there is whole all the same.
    bench.cx.run(sh("printf '%65535d' 0; printf é")).await.unwrap();
    assert!(bench.lines().concat().ends_with("0é"));
}

#[test]
fn scratch_is_private_and_goes_with_the_task() {
    let bench = bench();
    let file = bench.cx.scratch_file("kubeconfig", b"secret").unwrap();
    let scratch = bench.cx.scratch().unwrap().to_owned();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&scratch), mode(&file)), (0o700, 0o600));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    bench.cx.scratch_file("kubeconfig", b"another").unwrap();
    assert_eq!(mode(&file), 0o600, "whoever wrote it before");
    assert_eq!(bench.cx.scratch_file("../x", b"").unwrap_err().kind(), ErrorKind::Config);
    drop(bench);
    assert!(!scratch.exists());
}

#[test]
fn scratch_is_in_its_folder_whatever_the_run_is_called() {
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path().join("base");
    fs::create_dir(&base).unwrap();
    let world = World::host(folder.path()).scratch(&base);
    for run in ["../../x", "a/b", "", "é"] {
        let cx = RunContext::new(world.clone(), run).context(None, None, Cancel::new());
        assert_eq!(cx.scratch().unwrap().parent().unwrap(), base.canonicalize().unwrap());
    }
}

#[tokio::test]
async fn a_deadline_ends_a_command() -> Result<()> {
    let bench = bench();
    let world = World::host(bench.folder.path()).env([("PATH".to_owned(), std::env::var("PATH").unwrap())]);
    let deadline = world.clock.elapsed() + Duration::from_millis(200);
    let cx = RunContext::new(world, "run").context(None, Some(deadline), Cancel::new());
    let error = cx.run(sh("sleep 60")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    Ok(())
}

#[tokio::test]
async fn of_a_kubeconfig_only_the_credentials_are_hidden() {
    let kubeconfig = "apiVersion: v1\nkind: Config\ncurrent-context: production\nusers:\n- name: production\n  \
                      user:\n    token: a-bearer-token\n";
    let world = World::host("/").credentials(FixedCredentials::new().cluster("production", kubeconfig));
    let cx = RunContext::new(world, "test").context(None, None, Cancel::new());
    cx.cluster("production").await.unwrap();
    let shown = cx.masked("apiVersion: v1, kind: Config, current-context: production, a-bearer-token");
    assert_eq!(shown, "apiVersion: v1, kind: Config, current-context: production, ***");
}

#[tokio::test]
async fn what_is_asked_once_is_asked_once_in_a_run_and_again_after_an_error() {
    let bench = bench();
    let asked = std::sync::atomic::AtomicUsize::new(0);
    let ask = async |answer: Result<u64>| {
        asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        tokio::task::yield_now().await;
        answer
    };
    let failed = bench.cx.once("a", ask(Err(shipway_core::Error::config("no")))).await;
    assert_eq!(failed.unwrap_err().kind(), ErrorKind::Config);
    let (one, other) = tokio::join!(bench.cx.once("a", ask(Ok(1))), bench.cx.once("a", ask(Ok(2))));
    assert_eq!((*one.unwrap(), *other.unwrap()), (1, 1));
    assert_eq!(*bench.cx.once("b", ask(Ok(3))).await.unwrap(), 3);
    let text = bench.cx.once("a", async { Ok("another type") }).await;
    assert_eq!((*text.unwrap(), asked.into_inner()), ("another type", 3));
}
