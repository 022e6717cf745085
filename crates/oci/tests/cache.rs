//! The cache in a registry: what is put is got by others, what somebody else put there is not, and whatever the
//! registry does, a run goes on.

mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use shipway_core::{
    Artifact, Build, BuildRequest, Builder, Cache, Cancel, Capabilities, Context, Driver, ErrorKind,
    EventKind, FixedCredentials, Image, Inputs, Level, Login, MemoryCache, Outcome, Pipeline, Record, Result,
    RunOutcome, StoreKind, Tag, World, WrittenThrough,
};
use shipway_oci::{
    Client, Compression, Descriptor, Distribution, Fault, ImageConfig, Label, LayerEntry, RegistryCache,
    RemoteRepository, Stores, write_image, write_layer,
};
use support::{
    OCI_INDEX, OCI_MANIFEST, Server, context, context_with, descriptor, impatient, noise, registry,
    registry_with, reply,
};

const KEY: &str = "1 image of 2f in web for linux/amd64";

fn cache(host: &str) -> RegistryCache {
    RegistryCache::new(impatient(), format!("{host}/team/cache"))
}

fn repository(cx: &Context, host: &str) -> RemoteRepository {
    Client::new().repository(cx, &format!("{host}/team/cache")).expect("a name")
}

/// Returns the only tag of the cache, and its manifest.
async fn only(cx: &Context, host: &str) -> (Tag, serde_json::Value) {
    let listed = support::raw(host, "GET", "/v2/team/cache/tags/list", &[], b"").await.json();
    let tags: Vec<String> = serde_json::from_value(listed["tags"].clone()).expect("tags");
    let [tag] = &tags[..] else { panic!("{tags:?}") };
    let tag = Tag::parse(tag.as_str()).expect("a tag");
    let manifest = repository(cx, host).manifest(&Label::Tag(tag.clone())).await.expect("asked");
    (tag, serde_json::from_slice(&manifest.expect("there").bytes).expect("JSON"))
}

#[tokio::test]
async fn what_was_put_is_got_and_replaced() {
    let (registry, _folder) = registry().await;
    let (cx, host) = (context(), registry.host());
    assert_eq!(cache(&host).get(&cx, KEY).await.expect("asked"), None);
    for value in [Bytes::from_static(b"{}"), Bytes::new(), noise(1, 3 << 20).into()] {
        cache(&host).put(&cx, KEY, value.clone()).await.expect("put");
        // The same again is fine, and others see it too.
        cache(&host).put(&cx, KEY, value.clone()).await.expect("put again");
        assert_eq!(cache(&host).get(&cx, KEY).await.expect("asked"), Some(value));
    }
    assert_eq!(cache(&host).get(&cx, "another key").await.expect("asked"), None);
    let (tag, manifest) = only(&cx, &host).await;
    assert!(tag.as_str().starts_with("cache-") && tag.as_str().len() >= 38, "{tag}");
    assert_eq!(manifest["artifactType"], "application/vnd.shipway.cache.v1");
    assert_eq!(manifest["config"]["mediaType"], "application/vnd.oci.empty.v1+json");
    assert_eq!(manifest["annotations"]["dev.shipway.cache.key"], KEY);
    let huge = Bytes::from(vec![0; (64 << 20) + 1]);
    assert_eq!(cache(&host).put(&cx, KEY, huge).await.unwrap_err().kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn puts_at_the_same_time_leave_one_of_them() {
    let (registry, _folder) = registry().await;
    let (cx, host) = (context(), registry.host());
    let values: Vec<Bytes> = (0..8).map(|seed| noise(seed, 100_000).into()).collect();
    let mut putting = tokio::task::JoinSet::new();
    for value in values.clone() {
        let (cx, cache) = (cx.clone(), cache(&host));
        putting.spawn(async move { cache.put(&cx, KEY, value).await });
    }
    putting.join_all().await.into_iter().for_each(|put| put.expect("put"));
    let got = cache(&host).get(&cx, KEY).await.expect("asked").expect("there");
    assert!(values.contains(&got));
}

/// Puts a manifest in the place of a value's.
async fn swap(cx: &Context, host: &str, tag: &Tag, manifest: &serde_json::Value) {
    let bytes = Bytes::from(manifest.to_string());
    repository(cx, host).write_manifest(OCI_MANIFEST, bytes, Some(tag)).await.expect("written");
}

#[tokio::test]
async fn what_is_not_the_value_of_the_key_is_as_if_it_were_not_there() {
    let (registry, _folder) = registry().await;
    let (cx, host) = (context(), registry.host());
    let cache = cache(&host);
    cache.put(&cx, KEY, Bytes::from_static(b"value")).await.expect("put");
    let (tag, fine) = only(&cx, &host).await;
    let with = |pointer: &str, value: serde_json::Value| {
        let mut changed = fine.clone();
        *changed.pointer_mut(pointer).expect("there") = value;
        changed
    };
    let twice = serde_json::json!([fine["layers"][0], fine["layers"][0]]);
    for (name, manifest, value) in [
        ("fine", fine.clone(), Some("value")),
        ("an image", with("/artifactType", serde_json::Value::Null), None),
        ("another artifact", with("/artifactType", "application/vnd.shipway.cache.v2".into()), None),
        ("another key's", with("/annotations/dev.shipway.cache.key", "another key".into()), None),
        ("no key's", with("/annotations", serde_json::json!({})), None),
        ("no annotations", with("/annotations", serde_json::Value::Null), None),
        ("no layer", with("/layers", serde_json::json!([])), None),
        ("two layers", with("/layers", twice), None),
        ("fine again", fine.clone(), Some("value")),
    ] {
        swap(&cx, &host, &tag, &manifest).await;
        let got = cache.get(&cx, KEY).await.unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert_eq!(got.as_deref(), value.map(str::as_bytes), "{name}");
    }
    let index = serde_json::json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []});
    let index = Bytes::from(index.to_string());
    repository(&cx, &host).write_manifest(OCI_INDEX, index, Some(&tag)).await.expect("written");
    assert_eq!(cache.get(&cx, KEY).await.expect("asked"), None);
}

