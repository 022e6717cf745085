//! A proxy on loopback between a client and a real API server, which breaks what it is told to break. Towards the
//! client it is plain HTTP; towards the API server it is who the kubeconfig says.

use std::{
    collections::BTreeMap,
    fmt, mem,
    sync::{Arc, Mutex},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::{Client, Method, RequestBuilder, Response};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::{CertifiedKey, SingleCertAndKey},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::{JoinHandle, JoinSet},
};

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Asked {
    /// Returns whether it changes an object.
    pub(crate) fn writes(&self) -> bool {
        self.method != "GET" && !self.query.contains("dryRun=All") && !self.path.ends_with("reviews")
    }

    /// Returns whether it is about objects of this kind, such as `configmaps`, or about one of them.
    pub(crate) fn is_about(&self, plural: &str) -> bool {
        self.path.split('/').any(|part| part == plural)
    }

    /// Returns whether it writes something that is applied, rather than what the deployer keeps of it.
    pub(crate) fn applies(&self) -> bool {
        self.writes() && self.method == "PATCH"
    }
}

/// What happens to a request.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// It takes longer.
    Delay(Duration),
    /// It is answered with this code, and never reaches the API server.
    Answer(u16),
    /// The same, with the wish to be asked again after so many seconds.
    Busy(u16, u64),
    /// It reaches the API server, and is answered with this code all the same.
    Answered(u16),
    /// The connection breaks before the request reaches the API server.
    Refuse,
    /// The connection breaks after the API server has answered.
    Lose,
    /// The connection breaks in the middle of the answer, or of the first events of a watch.
    Cut,
    /// It reaches nobody, and nothing comes back on a connection that stays open.
    Silence,
    /// It reaches the API server, and nothing comes back on a connection that stays open.
    Mute,
    /// It goes on when this says so.
    Hold(Arc<Notify>),
    /// The answer comes a byte at a time.
    Drip,
}

type Script = Arc<dyn Fn(&Asked) -> Fault + Send + Sync>;

struct Shared {
    script: Mutex<Script>,
    seen: Mutex<Vec<Asked>>,
    /// Told when a request gets no answer, or waits.
    stuck: Notify,
    server: String,
    token: Option<String>,
    client: Client,
}

pub(crate) struct Proxy {
    port: u16,
    context: String,
    namespace: Option<String>,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Shared {
    async fn send(&self, request: RequestBuilder, is_somebody: bool) -> Option<Response> {
        let request = match &self.token {
            Some(token) if !is_somebody => request.bearer_auth(token),
            _ => request,
        };
        request.send().await.ok()
    }

    async fn say_nothing<T>(&self) -> T {
        self.stuck.notify_one();
        std::future::pending().await
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("port", &self.port).finish_non_exhaustive()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Proxy {
    /// Starts a proxy to the API server of this context, that breaks nothing yet.
    pub(crate) async fn start(kubeconfig: &str, context: &str) -> Self {
        let (server, namespace, user, client) = upstream(kubeconfig, context);
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let shared = Arc::new(Shared {
            script: Mutex::new(Arc::new(|_: &Asked| Fault::None)),
            seen: Mutex::default(),
            stuck: Notify::new(),
            server,
            token: user["token"].as_str().map(ToOwned::to_owned),
            client,
        });
        let serving = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            // Its connections end with it.
            let mut connections = JoinSet::new();
            while let Ok((connection, _)) = listener.accept().await {
                let shared = Arc::clone(&serving);
                connections.spawn(async move { serve(connection, &shared).await });
            }
        });
        Self { port, context: context.to_owned(), namespace, shared, task }
    }

    /// Breaks from now on what this says.
    pub(crate) fn set(&self, script: impl Fn(&Asked) -> Fault + Send + Sync + 'static) {
        *self.shared.script.lock().expect("whole") = Arc::new(script);
    }

