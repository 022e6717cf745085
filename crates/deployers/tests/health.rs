//! One look at a deployment, with real images (clause D7).
#![expect(clippy::disallowed_methods, reason = "the test takes an image away")]

mod support;

use std::sync::Arc;

use shipway_cluster::{Happened, Selector};
use shipway_core::{Deployer as _, Deployment, Health, HostDisk, Image, Phase, Release, Store};
use shipway_oci::{Client, Registry};
use support::{Bed, image, layout, no_digest, released};

async fn deployed(bed: &Bed, image: Image) -> Deployment {
    let manifests = bed.render(&Release::new("shop").images(vec![image])).await;
    bed.reach(released(manifests)).await.expect("released")
}

async fn look(bed: &Bed, deployment: &Deployment) -> Health {
    bed.memory.health(&bed.cx, deployment).await.expect("seen")
}

#[tokio::test]
async fn an_image_in_a_layout_is_progressing_once_and_then_healthy_and_watchers_see_it() {
    let bed = Bed::new();
    let layout = layout(&bed.folder);
    let store = Store::Layout("layout".into());
    let image = image(&bed.cx, &layout, store, "app", (0o755, "/bin/app", "linux/amd64")).await;
    let deployment = deployed(&bed, image).await;
    let mut watch =
        bed.cluster.watch(&Selector::new().kind("apps/v1", "Deployment"), "0").expect("a version");
    let made = watch.next().await.expect("made");
    assert_eq!((made.happened, made.object.get("status")), (Happened::Added, None));
    let first = look(&bed, &deployment).await;
    assert_eq!(first.phase, Phase::Progressing);
    assert_eq!(first.waiting_for, ["Deployment default/app: 0 of 1 replicas are ready"]);
    assert!(first.again.is_some());
    assert_eq!(watch.next().await.expect("reported").object["status"]["readyReplicas"], 1);
    assert_eq!(look(&bed, &deployment).await, Health::new(Phase::Healthy));
    // What runs goes on when its image is gone.
    std::fs::remove_dir_all(layout.path()).expect("removed");
    assert_eq!(look(&bed, &deployment).await.phase, Phase::Healthy);
    bed.cluster.delete(&deployment.manifests.objects[0].object, None).expect("deleted");
    assert_eq!(look(&bed, &deployment).await.phase, Phase::Failed);
}

#[tokio::test]
async fn what_cannot_start_has_failed_and_says_why() {
    let bed = Bed::new();
    let layout = layout(&bed.folder);
    let cases = [
        ((0o755, "/bin/app", "linux/arm64"), "there is no image for `linux/amd64`"),
        ((0o755, "/bin/other", "linux/amd64"), "the program `/bin/other` is not in the image"),
        ((0o644, "/bin/app", "linux/amd64"), "the program `/bin/app` is not executable"),
        ((0o755, "app", "linux/amd64"), ""),
    ];
    for (contents, problem) in cases {
        let store = Store::Layout(layout.path().to_owned());
        let image = image(&bed.cx, &layout, store, "app", contents).await;
        let reference = image.reference();
        let deployment = deployed(&bed, image).await;
        let health = look(&bed, &deployment).await;
        if problem.is_empty() {
            assert_eq!(health.phase, Phase::Progressing, "{health:?}");
            continue;
        }
        assert_eq!(health.phase, Phase::Failed, "{health:?}");
        let reason = &health.waiting_for[0];
        for part in ["Deployment default/app", &reference, problem] {
            assert!(reason.contains(part), "{part} is not in {reason}");
        }
    }
    let missing = Image::new("app", Store::Layout("layout".into()), "app", no_digest());
    let deployment = deployed(&bed, missing).await;
    let health = look(&bed, &deployment).await;
    assert_eq!(health.phase, Phase::Failed);
    assert!(health.waiting_for[0].contains("there is no manifest"), "{health:?}");
}

#[tokio::test]
async fn a_replaced_revision_has_failed() {
    let bed = Bed::new();
    let layout = layout(&bed.folder);
    let store = || Store::Layout("layout".into());
    let one = image(&bed.cx, &layout, store(), "app", (0o755, "/bin/app", "linux/amd64")).await;
    let two = image(&bed.cx, &layout, store(), "app", (0o755, "app", "linux/amd64")).await;
    let first = deployed(&bed, one).await;
    deployed(&bed, two).await;
    let health = look(&bed, &first).await;
    assert_eq!(health.phase, Phase::Failed);
    assert!(health.waiting_for[0].contains("another revision replaced this one"), "{health:?}");
}

#[tokio::test]
async fn an_image_in_a_registry_waits_while_the_registry_is_away() {
    let bed = Bed::new();
    let registry =
        Registry::start(bed.folder.path().join("registry"), Arc::new(HostDisk)).await.expect("started");
    let name = format!("{}/team/app", registry.host());
    let repository = Client::new().repository(&bed.cx, &name).expect("named");
    let image = image(&bed.cx, &repository, Store::Registry, &name, (0o755, "/bin/app", "linux/amd64")).await;
    let deployment = deployed(&bed, image.clone()).await;
    assert_eq!(look(&bed, &deployment).await.phase, Phase::Progressing);
    assert_eq!(look(&bed, &deployment).await.phase, Phase::Healthy);

    let gone = Image::new("app", Store::Registry, name, no_digest());
    let missing = deployed(&bed, gone).await;
    let health = look(&bed, &missing).await;
    assert_eq!(health.phase, Phase::Failed, "{health:?}");

    let back = deployed(&bed, image).await;
    registry.shutdown().await;
    let health = look(&bed, &back).await;
    assert_eq!(health.phase, Phase::Progressing, "{health:?}");
    assert!(health.waiting_for[0].contains("127.0.0.1"), "{health:?}");
}
