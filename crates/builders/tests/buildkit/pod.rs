//! Builds by a buildkitd in a pod: that it comes, is found again, and goes.

use std::{sync::Arc, time::Duration};

use shipway_builders::BuildkitConfig;
use shipway_core::{Builder as _, Cancel, CancelReason, ErrorKind, Record, RunContext, Stage};

use crate::{
    bed::{Bed, LONG, file, killed_and_again, request, said},
    build::{buildkit, recorded},
    pods::unlike,
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
    let mut gone_at = 0.0;
    let in_the_second_step = async |record: &Record| {
        while said(record).matches("slow").count() < 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        gone_at = uptime(&std::fs::read("/proc/uptime").unwrap());
    };
    let (cx, image, record) = killed_and_again(&bed, &builder, &request, in_the_second_step).await;
    assert!(uptime(&file(&cx, &image, "when").await) < gone_at, "what was done is done");
    assert!(said(&record).contains("slow"), "its log is there");
    bed.down().await;
}

/// Reads `/proc/uptime`, which is the same in a pod.
fn uptime(text: &[u8]) -> f64 {
    let text = String::from_utf8(text.to_vec()).unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}