#[tokio::test]
async fn what_is_damaged_or_too_large_is_not_there_and_nothing_of_it_is_read() {
    let cx = context();
    let manifest = |size: u64| {
        let config = descriptor("application/vnd.oci.empty.v1+json", b"{}");
        let part = |part: &Descriptor, size: u64| serde_json::json!({"mediaType": "x", "digest": part.digest, "size": size});
        let value = descriptor("x", b"value");
        serde_json::json!({
            "schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": "application/vnd.shipway.cache.v1",
            "config": part(&config, 2), "layers": [part(&value, size)],
            "annotations": {"dev.shipway.cache.key": KEY},
        })
        .to_string()
    };
    for (name, manifest, blob, value) in [
        ("fine", manifest(5), &b"value"[..], Some("value")),
        ("other content", manifest(5), b"eulav", None),
        ("longer", manifest(5), b"value and more", None),
        ("too large", manifest((64 << 20) + 1), b"value", None),
        ("no JSON", "value".to_owned(), b"value", None),
    ] {
        let server = Server::start(move |_, seen| match seen.path.contains("/manifests/") {
            true => reply(200, &[("content-type", OCI_MANIFEST)], manifest.clone()),
            false => reply(200, &[], blob),
        })
        .await;
        let got = cache(&server.host).get(&cx, KEY).await.unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert_eq!(got.as_deref(), value.map(str::as_bytes), "{name}");
        let too_large = name == "too large";
        assert!(!too_large || server.seen().iter().all(|seen| !seen.path.contains("/blobs/")));
    }
}

#[tokio::test]
async fn it_logs_in_as_all_else_does() {
    let (registry, _folder) = registry_with(|builder| builder.login("me", "password")).await;
    let host = registry.host();
    let login = |password: &str| {
        let credentials = FixedCredentials::new().login(&host, Login::new("me", password));
        context_with(credentials, Cancel::new())
    };
    cache(&host).put(&login("password"), KEY, Bytes::from_static(b"value")).await.expect("put");
    for cx in [login("wrong"), context()] {
        assert_eq!(cache(&host).get(&cx, KEY).await.unwrap_err().kind(), ErrorKind::Auth);
    }
}

/// Builds an image of one file, and counts.
#[derive(Debug, Default)]
struct Counting(AtomicU32);

#[async_trait]
impl Builder for Counting {
    fn capabilities(&self) -> Capabilities {
        Capabilities::new().version("counting 1").writes([StoreKind::Registry])
    }

