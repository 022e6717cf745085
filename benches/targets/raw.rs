//! A registry's requests, written to a connection as they are: what nothing that pushes can do without.

use std::{
    fmt::Write as _,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    num::NonZero,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use sha2::{Digest, Sha256};

/// Pushes the layer, configuration and manifest of `count` small images.
pub(crate) fn small(host: &str, repository: &str, count: usize) {
    let next = AtomicUsize::new(0);
    // As many push at a time as Shipway's driver does builds.
    let connections = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        for _ in 0..connections.min(count) {
            scope.spawn(|| {
                let mut connection = Connection::to(host);
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= count {
                        return;
                    }
                    // About as long as what a Dockerfile with one small file becomes.
                    let layer: Vec<u8> = format!("layer {repository} {index} ").into_bytes().repeat(8);
                    let config = format!("{{\"config\":\"{repository} {index} {}\"}}", "x".repeat(250));
                    let repository = format!("{repository}/{index}");
                    connection.push(&repository, &layer);
                    connection.push(&repository, config.as_bytes());
                    connection.manifest(&repository, config.as_bytes(), &layer);
                }
            });
        }
    });
}

/// Returns the whole answer to a `GET`.
pub(crate) fn get(host: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(host).expect("connects");
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("text");
    answer
}

/// A connection that stays open.
pub(crate) struct Connection {
    host: String,
    stream: BufReader<TcpStream>,
}

impl Connection {
    pub(crate) fn to(host: &str) -> Self {
        let stream = TcpStream::connect(host).expect("connects");
        stream.set_nodelay(true).expect("a socket");
        Self { host: host.to_owned(), stream: BufReader::new(stream) }
    }

    /// Pushes a blob: where it goes, and then all of it.
    pub(crate) fn push(&mut self, repository: &str, content: &[u8]) {
        self.push_as(repository, &digest(content), &[content]);
    }

    pub(crate) fn push_as(&mut self, repository: &str, digest: &str, content: &[&[u8]]) {
        let begun = self.ask("POST", &format!("/v2/{repository}/blobs/uploads/"), "", &[], 202);
        let place = begun.expect("a place");
        let path =
            place.strip_prefix("http://").map_or(place.as_str(), |rest| &rest[rest.find('/').unwrap_or(0)..]);
        let with = if path.contains('?') { '&' } else { '?' };
        let kind = "content-type: application/octet-stream\r\n";
        self.ask("PUT", &format!("{path}{with}digest={digest}"), kind, content, 201);
    }

    fn manifest(&mut self, repository: &str, config: &[u8], layer: &[u8]) {
        const OCI: &str = "application/vnd.oci.image";
        let part = |kind: &str, content: &[u8]| {
            format!(
                r#"{{"mediaType":"{OCI}.{kind}","digest":"{}","size":{}}}"#,
                digest(content),
                content.len()
            )
        };
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"{OCI}.manifest.v1+json","config":{},"layers":[{}]}}"#,
            part("config.v1+json", config),
            part("layer.v1.tar+gzip", layer)
        );
        let kind = format!("content-type: {OCI}.manifest.v1+json\r\n");
        self.ask("PUT", &format!("/v2/{repository}/manifests/1"), &kind, &[manifest.as_bytes()], 201);
    }

    /// Sends a request and returns its answer's `Location`.
    fn ask(
        &mut self,
        method: &str,
        path: &str,
        headers: &str,
        body: &[&[u8]],
        status: u16,
    ) -> Option<String> {
        let length: usize = body.iter().map(|part| part.len()).sum();
        let host = &self.host;
        let mut head = String::new();
        write!(head, "{method} {path} HTTP/1.1\r\nhost: {host}\r\n{headers}content-length: {length}\r\n\r\n")
            .expect("memory takes it");
        let stream = self.stream.get_mut();
        stream.write_all(head.as_bytes()).expect("sent");
        for part in body {
            stream.write_all(part).expect("sent");
        }
        let (mut line, mut length, mut place) = (String::new(), 0, None);
        self.stream.read_line(&mut line).expect("an answer");
        assert!(line.contains(&format!(" {status} ")), "{method} {path}: {line}");
        loop {
            line.clear();
            self.stream.read_line(&mut line).expect("a header");
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.parse().expect("a length");
            } else if name.eq_ignore_ascii_case("location") {
                place = Some(value.to_owned());
            }
        }
        let mut rest = vec![0; length];
        self.stream.read_exact(&mut rest).expect("a body");
        place
    }
}

/// Returns the digest as images are named by.
pub(crate) fn digest(content: &[u8]) -> String {
    named(Sha256::digest(content).as_slice())
}

pub(crate) fn named(hash: &[u8]) -> String {
    hash.iter().fold("sha256:".to_owned(), |mut name, byte| {
        write!(name, "{byte:02x}").expect("memory takes it");
        name
    })
}
