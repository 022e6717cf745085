//! A BuildKit session, with the engine's part played here: what it may ask for, and what it gets.

use std::{collections::BTreeMap, path::Path};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Incoming, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use shipway_core::{Login, Secret};
use shipway_docker::{BuildSpec, Daemon, SessionOffer, tar_stream};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
};

use crate::{context, fake::ok};

/// Returns a message of one field of bytes, number 1, with its length before it.
fn message(text: &str) -> Bytes {
    let mut message = vec![0, 0, 0, 0, text.len() as u8 + 2, 0x0a, text.len() as u8];
    message.extend(text.bytes());
    message.into()
}

async fn call(sender: &mut http2::SendRequest<Full<Bytes>>, path: &str, body: Bytes) -> (Vec<u8>, String) {
    let request = Request::post(format!("http://session{path}"))
        .header("content-type", "application/grpc")
        .header("buildkit.ssh.id", "default")
        .body(Full::new(body))
        .unwrap();
    let answer: Response<Incoming> = sender.send_request(request).await.unwrap();
    let body = answer.into_body().collect().await.unwrap();
    let code = body.trailers().unwrap()["grpc-status"].to_str().unwrap().to_owned();
    (body.to_bytes().to_vec(), code)
}

/// Plays the engine: opens the session that is offered, asks for things, and ends the build.
async fn play(listener: UnixListener) -> Vec<(&'static str, Vec<u8>, String)> {
    let mut seen = Vec::new();
    loop {
        let (mut wire, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.windows(4).any(|end| end == b"\r\n\r\n") {
            assert!(wire.read_buf(&mut head).await.unwrap() > 0);
        }
        let head = String::from_utf8_lossy(&head).to_lowercase();
        let path = head.split(' ').nth(1).unwrap();
        if path.starts_with("/_ping") {
            let pong = b"HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Length: 2\r\n\r\nOK";
            wire.write_all(pong).await.unwrap();
        } else if path.starts_with("/v1.41/session") {
            assert!(head.contains("upgrade: h2c"), "{head}");
            assert!(head.contains(
                "x-docker-expose-session-grpc-method: /moby.buildkit.secrets.v1.secrets/getsecret"
            ));
            wire.write_all(b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
                .await
                .unwrap();
            seen = ask(wire).await;
        } else {
            assert!(path.contains("version=2") && path.contains("session="), "{path}");
            let id = format!("{{\"aux\":{{\"ID\":\"sha256:{}\"}}}}\n", "a".repeat(64));
            wire.write_all(&ok(&id)).await.unwrap();
            return seen;
        }
    }
}

async fn ask(wire: UnixStream) -> Vec<(&'static str, Vec<u8>, String)> {
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(wire)).await.unwrap();
    tokio::spawn(connection);
    let mut seen = Vec::new();
    for (path, name) in [
        ("/grpc.health.v1.Health/Check", ""),
        ("/moby.buildkit.secrets.v1.Secrets/GetSecret", "key"),
        ("/moby.buildkit.secrets.v1.Secrets/GetSecret", "other"),
        ("/moby.filesync.v1.Auth/Credentials", "h.example:5000"),
        ("/moby.filesync.v1.Auth/Credentials", "other.example"),
        ("/moby.filesync.v1.Auth/FetchToken", "h.example:5000"),
        ("/moby.sshforward.v1.SSH/CheckAgent", "default"),
        ("/moby.sshforward.v1.SSH/CheckAgent", "other"),
        ("/moby.sshforward.v1.SSH/ForwardAgent", "to the agent"),
    ] {
        let (answer, code) = call(&mut sender, path, message(name)).await;
        seen.push((path, answer, code));
    }
    // What is no message, or claims to be 4 GiB long.
    for body in [&b"\x01\0\0\0\0"[..], b"\0\xff\xff\xff\xff", b"\0\0\0\0\x02\x0a\x09", b""] {
        let path = "/moby.buildkit.secrets.v1.Secrets/GetSecret";
        let (answer, code) = call(&mut sender, path, Bytes::from_static(body)).await;
        assert_eq!((answer.len(), code.as_str()), (0, "3"), "{body:?}");
    }
    seen
}

/// An agent that says everything back in capitals, and then goes.
fn agent(path: &Path) {
    let listener = UnixListener::bind(path).unwrap();
    tokio::spawn(async move {
        while let Ok((mut wire, _)) = listener.accept().await {
            let mut text = Vec::new();
            wire.read_to_end(&mut text).await.unwrap();
            wire.write_all(&text.to_ascii_uppercase()).await.unwrap();
        }
    });
}

#[tokio::test]
async fn a_session_gives_what_was_offered_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("engine.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let agent_socket = folder.path().join("agent.sock");
    agent(&agent_socket);
    let mut offer = SessionOffer::default();
    offer.secrets = BTreeMap::from([("key".to_owned(), Secret::from("the value"))]);
    offer.agents = BTreeMap::from([("default".to_owned(), agent_socket)]);
    offer.logins = BTreeMap::from([("h.example:5000".to_owned(), Login::new("ci", "word"))]);
    let mut spec = BuildSpec::new("Dockerfile");
    spec.session = Some(offer);
    let daemon = Daemon::open(&format!("unix://{}", socket.display())).unwrap();
    let (cx, tar) = (context(), tar_stream(|_| Ok(())).unwrap());
    let (built, seen) = tokio::join!(daemon.build(&cx, &spec, tar), play(listener));
    assert_eq!(built.unwrap().hex(), "a".repeat(64));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes.get(5..).unwrap_or_default()).into_owned();
    let seen: Vec<(String, &str)> =
        seen.iter().map(|(_, answer, code)| (text(answer), code.as_str())).collect();
    let expected = [
        ("\u{8}\u{1}", "0"),
        ("\n\u{9}the value", "0"),
        ("", "5"),
        ("\n\u{2}ci\u{12}\u{4}word", "0"),
        ("", "0"),
        ("", "12"),
        ("", "0"),
        ("", "5"),
        ("\n\u{c}TO THE AGENT", "0"),
    ];
    assert_eq!(seen, expected.map(|(text, code)| (text.to_owned(), code)));
}
