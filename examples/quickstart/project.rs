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
const HTTPD: &str = r#"use std::{env, fs, io::{Read, Write}, net::TcpListener, path::Path};

fn main() -> std::io::Result<()> {
    let folder = env::args().nth(1).unwrap_or_else(|| "/www".to_owned());
    for stream in TcpListener::bind("0.0.0.0:8080")?.incoming() {
        let mut stream = stream?;
        let mut request = [0; 4096];
        let count = stream.read(&mut request)?;
        let request = String::from_utf8_lossy(&request[..count]);
        let path = request.split(' ').nth(1).unwrap_or("/").trim_start_matches('/');
        let path = if path.is_empty() { "index.html" } else { path };
        let found = (!path.contains("..")).then(|| fs::read(Path::new(&folder).join(path)).ok()).flatten();
        let (status, body) = found.map_or(("404 Not Found", b"not found\n".to_vec()), |body| ("200 OK", body));
        write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len())?;
        stream.write_all(&body)?;
    }
    Ok(())
}
"#;

/// A service that answers with a greeting.
const API: &str = r#"use std::{io::{Read, Write}, net::TcpListener};

fn main() -> std::io::Result<()> {
    for stream in TcpListener::bind("0.0.0.0:8081")?.incoming() {
        let mut stream = stream?;
        stream.read(&mut [0; 4096])?;
        let body = "hello from the api\n";
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())?;
    }
    Ok(())
}
"#;

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
