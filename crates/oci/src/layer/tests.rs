#![expect(
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "the tests prepare files and run the system's tar and gzip"
)]

use std::{
    collections::BTreeMap,
    fs,
    io::Read as _,
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use flate2::bufread::{GzDecoder, MultiGzDecoder};
use proptest::prelude::*;
use shipway_core::{Cancel, CancelReason, Context, ErrorKind, Result, RunContext, Stage, World};
use tokio::io::AsyncReadExt as _;

use super::*;
use crate::{carry::unpack, digest_of, media};

fn context(root: &Path) -> Context {
    RunContext::new(World::host(root), "test").context(None, None, Cancel::new())
}

async fn make(cx: &Context, entries: Vec<LayerEntry>, threads: usize) -> Result<(Vec<u8>, LayerSummary)> {
    make_by(cx, entries, Compression::default().threads(threads)).await
}

async fn make_by(
    cx: &Context,
    entries: Vec<LayerEntry>,
    compression: Compression,
) -> Result<(Vec<u8>, LayerSummary)> {
    let mut stream = write_layer(cx, entries, compression)?;
    let mut bytes = Vec::new();
    let read = stream.reader.read_to_end(&mut bytes).await;
    let tar = stream.tar.wait().await;
    match (&tar, read) {
        (Err(tar), read) => assert_eq!(unpack(read.unwrap_err(), "read").report(), tar.report()),
        (Ok(_), read) => assert_eq!(read.unwrap(), bytes.len()),
    }
    let ((diff_id, uncompressed), media_type) = (tar?, compression.media_type());
    let (digest, size) = (digest_of(&bytes), bytes.len() as u64);
    Ok((bytes, LayerSummary { media_type, diff_id, digest, size, uncompressed }))
}

fn unzip(bytes: &[u8]) -> Vec<u8> {
    let mut tar = Vec::new();
    MultiGzDecoder::new(bytes).read_to_end(&mut tar).expect("gzip");
    tar
}

/// The gzip members, each as its compressed bytes and the count of bytes in it.
fn members(mut rest: &[u8]) -> Vec<(&[u8], u64)> {
    let mut found = Vec::new();
    while !rest.is_empty() {
        let mut decoder = GzDecoder::new(rest);
        let size = std::io::copy(&mut decoder, &mut std::io::sink()).expect("a member");
        let later = decoder.into_inner();
        found.push((&rest[..rest.len() - later.len()], size));
        rest = later;
    }
    found
}

/// Bytes that do not compress well, the same for the same seed.
fn noise(seed: u64, size: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3] & 0x3f
    };
    (0..size).map(|_| next()).collect()
}

fn pipe_through(program: &str, args: &[&str], input: &[u8]) -> Option<Vec<u8>> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("input");
    fs::write(&file, input).expect("written");
    let stdin = Stdio::from(fs::File::open(&file).expect("opened"));
    match Command::new(program).args(args).env("LC_ALL", "C.UTF-8").stdin(stdin).output() {
        Ok(output) => {
            assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
            Some(output.stdout)
        }
        Err(_) => {
            eprintln!("skipped: needs `{program}`");
            None
        }
    }
}

