//! M5 of the reliability standard: what registries may do to whoever pulls and pushes. The registry is in
//! this process and the client in another one, whose memory is measured.

mod support;

#[path = "support/hostile.rs"]
mod hostile;

use std::{
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use hostile::{BLOB, PULL, PUSH, answer, bomb, index_of};
use shipway_core::{
    Cancel, Context, Error, ErrorKind, FixedCredentials, Login, Result, RunContext, Tag, World,
};
use shipway_oci::{
    Client, Descriptor, Distribution, ImageFiles, Label, Limits, RemoteRepository, read_image,
};
use support::{LAYER, OCI_MANIFEST, Server, descriptor, digest, manifest, noise, reader};
use tokio::io::AsyncReadExt;

const HOST: &str = "SHIPWAY_TEST_HOSTILE_REGISTRY";

/// What the client may use beyond what it has when it begins: 16 MiB and the last chunk.
const MEMORY: u64 = (16 << 10) + 128;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stdout, reason = "the figure is what the test is for")]
#[expect(clippy::disallowed_methods, reason = "the client runs in a process of its own")]
async fn whatever_a_registry_does_ends_in_an_error_of_the_right_kind_and_little_memory() {
    let sent = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&sent);
    let server = Server::start(move |request, seen| answer(request, seen, &count)).await;
    let host = server.host.clone();
    let child = tokio::task::spawn_blocking(move || {
        let program = std::env::current_exe().expect("this program");
        let args = ["--exact", "the_client", "--ignored", "--nocapture", "--test-threads=1"];
        Command::new(program).args(args).env(HOST, host).output().expect("runs")
    });
    let output = child.await.expect("no panic");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let figure = |name: &str| -> u64 {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{text}"));
        line.trim().parse().expect("a number")
    };
    let (wrong, memory) = (figure("wrong:"), figure("memory:"));
    println!(
        "M5: {} behaviours of pulling and {} of pushing, {wrong} judged wrongly, {} MiB of endless bodies \
         sent, {memory} KiB of memory used",
        PULL.len(),
        PUSH.len(),
        sent.load(Ordering::Relaxed) >> 20
    );
    assert_eq!(wrong, 0, "{text}");
    assert!(memory <= MEMORY, "{memory} KiB");
    // Of each endless body, at most the limit of a manifest was read; the rest lies in buffers of sockets.
    assert!(sent.load(Ordering::Relaxed) < 6 * (32 << 20));
}

/// Not a test of its own: the process that the one above measures.
#[tokio::test]
#[ignore = "runs within another test"]
#[expect(clippy::print_stdout, reason = "it tells the other process")]
#[expect(clippy::disallowed_methods, reason = "the registry's address comes from the other process")]
async fn the_client() {
    let Ok(host) = std::env::var(HOST) else { return };
    let mut wrong = 0;
    // What is used once by all: connections, the runtime's buffers, TLS's tables.
    let _ = pull(&host, "blob-404").await;
    let _ = push(&host, "post-404").await;
    let before = memory("VmRSS:");
    for (name, kind) in PULL {
        wrong += u64::from(!judged(name, *kind, pull(&host, name).await));
    }
    for (name, kind) in PUSH {
        wrong += u64::from(!judged(name, *kind, push(&host, name).await));
    }
    println!("\nwrong: {wrong}\nmemory: {}", memory("VmHWM:").saturating_sub(before));
}

#[expect(clippy::print_stdout, reason = "it tells the other process")]
fn judged(name: &str, expected: Option<ErrorKind>, result: Result<()>) -> bool {
    let found = result.as_ref().err().map(Error::kind);
    if found != expected {
        println!("{name}: {found:?} instead of {expected:?}: {result:?}");
    }
    found == expected
}

#[expect(clippy::disallowed_methods, reason = "the test measures its own process")]
fn memory(what: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix(what)).expect("a figure");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

