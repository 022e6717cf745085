//! Lists of referrers in registries that keep none, and in such as lie.

mod support;

use std::{collections::BTreeMap, sync::Mutex};

use shipway_core::{Digest, ErrorKind};
use shipway_oci::{Client, Descriptor, Distribution, ImageManifest, RemoteRepository};
use support::{OCI_INDEX, OCI_MANIFEST, Seen, Server, context, descriptor, digest, impatient, reply};

const EMPTY: &str = "application/vnd.oci.empty.v1+json";

fn repository(client: &Client, host: &str) -> RemoteRepository {
    client.repository(&context(), &format!("{host}/team/web")).expect("a repository")
}

fn about(subject: &Descriptor, word: &str) -> ImageManifest {
    let mut manifest = ImageManifest::new(descriptor(EMPTY, b"{}"), Vec::new());
    manifest.subject = Some(Box::new(subject.clone()));
    manifest.annotations.insert("word".to_owned(), word.to_owned());
    manifest
}

/// A registry as docker-registry 2 is: it keeps manifests, and knows nothing of subjects.
async fn plain() -> Server {
    let kept: Mutex<BTreeMap<String, (String, String)>> = Mutex::default();
    Server::start(move |request, seen| {
        let mut kept = kept.lock().expect("not poisoned");
        let Some(label) = seen.path.strip_prefix("/v2/team/web/manifests/") else {
            return reply(404, &[("content-type", "text/plain")], "404 page not found\n");
        };
        match seen.method.as_str() {
            "PUT" => {
                let kind = request.headers()["content-type"].to_str().expect("text").to_owned();
                let own = digest(seen.body.as_bytes());
                kept.insert(own.to_string(), (kind.clone(), seen.body.clone()));
                kept.insert(label.to_owned(), (kind, seen.body.clone()));
                reply(201, &[("docker-content-digest", own.as_str())], "")
            }
            _ => match kept.get(label) {
                Some((kind, body)) => reply(200, &[("content-type", kind)], body.clone()),
                None => reply(404, &[], r#"{"errors":[{"code":"MANIFEST_UNKNOWN"}]}"#),
            },
        }
    })
    .await
}

#[tokio::test]
async fn clients_keep_the_list_where_the_registry_does_not() {
    let server = plain().await;
    let subject = descriptor(OCI_MANIFEST, b"an image");
    let one = repository(&Client::new(), &server.host);
    assert_eq!(one.referrers(&subject.digest, None).await.expect("asked"), []);
    let first = one.write_referrer(&about(&subject, "first")).await.expect("written");
    let second = one.write_referrer(&about(&subject, "second")).await.expect("written");
    let puts = |seen: Vec<Seen>| seen.iter().filter(|seen| seen.method == "PUT").count();
    let before = puts(server.seen());
    one.write_referrer(&about(&subject, "second")).await.expect("written");
    assert_eq!(puts(server.seen()), before + 1, "the manifest again, and not the list");
    assert_eq!(one.referrers(&subject.digest, None).await.expect("asked"), [first.clone(), second]);
    assert_eq!(first.artifact_type.as_deref(), Some(EMPTY));
    let tag = format!("/v2/team/web/manifests/sha256-{}", subject.digest.hex());
    assert!(server.seen().iter().any(|seen| seen.method == "PUT" && seen.path == tag));
}

#[tokio::test]
async fn writers_that_know_nothing_of_each_other_lose_nothing() {
    let server = plain().await;
    let subject = descriptor(OCI_MANIFEST, b"an image");
    let mut writing = tokio::task::JoinSet::new();
    for number in 0..6 {
        let (host, subject) = (server.host.clone(), subject.clone());
        // Each a client of its own, as in processes side by side.
        writing.spawn(async move {
            let one = repository(&Client::new(), &host);
            one.write_referrer(&about(&subject, &number.to_string())).await
        });
    }
    while let Some(written) = writing.join_next().await {
        written.expect("no panic").expect("written");
    }
    let listed = repository(&Client::new(), &server.host).referrers(&subject.digest, None).await;
    assert_eq!(listed.expect("asked").len(), 6);
}

/// Returns an index with this many entries.
fn index(count: usize) -> String {
    let entry = |number: usize| serde_json::json!({ "mediaType": OCI_MANIFEST, "digest": digest(&number.to_le_bytes()), "size": 1 });
    let entries: Vec<_> = (0..count).map(entry).collect();
    serde_json::json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries }).to_string()
}

async fn asked(answer: impl Fn(&Seen) -> (u16, String, Option<String>) + Send + Sync + 'static) -> Asked {
    let server = Server::start(move |_, seen| {
        let (status, body, link) = answer(seen);
        let kind = if body.starts_with('{') { OCI_INDEX } else { "text/plain" };
        let link = link.map(|link| ("link", link));
        let mut headers = vec![("content-type", kind)];
        headers.extend(link.as_ref().map(|(name, link)| (*name, link.as_str())));
        reply(status, &headers, body)
    })
    .await;
    let listed = repository(&impatient(), &server.host).referrers(&subject(), None).await;
    Asked { listed, server }
}

struct Asked {
    listed: shipway_core::Result<Vec<Descriptor>>,
    server: Server,
}

fn subject() -> Digest {
    digest(b"an image")
}

#[tokio::test]
async fn pages_are_followed_and_a_list_without_end_is_not() {
    let second = |seen: &Seen| seen.path.ends_with("last=2");
    let next = || Some("</v2/team/web/referrers/x?last=2>; rel=\"next\"".to_owned());
    let pages = asked(move |seen| (200, index(2), if second(seen) { None } else { next() })).await;
    assert_eq!(pages.listed.expect("listed").len(), 4);
    let circle = asked(move |_| (200, index(0), next())).await;
    assert_eq!(circle.listed.expect_err("refused").kind(), ErrorKind::BadOutput);
    assert!(circle.server.seen().len() < 100, "{}", circle.server.seen().len());
    let long = asked(move |_| (200, index(1500), next())).await;
    assert_eq!(long.listed.expect_err("refused").kind(), ErrorKind::BadOutput);
    assert_eq!(long.server.seen().len(), 2);
    let elsewhere = asked(|_| (200, index(1), Some("<http://192.0.2.1/x>; rel=next".to_owned()))).await;
    assert_eq!(elsewhere.listed.expect_err("refused").kind(), ErrorKind::BadOutput);
}

#[tokio::test]
async fn a_registry_that_lies_or_is_down_is_an_error() {
    for body in ["{", "{}", r#"{"manifests":[{"mediaType":"x","digest":"sha256:../..","size":1}]}"#] {
        let answer = asked(move |_| (200, body.to_owned(), None)).await;
        assert_eq!(answer.listed.expect_err("refused").kind(), ErrorKind::BadOutput, "{body}");
    }
    let huge = asked(|_| (200, format!("{{{}", " ".repeat(5 << 20)), None)).await;
    assert_eq!(huge.listed.expect_err("refused").kind(), ErrorKind::BadOutput);
    for (status, kind) in [(503, ErrorKind::Unavailable), (403, ErrorKind::Auth)] {
        let answer = asked(move |_| (status, String::new(), None)).await;
        assert_eq!(answer.listed.expect_err("refused").kind(), kind);
    }
}
