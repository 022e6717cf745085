//! What other caches of builds forget (spec: the gaps of Skaffold's): each is an input here, and a miss names it.

use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use shipway_core::{
    Artifact, Build, BuildRequest, Builder, Capabilities, Clock, Context, Digest, Driver, FixedCredentials,
    ForeignImage, Image, Images, Inputs, MemoryCache, Outcome, Pipeline, Report, Result, SecretId, Store,
    StoreKind, Target, Timestamp, Tree, Verify, World,
};

use crate::{
    fakes::{Bench, FakeTagger, Shelf, bench},
    reasons,
};

/// Declares what it is told to, and makes an image of its own each time.
#[derive(Clone, Debug, Default)]
struct Declares {
    inputs: Inputs,
    version: &'static str,
    shelf: Shelf,
    built: Arc<AtomicUsize>,
}

#[async_trait]
impl Builder for Declares {
    fn capabilities(&self) -> Capabilities {
        Capabilities::new().version(self.version).writes([StoreKind::Registry])
    }

    async fn inputs(&self, _cx: &Context, _artifact: &Artifact) -> Result<Inputs> {
        Ok(self.inputs.clone())
    }

    async fn build(&self, cx: &Context, request: &BuildRequest) -> Result<Image> {
        let count = self.built.fetch_add(1, Ordering::SeqCst);
        let digest = Digest::parse(format!("sha256:{count:064x}"))?;
        let Target { store, repository, .. } = &request.target;
        let image = Image::new("web", store.clone(), repository.as_str(), digest);
        self.shelf.copy(cx, &image, &request.target).await
    }
}

/// Builds, changes something, and builds again; returns why.
async fn changed(
    before: impl FnOnce(&Path, &mut Declares),
    change: impl FnOnce(&Path, &mut Declares, &mut World),
) -> Vec<String> {
    let bench = bench();
    let cache = Arc::new(MemoryCache::new());
    let mut builder = Declares { shelf: bench.shelf.clone(), version: "declares 1", ..Declares::default() };
    let mut world = bench.world().credentials(FixedCredentials::new().secret("token", "the first one"));
    let folder = bench.folder.path();
    before(folder, &mut builder);
    let run = async |builder: &Declares, world: &World| {
        let web = Build::new(Artifact::new("web", "web"), "reg/web", Arc::new(builder.clone()));
        let driver = Driver::new(world.clone()).cache(Arc::<MemoryCache>::clone(&cache));
        driver.run(&Pipeline::new("shop").build(web), &bench.cancel).await.unwrap().into_result().unwrap()
    };
    run(&builder, &world).await;
    assert_eq!(run(&builder, &world).await.task("build:web"), Some(&Outcome::Reused));
    change(folder, &mut builder, &mut world);
    let report: Report = run(&builder, &world).await;
    assert_eq!(report.task("build:web"), Some(&Outcome::Succeeded), "it is built again");
    reasons(&report, "build:web")
}

fn tree(_: &Path, builder: &mut Declares) {
    builder.inputs.trees = [Tree::new("web")].into();
}

#[tokio::test]
async fn a_file_that_is_moved_to_another_folder_is_another_input() {
    let why = changed(
        |folder, builder| {
            tree(folder, builder);
            fs::create_dir_all(folder.join("web/a")).unwrap();
            fs::create_dir_all(folder.join("web/b")).unwrap();
            fs::write(folder.join("web/a/x"), "x").unwrap();
        },
        |folder, _, _| fs::rename(folder.join("web/a/x"), folder.join("web/b/x")).unwrap(),
    );
    assert_eq!(why.await, ["file web/a/x changed", "file web/b/x changed"]);
}

