//! F8 of the reliability standard: what is built does not depend on when, and what is named by the time is named by
//! the world's clock alone.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "the test prepares real sources and prints its figures"
)]

use std::{collections::BTreeSet, fs, sync::Arc, time::Duration};

use async_trait::async_trait;
use shipway::{
    Artifact, Build, Cancel, Clock, Driver, HostDisk, Pipeline, SystemClock, Tag, Timestamp,
    builders::{Native, NativeConfig},
    oci::Registry,
    taggers::DateTime,
};

/// A clock whose calendar stands still, and whose pauses are real.
#[derive(Debug)]
struct Stands(Timestamp, SystemClock);

#[async_trait]
impl Clock for Stands {
    fn now(&self) -> Timestamp {
        self.0
    }

    fn elapsed(&self) -> Duration {
        self.1.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        self.1.sleep(duration).await;
    }
}

#[tokio::test]
async fn the_same_sources_are_the_same_image_in_every_year_and_tags_tell_the_year() {
    const MOMENTS: [(u64, &str); 6] = [
        (0, "1970-01-01_00-00-00"),
        (1_451_606_400_000, "2016-01-01_00-00-00"),
        (1_767_225_600_000, "2026-01-01_00-00-00"),
        (2_147_483_648_000, "2038-01-19_03-14-08"),
        (2_208_988_799_000, "2039-12-31_23-59-59"),
        (253_370_764_800_000, "9999-01-01_00-00-00"),
    ];
    let folder = tempfile::tempdir().unwrap();
    let (mut digests, mut tags) = (BTreeSet::new(), 0);
    for (at, (moment, tag)) in MOMENTS.into_iter().enumerate() {
        let sources = folder.path().join(at.to_string());
        fs::create_dir_all(sources.join("web/pages")).unwrap();
        fs::write(
            sources.join("web/Dockerfile"),
            "FROM scratch AS first\nCOPY pages /pages\nFROM scratch\nCOPY --from=first /pages /pages\nLABEL a=b\n",
        )
        .unwrap();
        // Written a moment apart, so that also the sources' own times are others.
        fs::write(sources.join("web/pages/index"), "hello").unwrap();
        let registry = Registry::start(sources.join("registry"), Arc::new(HostDisk)).await.unwrap();
        let native = Arc::new(Native::new(NativeConfig::default()).unwrap());
        let web = Build::new(Artifact::new("web", "web"), format!("{}/web", registry.host()), native)
            .tagger(Arc::new(DateTime::new("2006-01-02_15-04-05", "UTC")));
        let world = shipway::host(&sources).clock(Stands(Timestamp(moment), SystemClock::new()));
        let report = Driver::new(world).run(&Pipeline::new("shop").build(web), &Cancel::new()).await.unwrap();
        let report = report.into_result().unwrap();
        let image = report.image("web").unwrap();
        assert_eq!(image.tag.as_ref().map(Tag::as_str), Some(tag));
        digests.insert(image.digest.clone());
        tags += 1;
    }
    println!(
        "F8: built in {} years from 1970 to 9999: {} digest, {tags} of {tags} tags by the world's clock",
        MOMENTS.len(),
        digests.len()
    );
    assert_eq!(digests.len(), 1, "{digests:?}");
}
