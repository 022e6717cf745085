//! What counts in a snapshot, and when taking one ends.

#![expect(clippy::disallowed_methods, reason = "the tests prepare real files")]

mod counting;

use std::{
    fs,
    os::unix::{ffi::OsStringExt, fs::MetadataExt},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use counting::Counting;
use shipway_core::{
    Artifact, Build, BuildRequest, Builder, Cancel, CancelReason, Capabilities, Clock, Context, Digest,
    Driver, Entry, Error, ErrorKind, Files, FixedCredentials, ForeignImage, HostFiles, Image, Images, Inputs,
    OpenFile, Pipeline, Result, RunContext, SecretId, Snapshot, Stage, Store, StoreKind, SystemClock, Target,
    Timestamp, Tree, World,
};

fn context(world: World) -> Context {
    RunContext::new(world, "run").context(None, None, Cancel::new())
}

/// Each store holds another image under the same reference; which one, the folder's name tells.
#[derive(Debug)]
struct Layouts;

#[async_trait]
impl Images for Layouts {
    async fn find(&self, _cx: &Context, store: &Store, reference: &str) -> Result<Option<Image>> {
        let Store::Layout(folder) = store else { return Ok(None) };
        let content = folder.display().to_string();
        let digest = Digest::parse(format!("sha256:{}", content.repeat(64)))?;
        Ok(Some(Image::new(reference, store.clone(), reference, digest)))
    }

    async fn copy(&self, _cx: &Context, _image: &Image, _to: &Target) -> Result<Image> {
        Err(Error::unsupported("not here"))
    }

    async fn join(&self, _cx: &Context, _images: &[Image], _to: &Target) -> Result<Image> {
        Err(Error::unsupported("not here"))
    }
}

#[tokio::test]
async fn two_stores_may_hold_other_images_under_one_reference() {
    let folder = tempfile::tempdir().unwrap();
    let cx = context(World::host(folder.path()).images(Layouts));
    let of = |layouts: [&str; 2]| {
        let images = layouts.map(|layout| ForeignImage::new(Store::Layout(layout.into()), "base:1"));
        Inputs::default().images(images)
    };
    let one = Snapshot::take(&cx, &of(["a", "c"])).await.unwrap();
    let other = Snapshot::take(&cx, &of(["b", "c"])).await.unwrap();
    let reasons: Vec<String> = other.reasons(&one).iter().map(ToString::to_string).collect();
    assert_eq!(reasons, ["image base:1 in layout a changed", "image base:1 in layout b changed"]);
}

#[tokio::test]
async fn the_rules_of_each_tree_count() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("web")).unwrap();
    fs::write(folder.path().join("web/a"), "").unwrap();
    let cx = context(World::host(folder.path()));
    let mut seen = std::collections::BTreeSet::new();
    // The files are the same each time, because one of the trees has them all.
    let lists: [&[&str]; 4] = [&["a"], &["a", "b"], &["a\nb"], &["b"]];
    for rules in lists {
        let rules: Vec<String> = rules.iter().map(|rule| (*rule).to_owned()).collect();
        let trees = [Tree::new("web").ignore(rules), Tree::new("web").ignore(["zzz".to_owned()])];
        let snapshot = Snapshot::take(&cx, &Inputs::default().trees(trees)).await.unwrap();
        assert!(seen.insert(snapshot.fingerprint()));
    }
}

/// A door behind which files go away once they have been listed.
#[derive(Debug)]
struct Vanishing;

impl Files for Vanishing {
    fn walk_each(&self, cx: &Context, root: &Path, ignore: &[Vec<String>]) -> Result<Vec<Vec<Entry>>> {
        let entries = HostFiles.walk_each(cx, root, ignore)?;
        let _ = fs::remove_file(cx.path(root).join("swap"));
        Ok(entries)
    }

    fn entry(&self, cx: &Context, root: &Path, path: &str) -> Result<Option<Entry>> {
        let entry = HostFiles.entry(cx, root, path)?;
        let _ = fs::remove_file(cx.path(root).join("version"));
        Ok(entry)
    }

    fn open(&self, cx: &Context, root: &Path, path: &str) -> Result<OpenFile> {
        HostFiles.open(cx, root, path)
    }
}

