//! The runner `docker` in the engine of the bed.

use shipway_core::{
    Cancel, CancelReason, Command, ErrorKind, FixedCredentials, Mount, MountSource, RunContext, RunRequest,
    Runner, SecretId, Stage, Target, Volume,
};
use shipway_docker::{ContainerSpec, DaemonStores};
use shipway_oci::Stores;
use shipway_runners::{Docker, DockerConfig};
use shipway_testkit::Verdict;

use crate::bed::{Bed, context, unlike};

fn runner(bed: &Bed) -> Docker {
    Docker::new(DockerConfig::default().endpoint(bed.endpoint.clone()).network("none")).unwrap()
}

/// Returns what the engine holds of ours: of runs whose id begins like this.
async fn left(bed: &Bed, run: &str) -> Vec<String> {
    let cx = bed.context();
    let ours = |labels: &std::collections::BTreeMap<String, String>| {
        labels.get("dev.shipway.run").is_some_and(|id| id.starts_with(run))
    };
    let containers = bed.daemon.labelled_containers(&cx, "dev.shipway.run").await.unwrap();
    let volumes = bed.daemon.labelled_volumes(&cx, "dev.shipway.run").await.unwrap();
    containers.into_iter().chain(volumes).filter(|(_, labels)| ours(labels)).map(|(id, _)| id).collect()
}

