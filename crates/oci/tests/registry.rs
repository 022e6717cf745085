//! The registry by raw requests: what the OCI distribution-spec says, and what it refuses.

mod support;

use std::time::Duration;

use serde_json::json;
use support::{CONFIG, LAYER, OCI_MANIFEST, Raw, descriptor, digest, manifest, raw, registry, registry_with};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

async fn push_blob(host: &str, repository: &str, bytes: &[u8]) -> Raw {
    let path = format!("/v2/{repository}/blobs/uploads/?digest={}", digest(bytes));
    raw(host, "POST", &path, &[], bytes).await
}

async fn push_image(host: &str, repository: &str, tag: &str) -> Raw {
    assert_eq!(push_blob(host, repository, b"{}").await.status, 201);
    assert_eq!(push_blob(host, repository, b"layer").await.status, 201);
    let bytes = manifest(&descriptor(CONFIG, b"{}"), &[descriptor(LAYER, b"layer")]);
    let path = format!("/v2/{repository}/manifests/{tag}");
    raw(host, "PUT", &path, &[("content-type", OCI_MANIFEST)], &bytes).await
}

#[tokio::test]
async fn a_blob_comes_whole_in_two_requests_or_in_chunks() {
    let (registry, _folder) = registry().await;
    let host = registry.host();
    let base = raw(&host, "GET", "/v2/", &[], b"").await;
    assert_eq!((base.status, base.header("docker-distribution-api-version")), (200, Some("registry/2.0")));

    let whole = push_blob(&host, "a/b", b"whole").await;
    assert_eq!(whole.status, 201);
    assert_eq!(whole.header("docker-content-digest"), Some(digest(b"whole").as_str()));

    let begun = raw(&host, "POST", "/v2/a/b/blobs/uploads/", &[], b"").await;
    let place = begun.header("location").expect("a place").to_owned();
    let encoded = digest(b"two").to_string().replace(':', "%3A");
    let put = raw(&host, "PUT", &format!("{place}?digest={encoded}"), &[], b"two").await;
    assert_eq!(put.status, 201);

    let begun = raw(&host, "POST", "/v2/a/b/blobs/uploads/", &[], b"").await;
    let place = begun.header("location").expect("a place").to_owned();
    let chunk = raw(&host, "PATCH", &place, &[("content-range", "0-3")], b"in c").await;
    assert_eq!((chunk.status, chunk.header("range")), (202, Some("0-3")));
    for (range, body) in [("0-3", "in c"), ("5-6", "un"), ("4-9", "hu"), ("x", "hu"), ("4-3", "")] {
        let refused = raw(&host, "PATCH", &place, &[("content-range", range)], body.as_bytes()).await;
        assert_eq!((refused.status, refused.header("range")), (416, Some("0-3")), "{range}");
    }
    let status = raw(&host, "GET", &place, &[], b"").await;
    assert_eq!((status.status, status.header("range")), (204, Some("0-3")));
    assert_eq!(raw(&host, "PATCH", &place, &[("content-range", "4-5")], b"hu").await.status, 202);
    let path = format!("{place}?digest={}", digest(b"in chunks"));
    assert_eq!(raw(&host, "PUT", &path, &[("content-range", "6-8")], b"nks").await.status, 201);
    assert_eq!(raw(&host, "GET", &place, &[], b"").await.code(), "BLOB_UPLOAD_UNKNOWN");

    for content in ["whole", "two", "in chunks"] {
        let path = format!("/v2/a/b/blobs/{}", digest(content.as_bytes()));
        let got = raw(&host, "GET", &path, &[], b"").await;
        assert_eq!((got.status, got.body.as_slice()), (200, content.as_bytes()));
        let head = raw(&host, "HEAD", &path, &[], b"").await;
        assert_eq!(head.header("content-length"), Some(content.len().to_string().as_str()));
        assert!(head.body.is_empty());
    }
}

