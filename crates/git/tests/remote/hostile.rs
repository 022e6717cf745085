//! Servers that mean no good, and URLs that do.

use std::sync::atomic::Ordering;

use shipway_core::{CancelReason, ErrorKind, Stage};
use shipway_git::Remote;

use crate::{
    context, empty, new,
    server::{Git, Server, answer},
};

#[test]
fn only_http_and_ssh_are_spoken_and_http_only_where_it_is_allowed() {
    for url in [
        "file:///etc",
        "/etc/passwd",
        "../env.git",
        "ssh://-oProxyCommand=touch%20x/a",
        "ssh://git:pa55word@example.com/a",
        "-oProxyCommand=id:a.git",
        "git://example.com/a",
        "ext::sh -c id",
        "EXT::sh",
        "--upload-pack=touch x",
        "-h",
        "",
        "http://example.com/a",
        "HTTP://example.com/a",
        "https://user:pa55word@example.com/a",
        "https://token@example.com/a",
        "https://",
        "ftp://example.com/a",
    ] {
        let error = Remote::new(url, false).expect_err(url);
        assert_eq!(error.kind(), ErrorKind::Config, "{url}");
        assert!(!format!("{error:?}").contains("pa55word"), "{error:?}");
    }
    assert!(Remote::new("http://example.com/a", true).is_ok());
}

/// Returns packets as a server sends them.
fn packets(lines: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    for line in lines {
        match line.is_empty() {
            true => out.extend(b"0000"),
            false => {
                out.extend(format!("{:04x}", line.len() + 4).into_bytes());
                out.extend(*line);
            }
        }
    }
    out
}

const TIP: &str = "1234567890123456789012345678901234567890 refs/heads/candidate\0side-band-64k\n";

/// Serves this list of branches, and this answer to a fetch.
fn serving(list: Vec<u8>, pack: Vec<u8>) -> Server {
    Server::new(move |request| {
        Some(match request.method.as_str() {
            "GET" => answer("200 OK", "application/x-git-upload-pack-advertisement", &list),
            _ => answer("200 OK", "application/x-git-upload-pack-result", &pack),
        })
    })
}

#[tokio::test]
async fn what_is_broken_or_never_ends_is_an_error_and_changes_nothing() {
    let git = Git::new();
    let cx = context(&git);
    let ours = empty(&git, &cx, "ours.git");
    let list = |lines: &[&[u8]]| packets(&[&[&b"# service=git-upload-pack\n"[..], b""][..], lines].concat());
    let tip = list(&[TIP.as_bytes(), b""]);
    let good_pack = |pack: &[u8]| packets(&[b"NAK\n", &[b"\x01", pack].concat(), b""]);
    let empty_pack = b"PACK\0\0\0\x02\0\0\0\0\x02\x9d\x08\x82\x3b\xd8\xa8\xea\xb5\x10\xad\x6a\xc7\x5c\x82\x3c\xfd\x3e\xd3\x1e";
    for (what, list, pack) in [
        ("no packets", b"hello".to_vec(), Vec::new()),
        ("another service", packets(&[b"# service=git-receive-pack\n", b"", TIP.as_bytes(), b""]), Vec::new()),
        ("no list", Vec::new(), Vec::new()),
        ("half a packet", tip[..tip.len() - 20].to_vec(), Vec::new()),
        ("no name of an object", list(&[b"xyz refs/heads/candidate\0\n", b""]), Vec::new()),
        ("an error", list(&[b"ERR \x1b[2Jgo away\n"]), Vec::new()),
        ("a list without end", list(&vec![TIP.as_bytes(); 250_000]), Vec::new()),
        ("an empty answer", tip.clone(), Vec::new()),
        ("an error in the pack", tip.clone(), packets(&[b"NAK\n", b"\x03\x1b[31mno\n", b""])),
        ("another band", tip.clone(), packets(&[b"NAK\n", b"\x07x", b""])),
        ("no pack", tip.clone(), good_pack(b"hello, this is no pack at all, and long enough to be one")),
        ("half a pack", tip.clone(), good_pack(&empty_pack[..15])),
        ("a wrong sum", tip.clone(), good_pack(&[&empty_pack[..31], b"x"].concat())),
        ("a pack of a billion objects", tip.clone(), good_pack(b"PACK\0\0\0\x02\xff\xff\xff\xff\x02\x9d\x08\x82\x3b\xd8\xa8\xea\xb5\x10\xad\x6a\xc7\x5c\x82\x3c\xfd\x3e\xd3\x1e")),
        ("an object that says it is huge", tip.clone(), good_pack(b"PACK\0\0\0\x02\0\0\0\x01\xbf\xff\xff\xff\xff\xff\xff\x7f\x78\x9c\x03\x00\x00\x00\x00\x01")),
        ("a pack without the commit", tip.clone(), good_pack(empty_pack)),
    ] {
        let server = serving(list, pack);
        let remote = Remote::new(&server.url("env.git"), true).unwrap();
        let error = remote.fetch(&cx, &ours, "candidate").await.expect_err(what);
        assert_eq!(error.kind(), ErrorKind::BadOutput, "{what}: {error}");
        assert!(!format!("{error:?}").contains('\x1b'), "{what}: {error:?}");
        assert_eq!(git.run(&["--git-dir=ours.git", "for-each-ref"]), "", "{what}");
    }
}