#[tokio::test]
async fn a_link_that_leads_elsewhere_is_another_input() {
    let why = changed(
        |folder, builder| {
            tree(folder, builder);
            symlink("src", folder.join("web/link")).unwrap();
        },
        |folder, _, _| {
            fs::remove_file(folder.join("web/link")).unwrap();
            symlink("./src", folder.join("web/link")).unwrap();
        },
    );
    assert_eq!(why.await, ["file web/link changed"]);
}

#[tokio::test]
async fn another_mode_of_a_file_is_another_input() {
    use std::os::unix::fs::PermissionsExt;
    let set = |folder: &Path, mode| {
        fs::set_permissions(folder.join("web/src"), fs::Permissions::from_mode(mode)).unwrap();
    };
    let why = changed(
        |folder, builder| {
            tree(folder, builder);
            set(folder, 0o644);
        },
        |folder, _, _| set(folder, 0o755),
    );
    assert_eq!(why.await, ["file web/src changed"]);
}

#[tokio::test]
async fn another_base_image_under_the_same_tag_is_another_input() {
    let put = |shelf: &Shelf, digit: &str| {
        let digest = Digest::parse(format!("sha256:{}", digit.repeat(64))).unwrap();
        shelf.0.lock().unwrap().insert("reg/base:1".to_owned(), digest);
    };
    let why = changed(
        |_, builder| {
            put(&builder.shelf, "a");
            builder.inputs.images = [ForeignImage::new(Store::Registry, "reg/base:1")].into();
        },
        |_, builder, _| put(&builder.shelf, "b"),
    );
    assert_eq!(why.await, ["image reg/base:1 changed"]);
}

#[tokio::test]
async fn another_version_of_the_builder_is_another_input() {
    assert_eq!(changed(tree, |_, builder, _| builder.version = "declares 2").await, ["builder changed"]);
}

#[tokio::test]
async fn another_version_of_a_secret_is_another_input() {
    let why = changed(
        |_, builder| builder.inputs.secrets = [SecretId::parse("token").unwrap()].into(),
        |_, _, world| {
            *world = world.clone().credentials(FixedCredentials::new().secret("token", "the second one"));
        },
    );
    assert_eq!(why.await, ["secret token changed"]);
}

#[tokio::test]
async fn another_fact_such_as_an_argument_is_another_input() {
    let fact = |builder: &mut Declares, value: &str| {
        builder.inputs.facts = [("argument VERSION".to_owned(), value.to_owned())].into();
    };
    let why = changed(|_, builder| fact(builder, "1"), |_, builder, _| fact(builder, "2"));
    assert_eq!(why.await, ["fact argument VERSION changed"]);
}

/// Counts how often somebody looks for an image.
#[derive(Clone, Debug)]
struct Looked(Shelf, Arc<Mutex<Vec<String>>>);

#[async_trait]
impl Images for Looked {
    async fn find(&self, cx: &Context, store: &Store, reference: &str) -> Result<Option<Image>> {
        self.1.lock().unwrap().push(reference.to_owned());
        self.0.find(cx, store, reference).await
    }

    async fn copy(&self, cx: &Context, image: &Image, to: &Target) -> Result<Image> {
        self.0.copy(cx, image, to).await
    }

    async fn join(&self, cx: &Context, images: &[Image], to: &Target) -> Result<Image> {
        self.0.join(cx, images, to).await
    }
}

/// A wall clock that stands where it is put.
#[derive(Clone, Debug, Default)]
struct Stands(Arc<Mutex<u64>>);

#[async_trait]
impl Clock for Stands {
    fn now(&self) -> Timestamp {
        Timestamp(*self.0.lock().unwrap())
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }

