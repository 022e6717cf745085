//! The registry by raw requests: parts of blobs, what refers to a manifest, deletion, the login, and many
//! who push at once.

#![expect(clippy::disallowed_methods, reason = "a test looks into the folder")]

mod support;

use serde_json::{Value, json};
use support::{
    CONFIG, LAYER, OCI_INDEX, OCI_MANIFEST, Raw, descriptor, digest, manifest, noise, raw, registry,
    registry_with,
};

async fn push_blob(host: &str, repository: &str, bytes: &[u8]) {
    let path = format!("/v2/{repository}/blobs/uploads/?digest={}", digest(bytes));
    assert_eq!(raw(host, "POST", &path, &[], bytes).await.status, 201);
}

async fn push_manifest(host: &str, repository: &str, label: &str, bytes: &[u8]) -> Raw {
    let path = format!("/v2/{repository}/manifests/{label}");
    raw(host, "PUT", &path, &[("content-type", OCI_MANIFEST)], bytes).await
}

/// Pushes an image of one layer, and returns its manifest.
async fn push_image(host: &str, repository: &str, tag: &str, layer: &[u8]) -> Vec<u8> {
    push_blob(host, repository, b"{}").await;
    push_blob(host, repository, layer).await;
    let bytes = manifest(&descriptor(CONFIG, b"{}"), &[descriptor(LAYER, layer)]);
    assert_eq!(push_manifest(host, repository, tag, &bytes).await.status, 201);
    bytes.to_vec()
}

async fn get(host: &str, path: &str) -> Raw {
    raw(host, "GET", path, &[], b"").await
}

#[tokio::test]
async fn a_part_of_a_blob_is_answered_alone() {
    let (registry, _folder) = registry().await;
    let host = registry.host();
    let content = noise(1, 700_000);
    push_blob(&host, "a", &content).await;
    let path = format!("/v2/a/blobs/{}", digest(&content));
    for (range, from, to) in [
        ("bytes=0-0", 0, 0),
        ("bytes=5-300000", 5, 300_000),
        ("bytes=600000-", 600_000, 699_999),
        ("bytes=-7", 699_993, 699_999),
        ("bytes=0-9999999", 0, 699_999),
    ] {
        let part = raw(&host, "GET", &path, &[("range", range)], b"").await;
        let shown = format!("bytes {from}-{to}/700000");
        assert_eq!((part.status, part.header("content-range")), (206, Some(&*shown)), "{range}");
        assert!(part.body == content[from..=to], "{range}");
    }
    let none = raw(&host, "GET", &path, &[("range", "bytes=700000-")], b"").await;
    assert_eq!((none.status, none.header("content-range")), (416, Some("bytes */700000")));
    let whole = raw(&host, "GET", &path, &[("range", "bytes=0-1,3-4")], b"").await;
    assert!(whole.status == 200 && whole.body == content);
    let head = raw(&host, "HEAD", &path, &[("range", "bytes=0-1")], b"").await;
    assert_eq!((head.status, head.header("content-length")), (200, Some("700000")));
}

#[tokio::test]
async fn what_refers_to_a_manifest_is_listed_also_before_it_is_there() {
    let (registry, _folder) = registry().await;
    let host = registry.host();
    let subject = manifest(&descriptor(CONFIG, b"{}"), &[descriptor(LAYER, b"layer")]);
    let part = json!({ "mediaType": OCI_MANIFEST, "digest": digest(&subject), "size": subject.len() });
    push_blob(&host, "a", b"{}").await;
    let config = json!({ "mediaType": "application/vnd.example.config", "digest": digest(b"{}"), "size": 2 });
    let signature = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": "application/vnd.example.signature",
        "config": config, "layers": [], "subject": part, "annotations": { "by": "us" },
    })
    .to_string();
    let report = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [], "subject": part,
    })
    .to_string();
    for bytes in [&signature, &report] {
        let pushed = push_manifest(&host, "a", digest(bytes.as_bytes()).as_str(), bytes.as_bytes()).await;
        assert_eq!((pushed.status, pushed.header("oci-subject")), (201, Some(digest(&subject).as_str())));
    }
    // An index refers as well.
    let index =
        json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [], "subject": part }).to_string();
    let pushed =
        raw(&host, "PUT", "/v2/a/manifests/index", &[("content-type", OCI_INDEX)], index.as_bytes()).await;
    assert_eq!(pushed.header("oci-subject"), Some(digest(&subject).as_str()));

    let path = format!("/v2/a/referrers/{}", digest(&subject));
    let all = get(&host, &path).await;
    assert_eq!((all.status, all.header("content-type")), (200, Some(OCI_INDEX)));
    let listed = |answer: &Raw| {
        let listed: Vec<Value> = answer.json()["manifests"].as_array().expect("a list").clone();
        let mut types: Vec<String> = listed.iter().map(|one| one["artifactType"].to_string()).collect();
        types.sort();
        types
    };
    let (a, b) = ("\"application/vnd.example.config\"", "\"application/vnd.example.signature\"");
    assert_eq!(listed(&all), [a, b, "null"]);
    let some = get(&host, &format!("{path}?artifactType=application/vnd.example.signature")).await;
    assert_eq!(some.header("oci-filters-applied"), Some("artifactType"));
    let one = &some.json()["manifests"][0];
    assert_eq!((listed(&some), &one["annotations"]["by"]), (vec![b.to_owned()], &json!("us")));
    assert_eq!(
        (&one["digest"], &one["size"]),
        (&json!(digest(signature.as_bytes())), &json!(signature.len()))
    );

    // Nobody refers to another manifest, nor in another repository.
    let none = get(&host, &format!("/v2/a/referrers/{}", digest(b"none"))).await;
    assert_eq!((none.status, listed(&none).len()), (200, 0));
    assert_eq!(listed(&get(&host, &path.replace("/a/", "/b/")).await).len(), 0);
    assert_eq!(get(&host, "/v2/a/referrers/latest").await.code(), "DIGEST_INVALID");

    let gone = format!("/v2/a/manifests/{}", digest(signature.as_bytes()));
    assert_eq!(raw(&host, "DELETE", &gone, &[], b"").await.status, 202);
    assert_eq!(listed(&get(&host, &path).await), [a, "null"]);
}

