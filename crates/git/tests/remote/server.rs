//! A git server: `git http-backend` behind as much of HTTP as it takes, and answers of one's own.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
};

/// A request, as it came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn is_push(&self) -> bool {
        self.method == "POST" && self.path.ends_with("git-receive-pack")
    }
}

/// What is answered: the raw answer, or nothing, which ends the connection.
pub(crate) type Answer = Option<Vec<u8>>;

/// Answers requests until it is dropped.
pub(crate) struct Server {
    pub(crate) port: u16,
    pub(crate) asked: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn new(answer: impl Fn(Request) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (asked, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, stopped, answer) = (Arc::clone(&asked), Arc::clone(&stop), Arc::new(answer));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let (count, answer) = (Arc::clone(&count), Arc::clone(&answer));
                std::thread::spawn(move || {
                    let mut stream = stream.unwrap();
                    if let Some(request) = read(&stream) {
                        count.fetch_add(1, Ordering::Relaxed);
                        // Whoever asked may be gone.
                        let _ = answer(request).map(|answer| stream.write_all(&answer));
                    }
                });
            }
        });
        Self { port, asked, stop, thread: Some(thread) }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let mut request =
        Request { method, path: path.to_owned(), query: query.to_owned(), ..Request::default() };
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        request.headers.push((name.to_lowercase(), value.to_owned()));
    }
    let length = request.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    request.body = vec![0; length];
    reader.read_exact(&mut request.body).ok()?;
    Some(request)
}

/// Returns an answer of this status, type and content.
pub(crate) fn answer(status: &str, kind: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// Asks `git http-backend` (git-http-backend(1)).
pub(crate) fn backend(root: &Path, request: &Request) -> Vec<u8> {
    let mut git = Command::new("git");
    git.arg("http-backend").env_clear().env("PATH", std::env::var_os("PATH").unwrap()).envs([
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_HTTP_EXPORT_ALL", "1"),
        ("REQUEST_METHOD", &request.method),
        ("PATH_INFO", &request.path),
        ("QUERY_STRING", &request.query),
        ("CONTENT_TYPE", request.header("content-type").unwrap_or_default()),
        ("CONTENT_LENGTH", &request.body.len().to_string()),
    ]);
    git.env("GIT_PROJECT_ROOT", root).env("HOME", root);
    let mut child = git.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let body = request.body.clone();
    let writing = std::thread::spawn(move || {
        let _ = input.write_all(&body);
    });
    let output = child.wait_with_output().unwrap().stdout;
    writing.join().unwrap();
    let end = output.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let head = String::from_utf8_lossy(&output[..end]).into_owned();
    let value = |name: &str| {
        head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).map(str::to_owned)
    };
    let status = value("Status").unwrap_or_else(|| "200 OK".to_owned());
    answer(&status, &value("Content-Type").unwrap_or_default(), &output[end + 4..])
}

/// A folder with the bare repository `env.git`, served.
pub(crate) struct Git {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) server: Server,
    /// What happens to a request instead.
    pub(crate) twist: Arc<Mutex<Option<Twist>>>,
}

pub(crate) type Twist = Box<dyn FnMut(&Request, &Path) -> Option<Answer> + Send>;

impl Git {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let twist: Arc<Mutex<Option<Twist>>> = Arc::default();
        let (root, twisted) = (folder.path().to_owned(), Arc::clone(&twist));
        let server = Server::new(move |request| {
            if let Some(twist) = twisted.lock().unwrap().as_mut()
                && let Some(answer) = twist(&request, &root)
            {
                return answer;
            }
            Some(backend(&root, &request))
        });
        let git = Self { folder, server, twist };
        git.run(&["init", "-q", "--bare", "-b", "production", "env.git"]);
        git.bare(&["config", "http.receivepack", "true"]);
        git
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    pub(crate) fn url(&self) -> String {
        self.server.url("env.git")
    }

    pub(crate) fn twist(&self, twist: impl FnMut(&Request, &Path) -> Option<Answer> + Send + 'static) {
        *self.twist.lock().unwrap() = Some(Box::new(twist));
    }

    /// Returns the command of git in the test's folder, with nothing of this machine's settings.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut git = Command::new("git");
        git.args(args)
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap());
        git.envs([
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_AUTHOR_NAME", "g"),
            ("GIT_AUTHOR_EMAIL", "g@example.com"),
        ]);
        git.envs([("GIT_COMMITTER_NAME", "g"), ("GIT_COMMITTER_EMAIL", "g@example.com")]);
        git
    }

    pub(crate) fn run(&self, args: &[&str]) -> String {
        let output = self.command(args).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    pub(crate) fn bare(&self, args: &[&str]) -> String {
        self.run(&[&["--git-dir=env.git"], args].concat())
    }

    /// Commits these files to `candidate` by a clone of git's own.
    pub(crate) fn commit(&self, message: &str, files: &[(String, String)]) {
        if !self.path("work").exists() {
            self.run(&["clone", "-q", "env.git", "work"]);
            self.run(&["-C", "work", "checkout", "-q", "-b", "candidate"]);
        }
        for (path, content) in files {
            let path = self.path("work").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        self.run(&["-C", "work", "add", "-A"]);
        self.run(&["-C", "work", "commit", "-q", "--allow-empty", "-m", message]);
        self.run(&["-C", "work", "push", "-q", "-f", "origin", "candidate"]);
    }
}