fn entry() -> impl Strategy<Value = LayerEntry> {
    let step = prop_oneof![4 => "[a-c]{1,2}", 1 => "[a-zé ü]{1,20}", 1 => "[x-z]{90,120}"];
    let path = prop::collection::vec(step, 1..4).prop_map(|steps| steps.join("/"));
    let content = prop_oneof![
        4 => (0..3000_usize).prop_map(|size| Content::Bytes(noise(size as u64, size).into())),
        1 => (0..2_500_000_usize).prop_map(|size| Content::Bytes(noise(size as u64, size).into())),
        2 => Just(Content::Folder),
        1 => "[a-z./é]{1,130}".prop_map(Content::Link),
    ];
    (path, content, 0..0o10000_u32, 0..3_000_000_u64, 0..10_000_000_000_u64).prop_map(
        |(path, content, mode, id, mtime)| LayerEntry {
            path,
            content,
            mode,
            uid: id,
            gid: id / 2,
            mtime,
            xattrs: BTreeMap::new(),
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_bytes_follow_the_entries_alone_and_hold_them_all(
        found in prop::collection::vec(entry(), 0..40),
        threads in 2..6_usize,
    ) {
        let mut by_path: BTreeMap<String, LayerEntry> = BTreeMap::new();
        for entry in found {
            by_path.insert(entry.path.clone(), entry);
        }
        let folders_only = |path: &str| {
            path.match_indices('/').all(|(at, _)| {
                by_path.get(&path[..at]).is_none_or(|above| above.content == Content::Folder)
            })
        };
        let entries: Vec<LayerEntry> =
            by_path.values().filter(|entry| folders_only(&entry.path)).cloned().collect();
        let backwards = entries.iter().rev().cloned().collect();

        let runtime = tokio::runtime::Runtime::new().unwrap();
        let cx = context(Path::new("/"));
        let (bytes, summary) = runtime.block_on(make(&cx, entries.clone(), 1)).unwrap();
        let (again, same) = runtime.block_on(make(&cx, backwards, threads)).unwrap();
        prop_assert!(bytes == again);
        prop_assert_eq!(&summary, &same);

        let tar = unzip(&bytes);
        prop_assert_eq!(&summary.diff_id, &digest_of(&tar));
        prop_assert_eq!(summary.uncompressed, tar.len() as u64);
        prop_assert!(members(&bytes).iter().all(|(_, size)| *size <= members::MEMBER as u64));

        let expected = entry::arrange(entries).unwrap();
        let mut archive = tar::Archive::new(tar.as_slice());
        let mut count = 0;
        for (found, entry) in archive.entries().unwrap().zip(&expected) {
            let mut found = found.unwrap();
            let header = found.header().clone();
            let path = String::from_utf8(found.path_bytes().into_owned()).unwrap();
            prop_assert_eq!(path.trim_end_matches('/'), &entry.path);
            prop_assert_eq!(header.mode().unwrap(), entry.mode);
            prop_assert_eq!(header.uid().unwrap(), entry.uid);
            prop_assert_eq!(header.gid().unwrap(), entry.gid);
            prop_assert_eq!(header.mtime().unwrap(), entry.mtime);
            prop_assert_eq!(header.username().unwrap(), Some(""));
            let link = found.link_name_bytes().map(|text| String::from_utf8(text.into_owned()).unwrap());
            let mut content = Vec::new();
            found.read_to_end(&mut content).unwrap();
            let kind = match header.entry_type() {
                tar::EntryType::Directory => Content::Folder,
                tar::EntryType::Symlink => Content::Link(link.unwrap()),
                tar::EntryType::Regular => Content::Bytes(content.into()),
                other => panic!("{other:?}"),
            };
            prop_assert_eq!(&kind, &entry.content);
            count += 1;
        }
        prop_assert_eq!(count, expected.len());
    }
}

#[tokio::test]
async fn an_empty_layer_is_the_one_that_everybody_makes() {
    let (bytes, summary) = make(&context(Path::new("/")), Vec::new(), 2).await.unwrap();
    // The digest of two blocks of zeros, as Docker's and Go's empty layers have it.
    let empty = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef";
    assert_eq!(summary.diff_id.as_str(), empty);
    assert_eq!(summary.uncompressed, 1024);
    // RFC 1952, section 2.3: no flags, no time, an unknown operating system.
    assert_eq!(bytes[..8], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0]);
    assert_eq!(bytes[9], 255);
}

/// Where this fails, layers get other digests: all that was built before is built and pushed again.
#[tokio::test]
async fn the_bytes_stay_the_same_from_version_to_version() {
    let entries = vec![
        LayerEntry::folder("app"),
        LayerEntry::bytes("app/data", noise(3, 1_500_000)),
        LayerEntry::link("app/é", "data"),
    ];
    let (_, summary) = make(&context(Path::new("/")), entries, 2).await.unwrap();
    assert_eq!(summary.diff_id.short(), "5d26fef7d00b");
    assert_eq!(summary.digest.short(), "152d8b6a89a1");
}

#[tokio::test]
async fn the_systems_tar_and_gzip_read_it() {
    let long = format!("{}/é{}", "d".repeat(120), "f".repeat(150));
    let entries = vec![
        LayerEntry::folder("etc").mode(0o700),
        LayerEntry::bytes("etc/motd", "hello\n").mode(0o4755).owner(7, 8).mtime(86_400),
        LayerEntry::link("etc/link", "../etc/motd"),
        LayerEntry::bytes(long.clone(), noise(1, 3_000_000)),
    ];
    let (bytes, _) = make(&context(Path::new("/")), entries, 3).await.unwrap();
    // The large file in pieces, then the small ones with the end.
    assert_eq!(members(&bytes).len(), 4);
    pipe_through("gzip", &["-t"], &bytes);
    let args = ["-tvzf", "-", "--numeric-owner", "--utc", "--full-time"];
    if let Some(listed) = pipe_through("tar", &args, &bytes) {
        let listed = String::from_utf8(listed).unwrap();
        let lines: Vec<String> =
            listed.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        let long = long.replace('é', "\\303\\251");
        let expected = [
            format!("-rw-r--r-- 0/0 3000000 1970-01-01 00:00:00 {long}"),
            "drwx------ 0/0 0 1970-01-01 00:00:00 etc/".to_owned(),
            "lrwxrwxrwx 0/0 0 1970-01-01 00:00:00 etc/link -> ../etc/motd".to_owned(),
            "-rwsr-xr-x 7/8 6 1970-01-02 00:00:00 etc/motd".to_owned(),
        ];
        let utf8 = expected.iter().map(|line| line.replace("\\303\\251", "é")).collect::<Vec<_>>();
        assert!(lines == expected || lines == utf8, "{listed}");
    }
}

#[tokio::test]
async fn a_file_that_grew_moves_few_members() {
    let cx = context(Path::new("/"));
    let files = |grown: usize| -> Vec<LayerEntry> {
        let size = |i| if i == 0 { grown } else { 20_000 };
        (0..600)
            .map(|i| LayerEntry::bytes(format!("f{i:04}"), noise(i, size(i))))
            .chain([LayerEntry::bytes("large", noise(9, 2_500_000)), LayerEntry::bytes("last", "x")])
            .collect()
    };
    let (before, _) = make(&cx, files(20_000), 2).await.unwrap();
    let (after, _) = make(&cx, files(300_000), 2).await.unwrap();
    let (before, after) = (members(&before), members(&after));
    let same = before.iter().rev().zip(after.iter().rev()).take_while(|(a, b)| a.0 == b.0).count();
    assert!(before.len() > 15 && same + 4 > before.len(), "{same} of {} members", before.len());
}

#[tokio::test]
async fn a_file_must_be_what_it_was_when_it_was_listed() {
    let folder = tempfile::tempdir().unwrap();
    let (root, outside) = (folder.path().join("root"), folder.path().join("outside"));
    fs::create_dir(&root).unwrap();
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret"), "secret").unwrap();
    fs::write(root.join("file"), "123456").unwrap();
    std::os::unix::fs::symlink("../outside/secret", root.join("link")).unwrap();
    std::os::unix::fs::symlink("../outside", root.join("linked")).unwrap();
    assert!(Command::new("mkfifo").arg(root.join("fifo")).status().unwrap().success());
    let cx = context(&root);
    for (source, size, kind) in [
        ("file", 6, None),
        ("file", 5, Some(ErrorKind::Conflict)),
        ("file", 7, Some(ErrorKind::Conflict)),
        ("gone", 6, Some(ErrorKind::Conflict)),
        ("link", 6, Some(ErrorKind::Config)),
        ("linked/secret", 6, Some(ErrorKind::Config)),
        ("../outside/secret", 6, Some(ErrorKind::Config)),
        ("fifo", 0, Some(ErrorKind::Config)),
        (".", 0, Some(ErrorKind::Config)),
    ] {
        let entries = vec![LayerEntry::bytes("a", "a"), LayerEntry::file("b", Path::new(""), source, size)];
        let made = make(&cx, entries, 2).await;
        assert_eq!(made.as_ref().err().map(shipway_core::Error::kind), kind, "{source} {made:?}");
    }
}

#[tokio::test]
async fn a_file_that_changes_while_it_is_read_is_a_conflict() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let size = 64 * 1024 * 1024;
    for grows in [true, false] {
        // So large a file that the pieces ahead of the reader cannot hold it all.
        fs::File::create(&path).unwrap().set_len(size).unwrap();
        let entries = vec![LayerEntry::file("file", folder.path(), "file", size)];
        let compression = Compression::default().level(1).threads(1);
        let mut stream = write_layer(&context(folder.path()), entries, compression).unwrap();
        stream.reader.read_exact(&mut [0; 10]).await.unwrap();
        let changed = if grows { size + 1 } else { size / 2 };
        fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(changed).unwrap();
        let read = stream.reader.read_to_end(&mut Vec::new()).await;
        assert_eq!(unpack(read.unwrap_err(), "read").kind(), ErrorKind::Conflict);
        let error = stream.tar.wait().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert!(error.to_string().contains(if grows { "grew" } else { "shrank" }), "{error}");
    }
}