#[tokio::test]
async fn referrers_that_are_too_many_for_one_answer_are_on_several_pages() {
    let (registry, _folder) = registry().await;
    let host = registry.host();
    let subject = manifest(&descriptor(CONFIG, b"{}"), &[]);
    push_blob(&host, "a", b"{}").await;
    let mut pushed = Vec::new();
    for number in 0..5 {
        let bytes = json!({
            "schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": "a/b+c&d", "layers": [],
            "config": { "mediaType": CONFIG, "digest": digest(b"{}"), "size": 2 },
            "subject": { "mediaType": OCI_MANIFEST, "digest": digest(&subject), "size": subject.len() },
            "annotations": { "number": number.to_string(), "long": "x".repeat(1_500_000) },
        })
        .to_string();
        let name = digest(bytes.as_bytes()).to_string();
        assert_eq!(push_manifest(&host, "a", &name, bytes.as_bytes()).await.status, 201);
        pushed.push(name);
    }
    let (mut found, mut pages) = (Vec::new(), 0);
    let mut next = Some(format!("/v2/a/referrers/{}?artifactType=a%2Fb%2Bc%26d", digest(&subject)));
    while let Some(path) = next {
        let page = get(&host, &path).await;
        assert_eq!((page.status, page.header("oci-filters-applied")), (200, Some("artifactType")));
        assert!(page.body.len() < 4 << 20);
        let listed = page.json()["manifests"].as_array().expect("a list").clone();
        found.extend(listed.iter().map(|one| one["digest"].as_str().expect("a digest").to_owned()));
        next = page.header("link").map(|link| {
            let rest = link.strip_prefix('<').expect("a link");
            rest.strip_suffix(">; rel=\"next\"").expect("the next one").to_owned()
        });
        pages += 1;
    }
    pushed.sort();
    assert_eq!((found, pages), (pushed, 3));
}

#[tokio::test]
async fn what_is_deleted_is_gone_from_its_repository_and_from_disk_when_nobody_has_it() {
    let (registry, folder) = registry().await;
    let host = registry.host();
    let first = push_image(&host, "a", "1", b"first").await;
    let second = push_image(&host, "a", "2", b"second").await;
    push_image(&host, "b/c", "1", b"first").await;
    assert_eq!(push_manifest(&host, "a", "also-1", &first).await.status, 201);
    let delete = async |path: String| raw(&host, "DELETE", &path, &[], b"").await;
    let on_disk =
        |bytes: &[u8]| folder.path().join("registry/blobs/sha256").join(digest(bytes).hex()).is_file();

    // A tag alone.
    assert_eq!(delete("/v2/a/manifests/2".into()).await.status, 202);
    assert_eq!(get(&host, "/v2/a/manifests/2").await.code(), "MANIFEST_UNKNOWN");
    assert_eq!(get(&host, &format!("/v2/a/manifests/{}", digest(&second))).await.status, 200);
    assert_eq!(delete("/v2/a/manifests/2".into()).await.code(), "MANIFEST_UNKNOWN");

    // A manifest, with its tags.
    let path = format!("/v2/a/manifests/{}", digest(&first));
    assert_eq!(delete(path.clone()).await.status, 202);
    assert_eq!(delete(path.clone()).await.code(), "MANIFEST_UNKNOWN");
    assert_eq!(get(&host, "/v2/a/tags/list").await.json()["tags"], json!([]));
    assert!(on_disk(&first), "another repository has it");
    assert_eq!(get(&host, "/v2/b/c/manifests/1").await.status, 200);
    assert_eq!(delete("/v2/b/c/manifests/1".into()).await.status, 202);
    assert_eq!(delete(path.replace("/a/", "/b/c/")).await.status, 202);
    assert!(!on_disk(&first));

    // A blob, which the other repository still has.
    let path = format!("/v2/a/blobs/{}", digest(b"first"));
    assert_eq!(delete(path.clone()).await.status, 202);
    assert_eq!(delete(path.clone()).await.code(), "BLOB_UNKNOWN");
    assert_eq!(get(&host, &path.replace("/a/", "/b/c/")).await.body, b"first");
    assert_eq!(delete(path.replace("/a/", "/b/c/")).await.status, 202);
    assert!(!on_disk(b"first") && on_disk(b"second"));

    // What is gone can come again.
    push_image(&host, "a", "1", b"first").await;
    assert_eq!(get(&host, "/v2/a/manifests/1").await.status, 200);
}