#[tokio::test]
async fn a_file_that_goes_away_after_it_was_listed_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str| fs::write(folder.path().join(path), "").unwrap();
    fs::create_dir(folder.path().join("web")).unwrap();
    for path in ["web/a", "web/swap", "version"] {
        write(path);
    }
    let cx = context(World::host(folder.path()).files(Vanishing));
    let inputs = Inputs::default().trees([Tree::new("web")]).files(["version".into()]);
    let vanished = Snapshot::take(&cx, &inputs).await.unwrap();
    let absent = Snapshot::take(&cx, &inputs).await.unwrap();
    assert_eq!(vanished, absent);
}

#[tokio::test]
async fn a_declared_file_whose_name_cannot_be_told_is_an_error_and_not_missing() {
    let folder = tempfile::tempdir().unwrap();
    let name = PathBuf::from(std::ffi::OsString::from_vec(b"odd\xff".to_vec()));
    fs::write(folder.path().join(&name), "content").unwrap();
    let cx = context(World::host(folder.path()));
    let error = Snapshot::take(&cx, &Inputs::default().files([name])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error:?}");
}

/// A door to a file without end.
#[derive(Debug)]
struct Endless(Cancel);

impl Files for Endless {
    fn walk_each(&self, cx: &Context, root: &Path, ignore: &[Vec<String>]) -> Result<Vec<Vec<Entry>>> {
        HostFiles.walk_each(cx, root, ignore)
    }

    fn entry(&self, cx: &Context, root: &Path, path: &str) -> Result<Option<Entry>> {
        HostFiles.entry(cx, root, path)
    }

    fn open(&self, cx: &Context, root: &Path, path: &str) -> Result<OpenFile> {
        let entry = HostFiles.open(cx, root, path)?.entry;
        self.0.escalate(Stage::Forced, CancelReason::Asked);
        Ok(OpenFile::new(entry, std::io::repeat(0)))
    }
}

#[test]
fn hashing_stops_when_the_task_is_forced_to_or_late() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a"), "").unwrap();
    let inputs = Inputs::default().files(["a".into()]);
    // A runtime that is dropped waits for its threads, so that one that reads on would hang the test.
    let (send, receive) = std::sync::mpsc::channel();
    let root = folder.path().to_owned();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for (forced, kind) in [(true, ErrorKind::Cancelled), (false, ErrorKind::Timeout)] {
            let cancel = Cancel::new();
            let asked = if forced { cancel.clone() } else { Cancel::new() };
            let world = World::host(&root).files(Endless(asked));
            let deadline = world.clock.elapsed() + std::time::Duration::from_millis(50);
            let cx = RunContext::new(world, "run").context(None, (!forced).then_some(deadline), cancel);
            let error = runtime.block_on(Snapshot::take(&cx, &inputs)).unwrap_err();
            send.send((error.kind(), kind)).unwrap();
        }
        drop(runtime);
    });
    for _ in 0..2 {
        let (is, expected) = receive.recv_timeout(std::time::Duration::from_secs(30)).expect("it stops");
        assert_eq!(is, expected);
    }
}

/// The machine's clock, so many seconds later.
#[derive(Debug)]
struct Late(SystemClock, u64);

#[async_trait]
impl Clock for Late {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.now().0 + self.1 * 1000)
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        self.0.sleep(duration).await;
    }
}

#[tokio::test]
async fn a_file_that_rested_is_read_once_in_a_run_and_again_when_it_changed() {
    let folder = tempfile::tempdir().unwrap();
    let (path, other) = (folder.path().join("a"), folder.path().join("b"));
    fs::write(&path, "one").unwrap();
    fs::write(&other, "").unwrap();
    let changed = || {
        let found = fs::metadata(&path).unwrap();
        (found.ctime(), found.ctime_nsec())
    };
    let inputs = Inputs::default().trees([Tree::new("")]);
    for (later, opened) in [(3600, [2, 2, 3, 3]), (0, [2, 4, 6, 8])] {
        let count = Arc::new(AtomicUsize::new(0));
        let world = World::host(folder.path()).files(Counting(Arc::clone(&count)));
        let cx = context(world.clock(Late(SystemClock::new(), later)));
        let take = async || (Snapshot::take(&cx, &inputs).await.unwrap(), count.load(Ordering::Relaxed));
        let (one, again) = (take().await, take().await);
        assert_eq!(one.0, again.0);
        // As long, and with the time that it had; but nobody can turn back when its metadata changed.
        let (before, modified) = (changed(), fs::metadata(&path).unwrap().modified().unwrap());
        while changed() == before {
            fs::write(&path, format!("{later:3}").get(..3).unwrap()).unwrap();
            fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
        }
        let (two, last) = (take().await, take().await);
        assert_ne!(one.0, two.0);
        assert_eq!(two.0, last.0);
        assert_eq!([one.1, again.1, two.1, last.1], opened);
    }
}

