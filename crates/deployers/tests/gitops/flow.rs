//! The whole flow: what is tried, what is proved, and the way back.

use shipway_core::{Deployer as _, Desired, ErrorKind, Manifests};

use crate::stage::{Stage, TEMPLATE, digest, reference, release};

#[tokio::test]
async fn candidate_is_what_was_tried_and_production_what_was_proved() {
    let stage = Stage::new();
    let gitops = stage.around(stage.memory());
    let first = stage.release(&gitops, 1).await.expect("released");
    assert_eq!(first.revision, stage.environment(&["rev-parse", "candidate"]));
    let file = stage.environment(&["show", "candidate:kubernetes.yaml"]);
    let tagged = "us-central1-docker.pkg.dev/GOOGLE_CLOUD_PROJECT/my-repository/hello-cloudbuild:COMMIT_SHA";
    assert_eq!(file, TEMPLATE.replace(tagged, &reference(1)).trim_end());
    let commit = stage.git("app", &["rev-parse", "HEAD"]);
    let message = format!(
        "Deploying image us-central1-docker.pkg.dev/shop/my-repository/hello-cloudbuild:v1@{}\n\
         Built from commit {commit} of repository app\nAuthor: Ann <ann@example.com>",
        digest(1)
    );
    assert_eq!(stage.environment(&["log", "-1", "--format=%B", "candidate"]), message);
    assert_eq!(stage.environment(&["log", "-1", "--format=%an <%ae>", "candidate"]), "ci <ci@example.com>");
    assert_eq!(stage.environment(&["branch", "--list", "production"]), "", "it was not proved");
    assert_eq!(stage.runs(), reference(1));

    stage.reach(&gitops, Desired::Settled(first.clone())).await.expect("settled");
    let production = stage.environment(&["log", "-1", "--format=%B", "production"]);
    assert_eq!(production, format!("Manifest from commit {}\n{message}", first.revision));
    assert_eq!(stage.environment(&["show", "production:kubernetes.yaml"]), file);

    // A broken version is tried, and never proved.
    let broken = stage.release(&gitops, 2).await.expect("released");
    let history = gitops.history(&stage.cx, "hello").await.expect("known");
    let revisions: Vec<&str> = history.iter().map(|one| one.revision.as_str()).collect();
    assert_eq!(revisions, [&broken.revision, &first.revision]);
    assert_eq!(history[1].manifests.release.images[0].digest, digest(1));

    let restored = stage.reach(&gitops, Desired::Restored(history[1].clone())).await.expect("restored");
    assert_eq!(stage.runs(), reference(1));
    stage.reach(&gitops, Desired::Settled(restored.clone())).await.expect("settled");
    let candidate = stage.log("candidate");
    assert_eq!(candidate.len(), 3, "{candidate:?}");
    assert_eq!(candidate[0], format!("Restoring the manifest of commit {}", first.revision));
    assert_eq!(stage.log("production").len(), 1, "production has what it had");

    // One that was proved, and is gone back from all the same: production says so.
    let third = stage.release(&gitops, 3).await.expect("released");
    stage.reach(&gitops, Desired::Settled(third.clone())).await.expect("settled");
    let back = stage.reach(&gitops, Desired::Restored(restored)).await.expect("restored");
    stage.reach(&gitops, Desired::Settled(back.clone())).await.expect("settled");
    let production = stage.log("production");
    let from = |revision: &str| format!("Manifest from commit {revision}");
    assert_eq!(production, [from(&back.revision), from(&third.revision), from(&first.revision)]);
    assert_eq!(stage.environment(&["fsck", "--strict", "--no-dangling"]), "");

    stage.reach(&gitops, Desired::Absent(back)).await.expect("removed");
    for branch in ["candidate", "production"] {
        assert_eq!(stage.environment(&["ls-tree", branch]), "");
        assert_eq!(stage.log(branch)[0], "Removing release hello");
    }
    assert_eq!(stage.runs(), "");
    assert!(gitops.history(&stage.cx, "hello").await.expect("known").is_empty());
}

#[tokio::test]
async fn what_is_there_already_is_no_commit() {
    let stage = Stage::new();
    let gitops = stage.around(stage.memory());
    let first = stage.release(&gitops, 1).await.expect("released");
    let again = stage.release(&gitops, 1).await.expect("released");
    assert_eq!(again.revision, first.revision);
    for _ in 0..2 {
        stage.reach(&gitops, Desired::Settled(first.clone())).await.expect("settled");
    }
    assert_eq!((stage.log("candidate").len(), stage.log("production").len()), (1, 1));
    let manifests = stage.manifests(&gitops, 1).await;
    let changes = stage.diff(&gitops, Desired::Released { manifests, share: 100 }).await.expect("a diff");
    assert_eq!(changes.changes, []);
}

#[tokio::test]
async fn a_commit_says_when_sources_are_in_none() {
    let stage = Stage::new();
    std::fs::write(stage.path("app/new.txt"), "x").expect("written");
    let gitops = stage.around(stage.memory()).repository("hello-cloudbuild-app");
    stage.release(&gitops, 1).await.expect("released");
    let message = stage.environment(&["log", "-1", "--format=%B", "candidate"]);
    let besides = ", and changes that are in no commit, of repository hello-cloudbuild-app";
    assert!(message.contains(besides), "{message}");
    // Sources in no repository, and in one without a commit.
    for (edition, init) in [(2, false), (3, true)] {
        let bare = stage.path(&format!("bare-{edition}"));
        std::fs::create_dir(&bare).expect("made");
        if init {
            stage.git(&format!("bare-{edition}"), &["init", "-q"]);
        }
        let gitops = stage.around(stage.memory()).source(bare);
        stage.release(&gitops, edition).await.expect("released");
        let message = stage.environment(&["log", "-1", "--format=%B", "candidate"]);
        assert_eq!(message.lines().count(), 1, "{message}");
    }
}

#[tokio::test]
async fn what_is_wrong_in_a_template_is_said_with_its_place() {
    let stage = Stage::new();
    let render = async |template: &str| {
        std::fs::write(stage.path("app/kubernetes.yaml.tpl"), template).expect("written");
        let rendered = stage.around(stage.memory()).render(&stage.cx, &release(1)).await;
        rendered.map(|manifests: Manifests| manifests.objects.len())
    };
    assert_eq!(render(TEMPLATE).await.expect("rendered"), 2);
    for (template, said) in [
        (TEMPLATE.replace("COMMIT_SHA", "COMMIT"), "`COMMIT_SHA` stands in no template"),
        (TEMPLATE.replace("kind: Service", "kind: [Service]"), "kubernetes.yaml.tpl:23:1"),
        (TEMPLATE.replace("  name: hello-cloudbuild\nspec", "spec"), "the object has no `metadata.name`"),
        (TEMPLATE.replace("replicas: 1", "replicas: [1"), "kubernetes.yaml.tpl:"),
    ] {
        let error = render(&template).await.expect_err(said);
        let report = error.report().to_string();
        assert!(error.kind() == ErrorKind::Config && report.contains(said), "{said}: {report}");
    }
}