#[tokio::test]
async fn it_stops_when_nobody_reads_or_the_task_is_forced_to() {
    let folder = tempfile::tempdir().unwrap();
    let size = 64 * 1024 * 1024;
    fs::File::create(folder.path().join("file")).unwrap().set_len(size).unwrap();
    let entries = || vec![LayerEntry::file("file", folder.path(), "file", size)];

    let stream = write_layer(&context(folder.path()), entries(), Compression::default()).unwrap();
    drop(stream.reader);
    assert_eq!(stream.tar.wait().await.unwrap_err().kind(), ErrorKind::Cancelled);

    let run = RunContext::new(World::host(folder.path()), "test");
    let cancel = Cancel::new();
    cancel.escalate(Stage::Requested, CancelReason::Asked);
    let cx = run.context(None, None, cancel.clone());
    assert!(make(&cx, vec![LayerEntry::folder("a")], 1).await.is_ok(), "what is under way is finished");
    cancel.escalate(Stage::Forced, CancelReason::Asked);
    assert_eq!(make(&cx, entries(), 1).await.unwrap_err().kind(), ErrorKind::Cancelled);
    let late = run.context(None, Some(Duration::ZERO), Cancel::new());
    assert_eq!(make(&late, entries(), 1).await.unwrap_err().kind(), ErrorKind::Timeout);
}