    /// Breaks nothing from now on.
    pub(crate) fn mend(&self) {
        self.set(|_| Fault::None);
    }

    /// Returns once a request gets no answer, or is held.
    pub(crate) async fn stuck(&self) {
        self.shared.stuck.notified().await;
    }

    /// Returns what came, and forgets it.
    pub(crate) fn take(&self) -> Vec<Asked> {
        mem::take(&mut *self.shared.seen.lock().expect("whole"))
    }

    /// Merges something into an object at a path of the API server, past the script; returns the code of the answer.
    pub(crate) async fn patch(&self, path: &str, change: &Value) -> u16 {
        let request = self.shared.client.patch(format!("{}{path}", self.shared.server));
        let request = request.header("content-type", "application/merge-patch+json").body(change.to_string());
        self.shared.send(request, false).await.expect("an answer").status().as_u16()
    }

    /// Returns `host:port`.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Returns the kubeconfig by which this proxy is reached, in the context of the same name.
    pub(crate) fn kubeconfig(&self) -> String {
        let server = format!("http://{}", self.address());
        let mut context = json!({"cluster": "proxy"});
        if let Some(namespace) = &self.namespace {
            context["namespace"] = namespace.as_str().into();
        }
        json!({"apiVersion": "v1", "kind": "Config",
            "clusters": [{"name": "proxy", "cluster": {"server": server}}],
            "contexts": [{"name": self.context, "context": context}]})
        .to_string()
    }
}

/// Returns the API server's address, the namespace and the user of a context, and a client that is this user.
fn upstream(kubeconfig: &str, context: &str) -> (String, Option<String>, Value, Client) {
    let documents = shipway_yaml::parse("kubeconfig", kubeconfig).expect("a kubeconfig");
    let config = documents[0].to_json(shipway_yaml::Rules::Manifest).expect("a kubeconfig");
    let named = |list: &str, name: &Value, what: &str| {
        let all = config[list].as_array().into_iter().flatten();
        all.filter(|one| one["name"] == *name).map(|one| one[what].clone()).next().unwrap_or_default()
    };
    let of = named("contexts", &context.into(), "context");
    let (cluster, user) = (named("clusters", &of["cluster"], "cluster"), named("users", &of["user"], "user"));
    let pem =
        |value: &Value| STANDARD.decode(value.as_str().expect("given inline, in base64")).expect("base64");
    let mut roots = RootCertStore::empty();
    for authority in CertificateDer::pem_slice_iter(&pem(&cluster["certificate-authority-data"])) {
        roots.add(authority.expect("PEM")).expect("an authority");
    }
    let provider = Arc::new(ring::default_provider());
    let signer = provider.key_provider;
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots);
    let tls = if user["client-key-data"].is_null() {
        tls.with_no_client_auth()
    } else {
        let chain = pem(&user["client-certificate-data"]);
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&chain).collect();
        let key = PrivateKeyDer::from_pem_slice(&pem(&user["client-key-data"])).expect("a key");
        // It takes certificates of X.509's first version as well.
        let known = CertifiedKey::new(chain.expect("PEM"), signer.load_private_key(key).expect("a key"));
        tls.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(known)))
    };
    let client = Client::builder().tls_backend_preconfigured(tls).no_proxy().build().expect("a client");
    let server = cluster["server"].as_str().expect("a server").trim_end_matches('/').to_owned();
    (server, of["namespace"].as_str().map(ToOwned::to_owned), user, client)
}

async fn serve(mut connection: TcpStream, shared: &Shared) {
    let _ = connection.set_nodelay(true);
    while let Some(asked) = read(&mut connection).await {
        shared.seen.lock().expect("whole").push(asked.clone());
        let script = Arc::clone(&shared.script.lock().expect("whole"));
        let fault = script(&asked);
        if meet(&mut connection, shared, &asked, fault).await.is_none() {
            // Reset, as by a process that is gone.
            let _ = connection.set_zero_linger();
            return;
        }
    }
}