#[tokio::test]
async fn without_the_login_nothing_is_answered() {
    let (registry, _folder) = registry_with(|builder| builder.login("us", "pass:word")).await;
    let host = registry.host();
    let right = "Basic dXM6cGFzczp3b3Jk";
    for header in ["", "Basic", "Basic dXM6cGFzcw==", "Bearer dXM6cGFzczp3b3Jk", "Basic dXM6cGFzczp3b3Jk="] {
        for (method, path) in [("GET", "/v2/"), ("POST", "/v2/a/blobs/uploads/"), ("GET", "/nowhere")] {
            let refused = raw(&host, method, path, &[("authorization", header)], b"").await;
            assert_eq!(
                (refused.status, &*refused.code()),
                (401, "UNAUTHORIZED"),
                "{header}: {method} {path}"
            );
            let asks = refused.header("www-authenticate").expect("a challenge");
            assert!(asks.starts_with("Basic realm="), "{asks}");
        }
    }
    for header in [right, "basic dXM6cGFzczp3b3Jk"] {
        assert_eq!(raw(&host, "GET", "/v2/", &[("authorization", header)], b"").await.status, 200);
    }
}

/// Pushers of the same content and the same tags, and one who deletes meanwhile: what can be seen is whole
/// at any moment, and nothing is left half-way.
#[tokio::test(flavor = "multi_thread")]
async fn many_push_and_delete_at_once_and_what_is_seen_is_whole() {
    let (registry, folder) = registry().await;
    let host = registry.host();
    let push = |pusher: usize| {
        let host = host.clone();
        async move {
            for round in 0..8 {
                let layer = noise(round % 3, 20_000);
                let repository = ["a", "b"][pusher % 2];
                push_blob(&host, repository, b"{}").await;
                push_blob(&host, repository, &layer).await;
                let bytes = manifest(&descriptor(CONFIG, b"{}"), &[descriptor(LAYER, &layer)]);
                // Somebody may have deleted the layer since.
                let pushed = push_manifest(&host, repository, "latest", &bytes).await;
                assert!(
                    pushed.status == 201 || pushed.code() == "MANIFEST_BLOB_UNKNOWN",
                    "{}",
                    pushed.status
                );
            }
        }
    };
    let pushers: Vec<_> = (0..12).map(|pusher| tokio::spawn(push(pusher))).collect();
    for round in 0..20 {
        let path = format!("/v2/a/blobs/{}", digest(&noise(round % 3, 20_000)));
        let deleted = raw(&host, "DELETE", &path, &[], b"").await;
        assert!(deleted.status == 202 || deleted.code() == "BLOB_UNKNOWN");
        let seen = get(&host, "/v2/b/manifests/latest").await;
        if seen.status == 200 {
            let layer = seen.json()["layers"][0]["digest"].as_str().expect("a digest").to_owned();
            let blob = get(&host, &format!("/v2/b/blobs/{layer}")).await;
            assert_eq!((blob.status, digest(&blob.body).to_string()), (200, layer));
        }
    }
    for pusher in pushers {
        pusher.await.expect("pushes");
    }
    assert_eq!(std::fs::read_dir(folder.path().join("registry/uploads")).expect("a folder").count(), 0);
    for blob in std::fs::read_dir(folder.path().join("registry/blobs/sha256")).expect("a folder") {
        let path = blob.expect("an entry").path();
        let bytes = std::fs::read(&path).expect("readable");
        assert_eq!(digest(&bytes).hex(), path.file_name().expect("a name").to_string_lossy());
    }
}
