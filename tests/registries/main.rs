//! Our client against the registry that everybody runs, docker-registry: plain, with a password, with TLS,
//! and behind a connection that breaks.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "tests of real parts: what fails is the test, and they read what the bed says"
)]

#[path = "../support/skip.rs"]
mod skip;

use std::{
    env, fs,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use shipway_core::{
    Cancel, Context, Credentials, ErrorKind, FixedCredentials, HostDisk, Login, RunContext, Tag, World,
};
use shipway_oci::{
    Client, Compression, Descriptor, Distribution, DockerConfig, HostOptions, ImageConfig, Label, LayerEntry,
    Layout, Registry, RemoteRepository, find_file, media, write_image, write_layer,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::skip::skip;

/// Returns what the bed says, or `None` where it is not there, which is counted for the test.
fn bed(variable: &str, test: &str) -> Option<String> {
    let value = env::var(format!("SHIPWAY_BED_{variable}")).ok().filter(|value| !value.is_empty());
    if value.is_none() {
        skip(&format!("registries::{test}"), &format!("SHIPWAY_BED_{variable}"));
    }
    value
}

fn context(root: impl Into<PathBuf>, credentials: impl Credentials) -> Context {
    let world = World::host(root).credentials(credentials);
    RunContext::new(world, "registries").context(None, None, Cancel::new())
}

fn anybody() -> Context {
    context("/", FixedCredentials::new())
}

/// A name that no other run has.
fn fresh(host: &str, name: &str) -> String {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    format!("{host}/client/{name}-{}", since.as_nanos())
}

fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let next = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

async fn pulled(repository: &RemoteRepository, blob: &Descriptor) -> Vec<u8> {
    let mut read = Vec::new();
    repository.read_blob(blob).await.unwrap().read_to_end(&mut read).await.unwrap();
    read
}

/// Pushes an image with a layer of either format, and reads it back.
async fn image_goes_and_comes_back(cx: &Context, repository: &RemoteRepository) {
    for (tag, compression) in [("gzip", Compression::default()), ("zstd", Compression::zstd(3))] {
        let entries =
            vec![LayerEntry::bytes("etc/motd", "hello\n"), LayerEntry::bytes("large", noise(1, 3_000_000))];
        let layer = write_layer(cx, entries, compression).unwrap().write_to(repository).await.unwrap();
        let mut config = ImageConfig::new(shipway_core::Platform::new("linux", "amd64"));
        config.add_layer(layer.diff_id.clone(), shipway_oci::History::new("COPY"));
        let tag = Tag::parse(tag).unwrap();
        let written = write_image(repository, &config, vec![layer.descriptor()], Some(&tag)).await.unwrap();
        let found = repository.manifest(&Label::Tag(tag)).await.unwrap().unwrap();
        assert_eq!((found.digest, found.media_type.as_str()), (written, media::MANIFEST));
        let motd = find_file(repository, &[layer.descriptor()], "/etc/motd").await.unwrap();
        assert_eq!(motd.map(|file| file.size), Some(6));
    }
}

#[tokio::test]
async fn an_image_is_pushed_pulled_and_its_blobs_mounted() {
    let Some(host) = bed("REGISTRY", "an_image_is_pushed_pulled_and_its_blobs_mounted") else { return };
    let cx = anybody();
    let client = Client::new();
    let one = client.repository(&cx, &fresh(&host, "one")).unwrap();
    image_goes_and_comes_back(&cx, &one).await;
    let bytes = noise(3, 2_000_000);
    let (digest, size) = one.write_new_blob(Box::pin(std::io::Cursor::new(bytes.clone()))).await.unwrap();
    let blob = Descriptor::new(media::LAYER_GZIP, digest, size);
    // Through a proxy that counts, nothing of the blob is sent.
    let proxy = Proxy::start(&host, Vec::new()).await;
    let path = one.place().unwrap().1.to_owned();
    let source = client.repository(&cx, &format!("{}/{path}", proxy.host)).unwrap();
    let target = client.repository(&cx, &fresh(&proxy.host, "two")).unwrap();
    target.copy_blob(&blob, &source).await.unwrap();
    assert!(proxy.sent() < 10_000, "{} bytes were sent", proxy.sent());
    assert!(pulled(&target, &blob).await == bytes);
}

/// docker-registry 2.8 cannot say how far a request came that broke off: its upload's place holds the
/// count of bytes at the request's beginning, and is refused when there are more
/// (registry/handlers/blobupload.go, "upload resumed at wrong offest"). So it is sent all of it again.
#[tokio::test]
async fn a_push_through_connections_that_break_begins_again_where_it_can() {
    let test = "a_push_through_connections_that_break_begins_again_where_it_can";
    let Some(host) = bed("REGISTRY", test) else { return };
    let cx = anybody();
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::new(Arc::clone(cx.disk()), folder.path().join("layout"));
    let content = |bytes: &[u8]| Box::pin(std::io::Cursor::new(bytes.to_vec()));
    let large = noise(5, 40 << 20);
    let (digest, size) = layout.write_new_blob(content(&large)).await.unwrap();
    let blob = Descriptor::new(media::LAYER_GZIP, digest, size);

    let proxy = Proxy::start(&host, vec![12 << 20, 15 << 20]).await;
    let repository = Client::new().repository(&cx, &fresh(&proxy.host, "broken")).unwrap();
    repository.copy_blob(&blob, &layout).await.unwrap();
    assert!(pulled(&repository, &blob).await == large);
    assert!(proxy.sent() < 2 * size, "{} bytes were sent", proxy.sent());

    let small = noise(7, 6 << 20);
    let proxy = Proxy::start(&host, vec![3 << 20]).await;
    let repository = Client::new().repository(&cx, &fresh(&proxy.host, "small")).unwrap();
    let (digest, size) = repository.write_new_blob(content(&small)).await.unwrap();
    let blob = Descriptor::new(media::LAYER_GZIP, digest, size);
    assert!(pulled(&repository, &blob).await == small);

    // Content that is made as it is sent must be made again, by whoever can.
    let proxy = Proxy::start(&host, vec![20 << 20]).await;
    let repository = Client::new().repository(&cx, &fresh(&proxy.host, "made")).unwrap();
    let error = repository.write_new_blob(content(&large)).await.unwrap_err();
    assert_eq!((error.kind(), error.may_retry()), (ErrorKind::Unavailable, true), "{error:?}");
    assert!(repository.write_new_blob(content(&large)).await.is_ok());
}

#[tokio::test]
async fn a_push_to_our_registry_goes_on_where_it_broke() {
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::start(folder.path().join("registry"), Arc::new(HostDisk)).await.unwrap();
    let cx = anybody();
    let bytes = noise(9, 40 << 20);
    for known in [false, true] {
        let proxy = Proxy::start(&registry.host(), vec![12 << 20, 15 << 20]).await;
        let repository = Client::new().repository(&cx, &format!("{}/known-{known}", proxy.host)).unwrap();
        let content = Box::pin(std::io::Cursor::new(bytes.clone()));
        let blob = Descriptor::new(media::LAYER_GZIP, shipway_oci::digest_of(&bytes), bytes.len() as u64);
        if known {
            repository.write_blob(&blob, content).await.unwrap();
        } else {
            assert_eq!(repository.write_new_blob(content).await.unwrap().0, blob.digest);
        }
        let factor = proxy.sent() as f64 / bytes.len() as f64;
        println!(
            "M7: connections that break twice in {} MiB: {factor:.2} x the bytes sent",
            bytes.len() >> 20
        );
        assert!(factor <= 1.2, "{factor}");
        assert!(pulled(&repository, &blob).await == bytes);
    }
}

#[tokio::test]
async fn a_docker_configuration_opens_a_registry_with_a_password() {
    let Some(host) = bed("REGISTRY_AUTH", "a_docker_configuration_opens_a_registry_with_a_password") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    // `shipway:correct horse`
    let config = format!(r#"{{"auths":{{"{host}":{{"auth":"c2hpcHdheTpjb3JyZWN0IGhvcnNl"}}}}}}"#);
    fs::write(folder.path().join("config.json"), config).unwrap();
    let cx = context(folder.path(), DockerConfig::new("config.json"));
    let name = fresh(&host, "locked");
    image_goes_and_comes_back(&cx, &Client::new().repository(&cx, &name).unwrap()).await;
    for credentials in [
        FixedCredentials::new(),
        FixedCredentials::new().login(host.as_str(), Login::new("shipway", "wrong")),
    ] {
        let cx = context("/", credentials);
        let repository = Client::new().repository(&cx, &name).unwrap();
        let tag = Label::Tag(Tag::parse("gzip").unwrap());
        assert_eq!(repository.manifest(&tag).await.unwrap_err().kind(), ErrorKind::Auth);
    }
}

#[tokio::test]
async fn a_registry_with_an_authority_of_its_own_is_trusted_when_told() {
    let test = "a_registry_with_an_authority_of_its_own_is_trusted_when_told";
    let (Some(host), Some(authority)) = (bed("REGISTRY_TLS", test), bed("CA", test)) else { return };
    let options = HostOptions::new().tls().authority(fs::read_to_string(authority).unwrap());
    let client = Client::builder().host(&host, options).build().unwrap();
    let cx = anybody();
    image_goes_and_comes_back(&cx, &client.repository(&cx, &fresh(&host, "secret")).unwrap()).await;
    let client = Client::builder().host(&host, HostOptions::new().tls()).build().unwrap();
    let repository = client.repository(&cx, &fresh(&host, "secret")).unwrap();
    let tag = Label::Tag(Tag::parse("gzip").unwrap());
    assert_eq!(repository.manifest(&tag).await.unwrap_err().kind(), ErrorKind::Unavailable);
}

/// Passes connections on, and breaks the first ones that send more than it is told.
struct Proxy {
    host: String,
    sent: Arc<AtomicU64>,
}

impl Proxy {
    async fn start(to: &str, breaks: Vec<u64>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let sent = Arc::new(AtomicU64::new(0));
        let (counted, to) = (Arc::clone(&sent), to.to_owned());
        let breaks = Arc::new(std::sync::Mutex::new(breaks));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (counted, to, breaks) = (Arc::clone(&counted), to.clone(), Arc::clone(&breaks));
                tokio::spawn(async move {
                    let server = TcpStream::connect(to).await.unwrap();
                    let (mut from_client, mut to_client) = client.into_split();
                    let (mut from_server, mut to_server) = server.into_split();
                    let back =
                        tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
                    let (mut own, mut buffer) = (0, vec![0; 64 * 1024]);
                    while let Ok(read @ 1..) = from_client.read(&mut buffer).await {
                        counted.fetch_add(read as u64, Ordering::SeqCst);
                        own += read as u64;
                        let first = breaks.lock().unwrap().first().copied();
                        if first.is_some_and(|most| own > most) {
                            breaks.lock().unwrap().remove(0);
                            break;
                        }
                        if to_server.write_all(&buffer[..read]).await.is_err() {
                            break;
                        }
                    }
                    back.abort();
                });
            }
        });
        Self { host, sent }
    }

    fn sent(&self) -> u64 {
        self.sent.load(Ordering::SeqCst)
    }
}