#[tokio::test]
async fn an_upload_goes_when_it_is_deleted_or_wrong_or_the_registry_ends() {
    let (registry, folder) = registry().await;
    let host = registry.host();
    let uploads = folder.path().join("registry/uploads");
    #[expect(clippy::disallowed_methods, reason = "the test looks at the real disk")]
    let left = || std::fs::read_dir(&uploads).expect("a folder").count();
    let place = begin(&host).await;
    assert_eq!(left(), 1);
    assert_eq!(raw(&host, "GET", &place.replace("/a/", "/b/"), &[], b"").await.status, 404);
    assert_eq!(raw(&host, "DELETE", &place, &[], b"").await.status, 204);
    assert_eq!(raw(&host, "PATCH", &place, &[], b"x").await.code(), "BLOB_UPLOAD_UNKNOWN");
    assert_eq!(left(), 0);

    let place = begin(&host).await;
    let wrong = raw(&host, "PUT", &format!("{place}?digest={}", digest(b"x")), &[], b"y").await;
    assert_eq!((wrong.status, wrong.code().as_str()), (400, "DIGEST_INVALID"));
    assert_eq!(push_blob(&host, "a", b"").await.status, 201);
    assert_eq!(left(), 0);

    let place = begin(&host).await;
    assert_eq!(raw(&host, "PATCH", &place, &[], b"abandoned").await.status, 202);
    assert_eq!(left(), 1);
    registry.shutdown().await;
    assert_eq!(left(), 0);
}

/// Begins an upload and returns its place.
async fn begin(host: &str) -> String {
    let begun = raw(host, "POST", "/v2/a/blobs/uploads/", &[], b"").await;
    assert_eq!(begun.status, 202);
    begun.header("location").expect("a place").to_owned()
}

/// Sends the head of a request and the first bytes of its body.
async fn send_part(host: &str, method: &str, path: &str, size: usize, part: &str) -> TcpStream {
    let mut stream = TcpStream::connect(host).await.expect("connects");
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {size}\r\n\r\n{part}"
    );
    stream.write_all(head.as_bytes()).await.expect("sent");
    stream
}

