//! Commands in pods.

use std::{path::PathBuf, time::Duration};

use shipway_cluster::Api;
use shipway_core::{
    Cancel, Command, ErrorKind, Mount, MountSource, RunContext, RunRequest, Runner as _, SecretId, Tree,
    Volume, World,
};
use shipway_testkit::{Verdict, at_once};

use crate::bed::Bed;

/// What is looked at in the end is all that a namespace has: who runs at once has one each.
#[test]
fn the_runner_keeps_its_contract() {
    const AT_ONCE: usize = 4;
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (mut beds, mut groups) = (Vec::new(), Vec::new());
    for group in 0..AT_ONCE {
        let Some(bed) = runtime.block_on(Bed::up("the_runner_keeps_its_contract")) else { return };
        runtime.block_on(bed.offer_volumes(8));
        let (options, around, looked) = (bed.options().volume_claim(bed.claim()), bed.clone(), bed.clone());
        let suite =
            shipway_testkit::runner(move || shipway_runners::KubernetesJob::new(options.clone()).unwrap())
                .image(runtime.block_on(bed.image()))
                .deadline(Duration::from_secs(300))
                .world(move |world| around.around(world))
                .left(move || {
                    let bed = looked.clone();
                    async move { bed.left().await }
                });
        let of_group = suite.trials().into_iter().enumerate().filter(|(number, _)| number % AT_ONCE == group);
        groups.push(of_group.map(|(_, trial)| trial).collect());
        beds.push(bed);
    }
    for outcome in at_once(groups) {
        assert_eq!(outcome.result, Verdict::Holds, "{outcome}");
    }
    for bed in beds {
        runtime.block_on(bed.down());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_sees_secrets_texts_and_the_image_as_it_should() {
    let Some(bed) = Bed::up("a_command_sees_secrets_texts_and_the_image_as_it_should").await else { return };
    let cx = bed.context(bed.credentials().secret("key", "the very secret key"));
    let secret = SecretId::parse("key").unwrap();
    let script = "cat /run/key /etc/shipway/text; stat -L -c '%a' /run/key /etc/shipway/text; pwd; echo \"$1 $KEY\"; \
                  printf done > /tmp/result; ls /var/run/secrets 2>/dev/null; true";
    let command = Command::new("sh")
        .args(["-c", script, "sh", "it's $(HOSTNAME) $$"].map(str::to_owned))
        .secrets([("KEY".to_owned(), secret.clone())])
        .dir(PathBuf::from("/etc"))
        .capture(true);
    let mounts = [
        Mount::new(MountSource::Secret(secret), "/run/key"),
        Mount::new(MountSource::Text("a text\n".to_owned()), "/etc/shipway/text"),
    ];
    let request =
        RunRequest::new(command).image(bed.image().await).mounts(mounts).result(PathBuf::from("/tmp/result"));
    let exit = bed.runner().run(&cx, &request).await.unwrap();
    let expected = "the very secret keya text\n400\n444\n/etc\nit's $(HOSTNAME) $$ the very secret key\n";
    assert_eq!((exit.stdout.as_str(), exit.result.as_deref()), (expected, Some("done")), "{}", exit.stderr);

    // An empty program is the image's own; a volume is refused.
    let request = RunRequest::new(Command::new("").args(["echo".to_owned(), "ran".to_owned()]))
        .image(bed.image().await);
    let exit = bed.runner().run(&cx, &request).await;
    assert!(exit.is_ok_and(|exit| exit.code == 0));
    let error = bed.runner().open(&cx, &Volume::new("work")).await.unwrap_err();
    assert!(
        error.kind() == ErrorKind::Unsupported && format!("{error:?}").contains("volumeClaim"),
        "{error:?}"
    );
    bed.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_of_several_pieces_goes_there_and_back_and_one_that_was_not_filled_is() {
    let test = "a_volume_of_several_pieces_goes_there_and_back_and_one_that_was_not_filled_is";
    let Some(bed) = Bed::up(test).await else { return };
    bed.offer_volumes(1).await;
    let folder = tempfile::tempdir().unwrap();
    // No two pieces of 4 MiB are alike.
    let big: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_be_bytes).collect();
    std::fs::create_dir(folder.path().join("in")).unwrap();
    std::fs::write(folder.path().join("in/big"), &big).unwrap();
    let world = World::host(folder.path()).credentials(bed.credentials()).images(bed.images());
    let cx = RunContext::new(world, "volumes").context(None, None, Cancel::new());
    let runner = shipway_runners::KubernetesJob::new(bed.options().volume_claim(bed.claim())).unwrap();
    let volume = Volume::new("work").from(Tree::new("in")).into(PathBuf::from("back"));
    let mount = || [Mount::new(MountSource::Volume("work".to_owned()), "/work")];
    let script =
        Command::new("sh").args(["-c", "cp /work/big /work/copy && wc -c < /work/copy"].map(str::to_owned));
    let request = RunRequest::new(script.capture(true)).image(bed.image().await).mounts(mount());
    let error = runner.run(&cx, &request).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Config && error.to_string().contains("not open"), "{error:?}");

    runner.open(&cx, &volume).await.unwrap();
    // As one is left by a process that was killed between making and filling it.
    let claims = bed.list("PersistentVolumeClaim").await;
    let mut claim = claims[0].clone();
    assert_eq!(claim["metadata"]["annotations"]["dev.shipway/filled"], "true", "{claim}");
    claim["metadata"]["annotations"]["dev.shipway/filled"] = "false".into();
    bed.cluster.update(&cx, "test", &claim).await.unwrap();
    runner.open(&cx, &volume).await.unwrap();
    let exit = runner.run(&cx, &request).await.unwrap();
    assert_eq!((exit.code, exit.stdout.trim()), (0, big.len().to_string().as_str()), "{}", exit.stderr);
    runner.close(&cx, &volume).await.unwrap();
    for name in ["big", "copy"] {
        assert!(std::fs::read(folder.path().join("back").join(name)).unwrap() == big, "{name}");
    }
    bed.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_no_node_takes_says_so_until_its_time_is_over() {
    let Some(bed) = Bed::up("a_command_that_no_node_takes_says_so_until_its_time_is_over").await else {
        return;
    };
    let runner =
        shipway_runners::KubernetesJob::new(bed.options().node_selector("shipway.example/none", "such"))
            .unwrap();
    let cx = bed.context(bed.credentials()).within(Some(Duration::from_secs(6)));
    let request = RunRequest::new(Command::new("true")).image(bed.image().await);
    let error = runner.run(&cx, &request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
    assert!(error.report().to_string().contains("node"), "{error:?}");
    bed.down().await;
}