    async fn sleep(&self, _duration: Duration) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_recorded_image_is_looked_for_as_often_as_is_asked_for() {
    let minute = Duration::from_secs(60);
    // How it is verified, the moments of the runs in seconds, and how often it is looked for in each.
    for (verify, moments, looks) in [
        (Verify::Always, [1000, 1000, 1000, 1000, 1000], [0, 1, 1, 1, 1]),
        (Verify::Never, [1000, 5000, 9000, 9000, 9000], [0, 0, 0, 0, 0]),
        // What was looked for is believed from then on; a clock that is set back proves nothing.
        (Verify::Within(minute), [1000, 1060, 1061, 1121, 1050], [0, 0, 1, 0, 1]),
    ] {
        let bench: Bench = bench();
        let (looked, clock) = (Looked(bench.shelf.clone(), Arc::default()), Stands::default());
        let builder = Declares { shelf: bench.shelf.clone(), ..Declares::default() };
        let web = Build::new(Artifact::new("web", "web"), "reg/web", Arc::new(builder.clone()));
        let pipeline = Pipeline::new("shop").build(web);
        let driver = Driver::new(bench.world().images(looked.clone()).clock(clock.clone())).verify(verify);
        for (moment, count) in moments.into_iter().zip(looks) {
            *clock.0.lock().unwrap() = moment * 1000;
            looked.1.lock().unwrap().clear();
            driver.run(&pipeline, &bench.cancel).await.unwrap().into_result().unwrap();
            assert_eq!(looked.1.lock().unwrap().len(), count, "{verify:?} at {moment}");
        }
        assert_eq!(builder.built.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn an_image_of_several_artifacts_is_looked_for_once() {
    let bench = bench();
    let looked = Looked(bench.shelf.clone(), Arc::default());
    let digest = Digest::parse(format!("sha256:{:064x}", 0)).unwrap();
    bench.shelf.0.lock().unwrap().insert(format!("reg/same@{digest}"), digest);
    let mut pipeline = Pipeline::new("shop");
    for name in ["web", "api", "base"] {
        // Each makes the same image: a builder of its own counts from nothing.
        let builder = Arc::new(Declares { shelf: bench.shelf.clone(), ..Declares::default() });
        pipeline = pipeline.build(Build::new(Artifact::new(name, name), "reg/same", builder));
    }
    let driver = Driver::new(bench.world().images(looked.clone()));
    driver.run(&pipeline, &bench.cancel).await.unwrap().into_result().unwrap();
    looked.1.lock().unwrap().clear();
    driver.run(&pipeline, &bench.cancel).await.unwrap().into_result().unwrap();
    assert_eq!(looked.1.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_tag_that_means_the_recorded_image_is_asked_for_once() {
    let bench = bench();
    let looked = Looked(bench.shelf.clone(), Arc::default());
    let builder = Arc::new(Declares { shelf: bench.shelf.clone(), ..Declares::default() });
    let web = Build::new(Artifact::new("web", "web"), "reg/web", Arc::<Declares>::clone(&builder))
        .tagger(Arc::new(FakeTagger { fingerprint: false }));
    let pipeline = Pipeline::new("shop").build(web);
    let driver = Driver::new(bench.world().images(looked.clone()));
    let run = async || {
        looked.1.lock().unwrap().clear();
        driver.run(&pipeline, &bench.cancel).await.unwrap().into_result().unwrap();
        looked.1.lock().unwrap().clone()
    };
    assert_eq!(run().await, ["reg/web:v1"], "the tag is about to be moved");
    let digest = bench.shelf.0.lock().unwrap()["reg/web:v1"].clone();
    assert_eq!(run().await, ["reg/web:v1"]);

    // Somebody else moved it: the image is still there, and gets its tag back.
    let other = Digest::parse(format!("sha256:{:064x}", 7)).unwrap();
    bench.shelf.0.lock().unwrap().insert("reg/web:v1".to_owned(), other);
    assert_eq!(run().await, ["reg/web:v1".to_owned(), format!("reg/web@{digest}"), "reg/web:v1".to_owned()]);
    assert_eq!(bench.shelf.0.lock().unwrap()["reg/web:v1"], digest);
    assert_eq!((run().await, builder.built.load(Ordering::SeqCst)), (vec!["reg/web:v1".to_owned()], 1));
}
