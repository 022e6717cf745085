//! The server: a listener, a task for each connection, and their end.

use std::{
    collections::BTreeMap,
    fmt, io,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use hyper::{
    Request, StatusCode,
    body::Incoming,
    header::{CONTENT_TYPE, HeaderName, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use shipway_core::{Disk, Error, Result, Secret};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::{JoinHandle, JoinSet},
};

use super::{
    answer::{Answer, Refusal, answer},
    blobs,
    fault::{Fault, Faults, RegistryRequest},
    login::Login,
    manifests, referrers,
    route::{Route, route},
    store::Store,
    uploads::Uploads,
};

const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");

/// How long a client may take over the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// The most connections at once; more wait.
const CONNECTIONS: usize = 512;

/// How long no connection is taken after one could not be.
const PAUSE: Duration = Duration::from_millis(50);

/// How long requests under way may take after the registry was asked to stop.
const GRACE: Duration = Duration::from_secs(5);

/// A registry that runs in this process.
///
/// It stops when it is dropped; [`Registry::shutdown`] also waits until it has. What was pushed
/// stays in its folder; uploads that nobody finished are removed.
///
/// ```
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// # let folder = tempfile::tempdir()?;
/// let disk = std::sync::Arc::new(shipway_core::HostDisk);
/// let registry = shipway_oci::Registry::start(folder.path(), disk).await?;
/// let image = format!("{}/web:1.0", registry.host());
/// # drop(image);
/// registry.shutdown().await;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Registry {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    serving: Option<JoinHandle<()>>,
}

impl Registry {
    /// Starts a registry over a folder, on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// `Unavailable` when the folder cannot be made, `Conflict` while another registry has it open.
    pub async fn start(folder: impl Into<PathBuf>, disk: Arc<dyn Disk>) -> Result<Self> {
        Self::builder(folder, disk).start().await
    }

    /// Returns a registry that is yet to be started, for more choices.
    pub fn builder(folder: impl Into<PathBuf>, disk: Arc<dyn Disk>) -> RegistryBuilder {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        RegistryBuilder { folder: folder.into(), disk, address, login: None, faults: None }
    }

    /// Returns the host that begins the names of its images: `127.0.0.1:<port>`.
    #[must_use]
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// Returns the address that it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops: requests under way have a few seconds to end, new ones are not taken.
    pub async fn shutdown(mut self) {
        self.stop.send_replace(true);
        if let Some(serving) = self.serving.take() {
            // It ends by itself, and a panic in it was already told.
            let _ = serving.await;
        }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

/// A registry that is yet to be started.
pub struct RegistryBuilder {
    folder: PathBuf,
    disk: Arc<dyn Disk>,
    address: SocketAddr,
    login: Option<Login>,
    faults: Option<Box<Faults>>,
}

impl fmt::Debug for RegistryBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegistryBuilder")
            .field("folder", &self.folder)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl RegistryBuilder {
    /// Sets the address to listen on; port 0 is a free one.
    ///
    /// Whoever reaches the address can push to it and delete from it, unless there is a [`login`].
    ///
    /// [`login`]: Self::login
    #[must_use]
    pub fn address(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// Sets the login without which nothing is answered, by HTTP's Basic scheme. The registry speaks
    /// plain HTTP, so what is between it and its clients can read the password.
    #[must_use]
    pub fn login(mut self, username: &str, password: impl Into<Secret>) -> Self {
        self.login = Some(Login::new(username, &password.into()));
        self
    }

    /// Sets what goes wrong on purpose: asked once for each request.
    #[must_use]
    pub fn faults(
        mut self,
        faults: impl Fn(&RegistryRequest<'_>) -> Option<Fault> + Send + Sync + 'static,
    ) -> Self {
        self.faults = Some(Box::new(faults));
        self
    }

    /// Starts it.
    ///
    /// # Errors
    /// `Unavailable` when the folder cannot be made or the address is taken, `Conflict` while another
    /// registry has the folder open.
    pub async fn start(self) -> Result<Registry> {
        let Self { folder, disk, address, login, faults } = self;
        let open = {
            let folder = folder.clone();
            tokio::task::spawn_blocking(move || Store::open(&folder, disk)).await.map_err(io::Error::other)
        };
        let store = open
            .and_then(|opened| opened)
            .map_err(|error| Error::io("open the registry in", &folder, error))?
            .ok_or_else(|| {
                Error::conflict(format!("another registry is open in `{}`", folder.display()))
                    .hint("use that one, shut it down first, or use another folder")
            })?;
        let cannot = |error: io::Error| {
            Error::new(shipway_core::ErrorKind::Unavailable, format!("cannot listen on `{address}`"))
                .retry(false)
                .source(error)
        };
        let listener = TcpListener::bind(address).await.map_err(cannot)?;
        let address = listener.local_addr().map_err(cannot)?;
        let uploads = Arc::new(Uploads::new(store.clone()));
        let state = Arc::new(State { store, uploads, login, faults, count: AtomicU64::new(0) });
        let (stop, stopped) = watch::channel(false);
        let serving = tokio::spawn(serve(listener, state, stopped));
        Ok(Registry { address, stop, serving: Some(serving) })
    }
}

/// What all connections share.
pub(super) struct State {
    pub(super) store: Store,
    pub(super) uploads: Arc<Uploads>,
    login: Option<Login>,
    faults: Option<Box<Faults>>,
    count: AtomicU64,
}

/// The parameters of a request's query.
pub(super) type Query = BTreeMap<String, String>;

async fn serve(listener: TcpListener, state: Arc<State>, mut stopped: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let accepted = async {
            let place = Arc::clone(&room).acquire_owned().await.map_err(io::Error::other)?;
            Ok::<_, io::Error>((listener.accept().await?, place))
        };
        let accepted = tokio::select! {
            accepted = accepted => accepted,
            _ = stopped.wait_for(|stop| *stop) => break,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok(((stream, _), place)) => {
                let connection = connection(stream, Arc::clone(&state), stopped.clone());
                connections.spawn(async move {
                    connection.await;
                    drop(place);
                });
            }
            // Such as too many open files: others must end first.
            Err(_) => {
                if tokio::time::timeout(PAUSE, stopped.wait_for(|stop| *stop)).await.is_ok() {
                    break;
                }
            }
        }
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    // After the grace the rest is dropped, and with it its uploads.
    let _ = tokio::time::timeout(GRACE, ended).await;
    connections.shutdown().await;
}

async fn connection(stream: TcpStream, state: Arc<State>, mut stopped: watch::Receiver<bool>) {
    // A client waits for small answers; a stream that cannot be told so still works.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| {
        let state = Arc::clone(&state);
        async move { respond(&state, request).await }
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .serve_connection(TokioIo::new(stream), service)
    );
    // A connection that breaks is the client's to tell about.
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = stopped.wait_for(|stop| *stop) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

/// Answers one request; an error ends the connection.
async fn respond(state: &Arc<State>, request: Request<Incoming>) -> io::Result<Answer> {
    let count = state.count.fetch_add(1, Ordering::Relaxed);
    let fault = state.faults.as_ref().and_then(|faults| {
        faults(&RegistryRequest { method: request.method().as_str(), path: request.uri().path(), count })
    });
    if let Some(instead) = fault.as_ref().and_then(Fault::instead) {
        return instead;
    }
    let mut answer = dispatch(state, request).await.unwrap_or_else(Refusal::answer);
    answer.headers_mut().insert(API_VERSION, HeaderValue::from_static("registry/2.0"));
    Ok(match fault {
        Some(fault) => fault.spoil(answer),
        None => answer,
    })
}

async fn dispatch(state: &Arc<State>, request: Request<Incoming>) -> Result<Answer, Refusal> {
    let (head, mut body) = request.into_parts();
    if let Some(login) = &state.login {
        login.check(&head.headers)?;
    }
    let query = query(head.uri.query().unwrap_or_default());
    let method = &head.method;
    match route(head.uri.path())? {
        Route::Base if *method == hyper::Method::GET || *method == hyper::Method::HEAD => Ok(answer(
            StatusCode::OK,
            &[(CONTENT_TYPE, "application/json".into())],
            Bytes::from_static(b"{}"),
        )),
        Route::Blob(repository, digest) => {
            blobs::blob(state, method, (repository, digest), &head.headers).await
        }
        Route::Uploads(repository) if *method == hyper::Method::POST => {
            blobs::begin(state, repository, &query, &mut body).await
        }
        Route::Upload(repository, id) => {
            blobs::upload(state, method, (repository, id), &head.headers, &query, &mut body).await
        }
        Route::Manifest(repository, label) => {
            manifests::manifest(state, method, (repository, label), &head.headers, &mut body).await
        }
        Route::Tags(repository) => manifests::tags(state, method, repository, &query).await,
        Route::Referrers(repository, digest) => {
            referrers::list(state, method, repository, digest, &query).await
        }
        Route::Base | Route::Uploads(_) => Err(Refusal::unsupported()),
    }
}

fn query(text: &str) -> Query {
    let mut url = reqwest::Url::parse("http://registry/").expect("a constant URL parses");
    url.set_query(Some(text));
    url.query_pairs().into_owned().collect()
}