#[test]
fn the_runner_keeps_its_contract() {
    let Some(bed) = Bed::find("the_runner_keeps_its_contract") else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let base = runtime.block_on(bed.base());
    let (endpoint, looked) = (bed.endpoint.clone(), bed.endpoint.clone());
    let suite = shipway_testkit::runner(move || {
        Docker::new(DockerConfig::default().endpoint(endpoint.clone()).network("none")).unwrap()
    })
    .image(base)
    .deadline(std::time::Duration::from_secs(120))
    .world(|world| world.images(DaemonStores::new(Stores::new())))
    .left(move || {
        let endpoint = looked.clone();
        async move {
            let daemon = shipway_docker::Daemon::open(&endpoint).unwrap();
            let cx = context(shipway_core::World::host("/"));
            let containers = daemon.labelled_containers(&cx, "dev.shipway.run").await.unwrap();
            let ours = |labels: &std::collections::BTreeMap<String, String>| {
                labels.get("dev.shipway.run").is_some_and(|run| run.starts_with("conformance"))
            };
            containers.into_iter().filter(|(_, labels)| ours(labels)).map(|(id, _)| id).collect()
        }
    });
    for outcome in suite.check_all() {
        assert_eq!(outcome.result, Verdict::Holds, "{outcome}");
    }
    assert_eq!(runtime.block_on(left(&bed, "conformance")), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_sees_secrets_texts_and_the_image_as_it_should() {
    let Some(bed) = Bed::find("a_command_sees_secrets_texts_and_the_image_as_it_should") else { return };
    let base = bed.base().await;
    let secret = SecretId::parse("key").unwrap();
    let world = bed.world().credentials(FixedCredentials::new().secret("key", "the very secret key"));
    let (run, cx) = {
        let run = unlike("mounts");
        (run.clone(), RunContext::new(world, run).context(None, None, Cancel::new()))
    };
    let script = "cat /run/key /etc/shipway/text; stat -c '%a %u' /run/key /etc/shipway/text; pwd; id -u; \
                  printf done > /tmp/result; cat /proc/net/dev | grep -c eth0";
    let mounts = [
        Mount::new(MountSource::Secret(secret), "/run/key"),
        Mount::new(MountSource::Text("a text\n".to_owned()), "/etc/shipway/text"),
    ];
    let command = Command::new("sh")
        .args(["-c".to_owned(), script.to_owned()])
        .dir(std::path::PathBuf::from("/etc"))
        .capture(true);
    let request = RunRequest::new(command)
        .image(base.clone())
        .mounts(mounts)
        .result(std::path::PathBuf::from("/tmp/result"));
    let user =
        Docker::new(DockerConfig::default().endpoint(bed.endpoint.clone()).network("none").user("1000"))
            .unwrap();
    let exit = user.run(&cx, &request).await.unwrap();
    let expected = "the very secret keya text\n400 1000\n444 1000\n/etc\n1000\n0\n";
    assert_eq!((exit.stdout.as_str(), exit.result.as_deref()), (expected, Some("done")), "{}", exit.stderr);

    // An empty program is the image's own.
    let request = RunRequest::new(Command::new("")).image(base);
    let exit = runner(&bed).run(&cx, &request).await.unwrap();
    assert_eq!(exit.code, 0);
    assert_eq!(left(&bed, &run).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_of_a_layout_is_brought_to_the_engine() {
    let Some(bed) = Bed::find("an_image_of_a_layout_is_brought_to_the_engine") else { return };
    let (cx, base) = (bed.context(), bed.base().await);
    let layout = shipway_core::Store::Layout(bed.folder.path().join("layout"));
    let target = Target::new(layout, unlike("test/run"), shipway_core::Tag::parse("1").unwrap());
    let image = cx.images().copy(&cx, &base, &target).await.unwrap();
    let command = Command::new("echo").args(["ran".to_owned()]).capture(true);
    let exit = runner(&bed).run(&cx, &RunRequest::new(command).image(image.clone())).await.unwrap();
    assert_eq!(exit.stdout, "ran\n");
    for tag in ["shipway-run", base.digest.hex()] {
        bed.daemon.untag_image(&format!("{}:{tag}", image.repository)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_process_left_is_found_by_its_run() {
    let Some(bed) = Bed::find("what_a_killed_process_left_is_found_by_its_run") else { return };
    let base = bed.base().await;
    let run = unlike("killed");
    let cx = RunContext::new(bed.world(), run.clone()).context(None, None, Cancel::new());
    runner(&bed).open(&cx, &Volume::new("work")).await.unwrap();
    let mut spec = ContainerSpec::new(base.digest.to_string());
    spec.args = vec!["sleep".to_owned(), "1000".to_owned()];
    spec.labels = [("dev.shipway.run".to_owned(), run.clone())].into();
    let id = bed.daemon.create_container(&cx, &spec).await.unwrap();
    bed.daemon.start_container(&cx, &id).await.unwrap();
    assert_eq!(left(&bed, &run).await.len(), 2);
    assert_eq!(runner(&bed).remove_leftovers(&cx, &run).await.unwrap(), 2);
    assert_eq!(left(&bed, &run).await, Vec::<String>::new());
    assert_eq!(runner(&bed).remove_leftovers(&cx, &run).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_is_dropped_leaves_no_container() {
    let Some(bed) = Bed::find("a_command_that_is_dropped_leaves_no_container") else { return };
    let base = bed.base().await;
    let run = unlike("dropped");
    let cancel = Cancel::new();
    let cx = RunContext::new(bed.world(), run.clone()).context(None, None, cancel.clone());
    let command = Command::new("sleep").args(["1000".to_owned()]);
    let (runner, request) = (runner(&bed), RunRequest::new(command).image(base));
    // More than once: the engine may have made it, and not have said so yet.
    for _ in 0..8 {
        let started = async {
            while left(&bed, &run).await.is_empty() {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            result = runner.run(&cx, &request) => panic!("{result:?}"),
            () = started => {}
        }
        let gone = async {
            let mut look = tokio::time::interval(std::time::Duration::from_millis(50));
            while !left(&bed, &run).await.is_empty() {
                look.tick().await;
            }
        };
        let gone = tokio::time::timeout(std::time::Duration::from_secs(120), gone);
        gone.await.expect("the container is removed");
    }
    cancel.escalate(Stage::Forced, CancelReason::Asked);
    let error = runner.run(&cx, &request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
}