/// Returns a pack of so many times the same blob of so many zeros: thousands of times as much as it is long.
fn swelling(count: u32, zeros: usize) -> Vec<u8> {
    let mut object = Vec::new();
    let (mut rest, mut byte) = (zeros >> 4, 3 << 4 | (zeros & 15));
    while rest > 0 {
        object.push(u8::try_from(byte | 128).unwrap());
        (byte, rest) = (rest & 127, rest >> 7);
    }
    object.push(u8::try_from(byte).unwrap());
    let mut compressed = flate2::write::ZlibEncoder::new(&mut object, flate2::Compression::best());
    std::io::Write::write_all(&mut compressed, &vec![0; zeros]).unwrap();
    compressed.finish().unwrap();
    let mut pack = [&b"PACK\0\0\0\x02"[..], &count.to_be_bytes()].concat();
    (0..count).for_each(|_| pack.extend_from_slice(&object));
    let mut hasher = gix::hash::hasher(gix::hash::Kind::Sha1);
    hasher.update(&pack);
    let sum = hasher.try_finalize().unwrap();
    pack.extend_from_slice(sum.as_slice());
    pack
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pack_that_swells_without_end_is_given_up_with_the_task() {
    let git = Git::new();
    let cx = context(&git);
    let ours = empty(&git, &cx, "ours.git");
    let list = packets(&[b"# service=git-upload-pack\n", b"", TIP.as_bytes(), b""]);
    let pack = swelling(1_500, 32 * 1024 * 1024);
    let mut lines: Vec<Vec<u8>> = vec![b"NAK\n".to_vec()];
    lines.extend(pack.chunks(60_000).map(|part| [b"\x01", part].concat()));
    lines.push(Vec::new());
    let lines: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
    let server = serving(list, packets(&lines));
    let remote = Remote::new(&server.url("env.git"), true).unwrap();
    // To read it all takes minutes.
    let soon = cx.within(Some(std::time::Duration::from_secs(2)));
    let began = std::time::Instant::now();
    let error = remote.fetch(&soon, &ours, "candidate").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    assert!(began.elapsed() < std::time::Duration::from_secs(30), "{:?}", began.elapsed());
    assert_eq!(git.run(&["--git-dir=ours.git", "for-each-ref"]), "");
    let left = std::fs::read_dir(git.path("ours.git/objects/pack")).unwrap();
    assert_eq!(left.count(), 0, "a part of it is left");
}

#[tokio::test]
async fn a_status_says_what_to_do_and_a_redirect_is_not_followed() {
    let git = Git::new();
    let cx = context(&git);
    let ours = empty(&git, &cx, "ours.git");
    let elsewhere = Server::new(|_| Some(answer("200 OK", "text/plain", b"")));
    let to = elsewhere.url("env.git/info/refs?service=git-upload-pack");
    for (status, kind) in [
        ("404 Not Found".to_owned(), ErrorKind::NotFound),
        ("403 Forbidden".to_owned(), ErrorKind::Auth),
        ("429 Too Many Requests".to_owned(), ErrorKind::Unavailable),
        ("503 Service Unavailable".to_owned(), ErrorKind::Unavailable),
        ("418 Teapot".to_owned(), ErrorKind::BadOutput),
        ("200 OK".to_owned(), ErrorKind::BadOutput),
        (format!("302 Found\r\nLocation: {to}"), ErrorKind::BadOutput),
        (format!("307 Temporary Redirect\r\nLocation: {to}"), ErrorKind::BadOutput),
    ] {
        let said = status.clone();
        let server = Server::new(move |_| Some(answer(&said, "text/html", b"<html>")));
        let remote = Remote::new(&server.url("env.git"), true).unwrap();
        let error = remote.fetch(&cx, &ours, "candidate").await.expect_err(&status);
        assert_eq!(error.kind(), kind, "{status}: {error}");
        assert_eq!(error.may_retry(), kind == ErrorKind::Unavailable, "{status}");
    }
    assert_eq!(elsewhere.asked.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_report_that_says_nothing_good_is_no_success() {
    let git = Git::new();
    let cx = context(&git);
    let ours = empty(&git, &cx, "ours.git");
    let one = ours.commit(None, &new("one", "a", "1")).unwrap();
    for (report, kind) in [
        (packets(&[b"unpack ok\n", b"ng refs/heads/candidate \x1b[31mnot today\n", b""]), ErrorKind::Auth),
        (
            packets(&[b"unpack index-pack abnormal exit\n", b"ok refs/heads/candidate\n", b""]),
            ErrorKind::Auth,
        ),
        (packets(&[b"unpack ok\n", b"ok refs/heads/other\n", b""]), ErrorKind::BadOutput),
        (packets(&[b"unpack ok\n", b""]), ErrorKind::BadOutput),
        (Vec::new(), ErrorKind::BadOutput),
        (b"<html>".to_vec(), ErrorKind::BadOutput),
    ] {
        let shown = String::from_utf8_lossy(&report).into_owned();
        git.twist(move |request, _| {
            let said = answer("200 OK", "application/x-git-receive-pack-result", &report);
            request.is_push().then_some(Some(said))
        });
        let remote = Remote::new(&git.url(), true).unwrap();
        let error = remote.push(&cx, &ours, "candidate", None, one).await.expect_err(&shown);
        assert_eq!(error.kind(), kind, "{shown}: {error}");
        assert!(!format!("{error:?}").contains('\x1b'), "{error:?}");
    }
}

#[tokio::test]
async fn nobody_there_may_be_tried_again_and_a_task_that_must_stop_does() {
    let git = Git::new();
    let cx = context(&git);
    let ours = empty(&git, &cx, "ours.git");
    let gone = Server::new(|_| None);
    let remote = Remote::new(&gone.url("env.git"), true).unwrap();
    let error = remote.fetch(&cx, &ours, "candidate").await.unwrap_err();
    assert!(error.kind() == ErrorKind::Unavailable && error.may_retry(), "{error}");
    drop(gone);
    assert_eq!(remote.fetch(&cx, &ours, "candidate").await.unwrap_err().kind(), ErrorKind::Unavailable);

    let (send, receive) = std::sync::mpsc::channel::<()>();
    let receive = std::sync::Mutex::new(receive);
    let silent = Server::new(move |_| {
        // Until the test is over.
        let _ = receive.lock().unwrap().recv();
        None
    });
    let remote = Remote::new(&silent.url("env.git"), true).unwrap();
    let asked = std::sync::Arc::clone(&silent.asked);
    let cancel = cx.cancel().clone();
    let stopping = async {
        while asked.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        cancel.escalate(Stage::Forced, CancelReason::Asked);
    };
    let (fetched, ()) = tokio::join!(remote.fetch(&cx, &ours, "candidate"), stopping);
    assert_eq!(fetched.unwrap_err().kind(), ErrorKind::Cancelled);
    drop(send);
}
