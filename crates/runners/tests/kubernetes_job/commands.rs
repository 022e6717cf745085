//! Commands in pods.

use std::{path::PathBuf, time::Duration};

use shipway_core::{Command, ErrorKind, Mount, MountSource, RunRequest, Runner as _, SecretId, Volume};
use shipway_testkit::Verdict;

use crate::bed::Bed;

#[test]
fn the_runner_keeps_its_contract() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let Some(bed) = runtime.block_on(Bed::up("the_runner_keeps_its_contract")) else { return };
    let image = runtime.block_on(bed.image());
    let (options, looked) = (bed.options(), bed.clone());
    let around = bed.clone();
    let suite =
        shipway_testkit::runner(move || shipway_runners::KubernetesJob::new(options.clone()).unwrap())
            .image(image)
            .deadline(Duration::from_secs(300))
            .world(move |world| around.around(world))
            .left(move || {
                let bed = looked.clone();
                async move { bed.left().await }
            });
    for outcome in suite.check_all() {
        let fine = match outcome.clause {
            "R4" | "R5" => outcome.result == Verdict::NotClaimed,
            _ => outcome.result == Verdict::Holds,
        };
        assert!(fine, "{outcome}");
    }
    runtime.block_on(bed.down());
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
    assert_eq!(error.kind(), ErrorKind::Unsupported);
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
