//! Builds: what comes out, what is left, and what is said.

use std::sync::Arc;

use shipway_builders::{Kaniko, KanikoConfig};
use shipway_core::{Builder as _, Cancel, CancelReason, ErrorKind, Login, Record, RunContext, Stage, Store};

use crate::{
    bed::{Bed, LONG, file, is_running, killed_and_again, request, said, until},
    pods::unlike,
};

pub(crate) fn options(bed: &Bed) -> KanikoConfig {
    KanikoConfig::new(bed.place()).image(&*bed.image).init_image(bed.base()).insecure_registry(&*bed.registry)
}

fn kaniko(options: KanikoConfig) -> Kaniko {
    Kaniko::new(options).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_built_in_a_pod_and_nothing_is_left() {
    let Some(bed) = Bed::up("kaniko", "an_image_is_built_in_a_pod_and_nothing_is_left").await else { return };
    let dockerfile = format!(
        "FROM {} AS first\nARG WORD\nRUN echo \"$WORD\" > /word\nCOPY data /data\n\
         FROM {}\nCOPY --from=first /word /data/large /\nCMD [\"/x\"]\n",
        bed.base(),
        bed.base()
    );
    // More than a piece, and not alike.
    let large: String = (0..900_000).map(|number| format!("{number}\n")).collect();
    bed.write(&[("Dockerfile", &dockerfile), ("data/large", &large), ("unused", "x")]);
    let (cx, target) = (bed.context(), bed.target());
    let own = options(&bed).build_arg("WORD", "it's $(HOSTNAME) $$");
    let image = kaniko(own).build(&cx, &request(target.clone())).await.unwrap();
    let found = cx.images().find(&cx, &Store::Registry, &target.reference()).await.unwrap().unwrap();
    assert_eq!((&found.digest, &image.store), (&image.digest, &Store::Registry));
    assert_eq!(file(&cx, &image, "word").await, b"it's $(HOSTNAME) $$\n");
    assert_eq!(file(&cx, &image, "large").await, large.as_bytes());
    bed.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_build_names_the_tool_and_keeps_its_end() {
    let Some(bed) = Bed::up("kaniko", "a_failed_build_names_the_tool_and_keeps_its_end").await else {
        return;
    };
    bed.write(&[("Dockerfile", &format!("FROM {}\nRUN echo last words >&2 && exit 7\n", bed.base()))]);
    let error = kaniko(options(&bed)).build(&bed.context(), &request(bed.target())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ToolFailed);
    let text = error.report().to_string();
    assert!(text.contains("`kaniko`") && text.contains("last words"), "{text}");
    // An image that is not there is not waited for until the end.
    let own = options(&bed).image(format!("{}/no/such:image", bed.registry));
    let building = async { kaniko(own).build(&bed.context(), &request(bed.target())).await };
    let error = tokio::time::timeout(LONG, building).await.unwrap().unwrap_err();
    assert!(error.report().to_string().contains("no/such"), "{error:?}");
    bed.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_build_leaves_no_pod_and_no_secret() {
    let Some(bed) = Bed::up("kaniko", "a_cancelled_build_leaves_no_pod_and_no_secret").await else { return };
    bed.write(&[("Dockerfile", &format!("FROM {}\nRUN sleep 1000\n", bed.base()))]);
    let credentials = bed.credentials().login(&*bed.registry, Login::new("somebody", "the very secret key"));
    let cancel = Cancel::new();
    let world = bed.world().credentials(credentials);
    let cx = RunContext::new(world, unlike("cancel")).context(None, None, cancel.clone());
    let (builder, request) = (kaniko(options(&bed)), request(bed.target()));
    let stopping = async {
        let pod = until(&bed, "Pod", is_running).await;
        let secret = until(&bed, "Secret", |_| true).await;
        assert_eq!(secret["metadata"]["ownerReferences"][0]["kind"], "Job");
        assert_eq!(pod["metadata"]["ownerReferences"][0]["kind"], "Job");
        assert!(!pod.to_string().contains("the very secret key"), "{pod}");
        cancel.escalate(Stage::Forced, CancelReason::Asked);
    };
    let both = async { tokio::join!(builder.build(&cx, &request), stopping).0 };
    let error = tokio::time::timeout(LONG, both).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error:?}");
    bed.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_whose_process_is_gone_is_found_again() {
    let Some(bed) = Bed::up("kaniko", "a_build_whose_process_is_gone_is_found_again").await else { return };
    bed.write(&[("Dockerfile", &format!("FROM {}\nRUN sleep 3; date > /when\n", bed.base()))]);
    let request = request(bed.target());
    let builder = kaniko(options(&bed));
    let (.., record) = killed_and_again(&bed, &builder, &request, async |_| {}).await;
    assert!(said(&record).contains("sleep 3"), "its whole log is there");
    bed.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_goes_into_a_secret_and_nowhere_else() {
    let Some(bed) = Bed::up("kaniko", "a_login_goes_into_a_secret_and_nowhere_else").await else { return };
    let Ok(host) = std::env::var("SHIPWAY_KUBE_REGISTRY_AUTH") else {
        crate::skip::skip(
            "kaniko::a_login_goes_into_a_secret_and_nowhere_else",
            "SHIPWAY_KUBE_REGISTRY_AUTH",
        );
        return bed.down().await;
    };
    bed.write(&[("Dockerfile", &format!("FROM {}\nCOPY Dockerfile /\n", bed.base()))]);
    let mut target = bed.target();
    target.repository = format!("{host}/{}", unlike("kaniko/closed"));
    let record = Arc::new(Record::new());
    let credentials = bed.credentials().login(&*host, Login::new("shipway", "correct horse"));
    let world = bed.world().credentials(credentials).sink(Arc::<Record>::clone(&record));
    let cx = RunContext::new(world, unlike("login")).context(None, None, Cancel::new());
    let own = options(&bed).insecure_registry(&*host);
    let image = kaniko(own.clone()).build(&cx, &request(target.clone())).await.unwrap();
    let found = cx.images().find(&cx, &Store::Registry, &target.reference()).await.unwrap().unwrap();
    assert_eq!(found.digest, image.digest);
    assert!(!said(&record).contains("correct horse"));
    // Without the login it is refused, and not built for nothing.
    let mut other = target;
    other.repository = format!("{host}/{}", unlike("kaniko/closed"));
    let error = kaniko(own).build(&bed.context(), &request(other)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ToolFailed, "{error:?}");
    bed.down().await;
}
