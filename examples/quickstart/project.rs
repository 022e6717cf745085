//! The small project that the quickstart releases: two services and a base image.

use std::{fs, io, path::Path};

/// The service of static files, on the base image `httpd`.
const SITE: &str = "FROM httpd
LABEL org.opencontainers.image.title=site
COPY . /www
EXPOSE 8080
CMD [\"/www\"]
";

/// The same, with a program that is not in the image.
const BROKEN_SITE: &str = "FROM httpd
COPY . /www
ENTRYPOINT [\"/usr/bin/httpd\"]
CMD [\"/www\"]
";

/// A file server; the base image of `site`.
const HTTPD: &str = r#"use std::{env, fs, io::{Read, Write}, net::{TcpListener, TcpStream}, path::Path};

fn main() -> std::io::Result<()> {
    let folder = env::args().nth(1).unwrap_or_else(|| "/www".to_owned());
    for stream in TcpListener::bind("0.0.0.0:8080")?.incoming() {
        // Who goes away in the middle is nobody's loss but their own.
        let _ = stream.and_then(|stream| answer(stream, &folder));
    }
    Ok(())
}

fn answer(mut stream: TcpStream, folder: &str) -> std::io::Result<()> {
    let mut request = [0; 4096];
    let count = stream.read(&mut request)?;
    let request = String::from_utf8_lossy(&request[..count]);
    let path = request.split(' ').nth(1).unwrap_or("/").trim_start_matches('/');
    let path = if path.is_empty() { "index.html" } else { path };
    let found = (!path.contains("..")).then(|| fs::read(Path::new(folder).join(path)).ok()).flatten();
    let (status, body) = found.map_or(("404 Not Found", b"not found\n".to_vec()), |body| ("200 OK", body));
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len())?;
    stream.write_all(&body)
}
"#;

/// A service that answers with a greeting.
const API: &str = r#"use std::{io::{Read, Write}, net::TcpListener};

fn main() -> std::io::Result<()> {
    let body = "hello from the api\n";
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    for stream in TcpListener::bind("0.0.0.0:8081")?.incoming() {
        let answered = stream.and_then(|mut stream| {
            stream.read(&mut [0; 4096])?;
            stream.write_all((head.clone() + body).as_bytes())
        });
        // Who goes away in the middle is nobody's loss but their own.
        let _ = answered;
    }
    Ok(())
}
"#;

/// What a cluster runs of it, which `memory` makes by itself.
const MANIFESTS: &str = r"apiVersion: v1
kind: Service
metadata: {name: site}
spec:
  selector: {app: site}
  ports: [{port: 80, targetPort: 8080}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: site}
spec:
  selector: {matchLabels: {app: site}}
  template:
    metadata: {labels: {app: site}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: site
        image: site
        readinessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 1}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: api}
spec:
  selector: {matchLabels: {app: api}}
  template:
    metadata: {labels: {app: api}}
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{name: api, image: api}]
";

/// Has the project deployed to a namespace of a cluster, instead of to memory.
pub(crate) fn for_cluster(root: &Path, context: &str, namespace: &str) -> io::Result<()> {
    let file = root.join("skaffold.yaml");
    let options = format!(
        "kind: kubectl\n      options: {{kubeContext: {context:?}, defaultNamespace: {namespace:?}, manifests: {{rawYaml: [k8s]}}}}"
    );
    let text = fs::read_to_string(&file)?.replace("kind: memory", &options);
    fs::write(&file, text)?;
    fs::create_dir(root.join("k8s"))?;
    fs::write(root.join("k8s/shop.yaml"), MANIFESTS)
}

/// Writes the project into a folder.
pub(crate) fn write(root: &Path) -> io::Result<()> {
    for folder in ["api", "httpd", "site"] {
        fs::create_dir(root.join(folder))?;
    }
    fs::write(root.join("skaffold.yaml"), include_str!("skaffold.yaml"))?;
    fs::write(root.join("api/main.rs"), API)?;
    fs::write(root.join("httpd/main.rs"), HTTPD)?;
    fs::write(root.join("site/Dockerfile"), SITE)?;
    fs::write(root.join("site/.dockerignore"), "Dockerfile\n.dockerignore\n*.draft\n")?;
    fs::write(root.join("site/index.html"), "<h1>Hello</h1>\n")?;
    fs::write(root.join("site/notes.draft"), "not in the image\n")
}

/// Changes one file of the site.
pub(crate) fn edit(root: &Path) -> io::Result<()> {
    fs::write(root.join("site/index.html"), "<h1>Hello, harbour</h1>\n")
}

/// Names a program in the site's image that is not there.
pub(crate) fn break_it(root: &Path) -> io::Result<()> {
    fs::write(root.join("site/Dockerfile"), BROKEN_SITE)
}
