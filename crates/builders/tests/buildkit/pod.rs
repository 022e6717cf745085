//! Builds by a buildkitd in a pod: that it comes, is found again, and goes.

use std::{sync::Arc, time::Duration};

use shipway_builders::BuildkitConfig;
use shipway_core::{Builder as _, Cancel, CancelReason, ErrorKind, Record, RunContext, Stage, Store};

use crate::{
    bed::{Bed, LONG, file, is_running, request, unlike, until},
    build::{buildkit, recorded, said},
};

pub(crate) fn options(bed: &Bed) -> BuildkitConfig {
    BuildkitConfig::in_cluster(bed.place()).image(&*bed.image).insecure_registry(&*bed.registry)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_buildkitd_takes_layers_from_the_registrys_cache() {
    let Some(bed) = Bed::up("buildkit", "a_fresh_buildkitd_takes_layers_from_the_registrys_cache").await
    else {
        return;
    };
    let dockerfile = format!(
        "FROM {0} AS first\nCOPY data /data\nRUN cat /proc/uptime > /when\n\
         FROM {0}\nCOPY --from=first /when /data/large /\n",
        bed.base()
    );
    // More than a message, and not alike.
    let large: String = (0..900_000).map(|number| format!("{number}\n")).collect();
    bed.write(&[("Dockerfile", &dockerfile), ("data/large", &large), ("unused", "x")]);
    let cache = format!("{}/{}", bed.registry, unlike("built/cache"));
    let options = options(&bed)
        .cache_from(format!("type=registry,ref={cache}"))
        .cache_to(format!("type=registry,ref={cache},mode=max"));
    let mut digests = Vec::new();
    for turn in ["first", "second"] {
        let (cx, record) = recorded(&bed);
        let image = buildkit(options.clone()).build(&cx, &request(bed.target())).await.unwrap();
        assert_eq!(bed.left().await, Vec::<String>::new(), "{turn}");
        assert_eq!(file(&cx, &image, "large").await, large.as_bytes());
        digests.push(file(&cx, &image, "when").await);
        let was_cached = said(&record).contains("RUN cat /proc/uptime > /when (cached)");
        assert_eq!(was_cached, turn == "second", "{}", said(&record));
    }
    assert_eq!(digests[0], digests[1], "the step did not run again");
    bed.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_goes_after_failure_and_cancel() {
    let Some(bed) = Bed::up("buildkit", "a_pod_goes_after_failure_and_cancel").await else { return };
    bed.write(&[("Dockerfile", &format!("FROM {}\nRUN exit 7\n", bed.base()))]);
    let error = buildkit(options(&bed)).build(&bed.context(), &request(bed.target())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ToolFailed, "{error:?}");
    assert_eq!(bed.left().await, Vec::<String>::new());

    bed.write(&[("Dockerfile", &format!("FROM {}\nRUN echo it runs; sleep 1000\n", bed.base()))]);
    let (record, cancel) = (Arc::new(Record::new()), Cancel::new());
    let world = bed.world().sink(Arc::<Record>::clone(&record));
    let cx = RunContext::new(world, unlike("cancel")).context(None, None, cancel.clone());
    let (builder, request) = (buildkit(options(&bed)), request(bed.target()));
    let stopping = async {
        while said(&record).matches("it runs").count() < 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        cancel.escalate(Stage::Forced, CancelReason::Asked);
    };
    let both = async { tokio::join!(builder.build(&cx, &request), stopping).0 };
    let error = tokio::time::timeout(LONG, both).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error:?}");
    bed.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_is_no_buildkitd_is_said() {
    let Some(bed) = Bed::up("buildkit", "an_image_that_is_no_buildkitd_is_said").await else { return };
    bed.write(&[("Dockerfile", &format!("FROM {}\n", bed.base()))]);
    let own = options(&bed).image(bed.base());
    let building = async { buildkit(own).build(&bed.context(), &request(bed.target())).await };
    let error = tokio::time::timeout(LONG, building).await.unwrap().unwrap_err();
    assert!(error.report().to_string().contains("buildkitd"), "{error:?}");
    bed.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_whose_process_is_gone_is_found_again() {
    let Some(bed) = Bed::up("buildkit", "a_build_whose_process_is_gone_is_found_again").await else { return };
    let dockerfile = format!("FROM {}\nRUN cat /proc/uptime > /when\nRUN echo slow; sleep 4\n", bed.base());
    bed.write(&[("Dockerfile", &dockerfile)]);
    let request = request(bed.target());
    let builder = buildkit(options(&bed));
    // A runtime that ends as a killed process does: nothing that it began goes on, to tidy up neither.
    let record = Arc::new(Record::new());
    let (gone, world) =
        (tokio::runtime::Runtime::new().unwrap(), bed.world().sink(Arc::<Record>::clone(&record)));
    let (first, asked) = (builder.clone(), request.clone());
    gone.spawn(async move {
        let cx = RunContext::new(world, unlike("killed")).context(None, None, Cancel::new());
        let _ = first.build(&cx, &asked).await;
    });
    let pod = until(&bed, "Pod", is_running).await;
    let second_step = async {
        while said(&record).matches("slow").count() < 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LONG, second_step).await.unwrap();
    gone.shutdown_background();
    let gone_at = uptime(&std::fs::read("/proc/uptime").unwrap());
    let record = Arc::new(Record::new());
    let world = bed.world().sink(Arc::<Record>::clone(&record));
    let cx = RunContext::new(world, unlike("again")).context(None, None, Cancel::new());
    let seen = async {
        // It goes on with the very pod.
        for _ in 0..5 {
            let pods = bed.list("Pod").await;
            assert!(pods.iter().all(|one| one["metadata"]["uid"] == pod["metadata"]["uid"]), "{pods:?}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let image = tokio::join!(builder.build(&cx, &request), seen).0.unwrap();
    assert!(uptime(&file(&cx, &image, "when").await) < gone_at, "what was done is done");
    assert!(said(&record).contains("slow"), "its log is there");
    let found = cx.images().find(&cx, &Store::Registry, &request.target.reference()).await.unwrap();
    assert_eq!(found.unwrap().digest, image.digest);
    bed.down().await;
}

/// Reads `/proc/uptime`, which is the same in a pod.
fn uptime(text: &[u8]) -> f64 {
    let text = String::from_utf8(text.to_vec()).unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}