/// Answers a request; none when the connection is to break.
async fn meet(connection: &mut TcpStream, shared: &Shared, asked: &Asked, fault: Fault) -> Option<()> {
    match fault {
        Fault::Answer(code) => return refuse(connection, code, "").await,
        Fault::Busy(code, after) => {
            return refuse(connection, code, &format!("retry-after: {after}\r\n")).await;
        }
        Fault::Refuse => return None,
        Fault::Silence => return shared.say_nothing().await,
        Fault::Delay(time) => tokio::time::sleep(time).await,
        Fault::Hold(ref free) => {
            shared.stuck.notify_one();
            free.notified().await;
        }
        _ => {}
    }
    let mut response = forward(shared, asked).await?;
    if matches!(fault, Fault::Answered(_) | Fault::Lose | Fault::Mute) {
        // To its end, so that it is done.
        while response.chunk().await.ok()?.is_some() {}
        return match fault {
            Fault::Answered(code) => refuse(connection, code, "").await,
            Fault::Mute => shared.say_nothing().await,
            _ => None,
        };
    }
    let mut head = format!("HTTP/1.1 {} X\r\n", response.status().as_u16());
    for name in ["content-type", "retry-after", "warning"] {
        for value in response.headers().get_all(name) {
            head.extend([name, ": ", value.to_str().ok()?, "\r\n"]);
        }
    }
    head += "transfer-encoding: chunked\r\n\r\n";
    connection.write_all(head.as_bytes()).await.ok()?;
    let mut nothing = [0];
    loop {
        let piece = tokio::select! {
            piece = response.chunk() => piece.ok()?,
            // Who asked is gone: the end of a watch that nobody reads.
            _ = connection.peek(&mut nothing) => return None,
        };
        let Some(piece) = piece else { break };
        match fault {
            Fault::Cut => {
                let half = &piece[..piece.len() / 2];
                let head = format!("{:x}\r\n", piece.len());
                connection.write_all(&[head.as_bytes(), half].concat()).await.ok()?;
                return None;
            }
            Fault::Drip => {
                for byte in piece {
                    connection.write_all(&[b'1', b'\r', b'\n', byte, b'\r', b'\n']).await.ok()?;
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
            _ => {
                let head = format!("{:x}\r\n", piece.len());
                connection.write_all(&[head.as_bytes(), &piece, b"\r\n"].concat()).await.ok()?;
            }
        }
    }
    connection.write_all(b"0\r\n\r\n").await.ok()
}

async fn forward(shared: &Shared, asked: &Asked) -> Option<Response> {
    let query = if asked.query.is_empty() { String::new() } else { format!("?{}", asked.query) };
    let method: Method = asked.method.parse().ok()?;
    let mut request = shared.client.request(method, format!("{}{}{query}", shared.server, asked.path));
    for name in ["accept", "content-type", "authorization", "user-agent"] {
        if let Some(value) = asked.headers.get(name) {
            request = request.header(name, value);
        }
    }
    shared.send(request.body(asked.body.clone()), asked.headers.contains_key("authorization")).await
}

/// Answers as an API server does that cannot.
async fn refuse(connection: &mut TcpStream, code: u16, headers: &str) -> Option<()> {
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
        "reason": "OnPurpose", "message": "on purpose"})
    .to_string();
    let head = format!(
        "HTTP/1.1 {code} X\r\ncontent-type: application/json\r\n{headers}content-length: {}\r\n\r\n",
        status.len()
    );
    connection.write_all((head + &status).as_bytes()).await.ok()
}

async fn read(connection: &mut TcpStream) -> Option<Asked> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(connection.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let length = headers.get("content-length").map_or(0, |length| length.parse().expect("a number"));
    let mut body = vec![0; length];
    connection.read_exact(&mut body).await.ok()?;
    Some(Asked { method, path: path.to_owned(), query: query.to_owned(), headers, body })
}
