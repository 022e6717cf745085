//! F5: connections of which nothing comes any more.

use std::time::{Duration, Instant};

use shipway_core::{Deployer, Desired, ErrorKind};

use crate::{
    proxy::{Asked, Fault},
    stage::{Stage, settings, told},
};

#[tokio::test(flavor = "multi_thread")]
async fn what_never_answers_is_waited_for_until_the_deadline_and_named() {
    const PATIENCE: Duration = Duration::from_secs(1);
    let test = "what_never_answers_is_waited_for_until_the_deadline_and_named";
    let Some((stage, proxy)) = Stage::behind_a_proxy(test).await else { return };
    stage.write(&[settings("one", "blue")]);
    let deployment = stage.release().await.unwrap();
    stage.write(&[settings("one", "red")]);
    let manifests = stage.render().await;
    let desired = Desired::Released { manifests, share: 100 };
    let changes = stage.diff(&desired).await.unwrap();
    let server = proxy.address();
    for fault in [Fault::Silence, Fault::Mute, Fault::Drip] {
        for stage_of in ["history", "diff", "apply", "health"] {
            let broken = fault.clone();
            // The lease is had, so that what is applied is what hangs.
            proxy.set(
                move |asked: &Asked| {
                    if asked.is_about("leases") { Fault::None } else { broken.clone() }
                },
            );
            let cx = stage.cx.within(Some(PATIENCE));
            let begun = Instant::now();
            let error = match stage_of {
                "history" => stage.kubectl.history(&cx, "shop").await.map(drop),
                "diff" => stage.kubectl.diff(&cx, &desired).await.map(drop),
                "apply" => stage.kubectl.apply(&cx, &changes).await.map(drop),
                _ => stage.kubectl.health(&cx, &deployment).await.map(drop),
            }
            .unwrap_err();
            let place = format!("{stage_of}, {fault:?}: {}", told(&error));
            assert_eq!(error.kind(), ErrorKind::Timeout, "{place}");
            assert!(told(&error).contains(&server), "{place}");
            let took = begun.elapsed();
            assert!(took >= PATIENCE && took < PATIENCE * 8, "{place}: {took:?}");
            assert_eq!(stage.holder().await, None, "{place}");
        }
    }
    proxy.mend();
    stage.kubectl.apply(&stage.cx, &changes).await.unwrap();
    assert_eq!(stage.changes().await.unwrap(), [""; 0]);
    stage.down().await;
}
