//! A pipeline with a world of its own around it.

use std::{fs, path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use serde_json::json;
use shipway::{
    Artifact, Build, Cancel, Catalog, Clock, Deploy, DiskCache, Driver, Error, HostDisk, Outcome, Part,
    Pipeline, PluginConfig, Release, Report, Result, SystemClock, Tag, TagRequest, Tagger, Timestamp, World,
    cluster::MemoryCluster, deployers::Memory, oci::Registry,
};

/// A clock whose calendar stands still, and whose pauses are real.
#[derive(Debug)]
struct Stopped(Timestamp, SystemClock);

#[async_trait]
impl Clock for Stopped {
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

/// Tags an image with the team that the environment names.
#[derive(Debug, serde::Deserialize)]
struct Team {}

impl PluginConfig for Team {
    const KIND: &'static str = "team";
    type Plugin = Self;

    fn into_plugin(self, _catalog: &Catalog) -> Result<Self> {
        Ok(self)
    }
}

#[async_trait]
impl Tagger for Team {
    fn needs_fingerprint(&self) -> bool {
        false
    }

    async fn tag(&self, cx: &shipway::Context, _request: &TagRequest) -> Result<Tag> {
        Tag::parse(cx.env("TEAM").unwrap_or("nobody"))
    }
}

pub(crate) struct Side {
    pub(crate) name: String,
    tag: String,
    pipeline: Pipeline,
    driver: Driver,
    _registry: Registry,
}

impl Side {
    /// Returns a side below a folder, whose images are tagged by the tagger of this kind.
    pub(crate) async fn new(folder: &Path, name: &str, now: Timestamp, tagger: &str) -> Result<Self> {
        let folder = folder.join(name);
        let failed = |error| Error::io("write", &folder, error);
        fs::create_dir_all(folder.join("web")).map_err(failed)?;
        fs::write(
            folder.join("web/Dockerfile"),
            "FROM scratch\nCOPY --chmod=755 page /page\nENTRYPOINT [\"/page\"]\n",
        )
        .map_err(failed)?;
        fs::write(folder.join("web/page"), name).map_err(failed)?;
        let registry = Registry::start(folder.join("registry"), Arc::new(HostDisk)).await?;
        let (mut catalog, mut options) = (shipway::catalog(), serde_json::Map::new());
        if tagger == "team" {
            catalog = catalog.with_tagger::<Team>();
        } else {
            options.insert("format".to_owned(), json!("2006-01-02"));
            options.insert("timezone".to_owned(), json!("UTC"));
        }
        let native = catalog.builder(&Part::new("native"))?;
        let web = Build::new(Artifact::new("web", "web"), format!("{}/web", registry.host()), native)
            .tagger(catalog.tagger(&Part::new(tagger).options(options))?);
        let shop = Deploy::new(Release::new("shop"), Arc::new(Memory::new(MemoryCluster::new())));
        let world: World = shipway::host(&folder)
            .env([("TEAM".to_owned(), format!("team-{name}"))])
            .clock(Stopped(now, SystemClock::new()))
            .cache(DiskCache::new(Arc::new(HostDisk), folder.join("cache")));
        let tag = match tagger {
            "team" => format!("team-{name}"),
            _ => now.to_string()[..10].to_owned(),
        };
        Ok(Self {
            name: name.to_owned(),
            tag,
            pipeline: Pipeline::new(name).build(web).deploy(shop),
            driver: Driver::new(world),
            _registry: registry,
        })
    }

    pub(crate) async fn run(&self) -> Result<Report> {
        self.driver.run(&self.pipeline, &Cancel::new()).await?.into_result()
    }

    /// Checks that all of it is this side's own.
    pub(crate) fn check(&self, report: &Report) -> Result<()> {
        let tag = report.image("web").and_then(|image| image.tag.as_ref()).map(Tag::as_str);
        let built = report.task("build:web") == Some(&Outcome::Succeeded);
        if tag == Some(self.tag.as_str())
            && built
            && report.state.pipeline == self.name
            && report.deployment("shop").is_some()
        {
            return Ok(());
        }
        Err(Error::internal(format!("`{}` is mixed up: its tag is {tag:?}\n{report}", self.name)))
    }

    /// Checks that it has been built before, here.
    pub(crate) fn check_reused(&self, report: &Report) -> Result<()> {
        match report.task("build:web") {
            Some(Outcome::Reused) => Ok(()),
            other => {
                Err(Error::internal(format!("`{}` did not find what it had built: {other:?}", self.name)))
            }
        }
    }
}