/// A door that notes which folders are walked and which files are looked at.
#[derive(Clone, Debug, Default)]
struct Noting(Arc<Mutex<Vec<String>>>);

impl Noting {
    fn note(&self, what: &str, path: impl AsRef<Path>) {
        self.0.lock().expect("whole").push(format!("{what} {}", path.as_ref().display()));
    }
}

impl Files for Noting {
    fn walk_each(&self, cx: &Context, root: &Path, ignore: &[Vec<String>]) -> Result<Vec<Vec<Entry>>> {
        self.note(&format!("walk {}", ignore.len()), root);
        HostFiles.walk_each(cx, root, ignore)
    }

    fn entry(&self, cx: &Context, root: &Path, path: &str) -> Result<Option<Entry>> {
        self.note("look", root.join(path));
        HostFiles.entry(cx, root, path)
    }

    fn open(&self, cx: &Context, root: &Path, path: &str) -> Result<OpenFile> {
        self.note("open", root.join(path));
        HostFiles.open(cx, root, path)
    }
}

/// Images that are found once all have been asked for, and never otherwise.
#[derive(Debug)]
struct AllAtOnce {
    asked: AtomicUsize,
    barrier: tokio::sync::Barrier,
}

#[async_trait]
impl Images for AllAtOnce {
    async fn find(&self, cx: &Context, store: &Store, reference: &str) -> Result<Option<Image>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.barrier.wait().await;
        Layouts.find(cx, store, reference).await
    }

    async fn copy(&self, _cx: &Context, _image: &Image, _to: &Target) -> Result<Image> {
        Err(Error::unsupported("not here"))
    }

    async fn join(&self, _cx: &Context, _images: &[Image], _to: &Target) -> Result<Image> {
        Err(Error::unsupported("not here"))
    }
}

#[tokio::test]
async fn what_several_declare_is_looked_at_once_and_gives_what_each_gives_alone() {
    let folder = tempfile::tempdir().unwrap();
    for path in ["web/a", "web/docs/b", "api/c", "version", "go.mod"] {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "content").unwrap();
    }
    let image = |layout: &str| ForeignImage::new(Store::Layout(layout.into()), "base:1");
    let tree = |root: &str, ignore: &[&str]| {
        Tree::new(root).ignore(ignore.iter().map(|rule| (*rule).to_owned()).collect::<Vec<_>>())
    };
    let inner = Inputs::default().files(["go.mod".into(), "version".into()]).images([image("b")]);
    let absolute = folder.path().join("web").display().to_string();
    let declared = [
        Inputs::default().trees([tree("web", &["docs"]), tree("api", &[])]).images([image("a"), image("b")]),
        Inputs::default().trees([tree("web", &[])]).files(["version".into(), "none".into()]),
        Inputs::default().trees([tree("./web", &["docs"]), tree("web", &["a"])]).listed_by(Box::new(inner)),
        Inputs::default().trees([tree(&absolute, &["docs"])]).images([image("a")]),
        Inputs::default().secrets([SecretId::parse("token").unwrap()]),
    ];
    let credentials = || FixedCredentials::new().secret("token", "hunter2");
    let alone = context(World::host(folder.path()).images(Layouts).credentials(credentials()));
    let mut expected = Vec::new();
    for inputs in &declared {
        expected.push(Snapshot::take(&alone, inputs).await.unwrap());
    }
    let notes = Noting::default();
    let images = AllAtOnce { asked: AtomicUsize::new(0), barrier: tokio::sync::Barrier::new(2) };
    let world = World::host(folder.path()).files(notes.clone()).images(images).credentials(credentials());
    let images = Arc::clone(&world.images);
    let cx = context(world);
    let all: Vec<&Inputs> = declared.iter().collect();
    let taken = tokio::time::timeout(Duration::from_secs(30), Snapshot::take_each(&cx, &all));
    assert_eq!(taken.await.expect("images are asked for at the same time").unwrap(), expected);
    assert!(format!("{images:?}").contains("asked: 2"), "{images:?}");
    let mut seen = notes.0.lock().unwrap().clone();
    seen.sort();
    assert_eq!(
        seen,
        [
            "look go.mod",
            "look none",
            "look version",
            "open api/c",
            "open go.mod",
            "open version",
            "open web/a",
            "open web/docs/b",
            "walk 1 api",
            "walk 3 web",
        ]
    );
    assert!(Snapshot::take_each(&cx, &[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn of_several_declarations_it_is_the_first_ones_error() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("web")).unwrap();
    let odd = PathBuf::from(std::ffi::OsString::from_vec(b"web/odd\xff".to_vec()));
    fs::write(folder.path().join(odd), "").unwrap();
    let cx = context(World::host(folder.path()).images(Layouts));
    let fine = Inputs::default().trees([Tree::new("web").ignore(["odd*".to_owned()])]);
    let gone = Inputs::default().trees([Tree::new("gone")]);
    let broken = Inputs::default().trees([Tree::new("web")]);
    let no_image = |name: &str| Inputs::default().images([ForeignImage::new(Store::Registry, name)]);
    let (one, two) = (no_image("b"), no_image("a"));
    for (declared, expected) in [
        // The folder that both declare is walked first, and has an error only for the last.
        (vec![&fine, &gone, &broken], "gone"),
        (vec![&fine, &broken, &gone], "odd"),
        (vec![&one, &two], "there is no image `b`"),
        (vec![&two, &one], "there is no image `a`"),
        (vec![&one, &broken], "odd"),
    ] {
        let error = Snapshot::take_each(&cx, &declared).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}: {expected}");
    }
}