/// Lets others go on.
async fn a_while() {
    tokio::time::timeout(Duration::from_millis(200), std::future::pending::<()>()).await.expect_err("passes");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_another_request_ends_takes_nothing_more() {
    let (registry, _folder) = registry().await;
    let host = registry.host();
    for method in ["PUT", "PATCH"] {
        let place = begin(&host).await;
        let path = format!("{place}?digest={}", digest(b"hello world"));
        let mut first = send_part(&host, "PUT", &path, 11, "hello").await;
        a_while().await;
        let (to, late) = (host.clone(), path.clone());
        let second = tokio::spawn(async move { raw(&to, method, &late, &[], b"EVIL").await });
        a_while().await;
        first.write_all(b" world").await.expect("sent");
        let mut answer = String::new();
        first.read_to_string(&mut answer).await.expect("answered");
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
        let second = second.await.expect("no panic");
        assert_eq!((second.status, second.code().as_str()), (404, "BLOB_UPLOAD_UNKNOWN"), "{method}");
        let path = format!("/v2/a/blobs/{}", digest(b"hello world"));
        assert_eq!(raw(&host, "GET", &path, &[], b"").await.body, b"hello world", "{method}");
    }
}

#[tokio::test]
async fn uploads_that_nobody_goes_on_with_make_room() {
    let (registry, folder) = registry().await;
    let host = registry.host();
    let first = begin(&host).await;
    let second = begin(&host).await;
    // In use, though it began before all others but one.
    let third = begin(&host).await;
    let mut slow = send_part(&host, "PATCH", &third, 2, "x").await;
    for _ in 3..256 {
        begin(&host).await;
    }
    assert_eq!(raw(&host, "PATCH", &first, &[], b"x").await.status, 202);
    begin(&host).await;
    begin(&host).await;
    assert_eq!(raw(&host, "GET", &first, &[], b"").await.status, 204, "the last one used stays");
    assert_eq!(raw(&host, "GET", &second, &[], b"").await.code(), "BLOB_UPLOAD_UNKNOWN");
    slow.write_all(b"y").await.expect("sent");
    let mut answer = String::new();
    slow.read_to_string(&mut answer).await.expect("answered");
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    #[expect(clippy::disallowed_methods, reason = "the test looks at the real disk")]
    let left = std::fs::read_dir(folder.path().join("registry/uploads")).expect("a folder").count();
    assert_eq!(left, 256);
}

#[tokio::test]
async fn a_manifest_comes_after_what_it_points_to() {
    let (registry, _folder) = registry().await;
    let host = registry.host();
    let bytes = manifest(&descriptor(CONFIG, b"{}"), &[descriptor(LAYER, b"layer")]);
    let types = [("content-type", OCI_MANIFEST)];
    let early = raw(&host, "PUT", "/v2/a/manifests/1", &types, &bytes).await;
    assert_eq!((early.status, early.code().as_str()), (400, "MANIFEST_BLOB_UNKNOWN"));

    let pushed = push_image(&host, "a", "1").await;
    assert_eq!(pushed.status, 201);
    assert_eq!(pushed.header("docker-content-digest"), Some(digest(&bytes).as_str()));
    for name in ["1", digest(&bytes).as_str()] {
        let got = raw(&host, "GET", &format!("/v2/a/manifests/{name}"), &[], b"").await;
        assert_eq!((got.status, got.header("content-type")), (200, Some(OCI_MANIFEST)));
        assert_eq!(got.body, bytes);
        let head = raw(&host, "HEAD", &format!("/v2/a/manifests/{name}"), &[], b"").await;
        assert_eq!((head.status, head.body.len()), (200, 0));
    }
    assert_eq!(raw(&host, "GET", "/v2/a/manifests/2", &[], b"").await.code(), "MANIFEST_UNKNOWN");

    // One repository's blobs are not another's, until they are mounted.
    assert_eq!(raw(&host, "PUT", "/v2/b/manifests/1", &types, &bytes).await.status, 400);
    for blob in [b"{}".as_slice(), b"layer"] {
        let path = format!("/v2/b/blobs/{}", digest(blob));
        assert_eq!(raw(&host, "HEAD", &path, &[], b"").await.status, 404);
        let mount = format!("/v2/b/blobs/uploads/?mount={}&from=a", digest(blob));
        assert_eq!(raw(&host, "POST", &mount, &[], b"").await.status, 201);
        assert_eq!(raw(&host, "HEAD", &path, &[], b"").await.status, 200);
    }
    assert_eq!(raw(&host, "PUT", "/v2/b/manifests/1", &types, &bytes).await.status, 201);
    let mount = format!("/v2/b/blobs/uploads/?mount={}&from=a", digest(b"missing"));
    assert_eq!(raw(&host, "POST", &mount, &[], b"").await.status, 202);

    let other = format!("/v2/a/manifests/{}", digest(b"other"));
    assert_eq!(raw(&host, "PUT", &other, &types, &bytes).await.code(), "DIGEST_INVALID");
    assert_eq!(raw(&host, "PUT", "/v2/a/manifests/2", &types, b"{}").await.code(), "MANIFEST_INVALID");
    let long = vec![b' '; 4 * 1024 * 1024 + 1];
    assert_eq!(raw(&host, "PUT", "/v2/a/manifests/2", &types, &long).await.status, 413);
    assert_eq!(raw(&host, "POST", "/v2/a/manifests/1", &[], b"").await.code(), "UNSUPPORTED");
}

#[tokio::test]
async fn tags_come_in_order_and_page_by_page() {
    let (registry, _folder) = registry().await;
    let host = registry.host();
    for tag in ["b", "a", "C", "1.0", "latest"] {
        assert_eq!(push_image(&host, "team/web", tag).await.status, 201);
    }
    let list = |query: &'static str| {
        let host = host.clone();
        async move { raw(&host, "GET", &format!("/v2/team/web/tags/list{query}"), &[], b"").await }
    };
    let all = list("").await;
    assert_eq!(all.json(), json!({ "name": "team/web", "tags": ["1.0", "a", "b", "C", "latest"] }));
    assert_eq!(all.header("link"), None);
    let page = list("?n=2").await;
    assert_eq!(page.json()["tags"], json!(["1.0", "a"]));
    assert_eq!(page.header("link"), Some("</v2/team/web/tags/list?n=2&last=a>; rel=\"next\""));
    assert_eq!(list("?n=2&last=a").await.json()["tags"], json!(["b", "C"]));
    let last = list("?n=2&last=C").await;
    assert_eq!((last.json()["tags"].clone(), last.header("link")), (json!(["latest"]), None));
    assert_eq!(list("?last=aa").await.json()["tags"], json!(["b", "C", "latest"]));
    let none = list("?n=0").await;
    assert_eq!((none.json()["tags"].clone(), none.header("link")), (json!([]), None));
    assert_eq!(list("?n=x").await.status, 400);
    for repository in ["team", "other"] {
        let unknown = raw(&host, "GET", &format!("/v2/{repository}/tags/list"), &[], b"").await;
        assert_eq!((unknown.status, unknown.code().as_str()), (404, "NAME_UNKNOWN"));
    }
}

#[tokio::test]
async fn sha512_is_a_digest_too() {
    let (registry, _folder) = registry().await;
    let host = registry.host();
    let digest = format!(
        "sha512:{}{}",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a",
        "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
    );
    let begun = raw(&host, "POST", "/v2/a/blobs/uploads/", &[], b"").await;
    let place = begun.header("location").expect("a place").to_owned();
    assert_eq!(raw(&host, "PUT", &format!("{place}?digest={digest}"), &[], b"abc").await.status, 201);
    let path = format!("/v2/b/blobs/uploads/?digest={digest}");
    assert_eq!(raw(&host, "POST", &path, &[], b"abc").await.status, 201);
    assert_eq!(raw(&host, "POST", &path, &[], b"abd").await.code(), "DIGEST_INVALID");
    assert_eq!(raw(&host, "GET", &format!("/v2/b/blobs/{digest}"), &[], b"").await.body, b"abc");
}