fn repository(host: &str, name: &str) -> RemoteRepository {
    // What never answers is ended by the task's deadline.
    let deadline = (name.contains("slow") || name.contains("silent")).then(|| Duration::from_secs(1));
    let login = FixedCredentials::new().login(host, Login::new("ci", "hunter2"));
    let world = World::host("/").credentials(login);
    let run = RunContext::new(world, "test");
    let start: Context = run.context(None, None, Cancel::new());
    let deadline = deadline.map(|deadline| start.clock().elapsed() + deadline);
    let cx = run.context(None, deadline, Cancel::new());
    let client = Client::builder().attempts(2).build().expect("a client");
    client.repository(&cx, &format!("{host}/{name}")).expect("a repository")
}

async fn pull(host: &str, name: &str) -> Result<()> {
    let repository = repository(host, name);
    let tag = Label::Tag(Tag::parse("1")?);
    match name.split('-').next().unwrap_or_default() {
        "manifest" | "refusal" | "token" | "login" => {
            repository.manifest(&tag).await?.map(|_| ()).ok_or_else(|| Error::not_found("no manifest"))
        }
        "pinned" => repository.manifest(&Label::Digest(digest(b"other"))).await.map(|_| ()),
        "image" | "index" => {
            let found = match name {
                "index-lies-about-size" => digest(&index_of(OCI_MANIFEST, &image(), 7)),
                "index-too-deep" => hostile::deep().last().map(|bytes| digest(bytes)).expect("an index"),
                _ => {
                    let found = repository.manifest(&tag).await?;
                    found.ok_or_else(|| Error::not_found("no manifest"))?.digest
                }
            };
            read_image(&repository, &found, None).await.map(|_| ())
        }
        "layer" => {
            let layer = match name {
                "layer-bomb" => descriptor(LAYER, bomb()),
                _ => descriptor(LAYER, hostile::ZSTD_WINDOW),
            };
            let limits = Limits::default().bytes(64 << 20);
            ImageFiles::read(&repository, &[layer], limits).await.map(|_| ())
        }
        _ => {
            let blob = descriptor(LAYER, BLOB);
            let mut content = repository.read_blob(&blob).await?;
            let mut piece = vec![0; 64 * 1024];
            loop {
                match content.read(&mut piece).await {
                    Ok(0) => return Ok(()),
                    Ok(_) => {}
                    Err(error) => return Err(error.downcast::<Error>().expect("one of ours")),
                }
            }
        }
    }
}

fn image() -> Vec<u8> {
    manifest(&descriptor(support::CONFIG, b"{}"), &[]).to_vec()
}

async fn push(host: &str, name: &str) -> Result<()> {
    let repository = repository(host, name);
    let content = noise(1, 300_000);
    let known = descriptor(LAYER, &content);
    match name.split('-').next().unwrap_or_default() {
        "tag" => {
            repository.write_manifest(OCI_MANIFEST, image().into(), Some(&Tag::parse("1")?)).await.map(|_| ())
        }
        "put" | "head" => repository.write_blob(&known, reader(content)).await,
        "mount" => repository.copy_blob(&known, &Source { host: host.to_owned(), content }).await,
        _ => repository.write_new_blob(reader(content)).await.map(|_| ()),
    }
}

/// A repository of the same registry, as far as names go.
#[derive(Debug)]
struct Source {
    host: String,
    content: Vec<u8>,
}

#[async_trait::async_trait]
impl Distribution for Source {
    fn place(&self) -> Option<(&str, &str)> {
        Some((&self.host, "other"))
    }

    async fn manifest(&self, _: &Label) -> Result<Option<shipway_oci::RawManifest>> {
        Ok(None)
    }

    async fn has_blob(&self, _: &Descriptor) -> Result<bool> {
        Ok(true)
    }

    async fn read_blob(&self, _: &Descriptor) -> Result<shipway_oci::BlobReader> {
        Ok(reader(self.content.clone()))
    }

    async fn write_blob(&self, _: &Descriptor, _: shipway_oci::BlobReader) -> Result<()> {
        Err(Error::unsupported("it is only read"))
    }

    async fn write_new_blob(&self, _: shipway_oci::BlobReader) -> Result<(shipway_core::Digest, u64)> {
        Err(Error::unsupported("it is only read"))
    }

    async fn write_manifest(
        &self,
        _: &str,
        _: bytes::Bytes,
        _: Option<&Tag>,
    ) -> Result<shipway_core::Digest> {
        Err(Error::unsupported("it is only read"))
    }
}