#[test]
fn layers_are_made_and_stored_where_few_threads_may_block() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let layout = crate::Layout::new(std::sync::Arc::new(shipway_core::HostDisk), folder.path());
    let cx = context(folder.path());
    let made = runtime.block_on(async {
        let mut making = tokio::task::JoinSet::new();
        for seed in 0..3 {
            let (cx, layout) = (cx.clone(), layout.clone());
            making.spawn(async move {
                let entries = vec![LayerEntry::bytes("a", noise(seed, 5 << 20))];
                let layer = write_layer(&cx, entries, Compression::default().level(1))?;
                let summary = layer.write_to(&layout).await?;
                crate::find_file(&layout, &[summary.descriptor()], "a").await
            });
        }
        tokio::time::timeout(Duration::from_secs(60), making.join_all()).await
    });
    // Not by its drop, which would wait for threads that hang.
    runtime.shutdown_background();
    for found in made.expect("nothing waits for itself") {
        assert_eq!(found.unwrap().map(|found| found.size), Some(5 << 20));
    }
}

#[tokio::test]
async fn zstd_has_frames_where_gzip_has_members_and_the_same_tar() {
    let entries = || {
        let small = (0..400).map(|at| LayerEntry::bytes(format!("small/{at}"), noise(at, 9_000)));
        small.chain([LayerEntry::bytes("large", noise(7, 3 << 20))]).collect::<Vec<_>>()
    };
    let cx = context(Path::new("/"));
    let (gzip, of_gzip) = make(&cx, entries(), 2).await.unwrap();
    let (zstd, of_zstd) = make_by(&cx, entries(), Compression::zstd(3).threads(1)).await.unwrap();
    for threads in [2, 3, 7] {
        let again = make_by(&cx, entries(), Compression::zstd(3).threads(threads)).await.unwrap();
        assert!(again.0 == zstd && again.1 == of_zstd, "{threads} threads");
    }
    assert_eq!(of_zstd.descriptor().media_type, media::LAYER_ZSTD);
    assert_eq!(of_gzip.descriptor().media_type, media::LAYER_GZIP);
    assert_eq!(of_zstd.diff_id, of_gzip.diff_id);
    assert!(zstd::stream::decode_all(&*zstd).unwrap() == unzip(&gzip));
    let mut rest = &*zstd;
    let mut frames = Vec::new();
    while !rest.is_empty() {
        let mut decoder = zstd::stream::read::Decoder::with_buffer(rest).unwrap().single_frame();
        frames.push(std::io::copy(&mut decoder, &mut std::io::sink()).unwrap());
        rest = decoder.finish();
    }
    assert_eq!(frames, members(&gzip).into_iter().map(|(_, size)| size).collect::<Vec<_>>());
    // And it is looked into as any other.
    let folder = tempfile::tempdir().unwrap();
    let layout = crate::Layout::new(Arc::clone(cx.disk()), folder.path().join("layout"));
    let layer = write_layer(&cx, entries(), Compression::zstd(1)).unwrap().write_to(&layout).await.unwrap();
    let found = crate::find_file(&layout, &[layer.descriptor()], "/large").await.unwrap();
    assert_eq!(found.map(|found| found.size), Some(3 << 20));
}

#[tokio::test]
async fn levels_are_checked() {
    for compression in
        [Compression::gzip(0), Compression::gzip(13), Compression::zstd(0), Compression::zstd(20)]
    {
        let made = write_layer(&context(Path::new("/")), Vec::new(), compression).err();
        assert_eq!(made.map(|error| error.kind()), Some(ErrorKind::Config), "{compression:?}");
    }
}
