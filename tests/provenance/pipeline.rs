//! A whole pipeline that signs what it builds and deploys only what was signed.

use std::{fs, sync::Arc};

use shipway::{
    Artifact, Build, Cancel, Deploy, Driver, ErrorKind, HostDisk, Outcome, Pipeline, Release, RunOutcome,
    builders::Native,
    cluster::MemoryCluster,
    deployers::Memory,
    oci::{Client, Distribution as _, Registry},
    provenance::{PublicKey, VerifyProvenance, signer_from_pem},
    taggers::InputDigest,
};

use crate::{ED25519, P256, attest, context};

fn key_of(pem: &str) -> PublicKey {
    signer_from_pem(&shipway::Secret::from(pem)).unwrap().public_key().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_else_signed_or_nobody_is_not_deployed() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("web")).unwrap();
    fs::write(
        folder.path().join("web/Dockerfile"),
        "FROM scratch\nCOPY --chmod=755 page /page\nENTRYPOINT [\"/page\"]\n",
    )
    .unwrap();
    fs::write(folder.path().join("web/page"), "one").unwrap();
    let registry = Registry::start(folder.path().join("registry"), Arc::new(HostDisk)).await.unwrap();
    let cluster = MemoryCluster::new();
    let driver = Driver::new(shipway::host(folder.path()));
    let guard = |keys: &[&str]| {
        let guard = VerifyProvenance::new(keys.iter().map(|key| key_of(key))).unwrap();
        Arc::new(guard.builders(["https://ci.example/v1"]).require_sbom(true))
    };
    let pipeline = |signer: Option<&str>, trusted: &str| {
        let native = Arc::new(Native::new(Default::default()).unwrap());
        let mut web = Build::new(Artifact::new("web", "web"), format!("{}/web", registry.host()), native)
            .tagger(Arc::new(InputDigest));
        if let Some(key) = signer {
            web = web.attester(Some(Arc::new(attest(key)) as _));
        }
        let memory = Arc::new(Memory::new(cluster.clone()));
        let shop = Deploy::new(Release::new("shop"), memory).admission("provenance", guard(&[trusted]));
        Pipeline::new("shop").build(web).deploy(shop)
    };
    let run = async |pipeline: Pipeline| driver.run(&pipeline, &Cancel::new()).await.unwrap();
    let refused = |report: &shipway::Report| match report.task("admit:shop/web/provenance") {
        Some(Outcome::Failed { error }) => {
            assert_eq!(error.kind, ErrorKind::Unhealthy);
            assert!(report.task("diff:shop").is_some_and(|outcome| !outcome.is_good()));
            error.notes.join("\n")
        }
        other => panic!("{other:?}"),
    };

    // Nobody signed it.
    let report = run(pipeline(None, ED25519)).await;
    assert_eq!(report.outcome, RunOutcome::Failed);
    refused(&report);
    // Another signed it than is trusted.
    fs::write(folder.path().join("web/page"), "two").unwrap();
    refused(&run(pipeline(Some(P256), ED25519)).await);
    // Who is trusted did; the second run finds it there.
    fs::write(folder.path().join("web/page"), "three").unwrap();
    run(pipeline(Some(ED25519), ED25519)).await.into_result().unwrap();
    let report = run(pipeline(Some(ED25519), ED25519)).await.into_result().unwrap();
    let image = report.image("web").unwrap();
    let place = Client::new().repository(&context(), &image.repository).unwrap();
    let said = place.referrers(&image.digest, None).await.unwrap();
    assert_eq!(said.len(), 2, "one statement and one bill of materials, once: {said:?}");
}