#[tokio::test]
async fn a_file_has_one_key_whatever_folder_it_was_found_below() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("src/app/web")).unwrap();
    for path in ["src/app/web/a", "src/app-b", "src/app/c"] {
        fs::write(folder.path().join(path), path).unwrap();
    }
    let cx = context(World::host(folder.path().join("src/app")));
    let above = folder.path().join("src");
    for (root, ignore, keys) in [
        (PathBuf::from(""), "", &["file c", "file web", "file web/a"][..]),
        (PathBuf::from("web/"), "", &["file web/a"]),
        (PathBuf::from("./web/../web"), "", &["file web/../web/a"]),
        (PathBuf::from("/"), "*", &[]),
        (above, "app-b", &["file ", "file c", "file web", "file web/a"]),
    ] {
        let tree = Tree::new(root.clone()).ignore([ignore.to_owned()]);
        let snapshot = Snapshot::take(&cx, &Inputs::default().trees([tree])).await.unwrap();
        let text = serde_json::to_value(&snapshot).unwrap();
        let files = text.as_object().unwrap().keys().filter(|key| key.starts_with("file"));
        assert_eq!(files.collect::<Vec<_>>(), keys, "{root:?}");
    }
}

/// A builder that is only asked what its sources are.
#[derive(Debug)]
struct Declaring;

#[async_trait]
impl Builder for Declaring {
    fn capabilities(&self) -> Capabilities {
        Capabilities::new().writes([StoreKind::Registry])
    }

    async fn inputs(&self, _cx: &Context, artifact: &Artifact) -> Result<Inputs> {
        Ok(Inputs::new().trees([Tree::new(artifact.context.clone())]))
    }

    async fn build(&self, _cx: &Context, _request: &BuildRequest) -> Result<Image> {
        Err(Error::unsupported("building"))
    }
}

#[tokio::test]
async fn what_a_driver_read_it_does_not_read_again() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a"), "one").unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let world = World::host(folder.path()).files(Counting(Arc::clone(&count)));
    let driver = Driver::new(world.clock(Late(SystemClock::new(), 3600)));
    let build = Build::new(Artifact::new("a", "."), "registry.example/a", Arc::new(Declaring));
    let pipeline = Pipeline::new("once").build(build);
    for _ in 0..2 {
        driver.observe(&pipeline, &Cancel::new()).await.unwrap();
        assert_eq!(count.load(Ordering::Relaxed), 1);
    }
}
