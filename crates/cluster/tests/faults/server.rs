//! An API server on loopback that answers as a script says, down to the bytes and the end of a connection.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};
use shipway_cluster::{Cluster, Options};
use shipway_core::{Cancel, Context, FixedCredentials, RunContext, World};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

/// What is answered.
pub(crate) enum Reply {
    /// A whole answer, with more headers.
    Whole(u16, Vec<(&'static str, String)>, String),
    /// These pieces of a chunked body, the pauses before them, and then its end.
    Pieces(Vec<(Duration, String)>),
    /// These bytes, and then the end of the connection.
    Bytes(String),
    /// A body without an end.
    Endless,
    /// A byte of a body from time to time.
    Drip,
    /// Nothing, ever.
    Silence,
    /// A reset connection.
    Reset,
}

/// Returns a good answer.
pub(crate) fn good(body: &Value) -> Reply {
    Reply::Whole(200, Vec::new(), body.to_string())
}

/// Returns a refusal.
pub(crate) fn refusal(code: u16, reason: &str, details: Value) -> Reply {
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
        "reason": reason, "message": format!("the server says {reason}"), "details": details});
    Reply::Whole(code, Vec::new(), status.to_string())
}

type Script = Arc<dyn Fn(&Seen, usize) -> Reply + Send + Sync>;

pub(crate) struct Server {
    pub(crate) seen: Arc<Mutex<Vec<Seen>>>,
    pub(crate) port: u16,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Starts a server; the script hears the request and how many came before it, those of discovery apart,
    /// which are answered.
    pub(crate) async fn start(script: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_at(0, script).await
    }

    /// Starts a server at a port, or at a free one.
    pub(crate) async fn start_at(
        port: u16,
        script: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let (script, kept): (Script, _) = (Arc::new(script), Arc::clone(&seen));
        let task = tokio::spawn(async move {
            // Its connections end with it.
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let Ok((connection, _)) = listener.accept().await else { return };
                let (script, kept) = (Arc::clone(&script), Arc::clone(&kept));
                connections.spawn(async move { serve(connection, &script, &kept).await });
            }
        });
        Self { seen, port, task }
    }

    pub(crate) fn requests(&self) -> Vec<Seen> {
        self.seen.lock().expect("whole").clone()
    }

    pub(crate) fn kubeconfig(&self) -> Value {
        kubeconfig(self.port)
    }

    pub(crate) async fn cluster(&self, cx: &Context) -> Cluster {
        Cluster::open_with(cx, "test", quick()).await.expect("opened")
    }

    pub(crate) fn context(&self) -> Context {
        context(&self.kubeconfig().to_string())
    }
}

/// Returns options whose times are short.
pub(crate) fn quick() -> Options {
    Options::new()
        .request(Duration::from_millis(300))
        .patience(Duration::from_secs(3))
        .watch(Duration::from_secs(1))
}

pub(crate) fn kubeconfig(port: u16) -> Value {
    json!({"apiVersion": "v1", "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": format!("http://127.0.0.1:{port}")}}],
        "users": [{"name": "u", "user": {"token": "canary-token"}}],
        "contexts": [{"name": "test", "context": {"cluster": "c", "user": "u", "namespace": "shop"}}],
        "current-context": "other"})
}

pub(crate) fn context(kubeconfig: &str) -> Context {
    let credentials = FixedCredentials::new().cluster("test", kubeconfig).cluster("tset", kubeconfig);
    let world = World::host("/").credentials(credentials);
    RunContext::new(world, "test").context(None, None, Cancel::new())
}

fn is_discovery(target: &str) -> bool {
    target == "/api/v1"
}

fn discovery() -> Reply {
    good(&json!({"kind": "APIResourceList", "groupVersion": "v1", "resources": [
        {"name": "configmaps", "namespaced": true, "kind": "ConfigMap"},
        {"name": "pods", "namespaced": true, "kind": "Pod"},
        {"name": "namespaces", "namespaced": false, "kind": "Namespace"}]}))
}

async fn serve(mut connection: TcpStream, script: &Script, kept: &Mutex<Vec<Seen>>) {
    while let Some(seen) = read(&mut connection).await {
        let reply = if is_discovery(&seen.target) {
            discovery()
        } else {
            let mut all = kept.lock().expect("whole");
            let before = all.len();
            all.push(seen.clone());
            drop(all);
            script(&seen, before)
        };
        if write(&mut connection, reply).await.is_none() {
            return;
        }
    }
}

async fn read(connection: &mut TcpStream) -> Option<Seen> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(connection.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let length = headers.get("content-length").map_or(0, |length| length.parse().expect("a number"));
    let mut body = vec![0; length];
    connection.read_exact(&mut body).await.ok()?;
    Some(Seen { method, target, headers, body })
}

/// Writes the reply; none when the connection ends with it.
async fn write(connection: &mut TcpStream, reply: Reply) -> Option<()> {
    const CHUNKED: &[u8] =
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    let forever = std::future::pending::<()>;
    match reply {
        Reply::Whole(code, headers, body) => {
            let headers: String =
                headers.into_iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
            let head = format!("HTTP/1.1 {code} X\r\n{headers}content-length: {}\r\n\r\n", body.len());
            connection.write_all((head + &body).as_bytes()).await.ok()
        }
        Reply::Pieces(pieces) => {
            connection.write_all(CHUNKED).await.ok()?;
            for (pause, piece) in pieces {
                tokio::time::sleep(pause).await;
                let chunk = format!("{:x}\r\n{piece}\r\n", piece.len());
                connection.write_all(chunk.as_bytes()).await.ok()?;
            }
            connection.write_all(b"0\r\n\r\n").await.ok()
        }
        Reply::Bytes(bytes) => {
            connection.write_all(bytes.as_bytes()).await.ok()?;
            None
        }
        Reply::Endless => {
            connection.write_all(CHUNKED).await.ok()?;
            let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
            while connection.write_all(chunk.as_bytes()).await.is_ok() {}
            None
        }
        Reply::Drip => {
            connection.write_all(CHUNKED).await.ok()?;
            while connection.write_all(b"1\r\n \r\n").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            None
        }
        Reply::Silence => {
            forever().await;
            None
        }
        Reply::Reset => {
            connection.set_zero_linger().ok()?;
            None
        }
    }
}