    async fn inputs(&self, _cx: &Context, _artifact: &Artifact) -> Result<Inputs> {
        let mut inputs = Inputs::default();
        inputs.facts.insert("content".to_owned(), "1".to_owned());
        Ok(inputs)
    }

    async fn build(&self, cx: &Context, request: &BuildRequest) -> Result<Image> {
        self.0.fetch_add(1, Ordering::SeqCst);
        let to = &request.target;
        let place = Stores::new().open(cx, &to.store, &to.repository)?;
        let entries = vec![LayerEntry::bytes("file", "content")];
        let layer = write_layer(cx, entries, Compression::gzip(1))?.write_to(place.as_ref()).await?;
        let mut config = ImageConfig::new(shipway_core::Platform::new("linux", "amd64"));
        config.add_layer(layer.diff_id.clone(), shipway_oci::History::default());
        let digest = write_image(place.as_ref(), &config, vec![layer.descriptor()], Some(&to.tag)).await?;
        let name = request.artifact.name.as_str();
        Ok(Image::new(name, to.store.clone(), to.repository.as_str(), digest).tag(to.tag.clone()))
    }
}

/// Longer than a busy machine takes for anything.
const LONG: Duration = Duration::from_secs(60);

/// What one machine did: how often it built, how the run ended, and which warnings there were.
async fn machine(
    images: &str,
    far: Arc<dyn Cache>,
    patience: Duration,
) -> (u32, Option<Outcome>, Vec<String>) {
    let (builder, record) = (Arc::new(Counting::default()), Arc::new(Record::new()));
    let counted = Arc::<Counting>::clone(&builder);
    let pipeline = Pipeline::new("shop").build(Build::new(
        Artifact::new("web", "."),
        format!("{images}/shop/web"),
        builder,
    ));
    // A near cache of its own, which has nothing yet.
    let cache = WrittenThrough::new(Arc::new(MemoryCache::new()), far).patience(patience);
    let sink = Arc::<Record>::clone(&record);
    let driver = Driver::new(World::host("/").images(Stores::new()).sink(sink)).cache(Arc::new(cache));
    let report = driver.run(&pipeline, &Cancel::new()).await.expect("a report");
    assert_eq!(report.outcome, RunOutcome::Succeeded, "{report}");
    let warnings = record.events().into_iter().filter_map(|event| match event.kind {
        EventKind::Message { level: Level::Warning, text } => Some(text),
        _ => None,
    });
    (counted.0.load(Ordering::SeqCst), report.task("build:web").cloned(), warnings.collect())
}

#[tokio::test]
async fn what_one_machine_built_another_does_not() {
    let (registry, _folder) = registry().await;
    let host = registry.host();
    let far = || Arc::new(cache(&host));
    assert_eq!(machine(&host, far(), LONG).await, (1, Some(Outcome::Succeeded), Vec::new()));
    assert_eq!(machine(&host, far(), LONG).await, (0, Some(Outcome::Reused), Vec::new()));
    // And with a cache of its own alone it would.
    let alone = Arc::new(MemoryCache::new());
    assert_eq!(machine(&host, alone, LONG).await.0, 1);
}

#[tokio::test]
async fn a_registry_that_fails_or_hangs_keeps_nobody_from_building() {
    let (images, _folder) = registry().await;
    let (broken, _broken) = registry_with(|builder| builder.faults(|_| Some(Fault::Status(503)))).await;
    let (cut, _cut) = registry_with(|builder| builder.faults(|_| Some(Fault::Hangup))).await;
    let (refusing, _refusing) = registry_with(|builder| builder.login("me", "password")).await;
    let silent = Server::start(|_, _| reply(200, &[(support::SILENT, "1")], "")).await;
    for host in [broken.host(), cut.host(), refusing.host(), silent.host.clone(), "127.0.0.1:1".to_owned()] {
        let short = Duration::from_millis(300);
        let (built, outcome, warnings) = machine(&images.host(), Arc::new(cache(&host)), short).await;
        assert_eq!((built, outcome), (1, Some(Outcome::Succeeded)), "{host}");
        assert!((1..=3).contains(&warnings.len()), "{warnings:?}");
        assert!(warnings.iter().all(|text| text.starts_with("the shared cache is not ")), "{warnings:?}");
    }
}