#[tokio::test]
async fn nothing_outside_the_grammar_is_touched() {
    let (registry, folder) = registry().await;
    let host = registry.host();
    for (method, path, status) in [
        ("GET", "/", 404),
        ("GET", "/v2/a", 404),
        ("GET", "/v2/../../../etc/manifests/passwd", 400),
        ("POST", "/v2/%2e%2e/%2e%2e/blobs/uploads/", 400),
        ("POST", "/v2/_tags/blobs/uploads/", 400),
        ("PUT", "/v2/a/manifests/..", 400),
        ("PATCH", "/v2/a/blobs/uploads/..", 404),
        ("PUT", "/v2/a/blobs/uploads/x?digest=sha256:../../x", 404),
        ("POST", "/v2/a/blobs/uploads/?digest=sha256:../../x", 400),
        ("GET", "/v2/a/blobs/sha256:../../x", 404),
        ("GET", "/v2/a/blobs/sha256:..", 400),
        ("POST", "/v2/", 405),
        ("DELETE", "/v2/a/tags/list", 405),
    ] {
        let refused = raw(&host, method, path, &[], b"x").await;
        assert_eq!(refused.status, status, "{method} {path}");
        assert!(!refused.code().is_empty());
    }
    #[expect(clippy::disallowed_methods, reason = "the test looks at the real disk")]
    let names = std::fs::read_dir(folder.path()).expect("a folder").count();
    assert_eq!(names, 1, "only the registry's own folder is there");
}

#[tokio::test]
async fn what_was_pushed_is_there_after_a_restart_and_the_port_is_free() {
    let (registry, folder) = registry().await;
    let address = registry.address();
    assert_eq!(push_image(&registry.host(), "a", "1").await.status, 201);
    registry.shutdown().await;
    let disk = std::sync::Arc::new(shipway_core::HostDisk);
    let again = shipway_oci::Registry::builder(folder.path().join("registry"), disk).address(address);
    let again = again.start().await.expect("starts again");
    assert_eq!(raw(&again.host(), "GET", "/v2/a/manifests/1", &[], b"").await.status, 200);
}

#[tokio::test]
async fn faults_are_made_on_purpose() {
    use shipway_oci::Fault;
    let (registry, _folder) = registry_with(|builder| {
        builder.faults(|request| match (request.method, request.path) {
            ("GET", "/v2/") if request.count == 0 => Some(Fault::Status(503)),
            ("GET", path) if path.ends_with("/cut") => Some(Fault::Cut(3)),
            ("GET", path) if path.ends_with("/corrupt") => Some(Fault::Corrupt),
            _ => None,
        })
    })
    .await;
    let host = registry.host();
    assert_eq!(raw(&host, "GET", "/v2/", &[], b"").await.status, 503);
    assert_eq!(raw(&host, "GET", "/v2/", &[], b"").await.status, 200);
    assert_eq!(push_image(&host, "a", "cut").await.status, 201);
    assert_eq!(push_image(&host, "a", "corrupt").await.status, 201);
    let whole = manifest(&descriptor(CONFIG, b"{}"), &[descriptor(LAYER, b"layer")]);
    let cut = raw(&host, "GET", "/v2/a/manifests/cut", &[], b"").await;
    assert_eq!((cut.status, cut.body.as_slice()), (200, &whole[..3]));
    let corrupt = raw(&host, "GET", "/v2/a/manifests/corrupt", &[], b"").await;
    assert_eq!((corrupt.body.len(), &corrupt.body[1..]), (whole.len(), &whole[1..]));
    assert_ne!(corrupt.body[0], whole[0]);
}

#[tokio::test]
async fn a_folder_is_one_registrys_at_a_time() {
    let (registry, folder) = registry().await;
    let place = begin(&registry.host()).await;
    let start = || {
        let disk = std::sync::Arc::new(shipway_core::HostDisk);
        shipway_oci::Registry::start(folder.path().join("registry"), disk)
    };
    let error = start().await.expect_err("it is open");
    assert_eq!(error.kind(), shipway_core::ErrorKind::Conflict);
    let path = format!("{place}?digest={}", digest(b"x"));
    assert_eq!(raw(&registry.host(), "PUT", &path, &[], b"x").await.status, 201, "the upload is still there");
    registry.shutdown().await;
    start().await.expect("starts");
}
